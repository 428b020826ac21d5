//! A calendar at a vendor, as far as it is asked here: single events, series and their exceptions, a feed of changes, pages of
//! three; and able to misbehave on command. How Google and Microsoft write all that is in `google.rs` and `graph.rs`, from what
//! they document and were seen to do.

mod google;
mod graph;
mod writes;

use std::collections::{BTreeMap, VecDeque};

use percent_encoding::percent_decode_str;
use serde_json::Value;

pub use self::writes::{Answered, Applied, Made, Ours, WriteFault};

const HOUR: i64 = 3_600;
/// Events on a page.
const PAGE: usize = 3;

/// How an answer goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 429, with `Retry-After` or without.
    TooMany(Option<u32>),
    /// 403 with the reason of a quota.
    Quota,
    /// 503.
    Away,
    /// 500 with a page of something in between.
    Page,
    /// 410 where a sync token was given.
    Expired,
    /// No items, but a page token that leads to them.
    Empty,
    /// 200, with an error in it.
    Error,
    /// Cut off in the middle.
    Halved,
    /// Sound, but for every second item.
    Half,
    /// Sound, but for every item.
    Nothing,
    /// What was answered to the same question before. Not where one event is asked for by name.
    Replayed,
}

/// An event of the calendar.
#[derive(Debug, Clone)]
struct Event {
    changed: u64,
    gone: bool,
    start: i64,
    end: i64,
    /// How many instances, a day apart; none of a single event.
    count: Option<i64>,
    /// By the day that they would be on: cancelled, or so many seconds later.
    exceptions: BTreeMap<i64, Option<i64>>,
    free: bool,
    /// Who attends.
    attendees: Vec<String>,
    /// Whether the feed shows the exceptions of the series alone, as it does at times.
    alone: bool,
    /// What its instances are called after, where it is the later part of a series that was split.
    prefix: Option<String>,
    /// Whether the owner was invited to its instances only: the series itself is not theirs to see.
    hidden: bool,
    /// What Daybook has written there.
    ours: Option<Ours>,
}

/// Whose way of writing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Google Calendar's.
    Google,
    /// Microsoft Graph's.
    Graph,
}

/// The calendar.
#[derive(Debug)]
pub struct Calendar {
    dialect: Dialect,
    /// By id.
    events: BTreeMap<String, Event>,
    clock: u64,
    /// What goes wrong next.
    pub faults: VecDeque<Fault>,
    /// What goes wrong with the next writes.
    pub write_faults: VecDeque<WriteFault>,
    /// Every write of ours that was applied, in order.
    pub applied: Vec<Applied>,
    /// Every write of ours to what somebody else has made, in order.
    pub adopted: Vec<(String, Made)>,
    before: BTreeMap<String, String>,
    /// How often it was asked.
    pub asked: usize,
}

/// What is asked.
#[derive(Debug, Clone)]
struct Question {
    /// Whose calendar.
    whose: String,
    kind: Kind,
    from: i64,
    to: i64,
    /// The key behind which the page begins.
    after: Option<String>,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Since then, or from the beginning.
    Feed(Option<u64>),
    Listing,
    Instances(String),
    One(String),
    /// What bears the mark of Daybook's entries.
    Marked,
}

