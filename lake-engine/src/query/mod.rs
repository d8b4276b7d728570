//! One read-only SELECT over given snapshots, and over nothing else.
//!
//! The statement is parsed first (`statement.rs`), its table names are looked up among the given ones, and only those
//! that it mentions become tables of a session of its own (`session.rs`, `table.rs`). Rows stream out in the types that
//! tables can hold (`output.rs`) under limits on time, rows and memory (`run.rs`).

mod amplify;
mod changes;
mod failure;
mod key;
mod merge;
mod output;
mod pause;
mod reserved;
mod run;
mod select;
mod session;
mod size;
mod spill;
mod statement;
mod table;
mod values;
mod workers;

use std::{collections::HashMap, path::Path, sync::Arc};

use arrow::{
    array::{Array, AsArray},
    datatypes::{Int64Type, SchemaRef},
};
use datafusion::{
    common::ParamValues,
    error::Result as EngineResult,
    execution::{
        SessionState, TaskContext,
        memory_pool::{FairSpillPool, MemoryPool},
    },
    logical_expr::LogicalPlan,
    physical_plan::ExecutionPlan,
    sql::parser::Statement,
};
use futures::TryStreamExt;
use madang_lake::{Error, Filter, Limits, Question, ReadOptions, Relation, Result, RowStream, Snapshot};
use object_store::ObjectStore;
use serde_json::Value;
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use self::{
    amplify::Meter,
    failure::refused,
    output::Output,
    pause::GivenUp,
    run::Running,
    session::Session,
    table::Table,
    workers::{ReadOnly, Workers},
};
pub(crate) use self::{
    merge::{Join, Question as MergeQuestion, Sides},
    select::predicate,
};
use crate::storage;

/// Plans a statement and starts it.
pub(crate) async fn run(
    store: &Arc<dyn ObjectStore>,
    scratch: &Path,
    sql: &str,
    values: &HashMap<String, Value>,
    tables: &HashMap<String, Snapshot>,
    limits: Limits,
) -> Result<RowStream> {
    let (sql, values) = (sql.to_owned(), values::bind(values)?);
    let planner = move |session| async move { plan(&session, &statement::parse(&sql)?, &values, Output::new).await };
    let tables = tables.iter().map(|(name, snapshot)| Ok((name.clone(), Table::new(snapshot)?)));
    start(store, scratch, tables.collect::<Result<_>>()?, limits, planner).await
}

/// The same over tables whose first column is the row id.
pub(crate) async fn run_numbered(
    store: &Arc<dyn ObjectStore>,
    scratch: &Path,
    sql: &str,
    tables: &HashMap<String, Snapshot>,
    limits: Limits,
) -> Result<RowStream> {
    let (sql, values) = (sql.to_owned(), values::bind(&HashMap::new())?);
    let planner = move |session| async move { plan(&session, &statement::parse(&sql)?, &values, Output::numbered).await };
    let tables = tables.iter().map(|(name, snapshot)| Ok((name.clone(), Table::with_row_id(snapshot)?)));
    start(store, scratch, tables.collect::<Result<_>>()?, limits, planner).await
}

/// Plans a statement over relations, in whose types it gives its rows, and starts it.
pub(crate) async fn ask(
    store: &Arc<dyn ObjectStore>,
    scratch: &Path,
    question: &Question,
    tables: &HashMap<String, Relation>,
    limits: Limits,
) -> Result<RowStream> {
    let values = values::bind(&question.values)?;
    let Question { sql, sorted_joins, numbered, .. } = question.clone();
    let planner = move |mut session: Session| async move {
        session.sorted_joins = sorted_joins;
        plan(&session, &statement::parse(&sql)?, &values, Output::of_any).await
    };
    let tables = tables.iter().map(|(name, relation)| Ok((name.clone(), Table::of_relation(relation, numbered)?)));
    start(store, scratch, tables.collect::<Result<_>>()?, limits, planner).await
}

