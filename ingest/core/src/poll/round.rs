//! One reading of one calendar, as a machine: what is asked, what an answer means, and what the difference is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use daybook_domain::Timestamp;
use sha2::{Digest, Sha256};

use super::vendor::Proof;
use super::{Answer, Ask, Change, Item, Job, Known, Outcome, Page, Setback, State, Vendor, Window};

/// What may be gone at once, and be believed when asked for by name.
pub const SUSPECTS_MAX: usize = 20;
/// Events that are asked for by name in one round; the others go on being held.
const PROOFS_MAX: usize = 200;
/// Objects that are read one by one in a round; with more of them that have changed, everything is listed.
const OBJECTS_MAX: usize = 200;
/// Calls of one round. A calendar takes some tens at most, where it is read for the first time.
const ASKS_MAX: usize = 2_000;

/// Which way a round goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reading,
    Series,
    Proving,
    Done,
}

/// One reading of one calendar.
#[derive(Debug)]
pub struct Round {
    vendor: Vendor,
    known: BTreeMap<String, Known>,
    window: Window,
    began: Timestamp,
    believe_after: Duration,
    full: bool,
    stage: Stage,
    todo: VecDeque<Ask>,
    asked: usize,
    /// Names of pages of the answer that is being read: one that comes again would never end.
    pages: BTreeSet<String>,
    seen: BTreeMap<String, Item>,
    /// What was called gone, or is older than we know.
    doubted: BTreeSet<String>,
    /// Series in which something has changed, and the instances that they have.
    series: BTreeMap<String, BTreeSet<String>>,
    /// Instances that the feed has shown.
    mentioned: BTreeSet<String>,
    skipped: usize,
    /// What is asked for by name: events, and series with the instances that they lack.
    suspects: BTreeMap<String, BTreeSet<String>>,
    gone: BTreeSet<String>,
    held: BTreeSet<String>,
    /// What is older than we know, where there is nobody to ask.
    older: BTreeMap<String, Item>,
    cursor: Option<String>,
    zone: Option<String>,
}

impl Round {
    /// A round that begins now. A full one without a cursor. What a full round misses is believed gone if it was missing
    /// `believe_after` ago.
    pub fn new(
        vendor: Vendor,
        known: BTreeMap<String, Known>,
        cursor: Option<String>,
        window: Window,
        began: Timestamp,
        believe_after: Duration,
    ) -> Self {
        let first = match (vendor.proof(), &cursor) {
            (Proof::Nothing, _) => Ask::Whole { cursor: cursor.clone() },
            (Proof::Event | Proof::Object, Some(cursor)) => Ask::Changes { cursor: cursor.clone(), page: None },
            (Proof::Event | Proof::Object, None) => Ask::Mark { page: None },
        };
        let zone = cursor.as_deref().and_then(|cursor| vendor.zone_of(cursor)).map(str::to_owned);
        Self {
            vendor,
            known,
            window,
            began,
            believe_after,
            full: cursor.is_none(),
            stage: Stage::Reading,
            todo: [first].into(),
            asked: 0,
            pages: BTreeSet::new(),
            seen: BTreeMap::new(),
            doubted: BTreeSet::new(),
            series: BTreeMap::new(),
            mentioned: BTreeSet::new(),
            skipped: 0,
            suspects: BTreeMap::new(),
            gone: BTreeSet::new(),
            held: BTreeSet::new(),
            older: BTreeMap::new(),
            cursor,
            zone,
        }
    }

    /// What to ask now; nothing, when everything is known.
    pub fn next(&self) -> Option<&Ask> {
        self.todo.front()
    }

    /// The window.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// The zone of the calendar, as far as is known.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// Takes what came back of [`Self::next`].
    pub fn answer(&mut self, answer: Answer) -> Result<(), Setback> {
        let Some(ask) = self.todo.pop_front() else { return Ok(()) };
        self.asked += 1;
        if self.asked > ASKS_MAX {
            return Err(Setback::Later(None));
        }
        match answer {
            Answer::Setback(setback) => return Err(setback),
            Answer::Expired => {
                let Self { vendor, known, window, began, believe_after, asked, .. } = self;
                let known = std::mem::take(known);
                *self = Self { asked: *asked, ..Self::new(*vendor, known, None, *window, *began, *believe_after) };
                return Ok(());
            }
            Answer::Gone => self.absent(&ask, true)?,
            Answer::Untold => self.absent(&ask, false)?,
            Answer::Page(page) => self.page(ask, page)?,
            Answer::Same => {}
        }
        while self.todo.is_empty() && self.stage != Stage::Done {
            self.advance();
        }
        Ok(())
    }

