//! What an attempt came to, sorted by what the caller does next.
//!
//! The words of [`Verdict::as_str`] and [`Reason::as_str`] are bounded: metric labels, headers and records carry them.

use crate::{Answer, Reply, RetryAfter};

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The target shows this version.
    Applied {
        /// What the target calls it.
        external_id: String,
        /// The target's mark of this state, to change it by; none if the target gave none.
        etag: Option<String>,
        /// Whether the vendor has made it, and not Daybook.
        adopted: bool,
    },
    /// The target shows nothing of it.
    Gone,
    /// A write was sent and nobody knows whether it took effect: look before writing again.
    LookFirst(Trouble),
    /// The entry changed under our hands, again and again: read it anew, later.
    Reread,
    /// The target asks for a pause.
    Throttled {
        /// For how long, if it said so.
        retry_after: Option<RetryAfter>,
    },
    /// Our credentials are not accepted. Every delivery to the target would meet this, so none is blamed for it.
    Unauthorized,
    /// Nothing took effect, and later it may.
    Retryable(Trouble),
    /// The same call will never succeed.
    Permanent(Reason),
}

/// What went wrong for the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No connection.
    Unreachable,
    /// No whole answer in time.
    NoAnswer,
    /// A status of 500 and above.
    ServerError,
    /// The target is at work on the same thing, or too busy for it: 408, 409, 423, 425.
    Busy,
    /// The answer is none that the protocol knows.
    Unreadable,
    /// The target said that it stored the entry, and a look did not find it so.
    NotStored,
}

/// Why a delivery is given up, or its lane closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Every attempt that the schedule allows was made.
    Exhausted,
    /// The target refuses this content.
    Refused,
    /// The target has moved. Redirects are not followed: a signed body goes where the operator sent it, or nowhere.
    Redirected,
    /// The calendar that is to hold the entry does not exist.
    CollectionMissing,
    /// The calendar holds our entry under another name.
    UidConflict,
    /// Where our entry belongs there is one that is not ours.
    ForeignEntry,
    /// The target shows a newer version than the store holds.
    TargetAhead,
    /// The target keeps something other than what it was sent.
    AlteredByTarget,
    /// The target gives no entity tag, so its entry cannot be changed without risk to somebody else's change.
    NoEtag,
    /// The target says that it wants no more messages, ever: 410.
    TargetClosed,
}

/// A verdict, and whether the target may hold something that nobody has recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// What the attempt came to.
    pub verdict: Verdict,
    /// To be stored beside the delivery: see [`Known::from_row`](crate::Known::from_row).
    pub in_doubt: bool,
}

/// Where an attempt, which is a conversation, stands after an answer.
#[derive(Debug, Clone)]
pub enum Progress<E> {
    /// Send the next call.
    Next(Box<E>),
    /// The attempt is over; and whether it has written anything, or may have.
    Over(Conclusion, bool),
}

impl Verdict {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Gone => "gone",
            Self::LookFirst(trouble) | Self::Retryable(trouble) => trouble.as_str(),
            Self::Reread => "changed_meanwhile",
            Self::Throttled { .. } => "throttled",
            Self::Unauthorized => "unauthorized",
            Self::Permanent(reason) => reason.as_str(),
        }
    }
}

impl Trouble {
    /// Every one, for tables and tests.
    pub const ALL: [Self; 6] =
        [Self::Unreachable, Self::NoAnswer, Self::ServerError, Self::Busy, Self::Unreadable, Self::NotStored];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NoAnswer => "no_answer",
            Self::ServerError => "server_error",
            Self::Busy => "busy",
            Self::Unreadable => "unreadable",
            Self::NotStored => "not_stored",
        }
    }
}

impl Reason {
    /// Every one, for tables and tests.
    pub const ALL: [Self; 10] = [
        Self::Exhausted,
        Self::Refused,
        Self::Redirected,
        Self::CollectionMissing,
        Self::UidConflict,
        Self::ForeignEntry,
        Self::TargetAhead,
        Self::AlteredByTarget,
        Self::NoEtag,
        Self::TargetClosed,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Refused => "refused",
            Self::Redirected => "redirected",
            Self::CollectionMissing => "collection_missing",
            Self::UidConflict => "uid_conflict",
            Self::ForeignEntry => "foreign_entry",
            Self::TargetAhead => "target_ahead",
            Self::AlteredByTarget => "altered_by_target",
            Self::NoEtag => "no_etag",
            Self::TargetClosed => "target_closed",
        }
    }
}

