//! The face of jobs, executions, workflows and triggers, like that of pipelines in [`crate::grpc`].

use madang_kit::rpc::{Answer, answer};
use madang_proto::pipeline::v1::{
    CancelExecutionRequest, CancelExecutionResponse, CountExecutionsRequest, CountExecutionsResponse, CreateJobRequest,
    CreateTriggerRequest, CreateWorkflowRequest, DeleteJobRequest, DeleteJobResponse, DeleteTriggerRequest, DeleteTriggerResponse,
    DeleteWorkflowRequest, DeleteWorkflowResponse, Execution, GetExecutionRequest, GetJobRequest, GetTriggerRequest, GetWorkflowRequest,
    Job, ListExecutionsRequest, ListExecutionsResponse, ListJobsRequest, ListJobsResponse, ListTriggersRequest, ListTriggersResponse,
    ListWorkflowsRequest, ListWorkflowsResponse, StartExecutionRequest, StartWorkflowRequest, StartWorkflowResponse, SumExecutionsRequest,
    SumExecutionsResponse, Trigger, UpdateJobRequest, UpdateWorkflowRequest, VerifyJobRequest, VerifyJobResponse, Workflow,
    executions_server, jobs_server, triggers_server, workflows_server,
};
use tonic::Request;

use super::{dashboard, execution, firing, trigger, workflow};
use crate::{Pipelines, job};

#[tonic::async_trait]
impl jobs_server::Jobs for Pipelines {
    async fn create_job(&self, request: Request<CreateJobRequest>) -> Answer<Job> {
        answer!(self, request, job::create)
    }

    async fn get_job(&self, request: Request<GetJobRequest>) -> Answer<Job> {
        answer!(self, request, job::get)
    }

    async fn update_job(&self, request: Request<UpdateJobRequest>) -> Answer<Job> {
        answer!(self, request, job::update)
    }

    async fn delete_job(&self, request: Request<DeleteJobRequest>) -> Answer<DeleteJobResponse> {
        answer!(self, request, job::delete)
    }

    async fn list_jobs(&self, request: Request<ListJobsRequest>) -> Answer<ListJobsResponse> {
        answer!(self, request, job::list)
    }

    async fn verify_job(&self, request: Request<VerifyJobRequest>) -> Answer<VerifyJobResponse> {
        answer!(self, request, job::verify)
    }
}

#[tonic::async_trait]
impl executions_server::Executions for Pipelines {
    async fn start_execution(&self, request: Request<StartExecutionRequest>) -> Answer<Execution> {
        answer!(self, request, execution::start)
    }

    async fn get_execution(&self, request: Request<GetExecutionRequest>) -> Answer<Execution> {
        answer!(self, request, execution::get)
    }

    async fn list_executions(&self, request: Request<ListExecutionsRequest>) -> Answer<ListExecutionsResponse> {
        answer!(self, request, execution::list)
    }

    async fn cancel_execution(&self, request: Request<CancelExecutionRequest>) -> Answer<CancelExecutionResponse> {
        answer!(self, request, execution::cancel)
    }

    async fn sum_executions(&self, request: Request<SumExecutionsRequest>) -> Answer<SumExecutionsResponse> {
        answer!(self, request, dashboard::sum)
    }

    async fn count_executions(&self, request: Request<CountExecutionsRequest>) -> Answer<CountExecutionsResponse> {
        answer!(self, request, dashboard::count)
    }
}

#[tonic::async_trait]
impl workflows_server::Workflows for Pipelines {
    async fn create_workflow(&self, request: Request<CreateWorkflowRequest>) -> Answer<Workflow> {
        answer!(self, request, workflow::create)
    }

    async fn get_workflow(&self, request: Request<GetWorkflowRequest>) -> Answer<Workflow> {
        answer!(self, request, workflow::get)
    }

    async fn update_workflow(&self, request: Request<UpdateWorkflowRequest>) -> Answer<Workflow> {
        answer!(self, request, workflow::update)
    }

    async fn delete_workflow(&self, request: Request<DeleteWorkflowRequest>) -> Answer<DeleteWorkflowResponse> {
        answer!(self, request, workflow::delete)
    }

    async fn list_workflows(&self, request: Request<ListWorkflowsRequest>) -> Answer<ListWorkflowsResponse> {
        answer!(self, request, workflow::list)
    }

    async fn start_workflow(&self, request: Request<StartWorkflowRequest>) -> Answer<StartWorkflowResponse> {
        answer!(self, request, firing::start)
    }
}

#[tonic::async_trait]
impl triggers_server::Triggers for Pipelines {
    async fn create_trigger(&self, request: Request<CreateTriggerRequest>) -> Answer<Trigger> {
        answer!(self, request, trigger::create)
    }

    async fn get_trigger(&self, request: Request<GetTriggerRequest>) -> Answer<Trigger> {
        answer!(self, request, trigger::get)
    }

    async fn delete_trigger(&self, request: Request<DeleteTriggerRequest>) -> Answer<DeleteTriggerResponse> {
        answer!(self, request, trigger::delete)
    }

    async fn list_triggers(&self, request: Request<ListTriggersRequest>) -> Answer<ListTriggersResponse> {
        answer!(self, request, trigger::list)
    }
}
