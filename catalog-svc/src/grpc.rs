//! The contract's face: each method reads its context, calls one function and shapes the answer.

use futures::{StreamExt, stream::BoxStream};
use madang_kit::rpc;
use madang_proto::catalog::v1::{
    ActRequest, ActResponse, CommitTablesRequest, CommitTablesResponse, CreateDatasetRequest, CreateOrganizationRequest, Dataset,
    DeleteRequest, DeleteResponse, DeleteRowsRequest, DeleteRowsResponse, DemandOrganizationRequest, DemandOrganizationResponse,
    DescribeReaderRequest, DescribeReaderResponse, FenceRunRequest, FenceRunResponse, FindTableRequest, FindTableResponse, GetRequest,
    InspectFilesResponse, ListDatasetsResponse, ListObjectVersionsRequest, ListObjectVersionsResponse, ListOrganizationsResponse,
    ListRequest, ListTableVersionsRequest, ListTableVersionsResponse, OpenTableRequest, OpenTableResponse, Organization, PutUserRequest,
    PutUserResponse, QueryTableRequest, ReadTableRequest, ReadTableResponse, RebuildSearchRequest, RebuildSearchResponse,
    ReserveRowIdsRequest, ReserveRowIdsResponse, SearchRequest, SearchResponse, UpdateDatasetRequest, UpdateOrganizationRequest,
    UploadTableRequest, UploadTableResponse, actions_server, catalog_server, permissions_server, read_table_response::Part,
    table_commits_server, users_server,
};
use tonic::{Request, Response, Status, Streaming};

use crate::{Catalog, ckan, dataset, delete, find, finding, organization, reader, table, thing, upload, user};

/// The largest commit: a table of some 100,000 files.
pub(crate) const COMMIT_BYTES: usize = 32 << 20;

/// The largest dictionary of an action: a package with some thousand resources.
pub(crate) const ACTION_BYTES: usize = 16 << 20;

type Answer<M> = std::result::Result<Response<M>, Status>;

#[tonic::async_trait]
impl catalog_server::Catalog for Catalog {
    type ReadTableStream = Rows;
    type QueryTableStream = Rows;

    async fn create_organization(&self, request: Request<CreateOrganizationRequest>) -> Answer<Organization> {
        let context = rpc::context(&request)?;
        Ok(Response::new(organization::create(self, &context, request.into_inner()).await?))
    }

    async fn create_dataset(&self, request: Request<CreateDatasetRequest>) -> Answer<Dataset> {
        let context = rpc::context(&request)?;
        Ok(Response::new(dataset::create(self, &context, request.into_inner()).await?))
    }

    async fn get_organization(&self, request: Request<GetRequest>) -> Answer<Organization> {
        let context = rpc::context(&request)?;
        Ok(Response::new(organization::get(self, &context, request.into_inner()).await?))
    }

    async fn update_organization(&self, request: Request<UpdateOrganizationRequest>) -> Answer<Organization> {
        let context = rpc::context(&request)?;
        Ok(Response::new(organization::update(self, &context, request.into_inner()).await?))
    }

