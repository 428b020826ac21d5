//! Rounds against calendars that are iCalendar: one file, and a collection of objects, each of them able to misbehave.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use daybook_icalendar::{Wanted, read};
use proptest::prelude::*;

use super::{BELIEVE_AFTER, DAY, MONDAY, at, ids};
use crate::poll::{Answer, Ask, Change, Context, Job, Known, Outcome, Request, Round, Setback, Told, Vendor, Window};

/// An object: a single event, or a series of so many days.
#[derive(Debug, Clone)]
struct Object {
    /// When it was changed, by the collection's clock.
    changed: u64,
    gone: bool,
    start: i64,
    count: Option<i64>,
    /// By the day that they would be on: not, or so many seconds later.
    exceptions: BTreeMap<i64, Option<i64>>,
    free: bool,
    stamped: bool,
}

/// How an answer goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Away,
    Page,
    Expired,
    Halved,
    Half,
    Nothing,
    Replayed,
    Denied,
}

const FAULTS: [Fault; 8] = [
    Fault::Away,
    Fault::Page,
    Fault::Expired,
    Fault::Halved,
    Fault::Half,
    Fault::Nothing,
    Fault::Replayed,
    Fault::Denied,
];

/// A server, with one calendar.
#[derive(Debug, Default)]
struct Server {
    objects: BTreeMap<String, Object>,
    clock: u64,
    faults: VecDeque<Fault>,
    before: Option<String>,
    /// Whether it has a feed of changes.
    without_feed: bool,
}

impl Object {
    fn stamp(&self) -> String {
        let changed = if self.stamped { self.changed } else { return String::new() };
        format!("LAST-MODIFIED:20260101T{:02}{:02}{:02}Z\r\n", changed / 3_600, changed / 60 % 60, changed % 60)
    }

    fn write(&self, uid: &str) -> String {
        let transparency = if self.free { "TRANSP:TRANSPARENT\r\n" } else { "" };
        let event = |lines: String| {
            format!(
                "BEGIN:VEVENT\r\nUID:{uid}\r\n{lines}DURATION:PT30M\r\n{transparency}{}END:VEVENT\r\n",
                self.stamp()
            )
        };
        let Some(count) = self.count else { return event(format!("DTSTART:{}\r\n", basic(self.start))) };
        let mut lines = format!("DTSTART:{}\r\nRRULE:FREQ=DAILY;COUNT={count}\r\n", basic(self.start));
        let mut moved = String::new();
        for (day, later) in &self.exceptions {
            let planned = self.start + day * DAY;
            match later {
                None => lines.push_str(&format!("EXDATE:{}\r\n", basic(planned))),
                Some(later) => moved.push_str(&event(format!(
                    "RECURRENCE-ID:{}\r\nDTSTART:{}\r\n",
                    basic(planned),
                    basic(planned + later)
                ))),
            }
        }
        format!("{}{moved}", event(lines))
    }

    /// What takes time, by what it is called.
    fn busy(&self, uid: &str) -> Vec<(String, i64)> {
        if self.gone || self.free {
            return Vec::new();
        }
        let Some(count) = self.count else { return vec![(uid.to_owned(), self.start)] };
        let instance = |day: i64| {
            let planned = self.start + day * DAY;
            let start = match self.exceptions.get(&day) {
                Some(None) => return None,
                Some(Some(later)) => planned + later,
                None => planned,
            };
            Some((format!("{uid}/{}", basic(planned)), start))
        };
        (0..count).filter_map(instance).collect()
    }
}

fn basic(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0).expect("a time").format("%Y%m%dT%H%M%SZ").to_string()
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

fn calendar(events: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n")
}

impl Server {
    fn change(&mut self, uid: &str, change: impl FnOnce(&mut Object)) {
        self.clock += 1;
        let fresh = Object {
            changed: 0,
            gone: true,
            start: 0,
            count: None,
            exceptions: BTreeMap::new(),
            free: false,
            stamped: uid.len().is_multiple_of(2),
        };
        let object = self.objects.entry(uid.to_owned()).or_insert(fresh);
        change(object);
        object.changed = self.clock;
    }

    fn put(&mut self, uid: &str, start: i64, count: Option<i64>) {
        self.change(uid, |object| {
            (object.start, object.count, object.gone) = (start, count, false);
            object.exceptions.clear();
        });
    }

