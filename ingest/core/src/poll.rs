//! A calendar that is read again and again: what to ask its vendor next, and what has changed.
//!
//! A *round* begins with what was known of a calendar after the last one, asks until it knows what is true now, and ends with
//! the difference. It is a machine without a wire: [`Round::next`] is what to ask, [`Round::answer`] takes what came back.
//! A round that meets a [`Setback`] is thrown away, and nothing of it has happened.
//!
//! - A round of *changes* follows the vendor's own feed of changes from where the last round left it. A *full* round lists
//!   everything in the window: the first one, when the vendor has forgotten our place in its feed, and once in a while, since
//!   feeds lose things and the window moves on. Nothing is deleted before it is listed.
//! - Series are expanded by the vendor, which knows its own rules best: where anything of a series changes, its instances in
//!   the window are listed.
//! - **Absence is a suspicion, not news.** What a listing lacks, and what a feed calls cancelled, is asked for by its own
//!   name before it is believed gone; of a series the vendor may say in one word that all of it is cancelled, else each
//!   instance is asked for. With more than [`SUSPECTS_MAX`] suspects (a whole series is one) not even that is believed: they
//!   are *held*, until a full round, some time later, misses them again. So neither an empty answer nor half of one cancels
//!   anything, nor does a vendor's bad quarter of an hour.
//! - Instances are known by their own ids, whichever series they are said to be of: a series may be split, and somebody who is
//!   invited to some instances of one may not see the series at all.
//! - What is older than what we know of an event (an old page, played again) is asked for by name.
//!
//! Absent on purpose: calls, clocks, storage. `google.rs` and `graph.rs` know how Google and Microsoft are asked and what they
//! answer ([`Vendor`]).

mod channel;
mod fields;
pub mod google;
pub mod graph;
mod vendor;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use daybook_domain::{SourceName, Timestamp};
use daybook_format::POLLED;
use daybook_wire::{Call as ApiCall, SourceEvent};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use self::channel::{Call, Channel, Opening, is_due};
pub use self::vendor::Vendor;
use crate::event::{RawRecord, made_id};
use crate::media::JSON;

/// What may be gone at once, and be believed when asked for by name.
pub const SUSPECTS_MAX: usize = 20;
/// Events that are asked for by name in one round; the others go on being held.
const PROOFS_MAX: usize = 200;
/// Calls of one round. A calendar takes some tens at most, where it is read for the first time.
const ASKS_MAX: usize = 2_000;
/// What a listing is not blamed for lacking: vendors round the ends of a window, and days have zones.
const EDGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Items that one record holds.
const ITEMS_PER_RECORD: usize = 50;

/// The time that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From then.
    pub from: Timestamp,
    /// Up to then.
    pub to: Timestamp,
}

impl Window {
    /// So much around a moment.
    pub fn around(now: Timestamp, past: Duration, future: Duration) -> Self {
        Self { from: now.minus(past), to: now.plus(future) }
    }

    fn has(self, (from, until): (Timestamp, Timestamp)) -> bool {
        from < self.to && until > self.from
    }

    /// Without its ends.
    fn inner(self) -> Self {
        Self { from: self.from.plus(EDGE), to: self.to.minus(EDGE) }
    }
}

/// What to ask a vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Where its feed of changes stands.
    Mark {
        /// Which page of the answer; the first, without.
        page: Option<String>,
    },
    /// What has changed since.
    Changes {
        /// Where the feed stood.
        cursor: String,
        /// Which page.
        page: Option<String>,
    },
    /// Everything in the window, series expanded.
    Listing {
        /// Which page.
        page: Option<String>,
    },
    /// The instances of a series in the window.
    Instances {
        /// Which.
        series: String,
        /// Which page.
        page: Option<String>,
    },
    /// One event.
    One {
        /// Which.
        id: String,
    },
}

impl Ask {
    fn with_page(self, page: String) -> Self {
        let page = Some(page);
        match self {
            Self::Mark { .. } => Self::Mark { page },
            Self::Changes { cursor, .. } => Self::Changes { cursor, page },
            Self::Listing { .. } => Self::Listing { page },
            Self::Instances { series, .. } => Self::Instances { series, page },
            Self::One { id } => Self::One { id },
        }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// What was asked for, or a page of it.
    Page(Page),
    /// The vendor has forgotten where we were in its feed.
    Expired,
    /// There is nothing of this name, or none that is ours to see.
    Gone,
    /// This one thing is not answered for, and everything else may be.
    Untold,
    /// Nothing that can be used.
    Setback(Setback),
}

/// Why a round came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setback {
    /// Ask again, after so long if the vendor says so.
    Later(Option<Duration>),
    /// The credentials do not count.
    Denied,
    /// It will not be answered otherwise until somebody sees to it: the calendar is not shared with us, or is none.
    Refused,
}

