//! What respondents meet: a link, a sheet, its submission (dataspace.md section 11).
//!
//! An open sheet is nothing but its token, sealed under the master key: opening one writes nothing, so that nobody fills the database by
//! following links. The sheet's id in the token makes a submission happen once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use madang_kit::{
    Code, Context, Error, Id, Result,
    survey::{self as model, Definition, Filled, mask},
    time,
};
use madang_proto::survey::v1::{
    FindLinkRequest, Link, OpenSheetRequest, Parameter, ResumeSheetRequest, SaveDraftRequest, SaveDraftResponse, Sheet, Submission,
    SubmitSheetRequest,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::{
    Surveys, group,
    store::{
        draft::{self, Draft},
        group::Group,
        recording::{self, NewSheet},
        survey as survey_rows,
    },
    survey,
    vault::Vault,
};

/// How long a draft is kept.
const DRAFT_DAYS: i64 = 14;
/// How long an open sheet may be submitted.
const OPEN_DAYS: i64 = 30;
/// Bytes of a sheet's token.
const TOKEN_BYTES: usize = 16 << 10;
/// Characters of a parameter's value.
const VALUE_CHARS: usize = 500;
/// The parameter that is the customer's own id of the respondent.
pub(crate) const UID: &str = "uid";
/// What a token is bound to.
const TOKEN: &str = "sheet";

/// What an open sheet is.
#[derive(Serialize, Deserialize)]
struct Open {
    sheet: Id,
    group: String,
    survey: String,
    space: String,
    serial: String,
    /// Seconds since 1970.
    started: i64,
    parameters: Vec<(String, String)>,
}

/// What a link leads to.
pub(crate) async fn find_link(surveys: &Surveys, _: &Context, request: FindLinkRequest) -> Result<Link> {
    let group = find(surveys, &request.serial).await?;
    let (title, language) = if group.started {
        let survey = survey::frozen(surveys, &group.survey_id).await?;
        (survey.wire.title.clone(), survey.definition.language)
    } else {
        let survey = survey_rows::find(&surveys.db, &group.survey_id).await?.ok_or_else(unknown)?;
        (survey.title, Definition::stored(&survey.definition)?.language)
    };
    let language = if language == model::Language::En { "en" } else { "ko" }.to_owned();
    Ok(Link { space_id: group.space_id.clone(), collect_group: Some(group::wire(group)), language, title })
}

/// Gives a sheet to fill in; the recorder asks again whether its uid has answered.
pub(crate) async fn open(surveys: &Surveys, _: &Context, request: OpenSheetRequest) -> Result<Sheet> {
    let group = find(surveys, &request.serial).await?;
    demand_open(&group)?;
    let survey = survey::frozen(surveys, &group.survey_id).await?;
    let is_using_hmac = group.is_using_hmac;
    let open = Open {
        sheet: Id::generate(),
        parameters: declared(&survey.definition, request.parameters.into_iter().map(|given| (given.key, given.value)))?,
        group: group.id,
        survey: group.survey_id,
        space: group.space_id,
        serial: group.serial,
        started: surveys.clock.now().timestamp(),
    };
    if survey.definition.one_response_per_uid
        && let Some(uid) = uid_of(&open.parameters)
        && recording::has_answered(&surveys.db, &open.space, &open.survey, &uid).await?
    {
        return Err(closed("answered"));
    }
    Ok(Sheet { is_using_hmac, ..show(surveys, open, None).await? })
}

/// Gives an open sheet again.
pub(crate) async fn resume(surveys: &Surveys, _: &Context, request: ResumeSheetRequest) -> Result<Sheet> {
    let open = read(surveys, &request.serial, &request.token)?;
    let submitted_at = recording::submitted_at(&surveys.db, &open.sheet.to_string()).await?;
    if submitted_at.is_none() {
        demand_open(&find(surveys, &request.serial).await?)?;
    }
    let kept = draft::find(&surveys.db, &open.sheet.to_string()).await?;
    let answers = kept.and_then(|sealed| surveys.vault.open(&sealed, &draft_of(open.sheet))).map(|text| text.expose_secret().to_owned());
    Ok(Sheet { submitted_at: submitted_at.map(time::wire), ..show(surveys, open, answers).await? })
}

/// Keeps answers for a reload.
pub(crate) async fn save_draft(surveys: &Surveys, _: &Context, request: SaveDraftRequest) -> Result<SaveDraftResponse> {
    let open = read(surveys, &request.serial, &request.token)?;
    model::read_answers(&request.answers)?;
    demand_open(&find(surveys, &request.serial).await?)?;
    let kept = Draft {
        sheet_id: open.sheet.to_string(),
        answers: surveys.vault.seal(&request.answers, &draft_of(open.sheet))?,
        uid: uid_of(&open.parameters),
        survey_id: open.survey,
        space_id: open.space,
        expires_at: surveys.clock.now() + TimeDelta::days(DRAFT_DAYS),
    };
    draft::put(&surveys.db, kept).await?; // not if it was on its way when the sheet was submitted
    Ok(SaveDraftResponse {})
}

/// Submits a sheet, once.
pub(crate) async fn submit(surveys: &Surveys, _: &Context, request: SubmitSheetRequest) -> Result<Submission> {
    let open = read(surveys, &request.serial, &request.token)?;
    let (id, space_id) = (open.sheet.to_string(), open.space.clone());
    let submitted_at = match record(surveys, open, &request.answers).await {
        // A repetition is told the first result, whatever it brings.
        Err(error) if error.is_refusal() => recording::submitted_at(&surveys.db, &id).await?.ok_or(error)?,
        recorded => recorded?,
    };
    Ok(Submission { answer_sheet_id: id, submitted_at: Some(time::wire(submitted_at)), space_id })
}

async fn record(surveys: &Surveys, open: Open, answers: &str) -> Result<DateTime<Utc>> {
    let answers = model::read_answers(answers)?;
    let survey = survey::frozen(surveys, &open.survey).await?;
    let filled = model::fill(&survey.definition, &open.parameters, answers)?;
    let sheet = new_sheet(surveys, open, filled)?;
    surveys.recorder.record(sheet, survey.definition.one_response_per_uid).await
}

fn new_sheet(surveys: &Surveys, open: Open, filled: Filled) -> Result<NewSheet> {
    let started_at = DateTime::from_timestamp(open.started, 0).unwrap_or_default();
    let submitted_at = surveys.clock.now(); // until the recorder says
    let uid = uid_of(&open.parameters);
    let mut sheet = NewSheet {
        id: open.sheet.to_string(),
        survey_id: open.survey,
        space_id: open.space,
        collect_group_id: open.group,
        panel_id: None,
        uid,
        parameters: json_text(&open.parameters)?,
        answers: json_text(&filled.plain)?,
        masked: None,
        personal: None,
        subject: None,
        started_at,
        submitted_at,
    };
    keep_personal(&surveys.vault, &mut sheet, filled.personal)?;
    Ok(sheet)
}

/// Who somebody is by the parameters that he came with; an empty value is nobody.
pub(crate) fn uid_of(parameters: &[(String, String)]) -> Option<String> {
    parameters.iter().find(|(key, value)| key.eq_ignore_ascii_case(UID) && !value.is_empty()).map(|(_, value)| value.clone())
}

/// Seals personal-info answers under a key of the sheet's own, and keeps what may be shown of them beside.
pub(crate) fn keep_personal(vault: &Vault, sheet: &mut NewSheet, mut personal: Vec<model::Answer>) -> Result<()> {
    if personal.is_empty() {
        return Ok(());
    }
    let subject = vault.new_subject(&sheet.id)?;
    sheet.personal = Some(subject.seal(&json_text(&personal)?, PERSONAL)?);
    personal.iter_mut().for_each(mask::answer);
    sheet.masked = Some(json_text(&personal)?);
    sheet.subject = Some(subject.wrapped);
    Ok(())
}

/// The column that sealed personal answers stand in.
pub(crate) const PERSONAL: &str = "answer_sheet.personal";

/// JSON of what is ours.
pub(crate) fn json_text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

async fn show(surveys: &Surveys, open: Open, answers: Option<String>) -> Result<Sheet> {
    let survey = survey::frozen(surveys, &open.survey).await?;
    let token = seal(&surveys.vault, &open)?;
    if token.len() > TOKEN_BYTES {
        return Err(Error::invalid("parameters", "too_long", "the link's values are too long"));
    }
    let wire = |(key, value): (String, String)| Parameter { key, value };
    Ok(Sheet {
        token,
        survey: Some(survey.wire.clone()),
        space_id: open.space,
        is_using_hmac: false,
        parameters: open.parameters.into_iter().map(wire).collect(),
        answers,
        started_at: DateTime::from_timestamp(open.started, 0).map(time::wire),
        submitted_at: None,
    })
}

/// Of given keys and values those that the survey declares, by key; the first one of each.
pub(crate) fn declared(definition: &Definition, given: impl IntoIterator<Item = (String, String)>) -> Result<Vec<(String, String)>> {
    let mut kept: Vec<(String, String)> = Vec::new();
    for (key, value) in given {
        // Keys of links are lowercase (dataspace.md section 6); declared ones need not be.
        let Some(known) = definition.parameters.iter().find(|known| known.key.eq_ignore_ascii_case(&key)) else { continue };
        if value.chars().count() > VALUE_CHARS || value.chars().any(char::is_control) {
            let message = format!("{}: a value has at most {VALUE_CHARS} characters, none of control", known.key);
            return Err(Error::invalid("parameters", "too_long", message));
        }
        if !kept.iter().any(|(key, _)| *key == known.key) {
            kept.push((known.key.clone(), value));
        }
    }
    kept.sort();
    Ok(kept)
}

async fn find(surveys: &Surveys, serial: &str) -> Result<Group> {
    let plausible = serial.len() <= 64 && serial.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let found = if plausible { crate::store::group::by_serial(&surveys.db, serial).await? } else { None };
    found.ok_or_else(unknown)
}

/// Refuses unless the group takes answers now; the recorder asks again when it counts.
pub(crate) fn demand_open(group: &Group) -> Result<()> {
    let full = group.target.is_some_and(|target| group.responses >= target);
    let rule = match group.status.as_str() {
        group::READY => "not_started",
        group::PAUSED => "paused",
        _ if full => "full",
        group::RUNNING => return Ok(()),
        _ => "completed",
    };
    Err(closed(rule))
}

/// A group that takes no answers now, and why.
pub(crate) fn closed(rule: &str) -> Error {
    Error { code: Code::Conflict, ..Error::invalid("serial", rule, "the survey takes no answers now") }
}

fn unknown() -> Error {
    Error::new(Code::NotFound, "no survey is behind this link")
}

fn draft_of(sheet: Id) -> String {
    format!("draft:{sheet}")
}

fn seal(vault: &Vault, open: &Open) -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(vault.seal(&json_text(open)?, TOKEN)?))
}

/// Reads a token of the group's; any other text is refused alike.
fn read(surveys: &Surveys, serial: &str, token: &str) -> Result<Open> {
    let bad = || Error::invalid("sheetToken", "unknown", "sheetToken does not open a sheet of this link");
    if token.len() > TOKEN_BYTES {
        return Err(bad());
    }
    let sealed = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad)?;
    let text = surveys.vault.open(&sealed, TOKEN).ok_or_else(bad)?;
    let open: Open = serde_json::from_str(text.expose_secret()).map_err(|_| bad())?;
    let age = surveys.clock.now().signed_duration_since(DateTime::<Utc>::from_timestamp(open.started, 0).unwrap_or_default());
    if open.serial != serial || age > TimeDelta::days(OPEN_DAYS) {
        return Err(bad());
    }
    Ok(open)
}
