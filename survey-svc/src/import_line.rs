//! Lines of a file of answers: cutting them out of a stream, and what they say. NDJSON as an export writes it, or CSV with the columns of
//! [`crate::cells`].

use std::collections::HashSet;

use bytes::{Buf, BytesMut};
use chrono::{DateTime, SubsecRound, Utc};
use madang_kit::{
    Code, Error, Result,
    survey::{Answer, Definition},
};
use serde::Deserialize;
use serde_json::Value;

use crate::cells::{self, Column};

/// Bytes of one line.
const LINE_BYTES: usize = 512 << 10;

/// Cuts a stream into lines; a line break inside quotes of CSV is none.
pub(crate) struct Lines {
    open: BytesMut,
    /// Bytes of it that were looked at.
    seen: usize,
    quoted: bool,
    csv: bool,
}

impl Lines {
    pub(crate) fn new(csv: bool) -> Self {
        Self { open: BytesMut::new(), seen: 0, quoted: false, csv }
    }

    /// More of the stream.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
    }

    /// The next whole line.
    ///
    /// # Errors
    /// [`Code::TooLarge`].
    pub(crate) fn next(&mut self) -> Result<Option<BytesMut>> {
        while let Some(byte) = self.open.get(self.seen) {
            self.quoted ^= self.csv && *byte == b'"';
            if *byte == b'\n' && !self.quoted {
                let line = self.open.split_to(self.seen);
                self.open.advance(1);
                self.seen = 0;
                return Ok(Some(line));
            }
            self.seen += 1;
            if self.seen > LINE_BYTES {
                return Err(Error::new(Code::TooLarge, format!("a line has at most {LINE_BYTES} bytes")));
            }
        }
        Ok(None)
    }

    /// What stands behind the last line break; only a stream that came to its end has a last line.
    pub(crate) fn rest(self) -> BytesMut {
        self.open
    }
}

/// What a line says.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    pub(crate) answer_sheet_id: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) submitted_at: String,
    #[serde(default)]
    pub(crate) parameters: Vec<Pair>,
    pub(crate) answers: Vec<Answer>,
}

/// A value of the link.
#[derive(Deserialize)]
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// What a column of CSV is.
pub(crate) enum Cell {
    AnswerSheetId,
    StartedAt,
    SubmittedAt,
    Parameter(String),
    Answer(Column),
    Ignored,
}

/// The columns that a header names.
pub(crate) fn header(text: &str, definition: &Definition) -> Result<Vec<Cell>> {
    let known = cells::columns(definition);
    let mut seen = HashSet::new();
    let names = record(text)?;
    let mut columns = Vec::with_capacity(names.len());
    for name in &names {
        let wrong = |rule: &str, what: &str| Err(Error::invalid("header", rule, format!("{what} '{}'", name.escape_debug())));
        if !seen.insert(name) {
            return wrong("repeated", "there are two columns");
        }
        columns.push(match (name, name.strip_prefix("param:"), known.iter().find(|column| column.name == name)) {
            ("answerSheetId", ..) => Cell::AnswerSheetId,
            ("startedAt", ..) => Cell::StartedAt,
            ("submittedAt", ..) => Cell::SubmittedAt,
            ("collectGroupId", ..) => Cell::Ignored,
            (_, Some(key), _) => Cell::Parameter(key.to_owned()),
            (_, _, Some(column)) => Cell::Answer(column.clone()),
            _ => return wrong("unknown", "there is no column"),
        });
    }
    if columns.iter().any(|cell| matches!(cell, Cell::SubmittedAt)) {
        return Ok(columns);
    }
    Err(Error::invalid("header", "missing", "the column submittedAt is missing"))
}

/// A line of CSV under its header.
pub(crate) fn cells(columns: &[Cell], text: &str) -> Result<Line> {
    if text.contains('\0') {
        return Err(Error::invalid("line", "control_character", "a line must not contain NUL"));
    }
    let mut line = Line::default();
    for (cell, text) in columns.iter().zip(record(text)?.iter()).filter(|(_, text)| !text.is_empty()) {
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

/// A line of NDJSON.
pub(crate) fn json(text: &str) -> Result<Line> {
    if text.contains("\\u0000") {
        return Err(Error::invalid("line", "control_character", "a line must not contain NUL"));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| Error::invalid("line", "json", format!("not JSON: {error}")))?;
    serde_json::from_value(value).map_err(|error| Error::invalid("line", "form", error.to_string()))
}

fn record(text: &str) -> Result<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).map_err(|error| Error::invalid("line", "csv", error.to_string()))?;
    Ok(record)
}

/// With an offset, because a file goes between zones; whole seconds, as all submissions.
pub(crate) fn moment(field: &str, text: &str) -> Result<DateTime<Utc>> {
    let bad = |_| Error::invalid(field, "date_time", format!("{field} must be a date-time with an offset, such as 2023-10-05T04:20:11Z"));
    DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc).trunc_subsecs(0)).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(csv: bool, pieces: &[&str]) -> (Vec<String>, String) {
        let (mut lines, mut found) = (Lines::new(csv), Vec::new());
        let text = |bytes: BytesMut| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        for piece in pieces {
            lines.push(piece.as_bytes());
            while let Some(line) = lines.next().expect("short lines") {
                found.push(text(line));
            }
        }
        (found, text(lines.rest()))
    }

    #[test]
    fn lines_come_whole_from_any_pieces() {
        assert_eq!(cut(false, &["a\nb", "c\n\"d", "\ne"]), (["a", "bc", "\"d"].map(str::to_owned).to_vec(), "e".to_owned()));
        assert_eq!(cut(true, &["a,\"b\n", "c\"\nd,\"e", "\"\n"]), (["a,\"b\nc\"", "d,\"e\""].map(str::to_owned).to_vec(), String::new()));
    }

    #[test]
    fn a_line_has_an_end_also_if_it_comes_at_once() {
        let mut lines = Lines::new(false);
        lines.push(&vec![b'x'; LINE_BYTES + 1]);
        lines.push(b"\n");
        assert_eq!(lines.next().expect_err("too long").code, Code::TooLarge);
    }
}
