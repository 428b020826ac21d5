//! One batch, decided: pure functions of the partition's position, the records, and what the store says about them.
//!
//! In two steps, because what a batch touches is known only once it is decided: a [`Ruling`] decides, on the cached states
//! and in place; [`Ruled::finish`] carries the decisions over into rows. Everything that will be written is in the result;
//! nothing is written here. The log's own rules (`seq`, the chain, *now*) are `arbiter_core::partition`'s.

use std::collections::{BTreeMap, BTreeSet};

#[cfg(not(test))]
use arbiter_core::partition::rule as rule_one;
use arbiter_core::partition::{Content as Logged, Entry as Placed, Gap, Position, Record, Ruled as RuledOne};
use arbiter_core::{State, absorbed, decide};
use daybook_domain::{
    BookingId, BookingState, Content as Shown, Operation, Outcome, Rejection, Request, RequestId, ResourceId, Rules,
    SourceKey, Tag,
};
use daybook_rows::BookingRow;
use daybook_runtime::postgres::StoreError;
use daybook_wire::LoggedDecision;

use crate::compensation::{Compensation, Ledger};
use crate::intake::{Content, Entry};
#[cfg(test)]
use crate::simulation::bug::rule as rule_one;
use crate::written::Written;

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

/// A name under which some source speaks of a booking, besides its first. Its `Debug` does not show the text.
#[derive(Clone, PartialEq, Eq)]
pub struct NewName {
    /// Its pseudonym.
    pub key: SourceKey,
    /// Whose time.
    pub resource: ResourceId,
    /// The booking that it is a name of from now on.
    pub booking_id: BookingId,
    /// The name.
    pub name: String,
}

impl std::fmt::Debug for NewName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewName({} of {})", self.key, self.booking_id)
    }
}

/// What a booking is called across systems, new to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTag {
    /// The tag.
    pub tag: Tag,
    /// Whose time.
    pub resource: ResourceId,
    /// The booking.
    pub booking_id: BookingId,
}

/// A person to be forgotten: every text under these names goes, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    /// The booking, which may have been refused and so never have been.
    pub booking_id: BookingId,
    /// Whose time.
    pub resource: ResourceId,
    /// All of its names.
    pub keys: Vec<SourceKey>,
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
    /// The same as the statements take them. Empty once it is committed.
    pub written: Written,
    /// Each changed resource once.
    pub resources: Vec<ChangedResource>,
    /// Names besides the first that bookings did not have before.
    pub names: Vec<NewName>,
    /// Tags that bookings did not have before.
    pub tags: Vec<NewTag>,
    /// Each touched compensation once.
    pub compensations: Vec<Compensation>,
    /// Written last.
    pub redactions: Vec<Redaction>,
    /// Requests that had been decided before.
    pub repeats: u64,
    /// The display zones of the touched resources, for `booking.canonical`.
    pub zones: BTreeMap<ResourceId, String>,
}

impl Decided {
    /// The requests that a look into the store would find decided, once it is committed.
    pub fn requests(&self) -> impl Iterator<Item = RequestId> {
        let decisions = self.decisions.iter().map(|ready| &ready.logged.decision);
        let remembered = decisions.filter(|it| it.outcome != Outcome::Rejected(Rejection::Internal));
        remembered.map(|decision| decision.request_id)
    }
}

/// A batch, decided, and not carried over into rows yet.
#[derive(Debug)]
pub struct Ruled {
    /// Where the partition stands after it.
    pub after: Position,
    /// Decisions in order of `seq`, each with the index of the record that it came of.
    pub decisions: Vec<(usize, Placed)>,
    /// Requests that had been decided before.
    pub repeats: u64,
}

/// A batch that is being decided, in place, record by record.
#[derive(Debug)]
pub struct Ruling<'a> {
    entries: &'a [Entry],
    /// Rulings that had to be made without the core, by offset; they replace the core's.
    verdicts: &'a BTreeMap<i64, Rejection>,
    decided: BTreeSet<RequestId>,
    schema_id: u32,
    next: usize,
    ruled: Ruled,
}

