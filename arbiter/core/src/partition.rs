//! A partition's log of decisions: what the core rules, each at its place.
//!
//! Owns: a `seq` without gaps, the hash chain, a *now* that never falls, and that a request which was decided before is
//! passed over. The arbiter folds this over what comes, `daybook audit replay` over what came: the same bytes, or the
//! first difference.

use std::collections::{BTreeMap, BTreeSet};

use daybook_domain::{
    Basis, BookingId, Decision, Interval, OperationKind, Outcome, Rejection, Request, RequestId, ResourceId,
    SourceName, Timestamp, topics,
};
use daybook_wire::{LoggedDecision, encode_decision, frame};
use sha2::{Digest, Sha256};

use crate::{State, core_version, evolve, overruled, step};

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

impl Position {
    /// Before the first record, owned by nobody.
    pub const fn start(partition: i32) -> Self {
        Self { partition, epoch: 0, next_offset: 0, next_seq: 1, now: Timestamp::EPOCH, chain: [0; 32] }
    }
}

/// A record of `booking.requests`.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: i64,
    /// The broker's time of it.
    pub timestamp: Timestamp,
    /// What it says.
    pub content: Content<'a>,
}

/// What a record says.
#[derive(Debug, Clone)]
pub enum Content<'a> {
    /// A request.
    Request(&'a Request),
    /// Nothing that can be read. Whose time it was about, if its key says so.
    Unreadable(Option<ResourceId>),
}

/// A decision at its place, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// At its place in the log.
    pub logged: LoggedDecision,
    /// The value on `booking.decisions`.
    pub bytes: Vec<u8>,
    /// The booking that it is about, or would have made.
    pub booking_id: Option<BookingId>,
}

/// What came of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruled {
    /// Decisions, in order. None for an `expire` that came too early.
    Decided(Vec<Entry>),
    /// Its request was decided before.
    Repeated,
}

/// Time that a ruling looks at, and of which the resource's state does not hold everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Whose.
    pub resource: ResourceId,
    /// The time.
    pub time: Interval,
}

/// Rules on one record. `states` holds what it [names](crate::reach), `decided` those requests that were decided
/// before, as far as this record can repeat them. `verdict` is a ruling that had to be made without the core; it replaces
/// the core's. Where a state does not hold everything of the time that is looked at, all is as it was before.
pub fn rule(
    position: &mut Position,
    states: &mut BTreeMap<ResourceId, State>,
    decided: &mut BTreeSet<RequestId>,
    record: &Record<'_>,
    verdict: Option<Rejection>,
    schema_id: u32,
) -> Result<Ruled, Gap> {
    let now = position.now.max(record.timestamp);
    let decisions = match &record.content {
        Content::Request(request) if decided.contains(&request.request_id) => None,
        Content::Request(request) => {
            let resource = &request.resource;
            let state = states.entry(resource.clone()).or_insert_with(|| State::new(resource.clone()));
            let ruled = match verdict {
                Some(rejection) => overruled(state, now, request, rejection).map(|decision| {
                    evolve(state, &decision);
                    vec![decision]
                }),
                None => step(state, now, request),
            };
            let ruled = ruled.map_err(|missing| Gap { resource: resource.clone(), time: missing.time })?;
            debug_assert_eq!(state.check(), Ok(()));
            Some(ruled.into_iter().map(|decision| (decision, subject(request))).collect::<Vec<_>>())
        }
        Content::Unreadable(resource) => {
            let decision = unreadable(position.partition, now, record, resource.clone());
            (!decided.contains(&decision.request_id)).then(|| vec![(decision, None)])
        }
    };
    position.now = now;
    position.next_offset = record.offset + 1;
    let Some(decisions) = decisions else { return Ok(Ruled::Repeated) };
    // One that failed inside us is asked again when its dead letter is replayed, under the same id.
    let done = decisions
        .iter()
        .filter(|(decision, _): &&(Decision, _)| decision.outcome != Outcome::Rejected(Rejection::Internal));
    decided.extend(done.map(|(decision, _)| decision.request_id));
    let place = |(decision, subject)| place(position, record.offset, decision, subject, schema_id);
    Ok(Ruled::Decided(decisions.into_iter().map(place).collect()))
}

fn unreadable(partition: i32, now: Timestamp, record: &Record<'_>, resource: Option<ResourceId>) -> Decision {
    Decision {
        request_id: RequestId::derive_from_coordinates(topics::REQUESTS, partition, record.offset),
        request_digest: None,
        resource: resource.unwrap_or_else(unknown_resource),
        operation: OperationKind::Unknown,
        source: SourceName::daybook(),
        basis: Basis::Promised,
        outcome: Outcome::Rejected(Rejection::Undecodable),
        // Not known without reading the record, and the bytes must not depend on who else is in the batch.
        resource_version: 0,
        booking: None,
        absorbed: Vec::new(),
        wanted: None,
        next_free: Vec::new(),
        rules: None,
        sourced_at: None,
        received_at: record.timestamp,
        decided_at: now,
    }
}

/// The booking that a request is about, should its decision name none.
fn subject(request: &Request) -> Option<BookingId> {
    request.operation.booking_ids().next()
}

/// The resource of a record that does not say whose time it is about.
fn unknown_resource() -> ResourceId {
    "unknown".parse().expect("a sound name")
}

fn place(
    position: &mut Position,
    offset: i64,
    decision: Decision,
    subject: Option<BookingId>,
    schema_id: u32,
) -> Entry {
    let booking_id = decision.booking.as_ref().map(|booking| booking.booking_id).or(subject);
    let logged = LoggedDecision {
        partition: position.partition,
        seq: position.next_seq,
        offset,
        previous_hash: position.chain,
        core_version: core_version().to_owned(),
        decision,
    };
    let bytes = frame(schema_id, &encode_decision(&logged));
    position.chain = Sha256::digest(&bytes).into();
    position.next_seq += 1;
    Entry { logged, bytes, booking_id }
}
