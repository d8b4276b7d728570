//! What pipelines ask of the catalogue.

use std::collections::HashSet;

use async_trait::async_trait;
use madang_kit::{
    Context, Error, Id, Result,
    ckan::Actions,
    rpc::{self, Channel},
};
use madang_lake::{RowIds, Schema, Snapshot, TableId};
use madang_proto::catalog::v1::{
    CommitTablesRequest, DemandOrganizationRequest, DescribeReaderRequest, DescribeReaderResponse, FenceRunRequest, FindTableRequest,
    OpenTableRequest, OrganizationAccess, ReserveRowIdsRequest, TableAccess, TableSchema, permissions_client::PermissionsClient,
    table_commits_client::TableCommitsClient,
};
use serde_json::Value;

/// The largest answer: a table of some 100,000 files.
const ANSWER_BYTES: usize = 32 << 20;

/// A client of catalog-svc.
#[derive(Clone)]
pub(crate) struct Catalogue {
    tables: TableCommitsClient<Channel>,
    permissions: PermissionsClient<Channel>,
    actions: Actions,
}

/// A dataset's table as the catalogue resolved it.
#[derive(Clone, Debug)]
pub(crate) struct OpenTable {
    pub(crate) dataset: Id,
    pub(crate) table: TableId,
    /// `None` while nothing was published to it.
    pub(crate) snapshot: Option<Snapshot>,
}

/// A table that was found by its names.
#[derive(Clone, Debug)]
pub(crate) struct FoundTable {
    pub(crate) dataset: Id,
    /// Every schema that it has had, by number.
    pub(crate) schemas: Vec<(i64, Schema)>,
}

impl Catalogue {
    pub(crate) fn new(channel: Channel) -> Self {
        let tables = TableCommitsClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES);
        Self { tables, actions: Actions::new(channel.clone()), permissions: PermissionsClient::new(channel) }
    }

    /// Refuses unless the principal may read or write in an organization.
    pub(crate) async fn demand_organization(&self, context: &Context, organization: Id, access: OrganizationAccess) -> Result<()> {
        let request = DemandOrganizationRequest { organization_id: organization.to_string(), access: access.into() };
        self.permissions.clone().demand_organization(rpc::request(context, request)).await?;
        Ok(())
    }

    /// What the principal is in some organizations, and otherwise.
    pub(crate) async fn describe_reader(&self, context: &Context, organization_ids: Vec<String>) -> Result<DescribeReaderResponse> {
        let request = DescribeReaderRequest { organization_ids };
        Ok(self.permissions.clone().describe_reader(rpc::request(context, request)).await?.into_inner())
    }

    /// Resolves a version of a dataset's table, by default the newest.
    pub(crate) async fn open(&self, context: &Context, dataset: Id, version: Option<i64>, access: TableAccess) -> Result<OpenTable> {
        let request = OpenTableRequest { dataset_id: dataset.to_string(), version, access: access.into() };
        let answer = self.tables.clone().open_table(rpc::request(context, request)).await?.into_inner();
        let table: TableId = answer.table_id.parse().map_err(Error::internal)?;
        let snapshot = Snapshot::from_wire(answer).map_err(Error::internal)?;
        Ok(OpenTable { dataset, table, snapshot })
    }

    /// Finds a table by Data Flow's words.
    pub(crate) async fn find(&self, context: &Context, database: &str, table: &str) -> Result<FoundTable> {
        let request = FindTableRequest { database: database.to_owned(), table: table.to_owned() };
        let answer = self.tables.clone().find_table(rpc::request(context, request)).await?.into_inner();
        let schema = |schema: TableSchema| Ok((schema.number, schema.columns.try_into().map_err(Error::internal)?));
        Ok(FoundTable {
            dataset: answer.dataset_id.parse().map_err(Error::internal)?,
            schemas: answer.schemas.into_iter().map(schema).collect::<Result<_>>()?,
        })
    }

    /// Publishes what a step staged.
    pub(crate) async fn commit(&self, context: &Context, request: CommitTablesRequest) -> Result<()> {
        self.tables.clone().commit_tables(rpc::request(context, request)).await?;
        Ok(())
    }

    /// Keeps earlier attempts of a run from publishing from now on; gives the names of the steps that have published.
    pub(crate) async fn fence(&self, context: &Context, run: Id, fence: i64) -> Result<HashSet<String>> {
        let request = FenceRunRequest { run_id: run.to_string(), fence };
        let answer = self.tables.clone().fence_run(rpc::request(context, request)).await?.into_inner();
        Ok(answer.steps.into_iter().collect())
    }

    /// Does an action of the catalogue and gives its answer: [`Actions::act`].
    pub(crate) async fn act(&self, context: &Context, action: &str, dict: &Value) -> Result<Value> {
        self.actions.act(context, action, dict).await
    }

    /// Row ids of a table, on behalf of a principal.
    pub(crate) fn row_ids(&self, context: &Context, table: &TableId) -> CatalogueRowIds {
        CatalogueRowIds { catalogue: self.clone(), context: context.clone(), table: table.clone() }
    }
}

/// Row ids that the catalogue hands out.
pub(crate) struct CatalogueRowIds {
    catalogue: Catalogue,
    context: Context,
    table: TableId,
}

#[async_trait]
impl RowIds for CatalogueRowIds {
    async fn reserve(&self, count: u64) -> madang_lake::Result<i64> {
        let request = ReserveRowIdsRequest { table_id: self.table.to_string(), count };
        let answer = self.catalogue.tables.clone().reserve_row_ids(rpc::request(&self.context, request)).await;
        Ok(answer.map_err(madang_lake::Error::storage)?.into_inner().first)
    }
}
