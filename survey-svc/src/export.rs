//! Every sheet of a survey as a file, newest first: CSV or XLSX with the columns of [`crate::cells`], or JSON lines as `GET /v1/responses` shows
//! items. Personal answers are masked; originals are for the role `privacy`, with a reason, and each export of them is noted.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use madang_kit::{
    Context, Error, Result,
    error::chain,
    survey::{Answer, Definition, Kind},
};
use madang_proto::survey::v1::{ExportResponsesRequest, ExportResponsesResponse};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::{
    Surveys,
    access::{self, Note},
    cells::{self, Column},
    permission::{self, Right},
    response,
    sheet::{PERSONAL, json_text},
    store::sheet::{self as rows, Part, Sheet, Window},
    survey,
    xlsx::{self, Cell, Workbook},
};

/// Sheets that are read at once; twice as many are in memory.
const SHEETS: usize = 500;
/// Pieces on their way; a full channel slows the reader of the database down.
const PIECES: usize = 4;

type Pieces = ReceiverStream<Result<ExportResponsesResponse, Status>>;
type Sender = mpsc::Sender<Result<ExportResponsesResponse, Status>>;

struct Export {
    surveys: Surveys,
    survey: String,
    originals: bool,
}

/// What becomes of pages of sheets.
enum Form {
    /// JSON lines.
    Lines,
    Csv(Columns),
    Xlsx(Columns, Box<Workbook>),
}

struct Columns {
    parameters: Vec<String>,
    answers: Vec<Column>,
}

/// Starts an export.
pub(crate) async fn export(surveys: &Surveys, context: &Context, request: ExportResponsesRequest) -> Result<Pieces> {
    let space = permission::may(context, if request.include_personal { Right::Originals } else { Right::Author })?;
    let found = survey::find(surveys, &space, &request.survey_id).await?;
    let definition = Definition::stored(&found.definition)?;
    let form = Form::new(&request.format, &definition)?;
    if request.include_personal {
        let operator = access::identify(request.operator, true)?;
        let mut tx = surveys.db.begin().await?;
        let detail = json!({"survey": found.id, "format": request.format});
        operator.note(&mut tx, &surveys.clock, context, &space, Note { action: "response.export", panels: Vec::new(), detail }).await?;
        tx.commit().await?;
    }
    let export = Export { surveys: surveys.clone(), survey: found.id, originals: request.include_personal };
    let (pieces, receiver) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        if let Err(error) = export.write(form, &pieces).await {
            tracing::error!(error = %chain(&error), "an export ended early");
            let _ = pieces.send(Err(error.into())).await; // nobody may listen any more
        }
    });
    Ok(ReceiverStream::new(receiver))
}

impl Form {
    fn new(format: &str, definition: &Definition) -> Result<Self> {
        let columns = || Columns {
            parameters: definition.parameters.iter().map(|parameter| parameter.key.clone()).collect(),
            answers: cells::columns(definition),
        };
        match format {
            "json" => Ok(Self::Lines),
            "csv" => Ok(Self::Csv(columns())),
            "xlsx" => {
                let columns = columns();
                let header = columns.header();
                if header.len() > xlsx::COLUMNS {
                    let message = format!("format: a sheet of xlsx has at most {} columns, the survey has {}", xlsx::COLUMNS, header.len());
                    return Err(Error::invalid("format", "too_many", message));
                }
                let book = Workbook::new(header)?;
                Ok(Self::Xlsx(columns, Box::new(book)))
            }
            _ => Err(Error::invalid("format", "choice", "format must be csv, xlsx or json")),
        }
    }

    /// What stands before the first sheet.
    fn begin(&self) -> Result<Vec<u8>> {
        match self {
            Self::Csv(columns) => in_csv(std::iter::once(columns.header())),
            Self::Lines | Self::Xlsx(..) => Ok(Vec::new()),
        }
    }

    fn page(&mut self, page: Vec<Sheet>) -> Result<Vec<u8>> {
        match self {
            Self::Lines => page.into_iter().map(line).collect::<Result<Vec<_>>>().map(|lines| lines.concat().into_bytes()),
            Self::Csv(columns) => {
                let rows: Result<Vec<Vec<_>>> = page.into_iter().map(|sheet| columns.row(sheet, |text, _| inert(&text))).collect();
                in_csv(rows?)
            }
            Self::Xlsx(columns, book) => {
                for sheet in page {
                    book.row(&columns.row(sheet, in_xlsx)?)?;
                }
                Ok(book.take())
            }
        }
    }

    /// What stands behind the last one.
    fn end(self) -> Result<Vec<u8>> {
        match self {
            Self::Xlsx(_, book) => book.finish(),
            Self::Lines | Self::Csv(_) => Ok(Vec::new()),
        }
    }
}

impl Export {
    async fn write(&self, mut form: Form, pieces: &Sender) -> Result<()> {
        let mut goes_on = send(pieces, form.begin()?).await;
        let mut next = Some(self.page(None).await?);
        while let Some(page) = next.filter(|_| goes_on) {
            let behind = page.last().filter(|_| page.len() == SHEETS).map(|last| (last.submitted_at, last.id.clone()));
            // The database reads the next sheets while these are written.
            let (following, sent) = tokio::join!(self.behind(behind), self.send(page, &mut form, pieces));
            (next, goes_on) = (following?, sent?);
        }
        if goes_on {
            send(pieces, form.end()?).await;
        }
        Ok(())
    }

