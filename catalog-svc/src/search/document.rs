//! A dataset as a document of the index: which values its fields have (ckan.md 5.5).

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDateTime;
use madang_kit::ckan::{Dict, text_of};
use serde_json::Value;
use tantivy::{TantivyDocument, schema::Field};
use unicode_normalization::is_nfc;

use super::{
    analysis::exact,
    fields::{
        ANY, DICT, Fields, KEYED_EXACT, KEYED_TEXT, KEYED_TIME, LABEL, ORDER, OWNER_READERS, PRESENT, READERS, TIME_OF, has_column,
        has_text_field, is_field, keyed,
    },
    moment,
};
use crate::ckan::SITE_MARK;

/// The longest exact value, in bytes; a longer one can't be asked for.
const EXACT_BYTES: usize = 8_191;
/// Keys of a resource that have fields of their own, or none.
const OF_RESOURCES: [&str; 20] = [
    "cache_last_updated",
    "cache_url",
    "created",
    "datastore_active",
    "description",
    "format",
    "hash",
    "id",
    "last_modified",
    "metadata_modified",
    "mimetype",
    "mimetype_inner",
    "name",
    "package_id",
    "position",
    "resource_type",
    "size",
    "state",
    "url",
    "url_type",
];

/// What a document is made of.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// What `package_show` answers, with [`SITE_MARK`] where the site's address stands.
    pub(crate) dict: Dict,
    /// `public`, `signed-in` or `private`.
    pub(crate) visibility: String,
    /// Groups of users that may read it; empty = everybody.
    pub(crate) readers: Vec<String>,
    /// The same of its organization.
    pub(crate) owner_readers: Vec<String>,
    /// Names of its tables' columns.
    pub(crate) columns: Vec<String>,
    /// Names of vocabularies by their ids.
    pub(crate) vocabularies: HashMap<String, String>,
}

/// The values of a dataset's fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    /// Exact ones, of fields and of keys.
    pub(super) exact: BTreeMap<String, Vec<String>>,
    pub(super) text: BTreeMap<String, Vec<String>>,
    /// Microseconds since 1970.
    pub(super) times: BTreeMap<String, i64>,
    pub(super) numbers: BTreeMap<String, i64>,
}

impl Values {
    /// Reads a dictionary of `package_show`.
    pub(super) fn of(dict: &Dict, site_id: &str, vocabularies: &HashMap<String, String>) -> Self {
        let mut values = Self::default();
        let word = |name: &str| dict.get(name).and_then(text_of).unwrap_or_default();
        for name in ["id", "name", "state", "version", "url", "license_id", "license_title", "owner_org", "creator_user_id"] {
            values.exact(name, word(name));
        }
        values.exact("dataset_type", word("type"));
        values.exact("entity_type", "package".to_owned());
        values.exact("site_id", site_id.to_owned());
        values.exact("license", word("license_title"));
        values.exact("organization", dict.get("organization").and_then(|owner| text_of(owner.get("name")?)).unwrap_or_default());
        values.exact("title_string", word("title"));
        values.exact("isopen", word("isopen"));
        let private = dict.get("private").and_then(Value::as_bool).unwrap_or(true);
        values.exact("private", private.to_string());
        values.exact("capacity", if private { "private" } else { "public" }.to_owned());
        for group in list(dict, "groups") {
            values.exact("groups", member(group, "name"));
        }
        for tag in list(dict, "tags") {
            let name = member(tag, "name");
            match tag.get("vocabulary_id").and_then(Value::as_str) {
                None => values.exact("tags", name),
                Some(id) => values.exact(&format!("vocab_{}", vocabularies.get(id).map_or(id, String::as_str)), name),
            }
        }
        for name in ["title", "notes"] {
            values.text(name, word(name));
        }
        for name in ["author", "author_email", "maintainer", "maintainer_email"] {
            values.text(name, word(name));
        }
        values.text("urls", word("url"));
        values.text("name_ngram", word("name"));
        values.text("title_ngram", word("title"));
        for resource in list(dict, "resources") {
            values.resource(resource);
        }
        for extra in list(dict, "extras") {
            values.extra(&member(extra, "key"), &member(extra, "value"));
        }
        for name in ["metadata_created", "metadata_modified"] {
            if let Ok(time) = NaiveDateTime::parse_from_str(&word(name), "%Y-%m-%dT%H:%M:%S%.f") {
                values.times.insert(name.to_owned(), time.and_utc().timestamp_micros());
            }
        }
        for name in ["num_resources", "num_tags"] {
            values.numbers.insert(name.to_owned(), dict.get(name).and_then(Value::as_i64).unwrap_or_default());
        }
        values.catch_all();
        values
    }

