//! The columns of a live table and the cells of its rows: one row per sheet, one column per question (per row of a matrix), with the words
//! that respondents saw in place of ranks. Personal information, uids and panels have no column.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, SecondsFormat, Utc};
use madang_kit::{
    Error, Result,
    survey::{Answer, Choice, Definition, Kind, Picked, Question, plain_text},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    cells::{self, Column, Part},
    export::spelled,
    sheet::UID,
    store::sheet::Sheet,
};

/// The unique key of the table.
pub(crate) const KEY: &str = "answerSheetId";
/// Columns of a table of the DataStore.
const MOST: usize = 1_600;
/// Bytes of a column's name there.
const NAME_BYTES: usize = 63;
/// Characters of an option's label in a cell.
const LABEL_CHARS: usize = 300;
/// Characters of a column's label.
const HEADING_CHARS: usize = 500;
/// Characters of a cell, and of one in a row that would be larger than [`ROW_BYTES`] otherwise.
const CELL_CHARS: usize = 8_192;
const SHORT_CELL_CHARS: usize = 512;
/// Bytes of a row as JSON.
const ROW_BYTES: usize = 8 << 20;

/// A column as the catalogue is told of it, and as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Described {
    /// Its name.
    pub(crate) id: String,
    /// PostgreSQL's name of its type.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    info: Info,
}

/// What the catalogue shows beside a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Info {
    label: String,
}

/// How sheets of a survey become rows.
pub(crate) struct Shape {
    definition: Definition,
    /// (Key, column).
    parameters: Vec<(String, String)>,
    answers: Vec<Column>,
    groups: HashMap<String, String>,
    /// Labels of options, by question and option.
    labels: HashMap<(u32, u32), String>,
}

impl Shape {
    /// Of a definition, with names of collect groups by id.
    ///
    /// # Errors
    /// [`madang_kit::Code::Invalid`] if a table can't have so many columns.
    pub(crate) fn new(definition: Definition, groups: HashMap<String, String>) -> Result<Self> {
        let answers = cells::columns(&definition).into_iter().filter(|column| column.kind != Kind::PersonalInfo).collect();
        let mut taken = HashSet::new();
        let keys = definition.parameters.iter().map(|parameter| parameter.key.clone()).filter(|key| !key.eq_ignore_ascii_case(UID));
        let parameters = keys.map(|key| (named(&key, &mut taken), key)).map(|(column, key)| (key, column)).collect();
        let labels = definition.questions.iter().flat_map(labels).collect();
        let shape = Self { definition, parameters, answers, groups, labels };
        let count = shape.described().len();
        if count > MOST {
            let message = format!("the survey has {count} columns; a table has at most {MOST}");
            return Err(Error::invalid("surveyId", "too_many", message));
        }
        Ok(shape)
    }

    /// Its columns.
    pub(crate) fn described(&self) -> Vec<Described> {
        let column = |id: &str, kind: &str, label: String| Described { id: id.to_owned(), kind: kind.to_owned(), info: Info { label } };
        let own = [
            (KEY, "text", "answer sheet"),
            ("collectGroupId", "text", "collect group (id)"),
            ("collectGroup", "text", "collect group"),
            ("startedAt", "timestamptz", "started"),
            ("submittedAt", "timestamptz", "submitted"),
        ];
        let own = own.map(|(id, kind, label)| column(id, kind, label.to_owned())).into_iter();
        let parameters = self.parameters.iter().map(|(key, id)| {
            let name = self.definition.parameters.iter().find(|known| known.key == *key).and_then(|known| known.name.clone());
            column(id, "text", name.unwrap_or_else(|| key.clone()))
        });
        let answers = self.answers.iter().map(|answer| column(&answer.name, kind(answer.kind), self.heading(answer)));
        own.chain(parameters).chain(answers).collect()
    }

    fn heading(&self, column: &Column) -> String {
        let question = self.definition.question(column.rank);
        let mut heading = question.map(|question| plain_text(&question.text)).unwrap_or_default();
        if let (Part::Row(rank), Some(question)) = (&column.part, question)
            && let Some(row) = question.rows.iter().find(|row| row.rank == *rank)
        {
            heading = format!("{heading} — {}", plain_text(&row.text));
        }
        cut(&heading, HEADING_CHARS)
    }