    fn except(&mut self, uid: &str, day: i64, later: Option<i64>) {
        if self.objects.get(uid).is_some_and(|object| object.count.is_some_and(|count| day < count)) {
            self.change(uid, |object| {
                object.exceptions.insert(day, later);
            });
        }
    }

    fn delete(&mut self, uid: &str) {
        if self.objects.contains_key(uid) {
            self.change(uid, |object| object.gone = true);
        }
    }

    fn busy(&self) -> BTreeMap<String, i64> {
        self.objects.iter().flat_map(|(uid, object)| object.busy(uid)).collect()
    }

    fn answer(&mut self, vendor: Vendor, request: &Request) -> (u16, Option<String>, String) {
        let fault = self.faults.pop_front();
        match fault {
            Some(Fault::Away) => return (503, None, String::new()),
            Some(Fault::Page) => return (200, None, "<html>Log in</html>".to_owned()),
            Some(Fault::Denied) => return (401, None, String::new()),
            Some(Fault::Halved | Fault::Half | Fault::Nothing | Fault::Replayed | Fault::Expired) | None => {}
        }
        let (status, etag, body) = match vendor {
            Vendor::Feed => self.file(request, fault),
            Vendor::CalDav => self.collection(request, fault),
            Vendor::Google | Vendor::Graph => panic!("no iCalendar"),
        };
        if fault == Some(Fault::Halved) {
            return (status, etag, body.chars().take(body.chars().count() / 2).collect());
        }
        (status, etag, body)
    }

    /// What stands, or what is left of it.
    fn standing(&self, fault: Option<Fault>) -> Vec<(&String, &Object)> {
        let standing = self.objects.iter().filter(|(_, object)| !object.gone);
        match fault {
            Some(Fault::Half) => standing.step_by(2).collect(),
            Some(Fault::Nothing) => Vec::new(),
            Some(_) | None => standing.collect(),
        }
    }

    fn file(&mut self, request: &Request, fault: Option<Fault>) -> (u16, Option<String>, String) {
        if let (Some(Fault::Replayed), Some(before)) = (fault, &self.before) {
            return (200, None, before.clone());
        }
        let etag = format!("\"{}\"", self.clock);
        if fault.is_none() && request.headers.contains(&("if-none-match", etag.clone())) {
            return (304, Some(etag), String::new());
        }
        let events: String = self.standing(fault).iter().map(|(uid, object)| object.write(uid)).collect();
        let body = calendar(&events);
        if fault.is_none() {
            // What is played again is what was, some changes ago.
            if self.clock.is_multiple_of(3) {
                self.before = Some(body.clone());
            }
            return (200, self.clock.is_multiple_of(2).then_some(etag), body);
        }
        (200, None, body)
    }

    fn collection(&self, request: &Request, fault: Option<Fault>) -> (u16, Option<String>, String) {
        let multistatus = |responses: String, token: &str| {
            format!(
                "<?xml version=\"1.0\"?><multistatus xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\">{responses}{token}</multistatus>"
            )
        };
        let token = format!("<sync-token>t&amp;{}</sync-token>", self.clock);
        let found = |href: &str, prop: &str| {
            format!(
                "<response><href>{href}</href><propstat><prop>{prop}</prop><status>HTTP/1.1 200 OK</status></propstat></response>"
            )
        };
        let body = request.body.as_deref().unwrap_or_default();
        match request.method {
            "PROPFIND" => {
                let token = if self.without_feed { "" } else { token.as_str() };
                let prop = format!("{token}<resourcetype><collection/><C:calendar/></resourcetype>");
                (207, None, multistatus(found("/dav/anna/", &prop), ""))
            }
            "REPORT" if body.contains("sync-collection") => {
                let since = body.split("t&amp;").nth(1).and_then(|rest| rest.split('<').next()?.parse::<u64>().ok());
                let Some(since) = since.filter(|_| fault != Some(Fault::Expired)) else {
                    return (403, None, "<error xmlns=\"DAV:\"><valid-sync-token/></error>".to_owned());
                };
                let news = self.objects.iter().filter(|(_, object)| object.changed > since);
                let responses = news.map(|(uid, object)| {
                    let href = format!("https://calendars.example/dav/anna/{uid}.ics");
                    if object.gone {
                        format!("<response><href>{href}</href><status>HTTP/1.1 404 Not Found</status></response>")
                    } else {
                        found(&href, "<getetag>\"x\"</getetag>")
                    }
                });
                (207, None, multistatus(responses.collect(), &token))
            }
            "REPORT" => {
                let responses = self.standing(fault).into_iter().map(|(uid, object)| {
                    let data = format!("<C:calendar-data>{}</C:calendar-data>", escaped(&calendar(&object.write(uid))));
                    found(&format!("/dav/anna/{uid}.ics"), &data)
                });
                (207, None, multistatus(responses.collect(), ""))
            }
            _ => {
                let uid = request.path.trim_start_matches("/anna/").trim_end_matches(".ics");
                match self.objects.get(uid).filter(|object| !object.gone) {
                    Some(object) => (200, Some("\"x\"".to_owned()), calendar(&object.write(uid))),
                    None => (404, None, String::new()),
                }
            }
        }
    }
}

