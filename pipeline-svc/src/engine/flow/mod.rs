//! A job's graph at work (dataflow.md section 4). Every node's rows are kept in scratch until the last node that reads them is done.
//! Targets stage; when all nodes are done, everything that they staged is published together (`publish.rs`).

mod publish;
mod source;
mod target;
mod transform;

use std::collections::{HashMap, hash_map::Entry};

use futures::StreamExt;
use madang_kit::{Code, Drain, Error, Result, error::chain};
use madang_lake::{Conformed, Limits, Object, Relation, RowStream};
use madang_proto::pipeline::v1::RunState;

pub(super) use self::publish::Written;
use super::{
    Engine,
    step::{Task, lake_error},
    walk::Walk,
};
use crate::{
    job::graph::{
        Graph,
        node::{Node, Source, Target, To, Work},
        verify,
    },
    storage::bucket,
    store::{
        job_publish,
        record::{self, Line, StepEnd, Transition},
    },
};

/// What one node may take.
const LIMITS: Limits = Limits { time: std::time::Duration::from_hours(24), ..Limits::STEP };
/// Objects under one prefix.
const MAX_OBJECTS: usize = 100_000;

/// Works off every node, up to what is to be published. If an earlier attempt has decided that, there is nothing to do.
pub(super) async fn run(walk: &Walk<'_>, task: &mut Task<'_>, graph: &Graph) -> Result<()> {
    let engine = &walk.engine.0;
    if let Some(record) = job_publish::of_run(&engine.db, walk.claim.run).await? {
        task.say("INFO", "what an earlier attempt wrote is published");
        task.flow.resume(record)?;
        return Ok(());
    }
    let mut flow = Running { walk, graph, made: Vec::new(), left: readers(graph), pins: HashMap::new() };
    let worked = Box::pin(flow.work(task)).await;
    for relation in flow.made.iter().flatten() {
        forget(walk.engine, relation).await;
    }
    worked?;
    task.flow.load(walk.engine, &walk.context).await
}

/// Publishes what workers that are gone have decided, until the process drains.
pub(super) fn serve(engine: &Engine, drain: &Drain) {
    publish::serve(engine, drain);
}

/// How many nodes read the rows of each.
fn readers(graph: &Graph) -> Vec<usize> {
    let mut readers = vec![0; graph.nodes.len()];
    for parent in graph.nodes.iter().flat_map(|node| &node.parents) {
        if let Some(readers) = readers.get_mut(*parent) {
            *readers += 1;
        }
    }
    readers
}

/// A graph at work.
struct Running<'a> {
    walk: &'a Walk<'a>,
    graph: &'a Graph,
    /// What each node made, while somebody reads it.
    made: Vec<Option<Relation>>,
    /// Readers of each node that are not done yet.
    left: Vec<usize>,
    /// The objects that were there at the start, by bucket and prefix.
    pins: HashMap<(String, String), Vec<Object>>,
}

/// What came of a node.
#[derive(Default)]
struct Done {
    rows: Option<Relation>,
    rows_out: u64,
    bad_values: u64,
}

