//! Answers that were collected elsewhere: NDJSON as an export writes it, or CSV with the columns of [`crate::cells`]. Each line is
//! taken or refused by itself; lines with an `answerSheetId` that is there already are taken as done.

use bytes::{Buf, BytesMut};
use chrono::{DateTime, SubsecRound, Utc};
use futures::StreamExt;
use madang_kit::{
    Code, Context, Error, Id, Result, check,
    survey::{Answer, Definition, fill},
};
use madang_proto::survey::v1::{ImportReport, ImportResponsesRequest, ImportResponsesStart, import_responses_request::Part};
use serde::Deserialize;
use serde_json::json;
use tonic::Streaming;

use crate::{
    Surveys, audit,
    cells::{self, Column},
    group,
    panel_import::note,
    permission::{self, Right},
    sheet::{json_text, keep_personal},
    store::{
        group as groups,
        recording::{self, NewSheet},
    },
    survey,
};

/// Bytes of one line.
const LINE_BYTES: usize = 512 << 10;
/// Sheets of one transaction.
const AT_ONCE: usize = 512;
/// The group that imported answers belong to, unless one is named.
const GROUP: &str = "import";

/// A line of NDJSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    answer_sheet_id: Option<String>,
    started_at: Option<String>,
    submitted_at: String,
    #[serde(default)]
    parameters: Vec<Pair>,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Pair {
    key: String,
    value: String,
}

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
    ready: Vec<NewSheet>,
    report: ImportReport,
}

/// What a column of CSV is.
enum Cell {
    AnswerSheetId,
    StartedAt,
    SubmittedAt,
    Parameter(String),
    Answer(Column),
    Ignored,
}

/// Imports what a stream brings.
pub(crate) async fn import(surveys: &Surveys, context: &Context, mut parts: Streaming<ImportResponsesRequest>) -> Result<ImportReport> {
    let space = permission::may(context, Right::Author)?;
    let Some(Part::Start(start)) = parts.message().await?.and_then(|message| message.part) else {
        return Err(Error::invalid("start", "missing", "an import begins with its start"));
    };
    let mut import = begin(surveys, context, space, start).await?;
    let mut open = BytesMut::new();
    while let Some(message) = parts.next().await {
        let Some(Part::Chunk(bytes)) = message?.part else { continue };
        open.extend_from_slice(&bytes);
        while let Some(end) = end_of_line(&open, import.csv) {
            let line = open.split_to(end);
            open.advance(1);
            import.line(&line).await?;
        }
        if open.len() > LINE_BYTES {
            return Err(Error::new(Code::TooLarge, format!("a line has at most {LINE_BYTES} bytes")));
        }
    }
    import.line(&open).await?;
    import.flush().await?;
    Ok(import.report)
}

/// Where a line ends; a line break inside quotes of CSV is none.
fn end_of_line(bytes: &[u8], csv: bool) -> Option<usize> {
    let mut quoted = false;
    bytes.iter().position(|byte| {
        quoted ^= csv && *byte == b'"';
        *byte == b'\n' && !quoted
    })
}