    fn exact(&mut self, name: &str, value: String) {
        if !value.is_empty() && value.len() <= EXACT_BYTES {
            let value = if is_nfc(&value) { value } else { exact(&value) };
            self.exact.entry(name.to_owned()).or_default().push(value);
        }
    }

    fn text(&mut self, name: &str, value: String) {
        if !value.is_empty() {
            self.text.entry(name.to_owned()).or_default().push(value);
        }
    }

    fn resource(&mut self, resource: &Value) {
        for (name, key) in [("res_format", "format"), ("res_url", "url"), ("res_type", "resource_type")] {
            self.exact(name, member(resource, key));
        }
        for (name, key) in [("res_name", "name"), ("res_description", "description"), ("urls", "url")] {
            self.text(name, member(resource, key));
        }
        for (key, value) in resource.as_object().into_iter().flatten().filter(|(key, _)| !OF_RESOURCES.contains(&key.as_str())) {
            self.text(&format!("res_extras_{}", plain_key(key)), text_of(value).unwrap_or_default());
        }
    }

    fn extra(&mut self, key: &str, value: &str) {
        let key = plain_key(key);
        self.text(&format!("extras_{key}"), value.to_owned());
        if !key.is_empty() && !is_field(&key) {
            self.exact(&key, value.to_owned());
        }
    }

    /// `text`: what a search without a field asks.
    fn catch_all(&mut self) {
        let mut all = Vec::new();
        let exact = self.exact.iter().filter(|(name, _)| {
            ["name", "tags", "groups", "organization", "license"].contains(&name.as_str()) || name.starts_with("vocab_")
        });
        all.extend(exact.flat_map(|(_, values)| values.clone()));
        let text = self.text.iter().filter(|(name, _)| {
            ["title", "notes", "author", "maintainer", "res_name", "res_description", "urls"].contains(&name.as_str())
                || name.starts_with("extras_")
        });
        all.extend(text.flat_map(|(_, values)| values.clone()));
        self.text.insert("text".to_owned(), all);
    }
}

/// The letters that a key may have (ckan.md 5.5).
fn plain_key(key: &str) -> String {
    key.chars().filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect()
}

fn list<'a>(dict: &'a Dict, name: &str) -> impl Iterator<Item = &'a Value> {
    dict.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn member(value: &Value, name: &str) -> String {
    value.get(name).and_then(text_of).unwrap_or_default()
}

/// The extra by which a dataset stays out of others' searches (spec-store.md 3.1).
const UNLISTED: (&str, &str) = ("findability", "unlisted");

/// Who sees a dataset, as labels (ckan.md 2.5): its organization's members or else its creator, its collaborators, and everybody or
/// every signed-in user. One that is not listed can be read by all these and is found by the former alone.
fn labels(entry: &Entry) -> Vec<String> {
    let word = |name: &str| entry.dict.get(name).and_then(Value::as_str).filter(|word| !word.is_empty());
    let mut labels = vec![match word("owner_org") {
        Some(owner) => format!("member-{owner}"),
        None => format!("creator-{}", word("creator_user_id").unwrap_or_default()),
    }];
    labels.extend(word("id").map(|id| format!("collaborator-{id}")));
    let is_unlisted = list(&entry.dict, "extras").any(|extra| member(extra, "key") == UNLISTED.0 && member(extra, "value") == UNLISTED.1);
    if word("state") == Some("active") && entry.visibility != "private" && !is_unlisted {
        labels.push(entry.visibility.clone());
    }
    labels
}

