//! What a definition must keep to.

use std::collections::HashSet;

use super::{
    answer::TEXT_CHARS,
    definition::{Definition, Kind, Question, ShowIf},
};
use crate::{Error, Result, check};

/// The query key of a link's signature; no parameter may be called so.
pub const RESERVED_KEY: &str = "hmac";

const MAX_QUESTIONS: usize = 500;
const MAX_OPTIONS: usize = 200;
const MAX_ROWS: usize = 100;
const MAX_PARAMETERS: usize = 50;
/// Characters of a parameter's key.
const KEY_CHARS: usize = 64;
/// Characters of a question's, an option's or a row's HTML.
const HTML_CHARS: usize = 5_000;
const LABEL_CHARS: usize = 200;
/// Options, steps and fields that a whole survey shows, each of a matrix in each row and each place of a ranking with each option:
/// what a page of it consists of.
const MAX_CONTROLS: usize = 20_000;
/// Bytes of the texts of options that matrices repeat in their rows.
const MAX_REPEATED_BYTES: usize = 2 << 20;
/// Steps of a scale.
const SCALE_STEPS: f64 = 100.0;

/// Checks everything; the first problem is told.
pub(super) fn check(definition: &Definition) -> Result<()> {
    check::title("title", &definition.title)?;
    parameters(definition)?;
    at_most("questions", definition.questions.len(), MAX_QUESTIONS)?;
    for (index, question) in definition.questions.iter().enumerate() {
        let at = format!("questions.{index}");
        rank(&at, question.rank, index)?;
        shape(&at, question)?;
        texts(&at, question)?;
        numbers(&at, question)?;
        branching(&at, definition, question)?;
    }
    size(&definition.questions)
}

/// A definition of a megabyte must not become a page of hundreds.
fn size(questions: &[Question]) -> Result<()> {
    let (mut controls, mut repeated) = (0_usize, 0_usize);
    for (index, question) in questions.iter().enumerate() {
        let at = format!("questions.{index}");
        controls = controls.saturating_add(question_controls(question));
        if controls > MAX_CONTROLS {
            let message = format!("with it the survey has more than {MAX_CONTROLS} controls: options, places, rows by options, steps");
            return wrong(&at, "too_large", &message);
        }
        let texts: usize = question.options.iter().map(|option| option.text.len()).sum();
        repeated = repeated.saturating_add(texts.saturating_mul(question.rows.len()));
        if repeated > MAX_REPEATED_BYTES {
            let message = format!("with it the rows of the survey's matrices repeat more than {MAX_REPEATED_BYTES} bytes of options");
            return wrong(&at, "too_large", &message);
        }
    }
    Ok(())
}

/// Controls of one question on a page.
fn question_controls(question: &Question) -> usize {
    let options = question.options.len();
    let most = question.max_selection.and_then(|most| usize::try_from(most).ok());
    match question.kind {
        Kind::Ranking => options.saturating_mul(most.map_or(options, |most| most.min(options))),
        Kind::MatrixSingle | Kind::MatrixMultiple => options.saturating_mul(question.rows.len()),
        Kind::Scale | Kind::Nps => steps(question),
        Kind::PersonalInfo => question.fields.len(),
        _ => options.max(1),
    }
}

/// Numbers of a scale; [`numbers`] has seen that they are few.
fn steps(question: &Question) -> usize {
    let (least, largest) = question.range();
    let between = largest.unwrap_or_default() - least.unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by SCALE_STEPS")]
    let between = between.clamp(0.0, SCALE_STEPS) as usize;
    between + 1
}

fn parameters(definition: &Definition) -> Result<()> {
    at_most("parameters", definition.parameters.len(), MAX_PARAMETERS)?;
    let mut keys = HashSet::new();
    for (index, parameter) in definition.parameters.iter().enumerate() {
        let at = format!("parameters.{index}.key");
        let plain = parameter.key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !plain || parameter.key.is_empty() || parameter.key.len() > KEY_CHARS {
            return wrong(&at, "pattern", &format!("has 1 to {KEY_CHARS} letters, digits, - or _"));
        }
        if parameter.key.eq_ignore_ascii_case(RESERVED_KEY) {
            return wrong(&at, "reserved", "'hmac' is the signature's own key");
        }
        if !keys.insert(parameter.key.to_ascii_lowercase()) {
            return wrong(&at, "repeated", &format!("'{}' is declared already", parameter.key));
        }
        short(&format!("parameters.{index}.name"), parameter.name.as_deref(), LABEL_CHARS)?;
    }
    Ok(())
}

