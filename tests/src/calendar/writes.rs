//! Writing to a calendar. What was applied is what counts, whatever was answered: `applied` is the vendor's own word.

use serde_json::{Value, json};

use super::{Calendar, Dialect, Event, google, graph, seconds};

/// How a write goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// 503, and nothing is done.
    Away,
    /// It is done, and the answer is 500.
    Done500,
    /// It is done, and the connection breaks off.
    DoneLost,
    /// Nothing is done, and the connection breaks off.
    Lost,
    /// 429, with `Retry-After` or without.
    TooMany(Option<u32>),
    /// 200, and nothing is done.
    NoEffect,
    /// 401.
    Denied,
}

/// What a write has made of an entry of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// There was none.
    Created,
    /// It is another.
    Changed,
    /// There is none any more.
    Removed,
}

/// A write that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Of which booking, as its mark says.
    pub booking: String,
    /// Which version of it.
    pub version: u64,
    /// What it has made.
    pub made: Made,
}

/// What is answered to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// Status, `Retry-After`, body.
    With(u16, Option<String>, String),
    /// The connection breaks off.
    Nothing,
}

/// What Daybook has written into an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ours {
    /// What it is called.
    pub title: String,
    /// What is written below.
    pub text: String,
    /// The booking that its mark names.
    pub booking: String,
    /// The version that its mark names.
    pub version: u64,
    /// Whether it bears the mark that all entries of Daybook's have.
    pub marked: bool,
    /// The transaction that made it.
    pub transaction: Option<String>,
}