/// A page of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// In its order.
    pub items: Vec<Item>,
    /// How the next page is called.
    pub next: Option<String>,
    /// Where the feed stands after the last page.
    pub cursor: Option<String>,
    /// The zone of the calendar, if it says so.
    pub zone: Option<String>,
    /// Events whose id is too long to be taken.
    pub skipped: usize,
}

/// One event, as far as a round looks into it. `body` is what is sent on, with people's addresses: the `Debug` shows none.
#[derive(Clone, PartialEq)]
pub struct Item {
    /// What the vendor calls it.
    pub id: String,
    /// The series that it is an instance of.
    pub series: Option<String>,
    /// What it says.
    pub state: State,
    /// From when until when, roughly: days are taken as if in UTC.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Whether it is of days, which begin when the zone of the calendar says.
    pub days: bool,
    /// When the vendor says that it was changed.
    pub stamp: Option<Timestamp>,
    /// The fingerprint of all that matters of it.
    pub hash: [u8; 32],
    /// The fields that are kept.
    pub body: Value,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({:?}, {:?})", self.state, self.span)
    }
}

/// What an event says of its owner's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is taken.
    Busy,
    /// It is not.
    Free,
    /// Its instances say.
    Series,
    /// It is cancelled or deleted.
    Gone,
}

/// What is known of an event that takes time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The series that it is an instance of.
    pub series: Option<String>,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// When the vendor said that it was changed.
    pub stamp: Option<Timestamp>,
    /// The fingerprint of what was sent on.
    pub hash: [u8; 32],
    /// Since when it is held to be missing without being believed gone.
    pub missing_since: Option<Timestamp>,
}

/// Who takes care of a change: each is counted on its own, and what is held belongs to cancellations alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// Time that was free is taken.
    NewAppointmentSync,
    /// It is taken otherwise.
    UpdateSync,
    /// It is free again.
    CancellationSync,
}

impl Job {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NewAppointmentSync, Self::UpdateSync, Self::CancellationSync];

    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewAppointmentSync => "new_appointment",
            Self::UpdateSync => "update",
            Self::CancellationSync => "cancellation",
        }
    }
}

/// One change. Its `Debug` shows nobody's address.
#[derive(Clone, PartialEq)]
pub struct Change {
    /// Whose.
    pub job: Job,
    /// Which event.
    pub id: String,
    /// What is sent on.
    pub body: Value,
    /// What is known of it from now on; none of one that takes no time any more.
    pub known: Option<Known>,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Change({:?}, {})", self.job, self.id)
    }
}

