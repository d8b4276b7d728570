//! One question as HTML. Texts of authors were made harmless when they were saved and are printed as they are; everything else is escaped.

use madang_kit::survey::{Kind, PersonalField, Question, ShowIf, TEXT_CHARS};
use maud::{Markup, PreEscaped, html};

use super::{
    choice,
    sheet::Problem,
    values::{self, Values},
    words::Words,
};

/// With it, browsers take a year of four digits and not of six.
const LAST_DATE: &str = "9999-12-31";

/// What a question is drawn from.
pub(super) struct Look<'a> {
    pub(super) question: &'a Question,
    /// What it is shown with.
    pub(super) number: usize,
    pub(super) values: &'a Values,
    /// What is wrong with its answer.
    pub(super) problem: Option<&'a Problem>,
    pub(super) words: Words,
    pub(super) is_shown: bool,
}

impl<'a> Look<'a> {
    /// The ids of what is said about the question's controls.
    pub(super) fn described_by(&self) -> Option<String> {
        let rank = self.question.rank;
        let hint = self.hint().map(|_| format!("hint-{rank}"));
        let problem = self.problem.map(|_| format!("problem-{rank}"));
        let ids: Vec<_> = problem.into_iter().chain(hint).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    /// The problem, if it is one of this control, and so stands beside it.
    fn problem_of(&self, control: &str) -> Option<&'a Problem> {
        self.problem.filter(|problem| problem.control == control)
    }

    /// Whether every row of a matrix wants an answer and some have none, but not all.
    pub(super) fn misses_rows(&self) -> bool {
        let is_answered = || self.question.rows.iter().any(|row| self.values.has_any(&values::row_name(self.question.rank, row.rank)));
        self.question.required && self.problem.is_some() && is_answered()
    }

    /// What an answer has to be like.
    fn hint(&self) -> Option<String> {
        let (question, words) = (self.question, self.words);
        let number = |number: &serde_json::Number| grouped(&number.to_string());
        match question.kind {
            Kind::MultipleChoice => {
                let all = u32::try_from(question.options.len()).unwrap_or(u32::MAX);
                let (fewest, most) = (question.min_selection.unwrap_or(0), question.max_selection.unwrap_or(all));
                let is_free = fewest <= 1 && most >= all;
                let any = words.pick("해당하는 것을 모두 선택해 주세요.", "Choose all that apply.");
                Some(if is_free { any.to_owned() } else { words.selection(fewest, most) })
            }
            Kind::Ranking => Some(words.pick("순서대로 순위를 선택해 주세요.", "Give each option its place.").to_owned()),
            Kind::Number => words.range(question.min_value.as_ref().map(number), question.max_value.as_ref().map(number)),
            Kind::ShortText | Kind::LongText => question.max_length.map(|chars| words.at_most_chars(chars)),
            _ => None,
        }
    }

    /// The condition that the script looks at.
    fn condition(&self) -> Option<(u32, u32)> {
        match self.question.show_if {
            Some(ShowIf::Option { question_rank, option_rank }) => Some((question_rank, option_rank)),
            _ => None,
        }
    }
}

