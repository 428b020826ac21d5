//! A request: one claim on one resource's time, in Daybook's words.

use std::time::Duration;

use crate::{
    BookingId, ContactId, Content, Elsewhere, Identity, Interval, RequestId, ResourceId, Rules, SourceName,
    SourceVersion, Tag, Timestamp,
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
    /// Whether somebody has been told already that it is so.
    pub basis: Basis,
    /// What the asker believes to be true.
    pub expected: Expected,
    /// The fingerprint of what was asked, where the same id may come with something else.
    pub digest: Option<RequestDigest>,
    /// When the source says that this happened; none if it does not say.
    pub sourced_at: Option<Timestamp>,
    /// When ingest took it in.
    pub received_at: Timestamp,
    /// What is asked.
    pub operation: Operation,
}

/// A keyed fingerprint of all that a caller of the API asked under one key: the same key with another body is told from a
/// repetition by it. Keyed, because a bare hash of names and addresses can be guessed, and the decision log keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestDigest(pub [u8; 16]);

/// Whether a claim has already been confirmed to a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// Nobody has been told anything yet: a refusal costs nothing. A claim on time that is past is refused.
    Asked,
    /// The source has told its customer yes. What it reports late is still a fact and is decided by its interval; a
    /// refusal opens a compensation.
    Promised,
    /// The same, and it was so before anybody looked: what stands in its way makes it a flag and no refusal.
    Imported,
}

/// What must still be true for a request to be decided; none for whatever is true.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// The version of the booking that it is about.
    pub booking_version: Option<u64>,
    /// The version of the resource's timeline.
    pub resource_version: Option<u64>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// This booking is to exist, so.
    Book(Claim),
    /// This time is to be kept for a while.
    Hold {
        /// What is to be kept.
        claim: Claim,
        /// How long, by the log's time: 1 s to [`Operation::HOLD_MAX`].
        ttl: Duration,
    },
    /// This hold is to become a booking; or this booking stands although it was to be replaced.
    Confirm {
        /// Which.
        subject: Subject,
        /// What people are to see from now on; none leaves it as it is.
        content: Option<Content>,
    },
    /// This hold is given up; or, by the arbiter itself, this booking has moved to another resource.
    Release {
        /// Which.
        subject: Subject,
        /// What replaced it.
        moved_to: Option<Elsewhere>,
    },
    /// The booking that the source called `previous` is to become this one.
    Reschedule {
        /// What the source called it before; may be what it calls it now.
        previous: Identity,
        /// What it is to become.
        claim: Claim,
    },
    /// People are to see this of the booking from now on; its time stays.
    Update {
        /// Which.
        subject: Subject,
        /// What they are to see.
        content: Content,
    },
    /// This booking is to be gone.
    Cancel {
        /// Which.
        subject: Subject,
        /// The interval that the source says it had.
        interval: Option<Interval>,
        /// Whether a replacement is to come.
        kind: CancelKind,
    },
    /// This time is taken already, elsewhere. Cannot be refused.
    Observe(Claim),
    /// The resource has these rules from now on.
    Define(Rules),
    /// A person is to be forgotten: nobody is to see anything of this booking but its time.
    Redact {
        /// Which.
        booking_id: BookingId,
    },
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
    /// Who attends, where there is no content to tell: observed time keeps no names.
    pub contacts: Vec<ContactId>,
    /// What the appointment is called across systems.
    pub tags: Vec<Tag>,
    /// The booking of ours whose mark it bears: this is the echo of our own write.
    pub mark: Option<BookingId>,
    /// The booking on another resource that this one is to replace.
    pub moved_from: Option<Elsewhere>,
}

impl Claim {
    /// Who attends, sorted and without repeats.
    pub fn contacts(&self) -> Vec<ContactId> {
        let mut contacts = self.content.as_ref().map(Content::contacts).unwrap_or_default();
        contacts.extend(self.contacts.iter().cloned());
        contacts.sort();
        contacts.dedup();
        contacts
    }

    /// Its tags, sorted and without repeats.
    pub fn tags(&self) -> Vec<Tag> {
        let mut tags = self.tags.clone();
        tags.sort();
        tags.dedup();
        tags
    }
}

