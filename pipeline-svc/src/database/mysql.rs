//! MySQL and MariaDB: read by one SELECT, written by INSERTs of many rows.

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
};
use futures::{StreamExt, stream::BoxStream};
use madang_kit::{Error, Result, hex};
use secrecy::ExposeSecret;
use sqlx::{
    AssertSqlSafe, Connection, Executor, MySqlConnection, Row,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};
use tokio::sync::mpsc;

use super::{
    Address, Begun, MARKS, Tls, Wanted, failed, in_lake,
    text::{self, Gathered},
    within,
};
use crate::job::graph::node::Mode;

const PIECES: usize = 2;
/// Values that one statement can bind.
const MAX_VALUES: usize = 60_000;
/// Bytes of one statement: well below the server's least limit on packets.
const MAX_BYTES: usize = 512 << 10;
/// The SQLSTATE of a broken constraint, of which a taken name is the only one that the marks have.
const CONSTRAINT: &str = "23000";

async fn connect(address: &Address) -> Result<MySqlConnection> {
    let mode = match address.tls {
        Tls::Prefer => MySqlSslMode::Preferred,
        Tls::Require => MySqlSslMode::Required,
        Tls::Off => MySqlSslMode::Disabled,
    };
    let options = MySqlConnectOptions::new()
        .host(&address.socket.ip().to_string())
        .port(address.socket.port())
        .username(&address.username)
        .password(address.password.expose_secret())
        .database(&address.database)
        .ssl_mode(mode)
        .charset("utf8mb4");
    let mut connection = within(MySqlConnection::connect_with(&options)).await?;
    for sql in
        ["SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'", "SET SESSION time_zone = '+00:00'"]
    {
        connection.execute(sql).await.map_err(failed)?;
    }
    Ok(connection)
}

pub(super) async fn columns(address: &Address, table: &[String]) -> Result<Vec<String>> {
    let mut connection = connect(address).await?;
    let found = names(&mut connection, table).await?;
    let _ = connection.close().await; // we are through with it either way
    if found.is_empty() { Err(Error::not_found("table", table.join("."))) } else { Ok(found) }
}

async fn names(connection: &mut MySqlConnection, table: &[String]) -> Result<Vec<String>> {
    let (schema, table) = match table {
        [schema, table] => (Some(schema), table),
        [table] => (None, table),
        _ => return Ok(Vec::new()),
    };
    let found = sqlx::query_scalar::<_, String>(
        "SELECT CAST(column_name AS CHAR) FROM information_schema.columns
         WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? ORDER BY ordinal_position",
    );
    found.bind(schema).bind(table).fetch_all(connection).await.map_err(failed)
}

pub(super) fn read(address: Address, table: Vec<String>, columns: SchemaRef) -> BoxStream<'static, madang_lake::Result<RecordBatch>> {
    let (send, receive) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        if let Err(error) = send_rows(&address, &table, &columns, &send).await {
            let _ = send.send(Err(in_lake(error))).await; // nobody listens any more, then nobody needs it
        }
    });
    futures::stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|batch| (batch, receive)) }).boxed()
}

async fn send_rows(
    address: &Address,
    table: &[String],
    columns: &SchemaRef,
    send: &mpsc::Sender<madang_lake::Result<RecordBatch>>,
) -> Result<()> {
    let mut connection = connect(address).await?;
    let wanted: Vec<String> = columns.fields().iter().map(|field| as_text(&quoted(field.name()), field.data_type())).collect();
    let sql = format!("SELECT {} FROM {}", wanted.join(", "), quoted_table(table));
    let mut rows = connection.fetch(sqlx::query(AssertSqlSafe(sql)));
    let mut gathered = Gathered::new(columns);
    while let Some(row) = rows.next().await {
        let row = row.map_err(failed)?;
        let cells = (0..columns.fields().len()).map(|at| row.try_get::<Option<String>, _>(at)).collect::<sqlx::Result<Vec<_>>>();
        if let Some(batch) = gathered.add(cells.map_err(failed)?.into_iter())
            && send.send(batch).await.is_err()
        {
            return Ok(());
        }
    }
    if let Some(batch) = gathered.rest() {
        let _ = send.send(batch).await;
    }
    Ok(())
}

