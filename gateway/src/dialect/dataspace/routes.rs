//! Dataspace's paths: the twenty operations, authoring, and respondents. Most paths of the operations are not published (dataspace.md
//! section 1); should true ones surface, this table is what changes.

use axum::{
    Router,
    routing::{get, post, put},
};

use super::{author, dataset, page, panel, privacy, profile, qr, respondent, response, space, survey, transfer, webhook};
use crate::Gateway;

pub(crate) fn routes() -> Router<Gateway> {
    operations().merge(authoring()).merge(respondents())
}

/// The operations, with a space's key.
fn operations() -> Router<Gateway> {
    Router::new()
        .route("/v1/surveys", get(survey::list))
        .route("/v1/surveys/{surveyId}", get(survey::get))
        .route("/v1/surveys/{surveyId}/collect-groups", get(survey::groups))
        .route("/v1/collect-groups/{collectGroupId}", get(survey::group))
        .route("/v1/collect-groups/{collectGroupId}/response-urls", post(survey::response_urls))
        .route("/v1/collect-groups/{collectGroupId}/serial", get(survey::serial))
        .route("/v1/panels", get(panel::list).post(panel::create))
        .route("/v1/panels/{panelId}", put(panel::update).patch(panel::update).delete(panel::delete))
        .route("/v1/profile-variables", get(profile::list_variables).post(profile::create_variable))
        .route(
            "/v1/profile-variables/{profileVariableId}",
            put(profile::update_variable).patch(profile::update_variable).delete(profile::delete_variable),
        )
        .route("/v1/profile-variables/{profileVariableId}/options", get(profile::list_options).post(profile::create_option))
        .route(
            "/v1/profile-variables/{profileVariableId}/options/{profileVariableOptionId}",
            put(profile::update_option).patch(profile::update_option).delete(profile::delete_option),
        )
        .route("/v1/responses", get(response::list))
        .route("/v1/responses/metadata", get(response::metadata))
        .route("/v1/answer-sheets", get(response::metadata))
}

/// Authoring and collecting, for people.
fn authoring() -> Router<Gateway> {
    Router::new()
        .route("/dataspace/v1/spaces", get(space::list).post(space::create))
        .route("/dataspace/v1/spaces/{spaceId}", get(space::get).put(space::change))
        .route("/dataspace/v1/spaces/{spaceId}/members", get(space::members).put(space::put_members))
        .route("/dataspace/v1/spaces/{spaceId}/api-key", get(space::api_key).post(space::issue_api_key))
        .route("/dataspace/v1/spaces/{spaceId}/hmac-key", get(space::hmac_key).post(space::issue_hmac_key))
        .route("/dataspace/v1/spaces/{spaceId}/surveys", get(author::list).post(author::create))
        .route("/dataspace/v1/spaces/{spaceId}/surveys/import", post(author::import))
        .route("/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}", get(author::get).put(author::update).delete(author::delete))
        .route("/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/export", get(author::get))
        .route("/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/collect-groups", get(author::groups).post(author::create_group))
        .route("/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/responses/import", post(transfer::import))
        .route("/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/responses/export", get(transfer::export))
        .route("/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/dataset", get(dataset::get).put(dataset::put).delete(dataset::stop))
        .route("/dataspace/v1/spaces/{spaceId}/collect-groups/{collectGroupId}", put(author::update_group))
        .route("/dataspace/v1/spaces/{spaceId}/collect-groups/{collectGroupId}/start", post(author::start))
        .route("/dataspace/v1/spaces/{spaceId}/collect-groups/{collectGroupId}/pause", post(author::pause))
        .route("/dataspace/v1/spaces/{spaceId}/collect-groups/{collectGroupId}/complete", post(author::complete))
        .route("/dataspace/v1/spaces/{spaceId}/collect-groups/{collectGroupId}/qr", get(qr::show))
        .route("/dataspace/v1/spaces/{spaceId}/panels", get(panel::masked))
        .route("/dataspace/v1/spaces/{spaceId}/panels/import", post(panel::import))
        .route("/dataspace/v1/spaces/{spaceId}/erasures", post(privacy::erase))
        .route("/dataspace/v1/spaces/{spaceId}/retention", get(privacy::retention).put(privacy::put_retention))
        .route("/dataspace/v1/spaces/{spaceId}/audit", get(privacy::audit))
        .route("/dataspace/v1/spaces/{spaceId}/webhook", get(webhook::get).put(webhook::put))
        .route("/dataspace/v1/spaces/{spaceId}/webhook/deliveries", get(webhook::deliveries))
        .route("/dataspace/v1/spaces/{spaceId}/webhook/deliveries/{deliveryId}/redeliver", post(webhook::redeliver))
        .route("/dataspace/v1/spaces/{spaceId}/webhook/test", post(webhook::test))
}

/// Respondents, who need no credential.
fn respondents() -> Router<Gateway> {
    Router::new()
        .route("/r/{serial}", get(page::show).post(page::post))
        .route("/r/{serial}/thanks", get(page::thanks))
        .route("/r/{serial}/form", get(respondent::form))
        .route("/r/{serial}/answers", post(respondent::answers))
        .route("/r/page/style.css", get(page::style))
        .route("/r/page/script.js", get(page::script))
}