/// What a process keeps of a calendar between rounds, and what came of all that it sent on.
struct Reader {
    vendor: Vendor,
    known: BTreeMap<String, Known>,
    cursor: Option<String>,
    now: i64,
    full_due: bool,
    canonical: BTreeMap<String, i64>,
    calls: usize,
}

impl Reader {
    fn new(vendor: Vendor) -> Self {
        let (known, canonical) = (BTreeMap::new(), BTreeMap::new());
        Self { vendor, known, cursor: None, now: MONDAY, full_due: true, canonical, calls: 0 }
    }

    fn round(&mut self, server: &mut Server) -> Result<Outcome, Setback> {
        self.round_with(server, |_, _| {})
    }

    fn round_with(
        &mut self,
        server: &mut Server,
        mut meanwhile: impl FnMut(usize, &mut Server),
    ) -> Result<Outcome, Setback> {
        self.now += 300;
        let window = Window { from: at(MONDAY - 10 * DAY), to: at(MONDAY + 20 * DAY) };
        let cursor = self.cursor.clone().filter(|_| !self.full_due);
        let mut round = Round::new(self.vendor, self.known.clone(), cursor, window, at(self.now), BELIEVE_AFTER);
        let mut always: BTreeSet<String> = server.busy().into_keys().collect();
        let mut answers = 0;
        while let Some(ask) = round.next() {
            let context = Context { calendar: "anna", window, zone: None, root: "/dav" };
            let (status, etag, body) = server.answer(self.vendor, &self.vendor.request(ask, &context));
            let (etag, now, body) = (etag.as_deref(), at(self.now), body.as_bytes());
            let told = Told { status, retry_after: None, etag, now, body };
            let answer = self.vendor.read(ask, &context, &told, &mut || true);
            round.answer(answer)?;
            answers += 1;
            self.calls += 1;
            meanwhile(answers, server);
            let busy = server.busy();
            always.retain(|id| busy.contains_key(id));
        }
        let outcome = round.finish();
        let cancelled = outcome.changes.iter().filter(|change| change.job == Job::CancellationSync);
        for change in cancelled {
            assert!(!always.contains(&change.id), "{} was cancelled, and was there all the time", change.id);
        }
        self.keep(&outcome);
        Ok(outcome)
    }

    fn keep(&mut self, outcome: &Outcome) {
        for change in &outcome.changes {
            let said = said(self.vendor, change);
            match (&change.known, said) {
                (Some(known), Some(start)) => {
                    self.canonical.insert(change.id.clone(), start);
                    self.known.insert(change.id.clone(), known.clone());
                }
                (None, None) => {
                    self.canonical.remove(&change.id);
                    self.known.remove(&change.id);
                }
                (known, said) => panic!("{} is known as {known:?} and says {said:?}", change.id),
            }
        }
        for id in &outcome.missing {
            let known = self.known.get_mut(id).expect("held is known");
            known.missing_since = known.missing_since.or(Some(at(self.now)));
        }
        for id in &outcome.found {
            self.known.get_mut(id).expect("found is known").missing_since = None;
        }
        for id in &outcome.past {
            self.known.remove(id);
        }
        self.cursor.clone_from(&outcome.cursor);
        self.full_due = if outcome.complete { false } else { self.full_due || !outcome.missing.is_empty() };
    }

