//! A tool that is written to, as Acuity, Cal.com, Calendly, HubSpot and Zendesk have it: entries that are made, moved and ended, and answers that go
//! wrong on command. What was applied is what counts, whatever was answered: the log is the tool's own word. Pure: the time is an
//! argument.

mod dialect;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use daybook_domain::Timestamp;
use serde_json::Value;

pub use self::dialect::Dialect;

/// How a write goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 503, and nothing is done.
    Away,
    /// It is done, and the answer is 500.
    Done500,
    /// It is done, and the connection breaks off.
    DoneLost,
    /// It is done, and nobody is ever answered.
    DoneHang,
    /// Nothing is done, and the connection breaks off.
    Lost,
    /// Nothing is done, and nobody is ever answered.
    Hang,
    /// 429, with `Retry-After` or without.
    TooMany(Option<u32>),
    /// 200, and nothing is done.
    NoEffect,
    /// 401.
    Denied,
    /// 423: somebody is at work on it.
    Locked,
    /// Of a batch: 207, and the one that was in it is refused for now. Of anything else, 503.
    Partial,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Away,
        Self::Done500,
        Self::DoneLost,
        Self::DoneHang,
        Self::Lost,
        Self::Hang,
        Self::TooMany(None),
        Self::TooMany(Some(1)),
        Self::NoEffect,
        Self::Denied,
        Self::Locked,
        Self::Partial,
    ];
}

/// What a write has made of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// There was none.
    Created,
    /// It is otherwise.
    Changed,
    /// It is over.
    Ended,
}

/// A write that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Of which booking.
    pub booking: String,
    /// From when it is now.
    pub start: Timestamp,
    /// What it has made.
    pub made: Made,
    /// Whether anybody was told that it was done.
    pub answered: bool,
}

/// An entry, as the tool has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it is called.
    pub id: String,
    /// The booking that it is of.
    pub booking: String,
    /// The version of that, where it is written.
    pub version: Option<u64>,
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// What it is called.
    pub title: String,
    /// Who it is said to be for.
    pub person: String,
    /// Whether it is over.
    pub ended: bool,
    /// What came in its place.
    pub next: Option<String>,
}

impl Kept {
    /// Whether it stands.
    pub const fn stands(&self) -> bool {
        !self.ended && self.next.is_none()
    }
}

/// A request.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The headers, names in lower case.
    pub headers: &'a [(String, String)],
    /// The body, if it is JSON.
    pub body: Value,
}

impl Asked<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// Status, `Retry-After`, body.
    With(u16, Option<String>, String),
    /// The connection breaks off.
    Nothing,
    /// Nobody is ever answered.
    Silence,
}

/// The tool.
#[derive(Debug)]
pub struct Tool {
    dialect: Dialect,
    /// Every state of every entry, with when it began, in milliseconds.
    states: BTreeMap<String, Vec<(i64, Kept)>>,
    made: u64,
    /// How writes go wrong next.
    pub faults: VecDeque<Fault>,
    /// How many reads are answered 503 before one is answered.
    pub reads_away: u32,
    /// How far back in time reads are, in milliseconds.
    pub stale: i64,
    /// What was applied, in this order.
    pub applied: Vec<Applied>,
    /// Keys that make repetitions harmless: until when, for which body, and which entry.
    keys: BTreeMap<String, (i64, Value, String)>,
    /// Bookings of which a second entry stood beside the first.
    pub doubled: Vec<String>,
    /// Which contacts belong to which entry.
    pub links: BTreeSet<(String, String)>,
}

/// What a request is to do.
enum Write {
    Create(Kept),
    /// The entry of this booking, whether there is one or not.
    Upsert(Kept),
    /// Entry, what it is to be, and whether that is another one in its place.
    Change(String, Box<dyn FnOnce(&mut Kept)>, bool),
    End(String, Option<u64>),
    /// The entry of a booking, and its version.
    EndOf(String, Option<u64>),
}

/// What a request is.
enum Question {
    Write(Write),
    One(String),
    Of(String),
    /// The one of this booking.
    OneOf(String),
    /// Contacts of these addresses.
    Contacts(Vec<String>),
    /// Entries, and the contacts that belong to them.
    Links(Vec<(String, String)>),
    /// It is answered so.
    Refused(u16),
}

