//! Views of resources (ckan.md 3.2, 4.8).

use madang_kit::{
    Id,
    ckan::{Dict, Outcome, Problems, Refusal, text},
};
use serde_json::{Map, Value, json};
use sqlx::types::Json;

use super::{Act, act::texts, package, resource};
use crate::store::ckan::{
    package as packages,
    resource::{self as resources, Resource},
    view::{self as store, View},
};

/// A type of view: the title of one made by itself, and the settings it has.
struct Kind {
    name: &'static str,
    title: &'static str,
    settings: &'static [&'static str],
}

const KINDS: [Kind; 6] = [
    Kind { name: "image_view", title: "Image", settings: &["image_url"] },
    Kind { name: "text_view", title: "Text", settings: &[] },
    Kind { name: "webpage_view", title: "Website", settings: &["page_url"] },
    Kind { name: "audio_view", title: "Audio", settings: &["audio_url"] },
    Kind { name: "video_view", title: "Video", settings: &["video_url", "poster_url"] },
    Kind {
        name: "datatables_view",
        title: "Table",
        settings: &["show_fields", "responsive", "ellipsis_length", "date_format", "col_reorder", "search_delay", "filterable"],
    },
];
/// Keys that every view has.
const COMMON: [&str; 7] = ["id", "resource_id", "package_id", "title", "description", "view_type", "position"];
/// Formats that are pictures.
const PICTURES: [&str; 4] = ["png", "jpeg", "jpg", "gif"];
/// Views of one resource.
const VIEWS_MAX: usize = 1_000;

/// `resource_view_show`
pub(super) async fn show(act: &mut Act) -> Outcome {
    let id = act.required("id")?;
    let view = find(act, &id).await?;
    let resource = resource::find(act, &view.resource_id).await?;
    demand_read(act, &resource).await?;
    Ok(dict(&view, &resource.dataset_id))
}

/// `resource_view_list`
pub(super) async fn list(act: &mut Act) -> Outcome {
    let id = act.required("id")?;
    let resource = resource::find(act, &id).await?;
    demand_read(act, &resource).await?;
    let views = store::of(&mut act.source, &id).await?;
    Ok(views.iter().filter(|view| kind(act, &view.view_type).is_some()).map(|view| dict(view, &resource.dataset_id)).collect())
}

/// `resource_view_create`
pub(super) async fn create(act: &mut Act) -> Outcome {
    let id = act.text("resource_id").unwrap_or_default();
    let resource = resources::find(&mut act.source, &id).await?;
    if let Some(resource) = &resource {
        demand_edit(act, resource).await?;
    } else {
        act.demand_login()?;
    }
    let given = act.dict.clone();
    let mut problems = Problems::default();
    if resource.is_none() {
        problems.add("resource_id", if id.is_empty() { "Missing value" } else { "Not found: Resource" });
    }
    let view_type = text(&given, "view_type").unwrap_or_default();
    let (title, settings) = read(act, &given, &view_type, &mut problems)?;
    problems.finish()?;
    let Some(resource) = resource else { return Err(Refusal::not_found()) };
    let views = store::of(&mut act.source, &resource.id).await?;
    if views.len() >= VIEWS_MAX {
        return Err(Refusal::invalid("resource_id", format!("A resource has at most {VIEWS_MAX} views")));
    }
    let view = View {
        id: Id::generate().to_string(),
        resource_id: resource.id,
        position: views.last().map_or(0, |view| view.position + 1),
        title,
        description: text(&given, "description").unwrap_or_default(),
        view_type,
        settings: Json(settings),
    };
    store::put(&mut act.source, &view).await?;
    Ok(dict(&view, &resource.dataset_id))
}

/// `resource_view_update`
pub(super) async fn update(act: &mut Act) -> Outcome {
    let id = act.required("id")?;
    let old = find(act, &id).await?;
    let resource = resource::find(act, &old.resource_id).await?;
    demand_edit(act, &resource).await?;
    let given = act.dict.clone();
    let mut problems = Problems::default();
    let (title, settings) = read(act, &given, &old.view_type, &mut problems)?;
    problems.finish()?;
    let view = View { title, description: text(&given, "description").unwrap_or_default(), settings: Json(settings), ..old };
    store::put(&mut act.source, &view).await?;
    Ok(dict(&view, &resource.dataset_id))
}

/// `resource_view_reorder`
pub(super) async fn reorder(act: &mut Act) -> Outcome {
    let id = act.required("id")?;
    if !act.dict.contains_key("order") {
        return Err(Refusal::missing("order"));
    }
    let order = texts(act.dict.get("order"));
    let resource = resource::find(act, &id).await?;
    demand_edit(act, &resource).await?;
    let mut views = store::of(&mut act.source, &id).await?;
    if order.iter().any(|id| views.iter().all(|view| view.id != *id)) {
        return Err(Refusal::invalid("order", "One or more views do not exist"));
    }
    views.sort_by_key(|view| order.iter().position(|id| *id == view.id).unwrap_or(order.len()));
    for (position, view) in (0..).zip(&mut views) {
        view.position = position;
        store::put(&mut act.source, view).await?; // few, made by hand
    }
    Ok(json!({"id": id, "order": views.iter().map(|view| view.id.as_str()).collect::<Vec<_>>()}))
}

/// `resource_view_delete`
pub(super) async fn delete(act: &mut Act) -> Outcome {
    let id = act.required("id")?;
    let view = find(act, &id).await?;
    let resource = resource::find(act, &view.resource_id).await?;
    demand_edit(act, &resource).await?;
    store::delete(&mut act.source, &id).await?;
    Ok(json!({"resource_id": view.resource_id}))
}

