//! The configuration tree. `defaults.toml` has the defaults, with what each setting means.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use daybook_format::Written;
use daybook_runtime::admin::AdminConfig;
use daybook_runtime::config::{Faults, Tree};
use daybook_runtime::kafka::KafkaConfig;
use daybook_runtime::postgres::PostgresConfig;
use daybook_runtime::registry::RegistryConfig;
use daybook_runtime::service::ServiceConfig;
use daybook_runtime::telemetry::LogConfig;
use secrecy::SecretString;
use serde::Deserialize;

use crate::api::ApiConfig;
use crate::poll::PollConfig;
use crate::source::Sources;
use crate::vendor::SourceApiConfig;

/// Everything.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How to reach the brokers.
    pub kafka: KafkaConfig,
    /// How to reach the store: the API answers from it. Webhooks do without.
    pub postgres: PostgresConfig,
    /// How to reach the schema registry: what the API sends to the log itself has a schema, and so have decisions.
    pub registry: RegistryConfig,
    /// The administrative port.
    pub admin: AdminConfig,
    /// Logs.
    pub log: LogConfig,
    /// The door.
    pub ingest: IngestConfig,
    /// The API.
    pub api: ApiConfig,
    /// Who may come in, by name.
    pub sources: BTreeMap<String, SourceConfig>,
}

/// The door and its bounds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngestConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The largest body.
    pub body_max_bytes: usize,
    /// Requests at once.
    pub in_flight_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// How long headers may take, and idleness last.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// How long a body may take.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// How long Kafka may take.
    #[serde(with = "humantime_serde")]
    pub acknowledge_timeout: Duration,
}

/// A system that sends webhooks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// What it sends, and so how it signs: a word of [`Format`](daybook_format::Format). Read later, so that every fault
    /// is seen at once.
    #[serde(default)]
    pub kind: String,
    /// What that is, where it is `described`.
    #[serde(default)]
    pub description: Option<Written>,
    /// What it signs with: several while they are rotated.
    #[serde(default)]
    pub secrets: Vec<SecretString>,
    /// The address that the source was given, where it signs that too.
    #[serde(default)]
    pub public_url: Option<String>,
    /// How it is asked, where its deliveries only say that something has changed, and where its calendars are read.
    #[serde(default)]
    pub api: Option<SourceApiConfig>,
    /// How often its calendars are read, and how far, where they are.
    #[serde(default)]
    pub poll: Option<PollConfig>,
    /// Where published calendars are, by their aliases: whoever has such an address sees the calendar.
    #[serde(default)]
    pub feeds: BTreeMap<String, SecretString>,
    /// How old a signature may be; the kind decides without it.
    #[serde(default, with = "humantime_serde")]
    pub window_past: Option<Duration>,
    /// How far ahead of our clock a signature may be; the kind decides without it.
    #[serde(default, with = "humantime_serde")]
    pub window_future: Option<Duration>,
}

impl Config {
    /// The key files that sources name.
    pub fn key_files(&self) -> Vec<PathBuf> {
        self.sources.values().filter_map(|source| source.api.as_ref()?.service_account_file.clone()).collect()
    }
}

/// A record may be 2 MiB; its headers and framing need far less than a quarter of that.
const BODY_MAX_BYTES: usize = 3 * 512 * 1_024;

impl Tree for Config {
    const DEFAULTS: &'static str = include_str!("../defaults.toml");

    fn validate(&self, faults: &mut Faults) {
        self.kafka.validate(faults);
        self.postgres.validate(faults);
        self.registry.validate(faults);
        self.log.validate(faults);
        let ingest = &self.ingest;
        let sized = (1..=BODY_MAX_BYTES).contains(&ingest.body_max_bytes);
        faults.require(sized, "ingest.body_max_bytes", "must be 1 to 1572864: a record on Kafka takes no more");
        faults.require(ingest.in_flight_max > 0, "ingest.in_flight_max", "must be at least 1");
        faults.require(ingest.connections_max > 0, "ingest.connections_max", "must be at least 1");
        self.api.validate(BODY_MAX_BYTES, faults);
        let rooms = ingest.in_flight_max + self.api.in_flight_max;
        faults.require(
            ingest.connections_max > rooms,
            "ingest.connections_max",
            "must be more than ingest.in_flight_max and api.in_flight_max together: each request has a connection",
        );
        for (key, span) in [
            ("ingest.header_timeout", ingest.header_timeout),
            ("ingest.body_timeout", ingest.body_timeout),
            ("ingest.acknowledge_timeout", ingest.acknowledge_timeout),
        ] {
            let sound = (Duration::from_millis(100)..=Duration::from_secs(60)).contains(&span);
            faults.require(sound, key, "must be 100ms to 60s");
        }
        let longest = ingest.body_timeout + ingest.acknowledge_timeout;
        faults.require(
            longest <= Duration::from_secs(20),
            "ingest.body_timeout",
            "and ingest.acknowledge_timeout are more than 20 s together: a stop waits 25 s for requests to end",
        );
        faults.require(!self.sources.is_empty(), "sources", "names no source; give [sources.<name>]");
        if let Err(found) = Sources::new(&self.sources) {
            for fault in found.0 {
                faults.add(&fault.key, fault.problem);
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
