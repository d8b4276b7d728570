//! A form comes back: kept for later, one step on, or submitted.

use axum::{
    extract::{Request, State},
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use madang_kit::{
    Error, Result, rpc,
    survey::{Answer, MAX_ANSWER_BYTES, Question},
};
use madang_proto::survey::v1::SaveDraftRequest;

use super::{
    super::{
        Refusal,
        respondent::{self, Visit},
    },
    cookie,
    form::{self, Filled, GO, SHEET, STEP, WHOLE},
    refused,
    sheet::Sheet,
    show::{Serial, is_https, resume, serial},
    values::Values,
};
use crate::{Gateway, dialect::request};

/// A form has up to three bytes (`%EA`) for each byte of an answer, beside the token and the names. What its answers may have in the end,
/// the service says.
const FORM_BYTES: usize = 3 * MAX_ANSWER_BYTES + (32 << 10);

/// `POST /r/{serial}`
pub(crate) async fn post(State(gateway): State<Gateway>, path: Serial, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let serial = serial(path);
    let come = async {
        let visit = Visit::of(&gateway, serial.clone(), &parts).await?;
        let bytes = request::body(body, FORM_BYTES).await?;
        take(&gateway, &visit, &parts, &bytes).await
    };
    match come.await {
        Ok(response) => response,
        Err(refusal) => refused::page(&gateway, &serial, &parts, refusal).await,
    }
}

async fn take(gateway: &Gateway, visit: &Visit, parts: &Parts, bytes: &Bytes) -> Result<Response, Refusal> {
    demand_form(parts)?;
    let posted = Values::of_form(bytes);
    let sheet = Sheet::of(resume(gateway, visit, posted.first(SHEET).to_owned()).await?)?;
    if sheet.is_submitted {
        return Ok(thanks(gateway, visit, parts)?); // pressed twice
    }
    let step = place(posted.first(STEP))?;
    let go = posted.first(GO).to_owned();
    let form = Form { values: laid_over(&sheet, step, posted), step, sheet };
    match go.as_str() {
        "save" => form.save(gateway, visit).await,
        "back" => form.back(gateway, visit).await,
        _ => form.next(gateway, visit, parts).await,
    }
}

fn demand_form(parts: &Parts) -> Result<()> {
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(());
    }
    Err(Error::invalid("body", "content_type", "the body must be application/x-www-form-urlencoded"))
}

/// Which step the form shows; `None` if it shows all.
fn place(text: &str) -> Result<Option<usize>> {
    match text {
        WHOLE => Ok(None),
        number => number.parse().map(Some).map_err(|_| Error::invalid(STEP, "integer_type", "step must be a number or 'all'")),
    }
}

/// What was kept of other steps, with what the form says of its own.
fn laid_over(sheet: &Sheet, step: Option<usize>, posted: Values) -> Values {
    let steps = sheet.steps();
    let is_on_it = |answer: &&Answer| match step {
        None => true,
        Some(step) => steps.get(step).is_some_and(|step| step.iter().any(|question| question.rank == answer.question_rank)),
    };
    let mut values = Values::of_answers(sheet.draft.iter().filter(|answer| !is_on_it(answer)));
    values.take(posted);
    values
}

/// A form that came back.
struct Form {
    sheet: Sheet,
    values: Values,
    /// `None` = all of them.
    step: Option<usize>,
}

impl Form {
    /// The script keeps what there is so far.
    async fn save(&self, gateway: &Gateway, visit: &Visit) -> Result<Response, Refusal> {
        self.keep(gateway, visit).await?;
        Ok((StatusCode::NO_CONTENT, [(CACHE_CONTROL, "no-store")]).into_response())
    }

    async fn back(self, gateway: &Gateway, visit: &Visit) -> Result<Response, Refusal> {
        self.keep(gateway, visit).await?;
        let step = self.sheet.step_before(self.step.unwrap_or_default(), &self.values);
        Ok(self.page(visit, step))
    }

    /// On to the next step; from the last one, or with all on one page, to the submission.
    async fn next(self, gateway: &Gateway, visit: &Visit, parts: &Parts) -> Result<Response, Refusal> {
        let steps = self.sheet.steps();
        let Some(step) = self.step.filter(|step| step.saturating_add(1) < steps.len()) else {
            return self.submit(gateway, visit, parts).await;
        };
        let questions = steps.get(step).into_iter().flatten().copied();
        let problems = self.sheet.problems(&self.values, questions);
        if !problems.is_empty() {
            return Ok(form::page(&self.sheet, &visit.serial, &Filled { step, values: self.values.clone(), problems }));
        }
        self.keep(gateway, visit).await?;
        let step = self.sheet.step_behind(step, &self.values);
        drop(steps);
        Ok(self.page(visit, step))
    }

    async fn submit(&self, gateway: &Gateway, visit: &Visit, parts: &Parts) -> Result<Response, Refusal> {
        let steps = self.sheet.steps();
        let problems = self.sheet.problems(&self.values, steps.iter().flatten().copied());
        if let Some(first) = problems.first() {
            let has = |step: &Vec<&Question>| step.iter().any(|question| question.rank == first.rank);
            let step = steps.iter().position(has).unwrap_or_default();
            self.keep(gateway, visit).await?;
            return Ok(form::page(&self.sheet, &visit.serial, &Filled { step, values: self.values.clone(), problems }));
        }
        let answers = text(&self.sheet.shown_answers(&self.values))?;
        respondent::submit(gateway, visit, self.sheet.token.clone(), answers).await?;
        Ok(thanks(gateway, visit, parts)?)
    }

    async fn keep(&self, gateway: &Gateway, visit: &Visit) -> Result<(), Refusal> {
        let answers = text(&self.sheet.answers(&self.values))?;
        let request = SaveDraftRequest { serial: visit.serial.clone(), token: self.sheet.token.clone(), answers };
        gateway.respondents.clone().save_draft(rpc::request(&visit.context, request)).await?;
        Ok(())
    }

    fn page(self, visit: &Visit, step: usize) -> Response {
        form::page(&self.sheet, &visit.serial, &Filled { step, values: self.values, problems: Vec::new() })
    }
}

/// On to a page that may be reloaded.
fn thanks(gateway: &Gateway, visit: &Visit, parts: &Parts) -> Result<Response> {
    let mut response = (StatusCode::SEE_OTHER, [(CACHE_CONTROL, "no-store")]).into_response();
    let place = HeaderValue::try_from(format!("/r/{}/thanks", visit.serial)).map_err(Error::internal)?;
    response.headers_mut().insert(LOCATION, place);
    cookie::forget(response.headers_mut(), &visit.serial, is_https(gateway, parts));
    Ok(response)
}

fn text(answers: &[Answer]) -> Result<String> {
    serde_json::to_string(answers).map_err(Error::internal)
}
