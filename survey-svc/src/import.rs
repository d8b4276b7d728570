//! Answers that were collected elsewhere (dataspace.md section 11). Each line is taken or refused by itself; lines with an
//! `answerSheetId` that the survey has already are taken as done.

use std::collections::HashSet;

use madang_kit::{
    Code, Context, Error, Id, Result, Tx, check,
    survey::{Definition, Kind, fill},
};
use madang_proto::survey::v1::{ImportReport, ImportResponsesRequest, ImportResponsesStart, import_responses_request::Part};
use serde_json::json;
use tonic::Streaming;

use crate::{
    Surveys,
    access::{self, Note},
    audit, group,
    import_line::{self, Cell, Line, Lines, moment},
    panel_import::note,
    permission::{self, Right},
    sheet::{declared, json_text, keep_personal, uid_of},
    store::{
        group as groups,
        recording::{self, NewSheet},
    },
    survey,
};

/// Sheets of one transaction.
const AT_ONCE: usize = 512;
/// The group that imported answers belong to, unless one is named.
const GROUP: &str = "import";

struct Import<'a> {
    surveys: &'a Surveys,
    definition: Definition,
    survey: String,
    space: String,
    group: String,
    /// Of CSV, once its header was read.
    columns: Option<Vec<Cell>>,
    csv: bool,
    row: i64,
    /// With the number of its row.
    ready: Vec<(i64, NewSheet)>,
    report: ImportReport,
}

/// Imports what a stream brings.
///
/// # Errors
/// Also after lines were taken, if the stream breaks off or a line can't be one; the message says how many were.
pub(crate) async fn import(surveys: &Surveys, context: &Context, mut parts: Streaming<ImportResponsesRequest>) -> Result<ImportReport> {
    let space = permission::may(context, Right::Author)?;
    let Some(Part::Start(start)) = parts.message().await?.and_then(|message| message.part) else {
        return Err(Error::invalid("start", "missing", "an import begins with its start"));
    };
    let mut import = begin(surveys, context, space, start).await?;
    let outcome = import.read(parts).await;
    import.flush().await?;
    let report = import.report;
    match outcome {
        Ok(()) => Ok(report),
        Err(error) => {
            let message = format!("{}; of the lines before {} were taken and {} refused", error.message, report.accepted, report.refused);
            Err(Error { message, ..error })
        }
    }
}

async fn begin<'a>(surveys: &'a Surveys, context: &Context, space: String, start: ImportResponsesStart) -> Result<Import<'a>> {
    let csv = match start.format.as_str() {
        "csv" => true,
        "ndjson" => false,
        _ => return Err(Error::invalid("format", "choice", "format must be ndjson or csv")),
    };
    let wanted = check::optional_id("collectGroupId", start.collect_group_id.as_deref())?;
    let mut tx = surveys.db.begin().await?;
    let found = survey::lock(&mut tx, &space, &start.survey_id).await?;
    let definition = Definition::stored(&found.definition)?;
    let group = match wanted {
        Some(id) => {
            let group = groups::find_in(&mut tx, &id.to_string()).await?.filter(|group| group.survey_id == found.id);
            group.ok_or_else(|| permission::missing("collect_group", &id.to_string()))?
        }
        None => own_group(surveys, &mut tx, &found.id, &space).await?,
    };
    if !group.started {
        // The answers are judged by this definition, so it changes no more.
        groups::update(&mut tx, &groups::Group { started: true, updated_at: surveys.clock.now(), ..group.clone() }).await?;
    }
    if definition.questions.iter().any(|question| question.kind == Kind::PersonalInfo) {
        let operator = access::identify(start.operator, false)?;
        let detail = json!({"survey": found.id, "collectGroup": group.id, "format": start.format});
        operator.note(&mut tx, &surveys.clock, context, &space, Note { action: "response.import", panels: Vec::new(), detail }).await?;
    }
    audit::note(surveys, &mut tx, context, "response.import", &found.id, json!({"collectGroup": group.id})).await?;
    tx.commit().await?;
    Ok(Import {
        surveys,
        definition,
        survey: found.id,
        space,
        group: group.id,
        columns: None,
        csv,
        row: 0,
        ready: Vec::with_capacity(AT_ONCE),
        report: ImportReport::default(),
    })
}

/// The survey's group for imported answers; it is there from the first import on. Answers freeze the survey.
async fn own_group(surveys: &Surveys, tx: &mut Tx, survey: &str, space: &str) -> Result<groups::Group> {
    if let Some(known) = groups::named_in(tx, survey, GROUP).await? {
        return Ok(known);
    }
    let now = surveys.clock.now();
    let blank = group::blank(survey.to_owned(), space.to_owned(), now)?;
    let made = groups::Group {
        name: GROUP.to_owned(),
        channel: "PRIVATE_LINK".to_owned(),
        status: group::COMPLETED.to_owned(),
        started: true,
        started_at: Some(now),
        completed_at: Some(now),
        ..blank
    };
    groups::insert(tx, &made).await?;
    Ok(made)
}

