//! Trying again what only time can mend: capped exponential backoff with jitter, and no end unless shutdown says so.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio_util::sync::CancellationToken;

/// What a failed call asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// The same call may succeed later.
    Retry,
    /// It never will.
    Stop,
}

/// Why [`forever`] came back without a result.
#[derive(Debug, thiserror::Error)]
pub enum Ended<E> {
    /// The service is shutting down, or the partition went elsewhere.
    #[error("cancelled while waiting")]
    Cancelled,
    /// The call says that it can never succeed.
    #[error(transparent)]
    Stopped(E),
}

/// The delays between tries: 100 ms, doubling, at most 5 s, each with jitter.
fn delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times()
        .build()
}

/// Calls until it succeeds, says that it never will, or `cancelled`. `on_retry` sees each error that is waited out;
/// it is where the caller says what it waits for. (Not an `AsyncFnMut`: a task that calls with one cannot be spawned.)
pub async fn forever<T, E, F: Future<Output = Result<T, E>>>(
    cancelled: &CancellationToken,
    mut call: impl FnMut() -> F,
    advice: impl Fn(&E) -> Advice,
    mut on_retry: impl FnMut(&E),
) -> Result<T, Ended<E>> {
    let mut delays = delays();
    loop {
        match call().await {
            Ok(value) => return Ok(value),
            Err(error) => match advice(&error) {
                Advice::Stop => return Err(Ended::Stopped(error)),
                Advice::Retry => on_retry(&error),
            },
        }
        let delay = delays.next().unwrap_or(Duration::from_secs(5));
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = cancelled.cancelled() => return Err(Ended::Cancelled),
        }
    }
}
