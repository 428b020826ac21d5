//! One batch, decided: a pure function of the partition's position, the records, and what the store says about them.
//!
//! Owns: dense `seq`, the hash chain, a *now* that never falls, and that a request which was decided before is passed
//! over. Everything that will be written is in the result; nothing is written here.

use std::collections::{BTreeMap, BTreeSet};

use arbiter_core::{CORE_VERSION, State, decide, evolve};
use daybook_domain::{
    BookingId, BookingState, Content as Shown, Decision, Operation, OperationKind, Outcome, Rejection, Request,
    RequestId, ResourceId, Rules, SourceKey, SourceName, Timestamp, topics,
};
use daybook_wire::{LoggedDecision, encode_decision, frame};
use sha2::{Digest, Sha256};

use crate::intake::{Content, Entry};
use crate::rows::BookingRow;

/// Where a partition stands, and in which epoch it is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: i32,
    /// The epoch in which it is ours.
    pub epoch: i64,
    /// Of the first request not decided.
    pub next_offset: i64,
    /// Of the next decision.
    pub next_seq: i64,
    /// The log's time; never falls.
    pub now: Timestamp,
    /// SHA-256 over the last decision's bytes.
    pub chain: [u8; 32],
}

/// What the store says about a batch: every resource it names, every booking that it names or that holds a part of an
/// interval it wants, and which of its requests were decided before.
#[derive(Debug, Default)]
pub struct Slice {
    /// States, complete as far as this batch can see.
    pub states: BTreeMap<ResourceId, State>,
    /// Resources that the store has.
    pub stored_resources: BTreeSet<ResourceId>,
    /// The rows of the states' bookings.
    pub rows: BTreeMap<BookingId, BookingRow>,
    /// Requests decided before.
    pub decided: BTreeSet<RequestId>,
}

/// A decision, ready to be stored and published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// At its place in the log.
    pub logged: LoggedDecision,
    /// The value on `booking.decisions`.
    pub bytes: Vec<u8>,
    /// The booking that it is about, or would have made.
    pub booking_id: Option<BookingId>,
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
}

/// A booking that the batch touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// As it stands after the batch.
    pub row: BookingRow,
    /// As the store has it; none for a new one.
    pub before: Option<BookingState>,
}

/// A resource whose version or rules the batch changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedResource {
    /// Which.
    pub resource: ResourceId,
    /// Its version after the batch.
    pub version: u64,
    /// Its rules after the batch.
    pub rules: Rules,
    /// Whether the store has it.
    pub stored: bool,
}

/// A name under which a source speaks of a booking, new to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewName {
    /// Its pseudonym.
    pub key: SourceKey,
    /// Whose time.
    pub resource: ResourceId,
    /// The booking.
    pub booking_id: BookingId,
    /// The name.
    pub name: String,
}

/// Everything that one transaction writes.
#[derive(Debug)]
pub struct Decided {
    /// Where the partition stands after it.
    pub after: Position,
    /// In order of `seq`.
    pub decisions: Vec<Ready>,
    /// Each touched booking once.
    pub bookings: Vec<Touched>,
    /// Each changed resource once.
    pub resources: Vec<ChangedResource>,
    /// Names not known before.
    pub names: Vec<NewName>,
    /// Requests that had been decided before.
    pub repeats: u64,
    /// The display zones of the touched resources, for `booking.canonical`.
    pub zones: BTreeMap<ResourceId, String>,
}

/// Decides a batch. `verdicts` are rulings that the shell has had to make, by offset; they replace the core's.
pub fn decide_batch(
    position: &Position,
    entries: &[Entry],
    slice: Slice,
    verdicts: &BTreeMap<i64, Rejection>,
    schema_id: u32,
) -> Decided {
    let mut fold = Fold::new(position.clone(), slice, schema_id);
    for entry in entries {
        fold.now = fold.now.max(entry.timestamp);
        match (&entry.content, verdicts.get(&entry.offset)) {
            (Content::Request(request), verdict) => fold.request(entry, request, verdict.copied()),
            (Content::Unreadable(resource, _), _) => fold.unreadable(entry, resource.clone()),
        }
        fold.position.next_offset = entry.offset + 1;
    }
    fold.finish()
}

