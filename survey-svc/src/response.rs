//! Submitted sheets as researchers read them (dataspace.md section 8).

use chrono::{DateTime, TimeDelta, Utc};
use madang_kit::{Context, Error, Result, check, survey::Answer, time};
use madang_proto::survey::v1::{AnswerSheet, ListResponsesRequest, ListResponsesResponse, Parameter, Position};
use prost_types::Timestamp;

use crate::{
    Surveys,
    permission::{self, Right},
    sheet::json_text,
    store::{
        PAGE,
        sheet::{self as rows, Part, Sheet, Window},
        survey as survey_rows,
    },
    survey,
};

/// No transaction of the recorder takes as long.
const WRITTEN_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// A page of sheets.
pub(crate) async fn list(surveys: &Surveys, context: &Context, request: ListResponsesRequest) -> Result<ListResponsesResponse> {
    let space = permission::may(context, Right::Read)?;
    let survey = survey::find(surveys, &space, &request.survey_id).await?;
    let behind = match request.behind {
        None => None,
        Some(position) => {
            let at = moment("pageToken", position.submitted_at)?.ok_or_else(|| Error::invalid("pageToken", "missing", "no time"))?;
            Some((at, check::id("pageToken", &position.id)?.to_string()))
        }
    };
    let window = Window { after: moment("startDateTime", request.after)?, up_to: moment("endDateTime", request.up_to)?, behind };
    if window.behind.is_none() {
        settle(surveys, &survey.id, window.up_to).await?;
    }
    let part = if request.answers { Part::Answers } else { Part::Metadata };
    let mut found = rows::list(&surveys.db, &survey.id, &window, part, PAGE + 1).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next =
        found.last().filter(|_| more).map(|sheet| Position { submitted_at: Some(time::wire(sheet.submitted_at)), id: sheet.id.clone() });
    let sheets: Result<Vec<_>> = found.into_iter().map(|sheet| wire(sheet, &survey.id)).collect();
    Ok(ListResponsesResponse { sheets: sheets?, next })
}

/// Waits for sheets that are being written now and may count as submitted up to a time. Later ones get later times, so that a window
/// that ends by now is complete, and the next one begins where it ended.
async fn settle(surveys: &Surveys, survey: &str, up_to: Option<DateTime<Utc>>) -> Result<()> {
    if up_to.is_some_and(|up_to| up_to > surveys.clock.now() - WRITTEN_WITHIN) {
        let mut tx = surveys.db.begin().await?;
        survey_rows::lock_shared(&mut tx, survey).await?;
        tx.commit().await?;
    }
    Ok(())
}

fn moment(field: &str, at: Option<Timestamp>) -> Result<Option<DateTime<Utc>>> {
    at.map(|at| time::read(at).ok_or_else(|| Error::invalid(field, "time", format!("{field} is no time")))).transpose()
}

fn wire(sheet: Sheet, survey: &str) -> Result<AnswerSheet> {
    let parameters: Vec<(String, String)> = serde_json::from_str(&sheet.parameters).map_err(Error::internal)?;
    Ok(AnswerSheet {
        answers: joined(sheet.answers, sheet.masked.as_deref())?,
        id: sheet.id,
        survey_id: survey.to_owned(),
        collect_group_id: sheet.collect_group_id,
        panel_id: sheet.panel_id,
        uid: sheet.uid,
        parameters: parameters.into_iter().map(|(key, value)| Parameter { key, value }).collect(),
        started_at: Some(time::wire(sheet.started_at)),
        submitted_at: Some(time::wire(sheet.submitted_at)),
    })
}

/// All answers of a sheet by rank; what may be shown of personal ones stands apart from the others.
pub(crate) fn joined(answers: String, personal: Option<&str>) -> Result<String> {
    let Some(personal) = personal else { return Ok(answers) };
    let read = |text: &str| serde_json::from_str::<Vec<Answer>>(text).map_err(Error::internal);
    let mut all = read(&answers)?;
    all.append(&mut read(personal)?);
    all.sort_by_key(|answer| answer.question_rank);
    json_text(&all)
}
