//! Panels of a CSV file. Each row is one panel and is taken or refused by itself; a known `uid` is refused as any duplicate.

use std::collections::HashSet;

use madang_kit::{Context, Error, Result};
use madang_proto::survey::v1::{ImportPanelsRequest, ImportProblem, ImportReport, PanelFields, Profile, ProfileEntry};
use serde_json::json;

use crate::{
    Surveys,
    access::{self, Note},
    panel,
    permission::{self, Right},
};

/// Problems that a report tells.
pub(crate) const PROBLEMS: usize = 100;
/// Rows of one file.
const MAX_ROWS: i64 = 50_000;

/// Imports a file.
pub(crate) async fn import(surveys: &Surveys, context: &Context, request: ImportPanelsRequest) -> Result<ImportReport> {
    let space = permission::may(context, Right::Author)?;
    let operator = access::identify(request.operator, false)?;
    let bytes = request.csv.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&request.csv);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let broken = |error: csv::Error| Error::invalid("body", "csv", format!("the body is not CSV in UTF-8: {error}"));
    let header = reader.headers().map_err(broken)?.clone();
    demand_different(&header)?;
    let mut report = ImportReport::default();
    for (row, record) in (1..).zip(reader.records()) {
        if row > MAX_ROWS {
            return Err(Error::invalid("body", "too_many", format!("a file has at most {MAX_ROWS} rows; the first ones were imported")));
        }
        let outcome = match record.map_err(broken).and_then(|record| fields(&header, &record)) {
            Ok(fields) => one(surveys, context, &space, &operator, fields).await,
            Err(error) => Err(error),
        };
        note(&mut report, row, outcome)?;
    }
    Ok(report)
}

/// A column that is there twice would have two values for one thing.
fn demand_different(header: &csv::StringRecord) -> Result<()> {
    let mut seen = HashSet::new();
    match header.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(Error::invalid("header", "repeated", format!("the column '{}' is there twice", name.escape_debug()))),
        None => Ok(()),
    }
}

/// Counts a row. A fault of ours ends the import.
pub(crate) fn note(report: &mut ImportReport, row: i64, outcome: Result<()>) -> Result<()> {
    match outcome {
        Ok(()) => report.accepted += 1,
        Err(error) if error.is_refusal() => {
            report.refused += 1;
            if report.problems.len() < PROBLEMS {
                let field = error.fields.first().map(|problem| problem.field.clone()).unwrap_or_default();
                report.problems.push(ImportProblem { row, field, message: error.message });
            }
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn one(surveys: &Surveys, context: &Context, space: &str, operator: &access::Known, fields: PanelFields) -> Result<()> {
    let mut tx = surveys.db.begin().await?;
    panel::demand_room(surveys, &mut tx, space, 1).await?;
    let made = panel::insert(surveys, &mut tx, space, fields).await?;
    let note = Note { action: "panel.import", panels: vec![made.id], detail: json!({}) };
    operator.note(&mut tx, &surveys.clock, context, space, note).await?;
    Ok(tx.commit().await?)
}

fn fields(header: &csv::StringRecord, record: &csv::StringRecord) -> Result<PanelFields> {
    if record.len() > header.len() {
        return Err(Error::invalid("row", "columns", "the row has more cells than the header"));
    }
    let mut fields = PanelFields::default();
    let mut entries = Vec::new();
    for (name, cell) in header.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty()) {
        let cell = cell.to_owned();
        if cell.contains('\0') {
            return Err(Error::invalid(name, "control_character", "a cell must not contain NUL"));
        }
        match name {
            "uid" => fields.uid = Some(cell),
            "name" => fields.name = Some(cell),
            "countryCode" => fields.country_code = Some(cell),
            "cellphone" => fields.cellphone = Some(cell),
            "email" => fields.email = Some(cell),
            variable => entries.push(ProfileEntry { variable: variable.to_owned(), option: cell }),
        }
    }
    fields.profile = (!entries.is_empty()).then_some(Profile { entries });
    Ok(fields)
}