/// Whether a call may have changed something at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A read, or a write that is safe to repeat as it is.
    None,
    /// A write that must not be repeated blindly.
    Once,
}

impl Effect {
    pub(crate) fn doubt(self, trouble: Trouble) -> Verdict {
        match self {
            Self::None => Verdict::Retryable(trouble),
            Self::Once => Verdict::LookFirst(trouble),
        }
    }
}

/// The reply, or the verdict where there is none.
pub(crate) fn reply(answer: &Answer, effect: Effect) -> Result<&Reply, Verdict> {
    match answer {
        Answer::Replied(reply) => Ok(reply),
        Answer::NotSent => Err(Verdict::Retryable(Trouble::Unreachable)),
        Answer::Lost => Err(effect.doubt(Trouble::NoAnswer)),
    }
}

/// What a status means wherever the protocol at hand has no meaning of its own for it.
pub(crate) fn refusal(reply: &Reply, effect: Effect) -> Verdict {
    match reply.status {
        300..=399 => Verdict::Permanent(Reason::Redirected),
        401 | 403 | 407 => Verdict::Unauthorized,
        408 | 423 | 425 => Verdict::Retryable(Trouble::Busy),
        429 => Verdict::Throttled { retry_after: reply.retry_after },
        400..=499 => Verdict::Permanent(Reason::Refused),
        503 if reply.retry_after.is_some() => Verdict::Throttled { retry_after: reply.retry_after },
        500..=599 => effect.doubt(Trouble::ServerError),
        _ => effect.doubt(Trouble::Unreadable),
    }
}

/// Whether the answer to a write leaves open that it took effect. A 503 that asks for a pause is counted in: it may be
/// a gateway's, in front of a server that was done.
pub(crate) fn leaves_doubt(answer: &Answer) -> bool {
    match answer {
        Answer::Replied(reply) => !(300..500).contains(&reply.status),
        Answer::NotSent => false,
        Answer::Lost => true,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn status(status: u16) -> Reply {
        Reply { status, ..Reply::default() }
    }

    #[test]
    fn the_words_are_distinct_and_fit_a_metric_label() {
        let mut words: Vec<_> =
            Reason::ALL.iter().map(|r| r.as_str()).chain(Trouble::ALL.iter().map(|t| t.as_str())).collect();
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len() + Trouble::ALL.len());
    }

    #[test]
    fn a_server_error_on_a_write_means_look_first_and_on_a_read_means_later() {
        assert_eq!(refusal(&status(500), Effect::Once), Verdict::LookFirst(Trouble::ServerError));
        assert_eq!(refusal(&status(502), Effect::None), Verdict::Retryable(Trouble::ServerError));
    }

    #[test]
    fn a_503_pauses_the_lane_only_if_it_says_for_how_long() {
        let retry_after = Some(RetryAfter::In(Duration::from_secs(2)));
        let paused = Reply { retry_after, ..status(503) };
        assert_eq!(refusal(&paused, Effect::Once), Verdict::Throttled { retry_after });
        assert_eq!(refusal(&status(503), Effect::None), Verdict::Retryable(Trouble::ServerError));
        assert_eq!(refusal(&status(429), Effect::None), Verdict::Throttled { retry_after: None });
    }

    #[test]
    fn credentials_redirects_and_refusals_are_told_apart() {
        assert_eq!(refusal(&status(401), Effect::Once), Verdict::Unauthorized);
        assert_eq!(refusal(&status(403), Effect::Once), Verdict::Unauthorized);
        assert_eq!(refusal(&status(301), Effect::Once), Verdict::Permanent(Reason::Redirected));
        assert_eq!(refusal(&status(422), Effect::Once), Verdict::Permanent(Reason::Refused));
        assert_eq!(refusal(&status(408), Effect::Once), Verdict::Retryable(Trouble::Busy));
        assert_eq!(refusal(&status(999), Effect::None), Verdict::Retryable(Trouble::Unreadable));
    }

    #[test]
    fn only_a_request_that_cannot_have_arrived_and_a_plain_no_leave_no_doubt() {
        assert!(!leaves_doubt(&Answer::NotSent));
        assert!(!leaves_doubt(&Answer::Replied(status(404))));
        assert!(leaves_doubt(&Answer::Lost));
        assert!(leaves_doubt(&Answer::Replied(status(503))));
    }
}