    /// A sheet's row.
    pub(crate) fn row(&self, sheet: &Sheet) -> Result<Value> {
        let row = self.row_within(sheet, CELL_CHARS)?;
        if row.to_string().len() <= ROW_BYTES { Ok(row) } else { self.row_within(sheet, SHORT_CELL_CHARS) }
    }

    fn row_within(&self, sheet: &Sheet, chars: usize) -> Result<Value> {
        let parameters: Vec<(String, String)> = serde_json::from_str(&sheet.parameters).map_err(Error::internal)?;
        let answers: Vec<Answer> = serde_json::from_str(&sheet.answers).map_err(Error::internal)?;
        let mut row = Map::new();
        row.insert(KEY.to_owned(), spelled(&sheet.id).into());
        row.insert("collectGroupId".to_owned(), spelled(&sheet.collect_group_id).into());
        row.insert("collectGroup".to_owned(), json!(self.groups.get(&sheet.collect_group_id)));
        row.insert("startedAt".to_owned(), moment(sheet.started_at));
        row.insert("submittedAt".to_owned(), moment(sheet.submitted_at));
        for (key, column) in &self.parameters {
            let value = parameters.iter().find(|(known, _)| known == key).map(|(_, value)| value);
            row.insert(column.clone(), json!(value));
        }
        for column in &self.answers {
            let answer = answers.iter().find(|answer| answer.question_rank == column.rank);
            let cell = answer.map(|answer| self.cell(column, answer)).unwrap_or_default();
            let cell = match cell {
                Value::String(text) => Value::String(cut(&text, chars)),
                other => other,
            };
            row.insert(column.name.clone(), cell);
        }
        Ok(Value::Object(row))
    }

    fn cell(&self, column: &Column, answer: &Answer) -> Value {
        let picked = |options: &Vec<Picked>| if options.is_empty() { Value::Null } else { self.picked(column, options).into() };
        match &column.part {
            Part::Row(rank) => {
                let row = answer.rows.iter().flatten().find(|row| row.rank == *rank);
                row.map(|row| picked(&row.options)).unwrap_or_default()
            }
            Part::Field(_) => Value::Null,
            Part::Whole => match (&answer.options, &answer.value, &answer.text) {
                (Some(options), ..) => picked(options),
                (_, Some(Value::Number(number)), _) if matches!(column.kind, Kind::Scale | Kind::Nps) => {
                    json!(number.as_i64().or_else(|| whole(number.as_f64()?)))
                }
                (_, Some(value), _) => value.clone(),
                (.., Some(text)) => text.clone().into(),
                _ => Value::Null,
            },
        }
    }

    /// Labels of what was picked: `; ` between them, of a ranking ` > `; the text of an "other" option behind a colon.
    fn picked(&self, column: &Column, options: &[Picked]) -> String {
        let between = if column.kind == Kind::Ranking { " > " } else { "; " };
        let shown = options.iter().map(|pick| {
            let label = self.labels.get(&(column.rank, pick.rank)).cloned().unwrap_or_else(|| pick.rank.to_string());
            let shown = pick.text.as_ref().map_or_else(|| label.clone(), |text| format!("{label}: {text}"));
            shown.replace(';', ",")
        });
        shown.collect::<Vec<_>>().join(between)
    }
}

/// The column of a link's value; its name is as short as the DataStore wants it, and different from others without regard to case.
fn named(key: &str, taken: &mut HashSet<String>) -> String {
    let mut name = format!("param_{key}");
    name.truncate(NAME_BYTES); // keys are ASCII
    for number in 2.. {
        if taken.insert(name.to_ascii_lowercase()) {
            break;
        }
        let end = format!("_{number}");
        name.truncate(NAME_BYTES - end.len());
        name.push_str(&end);
    }
    name
}

/// The type of a column.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Scale | Kind::Nps => "int8",
        Kind::Number => "float8",
        Kind::Date => "date",
        _ => "text",
    }
}

