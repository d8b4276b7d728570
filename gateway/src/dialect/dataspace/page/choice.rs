//! Questions whose answer is picked: options, rankings, scales, matrices.

use madang_kit::survey::{Choice, Kind, Question, plain_text};
use maud::{Markup, PreEscaped, html};

use super::{question::Look, values};

/// Characters of the text beside an "other" option that the control takes.
const OTHER_CHARS: usize = 500;

/// One below the other.
pub(super) fn list(look: &Look<'_>) -> Markup {
    let question = look.question;
    let kind = if question.kind.is_single() { "radio" } else { "checkbox" };
    let name = values::name(question.rank);
    html! {
        ul.choices {
            @for option in &question.options {
                li {
                    label.choice {
                        input type=(kind) id=(values::id(&name, option.rank)) name=(name) value=(option.rank)
                            checked[look.values.has(&name, &option.rank)] data-exclusive[option.is_exclusive];
                        span.text { (PreEscaped(&option.text)) }
                    }
                    @if option.is_other { (other(look, option)) }
                }
            }
        }
    }
}

/// What an "other" option is.
fn other(look: &Look<'_>, option: &Choice) -> Markup {
    let name = values::other_name(look.question.rank, option.rank);
    let label = format!("{}: {}", plain_text(&option.text), look.words.pick("직접 입력", "in your own words"));
    html! {
        input.other type="text" id=(name) name=(name) value=(look.values.written(&name)) maxlength=(OTHER_CHARS) aria-label=(label)
            placeholder=(look.words.pick("직접 입력", "In your own words")) data-of=(values::id(&values::name(look.question.rank), option.rank));
    }
}

/// A list that opens.
pub(super) fn dropdown(look: &Look<'_>) -> Markup {
    let question = look.question;
    let name = values::name(question.rank);
    let invalid = look.problem.map(|_| "true");
    html! {
        select id=(name) name=(name) required[question.required] aria-describedby=[look.described_by()] aria-invalid=[invalid] {
            option value="" { (look.words.pick("선택해 주세요", "Please choose")) }
            @for option in &question.options {
                option value=(option.rank) selected[look.values.has(&name, &option.rank)] { (plain_text(&option.text)) }
            }
        }
        @for option in question.options.iter().filter(|option| option.is_other) { (other(look, option)) }
    }
}

/// Each option with its place; the script adds buttons that move it.
pub(super) fn ranking(look: &Look<'_>) -> Markup {
    let question = look.question;
    let all = question.options.len();
    let invalid = look.problem.map(|_| "true");
    let most = question.max_selection.and_then(|most| usize::try_from(most).ok()).map_or(all, |most| most.min(all));
    html! {
        ul.ranking {
            @for option in &question.options {
                @let name = values::place_name(question.rank, option.rank);
                li data-option=(option.rank) {
                    label for=(name) { (PreEscaped(&option.text)) }
                    select id=(name) name=(name) aria-describedby=[look.described_by()] aria-invalid=[invalid] {
                        option value="" { "–" }
                        @for place in 1..=most { option value=(place) selected[look.values.has(&name, &place)] { (look.words.place(place)) } }
                    }
                    @if option.is_other { (other(look, option)) }
                }
            }
        }
    }
}

/// Numbers in a row that wraps.
pub(super) fn scale(look: &Look<'_>) -> Markup {
    let question = look.question;
    let name = values::name(question.rank);
    let (least, largest) = ends(question);
    html! {
        @if question.min_label.is_some() || question.max_label.is_some() {
            // With their numbers, because the row may wrap.
            p.ends aria-hidden="true" {
                span { @if let Some(label) = &question.min_label { b { (least) } " " (label) } }
                span { @if let Some(label) = &question.max_label { b { (largest) } " " (label) } }
            }
        }
        div.scale {
            @for number in least..=largest {
                label.grade {
                    input type="radio" id=(values::id(&name, number)) name=(name) value=(number) checked[look.values.has(&name, &number)]
                        aria-label=[end(question, number)];
                    span { (number) }
                }
            }
        }
    }
}