/// A float's own text has six digits; a double's has all.
fn as_text(column: &str, kind: &DataType) -> String {
    match kind {
        DataType::Binary => format!("REPLACE(TO_BASE64({column}), '\\n', '')"),
        DataType::Float32 | DataType::Float64 => format!("CAST(CAST({column} AS DOUBLE) AS CHAR)"),
        _ => format!("CAST({column} AS CHAR)"),
    }
}

fn quoted_table(table: &[String]) -> String {
    table.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".")
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A transaction with the rows so far.
pub(crate) struct Load {
    connection: MySqlConnection,
    /// `INSERT INTO … VALUES `, and the marks of one row.
    insert: String,
    row: String,
    columns: usize,
}

impl Load {
    pub(super) async fn begin(address: &Address, table: &[String], wanted: &Wanted<'_>) -> Result<Begun> {
        let mut connection = connect(address).await?;
        if names(&mut connection, table).await?.is_empty() {
            return Err(Error::not_found("table", table.join(".")));
        }
        let target = quoted_table(table);
        let run =
            async |connection: &mut MySqlConnection, sql: String| connection.execute(sqlx::query(AssertSqlSafe(sql))).await.map_err(failed);
        let marks = format!(
            "CREATE TABLE IF NOT EXISTS {MARKS} (mark VARCHAR(128) PRIMARY KEY, at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE = InnoDB"
        );
        run(&mut connection, marks).await?;
        connection.execute("START TRANSACTION").await.map_err(failed)?;
        let marked =
            sqlx::query(AssertSqlSafe(format!("INSERT INTO {MARKS} (mark) VALUES (?)"))).bind(wanted.mark).execute(&mut connection).await;
        match marked {
            Err(sqlx::Error::Database(told)) if told.code().as_deref() == Some(CONSTRAINT) => return Ok(Begun::Done),
            other => other.map_err(failed)?,
        };
        match wanted.mode {
            Mode::Append => {}
            // TRUNCATE would commit.
            Mode::Overwrite => {
                run(&mut connection, format!("DELETE FROM {target}")).await?;
            }
            Mode::Ignore => {
                let held =
                    sqlx::query(AssertSqlSafe(format!("SELECT 1 FROM {target} LIMIT 1 FOR UPDATE"))).fetch_optional(&mut connection).await;
                if held.map_err(failed)?.is_some() {
                    return Ok(Begun::Left);
                }
            }
        }
        let fields = wanted.columns.fields();
        let names: Vec<String> = fields.iter().map(|field| quoted(field.name())).collect();
        let insert = format!("INSERT INTO {target} ({}) VALUES ", names.join(", "));
        let mark = |kind: &DataType| if *kind == DataType::Binary { "UNHEX(?)" } else { "?" };
        let row = format!("({})", fields.iter().map(|field| mark(field.data_type())).collect::<Vec<_>>().join(", "));
        Ok(Begun::Load(super::Load::MySql(Self { connection, insert, row, columns: fields.len() })))
    }

    pub(super) async fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = text::cells(batch, &DataType::Int8, hex)?;
        let most = (MAX_VALUES / self.columns.max(1)).max(1);
        let (mut start, mut bytes) = (0, 0);
        for row in 0..batch.num_rows() {
            let size: usize = columns.iter().filter_map(|column| text::cell(column, row)).map(str::len).sum();
            if row > start && (row - start >= most || bytes + size > MAX_BYTES) {
                self.insert(&columns, start..row).await?;
                (start, bytes) = (row, 0);
            }
            bytes += size;
        }
        if start < batch.num_rows() { self.insert(&columns, start..batch.num_rows()).await } else { Ok(()) }
    }

    async fn insert(&mut self, columns: &[arrow::array::StringArray], rows: std::ops::Range<usize>) -> Result<()> {
        let sql = format!("{}{}", self.insert, vec![self.row.as_str(); rows.len()].join(", "));
        // A statement of this shape may not come again: kept ones would fill the server's memory.
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for row in rows {
            for column in columns {
                query = query.bind(text::cell(column, row).map(str::to_owned));
            }
        }
        query.execute(&mut self.connection).await.map_err(failed)?;
        Ok(())
    }

    pub(super) async fn commit(mut self) -> Result<()> {
        self.connection.execute("COMMIT").await.map_err(failed)?;
        let _ = self.connection.close().await;
        Ok(())
    }
}
