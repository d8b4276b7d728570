//! The states of pipelines and revisions (spec-store.md 2.2 and 2.3), as functions of what is there. They only ever move forward:
//! an event that comes late, twice or out of order changes nothing that a later one has said.

use std::collections::{BTreeMap, BTreeSet};

/// The state of a pipeline or of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Nothing moved yet.
    Pending,
    /// Something moved, not all is done.
    Running,
    /// Done well.
    Success,
    /// Done, not well.
    Failed,
}

impl State {
    /// The name in the database and in replies to reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
        }
    }

    /// The state with a name.
    pub(crate) fn parse(name: &str) -> Self {
        match name {
            "pending" => Self::Pending,
            "success" => Self::Success,
            "failed" => Self::Failed,
            _ => Self::Running,
        }
    }

    /// The name in what is shown.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Pending => "QUEUED",
            Self::Running => "INPROGRESS",
            Self::Success => "SUCCEEDED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether nothing follows.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed)
    }

    /// Whether an event that says `next` counts; what is final stays, and nothing goes back.
    pub(crate) fn takes(self, next: Self) -> bool {
        !self.is_final() && next >= self
    }
}

/// What an event makes of its pipeline.
pub(crate) fn of_event(event: &str, success: bool) -> State {
    match event {
        "queue" => State::Pending,
        "finish" if success => State::Success,
        "finish" => State::Failed,
        _ => State::Running,
    }
}

/// The state of a revision, from how many of its pipelines are in which.
pub(crate) fn of_flow(counts: &BTreeMap<State, i64>) -> State {
    let any = |state| counts.get(&state).copied().unwrap_or_default() > 0;
    match () {
        () if any(State::Running) => State::Running,
        () if any(State::Pending) && (any(State::Success) || any(State::Failed)) => State::Running,
        () if any(State::Pending) || counts.is_empty() => State::Pending,
        () if any(State::Failed) => State::Failed,
        () => State::Success,
    }
}

/// A pipeline that did not begin yet, and what it waits for.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) id: String,
    pub(crate) depends_on: Vec<String>,
}

/// What fails because a pipeline failed, each with the dependency that it was, in the order in which they fail.
pub(crate) fn cascade(failed: &str, waiting: &[Waiting]) -> Vec<(String, String)> {
    let mut fallen: Vec<(String, String)> = Vec::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec![failed.to_owned()];
    while let Some(cause) = open.pop() {
        for pipeline in waiting {
            if pipeline.depends_on.contains(&cause) && known.insert(&pipeline.id) {
                fallen.push((pipeline.id.clone(), cause.clone()));
                open.push(pipeline.id.clone());
            }
        }
    }
    fallen
}

/// What stands in the log of a pipeline that can't run any more. The missing blank is the original's.
pub(crate) fn unsuccessful(dependency: &str) -> String {
    format!("Dependency unsuccessful. Cannot run until dependency \"{dependency}\" is successfullyexecuted")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The seven pipelines of one table, by number.
    fn plan() -> Vec<Waiting> {
        let waits: [&[usize]; 7] = [&[], &[], &[], &[0, 1, 2], &[1], &[], &[0, 1, 2, 3, 4, 5]];
        let name = |number: usize| format!("f/{number}");
        let waiting = |(number, on): (usize, &&[usize])| Waiting { id: name(number), depends_on: on.iter().map(|on| name(*on)).collect() };
        waits.iter().enumerate().map(waiting).collect()
    }

    /// A flow as the database keeps it.
    struct Flow {
        plan: Vec<Waiting>,
        states: BTreeMap<String, State>,
        state: State,
        ends: usize,
    }

    impl Flow {
        fn new() -> Self {
            let plan = plan();
            let states = plan.iter().map(|pipeline| (pipeline.id.clone(), State::Pending)).collect();
            Self { plan, states, state: State::Pending, ends: 0 }
        }

        fn hear(&mut self, id: &str, event: &str, success: bool) {
            if self.state.is_final() {
                return;
            }
            let before = self.states[id];
            let next = of_event(event, success);
            let after = if before.takes(next) { next } else { before };
            self.states.insert(id.to_owned(), after);
            if after == State::Failed && before != after {
                let waiting: Vec<Waiting> =
                    self.plan.iter().filter(|pipeline| self.states[&pipeline.id] == State::Pending).cloned().collect();
                for (fallen, _) in cascade(id, &waiting) {
                    self.states.insert(fallen, State::Failed);
                }
            }
            let mut counts = BTreeMap::new();
            for state in self.states.values() {
                *counts.entry(*state).or_insert(0) += 1;
            }
            let flow = of_flow(&counts);
            assert!(self.state == State::Pending || flow != State::Pending, "it went back");
            self.state = flow;
            self.ends += usize::from(flow.is_final());
        }
    }

    proptest! {
        /// Whatever comes before, twice or late: once every pipeline has finished, the flow has ended, once, and it failed exactly
        /// if a pipeline did.
        #[test]
        fn any_order_of_events_ends_in_one_final_state(
            noise in prop::collection::vec((0_usize..7, 0_usize..4), 0..60),
            order in Just((0_usize..7).collect::<Vec<_>>()).prop_shuffle(),
            good in prop::collection::vec(prop::bool::weighted(0.9), 7),
            repeated in prop::collection::vec(0_usize..7, 0..20),
        ) {
            let mut flow = Flow::new();
            let events = ["queue", "start", "progress", "unheard-of"];
            for (pipeline, event) in noise {
                flow.hear(&format!("f/{pipeline}"), events[event], false);
            }
            prop_assert!(!flow.state.is_final());
            for pipeline in order {
                flow.hear(&format!("f/{pipeline}"), "finish", good[pipeline]);
            }
            prop_assert_eq!(flow.ends, 1);
            let ended = flow.state;
            prop_assert_eq!(ended == State::Success, good.iter().all(|good| *good));
            for pipeline in repeated {
                flow.hear(&format!("f/{pipeline}"), "start", false);
                flow.hear(&format!("f/{pipeline}"), "finish", !good[pipeline]);
            }
            prop_assert_eq!((flow.state, flow.ends), (ended, 1));
        }
    }

    /// The original wrote `running` over `failed` here (spec-store.md 2.3).
    #[test]
    fn a_cascade_may_end_the_flow() {
        let mut flow = Flow::new();
        for pipeline in [1, 2, 5] {
            flow.hear(&format!("f/{pipeline}"), "finish", true);
        }
        flow.hear("f/4", "finish", true);
        assert_eq!(flow.state, State::Running);
        flow.hear("f/0", "finish", false);
        assert_eq!((flow.state, flow.states["f/3"], flow.states["f/6"]), (State::Failed, State::Failed, State::Failed));
    }

    #[test]
    fn states_add_up() {
        use State::{Failed, Pending, Running, Success};
        let of = |states: &[State]| {
            let mut counts = BTreeMap::new();
            states.iter().for_each(|state| *counts.entry(*state).or_insert(0) += 1);
            of_flow(&counts)
        };
        for (states, sum) in [
            (&[Pending, Pending][..], Pending),
            (&[Pending, Running], Running),
            (&[Pending, Success], Running),
            (&[Pending, Failed], Running),
            (&[Running, Failed], Running),
            (&[Success, Failed], Failed),
            (&[Success, Success], Success),
            (&[], Pending),
        ] {
            assert_eq!(of(states), sum, "{states:?}");
        }
    }
}