async fn begin<'a>(surveys: &'a Surveys, context: &Context, space: String, start: ImportResponsesStart) -> Result<Import<'a>> {
    let csv = match start.format.as_str() {
        "csv" => true,
        "ndjson" => false,
        _ => return Err(Error::invalid("format", "choice", "format must be ndjson or csv")),
    };
    let found = survey::find(surveys, &space, &start.survey_id).await?;
    let wanted = check::optional_id("collectGroupId", start.collect_group_id.as_deref())?;
    let mut tx = surveys.db.begin().await?;
    survey::lock(&mut tx, &space, &found.id).await?;
    let group = match wanted {
        Some(id) => {
            let group = groups::find_in(&mut tx, &id.to_string()).await?.filter(|group| group.survey_id == found.id);
            group.ok_or_else(|| permission::missing("collect_group", &id.to_string()))?
        }
        None => own_group(surveys, &mut tx, &found.id, &space).await?,
    };
    audit::note(surveys, &mut tx, context, "response.import", &found.id, json!({"collectGroup": group.id})).await?;
    tx.commit().await?;
    Ok(Import {
        surveys,
        definition: Definition::stored(&found.definition)?,
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
async fn own_group(surveys: &Surveys, tx: &mut madang_kit::Tx, survey: &str, space: &str) -> Result<groups::Group> {
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
    async fn line(&mut self, bytes: &[u8]) -> Result<()> {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Error::invalid("body", "utf8", "the body must be UTF-8"))?;
        if self.csv && self.columns.is_none() {
            self.columns = Some(self.header(text.strip_prefix('\u{feff}').unwrap_or(text))?);
            return Ok(());
        }
        self.row += 1;
        let read = if self.csv { self.cells(text) } else { json_line(text) };
        match read.and_then(|line| self.sheet(line)) {
            Ok(sheet) => self.ready.push(sheet),
            Err(error) => note(&mut self.report, self.row, Err(error))?,
        }
        if self.ready.len() >= AT_ONCE { self.flush().await } else { Ok(()) }
    }

    fn header(&self, text: &str) -> Result<Vec<Cell>> {
        let known = cells::columns(&self.definition);
        let cell = |name: &str| match name {
            "answerSheetId" => Ok(Cell::AnswerSheetId),
            "startedAt" => Ok(Cell::StartedAt),
            "submittedAt" => Ok(Cell::SubmittedAt),
            "collectGroupId" => Ok(Cell::Ignored),
            other => match (other.strip_prefix("param:"), known.iter().find(|column| column.name == other)) {
                (Some(key), _) => Ok(Cell::Parameter(key.to_owned())),
                (None, Some(column)) => Ok(Cell::Answer(column.clone())),
                _ => Err(Error::invalid("header", "unknown", format!("there is no column '{}'", other.escape_debug()))),
            },
        };
        let columns: Vec<Cell> = record(text)?.iter().map(cell).collect::<Result<_>>()?;
        if columns.iter().any(|cell| matches!(cell, Cell::SubmittedAt)) {
            return Ok(columns);
        }
        Err(Error::invalid("header", "missing", "the column submittedAt is missing"))
    }

    fn cells(&self, text: &str) -> Result<Line> {
        let mut line =
            Line { answer_sheet_id: None, started_at: None, submitted_at: String::new(), parameters: Vec::new(), answers: Vec::new() };
        for (cell, text) in self.columns.iter().flatten().zip(record(text)?.iter()).filter(|(_, text)| !text.is_empty()) {
            match cell {
                Cell::AnswerSheetId => line.answer_sheet_id = Some(text.to_owned()),
                Cell::StartedAt => line.started_at = Some(text.to_owned()),
                Cell::SubmittedAt => text.clone_into(&mut line.submitted_at),
                Cell::Parameter(key) => line.parameters.push(Pair { key: key.clone(), value: text.to_owned() }),
                Cell::Answer(column) => cells::read(column, text, &mut line.answers),
                Cell::Ignored => {}
            }
        }
        Ok(line)
    }

    fn sheet(&self, line: Line) -> Result<NewSheet> {
        let submitted_at = moment("submittedAt", &line.submitted_at)?;
        let started_at = line.started_at.as_deref().map_or(Ok(submitted_at), |text| moment("startedAt", text))?;
        let declared = |pair: &Pair| self.definition.parameters.iter().any(|known| known.key == pair.key);
        let mut parameters: Vec<_> = line.parameters.into_iter().filter(declared).map(|pair| (pair.key, pair.value)).collect();
        parameters.sort();
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
            uid: parameters.iter().find(|(key, _)| key == "uid").map(|(_, value)| value.clone()),
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
        let mut ready = std::mem::take(&mut self.ready);
        if ready.is_empty() {
            return Ok(());
        }
        let mut tx = self.surveys.db.begin().await?;
        let survey = survey::lock(&mut tx, &self.space, &self.survey).await?;
        let before = recording::submitted(&mut tx, ready.iter().map(|sheet| sheet.id.clone()).collect()).await?;
        let given = ready.len();
        let mut seen = std::collections::HashSet::new();
        ready.retain(|sheet| !before.contains_key(&sheet.id) && seen.insert(sheet.id.clone()));
        let more = i64::try_from(ready.len()).unwrap_or(i64::MAX);
        if survey.responses + more > i64::from(self.surveys.config.responses) {
            return Err(Error::new(Code::Conflict, format!("a survey has at most {} responses", self.surveys.config.responses)));
        }
        if !ready.is_empty() {
            let uids: std::collections::HashSet<_> = ready.iter().filter_map(|sheet| sheet.uid.clone()).collect();
            if !uids.is_empty() {
                let panels = recording::panels(&mut tx, &self.space, uids.into_iter().collect()).await?;
                for sheet in &mut ready {
                    sheet.panel_id = sheet.uid.as_ref().and_then(|uid| panels.get(uid).cloned());
                }
            }
            recording::insert(&mut tx, &ready.iter().collect::<Vec<_>>()).await?;
            recording::count(&mut tx, &self.survey, more).await?;
            if let Some(group) = groups::find_in(&mut tx, &self.group).await? {
                let (responses, updated_at) = (group.responses + more, self.surveys.clock.now());
                groups::update(&mut tx, &groups::Group { responses, started: true, updated_at, ..group }).await?;
            }
        }
        tx.commit().await?;
        self.report.accepted += i64::try_from(given).unwrap_or_default();
        Ok(())
    }
}

fn json_line(text: &str) -> Result<Line> {
    if text.contains("\\u0000") {
        return Err(Error::invalid("line", "control_character", "a line must not contain NUL"));
    }
    serde_json::from_str(text).map_err(|error| {
        let rule = if error.is_data() { "form" } else { "json" };
        Error::invalid("line", rule, error.to_string())
    })
}

fn record(text: &str) -> Result<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).map_err(|error| Error::invalid("line", "csv", error.to_string()))?;
    Ok(record)
}

/// With an offset, because a file goes between zones; whole seconds, as all submissions.
fn moment(field: &str, text: &str) -> Result<DateTime<Utc>> {
    let bad = |_| Error::invalid(field, "date_time", format!("{field} must be a date-time with an offset, such as 2023-10-05T04:20:11Z"));
    DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc).trunc_subsecs(0)).map_err(bad)
}
