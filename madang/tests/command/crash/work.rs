//! What is uploaded: every row says which upload it belongs to, so that a table's content tells its history.
//!
//! A new way of writing is a line in [`Effect`] and one in [`TABLES`].

use std::collections::BTreeSet;

/// Rows as (upload, place in the upload).
pub(crate) type Content = BTreeSet<(u64, u64)>;

/// What an upload does to a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effect {
    Append,
    Overwrite,
}

impl Effect {
    fn mode(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Overwrite => "overwrite",
        }
    }

    /// The table after it.
    pub(crate) fn apply(self, before: &Content, rows: Content) -> Content {
        match self {
            Self::Append => before.union(&rows).copied().collect(),
            Self::Overwrite => rows,
        }
    }
}

/// What a writer sends again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    effect: Effect,
    files: u64,
    rows_per_file: u64,
}

/// A table and its concurrent writers.
pub(crate) struct Plan {
    pub(crate) writers: &'static [Kind],
    /// Whether each version is read: where a later upload removes what an earlier one wrote, the last one does not tell all.
    pub(crate) every_version: bool,
}

const ROW: Kind = Kind { effect: Effect::Append, files: 1, rows_per_file: 1 };
const FILES: Kind = Kind { effect: Effect::Append, files: 3, rows_per_file: 2 };
const NEW: Kind = Kind { effect: Effect::Overwrite, files: 2, rows_per_file: 2 };

pub(crate) const TABLES: &[Plan] = &[
    Plan { writers: &[ROW, ROW, ROW], every_version: false },
    Plan { writers: &[FILES, FILES], every_version: false },
    Plan { writers: &[NEW, ROW, FILES], every_version: true },
];

/// One upload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upload {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
}

impl Upload {
    pub(crate) fn rows(&self) -> Content {
        (0..self.kind.files * self.kind.rows_per_file).map(|row| (self.number, row)).collect()
    }

    pub(crate) fn apply(&self, before: &Content) -> Content {
        self.kind.effect.apply(before, self.rows())
    }

    pub(crate) fn query(&self) -> String {
        format!("mode={}", self.kind.effect.mode())
    }

    /// The CSV files of the request.
    pub(crate) fn files(&self) -> Vec<String> {
        let size = self.kind.rows_per_file;
        let line = |row: u64| format!("{},{row}\n", self.number);
        let file = |file: u64| (file * size..(file + 1) * size).map(line).collect::<String>();
        (0..self.kind.files).map(|number| format!("upload,row\n{}", file(number))).collect()
    }
}
