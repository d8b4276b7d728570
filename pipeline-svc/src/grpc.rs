//! The contract's face: each method reads its context, calls one function and shapes the answer.

use madang_kit::rpc;
use madang_proto::pipeline::v1::{
    CreatePipelineRequest, GetRunRequest, ListRunsRequest, ListRunsResponse, Pipeline, Run, StartRunRequest, pipelines_server,
};
use tonic::{Request, Response, Status};

use crate::{Pipelines, pipeline, run};

type Answer<M> = Result<Response<M>, Status>;

#[tonic::async_trait]
impl pipelines_server::Pipelines for Pipelines {
    async fn create_pipeline(&self, request: Request<CreatePipelineRequest>) -> Answer<Pipeline> {
        let context = rpc::context(&request)?;
        Ok(Response::new(pipeline::create(self, &context, request.into_inner()).await?))
    }

    async fn start_run(&self, request: Request<StartRunRequest>) -> Answer<Run> {
        let context = rpc::context(&request)?;
        Ok(Response::new(run::start(self, &context, request.into_inner()).await?))
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Answer<Run> {
        let context = rpc::context(&request)?;
        Ok(Response::new(run::get(self, &context, request.into_inner()).await?))
    }

    async fn list_runs(&self, request: Request<ListRunsRequest>) -> Answer<ListRunsResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(run::list(self, &context, request.into_inner()).await?))
    }
}
