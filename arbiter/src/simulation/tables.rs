//! The tables, as the migrations and the statements of `store/` make them: one partition's rows, what a statement writes,
//! what a constraint or the trigger refuses, what a look-up finds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arbiter_core::partition::Position;
use daybook_domain::{
    BookingId, BookingKind, BookingState, Interval, Outcome, Rejection, RequestId, ResourceId, Rules, SourceKey,
    Standing, Tag, Timestamp,
};
use daybook_rows::{BookingColumns, BookingRow};

use crate::batch::{ChangedResource, Decided, Ready, Touched};
use crate::compensation::{Compensation, Opening};

const REMEMBERED: Duration = Duration::from_secs(40 * 24 * 60 * 60);

/// What one partition's rows are. A commit makes a new one.
#[derive(Debug, Clone)]
pub struct Shard {
    pub position: Position,
    pub resources: BTreeMap<ResourceId, (u64, Rules)>,
    pub bookings: BTreeMap<BookingId, Arc<BookingRow>>,
    pub names: BTreeMap<(SourceKey, ResourceId), (BookingId, String)>,
    pub tags: BTreeSet<(Tag, ResourceId, BookingId)>,
    pub decisions: BTreeMap<(i64, Timestamp), Arc<DecisionRow>>,
    pub compensations: BTreeMap<(ResourceId, SourceKey), Arc<CompensationRow>>,
}

#[derive(Debug)]
pub struct DecisionRow {
    pub ready: Ready,
    pub epoch: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompensationRow {
    pub booking_id: BookingId,
    pub reason: &'static str,
    pub interval: Interval,
    pub winner: Option<BookingId>,
    pub opened_at: Timestamp,
    pub request_id: RequestId,
    pub refusals: i64,
    pub closed_at: Option<Timestamp>,
    pub name: String,
}

impl CompensationRow {
    fn of(opening: &Opening) -> Self {
        Self {
            booking_id: opening.booking_id,
            reason: opening.reason,
            interval: opening.interval,
            winner: opening.winner.as_ref().map(|winner| winner.booking_id),
            opened_at: opening.at,
            request_id: opening.request_id,
            refusals: opening.refusals,
            closed_at: None,
            name: opening.name.clone(),
        }
    }

    pub fn nameless(&self) -> Self {
        Self { name: String::new(), ..self.clone() }
    }
}

/// Why a statement fails, and its transaction with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 23P01.
    Exclusion,
    /// Classes 22 and 23.
    Rows,
}

/// Time of a resource's unit that a row has taken which no load returns: somebody went round the arbiter.
pub type Ghost = (ResourceId, u16, Interval);

/// What the constraint sees of a booking.
pub fn slot(state: &BookingState) -> Option<(Interval, u16)> {
    match state.kind {
        BookingKind::Booking => state.standing.live().map(|interval| (interval, state.unit)),
        BookingKind::Busy => None,
    }
}

impl Shard {
    pub const fn new(partition: i32) -> Self {
        Self {
            position: Position::start(partition),
            resources: BTreeMap::new(),
            bookings: BTreeMap::new(),
            names: BTreeMap::new(),
            tags: BTreeSet::new(),
            decisions: BTreeMap::new(),
            compensations: BTreeMap::new(),
        }
    }

    /// The statement that is the fence, once it has the row and has compared.
    pub fn advance(&mut self, from: &Position, to: &Position) {
        self.position.next_offset = to.next_offset;
        self.position.next_seq += to.next_seq - from.next_seq;
        self.position.now = to.now;
        self.position.chain = to.chain;
    }

    pub fn write_resources(&mut self, changed: &[ChangedResource]) -> Result<(), Refusal> {
        for ChangedResource { resource, version, rules, stored } in changed {
            let known = self.resources.contains_key(resource);
            match (stored, known) {
                (true, false) => {}
                (false, true) => return Err(Refusal::Rows),
                (true, true) | (false, false) => {
                    self.resources.insert(resource.clone(), (*version, rules.clone()));
                }
            }
        }
        Ok(())
    }

    /// In the order of the statements: first what gives a slot up, then what takes one.
    pub fn write_bookings(&mut self, touched: &[Touched], ghosts: &[Ghost]) -> Result<(), Refusal> {
        let (mut freed, mut moved, mut changed, mut new) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for Touched { row, before } in touched {
            let takes = slot(&row.state);
            match before {
                None => new.push(row),
                Some(_) if takes.is_none() => freed.push(row),
                Some(before) => {
                    if slot(before).is_some_and(|had| Some(had) != takes) {
                        moved.push(before.booking_id);
                    }
                    changed.push(row);
                }
            }
        }
        for row in freed {
            self.update(row, ghosts)?;
        }
        for booking in moved {
            if let Some(row) = self.bookings.get_mut(&booking) {
                let row = Arc::make_mut(row);
                row.state.standing = Standing::Cancelled { last: row.state.standing.interval() };
            }
        }
        for row in changed {
            self.update(row, ghosts)?;
        }
        for row in new {
            if self.bookings.contains_key(&row.state.booking_id) {
                return Err(Refusal::Rows);
            }
            // The statement joins the resource's row.
            if self.resources.contains_key(&row.resource) {
                self.put(row, ghosts)?;
            }
        }
        Ok(())
    }

    fn update(&mut self, row: &BookingRow, ghosts: &[Ghost]) -> Result<(), Refusal> {
        let Some(before) = self.bookings.get(&row.state.booking_id) else { return Ok(()) };
        // No statement changes these.
        let mut after = row.clone();
        after.resource.clone_from(&before.resource);
        after.state.source.clone_from(&before.state.source);
        self.put(&after, ghosts)
    }

