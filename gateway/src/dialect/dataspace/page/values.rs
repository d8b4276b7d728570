//! What stands in the controls of a form, and the way from there to answers and back.

use std::collections::HashMap;

use madang_kit::survey::{Answer, Kind, PersonalField, Picked, Question, RowPick};
use serde_json::{Map, Number, Value};
use url::form_urlencoded;

/// The name of a question's control or controls.
pub(super) fn name(rank: u32) -> String {
    format!("q{rank}")
}

/// The name of the text beside an "other" option.
pub(super) fn other_name(rank: u32, option: u32) -> String {
    format!("q{rank}.other.{option}")
}

/// The name of the controls of a matrix's row.
pub(super) fn row_name(rank: u32, row: u32) -> String {
    format!("q{rank}.row.{row}")
}

/// The name of the control that has an option's place in a ranking.
pub(super) fn place_name(rank: u32, option: u32) -> String {
    format!("q{rank}.place.{option}")
}

/// The name of the control of a piece of personal information.
pub(super) fn field_name(rank: u32, field: PersonalField) -> String {
    format!("q{rank}.{}", field.name())
}

/// The name of the control that agrees.
pub(super) fn consent_name(rank: u32) -> String {
    format!("q{rank}.consent")
}

/// The id of the control with this name and value.
pub(super) fn id(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name}-{value}")
}

/// The values of controls by their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(HashMap<String, Vec<String>>);

