//! A planned query while it runs, on its own threads, under its limits. Dropping the stream ends it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::{
    error::{DataFusionError, Result as EngineResult},
    execution::TaskContext,
    physical_plan::{ExecutionPlan, execute_stream},
};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use madang_lake::{Error, Limits, Result};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

use super::{Planned, failure::refused, output::Output, pause::GivenUp, within, workers::Workers};
use crate::storage;

/// A query that gives batches.
pub(super) struct Running {
    pub(super) workers: Workers,
    pub(super) given_up: GivenUp,
    pub(super) deadline: Option<Instant>,
    pub(super) limits: Limits,
}

impl Running {
    /// Starts the query.
    pub(super) fn start(self, planned: Planned) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let (send, receive) = mpsc::channel(2);
        let Planned { plan, context, output } = planned;
        let task = self.workers.start(drive(plan, context, send))?;
        let rows = Rows { running: self, receive, task: Some(task), output, given: 0 };
        Ok(stream::try_unfold(rows, Rows::next).boxed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.given_up.set();
    }
}

async fn drive(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>, send: mpsc::Sender<EngineResult<RecordBatch>>) -> EngineResult<()> {
    let mut batches = execute_stream(plan, context)?;
    while let Some(batch) = batches.next().await {
        if send.send(batch).await.is_err() {
            break; // the stream was dropped
        }
    }
    Ok(())
}

struct Rows {
    running: Running,
    receive: mpsc::Receiver<std::result::Result<RecordBatch, DataFusionError>>,
    task: Option<JoinHandle<EngineResult<()>>>,
    output: Output,
    given: u64,
}

impl Rows {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        let limits = self.running.limits;
        let Some(batch) = within(self.running.deadline, &limits, self.receive.recv()).await? else {
            return self.end().await;
        };
        let batch = batch.map_err(|error| refused(error, limits.memory_bytes))?;
        self.given += batch.num_rows() as u64;
        if self.given > limits.rows {
            return Err(Error::LimitExceeded(format!("the query gives more than {} rows, which is the limit", limits.rows)));
        }
        Ok(Some((self.output.apply(&batch)?, self)))
    }

    /// No more batches: did the task come to its end by itself?
    async fn end(mut self) -> Result<Option<(RecordBatch, Self)>> {
        let Some(task) = self.task.take() else { return Ok(None) };
        match task.await {
            Ok(Ok(())) => {
                self.running.workers.rest();
                Ok(None)
            }
            Ok(Err(error)) => Err(refused(error, self.running.limits.memory_bytes)),
            Err(error) => Err(storage(error)),
        }
    }
}
