//! Stopping well: no new work, running work to its end, then out.

use std::{future::Future, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// One drain per process: tasks are spawned on it and watch its token.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Drain {
    /// Cancelled when the process should stop.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs a task that the drain waits for.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    /// Tells every task to stop.
    pub fn start(&self) {
        self.token.cancel();
    }

    /// Waits for SIGTERM or SIGINT, or until somebody else started the drain.
    pub async fn on_signal(&self) -> std::io::Result<()> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = self.token.cancelled() => {}
        }
        self.start();
        Ok(())
    }

    /// Waits for the tasks; returns false if some were still running after `limit`.
    pub async fn finished(&self, limit: Duration) -> bool {
        self.start();
        self.tasks.close();
        tokio::time::timeout(limit, self.tasks.wait()).await.is_ok()
    }
}
