//! What a person sees while they wait: one line a happening, with the seconds since the start.

use std::{
    fmt::Display,
    io::{self, Write},
    time::Instant,
};

/// Prints happenings to standard error, or keeps quiet.
#[derive(Clone, Debug)]
pub struct Progress {
    start: Instant,
    quiet: bool,
}

impl Progress {
    /// Starts the clock.
    pub fn new(quiet: bool) -> Progress {
        Progress { start: Instant::now(), quiet }
    }

    /// Says what happened to `who`.
    pub fn say(&self, who: impl Display, what: impl Display) {
        if !self.quiet {
            // One write a line: the parts start on several threads.
            let line = format!("[{:6.1}s] {who:<11} {what}\n", self.seconds());
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
