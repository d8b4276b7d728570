//! A SQLite database with a table for each of some tables.

use std::path::Path;

use arrow::datatypes::DataType;
use futures::StreamExt;
use madang_kit::{Error, Result};
use madang_lake::RowStream;
use sqlx::{
    AssertSqlSafe, Connection, Sqlite, SqliteConnection, Transaction,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tempfile::NamedTempFile;

use super::{sink::Made, value::Column};
use crate::flow::lake_error;

/// Values that one statement binds.
const MAX_BOUND: usize = 30_000;

/// Writes all rows of each table.
pub(crate) async fn write(tables: Vec<(String, RowStream)>, scratch: &Path) -> Result<Made> {
    let path = NamedTempFile::new_in(scratch).map_err(Error::internal)?.into_temp_path();
    let options = SqliteConnectOptions::new().filename(&path).journal_mode(SqliteJournalMode::Off).synchronous(SqliteSynchronous::Off);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut tx = connection.begin().await?;
    for (name, rows) in tables {
        write_table(&mut tx, &name, rows).await?;
    }
    tx.commit().await?;
    connection.close().await?;
    Made::of(path)
}

async fn write_table(tx: &mut Transaction<'_, Sqlite>, table: &str, mut rows: RowStream) -> Result<()> {
    let columns: Vec<String> =
        rows.schema.fields().iter().map(|field| format!("{} {}", quoted(field.name()), affinity(field.data_type()))).collect();
    let width = columns.len().max(1);
    let create = format!("CREATE TABLE {} ({})", quoted(table), columns.join(", "));
    sqlx::query(AssertSqlSafe(create)).execute(&mut **tx).await?;
    while let Some(batch) = rows.batches.next().await {
        let batch = batch.map_err(lake_error)?;
        let columns = batch.columns().iter().map(Column::of).collect::<Result<Vec<_>>>()?;
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

fn bind(arguments: &mut SqliteArguments, column: &Column<'_>, row: usize) -> std::result::Result<(), sqlx::error::BoxDynError> {
    use sqlx::Arguments;
    if column.is_null(row) {
        return arguments.add(None::<String>);
    }
    match column {
        Column::Integer(array) => arguments.add(array.value(row)),
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