impl Values {
    /// What a browser sent.
    pub(super) fn of_form(body: &[u8]) -> Self {
        let mut values = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            // Browsers send CRLF for what they count as one character, and no database keeps NUL.
            values.add(name.into_owned(), value.replace("\r\n", "\n").replace('\0', ""));
        }
        values
    }

    /// What the controls of these answers show.
    pub(super) fn of_answers<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> Self {
        let mut values = Self::default();
        answers.into_iter().for_each(|answer| values.put(answer));
        values
    }

    /// Takes others over.
    pub(super) fn take(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The value of a control; empty if there is none.
    pub(super) fn first(&self, name: &str) -> &str {
        self.0.get(name).and_then(|values| values.first()).map_or("", |value| value.trim())
    }

    /// The value of a control as it was written.
    pub(super) fn written(&self, name: &str) -> &str {
        self.0.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }

    /// Whether a control of this name has this value.
    pub(super) fn has(&self, name: &str, value: &impl ToString) -> bool {
        let value = value.to_string();
        self.0.get(name).is_some_and(|values| values.contains(&value))
    }

    /// Whether any control of this name has a value.
    pub(super) fn has_any(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|values| values.iter().any(|value| !value.is_empty()))
    }

    /// Whether two options of a ranking have the same place.
    pub(super) fn has_tie(&self, question: &Question) -> bool {
        let places = self.places(question);
        places.iter().zip(places.iter().skip(1)).any(|(one, next)| one.0 == next.0)
    }

    /// The answer to a question, as it stands there.
    pub(super) fn answer(&self, question: &Question) -> Answer {
        let rank = question.rank;
        let mut answer = Answer { question_rank: rank, kind: Some(question.kind), ..Answer::default() };
        match question.kind {
            Kind::SingleChoice | Kind::MultipleChoice | Kind::Dropdown => answer.options = Some(self.picked(question)),
            Kind::Ranking => {
                let pick = |(_, rank)| Picked { rank, text: self.other(question, rank) };
                answer.options = Some(self.places(question).into_iter().map(pick).collect());
            }
            Kind::MatrixSingle | Kind::MatrixMultiple => answer.rows = Some(self.rows(question)),
            Kind::Scale | Kind::Nps | Kind::Number => answer.value = number(self.first(&name(rank))),
            Kind::Date => answer.value = Some(Value::String(self.first(&name(rank)).to_owned())),
            Kind::ShortText | Kind::LongText => answer.text = Some(self.written(&name(rank)).to_owned()),
            Kind::PersonalInfo => {
                let field = |field: &PersonalField| {
                    let text = self.first(&field_name(rank, *field)).to_owned();
                    (field.name().to_owned(), Value::String(text))
                };
                answer.fields = Some(question.fields.iter().map(field).collect::<Map<_, _>>());
                answer.consent = Some(self.has(&consent_name(rank), &1));
            }
            Kind::Description => {}
        }
        answer
    }

    fn picked(&self, question: &Question) -> Vec<Picked> {
        let ranks = self.ranks(&name(question.rank));
        ranks.map(|rank| Picked { rank, text: self.other(question, rank) }).collect()
    }

    /// What was written beside an option, if it is one where something may be.
    fn other(&self, question: &Question, option: u32) -> Option<String> {
        let is_other = question.options.iter().any(|known| known.rank == option && known.is_other);
        let text = self.first(&other_name(question.rank, option));
        (is_other && !text.is_empty()).then(|| text.to_owned())
    }

    /// Places and options of a ranking, in its order.
    fn places(&self, question: &Question) -> Vec<(u32, u32)> {
        let place = |option: u32| Some((self.first(&place_name(question.rank, option)).parse().ok()?, option));
        let mut places: Vec<_> = question.options.iter().filter_map(|option| place(option.rank)).collect();
        places.sort_unstable();
        places
    }

    fn rows(&self, question: &Question) -> Vec<RowPick> {
        let row = |rank: u32| {
            let picks = self.ranks(&row_name(question.rank, rank)).map(|rank| Picked { rank, text: None });
            RowPick { rank, options: picks.collect() }
        };
        question.rows.iter().map(|known| row(known.rank)).collect()
    }

    fn ranks<'a>(&'a self, name: &str) -> impl Iterator<Item = u32> + use<'a> {
        self.0.get(name).into_iter().flatten().filter_map(|value| value.parse().ok())
    }

    fn add(&mut self, name: String, value: String) {
        self.0.entry(name).or_default().push(value);
    }

    fn put(&mut self, answer: &Answer) {
        let rank = answer.question_rank;
        let is_ranking = answer.kind == Some(Kind::Ranking);
        for (picked, place) in answer.options.iter().flatten().zip(1..) {
            if is_ranking {
                self.add(place_name(rank, picked.rank), u32::to_string(&place));
            } else {
                self.add(name(rank), picked.rank.to_string());
            }
            if let Some(text) = &picked.text {
                self.add(other_name(rank, picked.rank), text.clone());
            }
        }
        for row in answer.rows.iter().flatten() {
            row.options.iter().for_each(|picked| self.add(row_name(rank, row.rank), picked.rank.to_string()));
        }
        if let Some(value) = &answer.value {
            self.add(name(rank), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        if let Some(text) = &answer.text {
            self.add(name(rank), text.clone());
        }
        for (key, value) in answer.fields.iter().flatten() {
            self.add(format!("q{rank}.{key}"), value.as_str().unwrap_or_default().to_owned());
        }
        if answer.consent == Some(true) {
            self.add(consent_name(rank), "1".to_owned());
        }
    }
}

/// A number as it was written, `35,000` too; what is none stays a text, for whoever judges it.
fn number(text: &str) -> Option<Value> {
    let plain = if is_grouped(text) { text.replace(',', "") } else { text.to_owned() };
    let whole = plain.parse::<i64>().ok().map(Number::from);
    let number = whole.or_else(|| plain.parse::<f64>().ok().and_then(Number::from_f64));
    (!text.is_empty()).then(|| number.map_or_else(|| Value::String(text.to_owned()), Value::Number))
}

/// Whether commas stand before every three digits and nowhere else.
fn is_grouped(text: &str) -> bool {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let mut groups = whole.strip_prefix('-').unwrap_or(whole).split(',');
    let is_digits = |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
    let is_first = groups.next().is_some_and(|first| first.len() <= 3 && is_digits(first));
    is_first && groups.all(|group| group.len() == 3 && is_digits(group)) && !rest.contains(',')
}

#[cfg(test)]
mod tests {
    use madang_kit::survey::Definition;

    use super::*;

    const SURVEY: &str = r#"{"title": "t", "questions": [
        {"type": "MultipleChoice", "text": "x", "options": [{"text": "a"}, {"text": "b"}, {"text": "c", "isOther": true}]},
        {"type": "Ranking", "text": "x", "options": [{"text": "a"}, {"text": "b"}, {"text": "c"}]},
        {"type": "MatrixMultiple", "text": "x", "rows": [{"text": "r"}, {"text": "s"}], "options": [{"text": "a"}, {"text": "b"}]},
        {"type": "Number", "text": "x"}, {"type": "LongText", "text": "x"},
        {"type": "PersonalInfo", "text": "x", "fields": ["name", "email"], "consent": "ok"}]}"#;

    #[test]
    fn answers_are_the_same_on_the_way_back() {
        let definition = Definition::read(SURVEY).expect("a survey");
        let form = "q1=1&q1=3&q1.other.3=%EA%B8%B0%ED%83%80&q1.other.2=no&q2.place.1=2&q2.place.3=1&q2.place.2=&q3.row.2=1&q3.row.2=2\
                    &q4=-1.5&q5=a%0D%0Ab&q6.name=%20Kim%20&q6.email=&q6.consent=1";
        let first = answers(&definition, &Values::of_form(form.as_bytes()));
        let again = answers(&definition, &Values::of_answers(&first));
        assert_eq!(first, again);
        let shown = serde_json::to_value(&first).expect("JSON");
        assert_eq!(shown[0]["options"], serde_json::json!([{"rank": 1, "text": null}, {"rank": 3, "text": "기타"}]));
        assert_eq!(shown[1]["options"][0]["rank"], 3);
        assert_eq!(shown[2]["rows"][1]["options"].as_array().map(Vec::len), Some(2));
        assert_eq!((&shown[3]["value"], &shown[4]["text"]), (&serde_json::json!(-1.5), &serde_json::json!("a\nb")));
        assert_eq!(shown[5]["fields"]["name"], "Kim");
    }

    #[test]
    fn what_does_not_fit_stays_as_it_was_written() {
        let definition = Definition::read(SURVEY).expect("a survey");
        let values = Values::of_form(b"q4=about%205&q2.place.1=1&q2.place.2=1&q1=x");
        let answers = answers(&definition, &values);
        assert_eq!(answers[3].value, Some(Value::String("about 5".to_owned())));
        assert!(values.has_tie(&definition.questions[1]));
        assert!(answers[0].options.as_ref().is_some_and(Vec::is_empty));
    }

    #[test]
    fn numbers_may_be_grouped() {
        for (text, value) in [
            ("35,000", serde_json::json!(35000)),
            ("-1,234,567.5", serde_json::json!(-1_234_567.5)),
            ("35000", serde_json::json!(35000)),
            ("35,00", serde_json::json!("35,00")),
            ("1,2", serde_json::json!("1,2")),
            (",000", serde_json::json!(",000")),
            ("1.5,000", serde_json::json!("1.5,000")),
        ] {
            assert_eq!(number(text), Some(value));
        }
    }

    fn answers(definition: &Definition, values: &Values) -> Vec<Answer> {
        definition.questions.iter().map(|question| values.answer(question)).collect()
    }
}
