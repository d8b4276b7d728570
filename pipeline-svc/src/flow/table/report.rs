//! The validation report (spec-store.md 4.5): what is wrong with a table, and where.

use madang_lake::Record;
use madang_proto::pipeline::v1::FlowSource;
use serde_json::{Value, json};

/// Errors of one table that are reported.
const MAX_ERRORS: usize = 1_000;
/// Characters of a value that a message shows.
const SHOWN: usize = 200;
/// Cells of a row that an error shows.
const SHOWN_CELLS: usize = 50;

/// What was found in one table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    errors: Vec<Value>,
    warnings: Vec<String>,
    pub(crate) headers: Option<Vec<String>>,
    /// Rows under the header.
    pub(crate) rows: Option<u64>,
    /// Seconds that the reading took.
    pub(crate) seconds: f64,
}

impl Report {
    /// What can't be read at all.
    pub(crate) fn unreadable(code: &str, message: &str) -> Self {
        let mut report = Self::default();
        report.add(code, message.to_owned(), None, None, None);
        report
    }

    /// Adds an error, while there is room.
    pub(crate) fn add(&mut self, code: &str, message: String, row: Option<u64>, column: Option<usize>, record: Option<&Record<'_>>) {
        if self.is_full() {
            return;
        }
        let cells = record.map(|record| record.cells().take(SHOWN_CELLS).map(|cell| cell.map(shown)).collect::<Vec<_>>());
        let mut error = json!({"code": code, "message": null, "row-number": row, "column-number": column, "row": cells});
        error["message"] = message.into();
        self.errors.push(error);
    }

    /// Adds what is no error and should be known.
    pub(crate) fn warn(&mut self, message: &str) {
        self.warnings.push(message.to_owned());
    }

    /// Whether no further error is listed.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// The element of the report for a source.
    pub(crate) fn element(&self, source: &FlowSource) -> Value {
        let (valid, count) = (self.is_valid(), self.errors.len());
        let url = source.url.split(['?', '#']).next().unwrap_or_default();
        let scheme = url.split_once(':').map_or("file", |(scheme, _)| scheme);
        let table = json!({
            "time": self.seconds, "valid": valid, "error-count": count, "row-count": self.rows, "source": url, "headers": self.headers,
            "scheme": scheme, "format": source.format, "encoding": "utf-8", "schema": "table-schema", "errors": self.errors,
        });
        json!({
            "time": self.seconds, "valid": valid, "error-count": count, "table-count": 1, "preset": "table", "warnings": self.warnings,
            "tables": [table], "resource": source.name,
        })
    }
}

/// A value in a message, not longer than is useful.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