/// An existing booking, as its source speaks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The booking's id, should its name not be known yet.
    pub booking_id: BookingId,
    /// What the source calls it.
    pub identity: Identity,
    /// The source's version of this state.
    pub version: SourceVersion,
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
    /// See [`Operation::Hold`].
    Hold,
    /// See [`Operation::Confirm`].
    Confirm,
    /// See [`Operation::Release`].
    Release,
    /// See [`Operation::Reschedule`].
    Reschedule,
    /// See [`Operation::Update`].
    Update,
    /// See [`Operation::Cancel`].
    Cancel,
    /// See [`Operation::Observe`].
    Observe,
    /// See [`Operation::Define`].
    Define,
    /// See [`Operation::Redact`].
    Redact,
    /// See [`Operation::Expire`].
    Expire,
    /// The record could not be read, so nobody knows what was asked.
    Unknown,
}

impl OperationKind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 12] = [
        Self::Book,
        Self::Hold,
        Self::Confirm,
        Self::Release,
        Self::Reschedule,
        Self::Update,
        Self::Cancel,
        Self::Observe,
        Self::Define,
        Self::Redact,
        Self::Expire,
        Self::Unknown,
    ];

    /// The word for it, which is also the metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Hold => "hold",
            Self::Confirm => "confirm",
            Self::Release => "release",
            Self::Reschedule => "reschedule",
            Self::Update => "update",
            Self::Cancel => "cancel",
            Self::Observe => "observe",
            Self::Define => "define",
            Self::Redact => "redact",
            Self::Expire => "expire",
            Self::Unknown => "unknown",
        }
    }
}

impl Operation {
    /// A day: longer than any checkout.
    pub const HOLD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

    /// Its kind.
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Book(_) => OperationKind::Book,
            Self::Hold { .. } => OperationKind::Hold,
            Self::Confirm { .. } => OperationKind::Confirm,
            Self::Release { .. } => OperationKind::Release,
            Self::Reschedule { .. } => OperationKind::Reschedule,
            Self::Update { .. } => OperationKind::Update,
            Self::Cancel { .. } => OperationKind::Cancel,
            Self::Observe(_) => OperationKind::Observe,
            Self::Define(_) => OperationKind::Define,
            Self::Redact { .. } => OperationKind::Redact,
            Self::Expire { .. } => OperationKind::Expire,
        }
    }

    /// The claim it makes, if it makes one.
    pub const fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Book(claim) | Self::Hold { claim, .. } | Self::Reschedule { claim, .. } | Self::Observe(claim) => {
                Some(claim)
            }
            Self::Confirm { .. }
            | Self::Release { .. }
            | Self::Update { .. }
            | Self::Cancel { .. }
            | Self::Define(_)
            | Self::Redact { .. }
            | Self::Expire { .. } => None,
        }
    }

    /// The existing booking that it names, if it names one.
    pub const fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Confirm { subject, .. }
            | Self::Release { subject, .. }
            | Self::Update { subject, .. }
            | Self::Cancel { subject, .. } => Some(subject),
            Self::Book(_)
            | Self::Hold { .. }
            | Self::Reschedule { .. }
            | Self::Observe(_)
            | Self::Define(_)
            | Self::Redact { .. }
            | Self::Expire { .. } => None,
        }
    }

    /// Every name that its source uses in it.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        let previous = match self {
            Self::Reschedule { previous, .. } => Some(previous),
            Self::Book(_)
            | Self::Hold { .. }
            | Self::Confirm { .. }
            | Self::Release { .. }
            | Self::Update { .. }
            | Self::Cancel { .. }
            | Self::Observe(_)
            | Self::Define(_)
            | Self::Redact { .. }
            | Self::Expire { .. } => None,
        };
        let claimed = self.claim().map(|claim| &claim.identity);
        let named = self.subject().map(|subject| &subject.identity);
        previous.into_iter().chain(claimed).chain(named)
    }

    /// Every booking that it names by id: the one that it is about first, then the one whose mark it bears.
    pub fn booking_ids(&self) -> impl Iterator<Item = BookingId> {
        let own = match self {
            Self::Redact { booking_id } | Self::Expire { booking_id, .. } => Some(*booking_id),
            Self::Book(_)
            | Self::Hold { .. }
            | Self::Confirm { .. }
            | Self::Release { .. }
            | Self::Reschedule { .. }
            | Self::Update { .. }
            | Self::Cancel { .. }
            | Self::Observe(_)
            | Self::Define(_) => {
                self.claim().map(|claim| claim.booking_id).or(self.subject().map(|subject| subject.booking_id))
            }
        };
        own.into_iter().chain(self.claim().and_then(|claim| claim.mark))
    }
}
