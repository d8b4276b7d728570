//! A statement, filled with values and run on whichever back end it is for.

use std::sync::Arc;

use sqlx::{
    Arguments, Encode, FromRow, Postgres, SqlStr, Sqlite, Type,
    postgres::{PgArguments, PgConnection, PgPool, PgRow},
    sqlite::{SqliteArguments, SqliteConnection, SqlitePool, SqliteRow},
};

use super::{GroupCommit, settled};

/// A value that both back ends can bind.
pub trait Bind: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres> {}
impl<T> Bind for T where T: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres> {}

/// A row that both back ends can decode: a `#[derive(sqlx::FromRow)]` struct or a tuple.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

pub(super) enum Target<'c> {
    SqlitePool(&'c SqlitePool, Option<&'c Arc<GroupCommit>>, SqliteArguments),
    Sqlite(&'c mut SqliteConnection, SqliteArguments),
    PgPool(&'c PgPool, PgArguments),
    Postgres(&'c mut PgConnection, PgArguments),
}

/// A statement being filled with values.
#[must_use = "finish with all, opt, one or run"]
pub struct Query<'c> {
    pub(super) sql: SqlStr,
    pub(super) target: Target<'c>,
    pub(super) failed: Option<sqlx::Error>,
}

/// Runs the same expression against whichever back end the statement is for.
macro_rules! on_target {
    ($query:ident, |$executor:ident, $arguments:ident| $body:expr) => {{
        if let Some(error) = $query.failed {
            return Err(error);
        }
        match $query.target {
            Target::SqlitePool($executor, group, $arguments) => {
                let outcome = $body;
                settled(group).await?;
                outcome
            }
            Target::Sqlite($executor, $arguments) => $body,
            Target::PgPool($executor, $arguments) => $body,
            Target::Postgres($executor, $arguments) => $body,
        }
    }};
}

impl Query<'_> {
    /// Binds the next `$n`.
    pub fn bind<T: Bind>(mut self, value: T) -> Self {
        let added = match &mut self.target {
            Target::SqlitePool(_, _, arguments) | Target::Sqlite(_, arguments) => arguments.add(value),
            Target::PgPool(_, arguments) | Target::Postgres(_, arguments) => arguments.add(value),
        };
        if let Err(error) = added {
            self.failed.get_or_insert(sqlx::Error::Encode(error));
        }
        self
    }

    /// Every row.
    pub async fn all<T: Row>(self) -> sqlx::Result<Vec<T>> {
        on_target!(self, |executor, arguments| sqlx::query_as_with(self.sql, arguments).fetch_all(executor).await)
    }

    /// The first row, if there is one.
    pub async fn opt<T: Row>(self) -> sqlx::Result<Option<T>> {
        on_target!(self, |executor, arguments| sqlx::query_as_with(self.sql, arguments).fetch_optional(executor).await)
    }

    /// The first row; its absence is an error.
    pub async fn one<T: Row>(self) -> sqlx::Result<T> {
        self.opt().await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// Runs it and tells how many rows it changed.
    pub async fn run(self) -> sqlx::Result<u64> {
        on_target!(self, |executor, arguments| Ok(sqlx::query_with(self.sql, arguments).execute(executor).await?.rows_affected()))
    }
}
