//! How a source is read: its format, the options of the specification (spec-store.md 3.2), what its own resource says.

use madang_lake::{RecordFormat, RecordOptions, Sheet};
use madang_proto::pipeline::v1::FlowSource;
use serde_json::Value;

/// Which rows are what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Headers {
    /// The row with this number.
    Row(u64),
    /// The columns have these names, and every row is data.
    Named(Vec<String>),
}

/// How a source is read.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) records: RecordOptions,
    pub(super) headers: Headers,
    /// Numbers of rows that are left out.
    skip: Vec<u64>,
    /// Rows whose first cell begins with one of these are left out.
    comments: Vec<String>,
}

/// An option that can't be followed: the report's code, and why.
pub(super) type Wrong = (&'static str, String);

impl Options {
    pub(super) fn of(source: &FlowSource, keys: Vec<String>) -> Result<Self, Wrong> {
        let said = json(&source.tabulator)?;
        let resource = json(&source.resource)?;
        let dialect = resource.get("dialect").cloned().unwrap_or_default();
        let byte = |name: &str, other: &str| match said.get(name).or_else(|| dialect.get(other)) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) if text.len() == 1 => Ok(text.bytes().next()),
            Some(other) => Err(("scheme-error", format!("{name} must be one ASCII character, not {other}"))),
        };
        let (format, delimiter) = format(&source.format)?;
        let encoding = said.get("encoding").or_else(|| resource.get("encoding")).and_then(Value::as_str);
        let encoding = encoding.filter(|label| !label.is_empty() && format == RecordFormat::Delimited);
        let records = RecordOptions {
            format,
            delimiter: byte("delimiter", "delimiter")?.or(delimiter),
            quote: byte("quotechar", "quoteChar")?,
            escape: byte("escapechar", "escapeChar")?,
            encoding: encoding.map(str::to_owned),
            sheet: sheet(&said)?,
            keys,
        };
        let headers = match said.get("headers") {
            None | Some(Value::Null) if dialect.get("header").and_then(Value::as_bool) == Some(false) => {
                Headers::Named(records.keys.clone())
            }
            None | Some(Value::Null) => Headers::Row(0),
            Some(Value::Number(row)) => {
                let row = row.as_u64().filter(|row| *row > 0);
                Headers::Row(row.ok_or(("scheme-error", "headers is a row's number from 1 on, or a list of names".to_owned()))?)
            }
            Some(names) => Headers::Named(texts(names).ok_or(("scheme-error", "headers is a row's number or a list of names".to_owned()))?),
        };
        let (skip, comments) = skipped(said.get("skip_rows"))?;
        Ok(Self { records, headers, skip, comments })
    }

    /// Whether a row is left out.
    pub(super) fn skips(&self, number: u64, first: Option<&str>) -> bool {
        let is_comment = |cell: &str| self.comments.iter().any(|begin| cell.starts_with(begin.as_str()));
        self.skip.contains(&number) || (!self.comments.is_empty() && first.is_some_and(is_comment))
    }
}

/// A format by its name, with the delimiter that goes without saying.
fn format(name: &str) -> Result<(RecordFormat, Option<u8>), Wrong> {
    Ok(match name.to_lowercase().as_str() {
        "csv" | "txt" => (RecordFormat::Delimited, None),
        "tsv" | "tab" => (RecordFormat::Delimited, Some(b'\t')),
        "xlsx" => (RecordFormat::Xlsx, None),
        "ods" => (RecordFormat::Ods, None),
        "json" | "ndjson" | "jsonl" => (RecordFormat::Json, None),
        "xls" => return Err(("format-error", "Format \"xls\" can't be read in bounded memory; save it as XLSX".to_owned())),
        other => return Err(("format-error", format!("Format \"{other}\" is not supported"))),
    })
}

fn sheet(said: &Value) -> Result<Sheet, Wrong> {
    match said.get("sheet") {
        None | Some(Value::Null) => Ok(Sheet::First),
        Some(Value::String(name)) => Ok(Sheet::Named(name.clone())),
        Some(number) => {
            let place = number.as_u64().and_then(|place| usize::try_from(place).ok()).filter(|place| *place > 0);
            Ok(Sheet::Number(place.ok_or(("scheme-error", "sheet is a number from 1 on, or a name".to_owned()))?))
        }
    }
}

/// `3` are the first three rows; a list has rows' numbers and beginnings of comments.
fn skipped(said: Option<&Value>) -> Result<(Vec<u64>, Vec<String>), Wrong> {
    let wrong = || ("scheme-error", "skip_rows is a number of rows, or a list of rows' numbers and beginnings of comments".to_owned());
    match said {
        None | Some(Value::Null) => Ok((Vec::new(), Vec::new())),
        Some(Value::Number(count)) => Ok(((1..=count.as_u64().filter(|count| *count <= 10_000).ok_or_else(wrong)?).collect(), Vec::new())),
        Some(Value::Array(entries)) => {
            let numbers = entries.iter().filter_map(Value::as_u64).collect();
            let comments: Vec<String> =
                entries.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned).collect();
            if entries.iter().all(|entry| entry.is_u64() || entry.is_string()) { Ok((numbers, comments)) } else { Err(wrong()) }
        }
        Some(_) => Err(wrong()),
    }
}

fn json(text: &str) -> Result<Value, Wrong> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).map_err(|_| ("scheme-error", "the options are no JSON object".to_owned()))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}