impl Tool {
    /// A tool that has nothing yet.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            states: BTreeMap::new(),
            made: 0,
            faults: VecDeque::new(),
            reads_away: 0,
            stale: 0,
            applied: Vec::new(),
            keys: BTreeMap::new(),
            doubled: Vec::new(),
            links: BTreeSet::new(),
        }
    }

    /// The entries that stand: the booking, from when until when.
    pub fn standing(&self) -> Vec<(String, Timestamp, Timestamp)> {
        let entries = self.states.values().filter_map(|states| states.last().map(|(_, kept)| kept));
        entries.filter(|kept| kept.stands()).map(|kept| (kept.booking.clone(), kept.start, kept.end)).collect()
    }

    /// Who they are said to be for, and what they are called.
    pub fn words(&self) -> Vec<(String, String)> {
        let entries = self.states.values().filter_map(|states| states.last().map(|(_, kept)| kept));
        entries.map(|kept| (kept.person.clone(), kept.title.clone())).collect()
    }

    /// A customer books, by themselves.
    pub fn book(&mut self, now: i64, id: &str, start: Timestamp, end: Timestamp) {
        let booking = id.to_owned();
        let (title, person) = ("Intro call".to_owned(), String::new());
        let kept =
            Kept { id: id.to_owned(), booking, version: None, start, end, title, person, ended: false, next: None };
        self.put(now, kept);
    }

    /// A person ends an entry of a booking.
    pub fn meddle(&mut self, now: i64, booking: &str) {
        let ids: Vec<String> = self.states.keys().cloned().collect();
        for id in ids {
            let Some(mut kept) = self.current(&id).filter(|kept| kept.booking == booking && kept.stands()) else {
                continue;
            };
            kept.ended = true;
            self.put(now, kept);
        }
    }

    /// Answers a request.
    pub fn request(&mut self, now: i64, asked: &Asked<'_>) -> Answered {
        let question = self.dialect.question(asked);
        let write = match question {
            Question::Refused(status) => return Self::status(status),
            Question::One(id) => return self.read(|tool| tool.one(now, &id)),
            Question::Of(booking) => return self.read(|tool| (200, tool.list(now, &booking))),
            Question::OneOf(booking) => {
                return self.read(|tool| {
                    let ids: Vec<&String> = tool.states.keys().collect();
                    let seen = ids.into_iter().filter_map(|id| tool.seen(now, id));
                    let one = seen.into_iter().find(|kept| kept.booking == booking);
                    one.map_or((404, Value::Null), |kept| (200, tool.dialect.one(kept)))
                });
            }
            Question::Contacts(emails) => return self.read(|_| (200, dialect::contacts(&emails))),
            Question::Links(links) => {
                self.links.extend(links);
                return Answered::With(200, None, "{\"results\": [], \"status\": \"COMPLETE\"}".to_owned());
            }
            Question::Write(write) => write,
        };
        let fault = self.faults.pop_front();
        match fault {
            Some(Fault::Partial) if matches!(write, Write::Upsert(_)) => {
                return Answered::With(207, None, dialect::partial().to_string());
            }
            Some(Fault::Away | Fault::Partial) => return Self::status(503),
            Some(Fault::TooMany(wait)) => {
                return Answered::With(429, wait.map(|wait| wait.to_string()), "{}".to_owned());
            }
            Some(Fault::Denied) => return Self::status(401),
            Some(Fault::Locked) => return Self::status(423),
            Some(Fault::NoEffect) => return Answered::With(200, None, "{}".to_owned()),
            Some(Fault::Lost) => return Answered::Nothing,
            Some(Fault::Hang) => return Answered::Silence,
            Some(Fault::Done500 | Fault::DoneLost | Fault::DoneHang) | None => {}
        }
        let (status, body) = self.apply(now, write, asked, fault.is_none());
        match fault {
            Some(Fault::Done500) => Self::status(500),
            Some(Fault::DoneLost) => Answered::Nothing,
            Some(Fault::DoneHang) => Answered::Silence,
            Some(_) | None => Answered::With(status, None, body.to_string()),
        }
    }

    fn status(status: u16) -> Answered {
        Answered::With(status, None, "{\"message\":\"no\"}".to_owned())
    }

    fn read(&mut self, answer: impl FnOnce(&Self) -> (u16, Value)) -> Answered {
        if self.reads_away > 0 {
            self.reads_away -= 1;
            return Self::status(503);
        }
        let (status, body) = answer(self);
        Answered::With(status, None, body.to_string())
    }

    fn current(&self, id: &str) -> Option<Kept> {
        self.states.get(id).and_then(|states| states.last()).map(|(_, kept)| kept.clone())
    }

    /// As reads see it, which may be late.
    fn seen(&self, now: i64, id: &str) -> Option<&Kept> {
        let states = self.states.get(id)?;
        states.iter().rev().find(|(since, _)| *since <= now - self.stale).map(|(_, kept)| kept)
    }

    fn one(&self, now: i64, id: &str) -> (u16, Value) {
        match self.seen(now, id) {
            Some(kept) => (200, self.dialect.one(kept)),
            None => (404, Value::Null),
        }
    }

    fn list(&self, now: i64, booking: &str) -> Value {
        let seen = self.states.keys().filter_map(|id| self.seen(now, id));
        let of = seen.filter(|kept| kept.booking == booking && self.dialect.lists(kept));
        self.dialect.list(of.collect())
    }

    fn put(&mut self, now: i64, kept: Kept) {
        self.states.entry(kept.id.clone()).or_default().push((now, kept));
    }

    fn note(&mut self, kept: &Kept, made: Made, answered: bool) {
        self.applied.push(Applied { booking: kept.booking.clone(), start: kept.start, made, answered });
        let standing = self.standing().into_iter().filter(|(booking, _, _)| *booking == kept.booking).count();
        if standing > 1 {
            self.doubled.push(kept.booking.clone());
        }
    }

    fn apply(&mut self, now: i64, write: Write, asked: &Asked<'_>, answered: bool) -> (u16, Value) {
        match write {
            Write::Create(kept) => {
                let key = asked.header("idempotency-key").map(str::to_owned);
                if let Some((until, body, id)) = key.as_ref().and_then(|key| self.keys.get(key))
                    && now < *until
                {
                    return match (*body == asked.body, self.current(id)) {
                        (true, Some(kept)) => (201, self.dialect.one(&kept)),
                        _ => (400, Value::from("IdempotentRequestError")),
                    };
                }
                self.made += 1;
                let kept = Kept { id: self.dialect.id(self.made), ..kept };
                if let Some(key) = key {
                    self.keys.insert(key, (now + 2 * 3_600_000, asked.body.clone(), kept.id.clone()));
                }
                self.put(now, kept.clone());
                self.note(&kept, Made::Created, answered);
                (201, self.dialect.one(&kept))
            }
            Write::Upsert(kept) => {
                let known = self.states.keys().find(|id| self.current(id).is_some_and(|it| it.booking == kept.booking));
                let made = if known.is_some() { Made::Changed } else { Made::Created };
                let id = known.cloned().unwrap_or_else(|| {
                    self.made += 1;
                    self.dialect.id(self.made)
                });
                let kept = Kept { id, ..kept };
                self.put(now, kept.clone());
                self.note(&kept, made, answered);
                (200, dialect::batch(&kept))
            }
            Write::EndOf(booking, version) => {
                let known = self.states.keys().find(|id| self.current(id).is_some_and(|it| it.booking == booking));
                match known.cloned() {
                    Some(id) => self.apply(now, Write::End(id, version), asked, answered),
                    None => (404, Value::Null),
                }
            }
            Write::Change(id, change, replaces) => {
                let Some(mut kept) = self.current(&id) else { return (404, Value::Null) };
                if !kept.stands() && !self.dialect.takes_late_changes() {
                    return (400, Value::from("it is over"));
                }
                kept.ended = false;
                if replaces {
                    self.made += 1;
                    let next = self.dialect.id(self.made);
                    kept.next = Some(next.clone());
                    self.put(now, kept.clone());
                    (kept.id, kept.next) = (next, None);
                }
                change(&mut kept);
                self.put(now, kept.clone());
                self.note(&kept, Made::Changed, answered);
                (200, self.dialect.one(&kept))
            }
            Write::End(id, version) => {
                let Some(mut kept) = self.current(&id) else { return (404, Value::Null) };
                if !kept.stands() {
                    if !self.dialect.takes_late_changes() {
                        return (400, self.dialect.one(&kept));
                    }
                    kept.version = version.or(kept.version);
                    self.put(now, kept.clone());
                    return (200, self.dialect.one(&kept));
                }
                kept.ended = true;
                kept.version = version.or(kept.version);
                self.put(now, kept.clone());
                self.note(&kept, Made::Ended, answered);
                (200, self.dialect.ended(&kept))
            }
        }
    }
}
