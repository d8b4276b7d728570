//! One SQL text on SQLite and PostgreSQL.
//!
//! Reads go through [`Db::query`]; every write is inside a [`Tx`] from [`Db::begin`]. On SQLite there is exactly one writing
//! connection, so writers queue in order instead of failing with "database is locked", and readers never wait for it. Their
//! commits share syncs ([`group_commit`]).
//! Rules for the text: `$n` placeholders; times and ids bound from Rust; `CAST(SUM(..) AS BIGINT)`; what can't be shared goes
//! through [`Db::pick`].

mod group_commit;
mod query;

use std::{borrow::Cow, path::Path, str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    Connection as _, Postgres, SqlSafeStr, Sqlite, Transaction,
    migrate::{MigrateError, Migrator},
    postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions},
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
};

use self::query::Target;
pub use self::{
    group_commit::GroupCommit,
    query::{Bind, Query, Row},
};

const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(10);
const TRUSTED_WHILE_IDLE: Duration = Duration::from_secs(1);

/// Whether an acknowledged write survives power loss, or only a crash of the process (`MADANG_DURABILITY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Synced before it is acknowledged.
    #[default]
    Full,
    /// Left to the operating system to sync.
    Fast,
}

/// What happens to bytes of rows that were deleted or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// They stay in the file until something else takes their place.
    Left,
    /// SQLite writes zeros over them. PostgreSQL has no such thing: it takes them away with its vacuum.
    Overwritten,
}

/// A service's own database.
#[derive(Clone, Debug)]
pub enum Db {
    /// One file; one writer.
    Sqlite {
        /// Connections that can't write.
        readers: SqlitePool,
        /// The one connection that can.
        writer: SqlitePool,
        /// Makes commits durable; none where SQLite does it by itself, or where nobody wants it.
        group: Option<Arc<GroupCommit>>,
    },
    /// One database on a server.
    Postgres(PgPool),
}

/// An open transaction; dropped without [`Tx::commit`], it is rolled back.
#[derive(Debug)]
pub enum Tx {
    /// On SQLite.
    Sqlite {
        /// On the one connection that can write.
        open: Transaction<'static, Sqlite>,
        /// What makes its commit durable.
        group: Option<Arc<GroupCommit>>,
        /// Whether it had any statement that is not plainly a SELECT.
        wrote: bool,
    },
    /// On PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
}

/// Where a function that only reads is to read: the database as it is, or an open transaction with what it has changed so far.
#[derive(Debug)]
pub enum Source {
    /// What is committed.
    Db(Db),
    /// What a transaction sees.
    Tx(Tx),
}

impl Source {
    /// A statement.
    pub fn query(&mut self, sql: impl SqlSafeStr) -> Query<'_> {
        match self {
            Self::Db(db) => db.query(sql),
            Self::Tx(tx) => tx.query(sql),
        }
    }

    /// One of two texts, for the few statements that can't be shared.
    pub fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Db(db) => db.pick(sqlite, postgres),
            Self::Tx(tx) => tx.pick(sqlite, postgres),
        }
    }
}

impl From<&Db> for Source {
    fn from(db: &Db) -> Self {
        Self::Db(db.clone())
    }
}

/// The migrations of one service, a folder per back end, the same file names in both.
#[derive(Debug)]
pub struct Migrations {
    /// For SQLite.
    pub sqlite: &'static Migrator,
    /// For PostgreSQL.
    pub postgres: &'static Migrator,
}

static KIT: Migrations = Migrations { sqlite: &KIT_SQLITE, postgres: &KIT_POSTGRES };
static KIT_SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static KIT_POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

impl Db {
    /// Opens a database: `sqlite:<path>` or `postgres://…`. A missing SQLite file is made.
    pub async fn connect(url: &str, durability: Durability) -> sqlx::Result<Self> {
        Self::connect_with(url, durability, Deleted::Left).await
    }

