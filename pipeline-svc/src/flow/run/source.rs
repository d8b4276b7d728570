//! What a flow is made of: each source fetched once, each table read once, what was made before taken again.

use std::{mem, sync::Arc};

use madang_kit::{Code, Error, Result, error::chain};
use madang_lake::{Relation, RowStream};
use madang_proto::pipeline::v1::{ArtifactKind, FlowArtifact, FlowSource, SourceKind};

use super::{Made, Running, Work};
use crate::{
    flow::{
        fetch::{self, Fetched, Missed},
        lake_error, same, step,
        table::read::{self, Table},
    },
    store::flow::{self as store, State, file as files},
};

impl Running<'_> {
    pub(super) fn source(&self, name: &str) -> Result<FlowSource> {
        let found = self.claim.request.sources.iter().find(|source| source.name == name);
        found.cloned().ok_or_else(|| Error::internal("an artifact has no source"))
    }

    /// The tables of the flow; with a name that one.
    pub(super) fn tabular(&self, name: &str) -> Vec<FlowSource> {
        let wanted = |source: &&FlowSource| source.kind() == SourceKind::Tabular && (name.is_empty() || source.name == name);
        self.claim.request.sources.iter().filter(wanted).cloned().collect()
    }

    /// Fetches a source, once.
    pub(super) async fn fetch(&mut self, source: &FlowSource) -> Result<Arc<std::result::Result<Fetched, Missed>>> {
        if let Some(fetched) = self.fetched.get(&source.url) {
            return Ok(fetched.clone());
        }
        let fetched = fetch::fetch(self.flows, self.claim, source, &self.bounds, &self.scratch).await;
        if let Err(Missed { error, .. }) = &fetched
            && error.code == Code::Internal
        {
            return Err(Error::internal(format!("a source can't be fetched: {}", chain(error))));
        }
        let fetched = Arc::new(fetched);
        self.fetched.insert(source.url.clone(), fetched.clone());
        Ok(fetched)
    }

    /// Reads a table, once.
    pub(super) async fn table(&mut self, source: &FlowSource) -> Result<Arc<Table>> {
        if let Some(table) = self.tables.get(&source.name) {
            return Ok(table.clone());
        }
        let fetched = self.fetch(source).await?;
        let mut table = match &*fetched {
            Err(Missed { code, error }) => read::unreadable(code, &error.message),
            Ok(fetched) => {
                let parts = (self.flows.reader.as_ref(), self.flows.flow.as_ref());
                let read = read::read(parts, source, &fetched.made.path, &self.bounds.limits(), &self.rows).await?;
                step::follow(self.flows, source, read, &self.bounds.limits()).await?
            }
        };
        if let Ok(rows) = &table.rows
            && let Err(full) = self.scratch.charge(rows.files.iter().map(|file| file.bytes).sum())
        {
            self.flows.flow.forget(rows).await.map_err(lake_error)?;
            table.rows = Err(full.message);
        }
        let report = mem::take(&mut table.report);
        if self.awaits_report() {
            self.reports.insert(source.name.clone(), report);
        }
        let table = Arc::new(table);
        self.tables.insert(source.name.clone(), table.clone());
        Ok(table)
    }

    /// Whether the report is still to be made: only then reports of tables are kept, which may be long.
    fn awaits_report(&self) -> bool {
        let mut reports = self.claim.request.artifacts.iter().filter(|artifact| artifact.kind() == ArtifactKind::Report);
        reports.any(|artifact| self.state(&artifact.pipeline_id) == State::Open)
    }

    pub(super) fn rows_of(&self, relation: &Relation) -> Result<RowStream> {
        self.flows.flow.rows(relation).map_err(lake_error)
    }

    /// The name of an artifact by its sources; none if one could not be fetched.
    pub(super) async fn named(&mut self, artifact: &FlowArtifact, sources: &[FlowSource]) -> Result<Option<String>> {
        let mut sums = Vec::with_capacity(sources.len());
        for source in sources {
            match &*self.fetch(source).await? {
                Ok(fetched) => sums.push(fetched.made.sha256.clone()),
                Err(_) => return Ok(None),
            }
        }
        let named: Vec<(&FlowSource, &str)> = sources.iter().zip(sums.iter().map(String::as_str)).collect();
        Ok(Some(same::of_sources(artifact, &named, self.bounds.rows)))
    }

    /// What is kept of an artifact with this name, unless everything is to be done again.
    pub(super) async fn same(&self, name: &str) -> Result<Option<Work>> {
        let request = &self.claim.request;
        if request.forced {
            return Ok(None);
        }
        let Some(made) = store::same(&self.flows.db, &request.owner_id, &request.dataset, name).await? else { return Ok(None) };
        let made: Made = serde_json::from_str(&made).map_err(Error::internal)?;
        if !made.key.is_empty() && files::find(&self.flows.db, &made.key).await?.is_none() {
            return Ok(None);
        }
        let log = vec!["nothing has changed: what was made before is taken".to_owned()];
        Ok(Some(Work { made, log, same_as: Some(name.to_owned()), ..Work::default() }))
    }
}
