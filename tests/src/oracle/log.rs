//! The laws of the decision log. Pure, and told apart from everything that reads it, so that a forged log can be shown
//! to break each of them.

use std::collections::BTreeMap;

use daybook_domain::{
    BookingId, BookingKind, BookingState, Decision, Interval, Outcome, RequestId, ResourceId, Standing, Winner,
};
use daybook_wire::LoggedDecision;
use sha2::{Digest as _, Sha256};

/// One decision, with the bytes that were published.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The whole value.
    pub value: Vec<u8>,
    /// What it says.
    pub logged: LoggedDecision,
}

/// The log of every partition, repeats dropped.
#[derive(Debug, Clone, Default)]
pub struct Log {
    partitions: BTreeMap<i32, Vec<Entry>>,
    requests: BTreeMap<RequestId, usize>,
}

/// What a record was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The next decision.
    New,
    /// An earlier one again, byte for byte.
    Repeat,
}

impl Log {
    /// Takes the next record of a partition's topic, as a reader does that follows the recipe: a sequence number that is
    /// not above the last is a repeat.
    pub fn append(
        &mut self,
        partition: i32,
        key: &[u8],
        value: &[u8],
        logged: LoggedDecision,
    ) -> Result<Appended, String> {
        if logged.partition != partition {
            return Err(format!("says that it is of partition {}", logged.partition));
        }
        if key != logged.decision.resource.as_str().as_bytes() {
            return Err(format!("has another key than its resource {}", logged.decision.resource));
        }
        let entries = self.partitions.entry(partition).or_default();
        let last = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        match logged.seq {
            seq if seq == last + 1 => {
                *self.requests.entry(logged.decision.request_id).or_default() += 1;
                entries.push(Entry { value: value.to_vec(), logged });
                Ok(Appended::New)
            }
            seq if seq > last => Err(format!("has seq {seq}, and the last is {last}: a gap")),
            seq if seq < 1 => Err(format!("has seq {seq}")),
            seq => {
                let at = usize::try_from(seq - 1).unwrap_or_default();
                if entries[at].value == value {
                    Ok(Appended::Repeat)
                } else {
                    Err(format!("has seq {seq} again, with other bytes"))
                }
            }
        }
    }

    /// The decisions of a partition, by sequence number.
    pub fn partition(&self, partition: i32) -> &[Entry] {
        self.partitions.get(&partition).map_or(&[], Vec::as_slice)
    }

    /// Every decision, partition by partition.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.partitions.values().flatten()
    }

    /// How often a request is decided.
    pub fn decisions_of(&self, request: RequestId) -> usize {
        self.requests.get(&request).copied().unwrap_or(0)
    }

    /// The bookings that the decisions make, each with its resource.
    pub fn fold(&self) -> BTreeMap<BookingId, (ResourceId, BookingState)> {
        let mut bookings: BTreeMap<BookingId, (ResourceId, BookingState)> = BTreeMap::new();
        for entry in self.entries() {
            let decision = &entry.logged.decision;
            for id in &decision.absorbed {
                if let Some((_, busy)) = bookings.get_mut(id) {
                    absorb(busy);
                }
            }
            if let Some(booking) = &decision.booking {
                bookings.insert(booking.booking_id, (decision.resource.clone(), booking.clone()));
            }
        }
        bookings
    }

    /// The requests that may end a wait: one for each deadline that a decision has set. The arbiter decides such a
    /// request without having been sent it, when something else wants the time.
    pub fn deadlines(&self) -> impl Iterator<Item = RequestId> {
        self.entries().filter_map(|entry| {
            let booking = entry.logged.decision.booking.as_ref()?;
            Some(RequestId::of_expiry(booking.booking_id, booking.standing.deadline()?))
        })
    }

    /// Every broken law of the log.
    pub fn broken_laws(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (request, times) in self.requests.iter().filter(|(_, times)| **times > 1) {
            broken.push(format!("request {request} is decided {times} times"));
        }
        for (partition, entries) in &self.partitions {
            broken.extend(
                chain(entries).into_iter().chain(timelines(entries)).map(|why| format!("partition {partition}, {why}")),
            );
        }
        broken
    }
}

