//! The order of steps: nobody runs before what he reads is there. Among those that could be next, the first in the definition is.

use std::collections::{BTreeSet, HashMap};

use madang_kit::{Error, Id, Result};

use super::{Source, Step};

/// Puts steps into the order in which they run.
///
/// # Errors
/// [`madang_kit::Code::Invalid`] names a step of a cycle and the way around; or a step that reads changes for several writing steps.
pub(super) fn ordered(steps: Vec<Step>) -> Result<Vec<Step>> {
    let before = needed(&steps);
    let order = sort(&before).map_err(|at| cycle(&steps, &before, at))?;
    let places: HashMap<usize, usize> = order.iter().enumerate().map(|(place, at)| (*at, place)).collect();
    let mut by_place: Vec<(usize, Step)> = steps.into_iter().enumerate().filter_map(|(at, step)| Some((*places.get(&at)?, step))).collect();
    by_place.sort_by_key(|(place, _)| *place);
    let mut steps: Vec<Step> = by_place.into_iter().map(|(_, step)| step).collect();
    for source in steps.iter_mut().flat_map(|step| step.inputs.values_mut()) {
        if let Source::Step { step, .. } = source {
            *step = places.get(step).copied().unwrap_or_default();
        }
    }
    settle(&mut steps)?;
    Ok(steps)
}

/// For each step, those that must run before it: the steps that it reads from, and those that write a dataset which it reads. A step may
/// read what it writes itself: it sees what was there before.
fn needed(steps: &[Step]) -> Vec<BTreeSet<usize>> {
    let mut writers: HashMap<Id, Vec<usize>> = HashMap::new();
    for (at, step) in steps.iter().enumerate() {
        for dataset in step.outputs.values() {
            writers.entry(*dataset).or_default().push(at);
        }
    }
    let needs = |(at, step): (usize, &Step)| {
        let mut before = BTreeSet::new();
        for source in step.inputs.values() {
            match source {
                Source::Step { step, .. } => drop(before.insert(*step)),
                Source::Dataset(id) => before.extend(writers.get(id).into_iter().flatten().filter(|writer| **writer != at)),
            }
        }
        before
    };
    steps.iter().enumerate().map(needs).collect()
}

/// The order, or a step of a cycle.
fn sort(before: &[BTreeSet<usize>]) -> Result<Vec<usize>, usize> {
    let mut order = Vec::with_capacity(before.len());
    let mut open: BTreeSet<usize> = (0..before.len()).collect();
    while let Some(&first) = open.first() {
        let ready = open.iter().copied().find(|at| before.get(*at).is_some_and(|needs| needs.is_disjoint(&open)));
        let next = ready.ok_or(first)?;
        open.remove(&next);
        order.push(next);
    }
    Ok(order)
}

/// Names a cycle: from an open step, what is needed leads around in the end.
fn cycle(steps: &[Step], before: &[BTreeSet<usize>], open: usize) -> Error {
    let (mut path, mut at) = (Vec::new(), open);
    while !path.contains(&at) {
        path.push(at);
        let in_a_circle = |next: &&usize| reaches(before, **next, **next);
        at = before.get(at).and_then(|needs| needs.iter().find(in_a_circle)).copied().unwrap_or(at);
    }
    let start = path.iter().position(|step| *step == at).unwrap_or_default();
    let mut names: Vec<&str> = path.iter().skip(start).chain([&at]).filter_map(|at| Some(steps.get(*at)?.name.as_str())).collect();
    names.reverse();
    Error::invalid(format!("steps.{at}.inputs"), "cycle", format!("the steps wait for one another: {}", names.join(" → ")))
}

fn reaches(before: &[BTreeSet<usize>], from: usize, to: usize) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        for next in before.get(at).into_iter().flatten() {
            if *next == to {
                return true;
            }
            if seen.insert(*next) {
                open.push(*next);
            }
        }
    }
    false
}

/// Says with which publish the inputs of each step count as read.
fn settle(steps: &mut [Step]) -> Result<()> {
    let mut fed_by: Vec<BTreeSet<usize>> = Vec::with_capacity(steps.len());
    for (at, step) in steps.iter().enumerate() {
        let mut reached = BTreeSet::from([at]);
        for source in step.inputs.values() {
            if let Source::Step { step, .. } = source {
                reached.extend(fed_by.get(*step).into_iter().flatten());
            }
        }
        fed_by.push(reached);
    }
    for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.incremental) {
        let writers: Vec<&str> = steps
            .iter()
            .zip(&fed_by)
            .filter(|(writer, fed_by)| writer.publishes() && fed_by.contains(&at))
            .map(|(writer, _)| writer.name.as_str())
            .collect();
        if writers.len() > 1 {
            let why = format!(
                "the rows of '{}' reach the writing steps {}; with read_mode cdc they may reach one, so that all is read exactly once",
                step.name,
                writers.join(", ")
            );
            return Err(Error::invalid(format!("steps.{}.options.read_mode", step.position), "cdc", why));
        }
    }
    for (step, fed_by) in steps.iter_mut().zip(fed_by) {
        step.settles = if step.publishes() { fed_by.into_iter().collect() } else { Vec::new() };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(before: &[&[usize]]) -> Vec<BTreeSet<usize>> {
        before.iter().map(|needs| needs.iter().copied().collect()).collect()
    }

    #[test]
    fn ties_are_broken_by_the_definition() {
        for (before, order) in [
            (sets(&[&[], &[], &[]]), vec![0, 1, 2]),
            (sets(&[&[2], &[], &[]]), vec![1, 2, 0]),
            (sets(&[&[1], &[2], &[]]), vec![2, 1, 0]),
            (sets(&[&[], &[0, 3], &[0], &[2]]), vec![0, 2, 3, 1]),
        ] {
            assert_eq!(sort(&before), Ok(order));
        }
    }

    #[test]
    fn a_cycle_has_no_order() {
        assert_eq!(sort(&sets(&[&[1], &[0]])), Err(0));
        assert_eq!(sort(&sets(&[&[], &[3], &[0], &[1]])), Err(1));
        assert!(reaches(&sets(&[&[1], &[2], &[0]]), 1, 1));
        assert!(!reaches(&sets(&[&[1], &[2], &[]]), 1, 1));
    }
}
