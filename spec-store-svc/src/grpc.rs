//! The contract's face: each method reads its context, calls one function and shapes the answer.

use madang_kit::rpc::{Answer, answer};
use madang_proto::spec_store::v1::{
    CancelRevisionRequest, CancelRevisionResponse, DeleteDatasetRequest, DeleteDatasetResponse, GetRevisionRequest, ListDatasetsRequest,
    ListDatasetsResponse, ListRevisionsRequest, ListRevisionsResponse, ReportRequest, ReportResponse, RerunRequest, Revision,
    SearchDatasetsResponse, SearchEventsResponse, SearchRequest, SumBytesRequest, SumBytesResponse, UploadRequest, UploadResponse,
    spec_store_server,
};
use tonic::Request;

use crate::{SpecStore, end, report, revision, search, upload};

#[tonic::async_trait]
impl spec_store_server::SpecStore for SpecStore {
    async fn upload(&self, request: Request<UploadRequest>) -> Answer<UploadResponse> {
        answer!(self, request, upload::upload)
    }

    async fn rerun(&self, request: Request<RerunRequest>) -> Answer<UploadResponse> {
        answer!(self, request, upload::rerun)
    }

    async fn report(&self, request: Request<ReportRequest>) -> Answer<ReportResponse> {
        answer!(self, request, report::report)
    }

    async fn get_revision(&self, request: Request<GetRevisionRequest>) -> Answer<Revision> {
        answer!(self, request, revision::get)
    }

    async fn list_datasets(&self, request: Request<ListDatasetsRequest>) -> Answer<ListDatasetsResponse> {
        answer!(self, request, revision::list_datasets)
    }

    async fn list_revisions(&self, request: Request<ListRevisionsRequest>) -> Answer<ListRevisionsResponse> {
        answer!(self, request, revision::list_revisions)
    }

    async fn cancel_revision(&self, request: Request<CancelRevisionRequest>) -> Answer<CancelRevisionResponse> {
        answer!(self, request, end::cancel)
    }

    async fn delete_dataset(&self, request: Request<DeleteDatasetRequest>) -> Answer<DeleteDatasetResponse> {
        answer!(self, request, end::delete)
    }

    async fn search_datasets(&self, request: Request<SearchRequest>) -> Answer<SearchDatasetsResponse> {
        answer!(self, request, search::datasets)
    }

    async fn search_events(&self, request: Request<SearchRequest>) -> Answer<SearchEventsResponse> {
        answer!(self, request, search::events)
    }

    async fn sum_bytes(&self, request: Request<SumBytesRequest>) -> Answer<SumBytesResponse> {
        answer!(self, request, search::sum_bytes)
    }
}
