//! The contract's face: each method reads its context, calls one function and shapes the answer.

use futures::{StreamExt, stream::BoxStream};
use madang_kit::rpc::{self, Answer, answer};
use madang_proto::catalog::v1::{
    ActRequest, ActResponse, ActWithFilesRequest, CommitTablesRequest, CommitTablesResponse, CreateDatasetRequest,
    CreateOrganizationRequest, Dataset, DeleteRequest, DeleteResponse, DeleteRowsRequest, DeleteRowsResponse, DemandOrganizationRequest,
    DemandOrganizationResponse, DescribeReaderRequest, DescribeReaderResponse, FenceRunRequest, FenceRunResponse, FindTableRequest,
    FindTableResponse, GetRequest, InspectFilesResponse, ListDatasetsResponse, ListObjectVersionsRequest, ListObjectVersionsResponse,
    ListOrganizationsResponse, ListRequest, ListTableVersionsRequest, ListTableVersionsResponse, OpenFileRequest, OpenFileResponse,
    OpenTableRequest, OpenTableResponse, Organization, PutUserRequest, PutUserResponse, QueryTableRequest, ReadTableRequest,
    ReadTableResponse, RebuildSearchRequest, RebuildSearchResponse, ReserveRowIdsRequest, ReserveRowIdsResponse, SearchRequest,
    SearchResponse, UpdateDatasetRequest, UpdateOrganizationRequest, UploadTableRequest, UploadTableResponse, actions_server,
    catalog_server, open_file_response::Part as FilePart, permissions_server, read_table_response::Part, table_commits_server,
    users_server,
};
use tonic::{Request, Response, Status, Streaming};

use crate::{Catalog, ckan, dataset, delete, file, find, finding, organization, reader, table, thing, upload, user};

/// The largest commit: a table of some 100,000 files.
pub(crate) const COMMIT_BYTES: usize = 32 << 20;

/// The largest dictionary of an action: a package with some thousand resources.
pub(crate) const ACTION_BYTES: usize = 16 << 20;

#[tonic::async_trait]
impl catalog_server::Catalog for Catalog {
    type ReadTableStream = Rows;
    type QueryTableStream = Rows;

    async fn create_organization(&self, request: Request<CreateOrganizationRequest>) -> Answer<Organization> {
        answer!(self, request, organization::create)
    }

    async fn create_dataset(&self, request: Request<CreateDatasetRequest>) -> Answer<Dataset> {
        answer!(self, request, dataset::create)
    }

    async fn get_organization(&self, request: Request<GetRequest>) -> Answer<Organization> {
        answer!(self, request, organization::get)
    }

    async fn update_organization(&self, request: Request<UpdateOrganizationRequest>) -> Answer<Organization> {
        answer!(self, request, organization::update)
    }

    async fn delete_organization(&self, request: Request<DeleteRequest>) -> Answer<DeleteResponse> {
        answer!(self, request, organization::delete)
    }

    async fn list_organizations(&self, request: Request<ListRequest>) -> Answer<ListOrganizationsResponse> {
        answer!(self, request, organization::list)
    }

    async fn get_dataset(&self, request: Request<GetRequest>) -> Answer<Dataset> {
        answer!(self, request, dataset::get)
    }

    async fn update_dataset(&self, request: Request<UpdateDatasetRequest>) -> Answer<Dataset> {
        answer!(self, request, dataset::update)
    }

    async fn delete_dataset(&self, request: Request<DeleteRequest>) -> Answer<DeleteResponse> {
        answer!(self, request, dataset::delete)
    }

    async fn list_datasets(&self, request: Request<ListRequest>) -> Answer<ListDatasetsResponse> {
        answer!(self, request, dataset::list)
    }

    async fn search(&self, request: Request<SearchRequest>) -> Answer<SearchResponse> {
        answer!(self, request, finding::search)
    }

    async fn rebuild_search(&self, request: Request<RebuildSearchRequest>) -> Answer<RebuildSearchResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(finding::rebuild(self, &context).await?))
    }

    async fn list_object_versions(&self, request: Request<ListObjectVersionsRequest>) -> Answer<ListObjectVersionsResponse> {
        answer!(self, request, thing::versions)
    }

    async fn upload_table(&self, request: Request<Streaming<UploadTableRequest>>) -> Answer<UploadTableResponse> {
        answer!(self, request, upload::upload)
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
        answer!(self, request, delete::delete)
    }

    async fn list_table_versions(&self, request: Request<ListTableVersionsRequest>) -> Answer<ListTableVersionsResponse> {
        answer!(self, request, table::versions)
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
        answer!(self, request, table::open)
    }

    async fn reserve_row_ids(&self, request: Request<ReserveRowIdsRequest>) -> Answer<ReserveRowIdsResponse> {
        Ok(Response::new(table::reserve_row_ids(self, request.into_inner()).await?))
    }

    async fn commit_tables(&self, request: Request<CommitTablesRequest>) -> Answer<CommitTablesResponse> {
        answer!(self, request, table::commit)
    }

    async fn fence_run(&self, request: Request<FenceRunRequest>) -> Answer<FenceRunResponse> {
        Ok(Response::new(table::fence(self, request.into_inner()).await?))
    }

    async fn find_table(&self, request: Request<FindTableRequest>) -> Answer<FindTableResponse> {
        answer!(self, request, find::find)
    }
}

#[tonic::async_trait]
impl permissions_server::Permissions for Catalog {
    async fn demand_organization(&self, request: Request<DemandOrganizationRequest>) -> Answer<DemandOrganizationResponse> {
        answer!(self, request, organization::check_access)
    }

    async fn describe_reader(&self, request: Request<DescribeReaderRequest>) -> Answer<DescribeReaderResponse> {
        answer!(self, request, reader::describe)
    }
}

#[tonic::async_trait]
impl actions_server::Actions for Catalog {
    type OpenFileStream = BoxStream<'static, std::result::Result<OpenFileResponse, Status>>;

    async fn act(&self, request: Request<ActRequest>) -> Answer<ActResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(ckan::act(self, context, request.into_inner(), Vec::new()).await?))
    }

    async fn act_with_files(&self, request: Request<Streaming<ActWithFilesRequest>>) -> Answer<ActResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(ckan::act_with_files(self, context, request.into_inner()).await?))
    }

    async fn open_file(&self, request: Request<OpenFileRequest>) -> Answer<Self::OpenFileStream> {
        let context = rpc::context(&request)?;
        let opened = file::open::open(self, &context, request.into_inner()).await?;
        let head = futures::stream::iter([Ok(FilePart::Head(opened.head))]);
        let pieces = opened.pieces.map(|piece| piece.map(FilePart::Chunk).map_err(Status::from));
        Ok(Response::new(head.chain(pieces).map(|part| part.map(|part| OpenFileResponse { part: Some(part) })).boxed()))
    }
}

#[tonic::async_trait]
impl users_server::Users for Catalog {
    async fn put_user(&self, request: Request<PutUserRequest>) -> Answer<PutUserResponse> {
        Ok(Response::new(user::put(self, request.into_inner()).await?))
    }
}
