//! An open sheet: its questions cut into steps, which of them are shown, and what is wrong with their answers.

use std::collections::HashSet;

use madang_kit::{
    Error, Result,
    survey::{self, Answer, Definition, Kind, PersonalField, Question, ShowIf},
};
use madang_proto::survey::v1::Sheet as Wire;

use super::{
    values::{self, Values},
    words::Words,
};

/// A sheet that is being filled in.
pub(super) struct Sheet {
    pub(super) token: String,
    pub(super) definition: Definition,
    pub(super) words: Words,
    /// What was kept of it.
    pub(super) draft: Vec<Answer>,
    /// Whether nothing of it can be changed any more.
    pub(super) is_submitted: bool,
    parameters: Vec<(String, String)>,
}

/// What is wrong with an answer.
pub(super) struct Problem {
    pub(super) rank: u32,
    /// Of the control to go to.
    pub(super) control: String,
    pub(super) text: String,
}

impl Sheet {
    /// Reads what the service gave.
    pub(super) fn of(wire: Wire) -> Result<Self> {
        let survey = wire.survey.ok_or_else(|| Error::internal("a sheet without a survey"))?;
        let definition = Definition::stored(&survey.definition)?;
        Ok(Self {
            token: wire.token,
            words: Words(definition.language),
            draft: wire.answers.as_deref().map_or(Ok(Vec::new()), survey::read_answers)?,
            parameters: wire.parameters.into_iter().map(|parameter| (parameter.key, parameter.value)).collect(),
            is_submitted: wire.submitted_at.is_some(),
            definition,
        })
    }

    /// The questions by step. A step ends before a question that depends on one in it, so that within a step nothing comes or goes.
    pub(super) fn steps(&self) -> Vec<Vec<&Question>> {
        let mut steps: Vec<Vec<&Question>> = Vec::new();
        for question in self.definition.questions.iter().filter(|question| self.link_allows(question)) {
            let depends = |step: &Vec<&Question>| matches!(&question.show_if, Some(ShowIf::Option { question_rank, .. }) if step.iter().any(|known| known.rank == *question_rank));
            match steps.last_mut() {
                Some(step) if !depends(step) => step.push(question),
                _ => steps.push(vec![question]),
            }
        }
        steps
    }

    /// The number that a question is shown with; descriptions have none.
    pub(super) fn number(&self, rank: u32) -> usize {
        let asked = self.definition.questions.iter().filter(|question| question.kind != Kind::Description);
        asked.take_while(|question| question.rank <= rank).count()
    }

    /// Ranks of the questions that these values leave to be seen.
    pub(super) fn shown(&self, values: &Values) -> HashSet<u32> {
        let (mut shown, mut picked) = (HashSet::new(), HashSet::new());
        for question in &self.definition.questions {
            if survey::is_shown(question, &self.parameters, &picked) {
                shown.insert(question.rank);
                picked.extend(values.answer(question).options.iter().flatten().map(|option| (question.rank, option.rank)));
            }
        }
        shown
    }

    /// Every answer, for a draft.
    pub(super) fn answers(&self, values: &Values) -> Vec<Answer> {
        let answers = self.definition.questions.iter().map(|question| values.answer(question));
        answers.filter(|answer| !answer.is_empty()).collect()
    }

    /// The answers to what is shown, for the submission.
    pub(super) fn shown_answers(&self, values: &Values) -> Vec<Answer> {
        let shown = self.shown(values);
        self.answers(values).into_iter().filter(|answer| shown.contains(&answer.question_rank)).collect()
    }

