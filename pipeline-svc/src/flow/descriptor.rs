//! Descriptors of what was made (spec-store.md 4.4).

use chrono::{DateTime, Utc};
use madang_kit::hex;
use madang_proto::pipeline::v1::{ArtifactKind, Findability, FlowArtifact, FlowSource, SourceKind, StartFlowRequest};
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};

use super::{make::python, table::schema::TableSchema};

/// Rows of a preview.
pub(super) const PREVIEW_ROWS: u64 = 2_000;

/// Bytes of what a specification says of its package that stand in the descriptors of single artifacts too, readme included.
const INNER_BYTES: usize = 64 << 10;

/// The name of the resource that an artifact makes: what its pipeline is called behind the flow.
pub(super) fn name<'a>(flow: &str, pipeline: &'a str) -> &'a str {
    pipeline.strip_prefix(flow).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default()
}

/// Where an artifact's descriptor lies; the package's own is the flow's.
pub(super) fn key(request: &StartFlowRequest, artifact: &FlowArtifact) -> String {
    let base = format!("{}/{}/{}", request.owner_id, request.dataset, request.revision);
    match artifact.kind() {
        ArtifactKind::Package => format!("{base}/datapackage.json"),
        _ => format!("{base}/{}/datapackage.json", name(&request.flow_id, &artifact.pipeline_id)),
    }
}

/// A data package in the making: what the specification says of it, without resources.
pub(super) fn package(request: &StartFlowRequest) -> Map<String, Value> {
    match serde_json::from_str(&request.descriptor) {
        Ok(Value::Object(descriptor)) => descriptor,
        _ => Map::new(),
    }
}

/// The package's name; of the report's own package with an ending.
pub(super) fn package_name(request: &StartFlowRequest, kind: ArtifactKind) -> String {
    let name = package(request).get("name").and_then(Value::as_str).unwrap_or(&request.dataset).to_owned();
    if kind == ArtifactKind::Report { name + "-report" } else { name }
}

/// What the descriptor says of a file.
pub(super) struct File<'a> {
    pub(super) url: String,
    pub(super) bytes: u64,
    pub(super) md5: &'a str,
    pub(super) rows: Option<u64>,
    pub(super) schema: Option<&'a TableSchema>,
}

/// The resource that an artifact is.
pub(super) fn resource(artifact: &FlowArtifact, name: &str, source: Option<&FlowSource>, file: &File<'_>) -> Value {
    let own: Map<String, Value> = source.and_then(|source| serde_json::from_str(&source.resource).ok()).unwrap_or_default();
    let mut resource = if artifact.kind() == ArtifactKind::Copy { own.clone() } else { Map::new() };
    for told in ["title", "description"] {
        if let Some(text) = own.get(told) {
            resource.insert(told.to_owned(), text.clone());
        }
    }
    let mut set = |name: &str, value: Value| drop(resource.insert(name.to_owned(), value));
    set("name", name.into());
    set("path", file.url.clone().into());
    set("bytes", file.bytes.into());
    set("hash", file.md5.into());
    if let Some(rows) = file.rows {
        set("rowcount", rows.into());
    }
    let mut about = Map::from_iter([("type".to_owned(), kind(artifact, source).into())]);
    let derived = |about: &mut Map<String, Value>| drop(about.insert("derivedFrom".to_owned(), json!([artifact.source])));
    match artifact.kind() {
        ArtifactKind::Csv => {
            derived(&mut about);
            set("format", "csv".into());
            set("mediatype", "text/csv".into());
            set("encoding", "utf-8".into());
            set("profile", "data-resource".into());
            let dialect =
                json!({"delimiter": ",", "doubleQuote": true, "lineTerminator": "\r\n", "quoteChar": "\"", "skipInitialSpace": false});
            set("dialect", dialect);
        }
        ArtifactKind::Json | ArtifactKind::Preview => {
            derived(&mut about);
            if artifact.kind() == ArtifactKind::Preview {
                about.insert("forView".to_owned(), json!([format!("datahub-preview-{name}")]));
            }
            set("format", "json".into());
            set("mediatype", "application/json".into());
            set("encoding", "utf-8".into());
            set("profile", "data-resource".into());
        }
        ArtifactKind::Parquet => {
            derived(&mut about);
            set("format", "parquet".into());
        }
        ArtifactKind::Sqlite => set("format", "sqlite".into()),
        ArtifactKind::Report => set("format", "json".into()),
        ArtifactKind::Zip => set("format", "zip".into()),
        ArtifactKind::Copy => {
            let format = source.map(|source| source.format.clone()).unwrap_or_default();
            set("format", format.into());
        }
        ArtifactKind::Package | ArtifactKind::Unspecified => {}
    }
    if let Some(schema) = file.schema {
        set("schema", schema.written());
    }
    set("datahub", about.into());
    resource.into()
}

