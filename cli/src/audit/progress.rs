//! How far a long command has come, on standard error, for whoever waits for it.

use std::time::Duration;

use tokio::time::Instant;

use crate::out::note;

/// How often something is said. What is done sooner says nothing.
const EVERY: Duration = Duration::from_secs(5);

/// Says from time to time how much is done.
#[derive(Debug)]
pub struct Progress {
    what: String,
    of: i64,
    said: Instant,
}

impl Progress {
    /// Begins with something of which there are about `of`.
    pub fn new(what: impl Into<String>, of: i64) -> Self {
        Self { what: what.into(), of, said: Instant::now() }
    }

    /// So much is done.
    pub fn done(&mut self, done: u64) {
        if self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            note(format_args!("{}: {done} of about {}", self.what, self.of));
        }
    }
}