    /// There is nothing of the name that was asked for; or, if it is not gone, nothing is told of it.
    fn absent(&mut self, ask: &Ask, gone: bool) -> Result<(), Setback> {
        match ask {
            // All of it.
            Ask::One { id } if self.vendor.proof() == Proof::Object => {
                let ids = self.suspects.remove(id).unwrap_or_default();
                if gone {
                    ids.iter().for_each(|id| self.is_gone(id));
                }
            }
            Ask::One { id } => {
                let mut ids = self.suspects.remove(id).unwrap_or_default();
                if ids.remove(id) && gone {
                    self.is_gone(id);
                }
                // A series that we do not see: whoever is invited to some instances only has these.
                self.ask_each(ids);
            }
            // The series went between two calls, is not ours to see, or is a single event by now.
            Ask::Instances { series, .. } => {
                self.series.entry(series.clone()).or_default();
            }
            Ask::Mark { .. } | Ask::Changes { .. } | Ask::Listing { .. } | Ask::Whole { .. } => {
                return Err(Setback::Refused);
            }
        }
        Ok(())
    }

    fn is_gone(&mut self, id: &str) {
        self.seen.remove(id);
        self.gone.insert(id.to_owned());
    }

    fn ask_each(&mut self, ids: BTreeSet<String>) {
        for id in ids {
            self.todo.push_back(Ask::One { id: id.clone() });
            self.suspects.insert(id.clone(), [id].into());
        }
    }

    fn page(&mut self, ask: Ask, page: Page) -> Result<(), Setback> {
        let Page { items, next, cursor, zone, skipped } = page;
        self.zone = zone.or(self.zone.take());
        self.skipped += skipped;
        match &ask {
            Ask::Mark { .. } => {}
            Ask::Listing { .. } => items.into_iter().for_each(|item| self.see(item)),
            Ask::Whole { .. } => {
                self.full = true;
                items.into_iter().for_each(|item| self.see(item));
            }
            Ask::Changes { .. } => items.into_iter().for_each(|item| self.changed(item)),
            Ask::Instances { series, .. } => {
                let listed = self.series.entry(series.clone()).or_default();
                listed.extend(items.iter().map(|item| item.id.clone()));
                items.into_iter().for_each(|item| self.see(item));
            }
            Ask::One { id } if self.vendor.proof() == Proof::Object => {
                self.shown_whole(id, items);
                return Ok(());
            }
            Ask::One { id } => {
                for item in items {
                    self.shown(id, item);
                }
                return Ok(());
            }
        }
        if let Some(next) = next {
            if !self.pages.insert(next.clone()) {
                return Err(Setback::Later(None));
            }
            self.todo.push_front(ask.with_page(next));
            return Ok(());
        }
        self.pages.clear();
        match ask {
            Ask::Mark { .. } => {
                self.cursor = cursor;
                self.todo.push_back(Ask::Listing { page: None });
            }
            // Without a new place in the feed the old one stays: what it has said it says again.
            Ask::Changes { cursor: old, .. } => self.cursor = cursor.or(Some(old)),
            Ask::Whole { .. } => self.cursor = cursor,
            Ask::Instances { .. } | Ask::Listing { .. } | Ask::One { .. } => {}
        }
        Ok(())
    }

    /// An event of the feed of changes.
    fn changed(&mut self, item: Item) {
        let series = match (item.state, &item.series) {
            (_, Some(series)) => Some(series.clone()),
            (State::Series, None) => Some(item.id.clone()),
            // A series that is gone is called by its name alone, like anything else.
            (State::Gone, None) => {
                self.known.values().any(|known| known.series.as_ref() == Some(&item.id)).then(|| item.id.clone())
            }
            (State::Busy | State::Free, None) => None,
        };
        if let Some(series) = series {
            self.series.entry(series).or_default();
        }
        match (&item.series, item.state) {
            (None, _) => self.see(item),
            // An instance is seen in the listing of its series: a feed need not show all of it.
            (Some(_), State::Busy | State::Free) => {
                self.mentioned.insert(item.id);
            }
            (Some(_), State::Gone | State::Series) => {}
        }
    }

