//! The judge of deciding: what was asked, against what was decided, told and shown, whatever happened to the arbiters, the
//! store and the broker meanwhile.
//!
//! Pure: [`gather`] collects the [`Evidence`] and [`broken`] says which laws it breaks, each as a sentence, all at once. It
//! goes by the wire's records alone; the one exception is the replay, which asks the core for the same bytes once more.

pub mod gather;
mod order;
mod replay;
mod time;

use std::collections::BTreeMap;

use daybook_domain::{BookingId, BookingState, Request, RequestId, Standing, Timestamp};
use daybook_wire::{CanonicalBooking, LoggedDecision};

pub use order::{each_request_is_decided_once, epochs_never_fall, seqs_are_dense, the_topic_is_the_table};
pub use replay::a_replay_gives_the_same_bytes;
pub use time::nobody_overlaps;

/// Everything that the laws look at.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The registry's id of the decisions' schema.
    pub schema_id: u32,
    /// `booking.requests`, partition by partition in order.
    pub asked: Vec<Asked>,
    /// `decision`, partition by partition in order of `seq`.
    pub kept: Vec<Kept>,
    /// `booking.decisions`, partition by partition in order, repeats and all.
    pub told: Vec<Told>,
    /// `booking.canonical`, partition by partition in order.
    pub shown: Vec<Shown>,
}

/// A record of `booking.requests`.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Where it lies.
    pub partition: i32,
    /// Where it lies.
    pub offset: i64,
    /// The broker's time of it.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// What it says, if it can be read.
    pub request: Option<Request>,
}

/// A row of `decision`.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The column.
    pub partition: i32,
    /// The column.
    pub seq: i64,
    /// The column.
    pub epoch: i64,
    /// The column.
    pub request_id: RequestId,
    /// The column: what was to be published.
    pub bytes: Vec<u8>,
    /// What the bytes say.
    pub logged: LoggedDecision,
}

/// A record of `booking.decisions`.
#[derive(Debug, Clone)]
pub struct Told {
    /// Where it lies.
    pub partition: i32,
    /// Where it lies.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub bytes: Vec<u8>,
    /// What the value says.
    pub seq: i64,
}

/// A record of `booking.canonical`.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its key.
    pub key: BookingId,
    /// What it says; none for a tombstone.
    pub booking: Option<CanonicalBooking>,
}

/// Every broken law.
pub fn broken(evidence: &Evidence) -> Vec<String> {
    let Evidence { schema_id, asked, kept, told, shown } = evidence;
    [
        each_request_is_decided_once(asked, kept),
        seqs_are_dense(kept),
        epochs_never_fall(kept),
        nobody_overlaps(kept),
        the_topic_is_the_table(told, kept),
        the_newest_is_shown_last(shown, kept),
        a_replay_gives_the_same_bytes(asked, kept, *schema_id),
    ]
    .concat()
}

/// A run in which nobody was fenced has tested nothing: no arbiter that had lost its partition tried to commit.
pub fn somebody_was_fenced(times: usize) -> Vec<String> {
    if times > 0 { Vec::new() } else { vec!["nobody was fenced: the run has tested nothing".to_owned()] }
}

/// What became of the requests, in numbers, for whoever reads the test's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records on `booking.requests`.
    pub asked: usize,
    /// Decisions.
    pub decisions: usize,
    /// Records on `booking.decisions` that repeat an earlier one.
    pub repeats: usize,
    /// How often a decision was committed by another owner than the one before it.
    pub hand_overs: usize,
    /// Bookings, live or not.
    pub bookings: usize,
    /// How often each outcome was decided.
    pub outcomes: BTreeMap<String, usize>,
}

impl Summary {
    /// Of this evidence.
    pub fn of(evidence: &Evidence) -> Self {
        let mut outcomes = BTreeMap::new();
        for kept in &evidence.kept {
            let outcome = &kept.logged.decision.outcome;
            let reason = outcome.reason().map(|reason| format!("({reason})")).unwrap_or_default();
            *outcomes.entry(format!("{}{reason}", outcome.as_str())).or_default() += 1;
        }
        let changed = |pair: &[Kept]| pair[0].partition == pair[1].partition && pair[0].epoch != pair[1].epoch;
        Self {
            asked: evidence.asked.len(),
            decisions: evidence.kept.len(),
            repeats: evidence.told.len().saturating_sub(evidence.kept.len()),
            hand_overs: evidence.kept.windows(2).filter(|pair| changed(pair)).count(),
            bookings: fold(&evidence.kept).len(),
            outcomes,
        }
    }

    /// How often this was decided: `confirmed`, `rejected(conflict)`.
    pub fn of_outcome(&self, outcome: &str) -> usize {
        self.outcomes.get(outcome).copied().unwrap_or(0)
    }
}

/// The last record of every key on `booking.canonical` is the newest state of that booking.
pub fn the_newest_is_shown_last(shown: &[Shown], kept: &[Kept]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut last: BTreeMap<BookingId, Option<&CanonicalBooking>> = BTreeMap::new();
    for record in shown {
        last.insert(record.key, record.booking.as_ref());
        if record.booking.as_ref().is_some_and(|booking| booking.booking_id != record.key) {
            broken.push(format!("booking.canonical has a state under another key than its booking {}", record.key));
        }
    }
    for (id, decided) in fold(kept) {
        match last.remove(&id) {
            None => broken.push(format!("booking {id} is not on booking.canonical")),
            Some(None) => broken.push(format!("booking.canonical ends with a tombstone of booking {id}")),
            Some(Some(shown)) => {
                let ends = (shown.version, shown.standing, shown.kind, shown.unit);
                let is = (decided.version, decided.standing, decided.kind, decided.unit);
                if ends != is {
                    broken.push(format!("booking.canonical ends with booking {id} as {ends:?}, and it is {is:?}"));
                }
            }
        }
    }
    broken.extend(last.keys().map(|id| format!("booking.canonical has booking {id}, which nobody decided")));
    broken
}

/// The bookings that the decisions add up to.
fn fold(kept: &[Kept]) -> BTreeMap<BookingId, BookingState> {
    let mut bookings: BTreeMap<BookingId, BookingState> = BTreeMap::new();
    for decision in kept.iter().map(|kept| &kept.logged.decision) {
        for busy in &decision.absorbed {
            if let Some(busy) = bookings.get_mut(busy) {
                busy.standing = Standing::Cancelled { last: busy.standing.interval() };
                busy.version += 1;
            }
        }
        if let Some(booking) = &decision.booking {
            bookings.insert(booking.booking_id, booking.clone());
        }
    }
    bookings
}

#[cfg(test)]
mod tests;