    /// Sheets behind a position, if there may be any.
    async fn behind(&self, position: Option<(DateTime<Utc>, String)>) -> Result<Option<Vec<Sheet>>> {
        match position {
            Some(position) => self.page(Some(position)).await.map(Some),
            None => Ok(None),
        }
    }

    async fn page(&self, behind: Option<(DateTime<Utc>, String)>) -> Result<Vec<Sheet>> {
        let window = Window { after: None, up_to: None, behind };
        rows::list(&self.surveys.db, &self.survey, &window, Part::File, SHEETS).await
    }

    async fn send(&self, mut page: Vec<Sheet>, form: &mut Form, pieces: &Sender) -> Result<bool> {
        if self.originals {
            self.open(&mut page).await?;
        }
        Ok(send(pieces, form.page(page)?).await)
    }

    /// Puts originals in the place of what may be shown to all.
    async fn open(&self, page: &mut [Sheet]) -> Result<()> {
        let ids: Vec<_> = page.iter().filter(|sheet| sheet.masked.is_some()).map(|sheet| sheet.id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut opened = HashMap::new();
        for (id, sealed, wrapped) in rows::originals(&self.surveys.db, ids).await? {
            let text = self.surveys.vault.subject(&id, &wrapped)?.open(&sealed, PERSONAL)?;
            opened.insert(id, text);
        }
        for sheet in page {
            if let Some(text) = opened.remove(&sheet.id) {
                sheet.masked = Some(text);
            }
        }
        Ok(())
    }
}

/// Says whether anybody still listens.
async fn send(pieces: &Sender, bytes: Vec<u8>) -> bool {
    pieces.send(Ok(ExportResponsesResponse { chunk: Bytes::from(bytes) })).await.is_ok()
}

fn line(sheet: Sheet) -> Result<String> {
    let parameters: Vec<(String, String)> = serde_json::from_str(&sheet.parameters).map_err(Error::internal)?;
    let parameters: Vec<_> = parameters.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let answers: serde_json::Value =
        serde_json::from_str(&response::joined(sheet.answers, sheet.masked.as_deref())?).map_err(Error::internal)?;
    let line = json!({
        "answerSheetId": spelled(&sheet.id), "collectGroupId": spelled(&sheet.collect_group_id), "parameters": parameters,
        "startedAt": moment(sheet.started_at), "submittedAt": moment(sheet.submitted_at), "answers": answers,
    });
    Ok(json_text(&line)? + "\n")
}

/// Dataspace's spelling of an id.
pub(crate) fn spelled(id: &str) -> String {
    id.parse::<madang_kit::Id>().map(|id| format!("a{}", id.ulid_lower())).unwrap_or_default()
}

/// In UTC, as an import reads it.
fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A column's text as a cell of XLSX; `kind` is that of its question, if it holds an answer.
fn in_xlsx(text: String, kind: Option<Kind>) -> Cell {
    let counts = matches!(kind, Some(Kind::Scale | Kind::Nps | Kind::Number));
    if counts && text.parse::<f64>().is_ok_and(f64::is_finite) { Cell::Number(text) } else { Cell::Text(text) }
}

impl Columns {
    fn header(&self) -> Vec<String> {
        let own = ["answerSheetId", "collectGroupId", "startedAt", "submittedAt"].map(str::to_owned).into_iter();
        let parameters = self.parameters.iter().map(|key| format!("param:{key}"));
        let answers = self.answers.iter().map(|column| column.name.clone());
        own.chain(parameters).chain(answers).collect()
    }

    fn row<C>(&self, sheet: Sheet, cell: impl Fn(String, Option<Kind>) -> C) -> Result<Vec<C>> {
        let parameters: Vec<(String, String)> = serde_json::from_str(&sheet.parameters).map_err(Error::internal)?;
        let answers: Vec<Answer> =
            serde_json::from_str(&response::joined(sheet.answers, sheet.masked.as_deref())?).map_err(Error::internal)?;
        let own = [spelled(&sheet.id), spelled(&sheet.collect_group_id), moment(sheet.started_at), moment(sheet.submitted_at)];
        let value = |key: &String| parameters.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone()).unwrap_or_default();
        let parameters = self.parameters.iter().map(|key| cell(value(key), None));
        let answers = self.answers.iter().map(|column| cell(cells::show(column, &answers), Some(column.kind)));
        Ok(own.into_iter().map(|text| cell(text, None)).chain(parameters).chain(answers).collect())
    }
}

fn in_csv(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(|error| Error::internal(error.to_string()))
}

/// A text that no spreadsheet takes for a formula.
fn inert(text: &str) -> String {
    if text.starts_with(['=', '+', '@', '\t', '\r']) || (text.starts_with('-') && text.parse::<f64>().is_err()) {
        return format!("'{text}");
    }
    text.to_owned()
}