    /// An event as a page shows it, which may be an old page.
    fn see(&mut self, item: Item) {
        if item.state == State::Series {
            // What was a single event is none any more.
            if self.known.contains_key(&item.id) {
                self.doubted.insert(item.id);
            }
            return;
        }
        let newest = self.seen.get(&item.id).and_then(|seen| seen.stamp);
        let known = self.known.get(&item.id);
        let old = known.and_then(|known| known.stamp).max(newest);
        // An object is read as it is, and may have been put back to what it was.
        let is_old = self.vendor.proof() != Proof::Object && item.stamp.is_some() && item.stamp < old;
        if item.state == State::Gone || is_old {
            if known.is_some() {
                self.doubted.insert(item.id.clone());
                if item.state != State::Gone && self.vendor.proof() == Proof::Nothing {
                    self.older.insert(item.id.clone(), item);
                }
            }
        } else {
            self.seen.insert(item.id.clone(), item);
        }
    }

    fn advance(&mut self) {
        match self.stage {
            Stage::Reading => {
                self.stage = Stage::Series;
                // A listing has the instances of all series.
                if self.full {
                    self.series.clear();
                }
                if self.vendor.proof() == Proof::Object && self.series.len() > OBJECTS_MAX {
                    self.series.clear();
                    self.full = true;
                    self.stage = Stage::Reading;
                    self.todo.push_back(Ask::Listing { page: None });
                    return;
                }
                let ask = |series: &String| Ask::Instances { series: series.clone(), page: None };
                self.todo = self.series.keys().map(ask).collect();
            }
            Stage::Series => {
                self.stage = Stage::Proving;
                self.suspect();
            }
            Stage::Proving | Stage::Done => self.stage = Stage::Done,
        }
    }

    /// What ought to have been seen and was not.
    fn suspect(&mut self) {
        let expected = |id: &str, known: &Known| {
            let lacking = match &known.series {
                _ if self.full => true,
                Some(series) => self.series.get(series).is_some_and(|listed| !listed.contains(id)),
                None => false,
            };
            // Under another series, perhaps: one that was split.
            lacking && !self.seen.contains_key(id) && self.window.inner().has((known.from, known.until))
        };
        let missing = self.known.iter().filter(|(id, known)| expected(id, known) || self.doubted.contains(*id));
        let mut suspects = BTreeMap::<String, BTreeSet<String>>::new();
        for (id, known) in missing {
            let name = known.series.as_ref().unwrap_or(id);
            suspects.entry(name.clone()).or_default().insert(id.clone());
        }
        let sure = match self.vendor.proof() {
            Proof::Event => BTreeMap::new(),
            // What was read of an object was all of it.
            Proof::Object => split(&mut suspects, |name| self.series.contains_key(name)),
            // A series that is there lacks what is not one of it, unless all of it is old; one that does not say when it was
            // changed may be old.
            Proof::Nothing => {
                let stamped = self.seen.values().filter(|item| item.stamp.is_some());
                let shown: BTreeSet<&String> = stamped.filter_map(|item| item.series.as_ref()).collect();
                split(&mut suspects, |name| shown.contains(name) && self.older.is_empty())
            }
        };
        if self.vendor.proof() == Proof::Nothing || suspects.len() + sure.len() > SUSPECTS_MAX {
            let long = |id: &String| {
                let since = self.known.get(id).and_then(|known| known.missing_since);
                since.is_some_and(|since| self.began.since(since) >= self.believe_after)
            };
            // Those that were missed before, and those that are missed for the first time.
            let believed = |ids: &BTreeSet<String>| self.full && ids.iter().all(long);
            let held: Vec<_> =
                suspects.iter().filter(|(_, ids)| !believed(ids)).map(|(name, _)| name.clone()).collect();
            for name in held {
                self.held.extend(suspects.remove(&name).unwrap_or_default());
            }
        }
        sure.values().flatten().for_each(|id| self.is_gone(id));
        if self.vendor.proof() != Proof::Nothing {
            self.prove(suspects);
            return;
        }
        // There is nobody to ask.
        for id in suspects.into_values().flatten() {
            match self.older.remove(&id) {
                Some(item) => drop(self.seen.insert(id, item)),
                None => self.is_gone(&id),
            }
        }
    }

