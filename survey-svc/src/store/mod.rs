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

/// `($1, $2), ($3, $4)`: placeholders of rows.
pub(crate) fn rows_of(rows: usize, columns: usize) -> String {
    (0..rows).map(|row| format!("({})", placeholders(row * columns + 1, columns))).collect::<Vec<_>>().join(", ")
}