/// Something to show.
enum Shown<'a> {
    Whole(&'a str, &'a Event),
    Instance(&'a str, &'a Event, Instance),
    /// Which, of which series, and when it was to be.
    Gone(String, Option<(&'a str, i64)>),
}

struct Instance {
    id: String,
    day: i64,
    start: i64,
    end: i64,
}

/// What follows a page.
enum After {
    Page(String),
    /// The feed stands there.
    Mark(u64),
    Nothing,
}

impl Calendar {
    /// An empty one.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            events: BTreeMap::new(),
            clock: 0,
            faults: VecDeque::new(),
            write_faults: VecDeque::new(),
            applied: Vec::new(),
            adopted: Vec::new(),
            before: BTreeMap::new(),
            asked: 0,
        }
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Event)) {
        self.clock += 1;
        let fresh = Event {
            changed: 0,
            gone: true,
            start: 0,
            end: 0,
            count: None,
            exceptions: BTreeMap::new(),
            free: false,
            attendees: Vec::new(),
            alone: false,
            prefix: None,
            hidden: false,
            ours: None,
        };
        let event = self.events.entry(id.to_owned()).or_insert(fresh);
        event.alone = false;
        change(event);
        event.changed = self.clock;
    }

    /// A single event, made or changed. Seconds since 1970.
    pub fn put(&mut self, id: &str, start: i64, end: i64) {
        self.change(id, |event| {
            (event.start, event.end, event.gone, event.count) = (start, end, false, None);
            (event.hidden, event.prefix) = (false, None);
            event.exceptions.clear();
        });
    }

    /// A series of so many days, made or changed.
    pub fn series(&mut self, id: &str, start: i64, end: i64, count: i64) {
        self.change(id, |event| {
            (event.start, event.end, event.gone, event.count) = (start, end, false, Some(count));
            (event.hidden, event.prefix) = (false, None);
            event.exceptions.clear();
        });
    }

    /// Instances of somebody else's series, to each of which the owner is invited.
    pub fn invite(&mut self, id: &str, start: i64, end: i64, count: i64) {
        self.series(id, start, end, count);
        self.change(id, |event| event.hidden = true);
    }

    /// "This and following": the series ends before that day, and another one goes on with the same instances, by their own
    /// ids.
    pub fn split(&mut self, id: &str, day: i64) {
        let Some(event) =
            self.events.get(id).filter(|event| !event.gone && event.prefix.is_none() && !event.hidden).cloned()
        else {
            return;
        };
        let Some(count) = event.count.filter(|count| (1..*count).contains(&day)) else { return };
        let start = event.planned(day);
        let later =
            event.exceptions.iter().filter(|(at, _)| **at >= day).map(|(at, later)| (at - day, *later)).collect();
        self.change(id, |event| {
            event.count = Some(day);
            event.exceptions.retain(|at, _| *at < day);
        });
        self.change(&format!("{id}_R"), |other| {
            *other = Event {
                start,
                end: start + event.end - event.start,
                count: Some(count - day),
                exceptions: later,
                prefix: Some(id.to_owned()),
                ..event
            };
        });
    }

    /// One instance of a series is cancelled, or is later by so many seconds.
    pub fn except(&mut self, id: &str, day: i64, later: Option<i64>) {
        if self.events.get(id).is_some_and(|event| event.count.is_some_and(|count| day < count)) {
            self.change(id, |event| {
                event.exceptions.insert(day, later);
                event.alone = day % 2 == 1;
            });
        }
    }

    /// The owner is free meanwhile, or not any more.
    pub fn free(&mut self, id: &str, free: bool) {
        if self.events.contains_key(id) {
            self.change(id, |event| event.free = free);
        }
    }

    /// Somebody attends.
    pub fn attend(&mut self, id: &str, email: &str) {
        if self.events.contains_key(id) {
            self.change(id, |event| event.attendees.push(email.to_owned()));
        }
    }

    /// It is deleted.
    pub fn delete(&mut self, id: &str) {
        if self.events.contains_key(id) {
            self.change(id, |event| event.gone = true);
        }
    }

    /// What takes time, by id: from when until when.
    pub fn busy(&self) -> BTreeMap<String, (i64, i64)> {
        let standing = self.events.iter().filter(|(_, event)| !event.gone && !event.free);
        standing.flat_map(|(id, event)| event.instances(id)).map(|it| (it.id, (it.start, it.end))).collect()
    }

    /// Answers a GET: status, `Retry-After`, body.
    pub fn answer(&mut self, target: &str) -> (u16, Option<String>, String) {
        self.asked += 1;
        let Some(question) = self.question(target) else { return (400, None, self.error(400)) };
        let lists = !matches!(question.kind, Kind::One(_));
        let fault = self.faults.pop_front();
        match fault {
            Some(Fault::TooMany(wait)) => return (429, wait.map(|wait| wait.to_string()), self.error(429)),
            Some(Fault::Quota) => return self.quota(),
            Some(Fault::Away) => return (503, None, self.error(503)),
            Some(Fault::Page) => return (500, None, "<html>Bad Gateway</html>".to_owned()),
            Some(Fault::Error) => return (200, None, self.error(500)),
            Some(Fault::Expired) if matches!(question.kind, Kind::Feed(Some(_))) => {
                return (410, None, self.error(410));
            }
            Some(Fault::Replayed) if lists && self.before.contains_key(target) => {
                return (200, None, self.before[target].clone());
            }
            Some(Fault::Empty) if lists && question.after.is_none() => {
                let page = self.page(&question, &[], &After::Page(String::new()));
                return (200, None, page.to_string());
            }
            Some(_) | None => {}
        }
        let mut body = match self.sound(&question) {
            Ok(body) => body,
            Err(status) => return (status, None, self.error(status)),
        };
        if let Some(items) = body.get_mut(self.items()).and_then(Value::as_array_mut) {
            match fault {
                Some(Fault::Half) => *items = items.iter().step_by(2).cloned().collect(),
                Some(Fault::Nothing) => items.clear(),
                Some(_) | None => {}
            }
        }
        let body = body.to_string();
        if fault == Some(Fault::Halved) {
            return (200, None, body.chars().take(body.chars().count() / 2).collect());
        }
        if fault.is_none() {
            self.before.insert(target.to_owned(), body.clone());
        }
        (200, None, body)
    }

    fn sound(&self, question: &Question) -> Result<Value, u16> {
        let within = |it: &Instance| it.start < question.to && it.end > question.from;
        let listed = |id: &str, event: &Event| {
            let instances = event.instances(id).into_iter().filter(within);
            instances.map(|it| (it.id.clone(), self.write(&Shown::Instance(id, event, it)))).collect::<Vec<_>>()
        };
        let found = match &question.kind {
            Kind::One(id) => return self.one(id),
            Kind::Listing => {
                let standing = self.events.iter().filter(|(_, event)| !event.gone);
                standing.flat_map(|(id, event)| listed(id, event)).collect()
            }
            Kind::Marked => {
                let bears = |event: &Event| event.ours.as_ref().is_some_and(|ours| ours.marked);
                let meets = |event: &Event| event.start < question.to && event.end > question.from;
                let standing = self.events.iter().filter(|(_, event)| !event.gone && bears(event) && meets(event));
                standing.map(|(id, event)| (id.clone(), self.write(&Shown::Whole(id, event)))).collect()
            }
            Kind::Instances(id) => {
                let event = self.events.get(id).filter(|event| event.is_series_shown()).ok_or(404_u16)?;
                listed(id, event)
            }
            // In the order in which they were changed.
            Kind::Feed(since) => {
                let news = self.events.iter().filter(|(_, event)| match since {
                    Some(since) => event.changed > *since,
                    None => !event.gone,
                });
                let shown = news.flat_map(|(id, event)| {
                    let shown = self.feed(id, event, question).into_iter().enumerate();
                    shown.map(|(at, it)| {
                        let mut item = self.write(&it);
                        if self.dialect == Dialect::Graph {
                            graph::reduced(&mut item);
                        }
                        (format!("{:012} {at:04}", event.changed), item)
                    })
                });
                shown.collect()
            }
        };
        Ok(self.paged(found, question))
    }

    fn one(&self, id: &str) -> Result<Value, u16> {
        let gone = |id: &str| match self.dialect {
            Dialect::Google => Ok(self.write(&Shown::Gone(id.to_owned(), None))),
            Dialect::Graph => Err(404),
        };
        match self.events.get(id) {
            Some(event) if event.hidden => Err(404),
            Some(event) if event.gone => gone(id),
            Some(event) => Ok(self.write(&Shown::Whole(id, event))),
            None => {
                let standing = self.events.iter().filter(|(_, event)| !event.gone);
                let found = standing
                    .flat_map(|(series, event)| event.instances(series).into_iter().map(move |it| (series, event, it)));
                match found.into_iter().find(|(_, _, it)| it.id == id) {
                    Some((series, event, it)) => Ok(self.write(&Shown::Instance(series, event, it))),
                    None if id.contains('_') => gone(id),
                    None => Err(404),
                }
            }
        }
    }

    /// A page behind the key that the question names.
    fn paged(&self, mut found: Vec<(String, Value)>, question: &Question) -> Value {
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let left = found.into_iter().filter(|(key, _)| question.after.as_ref().is_none_or(|after| key > after));
        let left: Vec<_> = left.collect();
        let items: Vec<Value> = left.iter().take(PAGE).map(|(_, item)| item.clone()).collect();
        let after = match (left.get(PAGE - 1), &question.kind) {
            (Some((last, _)), _) if left.len() > PAGE => After::Page(last.clone()),
            (_, Kind::Feed(_)) => After::Mark(self.clock),
            (_, Kind::Listing | Kind::Instances(_) | Kind::One(_) | Kind::Marked) => After::Nothing,
        };
        self.page(question, &items, &after)
    }

    fn question(&self, target: &str) -> Option<Question> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = pairs.map(|(name, value)| (decode(name), decode(value))).collect();
        let path: Vec<String> = path.trim_start_matches('/').split('/').map(decode).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match self.dialect {
            Dialect::Google => google::question(&path, &query),
            Dialect::Graph => graph::question(&path, &query),
        }
    }

    /// What the feed shows of an event.
    fn feed<'a>(&self, id: &'a str, event: &'a Event, question: &Question) -> Vec<Shown<'a>> {
        match self.dialect {
            Dialect::Google => google::feed(id, event),
            Dialect::Graph => graph::feed(id, event, question),
        }
    }

    fn write(&self, shown: &Shown<'_>) -> Value {
        match self.dialect {
            Dialect::Google => google::write(shown),
            Dialect::Graph => graph::write(shown),
        }
    }

    fn page(&self, question: &Question, items: &[Value], after: &After) -> Value {
        match self.dialect {
            Dialect::Google => google::page(items, after),
            Dialect::Graph => graph::page(question, items, after),
        }
    }

    fn error(&self, status: u16) -> String {
        match self.dialect {
            Dialect::Google => google::error(status),
            Dialect::Graph => graph::error(status),
        }
    }

    /// Too much for a quota.
    fn quota(&self) -> (u16, Option<String>, String) {
        match self.dialect {
            Dialect::Google => (403, None, google::error(403)),
            Dialect::Graph => (429, None, graph::error(429)),
        }
    }

    const fn items(&self) -> &'static str {
        match self.dialect {
            Dialect::Google => "items",
            Dialect::Graph => "value",
        }
    }
}

