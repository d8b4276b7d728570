//! Answers of a sheet (dataspace.md section 8).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::definition::Kind;
use crate::{Code, Error, Result};

/// Bytes of a sheet's answers as JSON.
pub const MAX_ANSWER_BYTES: usize = 256 << 10;
/// Characters of a text answer.
pub const TEXT_CHARS: usize = 5_000;
/// Answers of a sheet: one a question.
const MAX_ANSWERS: usize = 500;

/// The answer to one question. What its kind does not have is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// Which question.
    pub question_rank: u32,
    /// The question's kind; respondents may leave it out.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Options that were picked; of a ranking in its order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<Picked>>,
    /// A number; of a date `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// A text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of a matrix: what was picked in each row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<RowPick>>,
    /// Of personal information: text by the field's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Map<String, Value>>,
    /// Of personal information: that the respondent agrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<bool>,
}

/// An option that was picked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Picked {
    /// Which.
    pub rank: u32,
    /// What the respondent wrote beside an "other" option.
    #[serde(default)]
    pub text: Option<String>,
}

/// What was picked in a row of a matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RowPick {
    /// Which row.
    pub rank: u32,
    /// Its options.
    pub options: Vec<Picked>,
}

impl Answer {
    /// Whether it says nothing: as if it were not there.
    pub fn is_empty(&self) -> bool {
        let blank = |text: &str| text.trim().is_empty();
        self.options.as_ref().is_none_or(Vec::is_empty)
            && self.rows.as_ref().is_none_or(|rows| rows.iter().all(|row| row.options.is_empty()))
            && self.value.as_ref().is_none_or(|value| value.is_null() || value.as_str().is_some_and(blank))
            && self.text.as_deref().is_none_or(blank)
            && self.fields.as_ref().is_none_or(|fields| fields.values().all(|text| text.as_str().is_none_or(blank)))
    }
}

/// Reads an array of answers, each by itself well-formed.
///
/// # Errors
/// [`Code::TooLarge`], or [`Code::Invalid`] that names the answer.
pub fn read(text: &str) -> Result<Vec<Answer>> {
    if text.len() > MAX_ANSWER_BYTES {
        return Err(Error::new(Code::TooLarge, format!("answers have at most {MAX_ANSWER_BYTES} bytes")));
    }
    if text.contains("\\u0000") || text.contains('\0') {
        return Err(Error::invalid("answers", "control_character", "answers must not contain NUL"));
    }
    let list: Vec<Value> =
        serde_json::from_str(text).map_err(|error| Error::invalid("answers", "list_type", format!("answers must be a list: {error}")))?;
    if list.len() > MAX_ANSWERS {
        return Err(Error::invalid("answers", "too_many", format!("answers has at most {MAX_ANSWERS} entries")));
    }
    let read = list.into_iter().enumerate().map(|(index, value)| {
        let at = format!("answers.{index}");
        serde_json::from_value(value).map_err(|error| Error::invalid(at.clone(), "form", format!("{at}: {error}")))
    });
    read.collect()
}
