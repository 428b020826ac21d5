//! The decisions, one after the other, as a naive reader folds them: at every prefix, is it as it must be; and in the end, is
//! it what the tables hold?

use std::collections::{BTreeMap, BTreeSet};

use arbiter_core::{absorbed, follow_up};
use daybook_domain::{
    BookingId, BookingKind, BookingState, Decision, Interval, Operation, OperationKind, Outcome, Rejection, Request,
    ResourceId, Rules, Timestamp,
};

use super::super::story::title;
use super::super::tables::{DecisionRow, Shard, slot};
use super::super::world::{Complaint, Kind, World};
use super::Case;
use crate::compensation::Ledger;

struct Fold {
    bookings: BTreeMap<BookingId, Known>,
    resources: BTreeMap<ResourceId, (u64, Option<Rules>)>,
    /// Of which the compensations are kept.
    compensations: Shard,
}

#[derive(Clone)]
struct Known {
    state: BookingState,
    resource: ResourceId,
    seq: i64,
    decided_at: Timestamp,
}

impl Fold {
    fn apply(&mut self, seq: i64, decision: &Decision) {
        let (version, rules) = self.resources.entry(decision.resource.clone()).or_default();
        *version = decision.resource_version.max(*version);
        if decision.rules.is_some() {
            rules.clone_from(&decision.rules);
        }
        let taken_in =
            decision.absorbed.iter().filter_map(|id| self.bookings.get(id).map(|busy| absorbed(&busy.state)));
        let changed: Vec<BookingState> = taken_in.chain(decision.booking.clone()).collect();
        for state in changed {
            if self.bookings.get(&state.booking_id).is_none_or(|before| before.state != state) {
                let resource = decision.resource.clone();
                self.bookings.insert(state.booking_id, Known { state, resource, seq, decided_at: decision.decided_at });
            }
        }
    }

    fn is_live(&self, id: BookingId) -> bool {
        self.bookings.get(&id).is_some_and(|known| known.state.standing.live().is_some())
    }

    /// Who else has the time of a booking, on its unit.
    fn rival(&self, id: BookingId) -> Option<BookingId> {
        let known = self.bookings.get(&id)?;
        let (interval, unit) = slot(&known.state)?;
        let others =
            self.bookings.values().filter(|other| other.resource == known.resource && other.state.booking_id != id);
        let mut rivals = others
            .filter(|other| slot(&other.state).is_some_and(|(taken, on)| on == unit && taken.overlaps(&interval)));
        rivals.next().map(|rival| rival.state.booking_id)
    }

    /// Whether the winner of a refusal has something in the way of what was wanted.
    fn is_in_the_way(&self, resource: &ResourceId, winner: BookingId, at: Interval, wanted: Interval) -> bool {
        let Some(known) = self.bookings.get(&winner).filter(|known| known.resource == *resource) else { return false };
        let rules = self.resources.get(resource).and_then(|(_, rules)| rules.clone());
        let (before, after) = rules.map_or_else(Default::default, |rules| (rules.buffer_before, rules.buffer_after));
        let own = known.state.standing.live() == Some(at);
        let booked = own && known.state.kind == BookingKind::Booking;
        let busy = (own && known.state.kind == BookingKind::Busy) || known.state.away().any(|away| away == at);
        let between = before + after;
        (booked && wanted.widened(between, between).overlaps(&at))
            || (busy && wanted.widened(before, after).overlaps(&at))
    }

    /// As a batch of this one alone would.
    fn compensate(&mut self, request: &Request, decision: &Decision) {
        let mut ledger = Ledger::default();
        ledger.note(request, decision);
        let changes = ledger.into_changes();
        self.compensations.open(&changes);
        self.compensations.close(&changes);
    }
}

