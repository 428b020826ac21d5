//! The configuration tree. `defaults.toml` has the defaults, with what each setting means.

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_domain::SourceName;
use daybook_format::{Format, Written};
use daybook_normalizer_core::{ContactKey, ContactKeyError};
use daybook_runtime::admin::AdminConfig;
use daybook_runtime::config::{Faults, Tree};
use daybook_runtime::kafka::KafkaConfig;
use daybook_runtime::postgres::PostgresConfig;
use daybook_runtime::registry::RegistryConfig;
use daybook_runtime::service::ServiceConfig;
use daybook_runtime::telemetry::LogConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::aside::Patience;

/// Everything.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How to reach the brokers.
    pub kafka: KafkaConfig,
    /// How to reach the schema registry.
    pub registry: RegistryConfig,
    /// How to reach the store.
    pub postgres: PostgresConfig,
    /// The administrative port.
    pub admin: AdminConfig,
    /// Logs.
    pub log: LogConfig,
    /// The work.
    pub normalizer: NormalizerConfig,
    /// Whose events, by name.
    pub sources: BTreeMap<String, SourceConfig>,
}

/// The work and its bounds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormalizerConfig {
    /// The key of people's pseudonyms. Required; optional here so that every fault is seen at once.
    #[serde(default)]
    pub contact_key: Option<SecretString>,
    /// Records at once, per partition.
    pub batch_max: usize,
    /// How often an event is looked at whose booking is not known.
    pub unplaced_tries: u32,
    /// How long after the first time.
    #[serde(with = "humantime_serde")]
    pub unplaced_delay: Duration,
    /// How many such events a partition keeps.
    pub unplaced_max: usize,
    /// How long the group waits for a silent member.
    #[serde(with = "humantime_serde")]
    pub session_timeout: Duration,
}

impl NormalizerConfig {
    /// The key, read.
    pub fn key(&self) -> Result<ContactKey, ContactKeyError> {
        ContactKey::new(self.contact_key.as_ref().map_or(&[], |key| key.expose_secret().as_bytes()))
    }

    /// How often, and for how long.
    pub const fn patience(&self) -> Patience {
        Patience { tries: self.unplaced_tries, first_delay: self.unplaced_delay, events_max: self.unplaced_max }
    }
}

/// A system whose events come in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// What it sends: a word of [`Format`]. Read later, so that every fault is seen at once.
    #[serde(default)]
    pub kind: String,
    /// What that is, where it is `described`.
    #[serde(default)]
    pub description: Option<Written>,
}

impl Tree for Config {
    const DEFAULTS: &'static str = include_str!("../defaults.toml");

    fn validate(&self, faults: &mut Faults) {
        self.kafka.validate(faults);
        self.registry.validate(faults);
        self.postgres.validate(faults);
        self.log.validate(faults);
        let normalizer = &self.normalizer;
        if let Err(error) = normalizer.key() {
            faults.add("normalizer.contact_key", error);
        }
        let batch = (1..=10_000).contains(&normalizer.batch_max);
        faults.require(batch, "normalizer.batch_max", "must be 1 to 10000");
        let tries = (1..=20).contains(&normalizer.unplaced_tries);
        faults.require(tries, "normalizer.unplaced_tries", "must be 1 to 20");
        let kept = normalizer.patience().total() <= Duration::from_secs(60 * 60);
        faults.require(
            kept,
            "normalizer.unplaced_delay",
            "and normalizer.unplaced_tries keep an event for more than an hour, and its partition's position with it",
        );
        let session = (Duration::from_secs(6)..=Duration::from_secs(300)).contains(&normalizer.session_timeout);
        faults.require(session, "normalizer.session_timeout", "must be 6s to 300s, which is what brokers take");
        faults.require(!self.sources.is_empty(), "sources", "names no source; give [sources.<name>]");
        for (name, source) in &self.sources {
            match name.parse::<SourceName>() {
                Err(error) => faults.add(&format!("sources.{name}"), error),
                Ok(name) if name == SourceName::api() || name == SourceName::daybook() => {
                    faults.add(&format!("sources.{name}"), "is a name of Daybook's own; take another");
                }
                Ok(_) => {}
            }
            for fault in Format::new(&source.kind, source.description.as_ref()).err().into_iter().flatten() {
                faults.add(&format!("sources.{name}.{}", fault.key), fault.problem);
            }
        }
    }
}

impl ServiceConfig for Config {
    fn log(&self) -> &LogConfig {
        &self.log
    }
    fn admin(&self) -> &AdminConfig {
        &self.admin
    }
}
