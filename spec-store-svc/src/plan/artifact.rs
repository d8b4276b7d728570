//! Which pipelines a flow has, in which order, and what each waits for (spec-store.md 4.2).

use madang_proto::pipeline::v1::{ArtifactKind, FlowArtifact, FlowSource, SourceKind};
use serde_json::{Map, Value};

use super::resource::{is_file_name, text};
use crate::spec::Refused;

/// What the spec wants beside what is always made.
#[derive(Clone, Debug)]
pub(super) struct Outputs {
    /// The archive's file.
    zip: String,
    /// The database's file, if one is wanted.
    sqlite: Option<String>,
    parquet: bool,
}

impl Outputs {
    /// Reads `outputs`. Kinds that nobody acts on are let pass (spec-store.md 3.1).
    pub(super) fn read(dataset: &str, outputs: Vec<&Map<String, Value>>) -> Result<Self, Refused> {
        let mut read = Self { zip: format!("{dataset}.zip"), sqlite: None, parquet: false };
        for output in outputs {
            let parameters = output.get("parameters").and_then(Value::as_object);
            match text(output, "kind")? {
                "zip" => {
                    let file = text(parameters.ok_or_else(|| Refused::missing("parameters"))?, "out-file")?;
                    file_name(file)?.clone_into(&mut read.zip);
                }
                "sqlite" => {
                    let file = parameters.and_then(|parameters| parameters.get("out-file")).and_then(Value::as_str);
                    read.sqlite = Some(file.map_or_else(|| Ok(format!("{dataset}.sqlite")), |file| file_name(file).map(str::to_owned))?);
                }
                "parquet" => read.parquet = true,
                _ => {}
            }
        }
        Ok(read)
    }
}

fn file_name(text: &str) -> Result<&str, Refused> {
    if is_file_name(text) { Ok(text) } else { Err(Refused::Value) }
}

/// The pipelines of a flow.
pub(super) fn plan(flow_id: &str, sources: &[FlowSource], outputs: &Outputs) -> Vec<FlowArtifact> {
    let of_kind = |kind| sources.iter().filter(move |source| source.kind() == kind);
    let mut plan = Planner { flow_id, artifacts: Vec::new() };
    plan.add(ArtifactKind::Report, "validation_report", "Validating package contents", "", Vec::new());
    for source in of_kind(SourceKind::Tabular) {
        plan.add(ArtifactKind::Csv, &format!("{}_csv", source.name), "Creating CSV", &source.name, Vec::new());
    }
    for source in of_kind(SourceKind::Tabular) {
        plan.add(ArtifactKind::Json, &format!("{}_json", source.name), "Creating JSON", &source.name, Vec::new());
    }
    let before = plan.ids();
    plan.add_file(ArtifactKind::Zip, &outputs.zip, "Creating ZIP", before);
    for source in of_kind(SourceKind::Tabular) {
        let csv = vec![format!("{flow_id}/{}_csv", source.name)];
        plan.add(ArtifactKind::Preview, &format!("{}_csv_preview", source.name), "Generating views", &source.name, csv);
    }
    for source in of_kind(SourceKind::Tabular).chain(of_kind(SourceKind::NonTabular)) {
        plan.add(ArtifactKind::Copy, &source.name, "Copying source data", &source.name, Vec::new());
    }
    for source in of_kind(SourceKind::Tabular).filter(|_| outputs.parquet) {
        plan.add(ArtifactKind::Parquet, &format!("{}_parquet", source.name), "Creating Parquet", &source.name, Vec::new());
    }
    if let Some(file) = &outputs.sqlite {
        plan.add_file(ArtifactKind::Sqlite, file, "Creating SQLite", Vec::new());
    }
    let before = plan.ids();
    plan.artifacts.push(FlowArtifact {
        pipeline_id: flow_id.to_owned(),
        title: "Creating Package".to_owned(),
        kind: ArtifactKind::Package.into(),
        depends_on: before,
        ..FlowArtifact::default()
    });
    plan.artifacts
}

struct Planner<'f> {
    flow_id: &'f str,
    artifacts: Vec<FlowArtifact>,
}

impl Planner<'_> {
    fn add(&mut self, kind: ArtifactKind, name: &str, title: &str, source: &str, depends_on: Vec<String>) {
        self.artifacts.push(FlowArtifact {
            pipeline_id: format!("{}/{name}", self.flow_id),
            title: title.to_owned(),
            kind: kind.into(),
            source: source.to_owned(),
            depends_on,
            file_name: String::new(),
        });
    }

    /// One that makes a file whose name the spec says; the pipeline is named after it.
    fn add_file(&mut self, kind: ArtifactKind, file: &str, title: &str, depends_on: Vec<String>) {
        self.add(kind, &file.replace('.', "_"), title, "", depends_on);
        if let Some(last) = self.artifacts.last_mut() {
            file.clone_into(&mut last.file_name);
        }
    }

    fn ids(&self) -> Vec<String> {
        self.artifacts.iter().map(|artifact| artifact.pipeline_id.clone()).collect()
    }
}
