//! What is known of a table, and what must hold for it after a kill.

use std::collections::{BTreeMap, BTreeSet};

use super::work::{Content, Upload};

/// How an upload was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Acknowledged,
    /// Its answer was lost, and it was there when the hub was looked at after the kill: it must stay.
    There,
    /// Refused, or not there when the hub was looked at after the kill: it must never appear.
    Gone,
    /// Both is right: all of it there, or nothing.
    Unanswered,
}

/// What the writers and the readers of one table know.
#[derive(Debug, Default)]
pub(crate) struct Book {
    uploads: BTreeMap<u64, (Upload, Outcome)>,
    /// Uploads that made a version.
    made: BTreeSet<u64>,
    /// The last version that was looked at, and what it holds.
    pub(crate) version: u64,
    content: Content,
}

/// Sums for the report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) acknowledged: usize,
    /// Refused or not there.
    pub(crate) gone: usize,
    pub(crate) unanswered_there: usize,
    pub(crate) unanswered_not_there: usize,
    pub(crate) versions: usize,
    pub(crate) compactions: usize,
}

impl Book {
    pub(crate) fn send(&mut self, upload: Upload) {
        self.uploads.insert(upload.number, (upload, Outcome::Unanswered));
    }

    pub(crate) fn answer(&mut self, number: u64, outcome: Outcome) {
        self.uploads.get_mut(&number).expect("it was sent").1 = outcome;
    }

    /// A later version holds what the uploads since the last one make of it: each of them whole, once, and one version each.
    /// `writes` of the versions since then are of uploads; the others only put files together.
    pub(crate) fn look(&mut self, version: u64, writes: usize, rows: &[(u64, u64)]) {
        let after: Content = rows.iter().copied().collect();
        assert_eq!(after.len(), rows.len(), "a row is there twice: {rows:?}");
        let numbers = |content: &Content| content.iter().map(|row| row.0).collect::<BTreeSet<_>>();
        let new: Vec<u64> = numbers(&after).difference(&numbers(&self.content)).copied().collect();
        assert_eq!(new.len(), writes, "version {version} after {}: {new:?}", self.version);
        let mut expected = self.content.clone();
        for number in new {
            let (upload, outcome) = self.uploads.get(&number).expect("nobody sent this");
            assert_ne!(*outcome, Outcome::Gone, "{upload:?} is there after all");
            assert!(self.made.insert(number), "{upload:?} made two versions");
            expected = upload.apply(&expected);
        }
        assert_eq!(after, expected, "version {version}");
        (self.version, self.content) = (version, after);
    }

    /// When the newest version was looked at: nothing acknowledged is missing, and what is not there now must not come later.
    pub(crate) fn close(&mut self, figures: &mut Figures) {
        for (number, (upload, outcome)) in &mut self.uploads {
            let there = self.made.contains(number);
            match (*outcome, there) {
                (Outcome::Acknowledged, false) => unreachable!("lost: {upload:?}"),
                (Outcome::Unanswered, true) => {
                    *outcome = Outcome::There;
                    figures.unanswered_there += 1;
                }
                (Outcome::Unanswered, false) => {
                    *outcome = Outcome::Gone;
                    figures.unanswered_not_there += 1;
                }
                (Outcome::Acknowledged, true) | (Outcome::There | Outcome::Gone, _) => {}
            }
        }
    }
    /// Adds the uploads to the report.
    pub(crate) fn count(&self, figures: &mut Figures) {
        let with = |wanted: Outcome| self.uploads.values().filter(|(_, outcome)| *outcome == wanted).count();
        figures.acknowledged += with(Outcome::Acknowledged);
        figures.gone += with(Outcome::Gone);
    }
}