impl Import<'_> {
    async fn read(&mut self, mut parts: Streaming<ImportResponsesRequest>) -> Result<()> {
        let mut lines = Lines::new(self.csv);
        // A stream that breaks and one that lacks its end are the same.
        while let Ok(Some(message)) = parts.message().await {
            match message.part {
                Some(Part::Chunk(bytes)) => {
                    lines.push(&bytes);
                    while let Some(line) = lines.next()? {
                        self.line(&line).await?;
                    }
                }
                Some(Part::End(_)) => return self.line(&lines.rest()).await,
                _ => {}
            }
        }
        Err(Error::invalid("body", "incomplete", "the body ended early"))
    }

    async fn line(&mut self, bytes: &[u8]) -> Result<()> {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Error::invalid("body", "utf8", "the body must be UTF-8"))?;
        if self.csv && self.columns.is_none() {
            let header = import_line::header(text.strip_prefix('\u{feff}').unwrap_or(text), &self.definition)?;
            self.columns = Some(header);
            return Ok(());
        }
        self.row += 1;
        let read = self.columns.as_ref().map_or_else(|| import_line::json(text), |columns| import_line::cells(columns, text));
        match read.and_then(|line| self.sheet(line)) {
            Ok(sheet) => self.ready.push((self.row, sheet)),
            Err(error) => note(&mut self.report, self.row, Err(error))?,
        }
        if self.ready.len() >= AT_ONCE { self.flush().await } else { Ok(()) }
    }

    fn sheet(&self, line: Line) -> Result<NewSheet> {
        let submitted_at = moment("submittedAt", &line.submitted_at)?;
        let started_at = line.started_at.as_deref().map_or(Ok(submitted_at), |text| moment("startedAt", text))?;
        let parameters = declared(&self.definition, line.parameters.into_iter().map(|pair| (pair.key, pair.value)))?;
        let id = match line.answer_sheet_id {
            Some(text) => {
                let ulid = text.strip_prefix('a').map(|ulid| Id::parse_prefixed("a", &format!("a-{ulid}")));
                ulid.and_then(std::result::Result::ok).ok_or_else(|| Error::invalid("answerSheetId", "id", "answerSheetId is not an id"))?
            }
            None => Id::generate(),
        };
        let filled = fill(&self.definition, &parameters, line.answers)?;
        let mut sheet = NewSheet {
            id: id.to_string(),
            survey_id: self.survey.clone(),
            space_id: self.space.clone(),
            collect_group_id: self.group.clone(),
            panel_id: None,
            uid: uid_of(&parameters),
            parameters: json_text(&parameters)?,
            answers: json_text(&filled.plain)?,
            masked: None,
            personal: None,
            subject: None,
            started_at,
            submitted_at,
        };
        keep_personal(&self.surveys.vault, &mut sheet, filled.personal)?;
        Ok(sheet)
    }

    /// Writes what is ready.
    async fn flush(&mut self) -> Result<()> {
        let ready = std::mem::take(&mut self.ready);
        if ready.is_empty() {
            return Ok(());
        }
        let mut tx = self.surveys.db.begin().await?;
        let survey = survey::lock(&mut tx, &self.space, &self.survey).await?;
        let found = groups::find_in(&mut tx, &self.group).await?;
        let mut group = found.ok_or_else(|| permission::missing("collect_group", &self.group))?;
        let known = recording::surveys_of(&mut tx, ready.iter().map(|(_, sheet)| sheet.id.clone()).collect()).await?;
        let mut room = i64::from(self.surveys.config.responses) - survey.responses;
        let (mut taken, mut seen, mut outcomes) = (Vec::with_capacity(ready.len()), HashSet::new(), Vec::with_capacity(ready.len()));
        for (row, sheet) in ready {
            let outcome = match known.get(&sheet.id) {
                Some(survey) if *survey != self.survey => Err(foreign()),
                Some(_) => Ok(()),
                None if !seen.insert(sheet.id.clone()) => Ok(()),
                None if room <= 0 => Err(full("surveyId", "the survey has as many responses as it may")),
                None if group.target.is_some_and(|target| group.responses >= target) => {
                    Err(full("collectGroupId", "the collect group has as many responses as it wants"))
                }
                None => {
                    group.responses += 1;
                    room -= 1;
                    taken.push(sheet);
                    Ok(())
                }
            };
            outcomes.push((row, outcome));
        }
        self.keep(&mut tx, taken, group).await?;
        tx.commit().await?;
        outcomes.into_iter().try_for_each(|(row, outcome)| note(&mut self.report, row, outcome))
    }

    async fn keep(&self, tx: &mut Tx, mut taken: Vec<NewSheet>, mut group: groups::Group) -> Result<()> {
        if taken.is_empty() {
            return Ok(());
        }
        let uids: HashSet<_> = taken.iter().filter_map(|sheet| sheet.uid.clone()).collect();
        if !uids.is_empty() {
            let panels = recording::panels(tx, &self.space, uids.into_iter().collect()).await?;
            for sheet in &mut taken {
                sheet.panel_id = sheet.uid.as_ref().and_then(|uid| panels.get(uid).cloned());
            }
        }
        recording::insert(tx, &taken.iter().collect::<Vec<_>>()).await?;
        recording::count(tx, &self.survey, i64::try_from(taken.len()).unwrap_or(i64::MAX)).await?;
        group.updated_at = self.surveys.clock.now();
        if group.target.is_some_and(|target| group.responses >= target) {
            complete(&mut group)?;
        }
        groups::update(tx, &group).await
    }
}

/// A group that has what it wants is completed, from whatever state.
fn complete(group: &mut groups::Group) -> Result<()> {
    let now = group.updated_at;
    if group.status == group::READY {
        group::step(group, group::RUNNING, now)?;
    }
    if group.status == group::COMPLETED { Ok(()) } else { group::step(group, group::COMPLETED, now) }
}

fn foreign() -> Error {
    Error { code: Code::AlreadyExists, ..Error::invalid("answerSheetId", "taken", "an answer sheet of another survey has this id") }
}

fn full(field: &str, message: &str) -> Error {
    Error { code: Code::Conflict, ..Error::invalid(field, "full", message) }
}
