//! The contract's face: each method reads its context, calls one function and shapes the answer.

use madang_kit::rpc::{Answer, answer};
use madang_proto::survey::v1::{
    CollectGroup, CreateCollectGroupRequest, CreatePanelRequest, CreateProfileOptionRequest, CreateProfileVariableRequest,
    CreateSurveyRequest, DeletePanelRequest, DeletePanelResponse, DeleteProfileOptionRequest, DeleteProfileOptionResponse,
    DeleteProfileVariableRequest, DeleteProfileVariableResponse, DeleteSurveyRequest, DeleteSurveyResponse, Delivery, EraseRequest,
    Erasure, ExportResponsesRequest, ExportResponsesResponse, FindLinkRequest, GetCollectGroupRequest, GetRetentionRequest,
    GetSurveyRequest, GetWebhookRequest, ImportPanelsRequest, ImportReport, ImportResponsesRequest, Link, ListAccessRequest,
    ListAccessResponse, ListCollectGroupsRequest, ListCollectGroupsResponse, ListDeliveriesRequest, ListDeliveriesResponse,
    ListPanelsRequest, ListPanelsResponse, ListProfileOptionsRequest, ListProfileOptionsResponse, ListProfileVariablesRequest,
    ListProfileVariablesResponse, ListResponsesRequest, ListResponsesResponse, ListSurveysRequest, ListSurveysResponse, LiveTable,
    LiveTableRequest, MoveCollectGroupRequest, OpenSheetRequest, Panel, ProfileOption, ProfileVariable, PutLiveTableRequest,
    PutWebhookRequest, RedeliverRequest, ResumeSheetRequest, Retention, SaveDraftRequest, SaveDraftResponse, Sheet, Submission,
    SubmitSheetRequest, Survey, TestWebhookRequest, UpdateCollectGroupRequest, UpdatePanelRequest, UpdateProfileOptionRequest,
    UpdateProfileVariableRequest, UpdateSurveyRequest, Webhook, live_tables_server, panels_server, privacy_server, respondents_server,
    responses_server, surveys_server, webhooks_server,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

use crate::{Surveys, export, group, import, live, panel, panel_import, privacy, profile, response, sheet, survey, webhook_admin};

#[tonic::async_trait]
impl surveys_server::Surveys for Surveys {
    async fn create_survey(&self, request: Request<CreateSurveyRequest>) -> Answer<Survey> {
        answer!(self, request, survey::create)
    }

    async fn get_survey(&self, request: Request<GetSurveyRequest>) -> Answer<Survey> {
        answer!(self, request, survey::get)
    }

    async fn list_surveys(&self, request: Request<ListSurveysRequest>) -> Answer<ListSurveysResponse> {
        answer!(self, request, survey::list)
    }

    async fn update_survey(&self, request: Request<UpdateSurveyRequest>) -> Answer<Survey> {
        answer!(self, request, survey::update)
    }

    async fn delete_survey(&self, request: Request<DeleteSurveyRequest>) -> Answer<DeleteSurveyResponse> {
        answer!(self, request, survey::delete)
    }

    async fn create_collect_group(&self, request: Request<CreateCollectGroupRequest>) -> Answer<CollectGroup> {
        answer!(self, request, group::create)
    }

    async fn get_collect_group(&self, request: Request<GetCollectGroupRequest>) -> Answer<CollectGroup> {
        answer!(self, request, group::get)
    }

    async fn list_collect_groups(&self, request: Request<ListCollectGroupsRequest>) -> Answer<ListCollectGroupsResponse> {
        answer!(self, request, group::list)
    }

    async fn update_collect_group(&self, request: Request<UpdateCollectGroupRequest>) -> Answer<CollectGroup> {
        answer!(self, request, group::update)
    }

    async fn move_collect_group(&self, request: Request<MoveCollectGroupRequest>) -> Answer<CollectGroup> {
        answer!(self, request, group::move_to)
    }
}

#[tonic::async_trait]
impl respondents_server::Respondents for Surveys {
    async fn find_link(&self, request: Request<FindLinkRequest>) -> Answer<Link> {
        answer!(self, request, sheet::find_link)
    }

    async fn open_sheet(&self, request: Request<OpenSheetRequest>) -> Answer<Sheet> {
        answer!(self, request, sheet::open)
    }

    async fn resume_sheet(&self, request: Request<ResumeSheetRequest>) -> Answer<Sheet> {
        answer!(self, request, sheet::resume)
    }

    async fn save_draft(&self, request: Request<SaveDraftRequest>) -> Answer<SaveDraftResponse> {
        answer!(self, request, sheet::save_draft)
    }

    async fn submit_sheet(&self, request: Request<SubmitSheetRequest>) -> Answer<Submission> {
        answer!(self, request, sheet::submit)
    }
}

#[tonic::async_trait]
impl panels_server::Panels for Surveys {
    async fn create_panel(&self, request: Request<CreatePanelRequest>) -> Answer<Panel> {
        answer!(self, request, panel::create)
    }

    async fn list_panels(&self, request: Request<ListPanelsRequest>) -> Answer<ListPanelsResponse> {
        answer!(self, request, panel::list)
    }

    async fn update_panel(&self, request: Request<UpdatePanelRequest>) -> Answer<Panel> {
        answer!(self, request, panel::update)
    }

    async fn delete_panel(&self, request: Request<DeletePanelRequest>) -> Answer<DeletePanelResponse> {
        answer!(self, request, panel::delete)
    }

    async fn import_panels(&self, request: Request<ImportPanelsRequest>) -> Answer<ImportReport> {
        answer!(self, request, panel_import::import)
    }

    async fn create_profile_variable(&self, request: Request<CreateProfileVariableRequest>) -> Answer<ProfileVariable> {
        answer!(self, request, profile::create_variable)
    }

    async fn list_profile_variables(&self, request: Request<ListProfileVariablesRequest>) -> Answer<ListProfileVariablesResponse> {
        answer!(self, request, profile::list_variables)
    }

    async fn update_profile_variable(&self, request: Request<UpdateProfileVariableRequest>) -> Answer<ProfileVariable> {
        answer!(self, request, profile::update_variable)
    }

    async fn delete_profile_variable(&self, request: Request<DeleteProfileVariableRequest>) -> Answer<DeleteProfileVariableResponse> {
        answer!(self, request, profile::delete_variable)
    }

    async fn create_profile_option(&self, request: Request<CreateProfileOptionRequest>) -> Answer<ProfileOption> {
        answer!(self, request, profile::create_option)
    }

    async fn list_profile_options(&self, request: Request<ListProfileOptionsRequest>) -> Answer<ListProfileOptionsResponse> {
        answer!(self, request, profile::list_options)
    }

    async fn update_profile_option(&self, request: Request<UpdateProfileOptionRequest>) -> Answer<ProfileOption> {
        answer!(self, request, profile::update_option)
    }

    async fn delete_profile_option(&self, request: Request<DeleteProfileOptionRequest>) -> Answer<DeleteProfileOptionResponse> {
        answer!(self, request, profile::delete_option)
    }
}

#[tonic::async_trait]
impl responses_server::Responses for Surveys {
    type ExportResponsesStream = ReceiverStream<Result<ExportResponsesResponse, Status>>;

    async fn list_responses(&self, request: Request<ListResponsesRequest>) -> Answer<ListResponsesResponse> {
        answer!(self, request, response::list)
    }

    async fn import_responses(&self, request: Request<Streaming<ImportResponsesRequest>>) -> Answer<ImportReport> {
        answer!(self, request, import::import)
    }

    async fn export_responses(&self, request: Request<ExportResponsesRequest>) -> Answer<Self::ExportResponsesStream> {
        answer!(self, request, export::export)
    }
}

#[tonic::async_trait]
impl privacy_server::Privacy for Surveys {
    async fn erase(&self, request: Request<EraseRequest>) -> Answer<Erasure> {
        answer!(self, request, privacy::erase)
    }

    async fn get_retention(&self, request: Request<GetRetentionRequest>) -> Answer<Retention> {
        answer!(self, request, privacy::get_retention)
    }

    async fn put_retention(&self, request: Request<Retention>) -> Answer<Retention> {
        answer!(self, request, privacy::put_retention)
    }

    async fn list_access(&self, request: Request<ListAccessRequest>) -> Answer<ListAccessResponse> {
        answer!(self, request, privacy::list_access)
    }
}

#[tonic::async_trait]
impl live_tables_server::LiveTables for Surveys {
    async fn put_live_table(&self, request: Request<PutLiveTableRequest>) -> Answer<LiveTable> {
        answer!(self, request, live::put)
    }

    async fn get_live_table(&self, request: Request<LiveTableRequest>) -> Answer<LiveTable> {
        answer!(self, request, live::get)
    }

    async fn stop_live_table(&self, request: Request<LiveTableRequest>) -> Answer<LiveTable> {
        answer!(self, request, live::stop)
    }
}

#[tonic::async_trait]
impl webhooks_server::Webhooks for Surveys {
    async fn put_webhook(&self, request: Request<PutWebhookRequest>) -> Answer<Webhook> {
        answer!(self, request, webhook_admin::put)
    }

    async fn get_webhook(&self, request: Request<GetWebhookRequest>) -> Answer<Webhook> {
        answer!(self, request, webhook_admin::get)
    }

    async fn list_deliveries(&self, request: Request<ListDeliveriesRequest>) -> Answer<ListDeliveriesResponse> {
        answer!(self, request, webhook_admin::list)
    }

    async fn redeliver(&self, request: Request<RedeliverRequest>) -> Answer<Delivery> {
        answer!(self, request, webhook_admin::redeliver)
    }

    async fn test_webhook(&self, request: Request<TestWebhookRequest>) -> Answer<Delivery> {
        answer!(self, request, webhook_admin::test)
    }
}
