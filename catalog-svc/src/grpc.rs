//! The contract's face: each method reads its context, calls one function and shapes the answer.

use futures::{StreamExt, stream::BoxStream};
use madang_kit::rpc;
use madang_proto::catalog::v1::{
    CommitTablesRequest, CommitTablesResponse, CreateDatasetRequest, CreateOrganizationRequest, Dataset, DemandOrganizationRequest,
    DemandOrganizationResponse, OpenTableRequest, OpenTableResponse, Organization, PutUserRequest, PutUserResponse, ReadTableRequest,
    ReadTableResponse, ReserveRowIdsRequest, ReserveRowIdsResponse, UploadTableRequest, UploadTableResponse, catalog_server,
    permissions_server, read_table_response::Part, table_commits_server, users_server,
};
use tonic::{Request, Response, Status, Streaming};

use crate::{Catalog, dataset, organization, table, upload, user};

/// The largest commit: a table of some 100,000 files.
pub(crate) const COMMIT_BYTES: usize = 32 << 20;

type Answer<M> = std::result::Result<Response<M>, Status>;

#[tonic::async_trait]
impl catalog_server::Catalog for Catalog {
    type ReadTableStream = BoxStream<'static, std::result::Result<ReadTableResponse, Status>>;

    async fn create_organization(&self, request: Request<CreateOrganizationRequest>) -> Answer<Organization> {
        let context = rpc::context(&request)?;
        Ok(Response::new(organization::create(self, &context, request.into_inner()).await?))
    }

    async fn create_dataset(&self, request: Request<CreateDatasetRequest>) -> Answer<Dataset> {
        let context = rpc::context(&request)?;
        Ok(Response::new(dataset::create(self, &context, request.into_inner()).await?))
    }

    async fn upload_table(&self, request: Request<Streaming<UploadTableRequest>>) -> Answer<UploadTableResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(upload::upload(self, &context, request.into_inner()).await?))
    }

    async fn read_table(&self, request: Request<ReadTableRequest>) -> Answer<Self::ReadTableStream> {
        let context = rpc::context(&request)?;
        let reading = table::read(self, &context, request.into_inner()).await?;
        let header = futures::stream::iter([Ok(Part::Header(reading.header))]);
        let rows = reading.rows.map(|piece| piece.map(Part::Rows).map_err(Status::from));
        Ok(Response::new(header.chain(rows).map(|part| part.map(|part| ReadTableResponse { part: Some(part) })).boxed()))
    }
}

#[tonic::async_trait]
impl table_commits_server::TableCommits for Catalog {
    async fn open_table(&self, request: Request<OpenTableRequest>) -> Answer<OpenTableResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(table::open(self, &context, request.into_inner()).await?))
    }

    async fn reserve_row_ids(&self, request: Request<ReserveRowIdsRequest>) -> Answer<ReserveRowIdsResponse> {
        Ok(Response::new(table::reserve_row_ids(self, request.into_inner()).await?))
    }

    async fn commit_tables(&self, request: Request<CommitTablesRequest>) -> Answer<CommitTablesResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(table::commit(self, &context, request.into_inner()).await?))
    }
}

#[tonic::async_trait]
impl permissions_server::Permissions for Catalog {
    async fn demand_organization(&self, request: Request<DemandOrganizationRequest>) -> Answer<DemandOrganizationResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(organization::check_access(self, &context, request.into_inner()).await?))
    }
}

#[tonic::async_trait]
impl users_server::Users for Catalog {
    async fn put_user(&self, request: Request<PutUserRequest>) -> Answer<PutUserResponse> {
        Ok(Response::new(user::put(self, request.into_inner()).await?))
    }
}
