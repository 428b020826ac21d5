//! One HTTP call and its answer, as data. The shell sends the one and fills in the other.
//!
//! Bodies hold what people see, and an address may hold a user's name, so `Debug` shows neither.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::Timestamp;

/// The HTTP methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Store.
    Put,
    /// Remove.
    Delete,
    /// Send.
    Post,
}

impl Method {
    /// As it stands in the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Post => "POST",
        }
    }
}

/// One HTTP request, without the target's address and credentials, which the shell adds.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Below the target's address; empty for the address itself.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
}

impl Call {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} with {} bytes)", self.method.as_str(), self.body.len())
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The target answered.
    Replied(Reply),
    /// The request cannot have arrived: no name, no route, no connection, no TLS.
    NotSent,
    /// The request may have arrived, and no whole answer came back in time.
    Lost,
}

/// The parts of a response that matter.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// `ETag`, as it came.
    pub etag: Option<String>,
    /// `Retry-After`, understood.
    pub retry_after: Option<RetryAfter>,
    /// The body; the shell bounds it.
    pub body: Vec<u8>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({} with {} bytes)", self.status, self.body.len())
    }
}

/// How long to leave a target alone, in its own words (RFC 9110, section 10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So long from the answer on.
    In(Duration),
    /// Until then, by the target's clock.
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

    #[test]
    fn the_debug_texts_of_a_call_and_a_reply_show_neither_address_nor_body() {
        let call = Call {
            method: Method::Put,
            path: "jane/x.ics".to_owned(),
            headers: vec![("if-match", "\"jane\"".to_owned())],
            body: b"SUMMARY:jane".to_vec(),
        };
        let reply = Reply { status: 200, body: b"SUMMARY:jane".to_vec(), ..Reply::default() };
        assert_eq!(format!("{call:?} {reply:?}"), "Call(PUT with 12 bytes) Reply(200 with 12 bytes)");
    }
}
