//! The API's settings. `defaults.toml` has the defaults, with what each means.

use std::num::NonZeroU32;
use std::time::Duration;

use daybook_runtime::config::Faults;
use serde::Deserialize;

use super::rate::Pace;

/// The API and its bounds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Requests at once, those that wait for a decision included.
    pub in_flight_max: usize,
    /// How many of them may wait for a decision.
    pub waiting_max: usize,
    /// How long an answer is held back for the decision, where the caller does not say.
    #[serde(with = "humantime_serde")]
    pub wait_default: Duration,
    /// And at most.
    #[serde(with = "humantime_serde")]
    pub wait_max: Duration,
    /// The largest body.
    pub body_max_bytes: usize,
    /// Requests a second of a key that says nothing else.
    pub rate_per_second: NonZeroU32,
    /// How many of them may come at the same moment.
    pub rate_burst: NonZeroU32,
}

impl ApiConfig {
    /// The rate of a key that says nothing else.
    pub const fn pace(&self) -> Pace {
        Pace { per_second: self.rate_per_second, burst: self.rate_burst }
    }

    /// Notes what is wrong with it.
    pub fn validate(&self, body_max_bytes: usize, faults: &mut Faults) {
        faults.require(self.in_flight_max > 0, "api.in_flight_max", "must be at least 1");
        let room = self.waiting_max <= self.in_flight_max;
        faults.require(room, "api.waiting_max", "is more than api.in_flight_max, and could never be reached");
        let bounded = self.wait_default <= self.wait_max && self.wait_max <= Duration::from_secs(60);
        faults.require(bounded, "api.wait_max", "must be at least api.wait_default, and at most 60s");
        let sized = (1..=body_max_bytes).contains(&self.body_max_bytes);
        faults.require(sized, "api.body_max_bytes", "must be 1 to 1572864: a record on Kafka takes no more");
    }
}
