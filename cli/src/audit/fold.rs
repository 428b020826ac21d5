//! Deciding a partition again: the arbiter's own fold over what was asked, held against what was decided. Pure.
//!
//! Owns: where a replay may take the stored decision as given (what came before the first request that is kept, what
//! another version decided, what had to be ruled without the core), and that everything else must be the same bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use arbiter_core::partition::{Content, Position, Record, Ruled, rule};
use arbiter_core::{State, evolve};
use daybook_domain::{Outcome, Rejection, RequestId, ResourceId, Timestamp};
use daybook_wire::{LoggedDecision, unframe};
use sha2::{Digest, Sha256};

use super::compare::{Difference, Same, Stored, hold};

/// How long the arbiter remembers which requests it has decided.
const REMEMBERED: Duration = Duration::from_secs(40 * 24 * 60 * 60);

/// A record of `booking.requests`, read.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Its offset.
    pub offset: i64,
    /// The broker's time of it.
    pub timestamp: Timestamp,
    /// What it says today.
    pub content: Content<'a>,
    /// Whose time it was about by its key, should it turn out that the arbiter could not read it.
    pub key: Option<ResourceId>,
}

/// What a replay has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests that were read.
    pub requests: u64,
    /// Decisions that are the same, byte for byte.
    pub same: u64,
    /// Decisions that say the same, written with another schema.
    pub same_in_other_bytes: u64,
    /// Decisions that another version made, taken as given.
    pub by_another_version: u64,
    /// Decisions that came out as the verdict that had been made without the core.
    pub verdicts: u64,
    /// Requests that had been decided before.
    pub repeats: u64,
    /// Decisions from before the first request that is kept, taken as given.
    pub before: u64,
}

/// A partition, decided again.
#[derive(Debug)]
pub struct Fold {
    position: Position,
    states: BTreeMap<ResourceId, State>,
    decided: BTreeSet<RequestId>,
    /// What is in `decided`, oldest first.
    remembered: VecDeque<(Timestamp, RequestId)>,
    /// Whether the last decision was another version's.
    other_version: bool,
    count: Count,
}

impl Fold {
    /// Before the first record.
    pub const fn new(partition: i32) -> Self {
        Self {
            position: Position::start(partition),
            states: BTreeMap::new(),
            decided: BTreeSet::new(),
            remembered: VecDeque::new(),
            other_version: false,
            count: Count {
                requests: 0,
                same: 0,
                same_in_other_bytes: 0,
                by_another_version: 0,
                verdicts: 0,
                repeats: 0,
                before: 0,
            },
        }
    }

    /// What was done so far.
    pub const fn count(&self) -> &Count {
        &self.count
    }

    /// Begins with a table that no longer has its first decisions.
    pub fn begin_at(&mut self, first: &Stored) {
        self.position.next_seq = first.seq;
        if let Ok(logged) = &first.logged {
            self.position.chain = logged.previous_hash;
        }
    }

    /// Takes a decision as given whose request is no longer kept.
    pub fn before(&mut self, row: &Stored) -> Result<(), Difference> {
        self.is_next(row)?;
        self.count.before += 1;
        self.adopt(row)
    }

    /// Decides a record again and holds it against the rows. `rows` begins with the first row that no record has
    /// explained yet, and goes at least one row beyond this record's, unless the table ends.
    pub fn record(&mut self, asked: &Asked<'_>, rows: &mut VecDeque<Stored>) -> Result<(), Difference> {
        if let Some(row) = rows.front().filter(|row| row.offset < asked.offset) {
            return Err(row.difference("booking.requests has no record at the offset of this decision"));
        }
        let count = rows.iter().take_while(|row| row.offset == asked.offset).count();
        let own: Vec<Stored> = rows.drain(..count).collect();
        self.count.requests += 1;
        let others = |row: &Stored| row.is_of_another_version();
        if own.iter().any(others) {
            return self.take_over(asked, &own);
        }
        if own.is_empty() && (self.other_version || rows.front().is_some_and(others)) {
            // Nothing was decided, and perhaps by the other version: what this one would have decided says nothing.
            self.pass(asked);
            return Ok(());
        }
        self.decide(asked, &own, rows.front())
    }

    /// Ends the partition: every row must have been explained, and the head must be where the replay has come to.
    pub fn end(&self, rows: &VecDeque<Stored>, next_seq: i64) -> Result<(), Difference> {
        if let Some(row) = rows.front() {
            return Err(row.difference("booking.requests has no record at the offset of this decision"));
        }
        let Position { next_seq: reached, next_offset, .. } = self.position;
        if self.count.requests > 0 && reached != next_seq {
            let what =
                format!("the log ends before seq {reached}, and arbiter_partition says that it is before {next_seq}");
            return Err(Difference { seq: reached, offset: next_offset, what, fields: Vec::new() });
        }
        Ok(())
    }