    async fn delete_organization(&self, request: Request<DeleteRequest>) -> Answer<DeleteResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(organization::delete(self, &context, request.into_inner()).await?))
    }

    async fn list_organizations(&self, request: Request<ListRequest>) -> Answer<ListOrganizationsResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(organization::list(self, &context, request.into_inner()).await?))
    }

    async fn get_dataset(&self, request: Request<GetRequest>) -> Answer<Dataset> {
        let context = rpc::context(&request)?;
        Ok(Response::new(dataset::get(self, &context, request.into_inner()).await?))
    }

    async fn update_dataset(&self, request: Request<UpdateDatasetRequest>) -> Answer<Dataset> {
        let context = rpc::context(&request)?;
        Ok(Response::new(dataset::update(self, &context, request.into_inner()).await?))
    }

    async fn delete_dataset(&self, request: Request<DeleteRequest>) -> Answer<DeleteResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(dataset::delete(self, &context, request.into_inner()).await?))
    }

    async fn list_datasets(&self, request: Request<ListRequest>) -> Answer<ListDatasetsResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(dataset::list(self, &context, request.into_inner()).await?))
    }

    async fn search(&self, request: Request<SearchRequest>) -> Answer<SearchResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(finding::search(self, &context, request.into_inner()).await?))
    }

    async fn rebuild_search(&self, request: Request<RebuildSearchRequest>) -> Answer<RebuildSearchResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(finding::rebuild(self, &context).await?))
    }

    async fn list_object_versions(&self, request: Request<ListObjectVersionsRequest>) -> Answer<ListObjectVersionsResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(thing::versions(self, &context, request.into_inner()).await?))
    }

    async fn upload_table(&self, request: Request<Streaming<UploadTableRequest>>) -> Answer<UploadTableResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(upload::upload(self, &context, request.into_inner()).await?))
    }

    async fn inspect_files(&self, request: Request<Streaming<UploadTableRequest>>) -> Answer<InspectFilesResponse> {
        rpc::context(&request)?;
        Ok(Response::new(upload::inspect(self, request.into_inner()).await?))
    }

    async fn read_table(&self, request: Request<ReadTableRequest>) -> Answer<Self::ReadTableStream> {
        let context = rpc::context(&request)?;
        Ok(stream(table::read(self, &context, request.into_inner()).await?))
    }

    async fn query_table(&self, request: Request<QueryTableRequest>) -> Answer<Self::QueryTableStream> {
        let context = rpc::context(&request)?;
        Ok(stream(table::query(self, &context, request.into_inner()).await?))
    }

    async fn delete_rows(&self, request: Request<DeleteRowsRequest>) -> Answer<DeleteRowsResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(delete::delete(self, &context, request.into_inner()).await?))
    }

    async fn list_table_versions(&self, request: Request<ListTableVersionsRequest>) -> Answer<ListTableVersionsResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(table::versions(self, &context, request.into_inner()).await?))
    }
}

type Rows = BoxStream<'static, std::result::Result<ReadTableResponse, Status>>;

/// The header, then the rows as they come.
fn stream(reading: table::Reading) -> Response<Rows> {
    let header = futures::stream::iter([Ok(Part::Header(reading.header))]);
    let rows = reading.rows.map(|piece| piece.map(Part::Rows).map_err(Status::from));
    Response::new(header.chain(rows).map(|part| part.map(|part| ReadTableResponse { part: Some(part) })).boxed())
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

    async fn fence_run(&self, request: Request<FenceRunRequest>) -> Answer<FenceRunResponse> {
        Ok(Response::new(table::fence(self, request.into_inner()).await?))
    }

    async fn find_table(&self, request: Request<FindTableRequest>) -> Answer<FindTableResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(find::find(self, &context, request.into_inner()).await?))
    }
}

#[tonic::async_trait]
impl permissions_server::Permissions for Catalog {
    async fn demand_organization(&self, request: Request<DemandOrganizationRequest>) -> Answer<DemandOrganizationResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(organization::check_access(self, &context, request.into_inner()).await?))
    }

    async fn describe_reader(&self, request: Request<DescribeReaderRequest>) -> Answer<DescribeReaderResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(reader::describe(self, &context, request.into_inner()).await?))
    }
}

#[tonic::async_trait]
impl actions_server::Actions for Catalog {
    async fn act(&self, request: Request<ActRequest>) -> Answer<ActResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(ckan::act(self, context, request.into_inner()).await?))
    }
}

#[tonic::async_trait]
impl users_server::Users for Catalog {
    async fn put_user(&self, request: Request<PutUserRequest>) -> Answer<PutUserResponse> {
        Ok(Response::new(user::put(self, request.into_inner()).await?))
    }
}