/// Why a ruling has stopped.
#[derive(Debug)]
pub enum Pause {
    /// Every record is ruled on.
    Done,
    /// To let others work.
    Breath,
    /// A state does not hold everything of this time. Once it does, the ruling can go on.
    Gap(Gap),
}

impl<'a> Ruling<'a> {
    /// Of these records, where the partition stands. `decided` are those of their requests that were decided before.
    pub fn new(
        position: &Position,
        entries: &'a [Entry],
        decided: BTreeSet<RequestId>,
        verdicts: &'a BTreeMap<i64, Rejection>,
        schema_id: u32,
    ) -> Self {
        let ruled = Ruled { after: position.clone(), decisions: Vec::with_capacity(entries.len()), repeats: 0 };
        Self { entries, verdicts, decided, schema_id, next: 0, ruled }
    }

    /// Rules on the next records, `most` at most.
    pub fn go_on(&mut self, states: &mut BTreeMap<ResourceId, State>, most: usize) -> Pause {
        for _ in 0..most {
            let Some(entry) = self.entries.get(self.next) else { return Pause::Done };
            let verdict = self.verdicts.get(&entry.offset).cloned();
            let (position, decided) = (&mut self.ruled.after, &mut self.decided);
            match rule_one(position, states, decided, &record(entry), verdict, self.schema_id) {
                Ok(RuledOne::Decided(placed)) => {
                    self.ruled.decisions.extend(placed.into_iter().map(|placed| (self.next, placed)));
                }
                Ok(RuledOne::Repeated) => self.ruled.repeats += 1,
                Err(gap) => return Pause::Gap(gap),
            }
            self.next += 1;
        }
        if self.next < self.entries.len() { Pause::Breath } else { Pause::Done }
    }

    /// What the records after the next one will miss, as far as that can be told before they are ruled on: all of it is
    /// loaded at once.
    pub fn gaps_to_come(&self, states: &BTreeMap<ResourceId, State>) -> Vec<Gap> {
        let to_come = self.entries.iter().skip(self.next + 1).filter(|it| !self.verdicts.contains_key(&it.offset));
        let requests = to_come.filter_map(|entry| match &entry.content {
            Content::Request(request) if !self.decided.contains(&request.request_id) => Some((entry, request)),
            Content::Request(_) | Content::Unreadable(..) => None,
        });
        requests
            .filter_map(|(entry, request)| {
                let now = self.ruled.after.now.max(entry.timestamp);
                let missing = decide(states.get(&request.resource)?, now, request).err()?;
                Some(Gap { resource: request.resource.clone(), time: missing.time })
            })
            .collect()
    }

    /// What was ruled.
    pub fn finish(self) -> Ruled {
        self.ruled
    }
}

fn record(entry: &Entry) -> Record<'_> {
    let content = match &entry.content {
        Content::Request(request) => Logged::Request(request),
        Content::Unreadable(resource, _) => Logged::Unreadable(resource.clone()),
    };
    Record { offset: entry.offset, timestamp: entry.timestamp, content }
}

impl Ruled {
    /// The bookings whose rows [`Ruled::finish`] needs.
    pub fn touched(&self) -> BTreeSet<BookingId> {
        let decisions = self.decisions.iter().map(|(_, placed)| &placed.logged.decision);
        decisions
            .flat_map(|decision| {
                let booking = decision.booking.as_ref().map(|booking| booking.booking_id);
                decision.absorbed.iter().copied().chain(booking)
            })
            .collect()
    }