/// The document of a dataset.
///
/// # Errors
/// A field that the index does not have.
pub(super) fn document(fields: &Fields, entry: &Entry, site_id: &str, now: i64) -> tantivy::Result<TantivyDocument> {
    let mut values = Values::of(&entry.dict, site_id, &entry.vocabularies);
    values.times.insert("indexed_ts".to_owned(), now);
    if !entry.columns.is_empty() {
        values.text.insert("column".to_owned(), entry.columns.clone());
    }
    let mut document = TantivyDocument::default();
    let all = fields.all_exact()?;
    for (name, values) in &values.exact {
        add_keyed(&mut document, all, name, values);
        if has_column(name) {
            add_all(&mut document, fields.get(name)?, values);
        } else {
            add_keyed(&mut document, fields.get(KEYED_EXACT)?, name, values);
        }
        if name.ends_with("_date") {
            let times: Vec<String> = values.iter().filter_map(|value| moment::sortable(value)).collect();
            add_keyed(&mut document, fields.get(KEYED_TIME)?, name, &times);
            add_keyed(&mut document, all, &format!("{TIME_OF}{name}"), &times);
        }
    }
    for (name, values) in &values.text {
        if has_text_field(name) {
            add_all(&mut document, fields.get(name)?, values);
        } else {
            add_keyed(&mut document, fields.get(KEYED_TEXT)?, name, values);
        }
    }
    for (name, value) in values.times.iter().chain(&values.numbers) {
        document.add_i64(fields.get(name)?, *value);
    }
    let names = values.exact.keys().chain(values.text.keys()).chain(values.times.keys()).chain(values.numbers.keys());
    add_keyed(&mut document, all, PRESENT, &names.cloned().collect::<Vec<_>>());
    let (labels, any) = (labels(entry), [ANY.to_owned()]);
    add_all(&mut document, fields.get(LABEL)?, &labels);
    add_keyed(&mut document, all, LABEL, &labels);
    add_keyed(&mut document, all, READERS, if entry.readers.is_empty() { &any } else { &entry.readers });
    add_keyed(&mut document, all, OWNER_READERS, if entry.owner_readers.is_empty() { &any } else { &entry.owner_readers });
    document.add_i64(fields.get(ORDER)?, order(values.exact.get("id").and_then(|ids| ids.first())));
    document.add_bytes(fields.get(DICT)?, &packed(&entry.dict));
    Ok(document)
}

/// The first half of an id: its time, if it has one.
fn order(id: Option<&String>) -> i64 {
    let digits: String = id.into_iter().flat_map(|id| id.chars()).filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).map_or(0, |number| (number ^ (1 << 63)).cast_signed())
}

fn add_all(document: &mut TantivyDocument, field: Field, values: &[String]) {
    for value in values {
        document.add_text(field, value);
    }
}

fn add_keyed(document: &mut TantivyDocument, field: Field, key: &str, values: &[String]) {
    for value in values {
        document.add_text(field, keyed(key, value));
    }
}

/// A dictionary's JSON behind a byte that tells whether the site's address stands in it.
fn packed(dict: &Dict) -> Vec<u8> {
    let text = Value::from(dict.clone()).to_string();
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.push(u8::from(text.contains(&marked())));
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// [`SITE_MARK`] as JSON writes it.
fn marked() -> String {
    Value::from(SITE_MARK).to_string().trim_matches('"').to_owned()
}

/// The dictionary's JSON as a site shows it; `None` if the bytes are none of ours.
pub(super) fn unpacked(bytes: &[u8], site_url: &str) -> Option<String> {
    let (first, text) = bytes.split_first()?;
    let text = std::str::from_utf8(text).ok()?;
    Some(if *first == 0 { text.to_owned() } else { text.replace(&marked(), site_url) })
}
