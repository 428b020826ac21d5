//! Compensations: what a batch says of bookings that were refused and are live at their source.
//!
//! One is opened by a refusal of what its source has promised, under the name that the source has for it. Any later word of
//! a source about that name which is neither refused nor out of date settles it: the booking is gone there, or it is
//! granted.

use std::collections::BTreeMap;
use std::fmt;

use daybook_domain::{
    Basis, BookingId, BookingKind, BookingState, Decision, Interval, Operation, Outcome, Request, RequestId,
    ResourceId, Rule, SourceKey, SourceName, Timestamp, Unchanged, Winner,
};

/// What a batch does to one compensation. First it is opened, then it is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compensation {
    /// Whose time was wanted.
    pub resource: ResourceId,
    /// What the source calls the booking.
    pub key: SourceKey,
    /// It was refused, or refused again.
    pub opened: Option<Opening>,
    /// Its source has settled it.
    pub closed_at: Option<Timestamp>,
}

/// A refusal. Its `Debug` does not show the source's text.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    /// The booking that it would have been.
    pub booking_id: BookingId,
    /// Who has promised it.
    pub source: SourceName,
    /// What the source calls it.
    pub name: String,
    /// Why it was refused.
    pub reason: &'static str,
    /// By which rule, if by one.
    pub rule: Option<Rule>,
    /// Whether a first listing has found it, so that only a person may have it called off.
    pub imported: bool,
    /// The time that was wanted.
    pub interval: Interval,
    /// Who has it.
    pub winner: Option<Winner>,
    /// When it was first refused.
    pub at: Timestamp,
    /// The newest refusal.
    pub request_id: RequestId,
    /// How often it was refused in this batch.
    pub refusals: i64,
    /// Whether it was settled before in this batch: what the store says of it is over.
    pub anew: bool,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening({}, {}, {} times)", self.booking_id, self.reason, self.refusals)
    }
}

/// Gathers what a batch says.
#[derive(Debug, Default)]
pub struct Ledger(BTreeMap<(ResourceId, SourceKey), Compensation>);

impl Ledger {
    /// Notes the decision on a source's own request. (What follows from a log's time alone, or what the arbiter asks
    /// itself, settles nothing.)
    pub fn note(&mut self, request: &Request, decision: &Decision) {
        if decision.opens_compensation() {
            self.open(request, decision);
        } else if request.source != SourceName::daybook() && settles(request, decision) {
            for identity in request.operation.identities() {
                self.close(decision, identity.key());
            }
            // What its own source says of a booking now supersedes what it has said of it under older names.
            self.close_names(decision, |booking| booking.source == request.source);
        } else if matches!(request.operation, Operation::Expire { .. }) && decision.outcome == Outcome::Cancelled {
            // The source has taken the booking back, and the replacement that it announced never came.
            self.close_names(decision, |_| true);
        }
    }

    /// What came of it.
    pub fn into_changes(self) -> Vec<Compensation> {
        self.0.into_values().collect()
    }

    fn close_names(&mut self, decision: &Decision, is_spoken_of: impl Fn(&BookingState) -> bool) {
        for booking in decision.booking.iter().filter(|booking| is_spoken_of(booking)) {
            for key in &booking.keys {
                self.close(decision, *key);
            }
        }
    }

    /// The first word settles it, whichever batch the second is in.
    fn close(&mut self, decision: &Decision, key: SourceKey) {
        self.at(&decision.resource, key).closed_at.get_or_insert(decision.decided_at);
    }

    fn at(&mut self, resource: &ResourceId, key: SourceKey) -> &mut Compensation {
        self.0.entry((resource.clone(), key)).or_insert_with(|| Compensation {
            resource: resource.clone(),
            key,
            opened: None,
            closed_at: None,
        })
    }

    fn open(&mut self, request: &Request, decision: &Decision) {
        let Some(wanted) = &decision.wanted else { return };
        let compensation = self.at(&decision.resource, wanted.key);
        let settled = compensation.closed_at.take().is_some();
        let before = compensation.opened.take().filter(|_| !settled);
        let names = request.operation.identities().find(|identity| identity.key() == wanted.key);
        compensation.opened = Some(Opening {
            booking_id: wanted.booking_id,
            source: decision.source.clone(),
            name: names.map(|identity| identity.id().to_owned()).unwrap_or_default(),
            reason: decision.outcome.reason().unwrap_or_default(),
            rule: decision.outcome.rule(),
            imported: matches!(decision.basis, Basis::Imported),
            interval: wanted.interval,
            winner: decision.outcome.winner().cloned(),
            at: before.as_ref().map_or(decision.decided_at, |before| before.at),
            request_id: decision.request_id,
            refusals: before.as_ref().map_or(0, |before| before.refusals) + 1,
            anew: settled || before.is_some_and(|before| before.anew),
        });
    }
}

/// Whether a source's word about a booking means that what it shows is what stands: it has said when the booking is and
/// was granted, or it has taken it back. A word about something else says nothing of the time that was promised, nor does
/// half of a reschedule.
fn settles(request: &Request, decision: &Decision) -> bool {
    // What was there before anybody looked, and lies over somebody, takes its time and was not granted it, whoever speaks of it.
    let claims =
        matches!(request.operation, Operation::Book(_) | Operation::Hold { .. } | Operation::Reschedule { .. });
    let is_busy = decision.booking.as_ref().is_some_and(|booking| booking.kind == BookingKind::Busy);
    if claims && is_busy {
        return false;
    }
    let states_all = match &request.operation {
        Operation::Book(_)
        | Operation::Hold { .. }
        | Operation::Reschedule { .. }
        | Operation::Observe(_)
        | Operation::Release { .. }
        | Operation::Cancel { .. } => true,
        Operation::Confirm { .. }
        | Operation::Update { .. }
        | Operation::Define(_)
        | Operation::Redact { .. }
        | Operation::Expire { .. } => false,
    };
    let holds = match &decision.outcome {
        Outcome::Rejected(_) | Outcome::AwaitingReplacement | Outcome::Unchanged(Unchanged::Stale) => false,
        Outcome::Confirmed
        | Outcome::Held
        | Outcome::Rescheduled
        | Outcome::Updated
        | Outcome::Cancelled
        | Outcome::Expired
        | Outcome::Observed
        | Outcome::Moved
        | Outcome::Defined
        | Outcome::Redacted
        | Outcome::Flagged(_)
        | Outcome::Unchanged(Unchanged::Duplicate | Unchanged::Echo | Unchanged::Shadow) => true,
    };
    states_all && holds
}
