//! Why a batch was not decided, by what the worker does next.

use daybook_runtime::kafka::ProducerError;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::registry::RegistryError;

/// Why a batch was not decided.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The partition has a new owner: drop everything and stop.
    #[error("fenced: the partition has a new owner")]
    Fenced,
    /// The partition was revoked, or the process ends.
    #[error("cancelled")]
    Cancelled,
    /// The exclusion constraint fired: decide again from what the store says.
    #[error("the store refused rows that the core had granted")]
    Exclusion,
    /// The store refuses the rows for what they hold.
    #[error("the store refuses the rows of a batch")]
    Refused(#[source] StoreError),
    /// Deciding panicked: find out which request it was.
    #[error("deciding a batch panicked")]
    Panicked,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A dead letter was not acknowledged.
    #[error("dlq.arbiter did not take a record")]
    DeadLetter(#[from] ProducerError),
}