/// `resource_view_clear`
pub(super) async fn clear(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let types = texts(act.dict.get("view_types"));
    store::clear(&mut act.source, types).await?;
    Ok(Value::Null)
}

/// `resource_create_default_resource_views`
pub(super) async fn of_resource(act: &mut Act) -> Outcome {
    let Some(Value::Object(given)) = act.dict.get("resource").cloned() else { return Err(Refusal::missing("resource")) };
    let id = madang_kit::ckan::required(&given, "id")?;
    let resource = resource::find(act, &id).await?;
    demand_edit(act, &resource).await?;
    let views = add_defaults(act, &resource).await?;
    Ok(views.iter().map(|view| dict(view, &resource.dataset_id)).collect())
}

/// `package_create_default_resource_views`
pub(super) async fn of_package(act: &mut Act) -> Outcome {
    let Some(Value::Object(given)) = act.dict.get("package").cloned() else { return Err(Refusal::missing("package")) };
    let id = madang_kit::ckan::required(&given, "id")?;
    let package = package::locked(act, &id, "").await?;
    package::demand_edit(act, &package).await?;
    let mut shown = Vec::new();
    for resource in resources::of(&mut act.source, vec![package.id.clone()]).await? {
        shown.extend(add_defaults(act, &resource).await?.iter().map(|view| dict(view, &package.id)));
    }
    Ok(shown.into())
}

/// Makes the views that a resource of its format gets by itself, unless it has one of that type.
pub(super) async fn add_defaults(act: &mut Act, resource: &Resource) -> Outcome<Vec<View>> {
    let is_picture = PICTURES.contains(&resource.format.to_lowercase().as_str());
    let fits = |name: &str| (name == "image_view" && is_picture) || (name == "datatables_view" && resource.has_table);
    let wanted: Vec<&Kind> = act.site.default_views.iter().filter(|name| fits(name)).filter_map(|name| kind(act, name)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let known = store::of(&mut act.source, &resource.id).await?;
    let mut made = Vec::new();
    for kind in wanted {
        if known.iter().any(|view| view.view_type == kind.name) {
            continue;
        }
        let view = View {
            id: Id::generate().to_string(),
            resource_id: resource.id.clone(),
            position: i64::try_from(known.len() + made.len()).unwrap_or_default(),
            title: kind.title.to_owned(),
            description: String::new(),
            view_type: kind.name.to_owned(),
            settings: Json(Dict::new()),
        };
        store::put(&mut act.source, &view).await?;
        made.push(view);
    }
    Ok(made)
}

/// A type that is switched on.
fn kind(act: &Act, name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name && act.site.has_plugin(name))
}

async fn find(act: &mut Act, id: &str) -> Outcome<View> {
    store::find(&mut act.source, id).await?.ok_or_else(|| Refusal::NotFound("View was not found.".to_owned()))
}

async fn demand_read(act: &mut Act, resource: &Resource) -> Outcome<()> {
    let found = packages::find_for(&mut act.source, &act.reader.clone(), &resource.dataset_id).await?.ok_or_else(Refusal::not_found)?;
    if found.seen { Ok(()) } else { Err(act.not_authorized(&format!("read resource {}", resource.id))) }
}

async fn demand_edit(act: &mut Act, resource: &Resource) -> Outcome<()> {
    let package = package::locked(act, &resource.dataset_id, "Resource was not found.").await?;
    package::demand_edit(act, &package).await
}

/// Title and settings of a view of this type.
fn read(act: &Act, given: &Dict, view_type: &str, problems: &mut Problems) -> Outcome<(String, Dict)> {
    let title = text(given, "title").unwrap_or_default();
    if title.is_empty() {
        problems.add("title", "Missing value");
    }
    if view_type.is_empty() {
        problems.add("view_type", "Missing value");
        return Ok((title, Dict::new()));
    }
    let Some(kind) = kind(act, view_type) else {
        return Err(Refusal::bare("view_type", format!("No plugin found for view_type {view_type}")));
    };
    let mut settings = Dict::new();
    for (name, value) in given {
        if COMMON.contains(&name.as_str())
            || name == "filter_fields"
            || name == "filter_values"
            || (name == "filters" && kind.name == "datatables_view")
        {
            continue;
        }
        if !kind.settings.contains(&name.as_str()) {
            problems.nested_values("__extras", vec!["The input field __extras was not expected.".into()]);
            continue;
        }
        settings.insert(name.clone(), value.clone());
    }
    if kind.name == "datatables_view" {
        read_filters(given, &mut settings, problems);
    }
    Ok((title, settings))
}

/// Pairs of fields and values become one dictionary of lists.
fn read_filters(given: &Dict, settings: &mut Dict, problems: &mut Problems) {
    let (fields, values) = (texts(given.get("filter_fields")), texts(given.get("filter_values")));
    if fields.len() != values.len() {
        problems.add("filter_fields", "\"filter_fields\" and \"filter_values\" should have the same length");
        return;
    }
    let mut filters: Map<String, Value> = given.get("filters").and_then(Value::as_object).cloned().unwrap_or_default();
    for (field, value) in fields.into_iter().zip(values) {
        if let Value::Array(list) = filters.entry(field).or_insert_with(|| Value::Array(Vec::new())) {
            list.push(value.into());
        }
    }
    if !filters.is_empty() {
        settings.insert("filters".to_owned(), filters.into());
    }
}

fn dict(view: &View, package: &str) -> Value {
    let mut dict = json!({
        "id": view.id, "resource_id": view.resource_id, "package_id": package, "title": view.title, "description": view.description,
        "view_type": view.view_type,
    });
    if let Value::Object(dict) = &mut dict {
        dict.extend(view.settings.0.clone());
    }
    dict
}
