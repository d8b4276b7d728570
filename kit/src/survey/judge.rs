//! Whether the answers of a sheet fit its survey.

use std::{
    collections::{BTreeMap, HashSet},
    hash::BuildHasher,
};

use chrono::NaiveDate;
use serde_json::Value;

use super::{
    answer::{Answer, Picked, TEXT_CHARS},
    definition::{Definition, Kind, PersonalField, Question, ShowIf},
};
use crate::{Error, Result, check::is_email};

/// Characters of a personal value.
const PERSONAL_CHARS: usize = 200;

/// A sheet that was filled in well, by rank; personal information apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filled {
    /// All but personal information.
    pub plain: Vec<Answer>,
    /// Personal information.
    pub personal: Vec<Answer>,
}

/// Checks answers against the survey and what its link carried. Answers that say nothing count as skipped.
///
/// # Errors
/// [`crate::Code::Invalid`] that names the answer, or the question that lacks one.
pub fn fill(definition: &Definition, parameters: &[(String, String)], answers: Vec<Answer>) -> Result<Filled> {
    let mut given = BTreeMap::new();
    for (index, answer) in answers.into_iter().enumerate() {
        let at = format!("answers.{index}");
        let Some(question) = definition.question(answer.question_rank) else {
            return Err(wrong(&at, "questionRank", "unknown", "there is no such question"));
        };
        if answer.kind.is_some_and(|kind| kind != question.kind) {
            return Err(wrong(&at, "type", "type", "is not the question's type"));
        }
        if given.insert(answer.question_rank, (at.clone(), answer)).is_some() {
            return Err(wrong(&at, "questionRank", "repeated", "the question is answered already"));
        }
    }
    let mut filled = Filled::default();
    let mut picked = HashSet::new();
    for question in &definition.questions {
        let shown = is_shown(question, parameters, &picked);
        let (at, answer) = given.remove(&question.rank).filter(|(_, answer)| !answer.is_empty()).unzip();
        let at = at.unwrap_or_default();
        if !shown {
            match answer {
                Some(_) => return Err(wrong(&at, "questionRank", "hidden", "the question is not shown to this respondent")),
                None => continue,
            }
        }
        if let Some(answer) = judge_one(&at, question, answer)? {
            picked.extend(answer.options.iter().flatten().map(|option| (question.rank, option.rank)));
            if question.kind == Kind::PersonalInfo { filled.personal.push(answer) } else { filled.plain.push(answer) }
        }
    }
    Ok(filled)
}

/// Checks the answer to a question that is shown and completes it; one that says nothing counts as skipped. `at` is where problems are
/// said to be.
///
/// # Errors
/// [`crate::Code::Invalid`] that names the answer, or the question that lacks one.
pub fn judge_one(at: &str, question: &Question, answer: Option<Answer>) -> Result<Option<Answer>> {
    let Some(mut answer) = answer.filter(|answer| !answer.is_empty()) else {
        let rank = question.rank;
        let missing = || Error::invalid(format!("answers.questionRank={rank}"), "required", format!("question {rank} must be answered"));
        return if question.required { Err(missing()) } else { Ok(None) };
    };
    judge(at, question, &mut answer)?;
    answer.kind = Some(question.kind);
    Ok(Some(answer))
}

/// Whether a question is shown, given the link's parameters and the (question, option) ranks that were picked before it.
pub fn is_shown<S: BuildHasher>(question: &Question, parameters: &[(String, String)], picked: &HashSet<(u32, u32), S>) -> bool {
    match &question.show_if {
        None => true,
        Some(ShowIf::Parameter { parameter, equals }) => parameters.iter().any(|(key, value)| key == parameter && value == equals),
        Some(ShowIf::Option { question_rank, option_rank }) => picked.contains(&(*question_rank, *option_rank)),
    }
}

