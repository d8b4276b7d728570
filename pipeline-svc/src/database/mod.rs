//! Databases of users: PostgreSQL and MySQL, read and written by jobs. Names are quoted, values are bound or copied, never part of a
//! statement. Rows stream both ways; what is in memory is a batch.
//!
//! Reading, each cell is the text that the server makes of it, in a session of fixed zone and style; what the text means in the type
//! that the node wants is decided as for objects. Writing, each cell is a text too, and the server reads it strictly.

mod mysql;
mod postgres;
mod text;

use std::net::SocketAddr;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::stream::BoxStream;
use madang_kit::{Code, Error, Result};
use madang_lake::RowStream;
use secrecy::SecretString;

use crate::job::graph::node::Mode;

/// How long a server may take to let us in.
const CONNECT_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);
/// Rows of a batch that is read.
const BATCH_ROWS: usize = 2_048;
/// Bytes after which a batch is handed on.
const BATCH_BYTES: usize = 4 << 20;
/// Where the runs that have written are remembered, in the user's own database: so that none writes twice.
const MARKS: &str = "madang_publish";

/// Which kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Engine {
    Postgres,
    MySql,
}

/// Whether the way to a server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    Prefer,
    Require,
    Off,
}

/// Where a database is and how one gets in.
pub(crate) struct Address {
    pub(crate) engine: Engine,
    pub(crate) socket: SocketAddr,
    pub(crate) database: String,
    pub(crate) username: String,
    pub(crate) password: SecretString,
    pub(crate) tls: Tls,
}

/// A table's columns, in its order.
///
/// # Errors
/// [`Code::NotFound`] if there is no such table, [`Code::Unavailable`] if the server does not let us in.
pub(crate) async fn columns(address: &Address, table: &str) -> Result<Vec<String>> {
    let table = name(table)?;
    match address.engine {
        Engine::Postgres => postgres::columns(address, &table).await,
        Engine::MySql => mysql::columns(address, &table).await,
    }
}

/// All rows of a table: a text for each cell of the wanted columns.
pub(crate) fn read(address: Address, table: &str, columns: SchemaRef) -> Result<RowStream> {
    let table = name(table)?;
    let schema = text::schema(&columns);
    let batches: BoxStream<'static, _> = match address.engine {
        Engine::Postgres => postgres::read(address, table, columns),
        Engine::MySql => mysql::read(address, table, columns),
    };
    Ok(RowStream { schema, batches })
}

/// Rows on their way into a table, in a transaction that is not committed yet.
pub(crate) enum Load {
    Postgres(postgres::Load),
    MySql(mysql::Load),
}

/// What became of a beginning.
pub(crate) enum Begun {
    Load(Load),
    /// The run has written before.
    Done,
    /// There are rows, and with [`Mode::Ignore`] they stay alone.
    Left,
}

/// What is written where.
pub(crate) struct Wanted<'a> {
    pub(crate) table: &'a str,
    pub(crate) columns: &'a SchemaRef,
    pub(crate) mode: Mode,
    /// Names the run and the node.
    pub(crate) mark: &'a str,
}

impl Load {
    /// Opens the transaction, leaves the run's mark in it and makes room.
    pub(crate) async fn begin(address: &Address, wanted: &Wanted<'_>) -> Result<Begun> {
        let table = name(wanted.table)?;
        match address.engine {
            Engine::Postgres => postgres::Load::begin(address, &table, wanted).await,
            Engine::MySql => mysql::Load::begin(address, &table, wanted).await,
        }
    }

    /// Writes rows whose columns are those that were wanted.
    pub(crate) async fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Postgres(load) => load.add(batch).await,
            Self::MySql(load) => load.add(batch).await,
        }
    }

    /// Ends the rows; what is wrong with them comes out here at the latest.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        match self {
            Self::Postgres(load) => load.settle().await,
            Self::MySql(_) => Ok(()),
        }
    }

    /// Commits.
    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::Postgres(load) => load.commit().await,
            Self::MySql(load) => load.commit().await,
        }
    }
}

/// The parts of a table's name: `orders`, `sales.orders`.
fn name(text: &str) -> Result<Vec<String>> {
    let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
    let plain = |part: &String| !part.trim().is_empty() && part.len() <= 128 && !part.chars().any(char::is_control);
    if parts.len() <= 2 && parts.iter().all(plain) {
        return Ok(parts);
    }
    Err(Error::new(Code::Invalid, "a table's name is one name, or two parted by a dot"))
}

/// What a failure of a user's database means. What its server says is for the caller.
#[expect(clippy::needless_pass_by_value, reason = "results are mapped with it")]
fn failed(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(told) => Error::new(Code::Invalid, format!("the database refused: {}", told.message())),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
            Error::new(Code::Unavailable, "the database can't be reached, or the connection to it broke")
        }
        _ => Error::new(Code::Unavailable, "the database did not answer as expected"),
    }
}

fn in_lake(error: Error) -> madang_lake::Error {
    madang_lake::Error::Invalid(error.message)
}

/// Waits for a server to let us in.
async fn within<T>(connecting: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    match tokio::time::timeout(CONNECT_WITHIN, connecting).await {
        Ok(Ok(connected)) => Ok(connected),
        Ok(Err(error)) => Err(Error { code: Code::Unavailable, ..failed(error) }),
        Err(_) => Err(Error::new(Code::Unavailable, "the database does not answer")),
    }
}
