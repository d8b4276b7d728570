//! What happened (ckan.md 3.8, 4.8): written with each change, read as streams.

use chrono::{DateTime, Utc};
use madang_kit::{
    Id,
    ckan::{Dict, Outcome, Problems, Refusal, date},
};
use serde_json::{Value, json};
use sqlx::types::Json;

use super::{Act, act::texts, group, package, resource, user};
use crate::store::{
    ckan::{
        activity::{self as store, About, Activity, Narrowed},
        group::{self as groups, Group},
        package::{self as packages, Package},
        resource::Resource,
    },
    organization::Capacity,
};

/// Notes that a package is new, changed or deleted; gives its dictionary, which is kept with it.
pub(super) async fn of_package_change(act: &mut Act, kind: &str, package: &Package) -> Outcome<Dict> {
    let dict = package::one(act, package.clone()).await?;
    if package.state != "draft" {
        note_package(act, kind, package, dict.clone()).await?;
    }
    Ok(dict)
}

/// Notes that a resource of a package changed, or is gone: with the package that resource alone is kept.
pub(super) async fn of_resource(act: &mut Act, package: &Package, changed: Option<&Resource>) -> Outcome<()> {
    let mut dict = Dict::new();
    dict.insert("id".to_owned(), package.id.clone().into());
    dict.insert("name".to_owned(), package.name.clone().into());
    dict.insert("title".to_owned(), package.title.clone().into());
    let resources: Vec<Value> = changed.iter().map(|changed| resource::dict(act, changed, 0, false).into()).collect();
    dict.insert("resources".to_owned(), resources.into());
    if package.state == "draft" {
        return Ok(());
    }
    note_package(act, "changed", package, dict).await
}

async fn note_package(act: &mut Act, kind: &str, package: &Package, dict: Dict) -> Outcome<()> {
    let row = Activity {
        id: Id::generate().to_string(),
        at: act.now,
        user_id: act.reader.id.clone(),
        object_id: package.id.clone(),
        owner_id: package.organization_id.clone(),
        r#type: format!("{kind} package"),
        data: Json(json!({"package": dict, "actor": act.user})),
        public: package.is_public(),
    };
    Ok(store::insert(&mut act.source, &row).await?)
}

/// Notes that a group is new, changed or deleted.
pub(super) async fn of_group_change(act: &mut Act, kind: &str, group: &Group, dict: &Dict) -> Outcome<()> {
    let flavour = if group.is_organization { "organization" } else { "group" };
    let mut kept = dict.clone();
    kept.remove("users"); // people are kept where they are erased
    let row = Activity {
        id: Id::generate().to_string(),
        at: act.now,
        user_id: act.reader.id.clone(),
        object_id: group.id.clone(),
        owner_id: None,
        r#type: format!("{kind} {flavour}"),
        data: Json(json!({"group": kept})),
        public: true,
    };
    Ok(store::insert(&mut act.source, &row).await?)
}

/// `package_activity_list`
pub(super) async fn of_package(act: &mut Act) -> Outcome {
    let word = act.required("id")?;
    let package = package::readable(act, &word).await?;
    list(act, About::Object(&package.id)).await
}

/// `user_activity_list`
pub(super) async fn of_user(act: &mut Act) -> Outcome {
    user::demand_details(act)?;
    let word = act.required("id")?;
    let user = user::find(act, &word).await?.ok_or_else(Refusal::not_found)?;
    list(act, About::User(&user.id)).await
}

/// `group_activity_list`, `organization_activity_list`
pub(super) async fn of_group(act: &mut Act) -> Outcome {
    let word = act.required("id")?;
    let found = group::find(act, &word).await?;
    list(act, About::Group(&found.id)).await
}

/// `recently_changed_packages_activity_list`
pub(super) async fn recent(act: &mut Act) -> Outcome {
    list(act, About::Packages).await
}

async fn list(act: &mut Act, about: About<'_>) -> Outcome {
    let by = read(act)?;
    let reader = act.reader.clone();
    Ok(store::list(&mut act.source, &reader, about, by).await?.iter().map(dict).collect())
}

/// `dashboard_activity_list`
pub(super) async fn dashboard(act: &mut Act) -> Outcome {
    act.demand_login()?;
    let id = act.reader.id.clone();
    let looked_at = store::looked_at(&mut act.source, &id).await?;
    let (by, reader) = (read(act)?, act.reader.clone());
    let found = store::list(&mut act.source, &reader, About::Dashboard(&id), Narrowed { hidden: true, ..by }).await?;
    let shown = |activity: &Activity| {
        let mut shown = dict(activity);
        shown["is_new"] = (activity.at > looked_at && activity.user_id != id).into();
        shown
    };
    Ok(found.iter().map(shown).collect())
}

/// `dashboard_new_activities_count`
pub(super) async fn count_new(act: &mut Act) -> Outcome {
    let shown = dashboard(act).await?;
    let new = shown.as_array().map_or(0, |list| list.iter().filter(|activity| activity["is_new"] == true).count());
    Ok(new.into())
}