fn ends(question: &Question) -> (i64, i64) {
    // A scale is whole and has at most a hundred steps (kit/src/survey/check.rs); so the cast loses nothing.
    #[expect(clippy::cast_possible_truncation, reason = "whole and small, as was checked")]
    let whole = |number: Option<f64>| number.unwrap_or_default() as i64;
    let (least, largest) = question.range();
    (whole(least), whole(largest))
}

/// What the ends of a scale mean belongs to their names for whoever does not see the row.
fn end(question: &Question, number: i64) -> Option<String> {
    let (least, largest) = ends(question);
    let label = match number {
        number if number == least => question.min_label.as_deref(),
        number if number == largest => question.max_label.as_deref(),
        _ => None,
    };
    label.map(|label| format!("{number} ({label})"))
}

/// Options that a table has room for beside each other; with more, it is laid out as on a phone everywhere.
const COLUMNS: usize = 7;
/// Options, and characters of each, that stand beside each other on a phone.
const FEW: (usize, usize) = (3, 5);

/// How a matrix is laid out: `wide` if it may be a table, `few` if its options are few and short.
fn layout(question: &Question) -> &'static str {
    let is_short = |option: &Choice| plain_text(&option.text).chars().count() <= FEW.1;
    match question.options.len() {
        few if few <= FEW.0 && question.options.iter().all(is_short) => "matrix wide few",
        columns if columns <= COLUMNS => "matrix wide",
        _ => "matrix",
    }
}

/// A table; on a phone each row is a block, with the options' texts beside the controls.
pub(super) fn matrix(look: &Look<'_>) -> Markup {
    let question = look.question;
    let rank = question.rank;
    let kind = if question.kind == Kind::MatrixSingle { "radio" } else { "checkbox" };
    html! {
        table class=(layout(question)) {
            thead {
                tr {
                    td {}
                    @for option in &question.options { th scope="col" id={ "column-" (rank) "-" (option.rank) } { (PreEscaped(&option.text)) } }
                }
            }
            tbody {
                @for row in &question.rows {
                    @let name = values::row_name(rank, row.rank);
                    @let is_open = look.misses_rows() && !look.values.has_any(&name);
                    tr {
                        th scope="row" id={ "row-" (rank) "-" (row.rank) } {
                            span.text { (PreEscaped(&row.text)) }
                            @if is_open { " " span.missing { (look.words.pick("답변 필요", "Not answered")) } }
                        }
                        @for option in &question.options {
                            td {
                                label.cell {
                                    input type=(kind) id=(values::id(&name, option.rank)) name=(name) value=(option.rank)
                                        checked[look.values.has(&name, &option.rank)]
                                        aria-labelledby={ "row-" (rank) "-" (row.rank) " column-" (rank) "-" (option.rank) };
                                    span aria-hidden="true" { (PreEscaped(&option.text)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use madang_kit::survey::Definition;

    #[test]
    fn a_matrix_is_laid_out_by_its_options() {
        for (options, layout) in [
            (vec!["나쁨", "보통", "좋음"], "matrix wide few"),
            (vec!["<p><b>나쁨</b></p>", "좋음"], "matrix wide few"),
            (vec!["전혀 그렇지 않다", "그렇다"], "matrix wide"),
            (vec!["1", "2", "3", "4", "5", "6", "7"], "matrix wide"),
            (vec!["1", "2", "3", "4", "5", "6", "7", "8"], "matrix"),
        ] {
            let options: Vec<_> = options.iter().map(|text| serde_json::json!({"text": text})).collect();
            let question = serde_json::json!({"type": "MatrixSingle", "text": "x", "rows": [{"text": "r"}], "options": options});
            let survey = serde_json::json!({"title": "t", "questions": [question]}).to_string();
            let definition = Definition::read(&survey).expect("a survey");
            assert_eq!(super::layout(&definition.questions[0]), layout, "{survey}");
        }
    }
}