    /// Carries the decisions over into rows. `rows` are the store's, of everything touched that the store has; a touched
    /// booking that is not among them is new if it is among the `named`. `resources` are the batch's resources that have
    /// rules, after it, with the versions that the store has.
    pub fn finish<'a>(
        self,
        entries: &[Entry],
        rows: BTreeMap<BookingId, BookingRow>,
        named: &BTreeSet<BookingId>,
        resources: impl Iterator<Item = (&'a State, Option<u64>)>,
    ) -> Result<Decided, StoreError> {
        let mut fold = Fold { stored: rows, named, ..Fold::new() };
        for (index, placed) in self.decisions {
            fold.decision(&entries[index], placed)?;
        }
        let mut changed = Vec::new();
        let mut zones = BTreeMap::new();
        for (state, stored) in resources {
            let Some(rules) = state.rules() else { continue };
            zones.insert(state.resource().clone(), rules.display_time_zone.clone());
            if stored != Some(state.version()) {
                changed.push(ChangedResource {
                    resource: state.resource().clone(),
                    version: state.version(),
                    rules: rules.clone(),
                    stored: stored.is_some(),
                });
            }
        }
        fold.finish(self.after, changed, zones, self.repeats)
    }
}

static NOBODY: BTreeSet<BookingId> = BTreeSet::new();

struct Fold<'a> {
    stored: BTreeMap<BookingId, BookingRow>,
    named: &'a BTreeSet<BookingId>,
    rows: BTreeMap<BookingId, BookingRow>,
    decisions: Vec<Ready>,
    ledger: Ledger,
    redactions: Vec<Redaction>,
}

impl Fold<'_> {
    fn new() -> Self {
        Self {
            stored: BTreeMap::new(),
            named: &NOBODY,
            rows: BTreeMap::new(),
            decisions: Vec::new(),
            ledger: Ledger::default(),
            redactions: Vec::new(),
        }
    }

    fn decision(&mut self, entry: &Entry, placed: Placed) -> Result<(), StoreError> {
        let Placed { logged, bytes, booking_id } = placed;
        let ready = Ready { logged, bytes, booking_id, traceparent: entry.traceparent.clone() };
        if let Content::Request(request) = &entry.content {
            // A wait that had to be ended first has a request of its own.
            let request = Some(&**request).filter(|request| request.request_id == ready.logged.decision.request_id);
            self.touch(&ready, request)?;
            if let Some(request) = request {
                self.ledger.note(request, &ready.logged.decision);
                self.redact(request, &ready);
            }
        }
        self.decisions.push(ready);
        Ok(())
    }

    /// The row of a booking as it stands so far; none for a new one.
    fn row(&self, id: BookingId) -> Result<Option<&BookingRow>, StoreError> {
        match self.rows.get(&id).or_else(|| self.stored.get(&id)) {
            None if !self.named.contains(&id) => Err(StoreError::Corrupt("booking.booking_id".to_owned())),
            row => Ok(row),
        }
    }

    /// Carries a decision's bookings over into their rows.
    fn touch(&mut self, ready: &Ready, request: Option<&Request>) -> Result<(), StoreError> {
        let decision = &ready.logged.decision;
        let Some(state) = &decision.booking else { return Ok(()) };
        let mut brought = brought(request);
        for id in &decision.absorbed {
            let Some(mut busy) = self.row(*id)?.cloned() else { continue };
            brought.extend(busy.texts().map(|(key, text)| (key, text.to_owned())));
            let after = absorbed(&busy.state);
            busy.become_state(&after, &BTreeMap::new());
            stamp(&mut busy, ready, request);
            self.rows.insert(*id, busy);
        }
        let before = self.row(state.booking_id)?;
        if before.is_some_and(|row| row.state == *state) {
            return Ok(());
        }
        let mut row = before.cloned().unwrap_or_else(|| BookingRow {
            state: BookingState { content: None, keys: Vec::new(), shadows: Vec::new(), ..state.clone() },
            resource: decision.resource.clone(),
            source_ids: Vec::new(),
            shadow_ids: Vec::new(),
            title: None,
            attendees: Vec::new(),
            source_time_zone: None,
            event_id: String::new(),
            sourced_at: None,
            received_at: decision.received_at,
            decided_at: decision.decided_at,
            seq: ready.logged.seq,
        });
        if state.content != row.state.content
            && let Some(content) = request.and_then(|request| shown(&request.operation, state))
        {
            row.show(content);
        }
        row.become_state(state, &brought);
        if decision.outcome == Outcome::Redacted {
            row.forget();
        }
        stamp(&mut row, ready, request);
        self.rows.insert(state.booking_id, row);
        Ok(())
    }

    /// Texts may be in other tables, and a refused booking has no row at all.
    fn redact(&mut self, request: &Request, ready: &Ready) {
        let Operation::Redact { booking_id } = &request.operation else { return };
        let state = ready.logged.decision.booking.as_ref();
        self.redactions.push(Redaction {
            booking_id: *booking_id,
            resource: request.resource.clone(),
            keys: state.map(|state| all_names(state).collect()).unwrap_or_default(),
        });
    }

    fn finish(
        mut self,
        after: Position,
        resources: Vec<ChangedResource>,
        zones: BTreeMap<ResourceId, String>,
        repeats: u64,
    ) -> Result<Decided, StoreError> {
        let (mut names, mut tags, mut bookings) = (BTreeMap::new(), Vec::new(), Vec::new());
        for (id, row) in self.rows {
            let before = self.stored.remove(&id).map(|row| row.state);
            let known: BTreeSet<SourceKey> = before.iter().flat_map(further_names).collect();
            let texts: BTreeMap<SourceKey, &str> = row.texts().collect();
            for key in further_names(&row.state).filter(|key| !known.contains(key)) {
                let name = texts.get(&key).copied().unwrap_or_default().to_owned();
                let new = NewName { key, resource: row.resource.clone(), booking_id: id, name };
                names.insert((row.resource.clone(), key), new);
            }
            for tag in row.state.tags.iter().filter(|tag| before.as_ref().is_none_or(|state| !state.tags.contains(tag)))
            {
                tags.push(NewTag { tag: *tag, resource: row.resource.clone(), booking_id: id });
            }
            bookings.push(Touched { row, before });
        }
        Ok(Decided {
            after,
            decisions: self.decisions,
            written: Written::of(&bookings),
            bookings,
            resources,
            names: names.into_values().collect(),
            tags,
            compensations: self.ledger.into_changes(),
            redactions: self.redactions,
            repeats,
            zones,
        })
    }
}

