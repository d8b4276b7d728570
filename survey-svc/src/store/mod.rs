//! The surveys' tables in their own database: one file per thing, nothing but SQL.

pub(crate) mod access;
pub(crate) mod delivery;
pub(crate) mod draft;
pub(crate) mod group;
pub(crate) mod live;
pub(crate) mod panel;
pub(crate) mod privacy;
pub(crate) mod profile;
pub(crate) mod recording;
pub(crate) mod sheet;
pub(crate) mod survey;

use madang_kit::db::Migrations;
use sqlx::migrate::Migrator;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The surveys' migrations.
pub(crate) static MIGRATIONS: Migrations = Migrations { sqlite: &SQLITE, postgres: &POSTGRES };

/// Items of one page; the contract fixes it (dataspace.md section 3).
pub(crate) const PAGE: usize = 1_000;

/// Cuts a page that was read with one item more, and gives what the next page begins with.
pub(crate) fn cut<T>(rows: &mut Vec<T>, id: impl Fn(&T) -> &String) -> Option<String> {
    let next = rows.get(PAGE).map(|row| id(row).clone());
    rows.truncate(PAGE);
    next
}

/// `$3, $4, $5`: placeholders from one on.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// Values for an `IN`, the last one again and again up to a power of two: a statement of every length would have to be prepared anew.
pub(crate) fn padded(mut values: Vec<String>) -> Vec<String> {
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}

/// Cuts rows into powers of two, the largest first, so that few different statements insert them.
pub(crate) fn portions<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = 1_usize << rows.len().checked_ilog2()?;
        let (portion, rest) = rows.split_at(size);
        rows = rest;
        Some(portion)
    })
}

/// `($1, $2), ($3, $4)`: placeholders of rows.
pub(crate) fn rows_of(rows: usize, columns: usize) -> String {
    (0..rows).map(|row| format!("({})", placeholders(row * columns + 1, columns))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn few_lengths_serve_all() {
        let rows: Vec<u32> = (0..100).collect();
        let sizes: Vec<_> = super::portions(&rows).map(<[u32]>::len).collect();
        assert_eq!(sizes, [64, 32, 4]);
        assert_eq!(super::portions(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        assert_eq!(super::portions(&rows[..0]).count(), 0);
        assert_eq!(super::padded(vec!["a".into(), "b".into(), "c".into()]), ["a", "b", "c", "c"]);
        assert!(super::padded(Vec::new()).is_empty());
    }
}
