//! A request: one claim on one resource's time, in Daybook's words.

use crate::{
    BookingId, Content, Identity, Interval, RequestId, ResourceId, Rules, SourceName, SourceVersion, Timestamp,
};

/// One claim on one resource's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Derived from the delivery it came in; the same delivery makes the same id.
    pub request_id: RequestId,
    /// Whose time.
    pub resource: ResourceId,
    /// Who asks.
    pub source: SourceName,
    /// The delivery that it came in (`ce_id`), for people who follow an event through the logs.
    pub event_id: String,
    /// When the source says that this happened; none if it does not say.
    pub sourced_at: Option<Timestamp>,
    /// When ingest took it in.
    pub received_at: Timestamp,
    /// What is asked.
    pub operation: Operation,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// This booking is to exist, so.
    Book(Claim),
    /// The booking that the source called `previous` is to become this one.
    Reschedule {
        /// What the source called it before; may be what it calls it now.
        previous: Identity,
        /// What it is to become.
        claim: Claim,
    },
    /// This booking is to be gone.
    Cancel {
        /// The booking's id, should it not be known yet.
        booking_id: BookingId,
        /// What the source calls it.
        identity: Identity,
        /// The source's version of this state.
        version: SourceVersion,
        /// The interval that the source says it had.
        interval: Option<Interval>,
        /// Whether a replacement is to come.
        kind: CancelKind,
    },
    /// The resource has these rules from now on.
    Define(Rules),
    /// The wait of this booking, set to end at `deadline`, is over. The arbiter's own.
    Expire {
        /// The booking that waits.
        booking_id: BookingId,
        /// The deadline that was set; a booking that waits for another one is left alone.
        deadline: Timestamp,
    },
}

/// What a booking is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The booking's id, should it be new.
    pub booking_id: BookingId,
    /// What the source calls it.
    pub identity: Identity,
    /// The source's version of this state.
    pub version: SourceVersion,
    /// When.
    pub interval: Interval,
    /// What people see; none leaves a known booking's content as it is.
    pub content: Option<Content>,
}

/// Whether a cancelled booking's slot is wanted back by the same customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelKind {
    /// It is gone.
    Plain,
    /// It is half of a reschedule: keep the slot until the other half is decided.
    AwaitingReplacement,
}

/// The kind of an operation, as recorded and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperationKind {
    /// See [`Operation::Book`].
    Book,
    /// See [`Operation::Reschedule`].
    Reschedule,
    /// See [`Operation::Cancel`].
    Cancel,
    /// See [`Operation::Define`].
    Define,
    /// See [`Operation::Expire`].
    Expire,
    /// The record could not be read, so nobody knows what was asked.
    Unknown,
}

impl OperationKind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 6] = [Self::Book, Self::Reschedule, Self::Cancel, Self::Define, Self::Expire, Self::Unknown];

    /// The word for it, which is also the metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Reschedule => "reschedule",
            Self::Cancel => "cancel",
            Self::Define => "define",
            Self::Expire => "expire",
            Self::Unknown => "unknown",
        }
    }
}

impl Operation {
    /// Its kind.
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Book(_) => OperationKind::Book,
            Self::Reschedule { .. } => OperationKind::Reschedule,
            Self::Cancel { .. } => OperationKind::Cancel,
            Self::Define(_) => OperationKind::Define,
            Self::Expire { .. } => OperationKind::Expire,
        }
    }

    /// The claim it makes, if it makes one.
    pub const fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Book(claim) | Self::Reschedule { claim, .. } => Some(claim),
            Self::Cancel { .. } | Self::Define(_) | Self::Expire { .. } => None,
        }
    }
}
