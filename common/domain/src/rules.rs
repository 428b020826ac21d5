//! What holds for one resource, as `define` set it.

use std::time::Duration;

use chrono::Weekday;

/// A resource's rules. They reach the arbiter through the log, so that a replay decides under the rules of its day.
/// What is booked already stands, whatever they become. Durations are whole milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// IANA name of the zone in which people see this resource's times, and in which its hours are.
    pub display_time_zone: String,
    /// How long a cancellation that announced a replacement keeps the slot before it becomes a plain cancellation.
    pub replacement_wait: Duration,
    /// How many bookings may have the same time; 1 to [`Rules::CAPACITY_MAX`]. Each occupies one unit from its start
    /// to its end, as a guest keeps one table.
    pub capacity: u16,
    /// Kept free before each booking; at most [`Rules::BUFFER_MAX`]. Between two bookings both buffers are kept.
    pub buffer_before: Duration,
    /// Kept free after each booking; at most [`Rules::BUFFER_MAX`].
    pub buffer_after: Duration,
    /// How long before its start a booking must be asked for; at most [`Rules::AHEAD_MAX`].
    pub notice: Duration,
    /// How long before its start a booking may be asked for at most; none for no limit.
    pub window: Option<Duration>,
    /// When bookings may be, in the resource's zone, by day and time; empty for always. A booking must lie inside one
    /// stretch of them; stretches that touch or overlap are one.
    pub hours: Vec<Hours>,
    /// Whether it takes no new bookings any more, and none is moved on it. What stands can still be confirmed, changed and
    /// cancelled.
    pub retired: bool,
}

/// A stretch of one weekday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The day, in the resource's zone.
    pub day: Weekday,
    /// The first minute of the day, 0 to 1439.
    pub from: u16,
    /// The minute after the last, at most 1440, after `from`.
    pub to: u16,
}

/// A rule that a claim can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The resource was never defined.
    Defined,
    /// [`Rules::notice`].
    Notice,
    /// [`Rules::window`].
    Window,
    /// [`Rules::hours`].
    Hours,
    /// [`Rules::retired`].
    Retired,
}

impl Rule {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Defined => "defined",
            Self::Notice => "notice",
            Self::Window => "window",
            Self::Hours => "hours",
            Self::Retired => "retired",
        }
    }
}

impl Rules {
    /// Fifteen minutes: Calendly sends both halves of a reschedule within the same second, and retries a failed
    /// delivery within minutes.
    pub const REPLACEMENT_WAIT_DEFAULT: Duration = Duration::from_secs(15 * 60);
    /// A day: Calendly gives a failing delivery up after 24 hours, so no replacement comes later than that.
    pub const REPLACEMENT_WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
    /// What a 16-bit unit of the store's constraint holds with room to spare.
    pub const CAPACITY_MAX: u16 = 1_000;
    /// A day on either side.
    pub const BUFFER_MAX: Duration = Duration::from_secs(24 * 60 * 60);
    /// Ten years.
    pub const AHEAD_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);
    /// A week of half-hours.
    pub const HOURS_MAX: usize = 7 * 48;

    /// One booking at a time, whenever.
    pub const fn new(display_time_zone: String) -> Self {
        Self {
            display_time_zone,
            replacement_wait: Self::REPLACEMENT_WAIT_DEFAULT,
            capacity: 1,
            buffer_before: Duration::ZERO,
            buffer_after: Duration::ZERO,
            notice: Duration::ZERO,
            window: None,
            hours: Vec::new(),
            retired: false,
        }
    }
}
