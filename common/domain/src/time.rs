//! A point in time: microseconds since the Unix epoch, UTC.
//!
//! Microseconds because that is what PostgreSQL's `timestamptz` and Avro's `timestamp-micros` keep, so a value survives
//! every hop unchanged. Absent on purpose: the present. Whoever needs a *now* is given one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// Microseconds since 1970-01-01T00:00:00Z, within the years 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a value is not a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Before 1970 or after 9999.
    #[error("is outside the years 1970 to 9999")]
    OutOfRange,
    /// Not RFC 3339 with an offset or `Z`.
    #[error("is not an RFC 3339 time with an offset or Z, such as 2026-03-04T09:00:00Z")]
    NotRfc3339,
}

/// 9999-12-31T23:59:59.999999Z
const MAX: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// The last instant of the year 9999.
    pub const MAX: Self = Self(MAX);

    /// From microseconds since the epoch.
    pub fn from_micros(micros: i64) -> Result<Self, TimestampError> {
        if (0..=MAX).contains(&micros) { Ok(Self(micros)) } else { Err(TimestampError::OutOfRange) }
    }

    /// From milliseconds since the epoch, the unit of Kafka's record timestamps.
    pub fn from_millis(millis: i64) -> Result<Self, TimestampError> {
        millis.checked_mul(1_000).ok_or(TimestampError::OutOfRange).and_then(Self::from_micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0 / 1_000
    }

    /// This instant and `span` later, at most [`Timestamp::MAX`].
    pub fn plus(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros).min(MAX))
    }

    /// This instant and `span` earlier, at least [`Timestamp::EPOCH`].
    pub fn minus(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros).max(0))
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl TryFrom<DateTime<Utc>> for Timestamp {
    type Error = TimestampError;
    fn try_from(time: DateTime<Utc>) -> Result<Self, TimestampError> {
        Self::from_micros(time.timestamp_micros())
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> Self {
        DateTime::from_timestamp_micros(time.0).expect("years 1970 to 9999 are within chrono's range")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| TimestampError::NotRfc3339)?;
        Self::from_micros(time.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&DateTime::<Utc>::from(*self).to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_with_an_offset_becomes_utc() {
        let time: Timestamp = "2026-11-01T01:30:00-04:00".parse().expect("valid");
        assert_eq!(time.to_string(), "2026-11-01T05:30:00Z");
        assert_eq!(time.millis(), 1_793_511_000_000);
    }

    #[test]
    fn a_local_time_is_refused() {
        assert_eq!("2026-11-01T01:30:00".parse::<Timestamp>(), Err(TimestampError::NotRfc3339));
    }

    #[test]
    fn the_range_is_1970_to_9999() {
        assert!(Timestamp::from_micros(-1).is_err());
        assert!("9999-12-31T23:59:59.999999Z".parse::<Timestamp>().is_ok_and(|time| time == Timestamp::MAX));
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::MAX), Duration::ZERO);
    }
}
