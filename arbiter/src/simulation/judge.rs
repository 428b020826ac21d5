//! The judge: after quiet, is everything as it must be? It looks at the log, the tables and the topics, and believes nothing
//! that the arbiters have said.

mod fold;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arbiter_core::State;
use arbiter_core::partition::{Content as Logged, Position, Record, Ruled, rule};
use daybook_domain::{
    Decision, Operation, OperationKind, Outcome, Rejection, RequestId, ResourceId, Timestamp, topics::REQUESTS,
};
use sha2::{Digest, Sha256};

use super::broker::Asked;
use super::process::SCHEMA;
use super::tables::{DecisionRow, Shard};
use super::world::{Complaint, Kind, World};
use crate::intake::Content;

/// What one partition has come to.
struct Case<'a> {
    world: &'a World,
    partition: i32,
    shard: &'a Shard,
    log: &'a [Asked],
    /// In order of `seq`.
    rows: Vec<&'a Arc<DecisionRow>>,
    complaints: Vec<Complaint>,
}

/// Everything that is wrong.
pub fn judge(world: &World) -> Vec<Complaint> {
    let mut complaints = world.complaints.clone();
    for (partition, writer, epoch) in &world.server.stale {
        let what = format!("epoch {writer} commits to partition {partition}, whose epoch is {epoch}");
        complaints.push(Complaint { kind: Kind::StaleOwner, what });
    }
    for shard in world.server.shards() {
        let partition = shard.position.partition;
        let mut case = Case {
            world,
            partition,
            shard,
            log: world.broker.requests(partition),
            rows: shard.decisions.values().collect(),
            complaints: Vec::new(),
        };
        case.order();
        case.once();
        case.fold();
        case.replay();
        case.topics();
        complaints.append(&mut case.complaints);
    }
    fold::moves(world, &mut complaints);
    complaints
}

impl<'a> Case<'a> {
    fn complain(&mut self, kind: Kind, what: impl std::fmt::Display) {
        let what = format!("partition {}, {what}", self.partition);
        self.complaints.push(Complaint { kind, what });
    }

