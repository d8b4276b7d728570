//! What pipelines ask of the catalogue.

use std::collections::HashSet;

use async_trait::async_trait;
use madang_kit::{
    Code, Context, Error, Id, Result,
    error::FieldProblem,
    rpc::{self, Channel},
};
use madang_lake::{RowIds, Schema, Snapshot, TableId};
use madang_proto::catalog::v1::{
    ActRequest, ActionRefusalKind, CommitTablesRequest, DemandOrganizationRequest, DescribeReaderRequest, DescribeReaderResponse,
    FenceRunRequest, FindTableRequest, OpenTableRequest, OrganizationAccess, ReserveRowIdsRequest, TableAccess, TableSchema,
    act_response::Outcome, actions_client::ActionsClient, permissions_client::PermissionsClient, table_commits_client::TableCommitsClient,
};
use serde_json::{Map, Value};

/// The largest answer: a table of some 100,000 files.
const ANSWER_BYTES: usize = 32 << 20;

/// A client of catalog-svc.
#[derive(Clone)]
pub(crate) struct Catalogue {
    tables: TableCommitsClient<Channel>,
    permissions: PermissionsClient<Channel>,
    actions: ActionsClient<Channel>,
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
        let actions = ActionsClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES);
        Self { tables, permissions: PermissionsClient::new(channel), actions }
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

    /// Does an action of the catalogue and gives its answer.
    ///
    /// # Errors
    /// [`Code::NotFound`], [`Code::Denied`], or [`Code::Invalid`] with the fields that break a rule.
    pub(crate) async fn act(&self, context: &Context, action: &str, dict: &Value) -> Result<Value> {
        let reads = action.ends_with("_show");
        let dict = serde_json::to_vec(dict).map_err(Error::internal)?;
        let request = ActRequest { action: action.to_owned(), dict: dict.into(), site_url: String::new(), reads };
        let answer = self.actions.clone().act(rpc::request(context, request)).await?.into_inner();
        match answer.outcome {
            Some(Outcome::Result(result)) => serde_json::from_slice(&result).map_err(Error::internal),
            Some(Outcome::Refusal(refusal)) => {
                let code = match refusal.kind() {
                    ActionRefusalKind::NotFound => Code::NotFound,
                    ActionRefusalKind::Denied => Code::Denied,
                    ActionRefusalKind::Validation => Code::Invalid,
                    _ => return Err(Error::internal(format!("the catalogue refused {action}: {}", refusal.detail))),
                };
                let fields: Map<String, Value> = serde_json::from_slice(&refusal.fields).unwrap_or_default();
                let problem =
                    |(field, message): (String, Value)| FieldProblem { field, rule: "rule".to_owned(), message: message.to_string() };
                let fields: Vec<FieldProblem> = fields.into_iter().map(problem).collect();
                let told: Vec<String> = fields.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect();
                let message = format!("the catalogue refused {action}: {} {}", refusal.detail, told.join(", "));
                Err(Error { code, message, fields, cause: None })
            }
            None => Err(Error::internal("the catalogue answered nothing")),
        }
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
