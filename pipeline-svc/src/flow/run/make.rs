//! The artifacts of a flow: files on the local disk that wait for their transaction.

use std::slice;

use madang_kit::{Error, Result};
use madang_lake::Place;
use madang_proto::pipeline::v1::{ArtifactKind, FlowArtifact, FlowSource, SourceKind};

use super::{Failed, Made, Making, Running, Work};
use crate::flow::{
    descriptor::{self, PREVIEW_ROWS},
    fetch::Missed,
    file,
    make::{
        csv, json, parquet,
        sink::{Made as Written, Sink},
        sqlite,
    },
    table::schema::TableSchema,
};

/// What is said of a file that was made.
pub(super) struct About<'a> {
    pub(super) folder: &'static str,
    pub(super) file: String,
    pub(super) content_type: &'static str,
    pub(super) rows: Option<u64>,
    pub(super) schema: Option<&'a TableSchema>,
}

impl Running<'_> {
    pub(super) async fn make(&mut self, artifact: &FlowArtifact) -> Making {
        match artifact.kind() {
            ArtifactKind::Report => self.report(artifact).await,
            ArtifactKind::Copy => self.copy(artifact).await,
            ArtifactKind::Zip => self.zip(artifact).await,
            ArtifactKind::Package | ArtifactKind::Unspecified => Ok(Ok(Work::default())),
            ArtifactKind::Sqlite => self.sqlite(artifact).await,
            ArtifactKind::Csv | ArtifactKind::Json | ArtifactKind::Preview | ArtifactKind::Parquet => self.derived(artifact).await,
        }
    }

    /// Keeps a file under its content and says what it is.
    pub(super) async fn keep(
        &mut self,
        artifact: &FlowArtifact,
        source: Option<&FlowSource>,
        made: Written,
        about: About<'_>,
    ) -> Result<Work> {
        let request = &self.claim.request;
        let name = descriptor::name(&request.flow_id, &artifact.pipeline_id).to_owned();
        let key = format!("{}/{}/{name}/{}/{}/{}", request.owner_id, request.dataset, about.folder, made.md5, about.file);
        let stored = file::store(self.flows, self.file(&key, about.content_type), &made).await?;
        let told = descriptor::File {
            url: format!("{}{key}", request.files_url),
            bytes: made.bytes,
            md5: &made.md5,
            rows: about.rows,
            schema: about.schema,
        };
        let resource = Some(descriptor::resource(artifact, &name, source, &told));
        let work = Work {
            made: Made { resource, key: key.clone(), bytes: made.bytes, md5: made.md5, rows: about.rows },
            file: Some(stored),
            ..Work::default()
        };
        self.local.insert(key, made.path);
        Ok(work)
    }

    async fn report(&mut self, artifact: &FlowArtifact) -> Making {
        let sources = self.tabular("");
        let same_as = self.named(artifact, &sources).await?;
        if let Some(name) = &same_as
            && let Some(work) = self.same(name).await?
        {
            return Ok(Ok(work));
        }
        let mut sink = Sink::new(&self.scratch)?;
        let mut log = Vec::new();
        for (at, source) in sources.iter().enumerate() {
            self.table(source).await?;
            let report = self.reports.remove(&source.name).unwrap_or_default(); // what is written need not be kept
            let (rows, valid) = (report.rows.unwrap_or_default(), report.is_valid());
            log.push(format!("{}: {rows} rows checked, {}", source.name, if valid { "valid" } else { "invalid" }));
            sink.put(if at == 0 { b"[" } else { b"," })?;
            sink.put(&serde_json::to_vec(&report.element(source)).map_err(Error::internal)?)?;
        }
        sink.put(if sources.is_empty() { b"[]" } else { b"]" })?;
        let about =
            About { folder: "data", file: "validation_report.json".to_owned(), content_type: "application/json", rows: None, schema: None };
        let work = self.keep(artifact, None, sink.finish()?, about).await?;
        Ok(Ok(Work { same_as, log, ..work }))
    }

    async fn copy(&mut self, artifact: &FlowArtifact) -> Making {
        let source = self.source(&artifact.source)?;
        let fetched = self.fetch(&source).await?;
        let fetched = match &*fetched {
            Ok(fetched) => fetched,
            Err(Missed { error, .. }) => return Ok(Err(failed("load_resource", &error.message))),
        };
        let request = &self.claim.request;
        let name = descriptor::name(&request.flow_id, &artifact.pipeline_id).to_owned();
        let (folder, file) = source.path.rsplit_once('/').unwrap_or(("archive", &source.path));
        let key = format!("{}/{}/{name}/{folder}/{}/{file}", request.owner_id, request.dataset, fetched.made.md5);
        self.scratch.charge(fetched.made.bytes)?;
        let stored = file::store(self.flows, self.file(&key, "application/octet-stream"), &fetched.made).await?;
        let schema = match source.kind() {
            SourceKind::Tabular => TableSchema::parse(&source.schema).ok(),
            _ => None,
        };
        let told = descriptor::File {
            url: format!("{}{key}", request.files_url),
            bytes: fetched.made.bytes,
            md5: &fetched.made.md5,
            rows: None,
            schema: None,
        };
        let mut resource = descriptor::resource(artifact, &name, Some(&source), &told);
        if schema.is_some() {
            resource["schema"] = serde_json::from_str(&source.schema).unwrap_or_default();
        }
        let seen = fetched.tag.clone().map(|tag| (source.url.clone(), tag, key.clone()));
        let log = vec![format!("{} bytes copied", fetched.made.bytes)];
        let made = Made { resource: Some(resource), key, bytes: fetched.made.bytes, md5: fetched.made.md5.clone(), rows: None };
        Ok(Ok(Work { made, file: Some(stored), seen, same_as: None, log }))
    }

    /// A file that is made of a table.
    async fn derived(&mut self, artifact: &FlowArtifact) -> Making {
        let source = self.source(&artifact.source)?;
        let same_as = self.named(artifact, slice::from_ref(&source)).await?;
        if let Some(name) = &same_as
            && let Some(work) = self.same(name).await?
        {
            return Ok(Ok(work));
        }
        let table = self.table(&source).await?;
        let relation = match &table.rows {
            Ok(rows) => rows,
            Err(why) => return Ok(Err(failed(task(artifact.kind()), why))),
        };
        let (name, count) = (descriptor::name(&self.claim.request.flow_id, &artifact.pipeline_id).to_owned(), relation.rows());
        if artifact.kind() == ArtifactKind::Preview && count <= PREVIEW_ROWS {
            let log = vec![format!("{count} rows need no preview")];
            return Ok(Ok(Work { same_as, log, ..Work::default() }));
        }
        let rows = self.rows_of(relation)?;
        let scratch = &self.scratch;
        let (made, extension, content_type, rows) = match artifact.kind() {
            ArtifactKind::Csv => (csv::write(rows, &table.schema, scratch).await?, "csv", "text/csv", count),
            ArtifactKind::Json => (json::write(rows, &table.schema, u64::MAX, scratch).await?.0, "json", "application/json", count),
            ArtifactKind::Preview => {
                let (made, written) = json::write(rows, &table.schema, PREVIEW_ROWS, scratch).await?;
                (made, "json", "application/json", written)
            }
            _ => {
                let stage = Place { run: self.claim.id.to_string(), output: self.claim.fence };
                let made = parquet::write(self.flows.flow.as_ref(), self.flows.objects.as_ref(), rows, &stage, scratch).await?;
                (made, "parquet", "application/vnd.apache.parquet", count)
            }
        };
        let is_typed = matches!(artifact.kind(), ArtifactKind::Csv | ArtifactKind::Json);
        let about = About {
            folder: "data",
            file: format!("{name}.{extension}"),
            content_type,
            rows: Some(rows),
            schema: is_typed.then_some(&table.schema),
        };
        let work = self.keep(artifact, Some(&source), made, about).await?;
        Ok(Ok(Work { same_as, log: vec![format!("{rows} rows written")], ..work }))
    }

    /// One database with a table for each source, or for one of them.
    async fn sqlite(&mut self, artifact: &FlowArtifact) -> Making {
        let sources = self.tabular(&artifact.source);
        let same_as = self.named(artifact, &sources).await?;
        if let Some(name) = &same_as
            && let Some(work) = self.same(name).await?
        {
            return Ok(Ok(work));
        }
        let (mut tables, mut count) = (Vec::new(), 0);
        for source in &sources {
            let table = self.table(source).await?;
            match &table.rows {
                Ok(rows) => {
                    count += rows.rows();
                    tables.push((source.name.clone(), table.clone(), self.rows_of(rows)?));
                }
                Err(why) => return Ok(Err(failed(task(artifact.kind()), why))),
            }
        }
        let made = match sqlite::write(tables, &self.scratch).await? {
            Ok(made) => made,
            Err(why) => return Ok(Err(failed(task(artifact.kind()), &why))),
        };
        let name = descriptor::name(&self.claim.request.flow_id, &artifact.pipeline_id);
        let (file, content_type) = (format!("{name}.sqlite"), "application/vnd.sqlite3");
        let about = About { folder: "data", file, content_type, rows: Some(count), schema: None };
        let work = self.keep(artifact, None, made, about).await?;
        Ok(Ok(Work { same_as, log: vec![format!("{count} rows written")], ..work }))
    }
}

/// What a task is called in the first line of its errors.
pub(super) fn task(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Report => "validate",
        ArtifactKind::Zip => "create_zip",
        ArtifactKind::Copy => "load_resource",
        ArtifactKind::Package => "create_package",
        ArtifactKind::Csv => "create_csv",
        ArtifactKind::Json => "create_json",
        ArtifactKind::Preview => "load_preview",
        ArtifactKind::Parquet => "create_parquet",
        _ => "create_sqlite",
    }
}

/// The first line is the task, the second says where it failed (spec-store.md 6).
pub(super) fn failed(task: &str, why: &str) -> Failed {
    Failed(vec![task.to_owned(), why.to_owned()])
}