    /// Rounds without misbehaviour, full ones among them, until nothing is held.
    fn settle(&mut self, server: &mut Server) {
        server.faults.clear();
        for _ in 0..2 {
            self.full_due = true;
            for _ in 0..5 {
                self.round(server).expect("a good round");
            }
        }
        assert!(!self.full_due, "something is still held");
    }

    fn assert_shows(&self, server: &Server) {
        assert_eq!(self.canonical, server.busy());
    }
}

/// When it is that a change says; not at all, if it takes no time.
fn said(vendor: Vendor, change: &Change) -> Option<i64> {
    let source = "files".parse().expect("a name");
    let mut records = crate::poll::records(vendor, &source, "anna", std::slice::from_ref(change), None, at(MONDAY));
    let (record, body) = records.next().expect("a record");
    assert_eq!(record.event.content_type, "text/calendar");
    let wanted = Wanted { from: at(0), to: at(1), zone: None };
    let calendar = read(&body, &wanted, || true).expect("a calendar");
    assert_eq!((calendar.events.len(), calendar.faults.len()), (1, 0));
    let event = &calendar.events[0];
    assert_eq!(event.id.to_string(), change.id);
    event.times.filter(|_| event.takes_time).map(|times| times.start.micros() / 1_000_000)
}

const BOTH: [Vendor; 2] = [Vendor::CalDav, Vendor::Feed];

#[test]
fn the_first_round_finds_everything_and_the_next_only_what_has_changed() {
    for vendor in BOTH {
        let (mut server, mut reader) = (Server::default(), Reader::new(vendor));
        server.put("one", MONDAY, None);
        server.put("far", MONDAY + 400 * DAY, None);
        server.put("days", MONDAY, Some(4));
        server.put("other", MONDAY, Some(6));
        let outcome = reader.round(&mut server).expect("a round");
        assert_eq!(ids(&outcome, Job::NewAppointmentSync).len(), 11, "{vendor:?}");
        let calls = reader.calls;
        assert_eq!(reader.round(&mut server).expect("a round").changes, []);
        assert_eq!(reader.calls, calls + 1, "it costs one call to hear that nothing has changed");
        server.put("one", MONDAY + 7_200, None);
        server.except("days", 1, None);
        server.except("other", 2, Some(3_600));
        let outcome = reader.round(&mut server).expect("a round");
        let moved = format!("other/{}", basic(MONDAY + 2 * DAY));
        assert_eq!(ids(&outcome, Job::UpdateSync), ["one".to_owned(), moved], "{vendor:?}");
        assert_eq!(ids(&outcome, Job::CancellationSync), [format!("days/{}", basic(MONDAY + DAY))], "{vendor:?}");
        server.change("one", |one| one.free = true);
        let outcome = reader.round(&mut server).expect("a round");
        assert_eq!(ids(&outcome, Job::CancellationSync), ["one"], "{vendor:?}");
    }
}

#[test]
fn a_server_without_a_feed_of_changes_is_listed_each_time() {
    let mut server = Server { without_feed: true, ..Server::default() };
    let mut reader = Reader::new(Vendor::CalDav);
    server.put("one", MONDAY, None);
    assert_eq!(reader.round(&mut server).expect("a round").changes.len(), 1);
    assert_eq!(reader.cursor, None);
    server.delete("one");
    let outcome = reader.round(&mut server).expect("a round");
    assert_eq!(ids(&outcome, Job::CancellationSync), ["one"]);
}

#[test]
fn what_a_file_lacks_is_believed_to_be_gone_when_a_later_one_lacks_it_too() {
    let (mut server, mut reader) = (Server::default(), Reader::new(Vendor::Feed));
    (0..10).for_each(|number| server.put(&format!("e{number}"), MONDAY + number * 3_600, None));
    server.put("days", MONDAY, Some(4));
    reader.round(&mut server).expect("a round");
    for fault in [Fault::Nothing, Fault::Half, Fault::Halved, Fault::Page] {
        reader.full_due = true;
        server.faults = [fault].into();
        if let Ok(outcome) = reader.round(&mut server) {
            assert_eq!(outcome.changes, [], "{fault:?}");
        }
        reader.round(&mut server).expect("a round");
    }
    reader.assert_shows(&server);
    server.delete("e1");
    server.except("days", 1, None);
    let held = |outcome: Outcome| (outcome.changes.len(), outcome.missing.len());
    assert_eq!(held(reader.round(&mut server).expect("a round")), (1, 1), "a series that is there says so itself");
    assert_eq!(held(reader.round(&mut server).expect("a round")), (0, 1));
    assert_eq!(held(reader.round(&mut server).expect("a round")), (1, 0));
    reader.assert_shows(&server);
}

