//! A resource's dictionary, in and out (ckan.md 4.2, 8.1).

use chrono::{DateTime, NaiveDate, NaiveDateTime, Timelike, Utc};
use madang_kit::{
    Id,
    ckan::{Dict, Problems, date, text},
};
use serde_json::{Value, json};
use sqlx::types::Json;

use super::format::{canonical, media_type};
use crate::{ckan::Act, store::ckan::resource::Resource};

/// Keys whose texts are null while nobody has set them, in the order of the answer's alphabet.
const TEXTS: [&str; 4] = ["description", "mimetype", "mimetype_inner", "resource_type"];
/// Keys that an update without them leaves alone.
const KEPT: [&str; 6] = ["hash", "size", "url_type", "last_modified", "cache_url", "cache_last_updated"];
/// Keys that callers can't set.
const OURS: [&str; 10] = [
    "upload",
    "clear_upload",
    "id",
    "package_id",
    "position",
    "state",
    "metadata_modified",
    "datastore_active",
    "revision_id",
    "tracking_summary",
];
/// Keys that are read by themselves.
const OWN: [&str; 4] = ["url", "name", "format", "created"];

/// How a resource is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) now: DateTime<Utc>,
    /// A missing media type is guessed from the address.
    pub(crate) guess: bool,
}

/// Reads a resource that replaces `old`, or is new; its place is for the caller to set.
pub(crate) fn read(given: &Dict, old: Option<&Resource>, reading: Reading) -> (Resource, Problems) {
    let mut problems = Problems::default();
    let id = read_id(given, old, &mut problems);
    let url = text(given, "url").unwrap_or_default().trim().to_owned();
    let mut fields = Dict::new();
    fields.insert("url".to_owned(), url.clone().into());
    for name in TEXTS {
        if let Some(value) = text(given, name) {
            fields.insert(name.to_owned(), value.into());
        }
    }
    for name in KEPT {
        let value = match given.get(name) {
            None | Some(Value::Null) => old.and_then(|old| old.fields.get(name).cloned()),
            Some(value) => read_kept(name, value, &mut problems),
        };
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    }
    let format = match text(given, "format").filter(|format| !format.trim().is_empty()) {
        Some(format) => canonical(&format),
        None => old.map_or_else(|| media_type(&url).map(canonical).unwrap_or_default(), |old| old.format.clone()),
    };
    if reading.guess
        && !fields.contains_key("mimetype")
        && let Some(media) = media_type(&url)
    {
        fields.insert("mimetype".to_owned(), media.into());
    }
    for (name, value) in given {
        let known = [&TEXTS[..], &KEPT, &OURS, &OWN].iter().any(|names| names.contains(&name.as_str()));
        if !known && !value.is_null() {
            fields.insert(name.clone(), without_nul(value));
        }
    }
    let created = match text(given, "created").filter(|created| !created.is_empty()) {
        None => old.map_or(reading.now, |old| old.created_at),
        Some(created) => parse_date(&created).map_or_else(
            || {
                problems.add("created", "Date format incorrect");
                reading.now
            },
            |created| created.and_utc(),
        ),
    };
    let resource = Resource {
        id,
        dataset_id: old.map(|old| old.dataset_id.clone()).unwrap_or_default(),
        position: old.map(|old| old.position).unwrap_or_default(),
        name: text(given, "name").unwrap_or_else(|| old.map(|old| old.name.clone()).unwrap_or_default()),
        format,
        created_at: created,
        modified_at: old.map_or(Some(reading.now), |old| old.modified_at),
        fields: Json(fields),
        has_table: old.is_some_and(|old| old.has_table),
    };
    (resource, problems)
}

fn read_id(given: &Dict, old: Option<&Resource>, problems: &mut Problems) -> String {
    if let Some(old) = old {
        return old.id.clone();
    }
    match text(given, "id").filter(|id| !id.is_empty()) {
        None => Id::generate().to_string(),
        Some(id) => {
            if id.parse::<Id>().is_err() {
                problems.add("id", "Invalid id provided");
            }
            id
        }
    }
}

/// A number, a date or a text.
fn read_kept(name: &str, value: &Value, problems: &mut Problems) -> Option<Value> {
    match name {
        "size" => match value {
            Value::String(text) if text.trim().is_empty() => None,
            Value::String(text) => integer(text.trim().parse().ok(), problems),
            other => integer(other.as_i64(), problems),
        },
        "last_modified" | "cache_last_updated" => {
            let given = madang_kit::ckan::text_of(value).filter(|given| !given.is_empty())?;
            let read = date_text(&given);
            if read.is_none() {
                problems.add(name, "Date format incorrect");
            }
            read.map(Value::from)
        }
        "url_type" => madang_kit::ckan::text_of(value).filter(|kind| !kind.is_empty()).map(Value::from),
        _ => madang_kit::ckan::text_of(value).map(Value::from),
    }
}

fn integer(read: Option<i64>, problems: &mut Problems) -> Option<Value> {
    if read.is_none() {
        problems.add("size", "Invalid integer");
    }
    read.map(Value::from)
}

