//! The narrowest type of each column, found by looking at every cell.

use madang_lake::{Column, ColumnType, Error, Inspection, Result};
use tokio_util::sync::CancellationToken;

use super::cell;

/// After so many rows a pass looks whether its caller is still there.
pub(super) const LOOK_UP_ROWS: u64 = 4_096;

/// Ends a pass that nobody waits for any more.
pub(super) fn check_cancelled(cancelled: &CancellationToken) -> Result<()> {
    if cancelled.is_cancelled() { Err(Error::storage("the caller has left")) } else { Ok(()) }
}

/// What a file's columns have shown, once all its rows were seen.
pub(super) fn inspection(columns: impl Iterator<Item = (String, Seen)>, rows: u64) -> Inspection {
    let mut found = Inspection { rows, ..Inspection::default() };
    for (name, Seen { kind, filled }) in columns {
        match kind {
            Kind::Integer { wide: true } => drop(found.wide.insert(name.clone())),
            Kind::Empty => drop(found.empty.insert(name.clone())),
            _ => {}
        }
        found.schema.columns.push(Column { name, kind: kind.column_type(), nullable: filled < rows || rows == 0 });
    }
    found
}

/// What a column has shown so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    kind: Kind,
    /// Cells that are not empty.
    filled: u64,
}

impl Seen {
    /// Looks at a cell of delimited text; an empty one says nothing.
    pub(super) fn look(&mut self, text: &str) {
        if !text.is_empty() {
            self.filled += 1;
            self.kind = self.kind.with(text);
        }
    }

    /// Looks at a cell whose kind is known; [`Kind::Empty`] is an empty one.
    pub(super) fn look_at(&mut self, kind: Kind) {
        self.filled += u64::from(kind != Kind::Empty);
        self.kind = self.kind.join(kind);
    }
}

/// The narrowest kind of all cells so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Empty,
    Bool,
    /// `wide`: one of them is no exact double, so the column can't become one.
    Integer {
        wide: bool,
    },
    Double,
    Date,
    Timestamp,
    LocalTimestamp,
    Text,
}

impl Kind {
    /// The kind once `text` is among the cells.
    fn with(self, text: &str) -> Self {
        match self {
            Self::Empty => Self::of(text),
            Self::Bool if cell::boolean(text).is_some() => self,
            Self::Integer { wide } => match cell::integer(text) {
                Some(value) => Self::Integer { wide: wide || value.unsigned_abs() > cell::DOUBLE_INTEGERS },
                None if !wide && cell::double(text).is_some() => Self::Double,
                None => Self::Text,
            },
            Self::Double if cell::double(text).is_some() => self,
            Self::Date if cell::date(text).is_some() => self,
            Self::Timestamp if cell::timestamp(text).is_some_and(|(_, zoned)| zoned) => self,
            Self::LocalTimestamp if cell::timestamp(text).is_some_and(|(_, zoned)| !zoned) => self,
            _ => Self::Text,
        }
    }

    /// The kind of both.
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Empty, kind) | (kind, Self::Empty) => kind,
            (Self::Integer { wide: one }, Self::Integer { wide: two }) => Self::Integer { wide: one || two },
            (Self::Integer { wide: false }, Self::Double) | (Self::Double, Self::Integer { wide: false }) => Self::Double,
            (one, two) if one == two => one,
            _ => Self::Text,
        }
    }

    /// The kind of a number.
    pub(super) fn of_number(text: &str) -> Self {
        if let Some(value) = cell::integer(text) {
            Self::Integer { wide: value.unsigned_abs() > cell::DOUBLE_INTEGERS }
        } else if cell::double(text).is_some() {
            Self::Double
        } else {
            Self::Text // more digits than any of our numbers keeps
        }
    }

    /// The kind of a text that is no number.
    pub(super) fn of_text(text: &str) -> Self {
        if cell::date(text).is_some() {
            return Self::Date;
        }
        match cell::timestamp(text) {
            Some((_, true)) => Self::Timestamp,
            Some((_, false)) => Self::LocalTimestamp,
            None => Self::Text,
        }
    }

    /// The kind of a cell of delimited text that is not empty.
    pub(super) fn of(text: &str) -> Self {
        if cell::boolean(text).is_some() {
            return Self::Bool;
        }
        match Self::of_number(text) {
            Self::Text => Self::of_text(text),
            number => number,
        }
    }

    fn column_type(self) -> ColumnType {
        match self {
            Self::Bool => ColumnType::Bool,
            Self::Integer { .. } => ColumnType::Int64,
            Self::Double => ColumnType::Double,
            Self::Date => ColumnType::Date,
            Self::Timestamp => ColumnType::Timestamp,
            Self::LocalTimestamp => ColumnType::LocalTimestamp,
            Self::Empty | Self::Text => ColumnType::String,
        }
    }
}