    /// The same, for a database that may have to forget.
    pub async fn connect_with(url: &str, durability: Durability, deleted: Deleted) -> sqlx::Result<Self> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Self::connect_postgres(url, durability).await;
        }
        let options = SqliteConnectOptions::from_str(url)?
            .pragma("secure_delete", if deleted == Deleted::Overwritten { "on" } else { "off" })
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(WAIT_FOR_CONNECTION);
        Self::connect_sqlite(options, durability).await
    }

    async fn connect_sqlite(options: SqliteConnectOptions, durability: Durability) -> sqlx::Result<Self> {
        let for_writing = options.clone().create_if_missing(true);
        let mut writer = sqlite_pool(1).connect_with(for_writing.clone()).await?;
        let mut group = None;
        if durability == Durability::Full {
            group = group_of(&writer).await?;
            if group.is_none() {
                writer = sqlite_pool(1).connect_with(for_writing.synchronous(SqliteSynchronous::Full)).await?;
            }
        }
        let readers = sqlite_pool(SQLITE_READERS).connect_with(options.pragma("query_only", "on")).await?;
        Ok(Self::Sqlite { readers, writer, group })
    }

    async fn connect_postgres(url: &str, durability: Durability) -> sqlx::Result<Self> {
        let commit = if durability == Durability::Full { "on" } else { "off" };
        let options = PgConnectOptions::from_str(url)?.options([("synchronous_commit", commit)]);
        Ok(Self::Postgres(postgres_pool().connect_with(options).await?))
    }

    /// Brings the tables of the kit and of the service up to date, under a lock.
    pub async fn migrate(&self, own: &Migrations) -> Result<(), MigrateError> {
        match self {
            Self::Sqlite { writer, group, .. } => {
                merged(KIT.sqlite, own.sqlite).run(writer).await?;
                if let Some(group) = group {
                    group.note();
                    group.settled().await?;
                }
                Ok(())
            }
            Self::Postgres(pool) => merged(KIT.postgres, own.postgres).run(pool).await,
        }
    }

    /// A statement that reads.
    pub fn query(&self, sql: impl SqlSafeStr) -> Query<'_> {
        let target = match self {
            Self::Sqlite { readers, group, .. } => Target::SqlitePool(readers, group.as_ref(), SqliteArguments::default()),
            Self::Postgres(pool) => Target::PgPool(pool, PgArguments::default()),
        };
        Query { sql: sql.into_sql_str(), target, failed: None }
    }

    /// Starts a transaction that may write.
    pub async fn begin(&self) -> sqlx::Result<Tx> {
        Ok(match self {
            Self::Sqlite { writer, group, .. } => {
                group.as_ref().map_or(Ok(()), |group| group.check())?;
                Tx::Sqlite { open: begin_on(writer).await?, group: group.clone(), wrote: false }
            }
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// One statement that writes, as a transaction of its own; gives its first row. On PostgreSQL that is one round trip, not three.
    pub async fn alone<T: Row>(&self, sql: &'static str, fill: impl FnOnce(Query<'_>) -> Query<'_>) -> sqlx::Result<Option<T>> {
        if let Self::Postgres(_) = self {
            return fill(self.query(sql)).opt().await;
        }
        let mut tx = self.begin().await?;
        let row = fill(tx.query(sql)).opt().await?;
        tx.commit().await?;
        Ok(row)
    }

    /// One of two texts, for the few statements that can't be shared.
    pub fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite { .. } => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    /// Whether it answers a trivial statement soon, on a connection that may write.
    pub async fn answers(&self) -> bool {
        let asked = async { self.begin().await?.query("SELECT CAST(1 AS BIGINT)").one::<(i64,)>().await };
        matches!(tokio::time::timeout(Duration::from_secs(1), asked).await, Ok(Ok(_)))
    }

    /// Folds SQLite's write-ahead log into the database and empties it, so that it holds no earlier state of a row. False if a reader
    /// was in the way for too long. On PostgreSQL there is nothing to do.
    pub async fn fold_log(&self) -> sqlx::Result<bool> {
        match self {
            Self::Sqlite { writer, .. } => {
                let (busy, ..): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(writer).await?;
                Ok(busy == 0)
            }
            Self::Postgres(_) => Ok(true),
        }
    }

    /// Closes every connection; SQLite's write-ahead log is folded in.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { readers, writer, group } => {
                settled(group.as_ref()).await.ok(); // whoever waits has been told
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// A statement inside the transaction.
    pub fn query(&mut self, sql: impl SqlSafeStr) -> Query<'_> {
        let sql = sql.into_sql_str();
        let target = match self {
            Self::Sqlite { open, wrote, .. } => {
                *wrote |= !sql.as_str().trim_start().starts_with("SELECT");
                Target::Sqlite(open, SqliteArguments::default())
            }
            Self::Postgres(tx) => Target::Postgres(tx, PgArguments::default()),
        };
        Query { sql, target, failed: None }
    }

    /// One of two texts, for the few statements that can't be shared.
    pub fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite { .. } => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    /// Makes it durable and visible. If it only read, what it read is durable.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite { open, group: Some(group), wrote: true } => group.commit(open).await,
            Self::Sqlite { open, group, wrote: _ } => {
                open.commit().await?;
                settled(group.as_ref()).await
            }
            Self::Postgres(tx) => tx.commit().await,
        }
    }

    /// Makes it visible; on SQLite durable with one of the next commits: for what a power failure may take back because the next start
    /// finds it again by itself. A statement of PostgreSQL says that by itself: `set_config('synchronous_commit', 'off', true)`.
    pub async fn commit_unsynced(self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite { open, .. } => open.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        }
    }

    /// Waits until what others committed before this transaction is durable: for one that answers what it read and then is dropped.
    pub async fn settled(&self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite { group, .. } => settled(group.as_ref()).await,
            Self::Postgres(_) => Ok(()), // shows only what is
        }
    }
}