    fn put(&mut self, row: &BookingRow, ghosts: &[Ghost]) -> Result<(), Refusal> {
        // PostgreSQL has no such character.
        if row.title.as_ref().is_some_and(|title| title.contains('\0')) {
            return Err(Refusal::Rows);
        }
        if let Some((interval, unit)) = slot(&row.state) {
            let rows = self
                .bookings
                .values()
                .filter(|other| other.resource == row.resource && other.state.booking_id != row.state.booking_id);
            let taken = rows.filter_map(|other| slot(&other.state));
            let ghosts = ghosts.iter().filter(|(resource, ..)| *resource == row.resource);
            let taken = taken.chain(ghosts.map(|(_, unit, interval)| (*interval, *unit)));
            if taken.filter(|(_, other)| *other == unit).any(|(other, _)| other.overlaps(&interval)) {
                return Err(Refusal::Exclusion);
            }
        }
        let read = BookingRow::try_from(BookingColumns::from(row)).map_err(|_| Refusal::Rows)?;
        self.bookings.insert(read.state.booking_id, Arc::new(read));
        Ok(())
    }

    pub fn write_names(&mut self, decided: &Decided) {
        for name in &decided.names {
            self.names.insert((name.key, name.resource.clone()), (name.booking_id, name.name.clone()));
        }
    }

    pub fn write_tags(&mut self, decided: &Decided) {
        self.tags.extend(decided.tags.iter().map(|tag| (tag.tag, tag.resource.clone(), tag.booking_id)));
    }

    pub fn write_decisions(&mut self, ready: &[Ready], epoch: i64) -> Result<(), Refusal> {
        for ready in ready {
            let key = (ready.logged.seq, ready.logged.decision.decided_at);
            if self.decisions.insert(key, Arc::new(DecisionRow { ready: ready.clone(), epoch })).is_some() {
                return Err(Refusal::Rows);
            }
        }
        Ok(())
    }

    pub fn open(&mut self, compensations: &[Compensation]) {
        for compensation in compensations {
            let Some(opening) = &compensation.opened else { continue };
            let mut row = CompensationRow::of(opening);
            let key = (compensation.resource.clone(), compensation.key);
            if let Some(before) = self.compensations.get(&key).filter(|it| it.closed_at.is_none() && !opening.anew) {
                row.opened_at = before.opened_at;
                row.refusals += before.refusals;
            }
            self.compensations.insert(key, Arc::new(row));
        }
    }

    pub fn close(&mut self, compensations: &[Compensation]) {
        for compensation in compensations.iter().filter(|it| it.closed_at.is_some()) {
            let row = self.compensations.get_mut(&(compensation.resource.clone(), compensation.key));
            if let Some(row) = row.filter(|row| row.closed_at.is_none()) {
                Arc::make_mut(row).closed_at = compensation.closed_at;
            }
        }
    }

    pub fn redact(&mut self, decided: &Decided) {
        for redaction in &decided.redactions {
            for ((key, resource), (_, text)) in &mut self.names {
                if *resource == redaction.resource && redaction.keys.contains(key) {
                    *text = key.to_string();
                }
            }
            for ((resource, key), row) in &mut self.compensations {
                let named = redaction.keys.contains(key) || row.booking_id == redaction.booking_id;
                if *resource == redaction.resource && named {
                    Arc::make_mut(row).name = key.to_string();
                }
            }
        }
    }

    /// Those of the requests that were decided before, but for those that failed inside us.
    pub fn decided(&self, requests: &BTreeSet<RequestId>, now: Timestamp) -> BTreeSet<RequestId> {
        let rows = self.decisions.values().map(|row| &row.ready.logged.decision);
        let kept = rows.filter(|decision| (now.minus(REMEMBERED)..=now).contains(&decision.decided_at));
        let kept = kept.filter(|decision| decision.outcome != Outcome::Rejected(Rejection::Internal));
        kept.map(|decision| decision.request_id).filter(|request| requests.contains(request)).collect()
    }

    /// What blocks a stretch of a resource's time. No more than that: who relies on more would find out here.
    pub fn live<'a>(
        &'a self,
        resource: &'a ResourceId,
        time: Interval,
    ) -> impl Iterator<Item = (ResourceId, BookingState)> + 'a {
        let rows = self.bookings.values().filter(move |row| row.resource == *resource);
        let blocks = move |row: &&Arc<BookingRow>| {
            let live = row.state.standing.live();
            live.is_some_and(|live| live.overlaps(&time)) || row.state.away().any(|away| away.overlaps(&time))
        };
        rows.filter(blocks).map(|row| (row.resource.clone(), row.state.clone()))
    }

    /// The booking that a source calls so, first or later.
    pub fn named(&self, resource: &ResourceId, key: SourceKey) -> Vec<BookingId> {
        let first = self.bookings.values().filter(|row| row.resource == *resource);
        let first = first.filter(|row| row.state.keys.first() == Some(&key)).map(|row| row.state.booking_id);
        let further = self.names.get(&(key, resource.clone())).map(|(booking, _)| *booking);
        first.chain(further).collect()
    }

    pub fn tagged(&self, resource: &ResourceId, tag: Tag) -> impl Iterator<Item = BookingId> {
        let all = self.tags.iter().filter(move |(found, whose, _)| *found == tag && whose == resource);
        all.map(|(_, _, booking)| *booking)
    }
}
