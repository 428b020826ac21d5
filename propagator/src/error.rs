//! Why the propagator could not start.

use daybook_domain::TargetName;
use daybook_runtime::config::Faults;
use daybook_runtime::kafka::ProducerError;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::prometheus;
use daybook_runtime::registry::RegistryError;
use daybook_runtime::retry::Advice;

use crate::adapter::SenderError;

/// Why it could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Config(#[from] Faults),
    #[error("cannot register metrics")]
    Metrics(#[from] prometheus::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("cannot speak to target {target}")]
    Target {
        target: TargetName,
        #[source]
        source: SenderError,
    },
}

/// Why a record is not on Kafka.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Producer(#[from] ProducerError),
    #[error("the broker did not acknowledge in time")]
    Late,
}

impl PublishError {
    /// What the caller does next. A schema that is not registered is waited for: installations register it while the
    /// services start.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Store(error) => error.advice(),
            Self::Producer(error) => error.advice(),
            Self::Registry(_) | Self::Late => Advice::Retry,
        }
    }

    /// What is waited for.
    pub const fn waits_for(&self) -> &'static str {
        match self {
            Self::Store(_) => "PostgreSQL",
            Self::Registry(_) => "the schema registry",
            Self::Producer(_) | Self::Late => "Kafka",
        }
    }
}
