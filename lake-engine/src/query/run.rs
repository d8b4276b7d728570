//! A planned query while it runs. It works in a task of its own, so that the limits hold even while it computes;
//! dropping the stream ends the task.

use arrow::array::RecordBatch;
use datafusion::{error::DataFusionError, physical_plan::execute_stream};
use futures::{StreamExt, stream, stream::BoxStream};
use madang_lake::{Error, Limits, Result};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::{Planned, failure::refused, output::Output, within};
use crate::storage;

/// Starts the query.
pub(super) fn start(
    planned: Planned,
    output: Output,
    deadline: Option<Instant>,
    limits: Limits,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let memory_bytes = planned.memory_bytes;
    let mut found = execute_stream(planned.plan, planned.context).map_err(|error| refused(error, memory_bytes))?;
    let (send, receive) = mpsc::channel(2);
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Some(batch) = found.next().await {
            if send.send(batch).await.is_err() {
                return; // the stream was dropped
            }
        }
    });
    let running = Running { receive, task, output, deadline, limits, rows: 0 };
    Ok(stream::try_unfold(running, Running::next).boxed())
}

struct Running {
    receive: mpsc::Receiver<std::result::Result<RecordBatch, DataFusionError>>,
    task: JoinSet<()>,
    output: Output,
    deadline: Option<Instant>,
    limits: Limits,
    rows: u64,
}

impl Running {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        let Some(batch) = within(self.deadline, &self.limits, self.receive.recv()).await? else {
            return self.end().await;
        };
        let batch = batch.map_err(|error| refused(error, self.limits.memory_bytes))?;
        self.rows += batch.num_rows() as u64;
        if self.rows > self.limits.rows {
            return Err(Error::LimitExceeded(format!("the query gives more than {} rows, which is the limit", self.limits.rows)));
        }
        Ok(Some((self.output.apply(&batch)?, self)))
    }

    /// No more batches: did the task come to its end by itself?
    async fn end(mut self) -> Result<Option<(RecordBatch, Self)>> {
        match self.task.join_next().await {
            Some(Err(error)) => Err(storage(error)),
            _ => Ok(None),
        }
    }
}
