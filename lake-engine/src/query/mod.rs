//! One read-only SELECT over given snapshots, and over nothing else.
//!
//! The statement is parsed first (`statement.rs`), its table names are looked up among the given ones, and only those
//! that it mentions become tables of a session of its own (`session.rs`, `table.rs`). Rows stream out in the types that
//! tables can hold (`output.rs`) under limits on time, rows and memory (`run.rs`).

mod failure;
mod output;
mod run;
mod session;
mod size;
mod statement;
mod table;

use std::{collections::HashMap, path::Path, sync::Arc};

use datafusion::{
    execution::{SessionState, TaskContext},
    logical_expr::LogicalPlan,
    physical_plan::ExecutionPlan,
    sql::parser::Statement,
};
use madang_lake::{Error, Limits, Result, RowStream, Snapshot};
use object_store::ObjectStore;
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, timeout_at},
};

use self::{failure::refused, output::Output, session::Session};
use crate::storage;

/// The stack of the thread that plans. Memory is taken only as it is used.
const PLANNING_STACK: usize = 128 << 20;

/// Plans a statement and starts it.
pub(crate) async fn run(
    store: &Arc<dyn ObjectStore>,
    scratch: &Path,
    sql: &str,
    tables: &HashMap<String, Snapshot>,
    limits: Limits,
) -> Result<RowStream> {
    let deadline = Instant::now().checked_add(limits.time);
    let session = Session { store: store.clone(), scratch: scratch.to_owned(), tables: tables.clone(), memory_bytes: limits.memory_bytes };
    let planned = within(deadline, &limits, plan_apart(session, sql.to_owned())).await??;
    let output = Output::new(&planned.plan.schema())?;
    let schema = output.schema.clone();
    let batches = run::start(planned, output, deadline, limits)?;
    Ok(RowStream { schema, batches })
}

/// Plans on a thread of its own, because parsing and planning need stack for every level of a statement.
async fn plan_apart(session: Session, sql: String) -> Result<Planned> {
    let (send, planned) = oneshot::channel();
    let runtime = Handle::current();
    let work = move || {
        let planned = statement::parse(&sql).and_then(|statement| runtime.block_on(plan(&session, &statement)));
        let _ = send.send(planned); // refused only if the caller has left
    };
    std::thread::Builder::new().name("lake-plan".to_owned()).stack_size(PLANNING_STACK).spawn(work).map_err(storage)?;
    planned.await.map_err(|_| storage("the planner has failed"))?
}

/// A statement ready to run.
struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    memory_bytes: usize,
}

/// Names are taken as they are written. Only if that finds nothing, unquoted ones are tried in lower case, as SQL has it.
async fn plan(session: &Session, statement: &Statement) -> Result<Planned> {
    let (state, logical) = match logical(session, statement, false).await {
        Ok(found) => found,
        Err(first) => logical(session, statement, true).await.map_err(|_| first)?,
    };
    let plan = state.create_physical_plan(&logical).await.map_err(|error| refused(error, session.memory_bytes))?;
    Ok(Planned { plan, context: state.task_ctx(), memory_bytes: session.memory_bytes })
}

async fn logical(session: &Session, statement: &Statement, fold_case: bool) -> Result<(SessionState, LogicalPlan)> {
    let names = statement::table_names(statement, fold_case)?;
    let state = session.state(&names, fold_case)?;
    let plan = state.statement_to_plan(statement.clone()).await.map_err(|error| refused(error, session.memory_bytes))?;
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
    Error::LimitExceeded(format!("the query took longer than {} seconds, which is the limit", limits.time.as_secs_f64()))
}
