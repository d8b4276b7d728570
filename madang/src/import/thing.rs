//! One thing of each kind: read there, made fit, written here.

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::site::{Refused, Site};

/// Kinds, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Organization,
    Group,
    /// What an organization lies below.
    OrganizationParents,
    /// What a group lies below.
    GroupParents,
    Dataset,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::User, Self::Organization, Self::Group, Self::OrganizationParents, Self::GroupParents, Self::Dataset];

    /// Its name in the report and the ledger.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Organization => "organizations",
            Self::Group => "groups",
            Self::OrganizationParents => "organization parents",
            Self::GroupParents => "group parents",
            Self::Dataset => "datasets",
        }
    }

    /// The action that lists its names, with what it needs to be told.
    pub(super) fn list(self) -> (&'static str, &'static [(&'static str, bool)]) {
        match self {
            Self::User => ("user_list", &[("all_fields", false)]),
            Self::Organization | Self::OrganizationParents => ("organization_list", &[]),
            Self::Group | Self::GroupParents => ("group_list", &[]),
            Self::Dataset => ("package_list", &[]),
        }
    }

    /// What its actions begin with.
    fn noun(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Organization | Self::OrganizationParents => "organization",
            Self::Group | Self::GroupParents => "group",
            Self::Dataset => "package",
        }
    }
}

/// Brings one thing over.
pub(super) async fn bring(kind: Kind, theirs: &Site, ours: &Site, name: &str) -> anyhow::Result<()> {
    let show = json!({"id": name, "include_datasets": false, "include_users": true, "include_password_hash": true});
    let there = theirs.act(&format!("{}_show", kind.noun()), &show).await.context("reading it there")?;
    let Value::Object(there) = there else { anyhow::bail!("the other site answers no dictionary") };
    match kind {
        Kind::User => put(kind, ours, user(&there)).await,
        Kind::Organization | Kind::Group => put(kind, ours, group(&there)).await,
        Kind::Dataset => put(kind, ours, dataset(&there)).await,
        Kind::OrganizationParents | Kind::GroupParents => parents(kind, ours, &there).await,
    }
}

/// Makes it, or changes what is here under the same id or name.
async fn put(kind: Kind, ours: &Site, dict: Map<String, Value>) -> anyhow::Result<()> {
    let noun = kind.noun();
    let made = ours.act(&format!("{noun}_create"), &Value::Object(dict.clone())).await;
    let Err(error) = made else { return Ok(()) };
    let refused = error.downcast_ref::<Refused>();
    if !refused.is_some_and(|refused| refused.status == 409 && (refused.error.get("id").is_some() || refused.error.get("name").is_some())) {
        return Err(error);
    }
    let Some(id) = here(kind, ours, &dict).await? else { return Err(error) };
    let mut change = dict;
    change.insert("id".to_owned(), id.into());
    for kept in ["password", "password_hash", "users"] {
        change.remove(kept); // what has happened here since is not undone
    }
    let action = if kind == Kind::Dataset { "package_update".to_owned() } else { format!("{noun}_patch") };
    ours.act(&action, &Value::Object(change)).await.map(drop)
}

/// The id of what is here already.
async fn here(kind: Kind, ours: &Site, dict: &Map<String, Value>) -> anyhow::Result<Option<String>> {
    for key in ["id", "name"] {
        let Some(word) = dict.get(key) else { continue };
        match ours.act(&format!("{}_show", kind.noun()), &json!({"id": word})).await {
            Ok(found) => return Ok(found["id"].as_str().map(str::to_owned)),
            Err(error) if error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == 404) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn picked(there: &Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
    keys.iter().filter_map(|key| Some(((*key).to_owned(), there.get(*key)?.clone()))).filter(|(_, value)| !value.is_null()).collect()
}

/// What a site does not tell of its users is made up: an address that leads nowhere, and a password that nobody knows.
fn user(there: &Map<String, Value>) -> Map<String, Value> {
    let mut dict = picked(there, &["id", "name", "fullname", "email", "about", "image_url", "state", "password_hash", "plugin_extras"]);
    let name = there.get("name").and_then(Value::as_str).unwrap_or_default();
    dict.entry("email".to_owned()).or_insert_with(|| format!("{name}@imported.invalid").into());
    if !dict.contains_key("password_hash") {
        let unknown = format!("{}{}", madang_kit::Id::generate(), madang_kit::id::short_name().unwrap_or_default());
        dict.insert("password".to_owned(), unknown.into());
    }
    dict
}

fn group(there: &Map<String, Value>) -> Map<String, Value> {
    let mut dict = picked(there, &["id", "name", "title", "description", "image_url", "type", "state", "extras"]);
    if let Some(address) = there.get("image_display_url").filter(|address| address.as_str().is_some_and(|address| !address.is_empty())) {
        dict.insert("image_url".to_owned(), address.clone()); // the file stays there
    }
    let member = |user: &Value| Some(json!({"name": user["name"].as_str()?, "capacity": user["capacity"].as_str()?}));
    let known = |member: &Value| ["admin", "editor", "member"].iter().any(|role| member["capacity"] == *role);
    let users: Vec<Value> = there.get("users").and_then(Value::as_array).into_iter().flatten().filter_map(member).filter(known).collect();
    dict.insert("users".to_owned(), users.into());
    dict
}

async fn parents(kind: Kind, ours: &Site, there: &Map<String, Value>) -> anyhow::Result<()> {
    let above: Vec<Value> =
        there.get("groups").and_then(Value::as_array).into_iter().flatten().map(|group| json!({"name": group["name"]})).collect();
    if above.is_empty() {
        return Ok(());
    }
    ours.act(&format!("{}_patch", kind.noun()), &json!({"id": there["id"], "groups": above})).await.map(drop)
}

/// What follows from the rest is left out; uploaded files become links to where they are.
fn dataset(there: &Map<String, Value>) -> Map<String, Value> {
    const FOLLOWS: [&str; 13] = [
        "organization",
        "isopen",
        "license_title",
        "license_url",
        "num_resources",
        "num_tags",
        "metadata_created",
        "creator_user_id",
        "relationships_as_subject",
        "relationships_as_object",
        "tracking_summary",
        "revision_id",
        "plugin_data",
    ];
    let mut dict = there.clone();
    dict.retain(|key, _| !FOLLOWS.contains(&key.as_str()));
    let list = |key: &str| there.get(key).and_then(Value::as_array).into_iter().flatten();
    let groups: Vec<Value> = list("groups").map(|group| json!({"id": group["id"]})).collect();
    let tags: Vec<Value> = list("tags").filter(|tag| tag["vocabulary_id"].is_null()).map(|tag| json!({"name": tag["name"]})).collect();
    let resources: Vec<Value> = list("resources").cloned().map(resource).collect();
    for (key, values) in [("groups", groups), ("tags", tags), ("resources", resources)] {
        dict.insert(key.to_owned(), values.into());
    }
    dict
}

fn resource(mut there: Value) -> Value {
    if let Value::Object(dict) = &mut there {
        for key in ["url_type", "datastore_active", "package_id", "position", "state", "revision_id", "tracking_summary"] {
            dict.remove(key);
        }
    }
    there
}