    /// What is wrong with the answers to these questions, if they are shown.
    pub(super) fn problems<'a>(&self, values: &Values, questions: impl IntoIterator<Item = &'a Question>) -> Vec<Problem> {
        let shown = self.shown(values);
        questions
            .into_iter()
            .filter(|question| shown.contains(&question.rank))
            .filter_map(|question| self.problem(values, question))
            .collect()
    }

    /// The step that a respondent who comes back goes on with: the first one where something is missing or nothing was answered yet.
    pub(super) fn goes_on_at(&self, values: &Values) -> usize {
        let (steps, shown) = (self.steps(), self.shown(values));
        let is_open = |step: &Vec<&Question>| {
            let mut asked = step.iter().filter(|question| shown.contains(&question.rank) && question.kind != Kind::Description).peekable();
            let is_asked = asked.peek().is_some();
            let untouched = asked.all(|question| values.answer(question).is_empty());
            (is_asked && untouched) || !self.problems(values, step.iter().copied()).is_empty()
        };
        let last = steps.len().saturating_sub(1);
        if self.draft.is_empty() { 0 } else { steps.iter().position(is_open).unwrap_or(last) }
    }

    /// The next step with something to see. Behind the last one there is an empty step, where only the submission is left.
    pub(super) fn step_behind(&self, step: usize, values: &Values) -> usize {
        let behind = self.steps_seen(values).into_iter().find(|seen| *seen > step);
        behind.unwrap_or_else(|| self.steps().len())
    }

    /// The step before with something to see.
    pub(super) fn step_before(&self, step: usize, values: &Values) -> usize {
        self.steps_seen(values).into_iter().rfind(|seen| *seen < step).unwrap_or_default()
    }

    fn steps_seen(&self, values: &Values) -> Vec<usize> {
        let shown = self.shown(values);
        let steps = self.steps().into_iter().enumerate();
        steps.filter(|(_, step)| step.iter().any(|question| shown.contains(&question.rank))).map(|(index, _)| index).collect()
    }

    /// Whether nothing that the link carried hides a question for good.
    fn link_allows(&self, question: &Question) -> bool {
        !matches!(question.show_if, Some(ShowIf::Parameter { .. })) || survey::is_shown(question, &self.parameters, &HashSet::new())
    }

    fn problem(&self, values: &Values, question: &Question) -> Option<Problem> {
        let (rank, words) = (question.rank, self.words);
        if question.kind == Kind::Description {
            return None;
        }
        if question.kind == Kind::Ranking && values.has_tie(question) {
            return Some(Problem { rank, control: first_control(question), text: words.rule("tie").to_owned() });
        }
        let error = survey::judge_one("", question, Some(values.answer(question))).err()?;
        let problem = error.fields.into_iter().next()?;
        let part = problem.field.trim_start_matches('.');
        if question.kind == Kind::PersonalInfo {
            return Some(personal_problem(values, question, part, &problem.rule, words));
        }
        if question.kind.is_matrix() && part == "rows" {
            let open = question.rows.iter().find(|row| !values.has_any(&values::row_name(rank, row.rank)));
            let control = open.map_or_else(|| first_control(question), |row| values::id(&values::row_name(rank, row.rank), 1));
            return Some(Problem { rank, control, text: words.rule("rows").to_owned() });
        }
        Some(Problem { rank, control: first_control(question), text: words.rule(&problem.rule).to_owned() })
    }
}

/// What is wrong with personal information: `part` is `consent`, `fields` or `fields.<name>`; nothing if all is missing.
fn personal_problem(values: &Values, question: &Question, part: &str, rule: &str, words: Words) -> Problem {
    let rank = question.rank;
    if part == "consent" {
        return Problem { rank, control: values::consent_name(rank), text: words.rule("consent").to_owned() };
    }
    let named = part.strip_prefix("fields.").and_then(PersonalField::of);
    let empty = || question.fields.iter().copied().find(|field| values.first(&values::field_name(rank, *field)).is_empty());
    let Some(field) = named.or_else(empty).or_else(|| question.fields.first().copied()) else {
        return Problem { rank, control: values::consent_name(rank), text: words.rule(rule).to_owned() };
    };
    Problem { rank, control: values::field_name(rank, field), text: format!("{}: {}", words.field(field), words.rule(rule)) }
}

/// The id of a question's first control.
fn first_control(question: &Question) -> String {
    let rank = question.rank;
    match question.kind {
        Kind::SingleChoice | Kind::MultipleChoice => values::id(&values::name(rank), 1),
        Kind::Ranking => values::place_name(rank, 1),
        Kind::Scale | Kind::Nps => values::id(&values::name(rank), question.range().0.unwrap_or_default()),
        Kind::MatrixSingle | Kind::MatrixMultiple => values::id(&values::row_name(rank, 1), 1),
        _ => values::name(rank),
    }
}