/// Which parts a question of its kind has: those it needs are there, no other one is.
fn shape(at: &str, question: &Question) -> Result<()> {
    use Kind::{Description, LongText, MatrixMultiple, MultipleChoice, Number, PersonalInfo, Ranking, Scale, ShortText};
    let kind = question.kind;
    let chooses = kind.picks() || kind.is_matrix();
    let parts = [
        ("options", !question.options.is_empty(), chooses, chooses),
        ("rows", !question.rows.is_empty(), kind.is_matrix(), kind.is_matrix()),
        ("fields", !question.fields.is_empty(), kind == PersonalInfo, kind == PersonalInfo),
        ("consent", question.consent.is_some(), kind == PersonalInfo, kind == PersonalInfo),
        ("minSelection", question.min_selection.is_some(), matches!(kind, MultipleChoice | MatrixMultiple), false),
        ("maxSelection", question.max_selection.is_some(), matches!(kind, MultipleChoice | MatrixMultiple | Ranking), false),
        ("minValue", question.min_value.is_some(), matches!(kind, Scale | Number), kind == Scale),
        ("maxValue", question.max_value.is_some(), matches!(kind, Scale | Number), kind == Scale),
        ("minLabel", question.min_label.is_some(), matches!(kind, Scale | Kind::Nps), false),
        ("maxLabel", question.max_label.is_some(), matches!(kind, Scale | Kind::Nps), false),
        ("maxLength", question.max_length.is_some(), matches!(kind, ShortText | LongText), false),
        ("unit", question.unit.is_some(), kind == Number, false),
        ("required", question.required, kind != Description, false),
    ];
    for (name, there, allowed, needed) in parts {
        if there && !allowed {
            return wrong(&format!("{at}.{name}"), "unused", &format!("{kind:?} has no {name}"));
        }
        if needed && !there {
            return wrong(&format!("{at}.{name}"), "missing", &format!("{kind:?} needs {name}"));
        }
    }
    at_most(&format!("{at}.options"), question.options.len(), MAX_OPTIONS)?;
    at_most(&format!("{at}.rows"), question.rows.len(), MAX_ROWS)?;
    let different: HashSet<_> = question.fields.iter().collect();
    if different.len() < question.fields.len() {
        return wrong(&format!("{at}.fields"), "repeated", "each field is asked once");
    }
    if kind.is_matrix() && question.options.iter().any(|option| option.is_other) {
        return wrong(&format!("{at}.options"), "unused", "a matrix has no free text");
    }
    Ok(())
}

fn texts(at: &str, question: &Question) -> Result<()> {
    html(&format!("{at}.text"), &question.text)?;
    for (index, option) in question.options.iter().enumerate() {
        rank(&format!("{at}.options.{index}"), option.rank, index)?;
        html(&format!("{at}.options.{index}.text"), &option.text)?;
    }
    for (index, row) in question.rows.iter().enumerate() {
        rank(&format!("{at}.rows.{index}"), row.rank, index)?;
        html(&format!("{at}.rows.{index}.text"), &row.text)?;
    }
    question.consent.as_deref().map_or(Ok(()), |consent| html(&format!("{at}.consent"), consent))?;
    short(&format!("{at}.minLabel"), question.min_label.as_deref(), LABEL_CHARS)?;
    short(&format!("{at}.maxLabel"), question.max_label.as_deref(), LABEL_CHARS)?;
    short(&format!("{at}.unit"), question.unit.as_deref(), LABEL_CHARS)
}

fn numbers(at: &str, question: &Question) -> Result<()> {
    let options = u32::try_from(question.options.len()).unwrap_or(u32::MAX);
    let (fewest, most) = (question.min_selection.unwrap_or(0), question.max_selection.unwrap_or(options));
    if fewest > most || question.max_selection == Some(0) {
        return wrong(&format!("{at}.maxSelection"), "range", "must not be below minSelection or 0");
    }
    if fewest > options {
        return wrong(&format!("{at}.minSelection"), "range", "must not be above the number of options");
    }
    if question.max_length.is_some_and(|chars| chars == 0 || usize::try_from(chars).is_ok_and(|chars| chars > TEXT_CHARS)) {
        return wrong(&format!("{at}.maxLength"), "range", &format!("must be 1 to {TEXT_CHARS}"));
    }
    if let (Some(least), Some(largest)) = question.range() {
        let is_scale = question.kind == Kind::Scale;
        if least > largest || (is_scale && (least >= largest || largest - least > SCALE_STEPS)) {
            return wrong(&format!("{at}.maxValue"), "range", "must be above minValue, on a scale by at most 100");
        }
        if is_scale && (least.fract() != 0.0 || largest.fract() != 0.0) {
            return wrong(&format!("{at}.minValue"), "whole", "a scale has whole numbers");
        }
    }
    Ok(())
}

/// A condition looks back only, so that one walk over the questions decides all of them.
fn branching(at: &str, definition: &Definition, question: &Question) -> Result<()> {
    match &question.show_if {
        None => Ok(()),
        Some(ShowIf::Parameter { parameter, .. }) => {
            let declared = definition.parameters.iter().any(|known| known.key == *parameter);
            if declared { Ok(()) } else { wrong(&format!("{at}.showIf.parameter"), "unknown", &format!("'{parameter}' is not declared")) }
        }
        Some(ShowIf::Option { question_rank, option_rank }) => {
            let earlier = definition.question(*question_rank).filter(|earlier| earlier.rank < question.rank && earlier.kind.picks());
            let Some(earlier) = earlier else {
                return wrong(&format!("{at}.showIf.questionRank"), "unknown", "must be an earlier question with options");
            };
            let known = earlier.options.iter().any(|option| option.rank == *option_rank);
            if known { Ok(()) } else { wrong(&format!("{at}.showIf.optionRank"), "unknown", "no such option") }
        }
    }
}

