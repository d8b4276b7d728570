//! Publishing what a graph's targets staged, all or nothing. Rows for databases are sent first, in transactions that stay open, so that
//! what a database refuses is known while everything can still be taken back. Then the commit record is written; from there on the
//! publish is rolled forward: by this worker, by the next one that takes the run up, or by any process that finds the run ended. Every
//! part can be done twice: the catalogue remembers the run, a database has its mark, a staged file has a new name.

use std::time::Duration;

use arrow::datatypes::{Field, Schema, SchemaRef};
use futures::StreamExt;
use madang_kit::{Code, Context, Drain, Error, Result, error::chain, housekeeping};
use madang_lake::{DataFile, Place, Relation, Staged, TableId};
use madang_proto::catalog::v1::{CommitTablesRequest, TableChange};
use prost::Message;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::lake_error;
use crate::{
    connection,
    database::{self, Begun, Load, Wanted},
    engine::{Engine, walk::Walk},
    job::graph::{kind, node::Mode},
    store::job_publish::{self, Record},
};

/// How often records of workers that are gone are looked for, and how many in one go.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const AT_ONCE: i64 = 100;
/// Waits between tries of a part whose answer got lost: doubled each time, up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(3);

/// What a graph wrote and nobody sees yet.
#[derive(Default)]
pub(crate) struct Written {
    body: Body,
    tables: Vec<TableChange>,
    /// For taking back what is not published.
    staged: Vec<(TableId, Staged)>,
    /// What an earlier attempt has decided, instead.
    decided: Option<Record>,
    /// Open transactions of databases, in the order of the record; none for a database where nothing is to be done.
    loads: Mutex<Vec<Option<Load>>>,
}

/// The commit record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Body {
    databases: Vec<DatabaseWrite>,
    objects: Vec<ObjectsWrite>,
    stages: Vec<Place>,
}

/// Rows for a table of a database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DatabaseWrite {
    pub(super) node: i64,
    pub(super) engine: database::Engine,
    pub(super) connection: String,
    pub(super) table: String,
    pub(super) mode: Mode,
    /// Names run and node in the database.
    pub(super) mark: String,
    /// Where the rows are kept.
    pub(super) kept: TableId,
    pub(super) files: Vec<DataFile>,
    /// Names and types of their columns.
    pub(super) schema: Vec<(String, String)>,
}

/// Files for a bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ObjectsWrite {
    pub(super) bucket: String,
    pub(super) prefix: String,
    pub(super) stage: Place,
    /// The name in the stage and the key.
    pub(super) moves: Vec<(String, String)>,
    pub(super) removes: Vec<Removal>,
}

/// An object that is replaced, unless it was written again meanwhile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Removal {
    pub(super) key: String,
    pub(super) tag: String,
}

impl Written {
    pub(super) fn add_stage(&mut self, stage: Place) {
        self.body.stages.push(stage);
    }

    pub(super) fn add_objects(&mut self, write: ObjectsWrite) {
        self.body.objects.push(write);
    }

    /// # Errors
    /// [`Code::Invalid`] if two targets write the same table: each would wait for the other's end.
    pub(super) fn add_database(&mut self, write: DatabaseWrite) -> Result<()> {
        let twice = self.body.databases.iter().any(|other| other.connection == write.connection && other.table == write.table);
        self.body.databases.push(write);
        if twice { Err(Error::new(Code::Invalid, "two targets write the same table of a database")) } else { Ok(()) }
    }

    /// # Errors
    /// [`Code::Invalid`] if two targets write the same table.
    pub(super) fn add_table(&mut self, change: TableChange, table: TableId, staged: Staged) -> Result<()> {
        let twice = self.tables.iter().any(|other| other.table_id == change.table_id);
        self.tables.push(change);
        self.staged.push((table, staged));
        if twice { Err(Error::new(Code::Invalid, "two targets write the same table of the catalogue")) } else { Ok(()) }
    }

    /// How many files other targets of the run write under a prefix.
    pub(super) fn files_under(&self, bucket: &str, prefix: &str) -> usize {
        self.body.objects.iter().filter(|write| write.bucket == bucket && write.prefix == prefix).map(|write| write.moves.len()).sum()
    }