/// Where a row's state came from.
fn stamp(row: &mut BookingRow, ready: &Ready, request: Option<&Request>) {
    let decision = &ready.logged.decision;
    row.event_id = request.map_or_else(|| decision.request_id.to_string(), |request| request.event_id.clone());
    row.sourced_at = decision.sourced_at;
    row.received_at = decision.received_at;
    row.decided_at = decision.decided_at;
    row.seq = ready.logged.seq;
}

/// The texts behind a request's names, as far as it has them.
fn brought(request: Option<&Request>) -> BTreeMap<SourceKey, String> {
    let identities = request.into_iter().flat_map(|request| request.operation.identities());
    identities.filter(|identity| !identity.id().is_empty()).map(|it| (it.key(), it.id().to_owned())).collect()
}

/// What people are to see, if it is this request's content that was granted.
fn shown<'a>(operation: &'a Operation, state: &BookingState) -> Option<&'a Shown> {
    let content = match operation {
        Operation::Confirm { content, .. } => content.as_ref(),
        Operation::Update { content, .. } => Some(content),
        Operation::Book(claim)
        | Operation::Hold { claim, .. }
        | Operation::Reschedule { claim, .. }
        | Operation::Observe(claim) => claim.content.as_ref(),
        Operation::Release { .. }
        | Operation::Cancel { .. }
        | Operation::Define(_)
        | Operation::Redact { .. }
        | Operation::Expire { .. } => None,
    };
    content.filter(|content| state.content == Some(content.digest))
}

fn all_names(state: &BookingState) -> impl Iterator<Item = SourceKey> {
    state.keys.iter().copied().chain(state.shadows.iter().map(|shadow| shadow.key))
}

/// The names that are not in the booking's own row: all but the source's first.
fn further_names(state: &BookingState) -> impl Iterator<Item = SourceKey> {
    let own = state.keys.iter().skip(1).copied();
    own.chain(state.shadows.iter().map(|shadow| shadow.key))
}

#[cfg(test)]
mod tests;