fn judge(at: &str, question: &Question, answer: &mut Answer) -> Result<()> {
    only(at, question.kind, answer)?;
    match question.kind {
        Kind::SingleChoice | Kind::MultipleChoice | Kind::Dropdown | Kind::Ranking => {
            picks(&format!("{at}.options"), question, answer.options.as_mut())
        }
        Kind::MatrixSingle | Kind::MatrixMultiple => matrix(at, question, answer),
        Kind::Scale | Kind::Nps | Kind::Number => number(at, question, answer.value.as_ref()),
        Kind::ShortText | Kind::LongText => text(at, question, answer.text.as_deref()),
        Kind::Date => date(&format!("{at}.value"), answer.value.as_ref().and_then(Value::as_str)),
        Kind::PersonalInfo => personal(at, question, answer),
        Kind::Description => Err(wrong(at, "questionRank", "unanswerable", "a description is not answered")),
    }
}

/// Nothing is there that the kind does not have.
fn only(at: &str, kind: Kind, answer: &Answer) -> Result<()> {
    let personal = kind == Kind::PersonalInfo;
    let parts = [
        ("options", answer.options.is_some(), kind.picks()),
        ("rows", answer.rows.is_some(), kind.is_matrix()),
        ("value", answer.value.is_some(), matches!(kind, Kind::Scale | Kind::Nps | Kind::Number | Kind::Date)),
        ("text", answer.text.is_some(), matches!(kind, Kind::ShortText | Kind::LongText)),
        ("fields", answer.fields.is_some(), personal),
        ("consent", answer.consent.is_some(), personal),
    ];
    match parts.into_iter().find(|(_, there, allowed)| *there && !*allowed) {
        Some((name, ..)) => Err(wrong(at, name, "unused", &format!("{kind:?} has no {name}"))),
        None => Ok(()),
    }
}

fn picks(at: &str, question: &Question, picked: Option<&mut Vec<Picked>>) -> Result<()> {
    let picked = picked.ok_or_else(|| Error::invalid(at, "missing", format!("{at}: missing")))?;
    let mut seen = HashSet::new();
    for (index, pick) in picked.iter_mut().enumerate() {
        let here = format!("{at}.{index}");
        let Some(option) = question.options.iter().find(|option| option.rank == pick.rank) else {
            return Err(wrong(&here, "rank", "unknown", "there is no such option"));
        };
        if !seen.insert(pick.rank) {
            return Err(wrong(&here, "rank", "repeated", "the option is picked already"));
        }
        pick.text = pick.text.take().filter(|text| !text.trim().is_empty());
        match &pick.text {
            Some(_) if !option.is_other => return Err(wrong(&here, "text", "unused", "only an 'other' option has a text")),
            Some(text) if text.chars().count() > TEXT_CHARS => {
                return Err(wrong(&here, "text", "too_long", &format!("has at most {TEXT_CHARS} characters")));
            }
            _ => {}
        }
        if option.is_exclusive && index > 0 {
            return Err(wrong(&here, "rank", "exclusive", "the option excludes every other"));
        }
    }
    let exclusive = question.options.iter().any(|option| option.is_exclusive && seen.contains(&option.rank));
    if exclusive && picked.len() > 1 {
        return Err(wrong(at, "rank", "exclusive", "one of the options excludes every other"));
    }
    let all = u32::try_from(question.options.len()).unwrap_or(u32::MAX);
    let most = if question.kind.is_single() { 1 } else { question.max_selection.unwrap_or(all) };
    let fewest = if exclusive { 0 } else { question.min_selection.unwrap_or(0) };
    let count = u32::try_from(picked.len()).unwrap_or(u32::MAX);
    if count > most || count < fewest {
        return Err(Error::invalid(at, "selection", format!("{at}: from {fewest} to {most} options are picked")));
    }
    Ok(())
}

fn matrix(at: &str, question: &Question, answer: &mut Answer) -> Result<()> {
    let rows = answer.rows.get_or_insert_default();
    rows.retain(|row| !row.options.is_empty());
    let mut seen = HashSet::new();
    for (index, row) in rows.iter_mut().enumerate() {
        let here = format!("{at}.rows.{index}");
        if !question.rows.iter().any(|known| known.rank == row.rank) {
            return Err(wrong(&here, "rank", "unknown", "there is no such row"));
        }
        if !seen.insert(row.rank) {
            return Err(wrong(&here, "rank", "repeated", "the row is answered already"));
        }
        picks(&format!("{here}.options"), question, Some(&mut row.options))?;
    }
    if question.required && seen.len() < question.rows.len() {
        return Err(wrong(at, "rows", "required", "every row must be answered"));
    }
    rows.sort_by_key(|row| row.rank);
    Ok(())
}