    /// Takes over what was decided before.
    pub(super) fn resume(&mut self, record: Record) -> Result<()> {
        self.body = serde_json::from_str(&record.body).map_err(Error::internal)?;
        self.decided = Some(record);
        Ok(())
    }

    /// Sends rows to databases, in transactions that stay open. What a database refuses is known then.
    pub(super) async fn load(&mut self, engine: &Engine, context: &Context) -> Result<()> {
        for write in &self.body.databases {
            let begun = load(engine, context, write).await.map_err(|error| of_node(write, error))?;
            self.loads.get_mut().push(begun);
        }
        Ok(())
    }

    /// Makes everything visible.
    pub(crate) async fn publish(&self, walk: &Walk<'_>) -> Result<()> {
        let engine = walk.engine;
        if let Some(record) = &self.decided {
            return roll_forward(engine, &walk.context, walk.claim.fence, record, Vec::new()).await;
        }
        let loads = std::mem::take(&mut *self.loads.lock().await);
        let tables = (!self.tables.is_empty()).then(|| self.commit(walk).encode_to_vec());
        let body = serde_json::to_string(&self.body).map_err(Error::internal)?;
        let inner = &engine.0;
        if !job_publish::decide(&inner.db, walk.claim, inner.clock.now(), body.clone(), tables.clone()).await? {
            return Err(Error::new(Code::Unavailable, "the lease was lost"));
        }
        let record = Record { run_id: walk.claim.run.to_string(), body, tables };
        roll_forward(engine, &walk.context, walk.claim.fence, &record, loads).await
    }

    fn commit(&self, walk: &Walk<'_>) -> CommitTablesRequest {
        CommitTablesRequest {
            run_id: walk.claim.run.to_string(),
            step: "targets".to_owned(),
            fence: walk.claim.fence,
            changes: self.tables.clone(),
        }
    }

    /// Takes back what will never be published.
    pub(crate) async fn discard(&self, engine: &Engine) {
        if self.decided.is_some() {
            return;
        }
        for (table, staged) in &self.staged {
            if let Err(error) = engine.0.lake.discard(table, staged).await {
                tracing::warn!(table = %table, error = %chain(&error), "staged files were left behind");
            }
        }
        clear(engine, &self.body).await;
    }
}

/// Removes what lay in stages.
async fn clear(engine: &Engine, body: &Body) {
    for stage in &body.stages {
        if let Err(error) = engine.0.objects.clear(stage).await {
            tracing::warn!(run = stage.run, error = %chain(&error), "a stage was left behind");
        }
    }
    for write in &body.databases {
        super::forget(engine, &write.rows()).await;
    }
}

impl DatabaseWrite {
    fn rows(&self) -> Relation {
        Relation { table: self.kept.clone(), schema: self.columns(), files: self.files.clone() }
    }