/// Whether a write failed because a unique key is taken.
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

async fn settled(group: Option<&Arc<GroupCommit>>) -> sqlx::Result<()> {
    match group {
        Some(group) => group.settled().await,
        None => Ok(()),
    }
}

/// A connection that was in use a moment ago is not asked whether it still lives: that is one more round trip for each statement.
fn postgres_pool() -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(WAIT_FOR_CONNECTION)
        .test_before_acquire(false)
        .before_acquire(|connection, met| {
            Box::pin(async move {
                if met.idle_for > TRUSTED_WHILE_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// Connections stay open: when its last one closes, SQLite folds the log into the database and removes it. None can be lost to the network.
fn sqlite_pool(connections: u32) -> SqlitePoolOptions {
    let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(WAIT_FOR_CONNECTION);
    pool.idle_timeout(None).max_lifetime(None).test_before_acquire(false)
}

/// Group commit for a database that has a write-ahead log; one in memory has none, nor has one on some network file systems.
///
/// What an earlier process left in the log may never have been synced, so it is folded into the database first.
async fn group_of(writer: &SqlitePool) -> sqlx::Result<Option<Arc<GroupCommit>>> {
    let (mode,): (String,) = sqlx::query_as("PRAGMA journal_mode").fetch_one(writer).await?;
    if mode != "wal" {
        return Ok(None);
    }
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(writer).await?;
    let (path,): (String,) = sqlx::query_as("SELECT file FROM pragma_database_list WHERE name = 'main'").fetch_one(writer).await?;
    Ok(Some(Arc::new(GroupCommit::new(Path::new(&path)))))
}

/// Begins on the writing connection. SQLite ends a transaction by itself when the disk is full, without the library's knowledge;
/// such a connection begins no other, so it is replaced.
async fn begin_on(writer: &SqlitePool) -> sqlx::Result<Transaction<'static, Sqlite>> {
    const BEGIN: &str = "BEGIN IMMEDIATE";
    match writer.begin_with(BEGIN).await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            writer.acquire().await?.close().await?;
            writer.begin_with(BEGIN).await
        }
        other => other,
    }
}

fn merged(kit: &Migrator, own: &Migrator) -> Migrator {
    let mut migrations: Vec<_> = kit.iter().chain(own.iter()).cloned().collect();
    migrations.sort_by_key(|migration| migration.version);
    Migrator { migrations: Cow::Owned(migrations), ..Migrator::DEFAULT }
}
