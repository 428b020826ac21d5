//! The verdict on a delivery's signature: authentic, or why not.

use std::time::Duration;

use daybook_domain::Timestamp;

/// The longest id that a header may carry, in characters.
const ID_LENGTH_MAX: usize = 256;

/// Proof that a delivery's signature was verified over its raw bytes, within the window. Only `verify` makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentic {
    signed_at: Timestamp,
    delivery_id: Option<String>,
}

impl Authentic {
    pub(crate) const fn new(signed_at: Timestamp, delivery_id: Option<String>) -> Self {
        Self { signed_at, delivery_id }
    }

    /// When the sender says that it signed.
    pub const fn signed_at(&self) -> Timestamp {
        self.signed_at
    }

    /// The sender's delivery id, where its scheme has one.
    pub fn delivery_id(&self) -> Option<&str> {
        self.delivery_id.as_deref()
    }
}

/// Why a delivery was turned away.
///
/// Four of the five answer 401: to a caller without a valid signature for this moment they all mean "sign it, now, with
/// a secret that I know", and RFC 9110 (§15.5.2) has 401 for credentials that are missing or not accepted. 403 would say
/// that the caller is known and may not. The label tells an operator which of them it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// A header of the signature is not there.
    #[error("the signature header is missing; sign the request")]
    MissingSignature,
    /// A header of the signature is there and does not read.
    #[error("the signature header does not read; send it as the scheme documents it")]
    MalformedSignature,
    /// The delivery id is longer than 256 characters or has something else than visible ASCII, or an `@`. A fault of the request,
    /// not of its signature: 400.
    #[error("the delivery id must be 1 to 256 characters of visible ASCII")]
    MalformedId,
    /// No secret that is valid today made this signature over these bytes.
    #[error("the signature does not match the body; check the secret and sign the bytes exactly as sent")]
    BadSignature,
    /// The signature is right and was made too long ago, or in the future: a replay, or a sender's clock that is off.
    #[error("the signature was made outside the accepted window; sign each attempt anew and check the clock")]
    OutsideWindow,
}

impl Refusal {
    /// Every refusal, for tables and tests.
    pub const ALL: [Self; 5] =
        [Self::MissingSignature, Self::MalformedSignature, Self::MalformedId, Self::BadSignature, Self::OutsideWindow];

    /// The word for it, which is also the metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingSignature => "missing_signature",
            Self::MalformedSignature => "malformed_signature",
            Self::MalformedId => "malformed_id",
            Self::BadSignature => "bad_signature",
            Self::OutsideWindow => "outside_window",
        }
    }

    /// The HTTP status that says it.
    pub const fn status(self) -> u16 {
        match self {
            Self::MissingSignature | Self::MalformedSignature | Self::BadSignature | Self::OutsideWindow => 401,
            Self::MalformedId => 400,
        }
    }
}

/// How far from now a signature may have been made, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How long ago.
    pub past: Duration,
    /// How far ahead: the sender's clock may be fast.
    pub future: Duration,
}

impl Window {
    /// For Calendly: 24 hours back, because Calendly retries for 24 hours and does not document whether it signs a
    /// retry anew; its own sample code allows 3 minutes, which would refuse every retry that is not, until Calendly
    /// disables the subscription. What is replayed within the day is the same event and is dropped as a duplicate.
    pub const CALENDLY: Self = Self { past: Duration::from_secs(24 * 60 * 60), future: Duration::from_secs(5 * 60) };

    /// For Standard Webhooks: 5 minutes both ways, the tolerance of its reference libraries. Senders sign each attempt.
    pub const STANDARD_WEBHOOKS: Self = Self { past: Duration::from_secs(5 * 60), future: Duration::from_secs(5 * 60) };

    /// For a described source whose signature has a time: as for Calendly, and for its reason. Where nobody documents
    /// whether a retry is signed anew, a window that is too narrow loses bookings, and a wide one only lets duplicates in.
    pub const DESCRIBED: Self = Self::CALENDLY;

    /// Whether a signature of `signed_at` counts at `now`.
    pub fn contains(&self, signed_at: Timestamp, now: Timestamp) -> bool {
        now.since(signed_at) <= self.past && signed_at.since(now) <= self.future
    }
}

/// A delivery's id from a header, if it is one. Ids are in log lines and answers: an e-mail address must not get there as one.
pub(crate) fn delivery_id(text: &str) -> Result<&str, Refusal> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
    if visible && (1..=ID_LENGTH_MAX).contains(&text.len()) { Ok(text) } else { Err(Refusal::MalformedId) }
}

/// The text of a header as Unix seconds: 1 to 12 digits and nothing else, because the text is what was signed.
pub(crate) fn unix_seconds(text: &str) -> Option<Timestamp> {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 = if digits { text.parse().ok()? } else { return None };
    Timestamp::from_micros(seconds.checked_mul(1_000_000)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).expect("in range")
    }

    #[test]
    fn a_window_includes_both_of_its_ends_and_nothing_beyond() {
        let window = Window { past: Duration::from_secs(10), future: Duration::from_secs(2) };
        for (signed, inside) in [(89, false), (90, true), (100, true), (102, true), (103, false)] {
            assert_eq!(window.contains(at(signed), at(100)), inside, "signed at {signed}");
        }
    }

    #[test]
    fn seconds_are_digits_only() {
        assert_eq!(unix_seconds("1614265330"), Some(at(1_614_265_330)));
        for text in ["", "-1", "+1", " 1", "1.5", "1e3", "9999999999999", "999999999999", "١"] {
            assert_eq!(unix_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn each_refusal_has_its_own_label() {
        let labels: std::collections::BTreeSet<_> = Refusal::ALL.iter().map(|refusal| refusal.as_str()).collect();
        assert_eq!(labels.len(), Refusal::ALL.len());
    }
}