struct Fold {
    position: Position,
    now: Timestamp,
    schema_id: u32,
    states: BTreeMap<ResourceId, State>,
    stored_resources: BTreeSet<ResourceId>,
    versions: BTreeMap<ResourceId, u64>,
    stored_rows: BTreeMap<BookingId, BookingRow>,
    rows: BTreeMap<BookingId, BookingRow>,
    decided: BTreeSet<RequestId>,
    decisions: Vec<Ready>,
    repeats: u64,
}

impl Fold {
    fn new(position: Position, slice: Slice, schema_id: u32) -> Self {
        let versions = slice.states.iter().map(|(resource, state)| (resource.clone(), state.version())).collect();
        Self {
            now: position.now,
            position,
            schema_id,
            versions,
            states: slice.states,
            stored_resources: slice.stored_resources,
            stored_rows: slice.rows,
            rows: BTreeMap::new(),
            decided: slice.decided,
            decisions: Vec::new(),
            repeats: 0,
        }
    }

    fn request(&mut self, entry: &Entry, request: &Request, verdict: Option<Rejection>) {
        if !self.decided.insert(request.request_id) {
            self.repeats += 1;
            return;
        }
        let resource = &request.resource;
        let state = self.states.entry(resource.clone()).or_insert_with(|| State::new(resource.clone()));
        let decision = match verdict {
            Some(rejection) => rejected(request, rejection, state.version(), self.now),
            None => match decide(state, self.now, request) {
                Some(decision) => decision,
                None => {
                    // Too early by the log's time: nothing is written, and it will be sent again under the same id.
                    self.decided.remove(&request.request_id);
                    return;
                }
            },
        };
        evolve(state, &decision);
        debug_assert_eq!(state.check(), Ok(()));
        self.log(entry, decision, subject(&request.operation));
        self.touch(request);
    }

    fn unreadable(&mut self, entry: &Entry, resource: Option<ResourceId>) {
        let partition = self.position.partition;
        let request_id = RequestId::derive_from_coordinates(topics::REQUESTS, partition, entry.offset);
        if !self.decided.insert(request_id) {
            self.repeats += 1;
            return;
        }
        let decision = Decision {
            request_id,
            resource: resource.unwrap_or_else(unknown_resource),
            operation: OperationKind::Unknown,
            source: SourceName::daybook(),
            outcome: Outcome::Rejected(Rejection::Undecodable),
            // Not known without reading the record, and the bytes must not depend on who else is in the batch.
            resource_version: 0,
            booking: None,
            rules: None,
            sourced_at: None,
            received_at: entry.timestamp,
            decided_at: self.now,
        };
        self.log(entry, decision, None);
    }

    fn log(&mut self, entry: &Entry, decision: Decision, subject: Option<BookingId>) {
        let booking_id = decision.booking.as_ref().map(|booking| booking.booking_id).or(subject);
        let logged = LoggedDecision {
            partition: self.position.partition,
            seq: self.position.next_seq,
            offset: entry.offset,
            previous_hash: self.position.chain,
            core_version: CORE_VERSION.to_owned(),
            decision,
        };
        let bytes = frame(self.schema_id, &encode_decision(&logged));
        self.position.chain = Sha256::digest(&bytes).into();
        self.position.next_seq += 1;
        self.decisions.push(Ready { logged, bytes, booking_id, traceparent: entry.traceparent.clone() });
    }

    /// Carries the last decision's booking over into its row.
    fn touch(&mut self, request: &Request) {
        let Some(ready) = self.decisions.last() else { return };
        let decision = &ready.logged.decision;
        let Some(state) = &decision.booking else { return };
        let id = state.booking_id;
        let before = self.rows.get(&id).or_else(|| self.stored_rows.get(&id));
        if before.is_some_and(|row| row.state == *state) {
            return;
        }
        let mut row = before.cloned().unwrap_or_else(|| BookingRow {
            state: state.clone(),
            resource: request.resource.clone(),
            source_ids: Vec::new(),
            title: None,
            attendees: Vec::new(),
            source_time_zone: None,
            event_id: String::new(),
            sourced_at: None,
            received_at: request.received_at,
            decided_at: decision.decided_at,
            seq: ready.logged.seq,
        });
        row.source_ids = names(&row, state, &request.operation);
        if (state.content != row.state.content || row.event_id.is_empty())
            && let Some(content) = shown(&request.operation, state)
        {
            row.show(content);
        }
        row.state = state.clone();
        row.event_id.clone_from(&request.event_id);
        row.sourced_at = decision.sourced_at;
        row.received_at = decision.received_at;
        row.decided_at = decision.decided_at;
        row.seq = ready.logged.seq;
        self.rows.insert(id, row);
    }