#[test]
fn an_instance_that_is_gone_is_held_where_its_series_does_not_say_when_it_was_changed() {
    let (mut server, mut reader) = (Server::default(), Reader::new(Vendor::Feed));
    server.put("daily", MONDAY, Some(4));
    reader.round(&mut server).expect("a round");
    // Moved by an hour, all of it; and then the file of before comes again.
    server.put("daily", MONDAY + 3_600, Some(4));
    server.before = Some(calendar(&server.objects["daily"].write("daily")));
    server.except("daily", 1, None);
    let held = |outcome: Outcome| (ids(&outcome, Job::CancellationSync).len(), outcome.missing.len());
    assert_eq!(held(reader.round(&mut server).expect("a round")), (0, 4));
    server.faults = [Fault::Replayed].into();
    assert_eq!(held(reader.round(&mut server).expect("a round")), (0, 4));
    reader.settle(&mut server);
    reader.assert_shows(&server);
}

#[test]
fn an_old_file_that_is_served_again_takes_nothing_back() {
    let (mut server, mut reader) = (Server::default(), Reader::new(Vendor::Feed));
    // Of these, the server says when they were changed.
    (0..8).for_each(|number| server.put(&format!("e{number}"), MONDAY + number * 3_600, None));
    server.put("e8", MONDAY, None);
    reader.round(&mut server).expect("a round");
    server.put("e1", MONDAY + 20 * 3_600, None);
    server.put("e9", MONDAY + 21 * 3_600, None);
    reader.round(&mut server).expect("a round");
    server.faults = [Fault::Replayed].into();
    assert_eq!(reader.round(&mut server).expect("a round").changes, []);
    reader.settle(&mut server);
    reader.assert_shows(&server);
    // What was really put back is believed in the end.
    server.change("e1", |object| object.start = MONDAY);
    server.objects.get_mut("e1").expect("it is there").changed = 1;
    reader.settle(&mut server);
    reader.assert_shows(&server);
}

#[test]
fn what_cannot_be_read_goes_on_once_and_costs_nothing_else() {
    let context = Context {
        calendar: "anna",
        window: Window { from: at(MONDAY - DAY), to: at(MONDAY + DAY) },
        zone: None,
        root: "",
    };
    let start = basic(MONDAY);
    let body = calendar(&format!(
        "BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Nowhere:20260302T090000\r\nSUMMARY:Her knee\r\nEND:VEVENT\r\n\
         BEGIN:VEVENT\r\nUID:b\r\nDTSTART:{start}\r\nDURATION:PT1H\r\nEND:VEVENT\r\n"
    ));
    let told = Told { status: 200, retry_after: None, etag: None, now: at(MONDAY), body: body.as_bytes() };
    let mut known = BTreeMap::new();
    for expected in [vec!["a", "b"], vec![]] {
        let mut round = Round::new(Vendor::Feed, known.clone(), None, context.window, at(MONDAY), BELIEVE_AFTER);
        let ask = Ask::Whole { cursor: None };
        round.answer(Vendor::Feed.read(&ask, &context, &told, &mut || true)).expect("taken");
        let outcome = round.finish();
        assert_eq!(ids(&outcome, Job::NewAppointmentSync), expected);
        assert!(outcome.changes.iter().all(|change| !change.body.to_string().contains("knee")));
        known.extend(outcome.changes.into_iter().filter_map(|change| Some((change.id, change.known?))));
    }
}