fn rank(at: &str, rank: u32, index: usize) -> Result<()> {
    if usize::try_from(rank).is_ok_and(|rank| rank == index + 1) {
        return Ok(());
    }
    wrong(&format!("{at}.rank"), "order", "ranks are 1, 2, 3, …")
}

fn html(field: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return wrong(field, "missing", "must not be empty");
    }
    short(field, Some(text), HTML_CHARS)
}

fn short(field: &str, text: Option<&str>, limit: usize) -> Result<()> {
    let Some(text) = text else { return Ok(()) };
    if text.contains('\0') {
        return wrong(field, "control_character", "must not contain NUL");
    }
    if text.chars().count() > limit { wrong(field, "too_long", &format!("has at most {limit} characters")) } else { Ok(()) }
}

fn at_most(field: &str, count: usize, limit: usize) -> Result<()> {
    if count > limit { wrong(field, "too_many", &format!("has at most {limit} entries")) } else { Ok(()) }
}

fn wrong(field: &str, rule: &str, message: &str) -> Result<()> {
    Err(Error::invalid(field, rule, format!("{field}: {message}")))
}

#[cfg(test)]
mod tests {
    use super::Definition;

    fn refused(questions: &str) -> String {
        let text = format!(r#"{{"title": "t", "parameters": [{{"key": "store"}}], "questions": {questions}}}"#);
        Definition::read(&text).expect_err(questions).fields.remove(0).field
    }

    #[test]
    fn each_rule_names_its_field() {
        for (questions, field) in [
            (r#"[{"type": "Nope", "text": "x"}]"#, "questions.0"),
            (r#"[{"type": "SingleChoice", "text": "x"}]"#, "questions.0.options"),
            (r#"[{"type": "Nps", "text": "x", "options": [{"text": "a"}]}]"#, "questions.0.options"),
            (r#"[{"type": "Nps", "text": " "}]"#, "questions.0.text"),
            (r#"[{"type": "Nps", "text": "x", "rank": 2}]"#, "questions.0.rank"),
            (r#"[{"type": "Scale", "text": "x", "minValue": 5, "maxValue": 1}]"#, "questions.0.maxValue"),
            (r#"[{"type": "Number", "text": "x", "minValue": 5, "maxValue": 1}]"#, "questions.0.maxValue"),
            (r#"[{"type": "ShortText", "text": "x", "maxLength": 5001}]"#, "questions.0.maxLength"),
            (r#"[{"type": "Nps", "text": "x", "showIf": {"parameter": "tier", "equals": "1"}}]"#, "questions.0.showIf.parameter"),
            (r#"[{"type": "Nps", "text": "x", "showIf": {"questionRank": 1, "optionRank": 1}}]"#, "questions.0.showIf.questionRank"),
            (r#"[{"type": "Description", "text": "x", "required": true}]"#, "questions.0.required"),
        ] {
            assert_eq!(refused(questions), field, "{questions}");
        }
    }

    #[test]
    fn a_page_stays_small() {
        let list = |count: usize, text: &str| vec![format!(r#"{{"text": "{text}"}}"#); count].join(",");
        let question = |kind: &str, options: usize, more: &str| {
            format!(r#"{{"type": "{kind}", "text": "x", "options": [{}]{more}}}"#, list(options, "o"))
        };
        assert_eq!(refused(&format!("[{}]", vec![question("Ranking", 200, ""); 400].join(","))), "questions.0");
        let ten = question("Ranking", 200, r#", "maxSelection": 10"#);
        assert_eq!(refused(&format!("[{}]", vec![ten; 11].join(","))), "questions.10");
        let rows = format!(r#", "rows": [{}]"#, list(100, "r"));
        let matrix = question("MatrixSingle", 200, &rows);
        assert!(Definition::read(&format!(r#"{{"title": "t", "questions": [{matrix}]}}"#)).is_ok(), "the largest one by itself");
        assert_eq!(refused(&format!("[{matrix}, {matrix}]")), "questions.1");
        let wordy = format!(r#"{{"type": "MatrixSingle", "text": "x", "options": [{}]{rows}}}"#, list(10, &"가".repeat(1_000)));
        assert_eq!(refused(&format!("[{wordy}]")), "questions.0");
        let scale = r#"{"type": "Scale", "text": "x", "minValue": 0, "maxValue": 100}"#;
        assert_eq!(refused(&format!("[{}]", [scale; 200].join(","))), "questions.198");
    }

    #[test]
    fn parameters_are_plain_and_different() {
        for keys in [r#"[{"key": "HMAC"}]"#, r#"[{"key": "a b"}]"#, r#"[{"key": "a"}, {"key": "A"}]"#] {
            let text = format!(r#"{{"title": "t", "parameters": {keys}}}"#);
            assert!(Definition::read(&text).is_err(), "{keys}");
        }
    }
}