    fn columns(&self) -> SchemaRef {
        let fields =
            self.schema.iter().map(|(name, kind)| Field::new(name, kind::read(kind).unwrap_or(arrow::datatypes::DataType::Utf8), true));
        std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// Sends rows to a database, up to the commit; none if that is not needed.
async fn load(engine: &Engine, context: &Context, write: &DatabaseWrite) -> Result<Option<Load>> {
    let inner = &engine.0;
    let address = connection::open_for(&inner.db, &inner.vault, context, &write.connection, write.engine).await?;
    let columns = write.columns();
    let wanted = Wanted { table: &write.table, columns: &columns, mode: write.mode, mark: &write.mark };
    let mut load = match Load::begin(&address, &wanted).await? {
        Begun::Load(load) => load,
        Begun::Done | Begun::Left => return Ok(None),
    };
    let mut batches = inner.flow.rows(&write.rows()).map_err(lake_error)?.batches;
    while let Some(batch) = batches.next().await {
        load.add(&batch.map_err(lake_error)?).await?;
    }
    load.settle().await?;
    Ok(Some(load))
}

/// Does what is decided. `loads` are the transactions that are open for it, in the order of the record.
async fn roll_forward(engine: &Engine, context: &Context, fence: i64, record: &Record, loads: Vec<Option<Load>>) -> Result<()> {
    let body: Body = serde_json::from_str(&record.body).map_err(Error::internal)?;
    if let Some(tables) = &record.tables {
        let request = CommitTablesRequest { fence, ..CommitTablesRequest::decode(tables.as_slice()).map_err(Error::internal)? };
        if let Err(error) = commit_tables(engine, context, request).await {
            if error.is_refusal() {
                job_publish::forget(&engine.0.db, &record.run_id).await?; // nothing was done yet, and nothing will be
                clear(engine, &body).await;
            }
            return Err(error);
        }
    }
    let mut loads = loads.into_iter();
    for write in &body.databases {
        let committed = match loads.next() {
            Some(Some(load)) => load.commit().await,
            Some(None) => Ok(()),
            None => again(engine, context, write).await,
        };
        // An answer that got lost may have been a yes: the mark tells.
        if let Err(first) = committed
            && let Err(error) = again(engine, context, write).await
        {
            tracing::warn!(first = %chain(&first), error = %chain(&error), "a decided write to a database is not done");
            return Err(undone(of_node(write, error)));
        }
    }
    for write in &body.objects {
        publish_objects(engine, write).await.map_err(undone)?;
    }
    clear(engine, &body).await;
    job_publish::forget(&engine.0.db, &record.run_id).await.map_err(undone)
}

/// A failure after the decision: it refuses nothing any more, and it will be tried again.
fn undone(error: Error) -> Error {
    Error { code: Code::Unavailable, message: format!("what was written is published later: {}", error.message), ..error }
}

async fn again(engine: &Engine, context: &Context, write: &DatabaseWrite) -> Result<()> {
    match load(engine, context, write).await? {
        Some(load) => load.commit().await,
        None => Ok(()),
    }
}

async fn commit_tables(engine: &Engine, context: &Context, request: CommitTablesRequest) -> Result<()> {
    let mut wait = FIRST_WAIT;
    loop {
        match engine.0.catalog.commit(context, request.clone()).await {
            Err(error) if !error.is_refusal() && wait <= LAST_WAIT => tokio::time::sleep(wait).await,
            other => return other,
        }
        wait *= 2;
    }
}

/// The old objects go, the new ones come.
async fn publish_objects(engine: &Engine, write: &ObjectsWrite) -> Result<()> {
    let objects = &engine.0.objects;
    for old in &write.removes {
        match objects.head(&write.bucket, &old.key).await {
            Ok(found) if found.tag == old.tag => objects.delete(&write.bucket, &old.key).await.map_err(lake_error)?,
            Ok(_) | Err(madang_lake::Error::NotFound(_)) => {} // written again since the start, or gone
            Err(error) => return Err(lake_error(error)),
        }
    }
    for (file, key) in &write.moves {
        objects.publish(&write.stage, file, &write.bucket, key).await.map_err(lake_error)?;
    }
    Ok(())
}

fn of_node(write: &DatabaseWrite, error: Error) -> Error {
    if error.code == Code::Internal { error } else { Error { message: format!("node {}: {}", write.node, error.message), ..error } }
}

/// Looks for what is decided of runs that nobody works on any more.
pub(super) fn serve(engine: &Engine, drain: &Drain) {
    let engine = engine.clone();
    housekeeping::every(LOOK_EVERY, drain, "a job's publish is not done yet", move || {
        let engine = engine.clone();
        async move {
            for (record, run_as, fence) in job_publish::abandoned(&engine.0.db, AT_ONCE).await? {
                let context = Context { request_id: record.run_id.clone(), ..Context::new(run_as) };
                match roll_forward(&engine, &context, fence, &record, Vec::new()).await {
                    Ok(()) => tracing::info!(run = record.run_id, "rolled a job's publish forward"),
                    Err(error) => tracing::warn!(run = record.run_id, error = %chain(&error), "a job's publish is not done yet"),
                }
            }
            Ok(())
        }
    });
}