impl Event {
    fn instances(&self, id: &str) -> Vec<Instance> {
        let Some(count) = self.count else {
            return vec![Instance { id: id.to_owned(), day: 0, start: self.start, end: self.end }];
        };
        let instance = |day: i64| {
            let planned = self.planned(day);
            let later = match self.exceptions.get(&day) {
                Some(None) => return None,
                Some(Some(later)) => *later,
                None => 0,
            };
            let (start, end) = (planned + later, planned + later + self.end - self.start);
            Some(Instance { id: self.name(id, planned), day, start, end })
        };
        (0..count).filter_map(instance).collect()
    }

    /// What the instance is called that was to begin then.
    fn name(&self, id: &str, planned: i64) -> String {
        format!("{}_{planned}", self.prefix.as_deref().unwrap_or(id))
    }

    fn is_series_shown(&self) -> bool {
        !self.gone && self.count.is_some() && !self.hidden
    }

    /// When the instance of a day was to begin.
    const fn planned(&self, day: i64) -> i64 {
        self.start + day * 24 * HOUR
    }

    fn stamp(&self) -> String {
        rfc3339(i64::try_from(self.changed).unwrap_or(i64::MAX))
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn rfc3339(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0).expect("a time").to_rfc3339()
}

fn seconds(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp()
}
