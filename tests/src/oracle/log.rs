//! The laws of the decision log. Pure, and told apart from everything that reads it, so that a forged log can be shown
//! to break each of them.

use std::collections::BTreeMap;

use daybook_domain::{BookingId, BookingState, Interval, Outcome, Rejection, RequestId, ResourceId};
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
        let mut bookings = BTreeMap::new();
        for entry in self.entries() {
            let decision = &entry.logged.decision;
            if let Some(booking) = &decision.booking {
                bookings.insert(booking.booking_id, (decision.resource.clone(), booking.clone()));
            }
        }
        bookings
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

/// At no prefix do two live bookings of a resource overlap; versions never fall; a winner stands where it is said to.
fn timelines(entries: &[Entry]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut resources: BTreeMap<&ResourceId, Timeline> = BTreeMap::new();
    for Entry { logged, .. } in entries {
        let decision = &logged.decision;
        let timeline = resources.entry(&decision.resource).or_default();
        let mut say = |why: String| broken.push(format!("seq {}: {why}", logged.seq));
        if let Outcome::Rejected(Rejection::Conflict(winner)) = decision.outcome
            && timeline.live(winner.booking_id) != Some(winner.interval)
        {
            say(format!("names {} as the winner, which does not stand there", winner.booking_id));
        }
        let Some(booking) = &decision.booking else { continue };
        if timeline.versions.get(&booking.booking_id).is_some_and(|version| booking.version < *version) {
            say(format!("the version of {} falls", booking.booking_id));
        }
        timeline.versions.insert(booking.booking_id, booking.version);
        for other in timeline.put(booking.booking_id, booking.standing.live()) {
            say(format!("{} overlaps {other} on {}", booking.booking_id, decision.resource));
        }
    }
    broken
}

#[derive(Debug, Default)]
struct Timeline {
    live: BTreeMap<BookingId, Interval>,
    versions: BTreeMap<BookingId, u64>,
}

impl Timeline {
    fn live(&self, booking: BookingId) -> Option<Interval> {
        self.live.get(&booking).copied()
    }

    /// Sets what a booking occupies. Whom it overlaps.
    fn put(&mut self, booking: BookingId, interval: Option<Interval>) -> Vec<BookingId> {
        self.live.remove(&booking);
        let Some(interval) = interval else { return Vec::new() };
        // One by one, because what is judged may well be clever.
        let others = self.live.iter().filter(|(_, other)| other.overlaps(&interval)).map(|(id, _)| *id).collect();
        self.live.insert(booking, interval);
        others
    }
}

#[cfg(test)]
mod tests;
