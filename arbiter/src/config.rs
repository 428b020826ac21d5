//! The arbiter's settings. See `defaults.toml` for each.

use std::time::Duration;

use daybook_runtime::admin::AdminConfig;
use daybook_runtime::config::{Faults, Tree};
use daybook_runtime::kafka::KafkaConfig;
use daybook_runtime::postgres::PostgresConfig;
use daybook_runtime::registry::RegistryConfig;
use daybook_runtime::service::ServiceConfig;
use daybook_runtime::telemetry::LogConfig;
use serde::Deserialize;

/// The whole tree.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Brokers.
    pub kafka: KafkaConfig,
    /// Schema registry.
    pub registry: RegistryConfig,
    /// Store, as `daybook_arbiter`.
    pub postgres: PostgresConfig,
    /// Administrative port.
    pub admin: AdminConfig,
    /// Logs.
    pub log: LogConfig,
    /// Deciding.
    pub arbiter: ArbiterConfig,
}

/// How to decide.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArbiterConfig {
    /// Requests in one transaction at most; 1 to 10,000.
    pub batch_max: usize,
    /// Batches that are decided and committed at the same moment; 1 to 64, and fewer than `postgres.connections`.
    pub turns: usize,
    /// How long the group waits for a silent arbiter; 6 s (the brokers' own minimum) to 5 min.
    #[serde(with = "humantime_serde")]
    pub session_timeout: Duration,
    /// How often waits that are over are looked for; 100 ms to 1 min.
    #[serde(with = "humantime_serde")]
    pub expire_every: Duration,
    /// Bookings that the caches of all partitions may hold together, beyond what the batches in hand need; 1,000 to
    /// 10,000,000.
    pub cache_bookings: usize,
}

impl Tree for Config {
    const DEFAULTS: &'static str = include_str!("../defaults.toml");

    fn validate(&self, faults: &mut Faults) {
        self.kafka.validate(faults);
        self.registry.validate(faults);
        self.postgres.validate(faults);
        self.log.validate(faults);
        let arbiter = &self.arbiter;
        let connections = usize::try_from(self.postgres.connections).unwrap_or(usize::MAX);
        faults.require((1..=64).contains(&arbiter.turns), "arbiter.turns", "must be 1 to 64");
        faults.require(arbiter.turns < connections, "arbiter.turns", "must be below postgres.connections");
        let between = |low: Duration, value: Duration, high: Duration| low <= value && value <= high;
        faults.require((1..=10_000).contains(&arbiter.batch_max), "arbiter.batch_max", "must be 1 to 10000");
        let session = between(Duration::from_secs(6), arbiter.session_timeout, Duration::from_secs(300));
        faults.require(session, "arbiter.session_timeout", "must be 6s to 5min");
        let every = between(Duration::from_millis(100), arbiter.expire_every, Duration::from_secs(60));
        faults.require(every, "arbiter.expire_every", "must be 100ms to 1min");
        let cached = (1_000..=10_000_000).contains(&arbiter.cache_bookings);
        faults.require(cached, "arbiter.cache_bookings", "must be 1000 to 10000000");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_settings_are_sound() {
        daybook_runtime::config::read::<Config>("").expect("sound");
    }
}
