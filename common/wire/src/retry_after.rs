//! The header `Retry-After`, as servers write it that we push to or fetch from.

use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::Timestamp;

/// How long to leave a server alone, in its own words (RFC 9110, section 10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So long from the answer on.
    In(Duration),
    /// Until then, by the server's clock.
    At(Timestamp),
}

impl RetryAfter {
    /// Reads the header: seconds, or an HTTP date. Anything else is as good as none.
    pub fn parse(header: &str) -> Option<Self> {
        let header = header.trim();
        if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than a u64 holds still means "very long", and is clamped like it.
            return Some(Self::In(Duration::from_secs(header.parse().unwrap_or(u64::MAX))));
        }
        let date = DateTime::parse_from_rfc2822(header).ok()?;
        Timestamp::try_from(date.with_timezone(&Utc)).ok().map(Self::At)
    }

    /// The wait, seen from `now`.
    pub fn from(self, now: Timestamp) -> Duration {
        match self {
            Self::In(wait) => wait,
            Self::At(time) => time.since(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_an_http_date() {
        let now: Timestamp = "2026-03-04T09:00:00Z".parse().expect("a time");
        let wait = |header| RetryAfter::parse(header).map(|after| after.from(now));
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait(" 0 "), Some(Duration::ZERO));
        assert_eq!(wait("Wed, 04 Mar 2026 09:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Wed, 04 Mar 2026 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn a_retry_after_that_is_neither_is_ignored() {
        for header in ["", "soon", "-5", "1.5", "Wed, 99 Mar 2026 09:00:30 GMT"] {
            assert_eq!(RetryAfter::parse(header), None, "{header:?}");
        }
    }
}
