//! What ends the service, and why a record is a dead letter.

use daybook_domain::SlugError;
use daybook_format::FormatFault;
use daybook_normalizer_core::{ContactKeyError, Reject, RejectReason};
use daybook_runtime::kafka::{KafkaError, ProducerError};
use daybook_runtime::postgres::StoreError;
use daybook_runtime::prometheus;
use daybook_runtime::registry::RegistryError;
use daybook_runtime::retry::Ended;

/// What no wait mends: the process ends, and whoever watches it starts another.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// librdkafka takes one of the options for wrong, or cannot subscribe.
    #[error("cannot start a kafka client")]
    Kafka(#[from] KafkaError),
    /// The registry has no schema of `booking.requests`, or turns us away.
    #[error("no schema for booking.requests: {0}")]
    Registry(#[from] RegistryError),
    /// The store turns us away, or has another shape.
    #[error("cannot look up what is known: {0}")]
    Store(#[from] StoreError),
    /// A topic's limit or right is set wrongly, or the client can send no more.
    #[error("kafka takes no output: {why}", why = cause(.0))]
    Output(#[from] ProducerError),
    /// A source's name in code, past the check.
    #[error("a source's name {0}")]
    Source(#[from] SlugError),
    /// A source's format in code, past the check.
    #[error("sources.{of}: {}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Format {
        /// Of which source.
        of: String,
        /// What is wrong with it.
        faults: Vec<FormatFault>,
    },
    /// A contact key in code, past the check.
    #[error("normalizer.contact_key {0}")]
    ContactKey(#[from] ContactKeyError),
    /// Started twice on one registry of metrics.
    #[error("cannot register metrics")]
    Metrics(#[from] prometheus::Error),
}

fn cause(error: &ProducerError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Why a partition's work stopped.
#[derive(Debug)]
pub enum Stopped {
    /// The partition went elsewhere, or the process is to end: what was not finished is done again by a successor.
    Revoked,
    /// No wait mends it.
    Failed(StageError),
}

impl<E: Into<StageError>> From<Ended<E>> for Stopped {
    fn from(ended: Ended<E>) -> Self {
        match ended {
            Ended::Cancelled => Self::Revoked,
            Ended::Stopped(error) => Self::Failed(error.into()),
        }
    }
}

/// Why a record, or one item of it, is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// What it says cannot be made into a request.
    Reject(RejectReason),
    /// Its sender gave it no id or no source, so that two of it could not be told apart.
    MissingHeader,
    /// It has no value at all.
    EmptyValue,
    /// The normalizer panicked on it: a fault of ours.
    Internal,
}

impl Reason {
    /// The word for it, which is also the header and the metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reject(reason) => reason.as_str(),
            Self::MissingHeader => "missing_header",
            Self::EmptyValue => "empty_value",
            Self::Internal => "internal",
        }
    }
}

/// A dead letter to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Why.
    pub reason: Reason,
    /// Where in it: a field's path, or a header's name.
    pub field: String,
    /// What is wrong and what to do; never a value.
    pub problem: String,
    /// Which item of the event; none for all of it.
    pub item: Option<usize>,
}

impl Verdict {
    /// On a record as a whole.
    pub fn whole(reason: Reason, field: &str, problem: &str) -> Self {
        Self { reason, field: field.to_owned(), problem: problem.to_owned(), item: None }
    }

    /// On what made the normalizer panic.
    pub fn internal() -> Self {
        Self::whole(Reason::Internal, "(record)", "the normalizer panicked on it; report it, then replay it")
    }
}

impl From<Reject> for Verdict {
    fn from(reject: Reject) -> Self {
        let Reject { item, reason, field, problem } = reject;
        Self { reason: Reason::Reject(reason), field, problem, item }
    }
}