/// The whole question.
pub(super) fn show(look: &Look<'_>) -> Markup {
    let question = look.question;
    let rank = question.rank;
    let (depends, option) = look.condition().unzip();
    if question.kind == Kind::Description {
        return html! {
            div.description #{ "question-" (rank) } hidden[!look.is_shown] data-depends=[depends] data-option=[option] { (PreEscaped(&question.text)) }
        };
    }
    html! {
        fieldset.question.wrong[look.problem.is_some()] #{ "question-" (rank) } hidden[!look.is_shown] aria-describedby=[look.described_by()]
            data-question=(rank) data-depends=[depends] data-option=[option] {
            legend { (heading(look)) }
            @if let Some(hint) = look.hint() { p.hint #{ "hint-" (rank) } { (hint) } }
            @if question.kind != Kind::PersonalInfo { (problem(look.problem, rank)) }
            (controls(look))
        }
    }
}

/// What is wrong, where it is.
fn problem(problem: Option<&Problem>, rank: u32) -> Markup {
    html! { @if let Some(problem) = problem { p.problem #{ "problem-" (rank) } { (problem.text) } } }
}

/// Its number and text; a question with one control is that one's label.
fn heading(look: &Look<'_>) -> Markup {
    let question = look.question;
    let text = html! {
        span.number { (look.number) "." } " "
        @if question.required { span.required { (look.words.pick("필수", "Required")) } " " }
        span.text { (PreEscaped(&question.text)) }
    };
    let has_one = matches!(question.kind, Kind::Dropdown | Kind::ShortText | Kind::LongText | Kind::Number | Kind::Date);
    html! { @if has_one { label for=(values::name(question.rank)) { (text) } } @else { (text) } }
}

fn controls(look: &Look<'_>) -> Markup {
    match look.question.kind {
        Kind::SingleChoice | Kind::MultipleChoice => choice::list(look),
        Kind::Dropdown => choice::dropdown(look),
        Kind::Ranking => choice::ranking(look),
        Kind::Scale | Kind::Nps => choice::scale(look),
        Kind::MatrixSingle | Kind::MatrixMultiple => choice::matrix(look),
        Kind::ShortText | Kind::LongText => text(look),
        Kind::Number => number(look),
        Kind::Date => date(look),
        Kind::PersonalInfo => personal(look),
        Kind::Description => html! {},
    }
}

fn text(look: &Look<'_>) -> Markup {
    let question = look.question;
    let name = values::name(question.rank);
    let most = question.max_length.and_then(|chars| usize::try_from(chars).ok()).unwrap_or(TEXT_CHARS);
    let (written, described_by, invalid) = (look.values.written(&name), look.described_by(), look.problem.map(|_| "true"));
    html! {
        @if question.kind == Kind::LongText {
            // The parser drops a line break right behind the tag, so one is given for it to drop.
            textarea id=(name) name=(name) rows="5" maxlength=(most) required[question.required] aria-describedby=[described_by] aria-invalid=[invalid] {
                "\n" (written)
            }
        } @else {
            input type="text" id=(name) name=(name) value=(written) maxlength=(most) required[question.required] aria-describedby=[described_by]
                aria-invalid=[invalid];
        }
    }
}

/// A text control with a numeric keyboard: a number control would hide from us what it can't read.
fn number(look: &Look<'_>) -> Markup {
    let question = look.question;
    let name = values::name(question.rank);
    let unit = question.unit.as_deref();
    let unit_id = unit.map(|_| format!("unit-{}", question.rank));
    let described_by = [look.described_by(), unit_id.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let invalid = look.problem.map(|_| "true");
    html! {
        div.number-answer {
            input type="text" inputmode="decimal" autocomplete="off" id=(name) name=(name) value=(look.values.written(&name))
                required[question.required] aria-describedby=[(!described_by.is_empty()).then_some(described_by)] aria-invalid=[invalid];
            @if let Some(unit) = unit { span id=[unit_id] { (unit) } }
        }
    }
}

fn date(look: &Look<'_>) -> Markup {
    let question = look.question;
    let name = values::name(question.rank);
    let invalid = look.problem.map(|_| "true");
    html! {
        input type="date" id=(name) name=(name) value=(look.values.written(&name)) max=(LAST_DATE) placeholder="2026-01-31"
            required[question.required] aria-describedby=[look.described_by()] aria-invalid=[invalid];
    }
}

fn personal(look: &Look<'_>) -> Markup {
    let question = look.question;
    let consent = values::consent_name(question.rank);
    html! {
        @for field in &question.fields { (personal_field(look, *field)) }
        (problem(look.problem_of(&consent), question.rank))
        @if let Some(text) = &question.consent {
            label.choice.consent {
                input type="checkbox" id=(consent) name=(consent) value="1" checked[look.values.has(&consent, &1)]
                    aria-invalid=[look.problem_of(&consent).map(|_| "true")];
                span.text { (PreEscaped(text)) }
            }
        }
    }
}

fn personal_field(look: &Look<'_>, field: PersonalField) -> Markup {
    let name = values::field_name(look.question.rank, field);
    let (kind, completed_by) = match field {
        PersonalField::Name => ("text", "name"),
        PersonalField::Cellphone => ("tel", "tel"),
        PersonalField::Email => ("email", "email"),
        PersonalField::Address => ("text", "street-address"),
        PersonalField::BirthDate => ("date", "bday"),
    };
    let wrong = look.problem_of(&name);
    html! {
        div.field {
            label for=(name) { (look.words.field(field)) }
            (problem(wrong, look.question.rank))
            input type=(kind) id=(name) name=(name) value=(look.values.written(&name)) maxlength="200" autocomplete=(completed_by)
                max=[(kind == "date").then_some(LAST_DATE)]
                required[look.question.required] aria-describedby=[wrong.and_then(|_| look.described_by())] aria-invalid=[wrong.map(|_| "true")];
        }
    }
}

/// A number with a comma before every three digits; one with an exponent stays as it is.
fn grouped(number: &str) -> String {
    let (sign, plain) = number.strip_prefix('-').map_or(("", number), |plain| ("-", plain));
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    if plain.contains(['e', 'E']) {
        return number.to_owned();
    }
    let mut shown = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    #[test]
    fn large_numbers_are_grouped() {
        for (number, shown) in
            [("0", "0"), ("999", "999"), ("1000", "1,000"), ("-1234567.89", "-1,234,567.89"), ("0.5", "0.5"), ("1e300", "1e300")]
        {
            assert_eq!(super::grouped(number), shown);
        }
    }
}