fn kind(artifact: &FlowArtifact, source: Option<&FlowSource>) -> &'static str {
    match artifact.kind() {
        ArtifactKind::Report => "derived/report",
        ArtifactKind::Csv => "derived/csv",
        ArtifactKind::Json => "derived/json",
        ArtifactKind::Zip => "derived/zip",
        ArtifactKind::Preview => "derived/preview",
        ArtifactKind::Parquet => "derived/parquet",
        ArtifactKind::Sqlite => "derived/sqlite",
        _ => match source.map(FlowSource::kind) {
            Some(SourceKind::Tabular) => "source/tabular",
            Some(SourceKind::NonTabular) => "source/non-tabular",
            _ => "original",
        },
    }
}

/// A descriptor that is done, and what the events say of it.
pub(super) struct Descriptor {
    pub(super) text: Vec<u8>,
    pub(super) hash: String,
    /// Of all files together.
    bytes: u64,
}

impl Descriptor {
    /// The descriptor of a package of these resources.
    pub(super) fn of(
        request: &StartFlowRequest,
        kind: ArtifactKind,
        name: &str,
        resources: &[Value],
        previews: &[(String, String)],
    ) -> Self {
        let mut package = package(request);
        if kind != ArtifactKind::Package && request.descriptor.len() > INNER_BYTES {
            package.shift_remove("readme");
        }
        let bytes: u64 = resources.iter().filter_map(|resource| resource.get("bytes")?.as_u64()).sum();
        let csv = resources.iter().filter(|resource| resource.pointer("/datahub/type").and_then(Value::as_str) == Some("derived/csv"));
        let rows: u64 = csv.filter_map(|resource| resource.get("rowcount")?.as_u64()).sum();
        let mut about = json!({
            "ownerid": request.owner_id, "owner": request.owner, "findability": findability(request.findability()),
            "flowid": request.flow_id, "stats": {"rowcount": rows, "bytes": bytes},
        });
        for (key, at) in [("created", &request.created_at), ("modified", &request.updated_at)] {
            let at = at.as_ref().and_then(|at| DateTime::<Utc>::from_timestamp(at.seconds, u32::try_from(at.nanos).ok()?));
            if let Some(at) = at {
                about[key] = at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string().into();
            }
        }
        package.insert("id".to_owned(), format!("{}/{}", request.owner_id, request.dataset).into());
        package.insert("name".to_owned(), name.into());
        package.insert("resources".to_owned(), resources.into());
        if let Some(views) = views(&package, previews) {
            package.insert("views".to_owned(), views);
        }
        package.insert("datahub".to_owned(), about);
        let mut whole = Value::Object(package);
        let hash = hex(&Md5::digest(python::indented(&whole)));
        if let Some(about) = whole.get_mut("datahub").and_then(Value::as_object_mut) {
            about.insert("hash".to_owned(), hash.clone().into());
        }
        Self { text: python::indented(&whole), hash, bytes }
    }

    /// What a FINISH says (spec-store.md 2.4).
    pub(super) fn stats(&self, name: &str, rows: Option<u64>, url: &str) -> String {
        let bytes = self.bytes + self.text.len() as u64;
        json!({
            "dataset_name": name, "count_of_rows": rows, "bytes": bytes, "hash": self.hash, ".dpp": {"out-datapackage-url": url},
        })
        .to_string()
    }
}

/// The specification's views and those of previews, each once.
fn views(package: &Map<String, Value>, previews: &[(String, String)]) -> Option<Value> {
    let mut views: Vec<Value> = package.get("views").and_then(Value::as_array).cloned().unwrap_or_default();
    for (name, source) in previews {
        let view = json!({
            "name": format!("datahub-preview-{name}"), "specType": "table", "datahub": {"type": "preview"},
            "transform": {"limit": PREVIEW_ROWS}, "resources": [source],
        });
        if !views.iter().any(|other| other.get("name") == view.get("name")) {
            views.push(view);
        }
    }
    (!views.is_empty()).then(|| views.into())
}

/// The word of section 3.1.
pub(super) fn findability(findability: Findability) -> &'static str {
    match findability {
        Findability::Published => "published",
        Findability::Unlisted => "unlisted",
        Findability::Private | Findability::Unspecified => "private",
    }
}