    /// Asks for what is missing.
    fn prove(&mut self, suspects: BTreeMap<String, BTreeSet<String>>) {
        let mut proofs = 0;
        for (name, ids) in suspects {
            proofs += ids.len();
            // The first of them in any case, however many it stands for.
            if proofs > PROOFS_MAX && !self.suspects.is_empty() {
                self.held.extend(ids);
            } else {
                self.todo.push_back(Ask::One { id: name.clone() });
                self.suspects.insert(name, ids);
            }
        }
        let strange = |id: &&String| !self.seen.contains_key(*id) && !self.held.contains(*id);
        let mentioned: Vec<String> = self.mentioned.iter().filter(strange).cloned().collect();
        for id in mentioned {
            if !self.suspects.values().any(|ids| ids.contains(&id)) {
                self.todo.push_back(Ask::One { id });
            }
        }
    }

    /// What was asked for by name is there, as `item`, or is said to be cancelled.
    fn shown(&mut self, name: &str, item: Item) {
        let mut ids = self.suspects.remove(name).unwrap_or_default();
        match item.state {
            // The vendor's own word, of a series for all of it.
            State::Gone => {
                for id in ids.iter().filter(|id| !self.seen.contains_key(*id)).cloned().collect::<Vec<_>>() {
                    self.is_gone(&id);
                }
            }
            State::Busy | State::Free => {
                ids.remove(name);
                self.gone.remove(name);
                self.seen.insert(item.id.clone(), item);
                self.ask_each(ids);
            }
            State::Series => {
                // The single event that it was is one of a series now.
                if ids.remove(name) {
                    self.is_gone(name);
                }
                self.ask_each(ids);
            }
        }
    }

    /// An object that was asked for is there, and these are all of it.
    fn shown_whole(&mut self, name: &str, items: Vec<Item>) {
        let mut ids = self.suspects.remove(name).unwrap_or_default();
        for item in items {
            ids.remove(&item.id);
            self.seen.insert(item.id.clone(), item);
        }
        ids.iter().for_each(|id| self.is_gone(id));
    }

    /// The difference. To be asked for when there is nothing left to ask.
    pub fn finish(mut self) -> Outcome {
        let over = |known: &Known| known.until <= self.window.from;
        let untouched = |id: &String| !self.seen.contains_key(id) && !self.gone.contains(id);
        let past = self.known.iter().filter(|(id, known)| over(known) && untouched(id));
        let past = past.map(|(id, _)| id.clone()).collect();
        let missing: Vec<String> = self.held.iter().filter(|id| !self.seen.contains_key(*id)).cloned().collect();
        let mut outcome = Outcome {
            past,
            cursor: self.cursor.take(),
            zone: self.zone.clone(),
            complete: self.full && missing.is_empty(),
            missing,
            skipped: self.skipped,
            ..Outcome::default()
        };
        for (id, item) in std::mem::take(&mut self.seen) {
            let known = self.known.get(&id);
            match (item.state, known) {
                (State::Busy, Some(known)) if known.hash == self.fingerprint(&item) => {
                    if known.missing_since.is_some() {
                        outcome.found.push(id);
                    }
                }
                (State::Busy, _) if known.is_some() || item.span.is_none_or(|span| self.window.has(span)) => {
                    let job = if known.is_some() { Job::UpdateSync } else { Job::NewAppointmentSync };
                    let known = Some(self.known_as(&item));
                    outcome.changes.push(Change { job, id, body: item.body, known });
                }
                (State::Free, Some(_)) => {
                    outcome.changes.push(Change { job: Job::CancellationSync, id, body: item.body, known: None });
                }
                (State::Busy | State::Free | State::Series | State::Gone, _) => {}
            }
        }
        for id in &self.gone {
            let body = self.vendor.gone(id);
            outcome.changes.push(Change { job: Job::CancellationSync, id: id.clone(), body, known: None });
        }
        outcome
    }

    fn known_as(&self, item: &Item) -> Known {
        let (from, until) = item.span.unwrap_or((self.began, self.began));
        Known {
            series: item.series.clone(),
            from,
            until,
            stamp: item.stamp,
            hash: self.fingerprint(item),
            missing_since: None,
        }
    }

    /// Of the item, and of when its days begin.
    fn fingerprint(&self, item: &Item) -> [u8; 32] {
        match &self.zone {
            Some(zone) if item.days => Sha256::new().chain_update(item.hash).chain_update(zone).finalize().into(),
            Some(_) | None => item.hash,
        }
    }
}

/// Takes out those of these names.
fn split(
    suspects: &mut BTreeMap<String, BTreeSet<String>>,
    taken: impl Fn(&String) -> bool,
) -> BTreeMap<String, BTreeSet<String>> {
    let (taken, left) = std::mem::take(suspects).into_iter().partition(|(name, _)| taken(name));
    *suspects = left;
    taken
}