/// The columns that a statement over tables of these columns gives.
pub(crate) async fn describe(
    store: &Arc<dyn ObjectStore>,
    scratch: &Path,
    question: &Question,
    tables: &HashMap<String, SchemaRef>,
    limits: Limits,
) -> Result<SchemaRef> {
    let values = values::bind(&question.values)?;
    let sql = question.sql.clone();
    let planner = move |session| async move { plan(&session, &statement::parse(&sql)?, &values, Output::of_any).await };
    let tables = tables.iter().map(|(name, schema)| (name.clone(), Table::empty(schema.clone()))).collect();
    Ok(start(store, scratch, tables, limits, planner).await?.schema)
}

/// The rows that came to a table between two versions, if they are whole files.
pub(crate) fn added(from: &Snapshot, to: &Snapshot) -> Option<Snapshot> {
    changes::added(from, to)
}

/// Plans the rows that came to a table between two versions, and starts it.
pub(crate) async fn changes(
    store: &Arc<dyn ObjectStore>,
    scratch: &Path,
    from: &Snapshot,
    to: &Snapshot,
    limits: Limits,
) -> Result<RowStream> {
    let (from, to) = (from.clone(), to.clone());
    let planner = move |session| async move { built(&session, &changes::rows(&from, &to)?).await };
    start(store, scratch, HashMap::new(), limits, planner).await
}

/// Plans rows of one table under conditions, and starts it.
pub(crate) async fn select(
    store: &Arc<dyn ObjectStore>,
    scratch: &Path,
    snapshot: &Snapshot,
    options: &ReadOptions,
    limits: Limits,
) -> Result<RowStream> {
    let (snapshot, options) = (snapshot.clone(), options.clone());
    let planner = move |session| async move { built(&session, &select::rows(&snapshot, &options)?).await };
    start(store, scratch, HashMap::new(), limits, planner).await
}

/// Plans one of the questions of a merge, and starts it.
pub(crate) async fn merge(
    store: &Arc<dyn ObjectStore>,
    scratch: &Path,
    sides: &Sides,
    question: MergeQuestion,
    limits: Limits,
) -> Result<RowStream> {
    let sides = sides.clone();
    let planner = move |mut session: Session| async move {
        session.sorted_joins = sides.join == Join::Sorted;
        built(&session, &question(&sides)?).await
    };
    start(store, scratch, HashMap::new(), limits, planner).await
}

/// Counts rows of one table under conditions.
pub(crate) async fn count(
    store: &Arc<dyn ObjectStore>,
    scratch: &Path,
    snapshot: &Snapshot,
    filters: &[Filter],
    limits: Limits,
) -> Result<u64> {
    let (snapshot, filters) = (snapshot.clone(), filters.to_vec());
    let planner = move |session| async move { built(&session, &select::number(&snapshot, &filters)?).await };
    let batch = start(store, scratch, HashMap::new(), limits, planner)
        .await?
        .batches
        .try_next()
        .await?
        .ok_or_else(|| storage("a count without a row"))?;
    let count = batch.column(0).as_primitive_opt::<Int64Type>().filter(|cells| !cells.is_empty()).map(|cells| cells.value(0));
    count.map(i64::unsigned_abs).ok_or_else(|| storage("a count that is no number"))
}

/// The table names that a statement mentions, as written.
pub(crate) fn table_names(sql: &str) -> Result<Vec<String>> {
    statement::table_names(&statement::parse(sql)?, false)
}

/// The keys of rows as one binary value each; null if a cell is empty.
pub(crate) fn keys(columns: &[arrow::array::ArrayRef]) -> Result<arrow::array::BinaryArray> {
    key::keys(columns).map_err(storage)
}

/// The functions that a statement calls.
pub(crate) fn function_names(sql: &str) -> Result<Vec<String>> {
    Ok(statement::function_names(&statement::parse(sql)?))
}

/// The names of the values that a statement waits for.
pub(crate) fn value_names(sql: &str) -> Result<Vec<String>> {
    Ok(values::names(&statement::parse(sql)?))
}

