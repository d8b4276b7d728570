//! `/r/{serial}/form` and `/r/{serial}/answers`: what embedded clients use in place of the pages (dataspace.md section 11).

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, Request, State},
    http::request::Parts,
};
use madang_kit::{
    Code, Context, Error, Id, Principal, Result, rpc,
    survey::{Definition, MAX_ANSWER_BYTES},
};
use madang_proto::survey::v1::{FindLinkRequest, OpenSheetRequest, Parameter, Sheet, Submission, SubmitSheetRequest};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{
    Refusal, call,
    identifier::{lower, missing},
    link, moment,
    object::Object,
    survey,
};
use crate::{Gateway, dialect::request, edge::Client, identity::Space};

/// Wrong signatures from one network for one link within [`FAILURES_WITHIN`]; eight characters could else be guessed.
const FAILURES: u32 = 20;
const FAILURES_WITHIN: Duration = Duration::from_mins(10);
/// What a body has beside its answers: the token.
const BODY_BYTES: usize = MAX_ANSWER_BYTES + (32 << 10);

/// A respondent who follows a link: nobody in particular, from somewhere.
pub(super) struct Visit {
    pub(super) context: Context,
    pub(super) serial: String,
    raw_query: String,
    network: String,
}

impl Visit {
    /// Reads who comes; many visits from one address have to wait.
    pub(super) async fn of(gateway: &Gateway, serial: String, parts: &Parts) -> Result<Self, Refusal> {
        let client = Client::of(&gateway.config.trusted_proxies, &parts.extensions, &parts.headers);
        let network = client.map(|client| client.network()).unwrap_or_default();
        let rate = gateway.config.survey.respondent_rate;
        if rate > 0 {
            call::limit(gateway, &format!("respondent:{network}"), rate).await?;
        }
        let context = request::context(&parts.extensions, Principal::anonymous());
        Ok(Self { context, serial, raw_query: parts.uri.query().unwrap_or_default().to_owned(), network })
    }
}

async fn verify(gateway: &Gateway, visit: &Visit, space: &Space) -> Result<(), Refusal> {
    let failures = format!("link:{}:{}", visit.serial, visit.network);
    if gateway.shared.counted(&failures).await >= FAILURES {
        return Err(Refusal::Limited(FAILURES_WITHIN.as_secs()));
    }
    if link::is_signed(&visit.serial, &visit.raw_query, space.hmac_key.expose_secret()) {
        return Ok(());
    }
    gateway.shared.count(&failures, FAILURES_WITHIN).await;
    Err(Error::new(Code::Denied, "the link was changed").into())
}

/// Opens a sheet for who follows a link, its signature verified if it needs one. Opening stores nothing, so it comes first and the link
/// is looked up once. Why no sheet can be opened is told to nobody whose link is wrong.
pub(super) async fn open(gateway: &Gateway, visit: &Visit) -> Result<(Sheet, Arc<Space>), Refusal> {
    let parameters = link::parameters(&visit.raw_query).into_iter().map(|(key, value)| Parameter { key, value }).collect();
    let request = rpc::request(&visit.context, OpenSheetRequest { serial: visit.serial.clone(), parameters });
    let sheet = match gateway.respondents.clone().open_sheet(request).await {
        Ok(sheet) => sheet.into_inner(),
        Err(refusal) => {
            verify_closed(gateway, visit).await?;
            return Err(refusal.into());
        }
    };
    let space = find_space(gateway, &sheet.space_id).await?;
    if sheet.is_using_hmac {
        verify(gateway, visit, &space).await?;
    }
    Ok((sheet, space))
}

/// Verifies a link that opens no sheet.
async fn verify_closed(gateway: &Gateway, visit: &Visit) -> Result<(), Refusal> {
    let request = rpc::request(&visit.context, FindLinkRequest { serial: visit.serial.clone() });
    let link = gateway.respondents.clone().find_link(request).await?.into_inner();
    if link.collect_group.is_some_and(|group| group.is_using_hmac) {
        let space = find_space(gateway, &link.space_id).await?;
        verify(gateway, visit, &space).await?;
    }
    Ok(())
}

async fn find_space(gateway: &Gateway, id: &str) -> Result<Arc<Space>, Refusal> {
    let id: Id = id.parse().map_err(Error::internal)?;
    Ok(gateway.identity.space(id).await?.ok_or_else(|| missing("space"))?)
}

/// `GET /r/{serial}/form`
pub(super) async fn form(State(gateway): State<Gateway>, Path(serial): Path<String>, request: Request) -> Result<Json<Value>, Refusal> {
    let (parts, _) = request.into_parts();
    let visit = Visit::of(&gateway, serial, &parts).await?;
    let (sheet, space) = open(&gateway, &visit).await?;
    let survey = sheet.survey.ok_or_else(|| Error::internal("a sheet without a survey"))?;
    let definition = Definition::stored(&survey.definition)?;
    let mut shape = survey::shape(&survey, &definition, space.zone)?;
    shape["language"] = json!(definition.language);
    shape["sheetToken"] = Value::String(sheet.token);
    Ok(Json(shape))
}

/// `POST /r/{serial}/answers`
pub(super) async fn answers(State(gateway): State<Gateway>, Path(serial): Path<String>, request: Request) -> Result<Json<Value>, Refusal> {
    let (parts, body) = request.into_parts();
    let visit = Visit::of(&gateway, serial, &parts).await?;
    let bytes = request::body(body, BODY_BYTES).await?;
    let mut fields = Object::of(call::json(&parts.headers, &bytes)?)?;
    let token = fields.need_text("sheetToken")?;
    let answers = fields.take("answers").ok_or_else(|| Error::invalid("answers", "missing", "answers is required"))?;
    let (submission, space) = submit(&gateway, &visit, token, answers.to_string()).await?;
    Ok(Json(json!({
        "answerSheetId": lower(&submission.answer_sheet_id),
        "submittedAt": moment::wire(submission.submitted_at, space.zone),
    })))
}

/// Submits a sheet. Its token was given to who followed the link rightly, so no signature is asked for again.
pub(super) async fn submit(gateway: &Gateway, visit: &Visit, token: String, answers: String) -> Result<(Submission, Arc<Space>), Refusal> {
    let request = SubmitSheetRequest { serial: visit.serial.clone(), token, answers };
    let done = gateway.respondents.clone().submit_sheet(rpc::request(&visit.context, request)).await?.into_inner();
    let space = find_space(gateway, &done.space_id).await?;
    Ok((done, space))
}