/// What a request is to do.
enum Write<'a> {
    Create,
    Change(&'a str),
    Remove(&'a str),
    /// Which entries bear this mark?
    Marked(String),
}

impl Calendar {
    /// What a vendor that takes bookings has put into the calendar by itself.
    pub fn vendors(&mut self, id: &str, start: i64, end: i64, guest: &str) {
        self.put(id, start, end);
        self.attend(id, guest);
    }

    /// Entries of others that stand: what each is called, from when until when.
    pub fn others(&self) -> Vec<(String, i64, i64)> {
        let standing = self.events.iter().filter(|(_, event)| !event.gone && event.ours.is_none());
        standing.map(|(id, event)| (id.clone(), event.start, event.end)).collect()
    }

    /// Entries of ours that stand: the booking, the version, from when until when.
    pub fn ours(&self) -> Vec<(String, u64, i64, i64)> {
        let standing = self.events.values().filter(|event| !event.gone);
        let ours = standing.filter_map(|event| Some((event.ours.as_ref()?, event)));
        ours.map(|(ours, event)| (ours.booking.clone(), ours.version, event.start, event.end)).collect()
    }

    /// A person moves the entries of ours by so many seconds.
    pub fn drag(&mut self, later: i64) {
        self.touch(|event| (event.start, event.end) = (event.start + later, event.end + later));
    }

    /// A person moves the entry of one booking by so many seconds.
    pub fn drag_one(&mut self, booking: &str, later: i64) {
        let is = |event: &Event| !event.gone && event.ours.as_ref().is_some_and(|ours| ours.booking == booking);
        let found = self.events.iter().find(|(_, event)| is(event)).map(|(id, _)| id.clone());
        if let Some(id) = found {
            self.change(&id, |event| (event.start, event.end) = (event.start + later, event.end + later));
        }
    }

    /// A program copies the entries of ours, with their marks.
    pub fn copy(&mut self) {
        let standing = self.events.iter().filter(|(_, event)| event.ours.is_some() && !event.gone);
        let copies: Vec<(String, Event)> = standing.map(|(id, event)| (format!("{id}copy"), event.clone())).collect();
        for (id, copy) in copies {
            self.change(&id, |event| *event = copy);
        }
    }

    /// A person takes the entries of ours back out of the bin.
    pub fn restore(&mut self) {
        let gone = self.events.iter().filter(|(_, event)| event.ours.is_some() && event.gone);
        let gone: Vec<String> = gone.map(|(id, _)| id.clone()).collect();
        for id in gone {
            self.change(&id, |event| event.gone = false);
        }
    }

    fn touch(&mut self, change: impl Fn(&mut Event)) {
        let standing = self.events.iter().filter(|(_, event)| event.ours.is_some() && !event.gone);
        let ours: Vec<String> = standing.map(|(id, _)| id.clone()).collect();
        for id in ours {
            self.change(&id, &change);
        }
    }

    /// A person changes what an entry of ours is called, or deletes it.
    pub fn meddle(&mut self, delete: bool) {
        self.touch(|event| {
            event.gone = delete;
            if let Some(ours) = &mut event.ours {
                "Lunch".clone_into(&mut ours.title);
            }
        });
    }

    /// Answers any request.
    pub fn request(&mut self, method: &str, target: &str, condition: Option<&str>, body: &Value) -> Answered {
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let Some(write) = self.write_of(method, &path, target) else {
            let (status, wait, body) = self.answer(target);
            return Answered::With(status, wait, body);
        };
        if let Write::Marked(booking) = &write {
            return Answered::With(200, None, self.marked(booking).to_string());
        }
        let fault = self.write_faults.pop_front();
        match fault {
            Some(WriteFault::Away) => return Answered::With(503, None, self.error(503)),
            Some(WriteFault::TooMany(wait)) => {
                return Answered::With(429, wait.map(|wait| wait.to_string()), self.error(429));
            }
            Some(WriteFault::Denied) => return Answered::With(401, None, self.error(401)),
            Some(WriteFault::NoEffect) => return Answered::With(200, None, "{}".to_owned()),
            Some(WriteFault::Lost) => return Answered::Nothing,
            Some(WriteFault::Done500 | WriteFault::DoneLost) | None => {}
        }
        let (status, body) = self.apply(&write, condition, body);
        match fault {
            Some(WriteFault::Done500) => Answered::With(500, None, self.error(500)),
            Some(WriteFault::DoneLost) => Answered::Nothing,
            Some(_) | None => Answered::With(status, None, body),
        }
    }

    fn write_of<'a>(&self, method: &str, path: &'a str, target: &str) -> Option<Write<'a>> {
        let last = path.rsplit('/').next().unwrap_or_default();
        let on_events = last == "events";
        match (method, on_events) {
            ("POST", true) => Some(Write::Create),
            ("PUT" | "PATCH", false) => Some(Write::Change(last)),
            ("DELETE", false) => Some(Write::Remove(last)),
            ("GET", true) if self.dialect == Dialect::Graph => {
                let query = super::decode(target.split("$filter=").nth(1)?.split('&').next()?);
                if !query.contains("Name daybook_booking_id'") {
                    return None;
                }
                let booking = query.rsplit("value eq '").next()?.split('\'').next()?;
                Some(Write::Marked(booking.to_owned()))
            }
            _ => None,
        }
    }

    fn marked(&self, booking: &str) -> Value {
        let standing = self.events.iter().filter(|(_, event)| !event.gone);
        let found = standing.filter(|(_, event)| event.ours.as_ref().is_some_and(|ours| ours.booking == booking));
        json!({"value": found.map(|(id, event)| graph::entry(id, event)).collect::<Vec<_>>()})
    }

    fn apply(&mut self, write: &Write<'_>, condition: Option<&str>, body: &Value) -> (u16, String) {
        let (id, before) = match write {
            Write::Create => {
                let ours = self.ours_of(body);
                let taken = match self.dialect {
                    Dialect::Google => body["id"].as_str().is_some_and(|id| self.events.contains_key(id)),
                    Dialect::Graph => {
                        let same = |event: &Event| {
                            event.ours.as_ref().map(|ours| &ours.transaction) == Some(&ours.transaction)
                        };
                        self.events.values().any(same)
                    }
                };
                if taken {
                    let duplicate = json!({"error": {"code": "ErrorDuplicateTransactionId", "message": "x", "errors": [{"reason": "duplicate"}]}});
                    return (409, duplicate.to_string());
                }
                let id = body["id"].as_str().map_or_else(|| format!("AAMk{}", self.clock), str::to_owned);
                (id, None)
            }
            Write::Change(id) | Write::Remove(id) => {
                let id = super::decode(id);
                let Some(event) = self.events.get(&id).cloned() else { return (404, self.error(404)) };
                let gone = event.gone && (self.dialect == Dialect::Graph || matches!(write, Write::Remove(_)));
                if gone {
                    return (if self.dialect == Dialect::Graph { 404 } else { 410 }, self.error(404));
                }
                let tag = if event.gone { "\"0\"".to_owned() } else { self.tag(&event) };
                if condition.is_some_and(|condition| condition != tag) {
                    return (412, self.error(412));
                }
                (id, Some(event))
            }
            Write::Marked(_) => return (400, String::new()),
        };
        if let Write::Remove(_) = write {
            if before.as_ref().is_some_and(|event| event.ours.is_none()) {
                self.adopted.push((id.clone(), Made::Removed));
            }
            self.note(before.as_ref().and_then(|event| event.ours.clone()), Made::Removed);
            self.change(&id, |event| event.gone = true);
            return (204, String::new());
        }
        if before.as_ref().is_some_and(|event| event.ours.is_none()) {
            return self.apply_to_others(&id, body);
        }
        let mut ours = self.ours_of(body);
        if let Some(before) = before.as_ref().and_then(|event| event.ours.as_ref()) {
            ours.transaction.clone_from(&before.transaction);
        }
        let (start, end) = (self.time(&body["start"]), self.time(&body["end"]));
        let made = if before.is_some_and(|event| !event.gone) { Made::Changed } else { Made::Created };
        self.note(Some(ours.clone()), made);
        self.change(&id, |event| {
            (event.start, event.end, event.gone, event.count) = (start, end, false, None);
            event.ours = Some(ours);
        });
        let event = &self.events[&id];
        match self.dialect {
            Dialect::Google => (200, google::entry(&id, event).to_string()),
            Dialect::Graph => (201, graph::entry(&id, event).to_string()),
        }
    }

    /// Of an entry that somebody else has made, what was sent is changed and nothing else.
    fn apply_to_others(&mut self, id: &str, body: &Value) -> (u16, String) {
        let fields = body.as_object().map_or(0, serde_json::Map::len);
        if fields != 2 {
            return (400, self.error(400));
        }
        let (start, end) = (self.time(&body["start"]), self.time(&body["end"]));
        self.adopted.push((id.to_owned(), Made::Changed));
        self.change(id, |event| (event.start, event.end) = (start, end));
        let event = &self.events[id];
        match self.dialect {
            Dialect::Google => (200, google::entry(id, event).to_string()),
            Dialect::Graph => (200, graph::entry(id, event).to_string()),
        }
    }

    fn note(&mut self, ours: Option<Ours>, made: Made) {
        let noted = ours.map(|ours| Applied { booking: ours.booking, version: ours.version, made });
        self.applied.extend(noted);
    }

    fn tag(&self, event: &Event) -> String {
        match self.dialect {
            Dialect::Google => format!("\"{}\"", event.changed),
            Dialect::Graph => format!("W/\"{}\"", event.changed),
        }
    }

    fn time(&self, time: &Value) -> i64 {
        let text = time["dateTime"].as_str().unwrap_or_default();
        match self.dialect {
            Dialect::Google => seconds(text),
            Dialect::Graph => seconds(&format!("{text}Z")),
        }
    }

    fn ours_of(&self, body: &Value) -> Ours {
        let text = |path: &str| body.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        match self.dialect {
            Dialect::Google => Ours {
                title: text("/summary"),
                text: text("/description"),
                booking: text("/extendedProperties/private/daybook_booking_id"),
                version: text("/extendedProperties/private/daybook_version").parse().unwrap_or(0),
                marked: text("/extendedProperties/private/daybook") == "1",
                transaction: None,
            },
            Dialect::Graph => Ours {
                title: text("/subject"),
                text: text("/body/content"),
                booking: text("/singleValueExtendedProperties/0/value"),
                version: text("/singleValueExtendedProperties/1/value").parse().unwrap_or(0),
                marked: text("/singleValueExtendedProperties/2/value") == "1",
                transaction: body["transactionId"].as_str().map(str::to_owned),
            },
        }
    }
}