/// A whole number that was written with a point.
#[expect(clippy::cast_possible_truncation, reason = "a scale has whole numbers, and hardly a hundred of them")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
}

/// The words of a question's options; where two have the same or one has none, ranks tell them apart.
fn labels(question: &Question) -> Vec<((u32, u32), String)> {
    let words: Vec<String> = question.options.iter().map(|option| cut(&plain_text(&option.text), LABEL_CHARS)).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for words in &words {
        *counts.entry(words).or_default() += 1;
    }
    let label = |(option, words): (&Choice, &String)| {
        let label = match (words.is_empty(), counts.get(words.as_str())) {
            (true, _) => option.rank.to_string(),
            (false, Some(1)) => words.clone(),
            _ => format!("{words} ({})", option.rank),
        };
        ((question.rank, option.rank), label)
    };
    question.options.iter().zip(&words).map(label).collect()
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars - 1).chain(['…']).collect(),
    }
}

fn moment(at: DateTime<Utc>) -> Value {
    at.to_rfc3339_opts(SecondsFormat::Secs, true).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Shape {
        Shape::new(Definition::read(text).expect("a survey"), HashMap::from([("g".to_owned(), "링크".to_owned())])).expect("a shape")
    }

    fn sheet(parameters: &str, answers: &str) -> Sheet {
        Sheet {
            id: "018f0000-0000-7000-8000-000000000001".to_owned(),
            collect_group_id: "g".to_owned(),
            panel_id: None,
            uid: None,
            parameters: parameters.to_owned(),
            answers: answers.to_owned(),
            masked: None,
            started_at: DateTime::UNIX_EPOCH,
            submitted_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn rows_have_words() {
        let shape = shape(
            r#"{"title": "t", "parameters": [{"key": "uid"}, {"key": "store", "name": "매장"}], "questions": [
                {"type": "MultipleChoice", "text": "<p>어디?</p>", "options": [{"text": "<b>강남;점</b>"}, {"text": "기타", "isOther": true}]},
                {"type": "Ranking", "text": "b", "options": [{"text": "x"}, {"text": "y"}]},
                {"type": "MatrixSingle", "text": "c", "rows": [{"text": "r"}, {"text": "s"}], "options": [{"text": "x"}, {"text": "x"}]},
                {"type": "Nps", "text": "d"}, {"type": "PersonalInfo", "text": "f", "fields": ["name"], "consent": "c"}]}"#,
        );
        let answers = r#"[{"questionRank": 1, "options": [{"rank": 1}, {"rank": 2, "text": "직접"}]},
            {"questionRank": 2, "options": [{"rank": 2}, {"rank": 1}]},
            {"questionRank": 3, "rows": [{"rank": 1, "options": [{"rank": 2}]}]}, {"questionRank": 4, "value": 9.0}]"#;
        let row = shape.row(&sheet(r#"[["store", "강남"], ["uid", "A-1"]]"#, answers)).expect("a row");
        assert_eq!((&row["Q1"], &row["Q2"]), (&json!("강남,점; 기타: 직접"), &json!("y > x")));
        assert_eq!((&row["Q3_R1"], &row["Q3_R2"], &row["Q4"]), (&json!("x (2)"), &Value::Null, &json!(9)));
        assert_eq!((&row["param_store"], &row["collectGroup"]), (&json!("강남"), &json!("링크")));
        assert!(!row.to_string().contains("A-1"));
        let columns = shape.described();
        assert!(columns.iter().all(|column| !column.id.starts_with("Q5") && column.id != "param_uid"));
        assert_eq!(columns.iter().find(|column| column.id == "Q3_R2").expect("a column").info.label, "c — s");
    }

    #[test]
    fn names_fit_and_differ() {
        let mut taken = HashSet::new();
        let names = [60, 61, 62].map(|length| named(&"k".repeat(length), &mut taken));
        assert!(names.iter().all(|name| name.len() <= NAME_BYTES) && names[0] != names[1] && names[1] != names[2], "{names:?}");
    }
}