impl Case<'_> {
    pub(super) fn fold(&mut self) {
        let mut fold =
            Fold { bookings: BTreeMap::new(), resources: BTreeMap::new(), compensations: Shard::new(self.partition) };
        let rows = self.rows.clone();
        for group in rows.chunk_by(|a, b| a.ready.logged.offset == b.ready.logged.offset) {
            let request = self.asked(group[0]).and_then(|asked| asked.request());
            // Only once: a repeat of a request has no decision, and so no group.
            let old = request.and_then(|request| {
                let Operation::Reschedule { previous, .. } = &request.operation else { return None };
                let key = previous.key();
                let named =
                    |known: &&Known| known.resource == request.resource && known.state.current_key() == Some(key);
                fold.bookings.values().find(named).map(|known| known.state.booking_id)
            });
            let old = old.filter(|id| fold.is_live(*id));
            let refused =
                group.last().is_some_and(|row| matches!(row.ready.logged.decision.outcome, Outcome::Rejected(_)));
            let mut lapsed = false;
            for (nth, row) in group.iter().enumerate() {
                let decision = &row.ready.logged.decision;
                let own = request.filter(|request| request.request_id == decision.request_id);
                self.refusal(&fold, row, own);
                fold.apply(row.ready.logged.seq, decision);
                if let Some(request) = own {
                    fold.compensate(request, decision);
                }
                let touched = decision.booking.as_ref().map(|booking| booking.booking_id);
                lapsed |= decision.operation == OperationKind::Expire && touched == old;
                if let Some((id, rival)) = touched.and_then(|id| Some((id, fold.rival(id)?))) {
                    self.complain(Kind::Overlap, format_args!("seq {}: {id} and {rival}", row.ready.logged.seq));
                }
                let too_early = refused || nth + 1 < group.len();
                if old.is_some_and(|old| too_early && !lapsed && !fold.is_live(old)) {
                    self.complain(Kind::FreedEarly, format_args!("seq {}", row.ready.logged.seq));
                }
            }
        }
        self.rows(&fold);
    }

    /// Who is refused for somebody else's sake has that somebody in the way.
    fn refusal(&mut self, fold: &Fold, row: &DecisionRow, request: Option<&Request>) {
        let decision = &row.ready.logged.decision;
        let Outcome::Rejected(Rejection::Conflict(winner)) = &decision.outcome else { return };
        let Some(claim) = request.and_then(|request| request.operation.claim()) else { return };
        if !fold.is_in_the_way(&decision.resource, winner.booking_id, winner.interval, claim.interval) {
            let what = format!(
                "seq {}: {} at {:?} is not in the way of {:?}",
                row.ready.logged.seq, winner.booking_id, winner.interval, claim.interval
            );
            self.complain(Kind::RefusedForNothing, what);
        }
    }

    /// The tables hold what follows from the decisions.
    fn rows(&mut self, fold: &Fold) {
        for (id, known) in &fold.bookings {
            let Some(row) = self.shard.bookings.get(id) else {
                self.complain(Kind::Rows, format_args!("booking {id} has no row"));
                continue;
            };
            let same = row.state == known.state && row.resource == known.resource;
            if !same || (row.seq, row.decided_at) != (known.seq, known.decided_at) {
                let what = format!(
                    "booking {id}: {:?} of seq {} is stored as {:?} of {}",
                    known.state, known.seq, row.state, row.seq
                );
                self.complain(Kind::Rows, what);
            }
            if row.title != known.state.content.map(title) {
                self.complain(Kind::Rows, format_args!("booking {id} shows {:?}", row.title));
            }
            let shadows = known.state.shadows.iter().map(|shadow| shadow.key);
            for key in known.state.keys.iter().skip(1).copied().chain(shadows) {
                if self.shard.names.get(&(key, known.resource.clone())).map(|(named, _)| named) != Some(id) {
                    self.complain(Kind::Rows, format_args!("booking {id} is not found by its further name {key}"));
                }
            }
            for tag in &known.state.tags {
                if !self.shard.tags.contains(&(*tag, known.resource.clone(), *id)) {
                    self.complain(Kind::Rows, format_args!("booking {id} is not found by its tag"));
                }
            }
        }
        if let Some(id) = self.shard.bookings.keys().find(|id| !fold.bookings.contains_key(id)) {
            self.complain(Kind::Rows, format_args!("booking {id} was never decided"));
        }
        let defined =
            fold.resources.iter().filter_map(|(id, (version, rules))| Some((id, (*version, rules.as_ref()?))));
        let stored = self.shard.resources.iter().map(|(id, (version, rules))| (id, (*version, rules)));
        if !defined.eq(stored) {
            self.complain(Kind::Rows, "the resources are not as they were defined");
        }
        let (due, stored) = (&fold.compensations.compensations, &self.shard.compensations);
        // Texts may have been forgotten since.
        let same = |key| due.get(key).map(|row| row.nameless()) == stored.get(key).map(|row| row.nameless());
        let keys: BTreeSet<_> = due.keys().chain(stored.keys()).collect();
        if let Some(key) = keys.into_iter().find(|key| !same(*key)) {
            let what = format!("{:?} is stored as {:?}", due.get(key), stored.get(key));
            self.complain(Kind::Compensations, what);
        }
    }
}

/// What follows from a decision on another resource was asked before the decision was published, and was decided.
pub(super) fn moves(world: &World, complaints: &mut Vec<Complaint>) {
    let mut complain = |what: String| complaints.push(Complaint { kind: Kind::HalfMoved, what });
    let mut published = BTreeMap::new();
    for shard in world.server.shards() {
        let partition = shard.position.partition;
        for landed in world.broker.decisions(partition) {
            if let Some(logged) = &landed.says {
                published.entry((partition, logged.seq)).or_insert(landed.landed);
            }
        }
    }
    let all = || world.server.shards().flat_map(|shard| shard.decisions.values());
    let decided: BTreeMap<_, _> = all().map(|row| (row.ready.logged.decision.request_id, row)).collect();
    for row in all() {
        let logged = &row.ready.logged;
        let Some(follow_up) = follow_up(&logged.decision) else { continue };
        let place = format!("partition {}, seq {}", logged.partition, logged.seq);
        match (world.broker.asked(follow_up.request_id), published.get(&(logged.partition, logged.seq))) {
            (None, _) => complain(format!("{place}: what follows from it was never asked")),
            (Some(asked), Some(published)) if asked.landed > *published => {
                complain(format!("{place}: it was published before what follows from it was asked"));
            }
            (Some(_), _) => {}
        }
        let Some(done) = decided.get(&follow_up.request_id) else {
            complain(format!("{place}: what follows from it was never decided"));
            continue;
        };
        let left = &done.ready.logged.decision;
        let still = left.booking.as_ref().is_some_and(|booking| booking.standing.live().is_some());
        if matches!(follow_up.operation, Operation::Release { .. }) && left.outcome == Outcome::Moved && still {
            complain(format!("{place}: the booking has moved, and stands where it was"));
        }
    }
}