/// Starts what a planner plans, under limits.
async fn start<F>(
    store: &Arc<dyn ObjectStore>,
    scratch: &Path,
    tables: HashMap<String, Table>,
    limits: Limits,
    planner: impl FnOnce(Session) -> F,
) -> Result<RowStream>
where
    F: Future<Output = Result<Planned>> + Send + 'static,
{
    let running =
        Running { workers: Workers::new()?, given_up: GivenUp::default(), deadline: Instant::now().checked_add(limits.time), limits };
    let pool: Arc<dyn MemoryPool> = Arc::new(FairSpillPool::new(limits.memory_bytes));
    let session = Session {
        store: Arc::new(ReadOnly { store: store.clone(), home: Handle::current() }),
        scratch: scratch.to_owned(),
        tables,
        memory_bytes: limits.memory_bytes,
        meter: Meter::new(pool.clone(), limits.memory_bytes),
        pool,
        given_up: running.given_up.clone(),
        sorted_joins: false,
    };
    let planning = running.workers.start(planner(session))?;
    let ready = within(running.deadline, &limits, planning).await?.map_err(storage)??;
    Ok(RowStream { schema: ready.output.schema.clone(), batches: running.start(ready)? })
}

/// A statement ready to run.
struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    output: Output,
}

/// Names are taken as they are written. Only if that finds nothing, unquoted ones are tried in lower case, as SQL has it.
async fn plan(
    session: &Session,
    statement: &Statement,
    values: &ParamValues,
    output: impl Fn(&arrow::datatypes::Schema) -> Result<Output>,
) -> Result<Planned> {
    let (state, logical) = match logical(session, statement, values, false).await {
        Ok(found) => found,
        Err(first) => logical(session, statement, values, true).await.map_err(|_| first)?,
    };
    let plan = physical(session, &state, &logical).await.map_err(|error| refused(error, session.memory_bytes))?;
    Ok(Planned { output: output(&plan.schema())?, plan, context: state.task_ctx() })
}

/// A plan that was put together here.
async fn built(session: &Session, logical: &LogicalPlan) -> Result<Planned> {
    let state = session.state(&[], false)?;
    let plan = physical(session, &state, logical).await.map_err(|error| refused(error, session.memory_bytes))?;
    Ok(Planned { output: Output::of_table(plan.schema()), plan, context: state.task_ctx() })
}

async fn physical(session: &Session, state: &SessionState, logical: &LogicalPlan) -> EngineResult<Arc<dyn ExecutionPlan>> {
    let optimized = pause::watch_conditions(state.optimize(logical)?, &session.given_up)?;
    let optimized = session.meter.keep_literals(optimized)?;
    let plan = state.query_planner().create_physical_plan(&optimized, state).await?;
    pause::pause_joins(plan)
}

async fn logical(session: &Session, statement: &Statement, values: &ParamValues, fold_case: bool) -> Result<(SessionState, LogicalPlan)> {
    let names = statement::table_names(statement, fold_case)?;
    let state = session.state(&names, fold_case)?;
    let plan = state.statement_to_plan(statement.clone()).await.map_err(|error| refused(error, session.memory_bytes))?;
    let plan = plan.replace_params_with_values(values).map_err(|error| refused(error, session.memory_bytes))?;
    statement::check_plan(&plan)?;
    Ok((state, plan))
}

/// Waits for something, but not beyond the query's time.
async fn within<T>(deadline: Option<Instant>, limits: &Limits, work: impl Future<Output = T>) -> Result<T> {
    match deadline {
        None => Ok(work.await), // further away than the clock counts
        Some(deadline) => timeout_at(deadline, work).await.map_err(|_| out_of_time(limits)),
    }
}

fn out_of_time(limits: &Limits) -> Error {
    Error::OutOfTime(format!("the query took longer than {} seconds, which is the limit", limits.time.as_secs_f64()))
}
