//! The form: one step of it to be seen, the others laid by for the script.

use std::collections::HashSet;

use axum::{http::StatusCode, response::Response};
use madang_kit::survey::{Question, plain_text};
use maud::{Markup, html};

use super::{
    document, question,
    sheet::{Problem, Sheet},
    values::Values,
    words::Words,
};

/// The control that carries the sheet's token.
pub(super) const SHEET: &str = "sheet";
/// The control that says which step the form shows: its number, or [`WHOLE`].
pub(super) const STEP: &str = "step";
/// All steps at once, as the script lays them out.
pub(super) const WHOLE: &str = "all";
/// What is to be done: `save`, `back`, or else on.
pub(super) const GO: &str = "go";

/// How far a sheet was filled in.
pub(super) struct Filled {
    /// The step to be seen.
    pub(super) step: usize,
    pub(super) values: Values,
    pub(super) problems: Vec<Problem>,
}

/// The page; its status says whether there are problems.
pub(super) fn page(sheet: &Sheet, serial: &str, filled: &Filled) -> Response {
    let (words, title) = (sheet.words, &sheet.definition.title);
    let has_problems = !filled.problems.is_empty();
    let status = if has_problems { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let shown_title = if has_problems { format!("{}: {title}", words.pick("오류", "Error")) } else { title.clone() };
    let content = html! {
        h1 { (title) }
        (progress(words, filled.step, sheet.steps().len()))
        (summary(sheet, filled))
        (form(sheet, serial, filled))
    };
    document::page(status, words, &shown_title, &content, true)
}

/// How far it is: steps without script, answered questions with it.
fn progress(words: Words, step: usize, steps: usize) -> Markup {
    html! {
        div.progress {
            p #progress-text data-answered=(words.answered()) { (words.step((step + 1).min(steps), steps)) }
            progress aria-labelledby="progress-text" max=(steps.max(1)) value=(step) {}
        }
    }
}

/// What has to be looked at again, each a way to its place.
fn summary(sheet: &Sheet, filled: &Filled) -> Markup {
    if filled.problems.is_empty() {
        return html! {};
    }
    html! {
        section.summary #problems role="alert" tabindex="-1" autofocus {
            h2 { (sheet.words.problems(filled.problems.len())) }
            ul {
                @for problem in &filled.problems {
                    li {
                        a href={ "#" (problem.control) } { (sheet.number(problem.rank)) ". " (problem.text) }
                        span.asked { (sheet.definition.question(problem.rank).map(|question| plain_text(&question.text)).unwrap_or_default()) }
                    }
                }
            }
        }
    }
}

fn form(sheet: &Sheet, serial: &str, filled: &Filled) -> Markup {
    let words = sheet.words;
    let steps = sheet.steps();
    let is_last = filled.step.saturating_add(1) >= steps.len();
    let (on, submit) = (words.pick("다음", "Next"), words.pick("제출", "Submit"));
    let shown = sheet.shown(&filled.values);
    html! {
        form method="post" action={ "/r/" (serial) } novalidate data-up=(words.pick("위로", "Move up")) data-down=(words.pick("아래로", "Move down")) {
            input type="hidden" name=(SHEET) value=(sheet.token);
            input type="hidden" name=(STEP) value=(filled.step);
            @for (index, step) in steps.iter().enumerate() {
                @if index == filled.step { (questions(sheet, filled, step, &shown)) }
                @else { template { (questions(sheet, filled, step, &shown)) } }
            }
            @if filled.step >= steps.len() {
                p.end { (words.pick("모든 질문에 답하셨습니다. 제출 버튼을 누르면 응답이 제출됩니다.", "That was the last question. Press Submit to send your answers.")) }
            }
            div.buttons {
                button.primary type="submit" name=(GO) value="next" data-submit=(submit) { @if is_last { (submit) } @else { (on) } }
                @if filled.step > 0 { button.back type="submit" name=(GO) value="back" { (words.pick("이전", "Back")) } }
            }
            p.saved hidden { (words.pick("답변이 저장되었습니다.", "Your answers are saved.")) }
        }
    }
}

fn questions(sheet: &Sheet, filled: &Filled, step: &[&Question], shown: &HashSet<u32>) -> Markup {
    let look = |question: &'_ Question| {
        let problem = filled.problems.iter().find(|problem| problem.rank == question.rank);
        question::show(&question::Look {
            question,
            number: sheet.number(question.rank),
            values: &filled.values,
            problem,
            words: sheet.words,
            is_shown: shown.contains(&question.rank),
        })
    };
    html! { div.step { @for question in step { (look(question)) } } }
}