fn number(at: &str, question: &Question, value: Option<&Value>) -> Result<()> {
    let Some(number) = value.and_then(Value::as_f64) else { return Err(wrong(at, "value", "number", "must be a number")) };
    if question.kind != Kind::Number && number.fract() != 0.0 {
        return Err(wrong(at, "value", "whole", "must be a whole number"));
    }
    let (least, largest) = question.range();
    if least.is_some_and(|least| number < least) || largest.is_some_and(|largest| number > largest) {
        return Err(wrong(at, "value", "range", "is out of range"));
    }
    Ok(())
}

fn text(at: &str, question: &Question, text: Option<&str>) -> Result<()> {
    let most = question.max_length.and_then(|chars| usize::try_from(chars).ok()).unwrap_or(TEXT_CHARS);
    match text {
        Some(text) if text.chars().count() > most => Err(wrong(at, "text", "too_long", &format!("has at most {most} characters"))),
        Some(_) => Ok(()),
        None => Err(wrong(at, "text", "missing", "missing")),
    }
}

fn date(at: &str, text: Option<&str>) -> Result<()> {
    let good = text.is_some_and(|text| text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok());
    if good { Ok(()) } else { Err(Error::invalid(at, "date", format!("{at}: must be a date such as 2023-10-05"))) }
}

fn personal(at: &str, question: &Question, answer: &mut Answer) -> Result<()> {
    if answer.consent != Some(true) {
        return Err(wrong(at, "consent", "required", "personal information needs the respondent's consent"));
    }
    let fields = answer.fields.get_or_insert_default();
    fields.retain(|_, text| text.as_str().is_none_or(|text| !text.trim().is_empty()));
    for (name, value) in fields.iter() {
        let place = format!("{at}.fields.{name}");
        let Some(field) = PersonalField::of(name).filter(|field| question.fields.contains(field)) else {
            return Err(Error::invalid(format!("{at}.fields"), "unknown", format!("{at}.fields: the question asks for no such field")));
        };
        let text = value.as_str().ok_or_else(|| Error::invalid(&place, "string_type", format!("{place}: must be a text")))?;
        personal_value(&place, field, text)?;
    }
    if question.required
        && let Some(missing) = question.fields.iter().find(|field| !fields.contains_key(field.name()))
    {
        return Err(wrong(at, "fields", "required", &format!("{} must be answered", missing.name())));
    }
    Ok(())
}

fn personal_value(at: &str, field: PersonalField, text: &str) -> Result<()> {
    if text.chars().count() > PERSONAL_CHARS {
        return Err(Error::invalid(at, "too_long", format!("{at}: has at most {PERSONAL_CHARS} characters")));
    }
    let fits = match field {
        PersonalField::Name | PersonalField::Address => true,
        PersonalField::Cellphone => {
            text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b' '))
        }
        PersonalField::Email => is_email(text),
        PersonalField::BirthDate => return date(at, Some(text)),
    };
    if fits { Ok(()) } else { Err(Error::invalid(at, "pattern", format!("{at}: does not look like one"))) }
}