#[test]
fn only_paths_below_our_address_are_taken() {
    let window = Window { from: at(MONDAY), to: at(MONDAY + DAY) };
    let context = Context { calendar: "anna", window, zone: None, root: "/dav" };
    let read = |href: &str| {
        let body = format!(
            "<multistatus xmlns=\"DAV:\"><response><href>{href}</href><status>HTTP/1.1 404 Not Found</status></response><sync-token>t</sync-token></multistatus>"
        );
        let told = Told { status: 207, retry_after: None, etag: None, now: at(0), body: body.as_bytes() };
        let ask = Ask::Changes { cursor: "- t".to_owned(), page: None };
        Vendor::CalDav.read(&ask, &context, &told, &mut || true)
    };
    let Answer::Page(page) = read("/dav/anna/b%20c.ics") else { panic!("a page") };
    assert_eq!(page.items[0].id, "/anna/b c.ics");
    assert_eq!(page.cursor.as_deref(), Some("- t"));
    let asked = Vendor::CalDav.request(&Ask::One { id: page.items[0].id.clone() }, &context);
    assert_eq!(asked.path, "/anna/b%20c.ics");
    for other in ["/other/b.ics", "/davos/b.ics", "https://elsewhere.example", "b.ics"] {
        assert_eq!(read(other), Answer::Setback(Setback::Later(None)), "{other}");
    }
}

#[test]
fn the_zone_that_a_collection_has_is_that_of_its_days_in_later_rounds_too() {
    let window = Window { from: at(MONDAY - DAY), to: at(MONDAY + 3 * DAY) };
    let zone = "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:Asia/Tokyo\r\nEND:VTIMEZONE\r\nEND:VCALENDAR\r\n";
    let body = format!(
        "<multistatus xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><response><href>/anna/</href><propstat><prop><sync-token>t 1</sync-token>\
         <resourcetype><C:calendar/></resourcetype><C:calendar-timezone>{zone}</C:calendar-timezone></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"
    );
    let context = Context { calendar: "anna", window, zone: None, root: "" };
    let told = Told { status: 207, retry_after: None, etag: None, now: at(0), body: body.as_bytes() };
    let answer = Vendor::CalDav.read(&Ask::Mark { page: None }, &context, &told, &mut || true);
    let mut round = Round::new(Vendor::CalDav, BTreeMap::new(), None, window, at(MONDAY), BELIEVE_AFTER);
    round.answer(answer).expect("taken");
    assert_eq!(round.zone(), Some("Asia/Tokyo"));
    let cursor = "Asia/Tokyo t 1".to_owned();
    let round = Round::new(Vendor::CalDav, BTreeMap::new(), Some(cursor.clone()), window, at(MONDAY), BELIEVE_AFTER);
    assert_eq!(round.zone(), Some("Asia/Tokyo"));
    let asked = Vendor::CalDav.request(&Ask::Changes { cursor, page: None }, &context);
    assert!(asked.body.expect("a body").contains("<d:sync-token>t 1</d:sync-token>"));
}

#[test]
fn each_setback_asks_for_what_it_can_be_helped_by() {
    let context = Context { calendar: "anna", window: Window { from: at(0), to: at(DAY) }, zone: None, root: "" };
    let read = |vendor: Vendor, ask: &Ask, status| {
        let told = Told { status, retry_after: None, etag: None, now: at(0), body: b"" };
        vendor.read(ask, &context, &told, &mut || true)
    };
    let (later, refused, denied) =
        (Answer::Setback(Setback::Later(None)), Answer::Setback(Setback::Refused), Answer::Setback(Setback::Denied));
    let (whole, fresh) = (Ask::Whole { cursor: Some("h".to_owned()) }, Ask::Whole { cursor: None });
    for (status, answer) in [
        (304, &Answer::Same),
        (401, &denied),
        (403, &denied),
        (404, &refused),
        (302, &refused),
        (500, &later),
        (200, &later),
    ] {
        assert_eq!(read(Vendor::Feed, &whole, status), *answer, "{status}");
    }
    assert_eq!(read(Vendor::Feed, &fresh, 304), later);
    let changes = Ask::Changes { cursor: "- t".to_owned(), page: None };
    let (listing, one) = (Ask::Listing { page: None }, Ask::One { id: "/anna/a.ics".to_owned() });
    for (ask, status, answer) in [
        (&changes, 403, &Answer::Expired),
        (&changes, 409, &Answer::Expired),
        (&changes, 501, &Answer::Expired),
        (&changes, 401, &denied),
        (&changes, 207, &later),
        (&changes, 503, &later),
        (&listing, 404, &refused),
        (&listing, 403, &refused),
        (&listing, 200, &later),
        (&one, 404, &Answer::Gone),
        (&one, 403, &refused),
        (&one, 429, &later),
    ] {
        assert_eq!(read(Vendor::CalDav, ask, status), *answer, "{ask:?} {status}");
    }
}

