//! Rows as answers show them: objects, lists, delimited text.

use madang_kit::ckan::{Dict, Outcome, Refusal};
use madang_lake::{ColumnType, RecordBatch, cell};
use serde_json::Value;

use super::{field::Field, value::show};
use crate::ckan::Act;

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Objects,
    Lists,
    Csv,
    Tsv,
}

impl Format {
    /// The parameter `records_format`.
    pub(super) fn read(act: &Act) -> Outcome<Self> {
        Ok(match act.text("records_format").as_deref() {
            None | Some("" | "objects") => Self::Objects,
            Some("lists") => Self::Lists,
            Some("csv") => Self::Csv,
            Some("tsv") => Self::Tsv,
            Some(_) => return Err(Refusal::invalid("records_format", "Value must be one of ['objects', 'lists', 'csv', 'tsv']")),
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Lists => "lists",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
        }
    }
}

/// The rows of a batch whose columns are these fields.
pub(super) fn records(fields: &[Field], batch: &RecordBatch, format: Format) -> Value {
    match format {
        Format::Objects => (0..batch.num_rows()).map(|row| Value::Object(object(fields, batch, row))).collect(),
        Format::Lists => (0..batch.num_rows()).map(|row| cells(fields, batch, row).collect::<Value>()).collect(),
        Format::Csv => delimited(fields, batch, ',').into(),
        Format::Tsv => delimited(fields, batch, '\t').into(),
    }
}

fn cells<'a>(fields: &'a [Field], batch: &'a RecordBatch, row: usize) -> impl Iterator<Item = Value> + 'a {
    fields.iter().zip(batch.columns()).map(move |(field, column)| show(field, cell(column, row)))
}

fn object(fields: &[Field], batch: &RecordBatch, row: usize) -> Dict {
    fields.iter().map(|field| field.name.clone()).zip(cells(fields, batch, row)).collect()
}

fn delimited(fields: &[Field], batch: &RecordBatch, delimiter: char) -> String {
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        for (at, (field, value)) in fields.iter().zip(cells(fields, batch, row)).enumerate() {
            if at > 0 {
                text.push(delimiter);
            }
            write(&mut text, field, &value, delimiter);
        }
        text.push('\n');
    }
    text
}

/// A cell as PostgreSQL's COPY writes it: null is nothing, the empty text is two quotes.
fn write(out: &mut String, field: &Field, value: &Value, delimiter: char) {
    let written = match value {
        Value::Null => return,
        Value::Bool(truth) => if *truth { "t" } else { "f" }.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let plain = !written.is_empty() && !written.contains([delimiter, '"', '\n', '\r']);
    if plain || (field.lake != ColumnType::String && !written.contains('"')) {
        out.push_str(&written);
    } else {
        out.push('"');
        out.push_str(&written.replace('"', "\"\""));
        out.push('"');
    }
}
