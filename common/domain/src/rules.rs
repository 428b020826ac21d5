//! What holds for one resource, as `define` set it.

use std::time::Duration;

/// A resource's rules. They reach the arbiter through the log, so that a replay decides under the rules of its day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// IANA name of the zone in which people see this resource's times. Display only: nothing is decided by it.
    pub display_time_zone: String,
    /// How long a cancellation that announced a replacement keeps the slot before it becomes a plain cancellation.
    /// Whole milliseconds.
    pub replacement_wait: Duration,
}

impl Rules {
    /// Fifteen minutes: Calendly sends both halves of a reschedule within the same second, and retries a failed
    /// delivery within minutes.
    pub const REPLACEMENT_WAIT_DEFAULT: Duration = Duration::from_secs(15 * 60);
    /// A day: Calendly gives a failing delivery up after 24 hours, so no replacement comes later than that.
    pub const REPLACEMENT_WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
}
