//! Answers as cells of a table: how CSV shows and reads them. One column per question, `Q3`; per row of a matrix, `Q5_R1`; per field of personal
//! information, `Q6_name`. Options are ranks joined by `;`, the text of an "other" one behind a colon: `1;4:직접`.

use madang_kit::survey::{Answer, Definition, Kind, Picked, RowPick};
use serde_json::{Map, Value};

/// A column of answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Its question's.
    pub(crate) rank: u32,
    /// Its question's.
    pub(crate) kind: Kind,
    pub(crate) part: Part,
}

/// Which part of an answer a column holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// A row of a matrix.
    Row(u32),
    /// A field of personal information.
    Field(&'static str),
}

/// The columns of a survey, in order.
pub(crate) fn columns(definition: &Definition) -> Vec<Column> {
    let mut columns = Vec::new();
    for question in definition.questions.iter().filter(|question| question.kind != Kind::Description) {
        let (rank, kind) = (question.rank, question.kind);
        let mut add = |suffix: String, part| columns.push(Column { name: format!("Q{rank}{suffix}"), rank, kind, part });
        match kind {
            Kind::MatrixSingle | Kind::MatrixMultiple => {
                question.rows.iter().for_each(|row| add(format!("_R{}", row.rank), Part::Row(row.rank)));
            }
            Kind::PersonalInfo => question.fields.iter().for_each(|field| add(format!("_{}", field.name()), Part::Field(field.name()))),
            _ => add(String::new(), Part::Whole),
        }
    }
    columns
}

/// What stands in a column.
pub(crate) fn show(column: &Column, answers: &[Answer]) -> String {
    let Some(answer) = answers.iter().find(|answer| answer.question_rank == column.rank) else { return String::new() };
    match &column.part {
        Part::Row(rank) => {
            let row = answer.rows.iter().flatten().find(|row| row.rank == *rank);
            row.map(|row| picks(&row.options)).unwrap_or_default()
        }
        Part::Field(name) => {
            answer.fields.as_ref().and_then(|fields| fields.get(*name)).and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        Part::Whole => match (&answer.options, &answer.value, &answer.text) {
            (Some(options), ..) => picks(options),
            (_, Some(Value::String(text)), _) | (.., Some(text)) => text.clone(),
            (_, Some(value), _) => value.to_string(),
            _ => String::new(),
        },
    }
}

fn picks(options: &[Picked]) -> String {
    let shown = options.iter().map(|option| match &option.text {
        Some(text) => format!("{}:{}", option.rank, text.replace(';', ",")),
        None => option.rank.to_string(),
    });
    shown.collect::<Vec<_>>().join(";")
}

/// Puts a cell into the answers that it belongs to. What is no answer of its kind stays for the judge to refuse.
pub(crate) fn read(column: &Column, cell: &str, answers: &mut Vec<Answer>) {
    if cell.is_empty() {
        return;
    }
    let position = answers.iter().position(|answer| answer.question_rank == column.rank).unwrap_or_else(|| {
        answers.push(Answer {
            question_rank: column.rank,
            kind: Some(column.kind),
            options: None,
            value: None,
            text: None,
            rows: None,
            fields: None,
            consent: None,
        });
        answers.len() - 1
    });
    let Some(answer) = answers.get_mut(position) else { return };
    match &column.part {
        Part::Row(rank) => answer.rows.get_or_insert_default().push(RowPick { rank: *rank, options: read_picks(cell) }),
        Part::Field(name) => {
            answer.fields.get_or_insert_with(Map::new).insert((*name).to_owned(), Value::String(cell.to_owned()));
            answer.consent = Some(true);
        }
        Part::Whole if column.kind.picks() => answer.options = Some(read_picks(cell)),
        Part::Whole => match column.kind {
            Kind::ShortText | Kind::LongText => answer.text = Some(cell.to_owned()),
            Kind::Date => answer.value = Some(Value::String(cell.to_owned())),
            _ => answer.value = Some(serde_json::from_str(cell).unwrap_or_else(|_| Value::String(cell.to_owned()))),
        },
    }
}

fn read_picks(cell: &str) -> Vec<Picked> {
    let read = cell.split(';').map(|pick| {
        let (rank, text) = pick.split_once(':').map_or((pick, None), |(rank, text)| (rank, Some(text.to_owned())));
        Picked { rank: rank.trim().parse().unwrap_or(0), text }
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_go_there_and_back() {
        let definition = Definition::read(
            r#"{"title": "t", "questions": [
                {"type": "MultipleChoice", "text": "a", "options": [{"text": "x"}, {"text": "y", "isOther": true}]},
                {"type": "MatrixSingle", "text": "b", "rows": [{"text": "r"}, {"text": "s"}], "options": [{"text": "x"}]},
                {"type": "Nps", "text": "c"}, {"type": "Date", "text": "d"}, {"type": "LongText", "text": "e"},
                {"type": "PersonalInfo", "text": "f", "fields": ["name"], "consent": "c"}]}"#,
        )
        .expect("a survey");
        let cells = ["1;2:직접", "", "1", "9", "2023-10-05", "글", "김널"];
        let columns = columns(&definition);
        assert_eq!(
            columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
            ["Q1", "Q2_R1", "Q2_R2", "Q3", "Q4", "Q5", "Q6_name"]
        );
        let mut answers = Vec::new();
        columns.iter().zip(cells).for_each(|(column, cell)| read(column, cell, &mut answers));
        let shown: Vec<_> = columns.iter().map(|column| show(column, &answers)).collect();
        assert_eq!(shown, cells);
        assert!(madang_kit::survey::fill(&definition, &[], answers).is_ok());
    }
}
