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
    /// By the place in the upload.
    Merge,
}

impl Effect {
    fn query(self) -> &'static str {
        match self {
            Self::Append => "mode=append",
            Self::Overwrite => "mode=overwrite",
            Self::Merge => "mode=merge&keys=row",
        }
    }

    /// The table after it.
    pub(crate) fn apply(self, before: &Content, rows: Content) -> Content {
        match self {
            Self::Append => before.union(&rows).copied().collect(),
            Self::Overwrite => rows,
            Self::Merge => {
                let places: BTreeSet<u64> = rows.iter().map(|row| row.1).collect();
                before.iter().filter(|row| !places.contains(&row.1)).chain(&rows).copied().collect()
            }
        }
    }
}

/// What a writer sends again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    effect: Effect,
    first_row: u64,
    files: u64,
    rows_per_file: u64,
}

/// A table and its concurrent writers.
pub(crate) struct Plan {
    pub(crate) writers: &'static [Kind],
    /// Whether each version is read: where a later upload removes what an earlier one wrote, the last one does not tell all.
    pub(crate) every_version: bool,
}

const ROW: Kind = Kind { effect: Effect::Append, first_row: 0, files: 1, rows_per_file: 1 };
const FILES: Kind = Kind { effect: Effect::Append, first_row: 0, files: 3, rows_per_file: 2 };
const NEW: Kind = Kind { effect: Effect::Overwrite, first_row: 0, files: 2, rows_per_file: 2 };
const MERGE: Kind = Kind { effect: Effect::Merge, first_row: 0, files: 2, rows_per_file: 2 };
const OTHER_MERGE: Kind = Kind { effect: Effect::Merge, first_row: 2, files: 1, rows_per_file: 4 };

pub(crate) const TABLES: &[Plan] = &[
    Plan { writers: &[ROW, ROW, ROW], every_version: false },
    Plan { writers: &[FILES, FILES], every_version: false },
    Plan { writers: &[NEW, ROW, FILES], every_version: true },
    Plan { writers: &[MERGE, OTHER_MERGE], every_version: true },
];

/// One upload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upload {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
}

impl Upload {
    pub(crate) fn rows(&self) -> Content {
        let first = self.kind.first_row;
        (first..first + self.kind.files * self.kind.rows_per_file).map(|row| (self.number, row)).collect()
    }

    pub(crate) fn apply(&self, before: &Content) -> Content {
        self.kind.effect.apply(before, self.rows())
    }

    pub(crate) fn query(&self) -> &'static str {
        self.kind.effect.query()
    }

    /// The CSV files of the request.
    pub(crate) fn files(&self) -> Vec<String> {
        let size = self.kind.rows_per_file;
        let line = |row: u64| format!("{},{row}\n", self.number);
        let lines = |first: u64| (first..first + size).map(line).collect::<String>();
        (0..self.kind.files).map(|file| format!("upload,row\n{}", lines(self.kind.first_row + file * size))).collect()
    }
}
