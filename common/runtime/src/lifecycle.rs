//! Start, stop, and the tasks in between.
//!
//! SIGTERM and SIGINT ask every task to end and wait for them, within a deadline. A task that ends in an error, or
//! panics, takes the process down: a service that limps is worse than one that is started again.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The life of a process: who runs in it, and whether it is to end.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    shutdown: CancellationToken,
    tasks: TaskTracker,
    fatal: Arc<Mutex<Option<String>>>,
}

impl Lifecycle {
    /// A life that has just begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process is to end.
    pub const fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Runs a task to its end. An error or a panic in it ends the process.
    pub fn spawn<E: fmt::Display + Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let life = self.clone();
        self.tasks.spawn(async move {
            match tokio::spawn(task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => life.die(&format!("{name}: {error}")),
                Err(error) if error.is_panic() => life.die(&format!("{name} panicked")),
                Err(_) => {}
            }
        });
    }

    /// Ends the process with a reason, as soon as its tasks have stopped. The first reason is kept.
    pub fn die(&self, reason: &str) {
        tracing::error!(error = reason, "fatal: the process ends");
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| reason.to_owned());
        self.shutdown.cancel();
    }

    /// Waits for a signal or a fatal error, then for the tasks, at most `drain`. The error is the fatal reason.
    pub async fn wait(self, drain: Duration) -> Result<(), String> {
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        if let (Ok(mut terminate), Ok(mut interrupt)) = signals {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("stop requested"),
                _ = interrupt.recv() => tracing::info!("stop requested"),
                () = self.shutdown.cancelled() => {}
            }
        } else {
            self.shutdown.cancelled().await;
        }
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(drain, self.tasks.wait()).await.is_err() {
            tracing::warn!("tasks were still running at the end of the drain; what they held will be done again");
        }
        tracing::info!("stopped");
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}
