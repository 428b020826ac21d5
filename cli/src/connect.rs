//! Clients of the three servers, made when a command needs one and not before.

use daybook_runtime::kafka::{Producer, ProducerSpec, TailError};
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::postgres::{Sort, StoreError};
use daybook_runtime::prometheus;
use daybook_runtime::registry::Registry;
use sqlx::PgPool;

use crate::config::Config;
use crate::failure::Failure;

/// The clients count what happens to them; nobody scrapes a command line.
fn metrics() -> Result<CommonMetrics, Failure> {
    CommonMetrics::of("daybook", &prometheus::Registry::new()).map_err(|error| Failure::new("cannot start", error))
}

/// The schema registry.
pub fn registry(config: &Config) -> Result<Registry, Failure> {
    Registry::new(&config.registry, &metrics()?).map_err(|error| Failure::new("cannot use registry.url", error))
}

/// A producer.
pub fn producer(config: &Config) -> Result<Producer, Failure> {
    Producer::start(&config.kafka, ProducerSpec::PIPELINE, &metrics()?)
        .map_err(|error| Failure::new("cannot start a Kafka producer", error))
}

/// The store. Connects when it is first asked something.
pub fn store(config: &Config) -> Result<PgPool, Failure> {
    config.postgres.pool("daybook").map_err(|error| Failure::new("cannot use postgres.url", error))
}

/// The database role that a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads everything.
    Reader,
    /// Writes aliases, targets and keys, closes compensations, has calendars read.
    Ingest,
    /// Writes deliveries.
    Propagator,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "daybook_reader",
            Self::Ingest => "daybook_ingest",
            Self::Propagator => "daybook_propagator",
        }
    }

    /// What an error of the store means to somebody who wanted to do `what`.
    pub fn explain(self, what: &str, error: &StoreError) -> Failure {
        let role = self.as_str();
        let advice = match error.sort() {
            Sort::Forbidden => format!("this role may not; connect as {role} (postgres.url and postgres.password)"),
            Sort::Away => format!("is the server of postgres.url up, and may {role} connect to it?"),
            Sort::Exclusion | Sort::Serialization => "somebody else changed the same thing; run it again".to_owned(),
            Sort::Refused | Sort::Fault => {
                format!("was daybook migrate run, and is postgres.password right? This needs {role}")
            }
        };
        // Its text without what PostgreSQL says behind it, which may quote somebody's name.
        Failure::new(format!("cannot {what}"), error.to_string()).next(advice)
    }
}

/// What it means that a topic cannot be read.
pub fn explain_tail(error: TailError, config: &Config) -> Failure {
    let advice = match &error {
        TailError::Kafka { .. } | TailError::Timeout { .. } => {
            format!("is a broker up at {} (kafka.brokers), and may this user read the topic?", config.kafka.brokers)
        }
        TailError::Missing { .. } => format!("is {} the right cluster (kafka.brokers)?", config.kafka.brokers),
    };
    Failure::new("cannot read from Kafka", error).next(advice)
}