/// What happens in the calendar.
#[derive(Debug, Clone)]
enum Edit {
    Put(u8, i64, Option<i64>),
    Except(u8, i64, Option<i64>),
    Free(u8, bool),
    Delete(u8),
    Many(bool),
}

impl Edit {
    fn at(&self, server: &mut Server) {
        // Every second one says when it was changed.
        let name = |number: &u8| if number.is_multiple_of(2) { format!("e{number}") } else { format!("ev{number}") };
        match self {
            Self::Put(number, hour, count) => server.put(&name(number), MONDAY + hour * 3_600, *count),
            Self::Except(number, day, later) => {
                server.except(&name(number), *day, *later);
            }
            Self::Free(number, free) => {
                if server.objects.contains_key(&name(number)) {
                    server.change(&name(number), |object| object.free = *free);
                }
            }
            Self::Delete(number) => server.delete(&name(number)),
            Self::Many(there) => {
                for number in 100..125_u8 {
                    if *there {
                        server.put(&name(&number), MONDAY + i64::from(number - 100) * 3_600, None);
                    } else {
                        server.delete(&name(&number));
                    }
                }
            }
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let number = 0..8_u8;
    prop_oneof![
        5 => (number.clone(), 0..200_i64, prop::option::of(1..9_i64)).prop_map(|(number, hour, count)| Edit::Put(number, hour, count)),
        3 => (number.clone(), 0..9_i64, prop::option::of(-7_200..7_200_i64)).prop_map(|(number, day, later)| Edit::Except(number, day, later)),
        1 => (number.clone(), any::<bool>()).prop_map(|(number, free)| Edit::Free(number, free)),
        3 => number.prop_map(Edit::Delete),
        1 => any::<bool>().prop_map(Edit::Many),
    ]
}

/// A round: edits before it, faults at some of its answers, edits between them, and whether it is full.
type Turn = (Vec<Edit>, Vec<Option<Fault>>, Vec<(usize, Edit)>, bool);

fn turn() -> impl Strategy<Value = Turn> {
    (
        prop::collection::vec(edit(), 0..4),
        prop::collection::vec(prop::option::weighted(0.25, prop::sample::select(FAULTS.to_vec())), 0..8),
        prop::collection::vec((1..12_usize, edit()), 0..3),
        prop::bool::weighted(0.2),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever happens in the calendar, and however it is answered for: once it is quiet, what was sent on is what is there.
    #[test]
    fn once_it_is_quiet_what_was_sent_on_is_what_is_there(
        vendor in prop::sample::select(BOTH.to_vec()),
        without_feed in prop::bool::weighted(0.2),
        turns in prop::collection::vec(turn(), 1..12),
    ) {
        let mut server = Server { without_feed, ..Server::default() };
        let mut reader = Reader::new(vendor);
        // One answer that lacks something without saying so is survived. Two that agree are the truth, for all that anybody knows.
        let mut silent = 0;
        let mut once = |fault: Fault| {
            silent += usize::from(matches!(fault, Fault::Half | Fault::Nothing | Fault::Replayed));
            if vendor == Vendor::Feed && silent > 1 { Fault::Away } else { fault }
        };
        for (before, faults, during, full) in turns {
            let faults: Vec<_> = faults.into_iter().map(|fault| fault.map(&mut once)).collect();
            before.iter().for_each(|edit| edit.at(&mut server));
            let mut faults = faults.into_iter();
            server.faults = faults.next().flatten().into_iter().collect();
            reader.full_due |= full;
            let mut during = during;
            let _ = reader.round_with(&mut server, |answers, server| {
                during.retain(|(after, edit)| {
                    let due = *after == answers;
                    if due {
                        edit.at(server);
                    }
                    !due
                });
                server.faults = faults.next().flatten().into_iter().collect();
            });
        }
        reader.settle(&mut server);
        reader.assert_shows(&server);
    }
}