impl Running<'_> {
    async fn work(&mut self, task: &mut Task<'_>) -> Result<()> {
        for node in &self.graph.nodes {
            self.pin(node).await?;
        }
        let mut begins = self.graph.nodes.first().map(|node| node.place.at);
        let mut ended = None;
        for (number, node) in self.graph.nodes.iter().enumerate() {
            self.write(ended.take(), begins.take(), std::mem::take(&mut task.lines)).await?;
            let parents = self.parents(node)?;
            let rows_in: u64 = parents.iter().map(Relation::rows).sum();
            let done = match self.node(node, &parents, task).await {
                Ok(done) => done,
                Err(error) => return Err(self.failed(node, error, task).await),
            };
            let is_last = number + 1 == self.graph.nodes.len();
            if is_last {
                (task.rows_in, task.rows_out, task.bad_values) = (rows_in, done.rows_out, done.bad_values);
            } else {
                let end = StepEnd { rows_in, rows_out: done.rows_out, bad_values: done.bad_values, ..StepEnd::default() };
                let bad = if done.bad_values > 0 { format!(", {} bad values", done.bad_values) } else { String::new() };
                task.lines.push(line(node, "INFO", format!("{rows_in} rows in, {} rows out{bad}", done.rows_out)));
                ended = Some((node.place.at, RunState::Succeeded, end));
                begins = self.graph.nodes.get(number + 1).map(|next| next.place.at);
            }
            self.made.push(done.rows);
            self.release(node).await;
        }
        Ok(())
    }

    /// What the node says of itself when it failed; the run's own failure follows.
    async fn failed(&self, node: &Node, error: Error, task: &mut Task<'_>) -> Error {
        let told = format!("node {} '{}': ", node.place.id, node.place.label);
        let message =
            if error.code == Code::Internal || error.message.starts_with("node ") { error.message.clone() } else { told + &error.message };
        if self.graph.nodes.last().is_some_and(|last| last.place.at != node.place.at) {
            let end = StepEnd { comment: Some(message.clone()), ..StepEnd::default() };
            let lines = std::mem::take(&mut task.lines);
            let written = self.write(Some((node.place.at, RunState::Failed, end)), None, lines).await;
            if let Err(error) = written {
                tracing::warn!(error = %chain(&error), "a node's failure was not written");
            }
        }
        Error { message, ..error }
    }

    /// Writes how one node ended and which begins.
    async fn write(&self, ended: Option<(usize, RunState, StepEnd)>, begins: Option<usize>, lines: Vec<Line>) -> Result<()> {
        let engine = &self.walk.engine.0;
        let transition = Transition { ended, begins, lines, ..Transition::default() };
        if record::write(&engine.db, self.walk.claim, engine.clock.now(), transition).await? {
            return Ok(());
        }
        Err(Error::new(Code::Unavailable, "the lease was lost"))
    }

    fn parents(&self, node: &Node) -> Result<Vec<Relation>> {
        let made = node.parents.iter().map(|parent| self.made.get(*parent).cloned().flatten());
        made.map(|made| made.ok_or_else(|| Error::internal("a parent's rows are gone"))).collect()
    }

    async fn node(&self, node: &Node, parents: &[Relation], task: &mut Task<'_>) -> Result<Done> {
        match &node.work {
            Work::Source(source) => self.source(node, source, task).await,
            Work::Target(target) => self.target(node, target, parents, task).await,
            _ => self.transform(node, parents).await,
        }
    }

    /// Removes the rows that nobody reads any more.
    async fn release(&mut self, node: &Node) {
        for parent in &node.parents {
            let Some(left) = self.left.get_mut(*parent) else { continue };
            *left = left.saturating_sub(1);
            if *left == 0
                && let Some(rows) = self.made.get_mut(*parent).and_then(Option::take)
            {
                forget(self.walk.engine, &rows).await;
            }
        }
    }

    /// Writes down which objects a node reads or replaces. Whoever may not do that is told before anything is done.
    async fn pin(&mut self, node: &Node) -> Result<()> {
        let (bucket, prefix, writes) = match &node.work {
            Work::Source(Source::Objects { bucket, prefix: Some(prefix), .. }) => (bucket, prefix, false),
            Work::Target(Target { to: To::Objects { bucket, prefix: Some(prefix), .. }, .. }) => (bucket, prefix, true),
            _ => return Ok(()),
        };
        let engine = &self.walk.engine.0;
        let allowed = bucket::demand_in(&engine.db, engine.objects.as_ref(), &self.walk.context.principal, bucket, writes).await;
        allowed.map_err(|error| verify::linked(&node.place, "bucketName", error))?;
        let key = (bucket.clone(), prefix.clone());
        if let Entry::Vacant(place) = self.pins.entry(key) {
            let found = engine.objects.list(bucket, prefix, "", MAX_OBJECTS + 1).await.map_err(lake_error)?;
            if found.len() > MAX_OBJECTS {
                return Err(node.place.wrong("prefix", "too_many", format!("more than {MAX_OBJECTS} objects lie there")));
            }
            place.insert(found.into_iter().filter(|object| object.is_data_under(prefix)).collect());
        }
        Ok(())
    }

    fn pinned(&self, bucket: &str, prefix: &str) -> &[Object] {
        self.pins.get(&(bucket.to_owned(), prefix.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Keeps rows for the nodes behind.
    async fn keep(&self, rows: Conformed) -> Result<Done> {
        let Conformed { rows, bad_values } = rows;
        let kept = self.walk.engine.0.flow.keep(polite(rows), false).await.map_err(lake_error)?;
        let bad_values = bad_values.load(std::sync::atomic::Ordering::Relaxed);
        Ok(Done { rows_out: kept.rows(), rows: Some(kept), bad_values })
    }
}

/// The rows with a pause before each batch: reading and casting them is work without one, and the same task prolongs the run's lease.
fn polite(rows: RowStream) -> RowStream {
    let batches = rows.batches.then(|batch| async move {
        tokio::task::yield_now().await;
        batch
    });
    RowStream { schema: rows.schema, batches: batches.boxed() }
}

fn line(node: &Node, level: &'static str, message: impl Into<String>) -> Line {
    Line::of_step(&node.place.id.to_string(), level, message)
}

/// Removes rows in scratch; what stays behind is swept later.
async fn forget(engine: &Engine, rows: &Relation) {
    if let Err(error) = engine.0.flow.forget(rows).await {
        tracing::debug!(error = %chain(&error), "rows between nodes were left behind");
    }
}
