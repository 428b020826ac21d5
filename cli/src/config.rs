//! The settings that the commands read: the tree of the services, as far as it concerns a person at a terminal.
//!
//! The file of a service may be given as it is. So the sections that only a service reads are passed over unread, and
//! in `sources` and `normalizer`, which are shared, the keys that are read here are checked and the others left to their
//! service; in every other section an unknown key is a fault, as it is in the services.

use std::collections::BTreeMap;

use daybook_domain::SourceName;
use daybook_format::Written;
use daybook_runtime::config::{Faults, Tree};
use daybook_runtime::kafka::{KafkaConfig, TopicsConfig};
use daybook_runtime::postgres::{PostgresConfig, ROLES};
use daybook_runtime::registry::RegistryConfig;
use daybook_runtime::telemetry::LogConfig;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How to reach the brokers.
    pub kafka: KafkaConfig,
    /// What the topics are created with.
    pub topics: TopicsConfig,
    /// How to reach the schema registry.
    pub registry: RegistryConfig,
    /// How to reach the store, and as whom.
    pub postgres: PostgresConfig,
    /// What `migrate` sets.
    pub migrate: MigrateConfig,
    /// The systems that send events, by name.
    pub sources: BTreeMap<String, SourceConfig>,
    /// What `explain` shares with the normalizer.
    pub normalizer: NormalizerConfig,
    /// How to log; to standard error, beside what the command says.
    pub log: LogConfig,
    #[serde(default, rename = "admin")]
    _admin: IgnoredAny,
    #[serde(default, rename = "api")]
    _api: IgnoredAny,
    #[serde(default, rename = "ingest")]
    _ingest: IgnoredAny,
    #[serde(default, rename = "arbiter")]
    _arbiter: IgnoredAny,
    #[serde(default, rename = "propagator")]
    _propagator: IgnoredAny,
    #[serde(default, rename = "targets")]
    _targets: IgnoredAny,
}

/// What `migrate` sets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigrateConfig {
    /// The password of each role: arbiter, propagator, ingest, reader. A role that is not named keeps what it has.
    #[serde(default)]
    pub role_passwords: BTreeMap<String, SecretString>,
}

/// A system that sends events.
#[derive(Debug, Deserialize)]
pub struct SourceConfig {
    /// Which vendor's payloads it sends.
    #[serde(default)]
    pub kind: Option<String>,
    /// What that is, where it is `described`.
    #[serde(default)]
    pub description: Option<Written>,
}

/// What `explain` shares with the normalizer.
#[derive(Debug, Deserialize)]
pub struct NormalizerConfig {
    /// The key of the contact ids.
    #[serde(default)]
    pub contact_key: Option<SecretString>,
}

impl Tree for Config {
    const DEFAULTS: &'static str = r#"
[kafka]
brokers = "127.0.0.1:9092"

# 3 and 2 wherever there are three brokers.
[topics]
replication = 1
min_insync_replicas = 1

[registry]
url = "http://127.0.0.1:8081/apis/ccompat/v7"

# Reading needs daybook_reader; what needs another role says so.
[postgres]
url = "postgres://daybook_reader@127.0.0.1:5432/daybook"
connections = 2

[migrate]

[sources]

[normalizer]

# What went wrong is said by the command itself; turn this up to see how.
[log]
format = "text"
filter = "error,librdkafka=off"
"#;

    fn validate(&self, faults: &mut Faults) {
        self.kafka.validate(faults);
        self.registry.validate(faults);
        self.postgres.validate(faults);
        self.log.validate(faults);
        let TopicsConfig { replication, min_insync_replicas } = &self.topics;
        faults.require(*replication >= 1, "topics.replication", "must be at least 1");
        faults.require(
            (1..=*replication).contains(min_insync_replicas),
            "topics.min_insync_replicas",
            "must be at least 1 and at most topics.replication",
        );
        for role in self.migrate.role_passwords.keys().filter(|role| !ROLES.contains(&role.as_str())) {
            let key = format!("migrate.role_passwords.{role}");
            faults.add(&key, format!("is no role; known: {}", ROLES.join(", ")));
        }
        for name in self.sources.keys() {
            if let Err(error) = name.parse::<SourceName>() {
                faults.add(&format!("sources.{name}"), format!("the name {error}"));
            }
        }
    }
}

impl Config {
    /// The sources by name. The names were checked when the settings were read.
    pub fn source_names(&self) -> Vec<SourceName> {
        self.sources.keys().filter_map(|name| name.parse().ok()).collect()
    }
}