    fn finish(mut self) -> Decided {
        self.position.now = self.now;
        let changed = self.states.iter().filter_map(|(resource, state)| {
            let stored = self.stored_resources.contains(resource);
            let before = if stored { self.versions.get(resource).copied() } else { None };
            let rules = state.rules()?.clone();
            (before != Some(state.version())).then(|| ChangedResource {
                resource: resource.clone(),
                version: state.version(),
                rules,
                stored,
            })
        });
        let resources = changed.collect();
        let zones = self
            .states
            .iter()
            .filter_map(|(resource, state)| Some((resource.clone(), state.rules()?.display_time_zone.clone())));
        let zones = zones.collect();
        let mut names = Vec::new();
        let mut bookings = Vec::new();
        for (id, row) in self.rows {
            let before = self.stored_rows.remove(&id);
            let known = before.as_ref().map_or(&[][..], |before| &before.state.keys);
            for (key, name) in row.state.keys.iter().zip(&row.source_ids).filter(|(key, _)| !known.contains(key)) {
                names.push(NewName { key: *key, resource: row.resource.clone(), booking_id: id, name: name.clone() });
            }
            bookings.push(Touched { row, before: before.map(|before| before.state) });
        }
        Decided {
            after: self.position,
            decisions: self.decisions,
            bookings,
            resources,
            names,
            repeats: self.repeats,
            zones,
        }
    }
}

/// The resource of a record that does not say whose time it is about.
fn unknown_resource() -> ResourceId {
    "unknown".parse().expect("a sound name")
}

fn rejected(request: &Request, rejection: Rejection, version: u64, now: Timestamp) -> Decision {
    Decision {
        request_id: request.request_id,
        resource: request.resource.clone(),
        operation: request.operation.kind(),
        source: request.source.clone(),
        outcome: Outcome::Rejected(rejection),
        resource_version: version,
        booking: None,
        rules: None,
        sourced_at: request.sourced_at,
        received_at: request.received_at,
        decided_at: now,
    }
}

/// The booking that a request is about, should the decision name none.
const fn subject(operation: &Operation) -> Option<BookingId> {
    match operation {
        Operation::Book(claim) | Operation::Reschedule { claim, .. } => Some(claim.booking_id),
        Operation::Cancel { booking_id, .. } | Operation::Expire { booking_id, .. } => Some(*booking_id),
        Operation::Define(_) => None,
    }
}

/// What people are to see, if it is this request's content that was granted.
fn shown<'a>(operation: &'a Operation, state: &BookingState) -> Option<&'a Shown> {
    operation.claim()?.content.as_ref().filter(|content| state.content == Some(content.digest))
}

/// The texts behind a state's keys: from the row, or from the request that brought them.
fn names(row: &BookingRow, state: &BookingState, operation: &Operation) -> Vec<String> {
    let mut known: BTreeMap<SourceKey, &str> =
        row.state.keys.iter().copied().zip(row.source_ids.iter().map(String::as_str)).collect();
    let brought = match operation {
        Operation::Book(claim) => vec![&claim.identity],
        Operation::Reschedule { previous, claim } => vec![previous, &claim.identity],
        Operation::Cancel { identity, .. } => vec![identity],
        Operation::Define(_) | Operation::Expire { .. } => vec![],
    };
    known.extend(brought.into_iter().map(|identity| (identity.key(), identity.id())));
    state.keys.iter().map(|key| known.get(key).copied().unwrap_or_default().to_owned()).collect()
}

#[cfg(test)]
mod tests;