/// What a round came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// What has changed.
    pub changes: Vec<Change>,
    /// What is over and need not be known any more.
    pub past: Vec<String>,
    /// What is held to be missing.
    pub missing: Vec<String>,
    /// What was, and is there.
    pub found: Vec<String>,
    /// Where the feed stands.
    pub cursor: Option<String>,
    /// The zone of the calendar.
    pub zone: Option<String>,
    /// Whether everything was listed, and nothing is held.
    pub complete: bool,
    /// Events whose id is too long to be taken.
    pub skipped: usize,
}

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
        let first = match &cursor {
            Some(cursor) => Ask::Changes { cursor: cursor.clone(), page: None },
            None => Ask::Mark { page: None },
        };
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
            cursor,
            zone: None,
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
        }
        while self.todo.is_empty() && self.stage != Stage::Done {
            self.advance();
        }
        Ok(())
    }

    /// There is nothing of the name that was asked for; or, if it is not gone, nothing is told of it.
    fn absent(&mut self, ask: &Ask, gone: bool) -> Result<(), Setback> {
        match ask {
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
            Ask::Mark { .. } | Ask::Changes { .. } | Ask::Listing { .. } => return Err(Setback::Refused),
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
            Ask::Changes { .. } => items.into_iter().for_each(|item| self.changed(item)),
            Ask::Instances { series, .. } => {
                let listed = self.series.entry(series.clone()).or_default();
                listed.extend(items.iter().map(|item| item.id.clone()));
                items.into_iter().for_each(|item| self.see(item));
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
        if item.state == State::Gone || item.stamp.is_some() && item.stamp < old {
            if known.is_some() {
                self.doubted.insert(item.id);
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
        if suspects.len() > SUSPECTS_MAX {
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

    /// The difference. To be asked for when there is nothing left to ask.
    pub fn finish(self) -> Outcome {
        let mut outcome = Outcome {
            cursor: self.cursor.clone(),
            zone: self.zone.clone(),
            skipped: self.skipped,
            ..Outcome::default()
        };
        for (id, item) in &self.seen {
            let known = self.known.get(id);
            match (item.state, known) {
                (State::Busy, Some(known)) if known.hash == self.fingerprint(item) => {
                    if known.missing_since.is_some() {
                        outcome.found.push(id.clone());
                    }
                }
                (State::Busy, _) if known.is_some() || item.span.is_none_or(|span| self.window.has(span)) => {
                    let job = if known.is_some() { Job::UpdateSync } else { Job::NewAppointmentSync };
                    let known = Some(self.known_as(item));
                    outcome.changes.push(Change { job, id: id.clone(), body: item.body.clone(), known });
                }
                (State::Free, Some(_)) => {
                    let (job, body) = (Job::CancellationSync, item.body.clone());
                    outcome.changes.push(Change { job, id: id.clone(), body, known: None });
                }
                (State::Busy | State::Free | State::Series | State::Gone, _) => {}
            }
        }
        for id in &self.gone {
            let body = self.vendor.gone(id);
            outcome.changes.push(Change { job: Job::CancellationSync, id: id.clone(), body, known: None });
        }
        let over = |known: &Known| known.until <= self.window.from;
        let untouched = |id: &String| !self.seen.contains_key(id) && !self.gone.contains(id);
        let past = self.known.iter().filter(|(id, known)| over(known) && untouched(id));
        outcome.past = past.map(|(id, _)| id.clone()).collect();
        outcome.missing = self.held.into_iter().filter(|id| !self.seen.contains_key(id)).collect();
        outcome.complete = self.full && outcome.missing.is_empty();
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

/// What a calendar is given up with: everything that is known of it is gone.
pub fn farewell(vendor: Vendor, known: &BTreeMap<String, Known>) -> Vec<Change> {
    let change =
        |id: &String| Change { job: Job::CancellationSync, id: id.clone(), body: vendor.gone(id), known: None };
    known.keys().map(change).collect()
}

/// The records of changes, each of some of them, in their order. All are as of when the round began.
pub fn records(
    vendor: Vendor,
    source: &SourceName,
    calendar: &str,
    changes: &[Change],
    zone: Option<&str>,
    began: Timestamp,
) -> Vec<(RawRecord, Vec<u8>)> {
    let record = |(number, part): (usize, &[Change])| {
        let items: Vec<Value> = part.iter().map(|change| change.body.clone()).collect();
        let body = vendor.page(&items, zone).to_string().into_bytes();
        let (began_at, number) = (began.micros().to_be_bytes(), (number as u64).to_be_bytes());
        let id = made_id(&[source.as_str().as_bytes(), calendar.as_bytes(), &began_at, &number, &body]);
        let event = SourceEvent {
            id,
            source: format!("/polled/{source}"),
            kind: POLLED.to_owned(),
            subject: Some(calendar.to_owned()),
            time: Some(began),
            content_type: JSON.to_owned(),
            received_at: began,
            traceparent: None,
            call: ApiCall::default(),
        };
        (RawRecord { key: calendar.to_owned(), event }, body)
    };
    changes.chunks(ITEMS_PER_RECORD).enumerate().map(record).collect()
}

/// How long to wait after so many rounds in a row that came to nothing (the first is 1): exponential, from the interval of
/// the calendar up to `most`, with full jitter. `chance` is from 0 to 1. What the vendor says is not undercut.
pub fn backoff(failures: u32, interval: Duration, most: Duration, told: Option<Duration>, chance: f64) -> Duration {
    let most = interval.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(most);
    most.mul_f64(chance.clamp(0.0, 1.0)).max(told.unwrap_or_default())
}

#[cfg(test)]
mod tests;
