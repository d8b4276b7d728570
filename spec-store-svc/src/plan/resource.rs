//! Which resources there are, of what kind, and where they are read from (spec-store.md 3.2 and 4.1).

use madang_proto::pipeline::v1::{FlowSource, SourceKind};
use prost::Message;
use serde_json::{Map, Value, json};
use url::Url;

use crate::spec::Refused;

/// Characters of a resource's name: an id has room for its derivatives.
const NAME_CHARS: usize = 100;
/// Characters of an address.
const URL_CHARS: usize = 8_192;
/// Characters of a format.
const FORMAT_CHARS: usize = 20;
/// Bytes of all sources as they are handed over: entries of `processing` repeat what a resource says.
const SOURCES_BYTES: usize = 16 << 20;
/// What the name of a source ends in that is kept for the archive alone.
const ORIGINAL: &str = "_original";
/// Steps that a spec may name (spec-store.md 3.2).
const STEPS: [&str; 11] = [
    "sort",
    "filter",
    "find_replace",
    "delete_fields",
    "set_types",
    "add_computed_field",
    "unpivot",
    "deduplicate",
    "concatenate",
    "join",
    "update_resource",
];
/// Options of reading (spec-store.md 3.2).
const TABULATOR: [&str; 7] = ["sheet", "headers", "skip_rows", "delimiter", "quotechar", "escapechar", "encoding"];

/// Where the resources of a package are.
pub(super) struct Place<'a> {
    /// Of the descriptor.
    pub(super) url: Option<&'a str>,
    /// Real addresses by path or name.
    pub(super) mapping: &'a Map<String, Value>,
    /// Where files of ours are; it ends in "/".
    pub(super) files_url: &'a str,
    pub(super) owner_id: &'a str,
}

/// The sources of a descriptor's resources. What an earlier run derived is made again, not read (spec-store.md 7).
pub(super) fn classify(resources: Vec<Value>, place: &Place<'_>) -> Result<Vec<FlowSource>, Refused> {
    let mut sources = Vec::with_capacity(2 * resources.len());
    for resource in resources {
        let Value::Object(resource) = resource else { return Err(Refused::Value) };
        let kind = resource.get("datahub").and_then(|datahub| datahub.get("type")).and_then(Value::as_str);
        if kind.is_some_and(|kind| kind.starts_with("derived/")) {
            continue;
        }
        let source = source(resource, place)?;
        if source.kind() == SourceKind::Tabular {
            let twin = FlowSource {
                name: format!("{}{ORIGINAL}", source.name),
                kind: SourceKind::Original.into(),
                schema: String::new(),
                ..source.clone()
            };
            sources.push(source);
            sources.push(twin);
        } else {
            sources.push(source);
        }
    }
    Ok(sources)
}

fn source(mut resource: Map<String, Value>, place: &Place<'_>) -> Result<FlowSource, Refused> {
    let name = text(&resource, "name")?.to_owned();
    if !is_file_name(&name) || name.ends_with(ORIGINAL) {
        return Err(Refused::Value);
    }
    let path = match resource.get("path") {
        Some(Value::Array(paths)) => paths.first().and_then(Value::as_str).ok_or(Refused::Value)?.to_owned(),
        _ => text(&resource, "path")?.to_owned(),
    };
    let named = address(&path, place)?;
    let extension = extension(&named);
    let format = match resource.get("format") {
        None | Some(Value::Null) => extension.clone(),
        Some(Value::String(format)) if format.is_empty() => extension.clone(),
        Some(Value::String(format)) => format.to_ascii_lowercase(),
        Some(_) => return Err(Refused::Value),
    };
    if format.len() > FORMAT_CHARS || !format.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Refused::Value);
    }
    let real = match place.mapping.get(&path).or_else(|| place.mapping.get(&name)) {
        None | Some(Value::Null) => named,
        Some(Value::String(url)) => url.clone(),
        Some(_) => return Err(Refused::Value),
    };
    let url = real_address(&real, place)?;
    if format == "geojson"
        && let Some(schema) = resource.remove("schema")
    {
        resource.insert("geojsonSchema".to_owned(), schema);
    }
    let schema = match resource.get("schema") {
        None | Some(Value::Null) => None,
        Some(Value::Object(schema)) => Some(Value::Object(schema.clone()).to_string()),
        Some(_) => return Err(Refused::Value),
    };
    let ending = if extension.is_empty() { format.clone() } else { extension };
    let archived = if ending.is_empty() { format!("archive/{name}") } else { format!("archive/{name}.{ending}") };
    resource.insert("format".to_owned(), format.clone().into());
    resource.insert("path".to_owned(), archived.clone().into());
    let kind = if schema.is_some() { SourceKind::Tabular } else { SourceKind::NonTabular };
    Ok(FlowSource {
        name,
        url,
        format,
        path: archived,
        kind: kind.into(),
        resource: Value::Object(resource).to_string(),
        schema: schema.unwrap_or_default(),
        tabulator: "{}".to_owned(),
        steps: "[]".to_owned(),
    })
}