    fn decide(&mut self, asked: &Asked<'_>, own: &[Stored], next: Option<&Stored>) -> Result<(), Difference> {
        let undecodable = own.iter().any(|row| row.rejection() == Some(&Rejection::Undecodable));
        let content = match &asked.content {
            // The schema may have come to the registry since.
            Content::Request(_) if undecodable => Content::Unreadable(asked.key.clone()),
            content @ (Content::Request(_) | Content::Unreadable(_)) => content.clone(),
        };
        let verdict = verdict(&content, own);
        let record = Record { offset: asked.offset, timestamp: asked.timestamp, content };
        let schema_id = own.first().and_then(|row| unframe(&row.bytes).ok()).map_or(0, |(id, _)| id);
        self.forget();
        let seq = self.position.next_seq;
        let (position, states, decided) = (&mut self.position, &mut self.states, &mut self.decided);
        let ruling = verdict.clone();
        let ruled = catch_unwind(AssertUnwindSafe(|| rule(position, states, decided, &record, ruling, schema_id)));
        let entries = match ruled {
            Ok(Ok(Ruled::Decided(entries))) => entries,
            Ok(Ok(Ruled::Repeated)) => {
                self.count.repeats += 1;
                Vec::new()
            }
            // A state that was folded from the beginning misses nothing.
            Ok(Err(_)) | Err(_) => {
                let what = "the core fails on this request, and the stored decision does not say so".to_owned();
                return Err(Difference { seq, offset: asked.offset, what, fields: Vec::new() });
            }
        };
        for at in 0..entries.len().max(own.len()) {
            match hold(asked.offset, entries.get(at), own.get(at), next)? {
                Same::Bytes => self.count.same += 1,
                Same::InOtherBytes => self.count.same_in_other_bytes += 1,
            }
        }
        if let Some(row) = own.last() {
            // The same, unless another schema has made other bytes of the same decision.
            self.position.chain = Sha256::digest(&row.bytes).into();
        }
        for entry in &entries {
            self.remember(&entry.logged);
        }
        self.count.verdicts += u64::from(verdict.is_some() || (undecodable && !own.is_empty()));
        self.other_version &= own.is_empty();
        Ok(())
    }

    /// Takes what another version decided as given.
    fn take_over(&mut self, asked: &Asked<'_>, own: &[Stored]) -> Result<(), Difference> {
        self.pass(asked);
        for row in own {
            self.is_next(row)?;
            self.adopt(row)?;
            self.count.by_another_version += 1;
        }
        Ok(())
    }

    fn pass(&mut self, asked: &Asked<'_>) {
        self.position.now = self.position.now.max(asked.timestamp);
        self.position.next_offset = asked.offset + 1;
    }

    fn is_next(&self, row: &Stored) -> Result<(), Difference> {
        let expected = self.position.next_seq;
        if row.seq == expected {
            return Ok(());
        }
        let what = format!("the table has no such seq; the next row has seq {}", row.seq);
        Err(Difference { seq: expected, ..row.difference(what) })
    }

    /// Applies a stored decision as it is.
    fn adopt(&mut self, row: &Stored) -> Result<(), Difference> {
        let logged = row.logged.as_ref();
        let logged = logged.map_err(|why| row.difference(format!("the stored bytes cannot be read: {why}")))?;
        if logged.previous_hash != self.position.chain {
            return Err(row.difference("its previous_hash is not the SHA-256 of the row before"));
        }
        let decision = &logged.decision;
        let resource = &decision.resource;
        let state = self.states.entry(resource.clone()).or_insert_with(|| State::new(resource.clone()));
        evolve(state, decision);
        let position = &mut self.position;
        position.now = position.now.max(decision.decided_at);
        position.next_offset = row.offset + 1;
        position.next_seq = row.seq + 1;
        position.chain = Sha256::digest(&row.bytes).into();
        self.other_version = row.is_of_another_version();
        self.decided.insert(decision.request_id);
        self.remember(logged);
        self.forget();
        Ok(())
    }

    fn remember(&mut self, logged: &LoggedDecision) {
        let decision = &logged.decision;
        if decision.outcome == Outcome::Rejected(Rejection::Internal) {
            // The arbiter decides it anew when its dead letter is replayed.
            self.decided.remove(&decision.request_id);
        } else {
            self.remembered.push_back((decision.decided_at, decision.request_id));
        }
    }

    /// Forgets the requests that the arbiter no longer looks for.
    fn forget(&mut self) {
        let floor = self.position.now.minus(REMEMBERED);
        while let Some((_, id)) = self.remembered.pop_front_if(|(at, _)| *at < floor) {
            self.decided.remove(&id);
        }
    }
}

/// The ruling that was made without the core, if the stored decision is one.
fn verdict(content: &Content<'_>, own: &[Stored]) -> Option<Rejection> {
    let Content::Request(request) = content else { return None };
    let row = own
        .iter()
        .find(|row| row.logged.as_ref().is_ok_and(|logged| logged.decision.request_id == request.request_id))?;
    row.rejection().filter(|rejection| matches!(rejection, Rejection::ConflictByStore | Rejection::Internal)).cloned()
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;
