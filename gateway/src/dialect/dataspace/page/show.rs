//! A link is followed; and what is said in the end.

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::{StatusCode, request::Parts},
    response::Response,
};
use madang_kit::{Code, Error, rpc};
use madang_proto::survey::v1::ResumeSheetRequest;
use maud::html;

use super::{
    super::{
        Refusal,
        respondent::{self, Visit},
    },
    cookie, document,
    form::{self, Filled},
    refused,
    sheet::Sheet,
    values::Values,
    words::Words,
};
use crate::{Gateway, edge::Client};

/// The serial in a path. What is no text is nobody's.
pub(super) type Serial = Result<Path<String>, PathRejection>;

pub(super) fn serial(path: Serial) -> String {
    path.map(|Path(serial)| serial).unwrap_or_default()
}

/// `GET /r/{serial}`
pub(crate) async fn show(State(gateway): State<Gateway>, path: Serial, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let serial = serial(path);
    match open(&gateway, &serial, &parts).await {
        Ok(response) => response,
        Err(refusal) => refused::page(&gateway, &serial, &parts, refusal).await,
    }
}

async fn open(gateway: &Gateway, serial: &str, parts: &Parts) -> Result<Response, Refusal> {
    let visit = Visit::of(gateway, serial.to_owned(), parts).await?;
    let (fresh, _) = respondent::open(gateway, &visit).await?;
    let kept = match cookie::token(&parts.headers) {
        Some(token) => resume(gateway, &visit, token).await.ok(),
        None => None,
    };
    // A sheet of this link goes on; whoever comes with another link, as on a shared machine, gets a sheet of his own.
    let sheet = Sheet::of(kept.filter(|kept| kept.submitted_at.is_none() && kept.parameters == fresh.parameters).unwrap_or(fresh))?;
    let values = Values::of_answers(&sheet.draft);
    let filled = Filled { step: sheet.goes_on_at(&values), values, problems: Vec::new() };
    let mut response = form::page(&sheet, serial, &filled);
    cookie::remember(response.headers_mut(), serial, &sheet.token, is_https(gateway, parts));
    Ok(response)
}

/// The sheet of a token, as far as it was filled in.
pub(super) async fn resume(gateway: &Gateway, visit: &Visit, token: String) -> Result<madang_proto::survey::v1::Sheet, Refusal> {
    let request = ResumeSheetRequest { serial: visit.serial.clone(), token };
    Ok(gateway.respondents.clone().resume_sheet(rpc::request(&visit.context, request)).await?.into_inner())
}

/// Whether the respondent's own connection is HTTPS.
pub(super) fn is_https(gateway: &Gateway, parts: &Parts) -> bool {
    Client::of(&gateway.config.trusted_proxies, &parts.extensions, &parts.headers).is_some_and(|client| client.https)
}

/// `GET /r/{serial}/thanks`: where a submission leads to, so that a reload submits nothing again.
pub(crate) async fn thanks(State(gateway): State<Gateway>, path: Serial, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let serial = serial(path);
    let Some(link) = refused::find_link(&gateway, &serial, &parts).await else {
        return refused::page(&gateway, &serial, &parts, Error::new(Code::NotFound, "no survey is behind this link").into()).await;
    };
    let words = Words::of_link(&link.language);
    let heading = words.pick("응답이 제출되었습니다", "Your answers were submitted");
    let content = html! {
        div.notice.done {
            p.survey-title { (link.title) }
            h1 { (heading) }
            p { (words.pick("참여해 주셔서 감사합니다. 이 창을 닫으셔도 됩니다.", "Thank you for taking part. You may close this page.")) }
        }
    };
    document::page(StatusCode::OK, words, heading, &content, false)
}