/// Applies `processing`: each entry makes a table of a resource.
pub(super) fn process(mut sources: Vec<FlowSource>, entries: Vec<&Map<String, Value>>) -> Result<Vec<FlowSource>, Refused> {
    let read = sources.clone();
    for entry in &entries {
        let input = text(entry, "input")?;
        let Some(found) = sources.iter_mut().find(|source| source.name == input && source.kind() != SourceKind::Original) else { continue };
        if found.kind() == SourceKind::NonTabular {
            found.kind = SourceKind::Original.into();
            found.name = format!("{input}{ORIGINAL}");
        } else {
            found.kind = SourceKind::Unspecified.into(); // replaced below
        }
    }
    sources.retain(|source| source.kind() != SourceKind::Unspecified);
    let mut bytes: usize = sources.iter().map(Message::encoded_len).sum();
    for entry in entries {
        let input = text(entry, "input")?;
        let source = read.iter().find(|source| source.name == input && source.kind() != SourceKind::Original).ok_or(Refused::Value)?;
        let made = processed(source, entry)?;
        bytes += made.encoded_len();
        if bytes > SOURCES_BYTES {
            return Err(Refused::Other(format!(
                "At most {SOURCES_BYTES} bytes of resources are supported, those of `processing` included"
            )));
        }
        sources.push(made);
    }
    Ok(sources)
}

fn processed(source: &FlowSource, entry: &Map<String, Value>) -> Result<FlowSource, Refused> {
    let output = text(entry, "output")?;
    if !is_file_name(output) || output.ends_with(ORIGINAL) {
        return Err(Refused::Value);
    }
    let tabulator: Map<String, Value> = match entry.get("tabulator") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(options)) if options.keys().all(|key| TABULATOR.contains(&key.as_str())) => options.clone(),
        Some(_) => return Err(Refused::Value),
    };
    let schema = match entry.get("schema") {
        None | Some(Value::Null) if source.schema.is_empty() => json!({"fields": []}).to_string(),
        None | Some(Value::Null) => source.schema.clone(),
        Some(Value::Object(schema)) => Value::Object(schema.clone()).to_string(),
        Some(_) => return Err(Refused::Value),
    };
    let steps = match entry.get("dpp") {
        None | Some(Value::Null) => "[]".to_owned(),
        Some(Value::Array(steps)) if steps.iter().all(is_step) => Value::Array(steps.clone()).to_string(),
        Some(_) => return Err(Refused::Value),
    };
    let (_, ending) = source.path.rsplit_once('.').unwrap_or((&source.path, ""));
    let path = if source.path.contains('.') { format!("archive/{output}.{ending}") } else { format!("archive/{output}") };
    let Ok(Value::Object(mut resource)) = serde_json::from_str(&source.resource) else { return Err(Refused::Value) };
    resource.insert("name".to_owned(), output.into());
    resource.insert("path".to_owned(), path.clone().into());
    resource.insert("schema".to_owned(), serde_json::from_str(&schema).map_err(|_| Refused::Value)?);
    Ok(FlowSource {
        name: output.to_owned(),
        kind: SourceKind::Tabular.into(),
        path,
        resource: Value::Object(resource).to_string(),
        schema,
        tabulator: Value::Object(tabulator).to_string(),
        steps,
        ..source.clone()
    })
}

fn is_step(step: &Value) -> bool {
    let Some(step) = step.as_object() else { return false };
    let known = step.get("run").and_then(Value::as_str).is_some_and(|run| STEPS.contains(&run));
    known && step.get("parameters").is_none_or(Value::is_object)
}

/// Where a path of the descriptor leads by itself.
fn address(path: &str, place: &Place<'_>) -> Result<String, Refused> {
    if path.is_empty() || path.len() > URL_CHARS || path.chars().any(char::is_control) {
        return Err(Refused::Value);
    }
    if path.starts_with("http") {
        return Ok(path.to_owned());
    }
    if path.split(['/', '\\']).any(|segment| segment == "..") {
        return Err(Refused::Value);
    }
    let base = place.url.map_or("", |url| url.split(['?', '#']).next().unwrap_or_default());
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    Ok(format!("{folder}/{path}"))
}

/// What is fetched: http, https, object storage, or a file of the owner that is kept here.
fn real_address(address: &str, place: &Place<'_>) -> Result<String, Refused> {
    if address.len() > URL_CHARS {
        return Err(Refused::Value);
    }
    if let Some(key) = address.strip_prefix(place.files_url) {
        let key = key.split(['?', '#']).next().unwrap_or_default();
        let owned = key.strip_prefix(place.owner_id).is_some_and(|rest| rest.starts_with('/'));
        if owned && let Some(key) = decoded(key) {
            return Ok(format!("upload:{key}"));
        }
    }
    let url = Url::parse(address).map_err(|_| Refused::Value)?;
    let good = match url.scheme() {
        "http" | "https" => url.host_str().is_some_and(|host| !host.is_empty()),
        "objectstorage" => url.host_str().is_some_and(|bucket| !bucket.is_empty()) && url.path().len() > 1,
        _ => false,
    };
    if good { Ok(address.to_owned()) } else { Err(Refused::Value) }
}

/// Percent-encoding undone; none if what is there is no text.
fn decoded(key: &str) -> Option<String> {
    // A plus sign in a path is itself, unlike in a form; so are the signs that part a form's fields.
    let form = key.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let (text, _) = url::form_urlencoded::parse(form.as_bytes()).next()?;
    (!text.contains(char::REPLACEMENT_CHARACTER)).then(|| text.into_owned())
}

/// The ending of the last segment, without a query.
fn extension(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    let plain = ending.len() <= FORMAT_CHARS && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { ending.to_ascii_lowercase() } else { String::new() }
}

/// Whether a text may be the name of a file: no folder, no hidden one, nothing that a shell or a zip would take for more.
pub(super) fn is_file_name(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let short = (1..=NAME_CHARS).contains(&text.len());
    short && text.chars().all(plain) && !text.starts_with(['.', ' ']) && !text.ends_with(['.', ' '])
}

/// A text that must be there.
pub(super) fn text<'o>(object: &'o Map<String, Value>, key: &str) -> Result<&'o str, Refused> {
    match object.get(key) {
        None | Some(Value::Null) => Err(Refused::missing(key)),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Refused::Value),
    }
}
