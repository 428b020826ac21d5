//! Why a batch was not decided, by what the worker does next.

use daybook_runtime::kafka::{ProducerError, TailError};
use daybook_runtime::postgres::StoreError;
use daybook_runtime::registry::RegistryError;
use daybook_runtime::retry::Advice;

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
    /// A topic could not be read.
    #[error(transparent)]
    Topic(#[from] TailError),
    /// The store stands at an earlier time than this process has left it at: only a process that has seen nothing of the
    /// time in between can go on.
    #[error("the store was put back to an earlier time")]
    PutBack,
    /// The topic and the store contradict each other: the partition stops until a person has looked.
    #[error("the topic and the store disagree: {0}")]
    Disagreement(String),
}

impl Error {
    /// What the caller does next.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Store(error) => error.advice(),
            Self::Registry(error) => error.advice(),
            Self::DeadLetter(error) => error.advice(),
            Self::Topic(_) => Advice::Retry,
            Self::Fenced
            | Self::Exclusion
            | Self::Refused(_)
            | Self::Panicked
            | Self::Cancelled
            | Self::PutBack
            | Self::Disagreement(_) => Advice::Stop,
        }
    }

    /// What a caller who tries again waits for.
    pub const fn waits_for(&self) -> &'static str {
        match self {
            Self::Store(StoreError::Database(_) | StoreError::Corrupt(_)) => "PostgreSQL",
            Self::Registry(_) => "the schema registry",
            Self::DeadLetter(ProducerError::QueueFull | ProducerError::NotAcknowledged(_)) | Self::Topic(_) => "Kafka",
            Self::Fenced
            | Self::Exclusion
            | Self::Refused(_)
            | Self::Panicked
            | Self::Cancelled
            | Self::PutBack
            | Self::Disagreement(_) => "nothing",
        }
    }
}
