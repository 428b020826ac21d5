//! A decision: what the arbiter ruled on one request, and why.

use crate::{BookingId, BookingState, Interval, OperationKind, RequestId, ResourceId, Rules, SourceName, Timestamp};

/// What the arbiter ruled on one request. No personal data. State is a fold of these: what is not in one cannot
/// influence a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The request that was decided.
    pub request_id: RequestId,
    /// Whose time it was about.
    pub resource: ResourceId,
    /// What was asked.
    pub operation: OperationKind,
    /// Who asked.
    pub source: SourceName,
    /// The answer.
    pub outcome: Outcome,
    /// The resource's version after it: rises when its timeline or its rules change.
    pub resource_version: u64,
    /// The booking it was about, in full, after it; none where there is none.
    pub booking: Option<BookingState>,
    /// The resource's rules after it, where it set them.
    pub rules: Option<Rules>,
    /// When the source says that the event happened.
    pub sourced_at: Option<Timestamp>,
    /// When ingest took it in.
    pub received_at: Timestamp,
    /// The log's time of the decision; no wall clock decides anything.
    pub decided_at: Timestamp,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The booking is made.
    Confirmed,
    /// The booking has its new interval, and the old one is free.
    Rescheduled,
    /// The booking's content is new; its interval is not.
    Updated,
    /// The booking is gone, or its creation, should it come late, will be ignored.
    Cancelled,
    /// The booking keeps its slot until its replacement is decided or the wait is over.
    AwaitingReplacement,
    /// The resource has new rules.
    Defined,
    /// No.
    Rejected(Rejection),
    /// Nothing to do.
    Unchanged(Unchanged),
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The time is taken.
    Conflict(Winner),
    /// The booking was moved on by a newer event of its source.
    StaleVersion,
    /// The booking that it is about does not exist.
    UnknownBooking,
    /// The request points at a booking that goes by another name.
    InvalidTransition,
    /// A rule of the resource forbids it; the resource may not have been defined at all.
    Policy,
    /// The time was free by every rule, yet the store refused the row: the alarm of last resort. Replay takes this
    /// verdict as input.
    ConflictByStore,
    /// The record could not be read. Replay takes this verdict as input.
    Undecodable,
    /// Deciding it failed. Replay takes this verdict as input.
    Internal,
}

/// Who has the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Winner {
    /// The booking that stands: the earliest one in the way.
    pub booking_id: BookingId,
    /// Its interval.
    pub interval: Interval,
}

/// Why there was nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unchanged {
    /// What was asked already holds.
    Duplicate,
    /// A newer state of it is known.
    Stale,
}

impl Outcome {
    /// The word for it, which is also the metric label.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Rescheduled => "rescheduled",
            Self::Updated => "updated",
            Self::Cancelled => "cancelled",
            Self::AwaitingReplacement => "awaiting_replacement",
            Self::Defined => "defined",
            Self::Rejected(_) => "rejected",
            Self::Unchanged(_) => "unchanged",
        }
    }

    /// The word for the reason, where there is one; also the metric label.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Rejected(rejection) => Some(rejection.as_str()),
            Self::Unchanged(Unchanged::Duplicate) => Some("duplicate"),
            Self::Unchanged(Unchanged::Stale) => Some("stale"),
            Self::Confirmed
            | Self::Rescheduled
            | Self::Updated
            | Self::Cancelled
            | Self::AwaitingReplacement
            | Self::Defined => None,
        }
    }

    /// The booking in the way, where one was.
    pub const fn winner(&self) -> Option<&Winner> {
        match self {
            Self::Rejected(Rejection::Conflict(winner)) => Some(winner),
            Self::Rejected(_)
            | Self::Unchanged(_)
            | Self::Confirmed
            | Self::Rescheduled
            | Self::Updated
            | Self::Cancelled
            | Self::AwaitingReplacement
            | Self::Defined => None,
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
            Self::InvalidTransition => "invalid_transition",
            Self::Policy => "policy",
            Self::ConflictByStore => "conflict_by_store",
            Self::Undecodable => "undecodable",
            Self::Internal => "internal",
        }
    }
}
