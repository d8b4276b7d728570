//! Loading a file some of whose rows are bad.

use std::{collections::HashMap, path::PathBuf};

use crate::{ColumnType, Input, Schema, Staged};

/// A file that is to become the rows of a table.
#[derive(Clone, Debug)]
pub struct Load {
    /// The file.
    pub input: Input,
    /// Types that somebody chose, by the columns' names; all others are inferred.
    pub types: HashMap<String, ColumnType>,
    /// Where the list of bad rows goes: a CSV file with the columns `line`, `column`, `reason` and `row`.
    pub bad_rows: PathBuf,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The columns, all nullable.
    pub schema: Schema,
    /// The good rows.
    pub staged: Staged,
    /// The bad ones.
    pub bad: BadRows,
}

/// Rows that were set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadRows {
    /// All of them.
    pub count: u64,
    /// Those of them that would fit if some column were text.
    pub misfits: u64,
    /// Those in the list, which is bounded.
    pub listed: u64,
}
