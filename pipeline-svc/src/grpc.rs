//! The contract's face: each method reads its context, calls one function and shapes the answer.

use madang_kit::rpc::{self, Answer, answer};
use madang_proto::pipeline::v1::{
    CancelRunRequest, Code, CreateCodeRequest, CreatePipelineRequest, DeleteRequest, DeleteResponse, EmptyOrganizationRequest,
    EmptyOrganizationResponse, GetRegistrationRequest, GetRequest, GetRunRequest, GetScheduleRequest, GetScheduleResponse,
    GetScriptRequest, ListCodesResponse, ListPipelinesResponse, ListRequest, ListRunsRequest, ListRunsResponse, ListScriptsRequest,
    ListScriptsResponse, ListVersionsRequest, ListVersionsResponse, Pipeline, PutScriptRequest, RegisterRequest, Registration, Run, Script,
    SendMessageRequest, SendMessageResponse, StartRunRequest, UnregisterRequest, UpdateCodeRequest, UpdatePipelineRequest, codes_server,
    pipelines_server,
};
use tonic::{Request, Response};

use crate::{Pipelines, code, event, organization, pipeline, run, schedule, store::thing::Kind, thing};

#[tonic::async_trait]
impl pipelines_server::Pipelines for Pipelines {
    async fn create_pipeline(&self, request: Request<CreatePipelineRequest>) -> Answer<Pipeline> {
        answer!(self, request, pipeline::create)
    }

    async fn get_pipeline(&self, request: Request<GetRequest>) -> Answer<Pipeline> {
        answer!(self, request, pipeline::get)
    }

    async fn update_pipeline(&self, request: Request<UpdatePipelineRequest>) -> Answer<Pipeline> {
        answer!(self, request, pipeline::update)
    }

    async fn delete_pipeline(&self, request: Request<DeleteRequest>) -> Answer<DeleteResponse> {
        answer!(self, request, pipeline::delete)
    }

    async fn empty_organization(&self, request: Request<EmptyOrganizationRequest>) -> Answer<EmptyOrganizationResponse> {
        answer!(self, request, organization::empty)
    }

    async fn list_pipelines(&self, request: Request<ListRequest>) -> Answer<ListPipelinesResponse> {
        answer!(self, request, pipeline::list)
    }

    async fn list_pipeline_versions(&self, request: Request<ListVersionsRequest>) -> Answer<ListVersionsResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(thing::versions(self, &context, Kind::Pipeline, request.into_inner()).await?))
    }

    async fn get_schedule(&self, request: Request<GetScheduleRequest>) -> Answer<GetScheduleResponse> {
        answer!(self, request, schedule::get)
    }

    async fn start_run(&self, request: Request<StartRunRequest>) -> Answer<Run> {
        answer!(self, request, run::start)
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Answer<Run> {
        answer!(self, request, run::get)
    }

    async fn list_runs(&self, request: Request<ListRunsRequest>) -> Answer<ListRunsResponse> {
        answer!(self, request, run::list)
    }

    async fn cancel_run(&self, request: Request<CancelRunRequest>) -> Answer<Run> {
        answer!(self, request, run::cancel)
    }

    async fn register(&self, request: Request<RegisterRequest>) -> Answer<Registration> {
        answer!(self, request, event::register)
    }

    async fn get_registration(&self, request: Request<GetRegistrationRequest>) -> Answer<Registration> {
        answer!(self, request, event::get)
    }

    async fn unregister(&self, request: Request<UnregisterRequest>) -> Answer<Registration> {
        answer!(self, request, event::unregister)
    }

    async fn send_message(&self, request: Request<SendMessageRequest>) -> Answer<SendMessageResponse> {
        answer!(self, request, event::send)
    }
}

#[tonic::async_trait]
impl codes_server::Codes for Pipelines {
    async fn create_code(&self, request: Request<CreateCodeRequest>) -> Answer<Code> {
        answer!(self, request, code::create)
    }

    async fn get_code(&self, request: Request<GetRequest>) -> Answer<Code> {
        answer!(self, request, code::get)
    }

    async fn update_code(&self, request: Request<UpdateCodeRequest>) -> Answer<Code> {
        answer!(self, request, code::update)
    }

    async fn delete_code(&self, request: Request<DeleteRequest>) -> Answer<DeleteResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(thing::delete_plain(self, &context, Kind::Code, request.into_inner()).await?))
    }

    async fn list_codes(&self, request: Request<ListRequest>) -> Answer<ListCodesResponse> {
        answer!(self, request, code::list)
    }

    async fn list_code_versions(&self, request: Request<ListVersionsRequest>) -> Answer<ListVersionsResponse> {
        let context = rpc::context(&request)?;
        Ok(Response::new(thing::versions(self, &context, Kind::Code, request.into_inner()).await?))
    }

    async fn put_script(&self, request: Request<PutScriptRequest>) -> Answer<Script> {
        answer!(self, request, code::put_script)
    }

    async fn get_script(&self, request: Request<GetScriptRequest>) -> Answer<Script> {
        answer!(self, request, code::get_script)
    }

    async fn list_scripts(&self, request: Request<ListScriptsRequest>) -> Answer<ListScriptsResponse> {
        answer!(self, request, code::list_scripts)
    }
}