/// PostgreSQL keeps no NUL.
fn without_nul(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace('\0', "").into(),
        Value::Array(list) => list.iter().map(without_nul).collect(),
        Value::Object(dict) => dict.iter().map(|(name, value)| (name.replace('\0', ""), without_nul(value))).collect::<Dict>().into(),
        other => other.clone(),
    }
}

/// Whether two states of a resource differ in what a caller wrote.
pub(crate) fn differ(old: &Resource, new: &Resource) -> bool {
    old.name != new.name || old.format != new.format || old.fields != new.fields || old.created_at != new.created_at
}

/// A resource as it is shown; `number` is its place among the active ones. For a change the address is as it was written.
pub(crate) fn dict(act: &Act, resource: &Resource, number: i64, for_edit: bool) -> Dict {
    let mut dict = Dict::new();
    let field = |name: &str| resource.fields.get(name).cloned().unwrap_or(Value::Null);
    let set_text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    let (url, url_type) = (text(&resource.fields, "url").unwrap_or_default(), field("url_type"));
    let is_table = resource.has_table && url.is_empty();
    let is_upload = url_type == "upload" && !url.contains("://");
    let hash = resource.fields.get("hash").cloned().unwrap_or_else(|| "".into());
    let shown: [(&str, Value); 20] = [
        ("cache_last_updated", field("cache_last_updated")),
        ("cache_url", field("cache_url")),
        ("created", date(resource.created_at).into()),
        ("datastore_active", resource.has_table.into()),
        ("description", field("description")),
        ("format", set_text(&resource.format)),
        ("hash", hash),
        ("id", resource.id.clone().into()),
        ("last_modified", field("last_modified")),
        ("metadata_modified", date(resource.modified_at.unwrap_or(resource.created_at)).into()),
        ("mimetype", field("mimetype")),
        ("mimetype_inner", field("mimetype_inner")),
        ("name", set_text(&resource.name)),
        ("package_id", resource.dataset_id.clone().into()),
        ("position", number.into()),
        ("resource_type", field("resource_type")),
        ("size", field("size")),
        ("state", "active".into()),
        ("url", if for_edit { url.clone() } else { shown_url(act, resource, &url, is_table, is_upload) }.into()),
        ("url_type", if is_table && url_type.is_null() { "datastore".into() } else { url_type }),
    ];
    dict.extend(shown.map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in resource.fields.iter() {
        dict.entry(name.clone()).or_insert_with(|| value.clone());
    }
    dict
}

/// An uploaded file has the address of its download, a table without an address that of its dump.
fn shown_url(act: &Act, resource: &Resource, url: &str, is_table: bool, is_upload: bool) -> String {
    if is_table {
        return format!("{}/datastore/dump/{}", act.site_url, resource.id);
    }
    if is_upload {
        return format!("{}/dataset/{}/resource/{}/download/{url}", act.site_url, resource.dataset_id, resource.id);
    }
    linked_url(url)
}

/// An address without a scheme gets one.
pub(crate) fn linked_url(url: &str) -> String {
    let has_scheme = url.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    if url.is_empty() || has_scheme { url.to_owned() } else { format!("http://{}", url.trim_start_matches('/')) }
}

/// A date of a caller (ckan.md 1.8), as it is kept and shown; `None` if it is none.
pub(crate) fn date_text(text: &str) -> Option<String> {
    let date = parse_date(text)?;
    let form = if date.nanosecond() == 0 { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S%.6f" };
    Some(date.format(form).to_string())
}

/// `YYYY-MM-DD`, with `THH:MM`, seconds and their fraction behind it, or a blank in place of the `T`.
pub(crate) fn parse_date(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return day.and_hms_opt(0, 0, 0);
    }
    let text = text.replacen(' ', "T", 1);
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), form).ok())
}

/// The place of each resource of a list, in the order that a caller wants: those that are named first, the others behind them.
pub(crate) fn ordered(resources: Vec<Resource>, order: &[String]) -> Vec<Resource> {
    let rank = |resource: &Resource| order.iter().position(|id| *id == resource.id).unwrap_or(order.len());
    let mut resources = resources;
    resources.sort_by_key(rank);
    resources
}

/// The answer of a change of the order.
pub(crate) fn order_answer(id: &str, resources: &[Resource]) -> Value {
    json!({"id": id, "order": resources.iter().map(|resource| resource.id.as_str()).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_many_spellings() {
        for (given, wanted) in [
            ("2024-05-01", Some("2024-05-01T00:00:00")),
            ("2024-05-01T12:34", Some("2024-05-01T12:34:00")),
            ("2024-05-01 12:34:56", Some("2024-05-01T12:34:56")),
            ("2024-05-01T12:34:56.789012", Some("2024-05-01T12:34:56.789012")),
            ("yesterday", None),
            ("2024-13-01", None),
        ] {
            assert_eq!(date_text(given).as_deref(), wanted, "{given}");
        }
    }
}
