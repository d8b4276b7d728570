//! PostgreSQL: read by one SELECT, written by COPY.

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
};
use futures::{StreamExt, stream::BoxStream};
use madang_kit::{Code, Error, Result, hex};
use secrecy::ExposeSecret;
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, Row,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Address, Begun, MARKS, Tls, Wanted, failed, in_lake,
    text::{self, Gathered},
    within,
};
use crate::job::graph::node::Mode;

/// Pieces of a COPY on their way to the server.
const PIECES: usize = 2;
/// How long a statement waits for what another transaction holds.
const LOCK_TIMEOUT: &str = "60s";
/// The SQLSTATE of a name that is taken.
const UNIQUE: &str = "23505";

async fn connect(address: &Address) -> Result<PgConnection> {
    let mode = match address.tls {
        Tls::Prefer => PgSslMode::Prefer,
        Tls::Require => PgSslMode::Require,
        Tls::Off => PgSslMode::Disable,
    };
    let options = PgConnectOptions::new_without_pgpass()
        .host(&address.socket.ip().to_string())
        .port(address.socket.port())
        .username(&address.username)
        .password(address.password.expose_secret())
        .database(&address.database)
        .ssl_mode(mode)
        .application_name("madang")
        .options([
            ("timezone", "UTC"),
            ("datestyle", "ISO,YMD"),
            ("intervalstyle", "iso_8601"),
            ("bytea_output", "hex"),
            ("extra_float_digits", "1"),
            ("lock_timeout", LOCK_TIMEOUT),
        ]);
    within(PgConnection::connect_with(&options)).await
}

pub(super) async fn columns(address: &Address, table: &[String]) -> Result<Vec<String>> {
    let mut connection = connect(address).await?;
    let found = names(&mut connection, table).await?;
    let _ = connection.close().await; // we are through with it either way
    if found.is_empty() { Err(Error::not_found("table", table.join("."))) } else { Ok(found) }
}

async fn names(connection: &mut PgConnection, table: &[String]) -> Result<Vec<String>> {
    let found = sqlx::query_scalar::<_, String>(
        "SELECT a.attname::text FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
    );
    found.bind(quoted_table(table)).fetch_all(connection).await.map_err(failed)
}

pub(super) fn read(address: Address, table: Vec<String>, columns: SchemaRef) -> BoxStream<'static, madang_lake::Result<RecordBatch>> {
    let (send, receive) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        if let Err(error) = send_rows(&address, &table, &columns, &send).await {
            let _ = send.send(Err(in_lake(error))).await; // nobody listens any more, then nobody needs it
        }
    });
    tokio_stream(receive)
}

fn tokio_stream(receive: mpsc::Receiver<madang_lake::Result<RecordBatch>>) -> BoxStream<'static, madang_lake::Result<RecordBatch>> {
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

fn as_text(column: &str, kind: &DataType) -> String {
    if *kind == DataType::Binary { format!("replace(encode({column}, 'base64'), E'\\n', '')") } else { format!("{column}::text") }
}

fn quoted_table(table: &[String]) -> String {
    table.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A COPY that goes on beside us.
pub(crate) struct Load {
    pieces: Option<mpsc::Sender<Vec<u8>>>,
    copying: Option<JoinHandle<Result<PgConnection>>>,
    connection: Option<PgConnection>,
}

impl Load {
    pub(super) async fn begin(address: &Address, table: &[String], wanted: &Wanted<'_>) -> Result<Begun> {
        let mut connection = connect(address).await?;
        let names = names(&mut connection, table).await?;
        if names.is_empty() {
            return Err(Error::not_found("table", table.join(".")));
        }
        let target = quoted_table(table);
        let run =
            async |connection: &mut PgConnection, sql: String| connection.execute(sqlx::query(AssertSqlSafe(sql))).await.map_err(failed);
        // Two runs at a time may find it absent, and one of them then finds it taken.
        let made = run(
            &mut connection,
            format!("CREATE TABLE IF NOT EXISTS {MARKS} (mark TEXT PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT now())"),
        )
        .await;
        if made.is_err() {
            sqlx::query(AssertSqlSafe(format!("SELECT 1 FROM {MARKS} LIMIT 1"))).execute(&mut connection).await.map_err(failed)?;
        }
        run(&mut connection, "BEGIN".to_owned()).await?;
        let marked =
            sqlx::query(AssertSqlSafe(format!("INSERT INTO {MARKS} (mark) VALUES ($1)"))).bind(wanted.mark).execute(&mut connection).await;
        match marked {
            Err(sqlx::Error::Database(told)) if told.code().as_deref() == Some(UNIQUE) => return Ok(Begun::Done),
            other => other.map_err(failed)?,
        };
        match wanted.mode {
            Mode::Append => {}
            Mode::Overwrite => {
                run(&mut connection, format!("DELETE FROM {target}")).await?;
            }
            Mode::Ignore => {
                run(&mut connection, format!("LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")).await?;
                let held = sqlx::query(AssertSqlSafe(format!("SELECT 1 FROM {target} LIMIT 1"))).fetch_optional(&mut connection).await;
                if held.map_err(failed)?.is_some() {
                    return Ok(Begun::Left);
                }
            }
        }
        let columns: Vec<String> = wanted.columns.fields().iter().map(|field| quoted(field.name())).collect();
        let copy = format!("COPY {target} ({}) FROM STDIN WITH (FORMAT csv)", columns.join(", "));
        let (pieces, mut received) = mpsc::channel::<Vec<u8>>(PIECES);
        let copying = tokio::spawn(async move {
            let mut sink = connection.copy_in_raw(&copy).await.map_err(failed)?;
            while let Some(piece) = received.recv().await {
                sink.send(piece).await.map_err(failed)?;
            }
            sink.finish().await.map_err(failed)?;
            Ok(connection)
        });
        Ok(Begun::Load(super::Load::Postgres(Self { pieces: Some(pieces), copying: Some(copying), connection: None })))
    }

    pub(super) async fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = text::cells(batch, &DataType::Utf8, |bytes| format!("\\x{}", hex(bytes)))?;
        let mut piece = Vec::new();
        for row in 0..batch.num_rows() {
            for (at, column) in columns.iter().enumerate() {
                if at > 0 {
                    piece.push(b',');
                }
                if let Some(cell) = text::cell(column, row) {
                    piece.push(b'"');
                    piece.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
                    piece.push(b'"');
                }
            }
            piece.push(b'\n');
        }
        match &self.pieces {
            Some(pieces) if pieces.send(piece).await.is_ok() => Ok(()),
            _ => self.settle().await, // the copying has failed, and tells why
        }
    }

    pub(super) async fn settle(&mut self) -> Result<()> {
        self.pieces = None;
        if let Some(copying) = self.copying.take() {
            self.connection = Some(copying.await.map_err(Error::internal)??);
        }
        if self.connection.is_some() { Ok(()) } else { Err(Error::new(Code::Unavailable, "the rows were not taken")) }
    }

    pub(super) async fn commit(mut self) -> Result<()> {
        self.settle().await?;
        let Some(mut connection) = self.connection.take() else { return Ok(()) };
        connection.execute("COMMIT").await.map_err(failed)?;
        let _ = connection.close().await;
        Ok(())
    }
}

impl Drop for Load {
    /// A COPY whose sender goes away would end as if all rows had come; then nothing commits it, and the server takes it back.
    fn drop(&mut self) {
        if let Some(copying) = &self.copying {
            copying.abort();
        }
    }
}
