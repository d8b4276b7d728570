//! A SQLite database with a table for each of some tables.

use std::{collections::HashSet, path::Path, sync::Arc};

use arrow::datatypes::DataType;
use futures::StreamExt;
use madang_kit::{Error, Result, error::chain};
use madang_lake::RowStream;
use sqlx::{
    AssertSqlSafe, Connection, Sqlite, SqliteConnection, Transaction,
    error::DatabaseError,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tempfile::NamedTempFile;

use super::{
    sink::{Made, Scratch},
    value::Column,
};
use crate::flow::{
    lake_error,
    table::{read::Table, schema::TableSchema},
};

/// Values that one statement binds.
const MAX_BOUND: usize = 30_000;

/// Columns of a table, as SQLite is built everywhere.
const MAX_COLUMNS: usize = 2_000;
/// Bytes of a page.
const PAGE: u64 = 4_096;
/// What SQLite calls a full disk, or a database of as many pages as it may have; and a disk that fails.
const FULL: i32 = 13;
const IO: i32 = 10;

/// A table to be written: its name, its schema, its rows.
pub(crate) type Source = (String, Arc<Table>, RowStream);

/// Why there is no database: the data is at fault, or we are.
enum Wrong {
    Data(String),
    Ours(Error),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<sqlx::Error> for Wrong {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(told) if !matches!(primary(told), FULL | IO) => Self::Data(told.message().to_owned()),
            _ => Self::Ours(Error::from(error)),
        }
    }
}

/// The code without what extends it.
fn primary(error: &dyn DatabaseError) -> i32 {
    error.code().and_then(|code| code.parse::<i32>().ok()).map_or(0, |code| code & 0xff)
}

/// Writes all rows of each table. What SQLite can't hold is in the answer; an error is ours.
pub(crate) async fn write(tables: Vec<Source>, scratch: &Scratch) -> Result<std::result::Result<Made, String>> {
    let path = NamedTempFile::new_in(&scratch.folder).map_err(Error::internal)?.into_temp_path();
    let pages = (scratch.room() / PAGE).max(1);
    let written = match fill(tables, &path, pages).await {
        Err(Wrong::Ours(error)) if std::fs::metadata(&path).is_ok_and(|file| file.len() / PAGE >= pages.saturating_sub(1)) => {
            tracing::debug!(error = %chain(&error), "a database has as many pages as it may");
            return Ok(Err(scratch.full().message));
        }
        Err(Wrong::Ours(error)) => return Err(error),
        Err(Wrong::Data(why)) => return Ok(Err(why)),
        Ok(()) => Made::of(path)?,
    };
    scratch.charge(written.bytes)?;
    Ok(Ok(written))
}

async fn fill(tables: Vec<Source>, path: &Path, pages: u64) -> std::result::Result<(), Wrong> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .page_size(4_096)
        .pragma("max_page_count", pages.min(u32::MAX.into()).to_string());
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut tx = connection.begin().await?;
    let names = distinct(tables.iter().map(|(name, ..)| name.as_str()));
    for (name, (_, table, rows)) in names.iter().zip(tables) {
        write_table(&mut tx, name, &table.schema, rows).await?;
    }
    tx.commit().await?;
    connection.close().await?;
    Ok(())
}

async fn write_table(
    tx: &mut Transaction<'_, Sqlite>,
    table: &str,
    schema: &TableSchema,
    mut rows: RowStream,
) -> std::result::Result<(), Wrong> {
    let fields = rows.schema.fields();
    if fields.len() > MAX_COLUMNS {
        return Err(Wrong::Data(format!("The table \"{table}\" has {} columns; SQLite holds {MAX_COLUMNS}", fields.len())));
    }
    let names = distinct(fields.iter().map(|field| field.name().as_str()));
    let columns: Vec<String> =
        names.iter().zip(fields).map(|(name, field)| format!("{} {}", quoted(name), affinity(field.data_type()))).collect();
    let width = columns.len().max(1);
    let create = format!("CREATE TABLE {} ({})", quoted(table), columns.join(", "));
    sqlx::query(AssertSqlSafe(create)).execute(&mut **tx).await?;
    while let Some(batch) = rows.batches.next().await {
        let batch = batch.map_err(lake_error)?;
        let columns = Column::of_fields(&batch, &schema.fields)?;
        let at_once = (MAX_BOUND / width).max(1);
        for start in (0..batch.num_rows()).step_by(at_once) {
            let end = (start + at_once).min(batch.num_rows());
            let row = format!("({})", vec!["?"; width].join(", "));
            let text = format!("INSERT INTO {} VALUES {}", quoted(table), vec![row; end - start].join(", "));
            let mut arguments = SqliteArguments::default();
            for row in start..end {
                for column in &columns {
                    bind(&mut arguments, column, row).map_err(Error::internal)?;
                }
            }
            sqlx::query_with(AssertSqlSafe(text), arguments).persistent(false).execute(&mut **tx).await?;
        }
    }
    Ok(())
}

/// Names as SQLite tells them apart, which is without regard to ASCII case; those that begin with `sqlite_` are its own. What is there
/// already gets a number.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = HashSet::new();
    let one = |name: &str| {
        let name = name.replace('\0', "_");
        let name = if name.to_ascii_lowercase().starts_with("sqlite_") { format!("_{name}") } else { name };
        let mut free = name.clone();
        let mut number = 2_u64;
        while !seen.insert(free.to_ascii_lowercase()) {
            free = format!("{name}_{number}");
            number += 1;
        }
        free
    };
    names.map(one).collect()
}

fn bind(arguments: &mut SqliteArguments, column: &Column<'_>, row: usize) -> std::result::Result<(), sqlx::error::BoxDynError> {
    use sqlx::Arguments;
    if column.is_null(row) {
        return arguments.add(None::<String>);
    }
    match column {
        Column::Integer(array) | Column::Year(array) => arguments.add(array.value(row)),
        Column::Number(array) => arguments.add(array.value(row)),
        Column::Boolean(array) => arguments.add(array.value(row)),
        other => {
            let mut text = String::new();
            other.print(row, &mut text);
            arguments.add(text)
        }
    }
}

fn affinity(kind: &DataType) -> &'static str {
    match kind {
        DataType::Int64 | DataType::Boolean => "INTEGER",
        DataType::Float64 => "REAL",
        _ => "TEXT",
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::distinct;

    #[test]
    fn names_are_told_apart_as_sqlite_does() {
        let names = ["Name", "name", "NAME_2", "name", "이름", "sqlite_x", "SQLite_x", "a\0b"];
        assert_eq!(distinct(names.into_iter()), ["Name", "name_2", "NAME_2_2", "name_3", "이름", "_sqlite_x", "_SQLite_x_2", "a_b"]);
    }
}
