//! Which type a column gets when not every cell has to fit.
//!
//! All cells of the file are counted by kind. A column of which every cell fits a type gets it. If at least 99 of 100 cells fit one,
//! the column gets it too and the rows of the others are set aside; unless one of these is written in digits alone, such as `007` or
//! `1,234`: then the column holds codes or another spelling of numbers, and is text. Everything else is text.

use madang_lake::{Column, ColumnType};

use crate::ingest::kind::Kind;

/// One of so many cells may be of another kind.
const MISFIT_IN: u64 = 100;

/// The cells of one column by kind.
#[derive(Clone, Debug, Default)]
pub(in crate::ingest) struct Tally {
    bools: u64,
    integers: u64,
    /// Integers that no double holds exactly.
    wide: u64,
    doubles: u64,
    dates: u64,
    timestamps: u64,
    local_timestamps: u64,
    texts: u64,
    /// Texts of digits and what stands among digits.
    digits: u64,
}

impl Tally {
    /// Counts a cell of delimited text; an empty one says nothing.
    pub(in crate::ingest) fn look(&mut self, text: &str) {
        if !text.is_empty() {
            self.count(Kind::of(text), text);
        }
    }

    /// Counts a cell whose kind is known.
    pub(in crate::ingest) fn count(&mut self, kind: Kind, text: &str) {
        let counter = match kind {
            Kind::Empty => return,
            Kind::Bool => &mut self.bools,
            Kind::Integer { wide: false } => &mut self.integers,
            Kind::Integer { wide: true } => &mut self.wide,
            Kind::Double => &mut self.doubles,
            Kind::Date => &mut self.dates,
            Kind::Timestamp => &mut self.timestamps,
            Kind::LocalTimestamp => &mut self.local_timestamps,
            Kind::Text => {
                self.digits += u64::from(is_digits(text));
                &mut self.texts
            }
        };
        *counter += 1;
    }

    /// Cells that fit a type.
    fn fits(&self, kind: ColumnType) -> u64 {
        match kind {
            ColumnType::Bool => self.bools,
            ColumnType::Int32 | ColumnType::Int64 => self.integers + self.wide,
            ColumnType::Float | ColumnType::Double => self.integers + self.doubles,
            ColumnType::Date => self.dates,
            ColumnType::Timestamp => self.timestamps,
            ColumnType::LocalTimestamp => self.local_timestamps,
            ColumnType::String => self.filled(),
        }
    }

    /// Cells that are not empty.
    fn filled(&self) -> u64 {
        let numbers = self.integers + self.wide + self.doubles;
        self.bools + numbers + self.dates + self.timestamps + self.local_timestamps + self.texts
    }

    /// The type that the cells choose: the narrowest of those that most of them fit.
    pub(in crate::ingest) fn choose(&self) -> ColumnType {
        const CANDIDATES: [ColumnType; 6] =
            [ColumnType::Bool, ColumnType::Int64, ColumnType::Double, ColumnType::Date, ColumnType::Timestamp, ColumnType::LocalTimestamp];
        let filled = self.filled();
        let mut best = (ColumnType::String, 0);
        for kind in CANDIDATES {
            let fits = self.fits(kind);
            if fits > best.1 {
                best = (kind, fits);
            }
        }
        let misfits = filled - best.1.min(filled);
        let numbers_elsewhere = misfits - self.texts.min(misfits); // a wide integer among doubles, say
        let stays = misfits == 0 || (misfits.saturating_mul(MISFIT_IN) <= filled && self.digits == 0 && numbers_elsewhere == 0);
        if stays { best.0 } else { ColumnType::String }
    }

    /// The column if all its cells must fit.
    pub(in crate::ingest) fn strict(&self) -> ColumnType {
        let kind = self.choose();
        if self.fits(kind) == self.filled() { kind } else { ColumnType::String }
    }
}

/// Digits, signs, points, commas, blanks.
fn is_digits(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit()) && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-., eE%".contains(&byte))
}

/// A nullable column.
pub(in crate::ingest) fn column(name: &str, kind: ColumnType) -> Column {
    Column { name: name.to_owned(), kind, nullable: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(cells: &[(&str, u64)]) -> ColumnType {
        let mut tally = Tally::default();
        for (text, times) in cells {
            (0..*times).for_each(|_| tally.look(text));
        }
        tally.choose()
    }

    #[test]
    fn few_misfits_are_set_aside_and_many_make_text() {
        assert_eq!(chosen(&[("1", 100), ("-", 1)]), ColumnType::Int64);
        assert_eq!(chosen(&[("1", 98), ("-", 1)]), ColumnType::String, "99 cells have room for no misfit");
        assert_eq!(chosen(&[("1", 50), ("2.5", 60), ("n/a", 1)]), ColumnType::Double);
        assert_eq!(chosen(&[("2024-01-01", 990), ("soon", 10)]), ColumnType::Date);
        assert_eq!(chosen(&[("2024-01-01", 980), ("soon", 20)]), ColumnType::String);
        assert_eq!(chosen(&[("", 10)]), ColumnType::String);
        assert_eq!(chosen(&[("x", 5), ("y", 5)]), ColumnType::String);
    }

    #[test]
    fn codes_stay_codes() {
        assert_eq!(chosen(&[("12345", 10_000), ("01234", 1)]), ColumnType::String);
        assert_eq!(chosen(&[("12345", 10_000), ("1,234", 1)]), ColumnType::String);
        assert_eq!(chosen(&[("1.5", 10_000), ("9007199254740993", 1)]), ColumnType::String, "no double holds it");
    }
}
