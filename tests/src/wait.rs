//! Waiting for a condition, with a deadline. The one place of the tests where time may pass.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Often enough that a wait costs nothing, rarely enough that the asking does not either.
const TICK: Duration = Duration::from_millis(50);

/// Asks until the answer is `Ok`. An error is "not yet", and the last one is shown when the time is over.
pub async fn wait_until<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        let why = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(why) => why,
        };
        if began.elapsed() > limit {
            return Err(why.context(format!("waited {} s in vain: {what}", limit.as_secs())));
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Says "not yet" unless the condition holds.
pub fn not_yet(holds: bool, why: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(anyhow::Error::msg(why())) }
}
