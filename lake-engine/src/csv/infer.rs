//! The narrowest type of each column, found by looking at every cell.

use madang_lake::{Column, ColumnType, Error, Inspection, Result, Schema};
use tokio_util::sync::CancellationToken;

use super::{cell, rows::Rows};

/// Reads a file to its end.
pub(super) fn infer(mut rows: Rows, cancelled: &CancellationToken) -> Result<Inspection> {
    let mut columns = vec![Seen { kind: Kind::Empty, null: false }; rows.header.len()];
    while let Some(row) = rows.next()? {
        for (column, cell) in columns.iter_mut().zip(row.cells()) {
            column.look(&cell?);
        }
        if rows.count.is_multiple_of(4_096) && cancelled.is_cancelled() {
            return Err(Error::storage("the caller has left"));
        }
    }
    let of_kind = |wanted: Kind| {
        let found = rows.header.iter().zip(&columns).filter(move |(_, seen)| seen.kind == wanted);
        found.map(|(name, _)| name.clone()).collect()
    };
    let (wide, empty) = (of_kind(Kind::Integer { wide: true }), of_kind(Kind::Empty));
    let columns = rows.header.into_iter().zip(columns).map(|(name, seen)| Column {
        name,
        kind: seen.kind.column_type(),
        nullable: seen.null || rows.count == 0,
    });
    Ok(Inspection { schema: Schema { columns: columns.collect() }, rows: rows.count, wide, empty })
}

/// What a column has shown so far.
#[derive(Clone)]
struct Seen {
    kind: Kind,
    null: bool,
}

impl Seen {
    fn look(&mut self, text: &str) {
        if text.is_empty() {
            self.null = true;
        } else {
            self.kind = self.kind.with(text);
        }
    }
}

/// The narrowest kind of all cells so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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

    fn of(text: &str) -> Self {
        if let Some(value) = cell::integer(text) {
            Self::Integer { wide: value.unsigned_abs() > cell::DOUBLE_INTEGERS }
        } else if cell::boolean(text).is_some() {
            Self::Bool
        } else if cell::double(text).is_some() {
            Self::Double
        } else if cell::date(text).is_some() {
            Self::Date
        } else if let Some((_, zoned)) = cell::timestamp(text) {
            if zoned { Self::Timestamp } else { Self::LocalTimestamp }
        } else {
            Self::Text
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
