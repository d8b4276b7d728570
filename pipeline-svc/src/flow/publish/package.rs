//! The package: one organization for each owner, one package for each of his datasets, one resource for each file.

use std::collections::HashMap;

use madang_kit::{Code, Context, Error, Id, Result};
use madang_proto::pipeline::v1::{Findability, StartFlowRequest};
use serde_json::{Map, Value, json};

use crate::flow::{Flows, descriptor, run::Made};

/// Characters of a name in the catalogue.
const NAME_MAX: usize = 100;
/// Tags of a package.
const TAGS_MAX: usize = 100;
/// What the catalogue takes as neither an upload nor a link that it would load as a table by itself.
const URL_TYPE: &str = "spec-store";

/// A package as it was written.
pub(super) struct Package {
    pub(super) id: Id,
    /// Those that have a table, or are to have one.
    pub(super) tables: Vec<Table>,
}

/// A resource with a table.
pub(super) struct Table {
    /// The table's id is the resource's.
    pub(super) resource: Id,
    pub(super) name: String,
    /// Whether the table is there already.
    pub(super) exists: bool,
    /// The CSV file that holds its rows.
    pub(super) key: String,
    /// Its Table Schema.
    pub(super) schema: Value,
}

/// Writes the package as a flow made it.
pub(super) async fn write(flows: &Flows, context: &Context, request: &StartFlowRequest, id: Id, made: &[Made]) -> Result<Package> {
    let organization = organization(flows, context, request).await?;
    let there = shown(flows, context, "package_show", id).await?;
    let known: HashMap<String, (String, bool)> = there.iter().flat_map(resources).collect();
    let mut dict = about(request);
    dict.insert("id".to_owned(), id.to_string().into());
    dict.insert("owner_org".to_owned(), organization.to_string().into());
    dict.insert("private".to_owned(), (request.findability() == Findability::Private).into());
    let listed: Vec<Value> = made.iter().filter_map(|made| made.resource.as_ref()).map(|resource| listed(resource, &known)).collect();
    dict.insert("resources".to_owned(), listed.into());
    let name = munged(&format!("{}-{}", request.owner_id, request.dataset));
    let written = named(flows, context, if there.is_some() { "package_update" } else { "package_create" }, dict, &name, id).await?;
    let ids: HashMap<String, (String, bool)> = resources(&written).collect();
    let mut tables = Vec::new();
    for made in made {
        let Some(resource) = made.resource.as_ref().filter(|resource| kind(resource) == "derived/csv") else { continue };
        let name = text(resource, "name");
        let (resource_id, exists) = ids.get(&name).cloned().ok_or_else(|| Error::internal("the catalogue lost a resource"))?;
        tables.push(Table {
            resource: resource_id.parse().map_err(Error::internal)?,
            name,
            exists,
            key: made.key.clone(),
            schema: resource.get("schema").cloned().unwrap_or_default(),
        });
    }
    Ok(Package { id, tables })
}

async fn organization(flows: &Flows, context: &Context, request: &StartFlowRequest) -> Result<Id> {
    let id = Id::named(&["spec-store-owner", &request.owner_id]);
    if shown(flows, context, "organization_show", id).await?.is_none() {
        let title = if request.owner.is_empty() { &request.owner_id } else { &request.owner };
        let dict = Map::from_iter([("id".to_owned(), id.to_string().into()), ("title".to_owned(), title.as_str().into())]);
        named(flows, context, "organization_create", dict, &munged(&request.owner_id), id).await?;
    }
    Ok(id)
}

async fn shown(flows: &Flows, context: &Context, action: &str, id: Id) -> Result<Option<Value>> {
    let dict = match action {
        "organization_show" => json!({"id": id, "include_users": false, "include_dataset_count": false}),
        _ => json!({"id": id}),
    };
    match flows.catalog.act(context, action, &dict).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Does an action under a name; if somebody else has it, under one that ends with letters of the id.
async fn named(flows: &Flows, context: &Context, action: &str, mut dict: Map<String, Value>, name: &str, id: Id) -> Result<Value> {
    dict.insert("name".to_owned(), name.into());
    match flows.catalog.act(context, action, &Value::Object(dict.clone())).await {
        Err(error) if error.fields.iter().any(|problem| problem.field == "name") => {
            let end: String = id.to_string().chars().rev().take(8).collect();
            let kept: String = name.chars().take(NAME_MAX - 9).collect();
            dict.insert("name".to_owned(), format!("{kept}-{end}").into());
            flows.catalog.act(context, action, &dict.into()).await
        }
        other => other,
    }
}

/// Names of resources with their ids, and whether they have tables.
fn resources(package: &Value) -> impl Iterator<Item = (String, (String, bool))> {
    let listed = package.get("resources").and_then(Value::as_array).into_iter().flatten();
    listed.map(|resource| {
        let has_table = resource.get("datastore_active").and_then(Value::as_bool).unwrap_or(false);
        (text(resource, "name"), (text(resource, "id"), has_table))
    })
}

/// What the package says of itself.
fn about(request: &StartFlowRequest) -> Map<String, Value> {
    let package = descriptor::package(request);
    let said = |name: &str| package.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let license = package.get("licenses").and_then(|all| all.get(0)?.get("name")?.as_str()).map(str::to_owned);
    let keywords = package.get("keywords").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let tags: Vec<Value> = keywords.filter_map(tag).take(TAGS_MAX).map(|name| json!({"name": name})).collect();
    let title = Some(said("title")).filter(|title| !title.is_empty()).unwrap_or_else(|| request.dataset.clone());
    let extras = json!([
        {"key": "findability", "value": descriptor::findability(request.findability())},
        {"key": "spec_store_dataset", "value": format!("{}/{}", request.owner_id, request.dataset)},
        {"key": "spec_store_revision", "value": request.revision.to_string()},
    ]);
    Map::from_iter([
        ("title".to_owned(), title.into()),
        ("notes".to_owned(), said("description").into()),
        ("license_id".to_owned(), license.unwrap_or_default().into()),
        ("version".to_owned(), said("version").chars().take(NAME_MAX).collect::<String>().into()),
        ("tags".to_owned(), tags.into()),
        ("extras".to_owned(), extras),
    ])
}

/// A keyword as a tag: letters, digits, blanks and `-_.`, 2 to 100 of them.
fn tag(keyword: &str) -> Option<String> {
    let name: String = keyword.chars().filter(|c| c.is_alphanumeric() || " -_.".contains(*c)).collect();
    let name = name.trim().to_owned();
    (2..=NAME_MAX).contains(&name.chars().count()).then_some(name)
}

/// A resource as the catalogue shows it; one that is there already keeps its id.
fn listed(resource: &Value, known: &HashMap<String, (String, bool)>) -> Value {
    let name = text(resource, "name");
    let mut dict = json!({
        "name": name, "url": text(resource, "path"), "url_type": URL_TYPE, "format": text(resource, "format").to_uppercase(),
        "hash": text(resource, "hash"), "size": resource.get("bytes"), "description": text(resource, "description"),
        "datahub_type": kind(resource),
    });
    if let Some((id, _)) = known.get(&name) {
        dict["id"] = id.clone().into();
    }
    dict
}

fn kind(resource: &Value) -> &str {
    resource.pointer("/datahub/type").and_then(Value::as_str).unwrap_or_default()
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// As the catalogue wants names: 2 to 100 lower-case letters, digits, `-` and `_`.
fn munged(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let mut name: String = name.chars().map(plain).take(NAME_MAX).collect();
    while name.len() < 2 {
        name.push('_');
    }
    name
}