/// Each decision holds the hash of the whole value before it, and none is decided before the one before it.
fn chain(entries: &[Entry]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut before = [0; 32];
    let mut now = None;
    for Entry { value, logged } in entries {
        if logged.previous_hash != before {
            broken.push(format!("seq {}: the hash chain is broken", logged.seq));
        }
        if now.is_some_and(|now| logged.decision.decided_at < now) {
            broken.push(format!("seq {}: the log's time falls", logged.seq));
        }
        before = Sha256::digest(value).into();
        now = Some(logged.decision.decided_at);
    }
    broken
}

/// Busy time that a booking has taken in: its names are that booking's now.
fn absorb(busy: &mut BookingState) {
    busy.standing = Standing::Cancelled { last: busy.standing.interval() };
    busy.version += 1;
    busy.keys.clear();
    busy.tags.clear();
    busy.shadows.clear();
}

/// At no prefix do two live bookings of a resource have the same unit at the same time, and none is given time that is
/// taken elsewhere; versions never fall; a winner stands where it is said to; what is absorbed is busy time.
fn timelines(entries: &[Entry]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut resources: BTreeMap<&ResourceId, Timeline> = BTreeMap::new();
    for Entry { logged, .. } in entries {
        let timeline = resources.entry(&logged.decision.resource).or_default();
        broken.extend(timeline.take(&logged.decision).into_iter().map(|why| format!("seq {}: {why}", logged.seq)));
    }
    broken
}

/// What stands on a resource. One by one and without any index, because what is judged may well be clever.
#[derive(Debug, Default)]
struct Timeline {
    bookings: BTreeMap<BookingId, BookingState>,
}

impl Timeline {
    /// Takes the next decision in. What is wrong with it.
    fn take(&mut self, decision: &Decision) -> Vec<String> {
        let mut broken = Vec::new();
        if let Some(winner) = decision.outcome.winner()
            && !self.stands(winner)
        {
            broken.push(format!("names {} as the winner, which does not stand there", winner.booking_id));
        }
        for id in &decision.absorbed {
            match self.bookings.get_mut(id).filter(|busy| busy.kind == BookingKind::Busy) {
                Some(busy) => absorb(busy),
                None => broken.push(format!("absorbs {id}, which is no busy time")),
            }
        }
        let Some(booking) = &decision.booking else { return broken };
        let id = booking.booking_id;
        let before = self.bookings.remove(&id);
        if before.as_ref().is_some_and(|before| booking.version < before.version) {
            broken.push(format!("the version of {id} falls"));
        }
        if let (BookingKind::Booking, Some(interval)) = (booking.kind, booking.standing.live()) {
            let had = before.filter(|before| before.kind == BookingKind::Booking);
            let is_news = had.and_then(|before| before.standing.live()) != Some(interval);
            for other in self.bookings.values() {
                if other.kind == BookingKind::Booking && other.unit == booking.unit && has(other, interval) {
                    broken.push(format!("{id} overlaps {} on {}", other.booking_id, decision.resource));
                }
                // What is observed later may lie over a booking; a booking may not be laid over it.
                if is_news && blocks(other, interval) && grants(&decision.outcome) {
                    broken.push(format!("{id} is given time that {} has elsewhere", other.booking_id));
                }
            }
        }
        self.bookings.insert(id, booking.clone());
        broken
    }

    /// Whether the winner has what it is said to have: its own time, or that of a shadow which is not along with it.
    fn stands(&self, winner: &Winner) -> bool {
        self.bookings.get(&winner.booking_id).is_some_and(|booking| {
            booking.source == winner.source
                && booking.standing.live().into_iter().chain(booking.away()).any(|interval| interval == winner.interval)
        })
    }
}

/// Whether a booking has a part of this time itself.
fn has(booking: &BookingState, interval: Interval) -> bool {
    booking.standing.live().is_some_and(|live| live.overlaps(&interval))
}

/// Whether what is known of other systems keeps this time from everybody else.
fn blocks(booking: &BookingState, interval: Interval) -> bool {
    (booking.kind == BookingKind::Busy && has(booking, interval)) || booking.away().any(|away| away.overlaps(&interval))
}

/// Whether somebody is given time by it.
const fn grants(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Confirmed | Outcome::Held | Outcome::Rescheduled => true,
        Outcome::Updated
        | Outcome::Cancelled
        | Outcome::AwaitingReplacement
        | Outcome::Expired
        | Outcome::Observed
        | Outcome::Moved
        | Outcome::Defined
        | Outcome::Redacted
        | Outcome::Flagged(_)
        | Outcome::Rejected(_)
        | Outcome::Unchanged(_) => false,
    }
}

#[cfg(test)]
mod tests;
