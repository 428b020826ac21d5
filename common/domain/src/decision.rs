//! A decision: what the arbiter ruled on one request, and why.

use crate::{
    Basis, BookingId, BookingState, Elsewhere, Interval, OperationKind, RequestDigest, RequestId, ResourceId, Rule,
    Rules, SourceKey, SourceName, Timestamp,
};

/// What the arbiter ruled on one request. No personal data. State is a fold of these: what is not in one cannot
/// influence a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The request that was decided.
    pub request_id: RequestId,
    /// The fingerprint of what was asked, where the request had one.
    pub request_digest: Option<RequestDigest>,
    /// Whose time it was about.
    pub resource: ResourceId,
    /// What was asked.
    pub operation: OperationKind,
    /// Who asked.
    pub source: SourceName,
    /// Whether somebody had been told already that it is so.
    pub basis: Basis,
    /// The answer.
    pub outcome: Outcome,
    /// The resource's version after it: rises when its timeline or its rules change.
    pub resource_version: u64,
    /// The booking it was about, in full, after it; none where there is none.
    pub booking: Option<BookingState>,
    /// Busy time that turned out to be this booking's own, and has become its shadow.
    pub absorbed: Vec<BookingId>,
    /// What was wanted, where the answer is no; and where the claim was to replace a booking on another resource, and the
    /// same appointment stands here already.
    pub wanted: Option<Wanted>,
    /// Where a claim of the same length would have been free, soonest first; at most three, only where the answer is
    /// no.
    pub next_free: Vec<Interval>,
    /// The resource's rules after it, where it set them.
    pub rules: Option<Rules>,
    /// When the source says that the event happened.
    pub sourced_at: Option<Timestamp>,
    /// When ingest took it in.
    pub received_at: Timestamp,
    /// The log's time of the decision; no wall clock decides anything.
    pub decided_at: Timestamp,
}

/// A claim that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The booking's id, had it been granted.
    pub booking_id: BookingId,
    /// What the source calls it.
    pub key: SourceKey,
    /// When it was to be.
    pub interval: Interval,
    /// The booking on another resource that it was to replace, and that stands.
    pub moved_from: Option<Elsewhere>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The booking is made.
    Confirmed,
    /// The time is kept.
    Held,
    /// The booking has its new interval, and the old one is free.
    Rescheduled,
    /// The booking's content is new; its interval is not.
    Updated,
    /// The booking is gone, or its creation, should it come late, will be ignored.
    Cancelled,
    /// The booking keeps its slot until its replacement is decided or the wait is over.
    AwaitingReplacement,
    /// The hold is over.
    Expired,
    /// The time is known to be taken elsewhere.
    Observed,
    /// The booking is on another resource now.
    Moved,
    /// The resource has new rules.
    Defined,
    /// Nobody sees anything of the booking but its time any more.
    Redacted,
    /// Time that is taken elsewhere lies over a booking. Both stand; a person has to settle it.
    Flagged(Winner),
    /// No.
    Rejected(Rejection),
    /// Nothing to do.
    Unchanged(Unchanged),
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The time is taken.
    Conflict(Winner),
    /// The booking was moved on by a newer event of its source, or the booking or the resource is no longer what the
    /// request expected.
    StaleVersion,
    /// The booking that it is about does not exist.
    UnknownBooking,
    /// The time is over. Only for claims that nobody has been promised.
    Past,
    /// The booking is not in a state from which this is possible, or goes by another name.
    InvalidTransition,
    /// A rule of the resource forbids it.
    Policy(Rule),
    /// The time was free by every rule, yet the store refused the row: the alarm of last resort. Replay takes this
    /// verdict as input.
    ConflictByStore,
    /// The record could not be read. Replay takes this verdict as input.
    Undecodable,
    /// Deciding it failed. Replay takes this verdict as input.
    Internal,
}

/// Who has the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Winner {
    /// The booking that stands: the earliest one in the way.
    pub booking_id: BookingId,
    /// Its interval.
    pub interval: Interval,
    /// The source that speaks for it.
    pub source: SourceName,
}

/// Why there was nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unchanged {
    /// What was asked already holds.
    Duplicate,
    /// A newer state of it is known.
    Stale,
    /// It is what we wrote ourselves.
    Echo,
    /// It is an appointment that stands already, as another source shows it.
    Shadow,
}

impl Outcome {
    /// The word for it, which is also the metric label.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Held => "held",
            Self::Rescheduled => "rescheduled",
            Self::Updated => "updated",
            Self::Cancelled => "cancelled",
            Self::AwaitingReplacement => "awaiting_replacement",
            Self::Expired => "expired",
            Self::Observed => "observed",
            Self::Moved => "moved",
            Self::Defined => "defined",
            Self::Redacted => "redacted",
            Self::Flagged(_) => "flagged",
            Self::Rejected(_) => "rejected",
            Self::Unchanged(_) => "unchanged",
        }
    }

    /// The word for the reason, where there is one; also the metric label.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Flagged(_) => Some("external_conflict"),
            Self::Rejected(rejection) => Some(rejection.as_str()),
            Self::Unchanged(unchanged) => Some(unchanged.as_str()),
            Self::Confirmed
            | Self::Held
            | Self::Rescheduled
            | Self::Updated
            | Self::Cancelled
            | Self::AwaitingReplacement
            | Self::Expired
            | Self::Observed
            | Self::Moved
            | Self::Defined
            | Self::Redacted => None,
        }
    }

    /// The resource's rule that was broken, where one was.
    pub const fn rule(&self) -> Option<Rule> {
        match self {
            Self::Rejected(Rejection::Policy(rule)) => Some(*rule),
            Self::Rejected(_)
            | Self::Flagged(_)
            | Self::Unchanged(_)
            | Self::Confirmed
            | Self::Held
            | Self::Rescheduled
            | Self::Updated
            | Self::Cancelled
            | Self::AwaitingReplacement
            | Self::Expired
            | Self::Observed
            | Self::Moved
            | Self::Defined
            | Self::Redacted => None,
        }
    }

    /// The booking in the way, where one was.
    pub const fn winner(&self) -> Option<&Winner> {
        match self {
            Self::Flagged(winner) | Self::Rejected(Rejection::Conflict(winner)) => Some(winner),
            Self::Rejected(_)
            | Self::Unchanged(_)
            | Self::Confirmed
            | Self::Held
            | Self::Rescheduled
            | Self::Updated
            | Self::Cancelled
            | Self::AwaitingReplacement
            | Self::Expired
            | Self::Observed
            | Self::Moved
            | Self::Defined
            | Self::Redacted => None,
        }
    }
}

impl Rejection {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "conflict",
            Self::StaleVersion => "stale_version",
            Self::UnknownBooking => "unknown_booking",
            Self::Past => "past",
            Self::InvalidTransition => "invalid_transition",
            Self::Policy(_) => "policy",
            Self::ConflictByStore => "conflict_by_store",
            Self::Undecodable => "undecodable",
            Self::Internal => "internal",
        }
    }
}

impl Unchanged {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Stale => "stale",
            Self::Echo => "echo",
            Self::Shadow => "shadow",
        }
    }
}

impl Decision {
    /// Whether it leaves a booking live at its source that the arbiter refused: somebody has been promised time that
    /// they do not have. It stays so until the source shows the booking gone or granted, or a person says why it is
    /// settled.
    pub const fn opens_compensation(&self) -> bool {
        !matches!(self.basis, Basis::Asked)
            && matches!(self.outcome, Outcome::Rejected(_))
            && !matches!(self.operation, OperationKind::Observe)
            && self.wanted.is_some()
    }
}
