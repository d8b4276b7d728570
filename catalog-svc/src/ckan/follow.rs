//! Following users, datasets, groups (ckan.md 3.8). The kind stands in the action's name; an organization is followed as a group.

use madang_kit::ckan::{Outcome, Refusal, date, text};
use serde_json::{Value, json};

use super::{Act, group, package, user};
use crate::store::ckan::{
    follow::{self as store, Follow},
    group as groups, package as packages, user as users,
};

/// What a kind is called where it is not found.
const KINDS: [(&str, &str); 3] = [("user", "User"), ("dataset", "Dataset"), ("group", "Group")];

/// `follow_*`
pub(super) async fn follow(act: &mut Act) -> Outcome {
    act.demand_login()?;
    let kind = kind(act);
    let object = find(act, kind).await?;
    if kind == "user" && object == act.reader.id {
        return Err(Refusal::bare("message", "You cannot follow yourself"));
    }
    let row = Follow { follower_id: act.reader.id.clone(), object_id: object, at: act.now };
    store::insert(&mut act.source, kind, &row).await?;
    let kept = store::find(&mut act.source, kind, &row.follower_id, &row.object_id).await?.unwrap_or(row);
    Ok(json!({"follower_id": kept.follower_id, "object_id": kept.object_id, "datetime": date(kept.at)}))
}

/// `unfollow_*`
pub(super) async fn unfollow(act: &mut Act) -> Outcome {
    act.demand_login()?;
    let kind = kind(act);
    let object = find(act, kind).await?;
    let id = act.reader.id.clone();
    store::delete(&mut act.source, kind, &id, &object).await?;
    Ok(Value::Null)
}

/// `am_following_*`
pub(super) async fn am_following(act: &mut Act) -> Outcome {
    act.demand_login()?;
    let kind = kind(act);
    let object = find(act, kind).await?;
    let id = act.reader.id.clone();
    Ok(store::find(&mut act.source, kind, &id, &object).await?.is_some().into())
}

/// `*_follower_count`
pub(super) async fn follower_count(act: &mut Act) -> Outcome {
    let kind = kind(act);
    let object = find(act, kind).await?;
    Ok(store::counts(&mut act.source, kind, vec![object.clone()]).await?.get(&object).copied().unwrap_or_default().into())
}

/// `*_follower_list`
pub(super) async fn follower_list(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let kind = kind(act);
    let object = find(act, kind).await?;
    let ids = store::followers(&mut act.source, kind, &object).await?;
    let people = users::with_words(&mut act.source, ids).await?;
    Ok(user::dicts(act, people).await?.into_iter().map(Value::Object).collect())
}

/// `followee_count`, `*_followee_count`
pub(super) async fn followee_count(act: &mut Act) -> Outcome {
    Ok(followees(act, false).await?.len().into())
}

/// `followee_list`, `*_followee_list`
pub(super) async fn followee_list(act: &mut Act) -> Outcome {
    let followees = followees(act, true).await?;
    if act.action != "followee_list" {
        return Ok(followees.into_iter().map(|followee| followee["dict"].clone()).collect());
    }
    let q = act.text("q").unwrap_or_default().to_lowercase();
    let name = |followee: &Value| followee["display_name"].as_str().unwrap_or_default().to_lowercase();
    let mut shown: Vec<Value> = followees.into_iter().filter(|followee| name(followee).starts_with(&q)).collect();
    shown.sort_by_key(name);
    Ok(shown.into())
}

/// What the user of the dictionary follows, of the kind that the action is about, or of every kind.
async fn followees(act: &mut Act, own: bool) -> Outcome<Vec<Value>> {
    let person = find(act, "user").await?;
    if own && person != act.reader.id && !act.is_sysadmin() {
        return Err(Refusal::denied());
    }
    let wanted = act.action.split("followee").next().unwrap_or_default().trim_end_matches('_').to_owned();
    let wants = |kind: &str| wanted.is_empty() || wanted == kind;
    let mut shown = Vec::new();
    if wants("user") {
        let ids = store::followees(&mut act.source, "user", &person).await?;
        let people = users::with_words(&mut act.source, ids).await?;
        shown.extend(user::dicts(act, people).await?.into_iter().map(|dict| followee("user", &dict)));
    }
    if wants("dataset") {
        let ids = store::followees(&mut act.source, "dataset", &person).await?;
        let found = packages::with_ids(&mut act.source, ids).await?;
        shown.extend(package::dicts(act, found).await?.into_iter().map(|dict| followee("dataset", &dict)));
    }
    if wants("group") || wants("organization") {
        let ids = store::followees(&mut act.source, "group", &person).await?;
        let found = groups::with_ids(&mut act.source, ids).await?;
        let found = found.into_iter().filter(|group| wants(if group.is_organization { "organization" } else { "group" })).collect();
        for dict in group::dicts(act, found, group::With::default()).await? {
            let kind = if dict.get("is_organization") == Some(&Value::Bool(true)) { "organization" } else { "group" };
            shown.push(followee(kind, &dict));
        }
    }
    Ok(shown)
}

fn followee(kind: &str, dict: &madang_kit::ckan::Dict) -> Value {
    let name = ["display_name", "title", "name"].iter().find_map(|name| text(dict, name)).unwrap_or_default();
    json!({"type": kind, "display_name": name, "dict": dict})
}

/// The kind that the action's name says.
fn kind(act: &Act) -> &'static str {
    if act.action.contains("dataset") {
        "dataset"
    } else if act.action.contains("group") || act.action.contains("organization") {
        "group"
    } else {
        "user"
    }
}

/// The id of a thing of this kind.
async fn find(act: &mut Act, kind: &str) -> Outcome<String> {
    let word = act.required("id")?;
    let found = match kind {
        "user" => users::find(&mut act.source, &word).await?.map(|user| user.id),
        "dataset" => packages::find(&mut act.source, &word).await?.map(|package| package.id),
        _ => groups::find(&mut act.source, &word).await?.map(|group| group.id),
    };
    let name = KINDS.iter().find(|known| known.0 == kind).map_or("Group", |known| known.1);
    found.ok_or_else(|| Refusal::invalid("id", format!("Not found: {name}")))
}
