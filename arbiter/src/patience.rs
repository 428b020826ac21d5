//! How a partition's worker waits: for what time mends, and for its publisher.

use std::time::Duration;

use daybook_runtime::retry::Advice;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::publish::Commit;
use crate::worker::{COMPONENT, Worker};

/// The first wait before something is tried again; it doubles up to [`AGAIN_MAX`].
const AGAIN: Duration = Duration::from_millis(100);
/// The longest wait.
const AGAIN_MAX: Duration = Duration::from_secs(5);

impl<B, T> Worker<B, T> {
    /// Calls until it succeeds. What can never succeed is an error; what time mends is waited out, and said. No jitter:
    /// partitions are few, and the same faults at the same times give the same run.
    pub(crate) async fn patiently<R, F: Future<Output = Result<R, Error>>>(
        &self,
        revoked: &CancellationToken,
        mut call: impl FnMut() -> F,
    ) -> Result<R, Error> {
        let mut delay = AGAIN;
        let mut waited = false;
        loop {
            match call().await {
                Ok(value) => {
                    if waited {
                        self.health.ready(COMPONENT);
                    }
                    return Ok(value);
                }
                Err(error) => match error.advice() {
                    Advice::Stop => return Err(error),
                    Advice::Retry => {
                        waited = true;
                        self.health.waiting(COMPONENT, error.waits_for());
                        tracing::warn!(%error, "waiting");
                    }
                },
            }
            tokio::select! {
                biased;
                () = revoked.cancelled() => return Err(Error::Cancelled),
                () = tokio::time::sleep(delay) => delay = (delay * 2).min(AGAIN_MAX),
            }
        }
    }
}

/// Hands a commit to the publisher, which is gone only if the process is ending. What a revoked partition does not hand
/// on, its next owner publishes.
pub(crate) async fn send(
    groups: &mpsc::Sender<Commit>,
    commit: Commit,
    revoked: &CancellationToken,
) -> Result<(), Error> {
    tokio::select! {
        biased;
        result = groups.send(commit) => result.map_err(|_| Error::Cancelled),
        () = revoked.cancelled() => Err(Error::Cancelled),
    }
}
