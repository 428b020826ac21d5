//! `daybook audit`: proof that what was decided is still what is kept, and that it would be decided so again.
//!
//! `chain` and `fold` are pure and hold the laws; `verify` and `replay` bring them what PostgreSQL and Kafka have, one
//! partition after the other and a page at a time, so that memory does not grow with the history.

mod chain;
mod columns;
mod compare;
mod fields;
mod fold;
mod progress;
mod replay;
mod requests;
#[cfg(test)]
mod sample_log;
mod stream;
mod verify;

pub use replay::{Replay, replay};
pub use verify::{Verify, verify};

use daybook_domain::topics::PARTITIONS;

use crate::failure::Failure;

/// The partitions that were named, or all of them.
fn partitions(named: &[i32]) -> Vec<i32> {
    if named.is_empty() {
        return (0..PARTITIONS).collect();
    }
    let mut named = named.to_vec();
    named.sort_unstable();
    named.dedup();
    named
}

/// What a failure says, without what to do next.
fn first_line(failure: &Failure) -> String {
    failure.to_string().lines().next().unwrap_or_default().to_owned()
}
