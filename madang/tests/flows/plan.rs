//! Flows as the Spec Store plans them.

use madang_proto::pipeline::v1::{ArtifactKind, Findability, FlowArtifact, FlowSource, SourceKind, StartFlowRequest};
use serde_json::{Value, json};

use crate::house::{FILES, OWNER};

/// A table to be read.
pub(crate) fn table(name: &str, url: &str, format: &str, schema: &Value) -> FlowSource {
    FlowSource {
        name: name.to_owned(),
        url: url.to_owned(),
        format: format.to_owned(),
        path: format!("archive/{name}.{format}"),
        kind: SourceKind::Tabular.into(),
        resource: json!({"name": name, "path": format!("data/{name}.{format}"), "title": "A table"}).to_string(),
        schema: schema.to_string(),
        ..FlowSource::default()
    }
}

/// A file that is kept as it is.
pub(crate) fn plain(name: &str, url: &str, format: &str) -> FlowSource {
    let kind = SourceKind::NonTabular.into();
    FlowSource { kind, schema: String::new(), ..table(name, url, format, &Value::Null) }
}

/// All that is made of some sources, in the order of section 4.2, with a Parquet file for each and one SQLite database.
pub(crate) fn flow(dataset: &str, revision: u32, findability: Findability, sources: Vec<FlowSource>) -> StartFlowRequest {
    let id = format!("{OWNER}/{dataset}/{revision}");
    let mut artifacts = vec![artifact(&id, "validation_report", ArtifactKind::Report, "", &[])];
    let tables: Vec<&str> =
        sources.iter().filter(|source| source.kind() == SourceKind::Tabular).map(|source| source.name.as_str()).collect();
    for (ending, kind) in [("csv", ArtifactKind::Csv), ("json", ArtifactKind::Json)] {
        artifacts.extend(tables.iter().map(|name| artifact(&id, &format!("{name}_{ending}"), kind, name, &[])));
    }
    let before: Vec<String> = artifacts.iter().map(|artifact| artifact.pipeline_id.clone()).collect();
    artifacts.push(artifact(&id, &format!("{dataset}_zip"), ArtifactKind::Zip, "", &before));
    for name in &tables {
        let csv = [format!("{id}/{name}_csv")];
        artifacts.push(artifact(&id, &format!("{name}_csv_preview"), ArtifactKind::Preview, name, &csv));
    }
    artifacts.extend(sources.iter().map(|source| artifact(&id, &source.name, ArtifactKind::Copy, &source.name, &[])));
    artifacts.extend(tables.iter().map(|name| artifact(&id, &format!("{name}_parquet"), ArtifactKind::Parquet, name, &[])));
    artifacts.push(artifact(&id, &format!("{dataset}_sqlite"), ArtifactKind::Sqlite, "", &[]));
    let before: Vec<String> = artifacts.iter().map(|artifact| artifact.pipeline_id.clone()).collect();
    artifacts.push(FlowArtifact { pipeline_id: id.clone(), ..artifact(&id, "", ArtifactKind::Package, "", &before) });
    let descriptor = json!({
        "name": dataset, "title": format!("All the {dataset}"), "description": "Of a test", "readme": "# Read me",
        "licenses": [{"name": "CC-BY-4.0"}], "keywords": ["water", "x"],
    });
    StartFlowRequest {
        flow_id: id,
        owner_id: OWNER.to_owned(),
        owner: "Mina".to_owned(),
        dataset: dataset.to_owned(),
        revision,
        findability: findability.into(),
        descriptor: descriptor.to_string(),
        sources,
        artifacts,
        files_url: FILES.to_owned(),
        created_at: Some(prost_types::Timestamp { seconds: 1_519_894_800, nanos: 1_000 }),
        updated_at: Some(prost_types::Timestamp { seconds: 1_520_244_000, nanos: 1_000 }),
        ..StartFlowRequest::default()
    }
}

fn artifact(flow: &str, name: &str, kind: ArtifactKind, source: &str, depends_on: &[String]) -> FlowArtifact {
    FlowArtifact {
        pipeline_id: format!("{flow}/{name}"),
        title: name.to_owned(),
        kind: kind.into(),
        source: source.to_owned(),
        depends_on: depends_on.to_vec(),
        file_name: String::new(),
    }
}