/// `dashboard_mark_activities_old`
pub(super) async fn mark_old(act: &mut Act) -> Outcome {
    act.demand_login()?;
    let (id, now) = (act.reader.id.clone(), act.now);
    store::look(&mut act.source, &id, now).await?;
    Ok(Value::Null)
}

/// `activity_show`
pub(super) async fn show(act: &mut Act) -> Outcome {
    let activity = found(act).await?;
    let with_data = act.flag("include_data", true)?;
    demand(act, &activity, with_data && !act.site.public_activity_stream_detail).await?;
    let mut shown = dict(&activity);
    if !with_data {
        shown["data"] = json!({});
    }
    Ok(shown)
}

/// `activity_data_show`
pub(super) async fn show_data(act: &mut Act) -> Outcome {
    let activity = found(act).await?;
    demand(act, &activity, true).await?;
    match act.text("object_type").filter(|kind| !kind.is_empty()) {
        None => Ok(activity.data.0),
        Some(kind) => {
            activity.data.get(&kind).cloned().ok_or_else(|| Refusal::NotFound("Could not find that object in the activity".to_owned()))
        }
    }
}

/// `activity_create`
pub(super) async fn create(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let mut problems = Problems::default();
    for name in ["user_id", "object_id", "activity_type"] {
        if act.text(name).is_none_or(|value| value.is_empty()) {
            problems.add(name, "Missing value");
        }
    }
    let word = act.text("user_id").unwrap_or_default();
    let person = user::find(act, &word).await?;
    if person.is_none() && !problems.has("user_id") {
        problems.add("user_id", "Not found: User");
    }
    if act.dict.contains_key("id") {
        problems.add("id", "The input field id was not expected.");
    }
    problems.finish()?;
    let row = Activity {
        id: Id::generate().to_string(),
        at: act.now,
        user_id: person.map(|person| person.id).unwrap_or_default(),
        object_id: act.required("object_id")?,
        owner_id: None,
        r#type: act.required("activity_type")?,
        data: Json(act.dict.get("data").cloned().unwrap_or_else(|| json!({}))),
        public: true,
    };
    store::insert(&mut act.source, &row).await?;
    Ok(dict(&row))
}

/// `send_email_notifications`: the hub sends no e-mail.
pub(super) fn send(act: &Act) -> Outcome {
    act.demand_sysadmin()?;
    if !act.site.email_notifications {
        return Err(Refusal::bare("message", "ckan.activity_streams_email_notifications is not enabled in config"));
    }
    Ok(Value::Null)
}

async fn found(act: &mut Act) -> Outcome<Activity> {
    let id = act.required("id")?;
    store::find(&mut act.source, &id).await?.ok_or_else(|| Refusal::NotFound("Activity not found".to_owned()))
}

/// Refuses whoever may not read (or edit) what an activity is about.
async fn demand(act: &mut Act, activity: &Activity, edit: bool) -> Outcome<()> {
    if let Some(package) = packages::find(&mut act.source, &activity.object_id).await? {
        return if edit { package::demand_edit(act, &package).await } else { package::readable(act, &package.id).await.map(drop) };
    }
    if let Some(group) = groups::find(&mut act.source, &activity.object_id).await? {
        let allowed = !edit || act.has_role(&group.id, Capacity::Admin).await?;
        return if allowed { Ok(()) } else { Err(Refusal::denied()) };
    }
    if edit && activity.object_id != act.reader.id && !act.is_sysadmin() { Err(Refusal::denied()) } else { Ok(()) }
}

fn read(act: &Act) -> Outcome<Narrowed> {
    let (types, not_types) = (texts(act.dict.get("activity_types")), texts(act.dict.get("exclude_activity_types")));
    if !types.is_empty() && !not_types.is_empty() {
        return Err(Refusal::invalid("activity_types", "Cannot be used together with `exclude_activity_types`."));
    }
    Ok(Narrowed {
        limit: act.natural("limit", act.site.activity_list_limit, act.site.activity_list_limit_max)?,
        offset: act.natural("offset", 0, i64::MAX)?,
        after: moment(act, "after")?,
        before: moment(act, "before")?,
        types,
        not_types,
        hidden: act.flag("include_hidden_activity", false)? && act.is_sysadmin(),
    })
}

/// Seconds since 1970, with a fraction.
fn moment(act: &Act, name: &str) -> Outcome<Option<DateTime<Utc>>> {
    let Some(text) = act.text(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let seconds: Option<f64> = text.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite());
    #[expect(clippy::cast_possible_truncation, reason = "what does not fit is no moment of ours")]
    let at = seconds.and_then(|seconds| DateTime::from_timestamp_micros((seconds * 1e6) as i64));
    at.map(Some).ok_or_else(|| Refusal::invalid(name, "Invalid float"))
}

fn dict(activity: &Activity) -> Value {
    let labels = if activity.public {
        vec!["public".to_owned()]
    } else {
        vec![activity.owner_id.as_ref().map_or_else(|| format!("creator-{}", activity.user_id), |owner| format!("member-{owner}"))]
    };
    json!({
        "id": activity.id, "timestamp": date(activity.at), "user_id": activity.user_id, "object_id": activity.object_id,
        "activity_type": activity.r#type, "data": activity.data.0, "permission_labels": labels,
    })
}
