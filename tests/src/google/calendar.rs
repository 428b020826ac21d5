//! Google Calendar, as far as it is asked here: one calendar, with single events, series and their exceptions, a feed of
//! changes, pages of three; and able to misbehave on command. Written from what the vendor documents and was seen to do.

use std::collections::{BTreeMap, VecDeque};

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

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
}

/// The calendar.
#[derive(Debug, Default)]
pub struct GoogleCalendar {
    /// By id.
    events: BTreeMap<String, Event>,
    clock: u64,
    /// What goes wrong next.
    pub faults: VecDeque<Fault>,
    before: BTreeMap<String, String>,
    /// How often it was asked.
    pub asked: usize,
}

impl GoogleCalendar {
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
            event.exceptions.clear();
        });
    }

    /// A series of so many days, made or changed.
    pub fn series(&mut self, id: &str, start: i64, end: i64, count: i64) {
        self.change(id, |event| {
            (event.start, event.end, event.gone, event.count) = (start, end, false, Some(count));
            event.exceptions.clear();
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
        standing.flat_map(|(id, event)| event.instances(id)).map(|(id, _, start, end)| (id, (start, end))).collect()
    }

    /// Answers a GET: status, `Retry-After`, body.
    pub fn answer(&mut self, target: &str) -> (u16, Option<String>, String) {
        self.asked += 1;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: BTreeMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        let path: Vec<String> = path.trim_start_matches("/calendar/v3/calendars/").split('/').map(decode).collect();
        let fault = self.faults.pop_front();
        match fault {
            Some(Fault::TooMany(wait)) => {
                return (429, wait.map(|wait| wait.to_string()), error("rateLimitExceeded"));
            }
            Some(Fault::Quota) => return (403, None, error("userRateLimitExceeded")),
            Some(Fault::Away) => return (503, None, error("backendError")),
            Some(Fault::Page) => return (500, None, "<html>Bad Gateway</html>".to_owned()),
            Some(Fault::Error) => return (200, None, error("internalError")),
            Some(Fault::Expired) if query.contains_key("syncToken") => return (410, None, error("fullSyncRequired")),
            Some(Fault::Replayed) if path.len() != 3 && self.before.contains_key(target) => {
                return (200, None, self.before[target].clone());
            }
            Some(Fault::Empty) if path.len() == 2 && !query.contains_key("pageToken") => {
                return (
                    200,
                    None,
                    json!({"kind": "calendar#events", "timeZone": "UTC", "items": [], "nextPageToken": "0|"})
                        .to_string(),
                );
            }
            Some(_) | None => {}
        }
        let mut body = match self.sound(&path, &query) {
            Ok(body) => body,
            Err(status) => return (status, None, error("notFound")),
        };
        if let Some(items) = body.get_mut("items").and_then(Value::as_array_mut) {
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

    fn sound(&self, path: &[String], query: &BTreeMap<String, String>) -> Result<Value, u16> {
        let from = |name: &str| query.get(name).map(|time| seconds(time));
        let (least, most) = (from("timeMin").unwrap_or(i64::MIN), from("timeMax").unwrap_or(i64::MAX));
        let within = |(_, _, start, end): &(String, i64, i64, i64)| *start < most && *end > least;
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let since = |text: &str| text.split_once('|').map_or(0, |(clock, _)| clock.parse::<u64>().unwrap_or(0));
        match path[..] {
            [_, "events"] => {
                let mut found: Vec<(String, Value)> = Vec::new();
                let token = query.get("syncToken").map(|token| since(token));
                for (id, event) in &self.events {
                    if query.contains_key("singleEvents") {
                        if !event.gone {
                            let instances = event.instances(id).into_iter().filter(within);
                            found.extend(instances.map(|instance| (instance.0.clone(), event.instance(id, &instance))));
                        }
                    } else if token.is_none_or(|token| event.changed > token) && !(token.is_none() && event.gone) {
                        // In the order in which they were changed, as the feed is.
                        found.extend(
                            event
                                .feed(id)
                                .into_iter()
                                .enumerate()
                                .map(|(at, item)| (format!("{:012} {at:04}", event.changed), item)),
                        );
                    }
                }
                found.sort_by(|a, b| a.0.cmp(&b.0));
                Ok(self.paged(found, query, !query.contains_key("singleEvents")))
            }
            [_, "events", id] => match self.events.get(id) {
                Some(event) => Ok(event.whole(id)),
                None => {
                    let (series, _) = id.rsplit_once('_').ok_or(404_u16)?;
                    let event = self.events.get(series).ok_or(404_u16)?;
                    let found = event.instances(series).into_iter().find(|instance| instance.0 == id && !event.gone);
                    Ok(found.map_or_else(|| cancelled(id), |instance| event.instance(series, &instance)))
                }
            },
            [_, "events", id, "instances"] => {
                let event = self.events.get(id).filter(|event| !event.gone && event.count.is_some()).ok_or(404_u16)?;
                let instances = event.instances(id).into_iter().filter(within);
                let found = instances.map(|instance| (instance.0.clone(), event.instance(id, &instance))).collect();
                Ok(self.paged(found, query, false))
            }
            _ => Err(404),
        }
    }

    /// A page behind the key that the page token names.
    fn paged(&self, found: Vec<(String, Value)>, query: &BTreeMap<String, String>, feed: bool) -> Value {
        let after = query.get("pageToken").and_then(|token| token.split_once('|')).map(|(_, key)| key.to_owned());
        let mut left = found.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after)).peekable();
        let (mut items, mut last) = (Vec::new(), String::new());
        while items.len() < PAGE
            && let Some((key, item)) = left.next()
        {
            (last, items) = (key, [items, vec![item]].concat());
        }
        let mut page = json!({"kind": "calendar#events", "timeZone": "UTC", "items": items});
        if left.peek().is_some() {
            page["nextPageToken"] = json!(format!("0|{last}"));
        } else if feed {
            page["nextSyncToken"] = json!(format!("{}|", self.clock));
        }
        page
    }
}

impl Event {
    /// Id, day, start and end of each.
    fn instances(&self, id: &str) -> Vec<(String, i64, i64, i64)> {
        let Some(count) = self.count else { return vec![(id.to_owned(), 0, self.start, self.end)] };
        let instance = |day: i64| {
            let planned = self.start + day * 24 * HOUR;
            let later = match self.exceptions.get(&day) {
                Some(None) => return None,
                Some(Some(later)) => *later,
                None => 0,
            };
            let length = self.end - self.start;
            Some((format!("{id}_{planned}"), day, planned + later, planned + later + length))
        };
        (0..count).filter_map(instance).collect()
    }

    fn stamp(&self) -> String {
        rfc3339(i64::try_from(self.changed).unwrap_or(i64::MAX))
    }

    fn common(&self, id: &str, start: i64, end: i64) -> Value {
        json!({
            "kind": "calendar#event", "etag": format!("\"{}\"", self.changed), "id": id, "status": "confirmed",
            "updated": self.stamp(), "summary": "Her knee", "iCalUID": format!("{id}@google.com"),
            "start": {"dateTime": rfc3339(start), "timeZone": "UTC"}, "end": {"dateTime": rfc3339(end), "timeZone": "UTC"},
            "attendees": self.attendees.iter().map(|email| json!({"email": email, "responseStatus": "accepted"})).collect::<Vec<_>>(),
            "transparency": if self.free { "transparent" } else { "opaque" },
        })
    }

    fn whole(&self, id: &str) -> Value {
        if self.gone {
            return cancelled(id);
        }
        let mut event = self.common(id, self.start, self.end);
        if let Some(count) = self.count {
            event["recurrence"] = json!([format!("RRULE:FREQ=DAILY;COUNT={count}")]);
        }
        event
    }

    fn instance(&self, id: &str, (name, day, start, end): &(String, i64, i64, i64)) -> Value {
        let mut event = self.common(name, *start, *end);
        if self.count.is_some() {
            event["recurringEventId"] = json!(id);
            event["originalStartTime"] = json!({"dateTime": rfc3339(self.start + day * 24 * HOUR)});
        }
        event
    }

    /// As the feed of changes shows it: a series with all its exceptions.
    fn feed(&self, id: &str) -> Vec<Value> {
        let mut items = if self.alone { Vec::new() } else { vec![self.whole(id)] };
        if !self.gone && self.count.is_some() {
            for (day, later) in &self.exceptions {
                let planned = self.start + day * 24 * HOUR;
                let name = format!("{id}_{planned}");
                items.push(match later {
                    None => {
                        let mut gone = cancelled(&name);
                        gone["recurringEventId"] = json!(id);
                        gone["originalStartTime"] = json!({"dateTime": rfc3339(planned)});
                        gone
                    }
                    Some(later) => {
                        let (start, end) = (planned + later, planned + later + self.end - self.start);
                        self.instance(id, &(name, *day, start, end))
                    }
                });
            }
        }
        items
    }
}

fn cancelled(id: &str) -> Value {
    json!({"kind": "calendar#event", "etag": "\"0\"", "id": id, "status": "cancelled"})
}

fn error(reason: &str) -> String {
    json!({"error": {"code": 0, "message": "x", "errors": [{"domain": "x", "reason": reason}]}}).to_string()
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