fn wrong(at: &str, name: &str, rule: &str, message: &str) -> Error {
    Error::invalid(format!("{at}.{name}"), rule, format!("{at}.{name}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::{super::read_answers, *};

    const SURVEY: &str = r#"{"title": "조사", "parameters": [{"key": "store"}], "questions": [
        {"type": "MultipleChoice", "text": "무엇", "required": true, "maxSelection": 2, "options": [
            {"text": "가"}, {"text": "나"}, {"text": "기타", "isOther": true}, {"text": "없음", "isExclusive": true}]},
        {"type": "Nps", "text": "추천", "showIf": {"questionRank": 1, "optionRank": 2}},
        {"type": "MatrixSingle", "text": "표", "rows": [{"text": "r1"}, {"text": "r2"}], "options": [{"text": "o1"}, {"text": "o2"}]},
        {"type": "Date", "text": "날짜", "showIf": {"parameter": "store", "equals": "강남점"}},
        {"type": "PersonalInfo", "text": "연락처", "fields": ["name", "email"], "consent": "동의"}]}"#;

    fn judged(answers: &str) -> Result<Filled> {
        let definition = Definition::read(SURVEY).expect("a good survey");
        fill(&definition, &[("store".into(), "강남점".into())], read_answers(answers)?)
    }

    #[test]
    fn good_answers_are_kept_with_their_kinds() {
        let filled = judged(
            r#"[{"questionRank": 5, "fields": {"name": "김널", "email": "a@b.kr"}, "consent": true},
                {"questionRank": 1, "options": [{"rank": 2}, {"rank": 3, "text": "직접"}]}, {"questionRank": 2, "value": 10},
                {"questionRank": 4, "value": "2023-10-05"}, {"questionRank": 3, "rows": [{"rank": 2, "options": [{"rank": 1}]}]}]"#,
        )
        .expect("fits");
        assert_eq!(filled.plain.iter().map(|answer| answer.question_rank).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(filled.plain[1].kind, Some(Kind::Nps));
        assert_eq!(filled.personal.len(), 1);
    }

    #[test]
    fn each_wrong_answer_names_its_field() {
        let first = r#"{"questionRank": 1, "options": [{"rank": 1}]}"#;
        for (answers, field) in [
            ("[]".to_owned(), "answers.questionRank=1"),
            (r#"[{"questionRank": 9}]"#.to_owned(), "answers.0.questionRank"),
            (r#"[{"questionRank": 1, "options": [{"rank": 9}]}]"#.to_owned(), "answers.0.options.0.rank"),
            (r#"[{"questionRank": 1, "options": [{"rank": 1}, {"rank": 1}]}]"#.to_owned(), "answers.0.options.1.rank"),
            (r#"[{"questionRank": 1, "options": [{"rank": 1, "text": "x"}]}]"#.to_owned(), "answers.0.options.0.text"),
            (r#"[{"questionRank": 1, "options": [{"rank": 1}, {"rank": 2}, {"rank": 3}]}]"#.to_owned(), "answers.0.options"),
            (r#"[{"questionRank": 1, "options": [{"rank": 1}, {"rank": 4}]}]"#.to_owned(), "answers.0.options.1.rank"),
            (r#"[{"questionRank": 1, "options": [{"rank": 4}, {"rank": 1}]}]"#.to_owned(), "answers.0.options.rank"),
            (r#"[{"questionRank": 1, "value": 3}]"#.to_owned(), "answers.0.value"),
            (format!(r#"[{first}, {{"questionRank": 2, "value": 3}}]"#), "answers.1.questionRank"),
            (format!(r#"[{first}, {{"questionRank": 4, "value": "2023-13-05"}}]"#), "answers.1.value"),
            (format!("[{first}, {first}]"), "answers.1.questionRank"),
            (format!(r#"[{first}, {{"questionRank": 3, "rows": [{{"rank": 3, "options": [{{"rank": 1}}]}}]}}]"#), "answers.1.rows.0.rank"),
            (format!(r#"[{first}, {{"questionRank": 5, "fields": {{"name": "x"}}}}]"#), "answers.1.consent"),
            (format!(r#"[{first}, {{"questionRank": 5, "fields": {{"address": "x"}}, "consent": true}}]"#), "answers.1.fields"),
            (format!(r#"[{first}, {{"questionRank": 5, "fields": {{"email": "x"}}, "consent": true}}]"#), "answers.1.fields.email"),
            (
                format!(r#"[{first}, {{"questionRank": 5, "fields": {{"email": "kim@x.kr 010-1234-5678"}}, "consent": true}}]"#),
                "answers.1.fields.email",
            ),
            (
                format!(r#"[{first}, {{"questionRank": 5, "fields": {{"email": "kim@x.kr@y.kr"}}, "consent": true}}]"#),
                "answers.1.fields.email",
            ),
        ] {
            assert_eq!(judged(&answers).expect_err(&answers).fields.remove(0).field, field, "{answers}");
        }
    }
}