    /// The record that a decision came of.
    fn asked(&self, row: &DecisionRow) -> Option<&'a Asked> {
        self.log.get(usize::try_from(row.ready.logged.offset).ok()?)
    }

    /// `seq`, offsets, epochs, the chain, and where the partition stands in the end.
    fn order(&mut self) {
        let (mut chain, mut offset, mut epoch) = ([0; 32], 0, 0);
        for (nth, row) in (1..).zip(self.rows.clone()) {
            let logged = &row.ready.logged;
            let seq = logged.seq;
            if seq != nth || logged.offset < offset {
                self.complain(
                    Kind::Gap,
                    format_args!("seq {seq} of offset {} where {nth} was expected", logged.offset),
                );
            }
            if row.epoch < epoch {
                self.complain(Kind::Epochs, format_args!("seq {seq} is of epoch {} after {epoch}", row.epoch));
            }
            if logged.previous_hash != chain {
                self.complain(Kind::Chain, format_args!("seq {seq} does not follow the bytes before it"));
            }
            chain = Sha256::digest(&row.ready.bytes).into();
            (offset, epoch) = (logged.offset, row.epoch);
        }
        let Position { next_offset, next_seq, now, chain: last, .. } = &self.shard.position;
        let decisions = i64::try_from(self.rows.len()).unwrap_or(i64::MAX);
        let end = i64::try_from(self.log.len()).unwrap_or(i64::MAX);
        if (*next_offset, *next_seq) != (end, decisions + 1) {
            let what =
                format!("stands before offset {next_offset} of {end} and before seq {next_seq} after {decisions}");
            self.complain(Kind::Gap, what);
        }
        if *last != chain || *now != self.log.iter().map(|asked| asked.timestamp).max().unwrap_or(Timestamp::EPOCH) {
            self.complain(Kind::Chain, "its row has another hash or time than its last decision");
        }
    }

    /// Each request of the log decided, and no more than once.
    fn once(&mut self) {
        let mut decided: BTreeMap<RequestId, i64> = BTreeMap::new();
        for row in self.rows.clone() {
            let Decision { request_id, outcome, operation, .. } = &row.ready.logged.decision;
            let (seq, offset) = (row.ready.logged.seq, row.ready.logged.offset);
            let asked = self.asked(row);
            let is_own = asked.is_some_and(|asked| asked.request().is_some_and(|it| it.request_id == *request_id));
            let is_unread = *request_id == RequestId::derive_from_coordinates(REQUESTS, self.partition, offset);
            if !is_own && !is_unread && *operation != OperationKind::Expire && !self.halves(row) {
                self.complain(Kind::Undecided, format_args!("seq {seq} decides what offset {offset} does not ask"));
            }
            if *outcome == Outcome::Rejected(Rejection::Internal) {
                continue;
            }
            if let Some(before) = decided.insert(*request_id, seq) {
                self.complain(Kind::DecidedTwice, format_args!("seq {before} and {seq} both decide {request_id}"));
            }
        }
        let all: BTreeSet<RequestId> = self.rows.iter().map(|row| row.ready.logged.decision.request_id).collect();
        let mut now = Timestamp::EPOCH;
        for (offset, asked) in (0..).zip(self.log) {
            now = now.max(asked.timestamp);
            let unread = RequestId::derive_from_coordinates(REQUESTS, self.partition, offset);
            let is_early =
                |operation: &Operation| matches!(operation, Operation::Expire { deadline, .. } if now < *deadline);
            let is_decided = match &asked.content {
                Content::Unreadable(..) => all.contains(&unread),
                Content::Request(request) => {
                    all.contains(&request.request_id) || all.contains(&unread) || is_early(&request.operation)
                }
            };
            if !is_decided {
                self.complain(Kind::Undecided, format_args!("nothing is decided on offset {offset}"));
            }
        }
    }

    /// Whether the decision is of one half of what was asked in one: no request of its own, but a complaint of its own.
    fn halves(&self, row: &DecisionRow) -> bool {
        let operation = self.asked(row).and_then(Asked::request).map(|request| &request.operation);
        matches!(operation, Some(Operation::Reschedule { .. }))
    }

    /// The core, given the same log, gives the same bytes. Verdicts that had to be made without it are taken from the table.
    fn replay(&mut self) {
        let mut by_offset: BTreeMap<i64, Vec<&DecisionRow>> = BTreeMap::new();
        for row in &self.rows {
            by_offset.entry(row.ready.logged.offset).or_default().push(row);
        }
        let mut position = Position { epoch: self.shard.position.epoch, ..Position::start(self.partition) };
        let mut states: BTreeMap<ResourceId, State> = BTreeMap::new();
        let mut decided = BTreeSet::new();
        for (offset, asked) in (0..).zip(self.log) {
            let own = by_offset.get(&offset).map_or(&[][..], Vec::as_slice);
            let outcomes = || own.iter().map(|row| &row.ready.logged.decision.outcome);
            let unread = outcomes().any(|outcome| *outcome == Outcome::Rejected(Rejection::Undecodable));
            let verdict = outcomes().find_map(|outcome| {
                let Outcome::Rejected(verdict) = outcome else { return None };
                Some(verdict.clone()).filter(|it| matches!(it, Rejection::ConflictByStore | Rejection::Internal))
            });
            let content = match &asked.content {
                Content::Request(request) if unread => Logged::Unreadable(Some(request.resource.clone())),
                Content::Request(request) => Logged::Request(request),
                Content::Unreadable(resource, _) => Logged::Unreadable(resource.clone()),
            };
            let record = Record { offset, timestamp: asked.timestamp, content };
            let entries = match rule(&mut position, &mut states, &mut decided, &record, verdict, SCHEMA) {
                Ok(Ruled::Decided(entries)) => entries,
                Ok(Ruled::Repeated) => Vec::new(),
                Err(gap) => unreachable!("a state that was folded from the beginning misses nothing, and here {gap:?}"),
            };
            let same = entries.len() == own.len()
                && entries.iter().zip(own).all(|(entry, row)| entry.bytes == row.ready.bytes);
            if !same {
                let stored: Vec<_> = own.iter().map(|row| &row.ready.logged.decision).collect();
                let again: Vec<_> = entries.iter().map(|entry| &entry.logged.decision).collect();
                let what = format!("offset {offset} is decided otherwise in a replay: {stored:?} became {again:?}");
                return self.complain(Kind::Replay, what);
            }
        }
        if position != self.shard.position {
            self.complain(
                Kind::Replay,
                format_args!("a replay ends at {position:?}, the store at {:?}", self.shard.position),
            );
        }
    }
}
