//! What a resource is to be, and what it is: its rules, its region, its aliases, its targets.
//!
//! In: `resources.yaml`, the body of a `PUT`, rows. Out: [`Definition`]s, or every [`Fault`] at its position; the requests
//! that define rules; the rows of regions, aliases and targets. The command line and the API both use it, so that what one takes the
//! other takes, word for word.
//! Owns: what a definition may say, and that the same change asked twice is the same request. Everything but `store.rs` is
//! pure. Absent on purpose: sending and waiting, which each caller does in its own way.

mod define;
pub mod describe;
mod file;
mod hours;
pub mod nearest;
pub mod store;

use std::collections::{BTreeMap, BTreeSet};

use daybook_domain::Rules;

pub use define::request;
pub use file::{Definition, Fault, Mirror, read, read_one};
pub use hours::{Stretches, stretches};

/// A resource as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Rises with every change of its timeline or its rules.
    pub version: u64,
    /// Its rules.
    pub rules: Rules,
    /// As whose a phone number is read that says no country.
    pub region: Option<String>,
    /// Source and alias.
    pub aliases: BTreeSet<(String, String)>,
    /// Which systems mirror it.
    pub targets: BTreeMap<String, Mirror>,
}
