//! The contract's face.

use futures::{StreamExt, stream::BoxStream};
use madang_kit::rpc::{self, Answer, answer};
use madang_proto::pipeline::v1::{
    CancelFlowRequest, CancelFlowResponse, FindSourceFilesRequest, FindSourceFilesResponse, FlowEvent, OpenFlowFileRequest,
    OpenFlowFileResponse, PutSourceFileRequest, PutSourceFileResponse, RemoveDatasetRequest, RemoveDatasetResponse, StartFlowRequest,
    StartFlowResponse, WatchFlowsRequest, flows_server,
};
use tonic::{Request, Response, Status, Streaming};

use super::{Flows, event, file, intake};

#[tonic::async_trait]
impl flows_server::Flows for Flows {
    type WatchFlowsStream = BoxStream<'static, Result<FlowEvent, Status>>;
    type OpenFlowFileStream = BoxStream<'static, Result<OpenFlowFileResponse, Status>>;

    async fn start_flow(&self, request: Request<StartFlowRequest>) -> Answer<StartFlowResponse> {
        answer!(self, request, intake::start)
    }

    async fn cancel_flow(&self, request: Request<CancelFlowRequest>) -> Answer<CancelFlowResponse> {
        answer!(self, request, intake::cancel)
    }

    async fn watch_flows(&self, request: Request<WatchFlowsRequest>) -> Answer<Self::WatchFlowsStream> {
        let events = event::watch(self, request.into_inner()).await?;
        Ok(Response::new(events.map(|event| event.map_err(Status::from)).boxed()))
    }

    async fn remove_dataset(&self, request: Request<RemoveDatasetRequest>) -> Answer<RemoveDatasetResponse> {
        answer!(self, request, intake::remove)
    }

    async fn put_source_file(&self, request: Request<Streaming<PutSourceFileRequest>>) -> Answer<PutSourceFileResponse> {
        rpc::context(&request)?;
        Ok(Response::new(file::put(self, request.into_inner()).await?))
    }

    async fn find_source_files(&self, request: Request<FindSourceFilesRequest>) -> Answer<FindSourceFilesResponse> {
        answer!(self, request, file::find)
    }

    async fn open_flow_file(&self, request: Request<OpenFlowFileRequest>) -> Answer<Self::OpenFlowFileStream> {
        let pieces = file::open(self, request.into_inner()).await?;
        Ok(Response::new(pieces.map(|piece| piece.map_err(Status::from)).boxed()))
    }
}
