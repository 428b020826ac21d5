//! Rounds against a calendar that changes, and a vendor that misbehaves.

// The same as the pipeline's tests have, there behind HTTP.
#[path = "../../../../tests/src/calendar/mod.rs"]
#[allow(dead_code, unused_imports, reason = "whoever writes to calendars has other stories to tell with it")]
mod calendar;
mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use daybook_domain::{SourceName, Timestamp};
use expect_test::expect;
use proptest::prelude::*;
use serde_json::{Value, json};

use self::calendar::{Calendar, Dialect, Fault};
use super::*;

const DAY: i64 = 24 * 3_600;
/// A Monday at midnight, and the beginning of the window's middle.
const MONDAY: i64 = 1_772_409_600;
const BELIEVE_AFTER: Duration = Duration::from_secs(600);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).expect("a time")
}

/// What a process keeps of a calendar between rounds, and what came of all that it sent on.
struct Reader {
    vendor: Vendor,
    known: BTreeMap<String, Known>,
    cursor: Option<String>,
    now: i64,
    full_due: bool,
    canonical: BTreeMap<String, (Timestamp, Timestamp)>,
    sent: usize,
}

impl Reader {
    fn new() -> Self {
        Self::of(Dialect::Google)
    }

    fn of(dialect: Dialect) -> Self {
        let (known, canonical) = (BTreeMap::new(), BTreeMap::new());
        let vendor = match dialect {
            Dialect::Google => Vendor::Google,
            Dialect::Graph => Vendor::Graph,
        };
        Self { vendor, known, cursor: None, now: MONDAY, full_due: true, canonical, sent: 0 }
    }

    /// One round; `meanwhile` happens after so many answers.
    fn round_with(
        &mut self,
        vendor: &mut Calendar,
        mut meanwhile: impl FnMut(usize, &mut Calendar),
    ) -> Result<Outcome, Setback> {
        self.now += 300;
        let window = Window { from: at(MONDAY - 10 * DAY), to: at(MONDAY + 20 * DAY) };
        let cursor = self.cursor.clone().filter(|_| !self.full_due);
        let mut round = Round::new(self.vendor, self.known.clone(), cursor, window, at(self.now), BELIEVE_AFTER);
        let mut answers = 0;
        let mut always = vendor.busy();
        while let Some(ask) = round.next() {
            let context = Context { calendar: "anna@example.com", window: round.window(), zone: None, root: "" };
            let (status, wait, body) = vendor.answer(&self.vendor.request(ask, &context).path);
            let (retry_after, now, body) = (wait.as_deref(), at(self.now), body.as_bytes());
            let told = Told { status, retry_after, etag: None, now, body };
            let answer = self.vendor.read(ask, &context, &told, &mut || true);
            round.answer(answer)?;
            answers += 1;
            meanwhile(answers, vendor);
            let busy = vendor.busy();
            always.retain(|id, _| busy.contains_key(id));
        }
        let outcome = round.finish();
        for id in ids(&outcome, Job::CancellationSync) {
            assert!(!always.contains_key(id), "{id} was cancelled, and was there all the time");
        }
        self.keep(&outcome);
        Ok(outcome)
    }

    fn round(&mut self, vendor: &mut Calendar) -> Result<Outcome, Setback> {
        self.round_with(vendor, |_, _| {})
    }

    fn keep(&mut self, outcome: &Outcome) {
        for change in &outcome.changes {
            self.sent += 1;
            let busy = match self.vendor {
                Vendor::Google => daybook_format::google::takes_time(&change.body),
                Vendor::Graph => daybook_format::outlook::takes_time(&change.body),
                Vendor::CalDav | Vendor::Feed => panic!("no dialect of this calendar"),
            };
            match (&change.known, busy) {
                (Some(known), true) => {
                    self.canonical.insert(change.id.clone(), span(&change.body));
                    self.known.insert(change.id.clone(), known.clone());
                }
                (None, false) => {
                    assert!(self.canonical.remove(&change.id).is_some(), "{} was never sent", change.id);
                    self.known.remove(&change.id);
                }
                (known, busy) => panic!("{} is known as {known:?} and busy is {busy}", change.id),
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
    fn settle(&mut self, vendor: &mut Calendar) {
        vendor.faults.clear();
        for _ in 0..2 {
            self.round(vendor).expect("a good round");
            self.full_due = true;
            for _ in 0..4 {
                self.round(vendor).expect("a good round");
            }
        }
        assert!(!self.full_due, "something is still held");
    }

    fn assert_shows(&self, vendor: &Calendar) {
        let truth = vendor.busy().into_iter().map(|(id, (start, end))| (id, (at(start), at(end))));
        let truth: BTreeMap<_, _> = truth.collect();
        assert_eq!(self.canonical, truth);
    }
}

fn span(event: &Value) -> (Timestamp, Timestamp) {
    // With an offset, or in UTC without one.
    let time = |name: &str| {
        let text = event[name]["dateTime"].as_str().expect("a time");
        text.parse().or_else(|_| format!("{text}Z").parse()).expect("a time")
    };
    (time("start"), time("end"))
}

fn ids(outcome: &Outcome, job: Job) -> Vec<&str> {
    outcome.changes.iter().filter(|change| change.job == job).map(|change| change.id.as_str()).collect()
}

/// A calendar of sixty events that has been read.
fn crowded() -> (Calendar, Reader) {
    let (mut vendor, mut reader) = (Calendar::new(Dialect::Google), Reader::new());
    for number in 0..60 {
        vendor.put(&format!("e{number:02}"), MONDAY + number * 3_600, MONDAY + number * 3_600 + 1_800);
    }
    reader.round(&mut vendor).expect("a round");
    (vendor, reader)
}

#[test]
fn the_first_round_finds_everything_in_the_window_and_the_next_only_what_has_changed() {
    let (mut vendor, mut reader) = (Calendar::new(Dialect::Google), Reader::new());
    vendor.put("one", MONDAY, MONDAY + 3_600);
    vendor.attend("one", "jane@example.com");
    vendor.put("far", MONDAY + 400 * DAY, MONDAY + 400 * DAY + 60);
    vendor.series("daily", MONDAY, MONDAY + 1_800, 4);
    let outcome = reader.round(&mut vendor).expect("a round");
    assert_eq!(ids(&outcome, Job::NewAppointmentSync).len(), 5);
    assert!(outcome.complete && outcome.cursor.is_some());
    let one = outcome.changes.iter().find(|change| change.id == "one").expect("it is there");
    assert_eq!(one.body["attendees"][0]["email"], "jane@example.com");
    assert_eq!(reader.round(&mut vendor).expect("a round").changes, []);
    vendor.put("one", MONDAY + 7_200, MONDAY + 9_000);
    vendor.put("two", MONDAY + DAY, MONDAY + DAY + 60);
    let outcome = reader.round(&mut vendor).expect("a round");
    assert_eq!(ids(&outcome, Job::UpdateSync), ["one"]);
    assert_eq!(ids(&outcome, Job::NewAppointmentSync), ["two"]);
    assert!(!outcome.complete);
}

#[test]
fn of_a_series_only_the_instances_change_that_have_changed() {
    let (mut vendor, mut reader) = (Calendar::new(Dialect::Google), Reader::new());
    vendor.series("daily", MONDAY, MONDAY + 1_800, 5);
    reader.round(&mut vendor).expect("a round");
    vendor.except("daily", 1, None);
    vendor.except("daily", 3, Some(3_600));
    let outcome = reader.round(&mut vendor).expect("a round");
    assert_eq!(ids(&outcome, Job::CancellationSync), [format!("daily_{}", MONDAY + DAY)]);
    assert_eq!(ids(&outcome, Job::UpdateSync), [format!("daily_{}", MONDAY + 3 * DAY)]);
    assert_eq!(outcome.changes.len(), 2);
    // Shortened, moved as a whole, and deleted.
    vendor.series("daily", MONDAY + 3_600, MONDAY + 5_400, 2);
    reader.round(&mut vendor).expect("a round");
    reader.assert_shows(&vendor);
    vendor.delete("daily");
    assert_eq!(reader.round(&mut vendor).expect("a round").changes.len(), 2);
    reader.assert_shows(&vendor);
}

#[test]
fn a_series_that_is_split_keeps_its_instances_by_their_own_ids() {
    let (mut vendor, mut reader) = (Calendar::new(Dialect::Google), Reader::new());
    vendor.series("weekly", MONDAY, MONDAY + 1_800, 6);
    reader.round(&mut vendor).expect("a round");
    vendor.split("weekly", 3);
    assert_eq!(ids(&reader.round(&mut vendor).expect("a round"), Job::CancellationSync), [""; 0]);
    vendor.delete("weekly");
    assert_eq!(ids(&reader.round(&mut vendor).expect("a round"), Job::CancellationSync).len(), 3);
    reader.assert_shows(&vendor);
}

#[test]
fn whoever_is_invited_to_some_instances_only_has_these() {
    for dialect in [Dialect::Google, Dialect::Graph] {
        let (mut vendor, mut reader) = (Calendar::new(dialect), Reader::of(dialect));
        vendor.put("one", MONDAY, MONDAY + 60);
        reader.round(&mut vendor).expect("a round");
        vendor.invite("theirs", MONDAY, MONDAY + 1_800, 3);
        let outcome = reader.round(&mut vendor).expect("a round");
        assert_eq!(ids(&outcome, Job::NewAppointmentSync).len(), 3, "{dialect:?}");
        vendor.except("theirs", 1, Some(3_600));
        vendor.except("theirs", 2, None);
        reader.round(&mut vendor).expect("a round");
        reader.assert_shows(&vendor);
        vendor.delete("theirs");
        reader.round(&mut vendor).expect("a round");
        reader.assert_shows(&vendor);
    }
}

#[test]
fn two_bad_listings_in_a_row_of_a_series_cancel_none_of_it() {
    let (mut vendor, mut reader) = (Calendar::new(Dialect::Google), Reader::new());
    vendor.series("daily", MONDAY, MONDAY + 1_800, 6);
    reader.round(&mut vendor).expect("a round");
    vendor.except("daily", 1, Some(600));
    // The feed is sound; whatever is listed then is not.
    let outcome = reader.round_with(&mut vendor, |_, vendor| vendor.faults = [Fault::Nothing].into()).expect("a round");
    assert_eq!(ids(&outcome, Job::CancellationSync), [""; 0]);
}

#[test]
fn while_much_is_held_what_is_missed_for_the_first_time_does_not_make_it_wait() {
    let (mut vendor, mut reader) = crowded();
    (0..30).for_each(|number| vendor.delete(&format!("e{number:02}")));
    let mut cancelled = Vec::new();
    for number in 30..34 {
        let outcome = reader.round(&mut vendor).expect("a round");
        cancelled.push(ids(&outcome, Job::CancellationSync).len());
        vendor.delete(&format!("e{number}"));
    }
    // Ten minutes after they were missed first, whatever has come since; and then that.
    assert_eq!(cancelled, [0, 0, 30, 3]);
}

#[test]
fn an_event_whose_id_nobody_takes_costs_no_other_anything() {
    let event = |id: &str| json!({"kind": "calendar#event", "id": id, "start": {"date": "2026-03-04"}, "end": {"date": "2026-03-05"}});
    let page = json!({"kind": "calendar#events", "items": [event(&"x".repeat(513)), event("e1")]}).to_string();
    let Answer::Page(page) = google::read(&Ask::Listing { page: None }, 200, None, at(0), page.as_bytes()) else {
        panic!("a page");
    };
    assert_eq!((page.items.len(), page.skipped), (1, 1));
}

#[test]
fn what_is_asked_is_what_the_vendors_document() {
    let window = Window { from: at(MONDAY), to: at(MONDAY + DAY) };
    let asks = [
        Ask::Mark { page: None },
        Ask::Changes { cursor: "c=1".to_owned(), page: None },
        Ask::Listing { page: Some("p 2".to_owned()) },
        Ask::Instances { series: "s/1".to_owned(), page: None },
        Ask::One { id: "e1".to_owned() },
    ];
    let context = Context { calendar: "anna@example.com", window, zone: None, root: "" };
    let google: Vec<String> = asks.iter().map(|ask| Vendor::Google.request(ask, &context).path).collect();
    expect![[r#"
        /calendar/v3/calendars/anna%40example.com/events?maxResults=2500&prettyPrint=false&fields=kind%2CnextPageToken%2CnextSyncToken
        /calendar/v3/calendars/anna%40example.com/events?maxResults=100&prettyPrint=false&fields=kind%2CtimeZone%2CnextPageToken%2CnextSyncToken%2Citems%28kind%2Cid%2Cstatus%2CiCalUID%2Cstart%2Cend%2Cupdated%2Csequence%2Ctransparency%2CeventType%2CrecurringEventId%2Crecurrence%2Cattendees%28email%2Cself%2CresponseStatus%29%2CextendedProperties%2Fprivate%29&syncToken=c%3D1
        /calendar/v3/calendars/anna%40example.com/events?maxResults=100&prettyPrint=false&fields=kind%2CtimeZone%2CnextPageToken%2CnextSyncToken%2Citems%28kind%2Cid%2Cstatus%2CiCalUID%2Cstart%2Cend%2Cupdated%2Csequence%2Ctransparency%2CeventType%2CrecurringEventId%2Crecurrence%2Cattendees%28email%2Cself%2CresponseStatus%29%2CextendedProperties%2Fprivate%29&singleEvents=true&timeMin=2026-03-02T00%3A00%3A00Z&timeMax=2026-03-03T00%3A00%3A00Z&pageToken=p%202
        /calendar/v3/calendars/anna%40example.com/events/s%2F1/instances?maxResults=100&prettyPrint=false&fields=kind%2CtimeZone%2CnextPageToken%2CnextSyncToken%2Citems%28kind%2Cid%2Cstatus%2CiCalUID%2Cstart%2Cend%2Cupdated%2Csequence%2Ctransparency%2CeventType%2CrecurringEventId%2Crecurrence%2Cattendees%28email%2Cself%2CresponseStatus%29%2CextendedProperties%2Fprivate%29&timeMin=2026-03-02T00%3A00%3A00Z&timeMax=2026-03-03T00%3A00%3A00Z
        /calendar/v3/calendars/anna%40example.com/events/e1?fields=kind%2Cid%2Cstatus%2CiCalUID%2Cstart%2Cend%2Cupdated%2Csequence%2Ctransparency%2CeventType%2CrecurringEventId%2Crecurrence%2Cattendees%28email%2Cself%2CresponseStatus%29%2CextendedProperties%2Fprivate"#]].assert_eq(&google.join("\n"));
    let graph: Vec<String> = asks.iter().map(|ask| Vendor::Graph.request(ask, &context).path).collect();
    expect![[r#"
        /v1.0/users/anna%40example.com/calendarView/delta?startDateTime=2026-03-02T00%3A00%3A00Z&endDateTime=2026-03-03T00%3A00%3A00Z
        c=1
        p 2
        /v1.0/users/anna%40example.com/events/s%2F1/instances?startDateTime=2026-03-02T00%3A00%3A00Z&endDateTime=2026-03-03T00%3A00%3A00Z&$top=100&$select=attendees,end,iCalUId,id,isAllDay,isCancelled,lastModifiedDateTime,originalStartTimeZone,responseStatus,seriesMasterId,showAs,start,transactionId,type
        /v1.0/users/anna%40example.com/events/e1?$select=attendees,end,iCalUId,id,isAllDay,isCancelled,lastModifiedDateTime,originalStartTimeZone,responseStatus,seriesMasterId,showAs,start,transactionId,type"#]].assert_eq(&graph.join("\n"));
}

#[test]
fn a_series_of_which_a_single_event_is_left_and_one_that_a_single_event_becomes_keep_no_ghosts() {
    let (mut vendor, mut reader) = (Calendar::new(Dialect::Google), Reader::new());
    vendor.series("event", MONDAY, MONDAY + 1_800, 3);
    reader.round(&mut vendor).expect("a round");
    vendor.put("event", MONDAY, MONDAY + 1_800);
    reader.settle(&mut vendor);
    reader.assert_shows(&vendor);
    vendor.series("event", MONDAY, MONDAY + 1_800, 3);
    reader.round(&mut vendor).expect("a round");
    reader.assert_shows(&vendor);
}

#[test]
fn nothing_is_cancelled_by_an_answer_that_is_empty_halved_or_half() {
    let (mut vendor, mut reader) = crowded();
    for fault in [Fault::Nothing, Fault::Half, Fault::Halved, Fault::Error, Fault::Empty] {
        reader.full_due = true;
        // Every page of everything that is asked.
        vendor.faults = vec![fault; 40].into();
        if let Ok(outcome) = reader.round(&mut vendor) {
            assert_eq!(ids(&outcome, Job::CancellationSync), [""; 0], "{fault:?}");
        }
        vendor.faults.clear();
    }
    reader.settle(&mut vendor);
    assert_eq!(reader.sent, 60, "nothing was sent but what was new");
}

#[test]
fn more_than_anybody_cancels_at_once_is_held_until_a_later_listing_misses_it_too() {
    let (mut vendor, mut reader) = crowded();
    for number in 0..50 {
        vendor.delete(&format!("e{number:02}"));
    }
    // The feed says it, and so does the first listing, five minutes later.
    for _ in 0..2 {
        let outcome = reader.round(&mut vendor).expect("a round");
        assert_eq!((outcome.changes.len(), outcome.missing.len(), outcome.complete), (0, 50, false));
    }
    let outcome = reader.round(&mut vendor).expect("a round");
    assert_eq!((ids(&outcome, Job::CancellationSync).len(), outcome.complete), (50, true));
    reader.assert_shows(&vendor);
}

#[test]
fn what_is_held_and_comes_back_is_never_cancelled() {
    let (mut vendor, mut reader) = crowded();
    for number in 0..50 {
        vendor.delete(&format!("e{number:02}"));
    }
    assert_eq!(reader.round(&mut vendor).expect("a round").missing.len(), 50);
    for number in 0..50 {
        vendor.put(&format!("e{number:02}"), MONDAY + number * 3_600, MONDAY + number * 3_600 + 1_800);
    }
    let outcome = reader.round(&mut vendor).expect("a round");
    assert_eq!((outcome.changes.len(), outcome.found.len(), outcome.complete), (0, 50, true));
}

#[test]
fn an_old_page_that_is_played_again_changes_nothing() {
    let (mut vendor, mut reader) = (Calendar::new(Dialect::Google), Reader::new());
    vendor.put("one", MONDAY, MONDAY + 3_600);
    vendor.put("two", MONDAY + DAY, MONDAY + DAY + 60);
    reader.round(&mut vendor).expect("a round");
    let cursor = reader.cursor.clone();
    vendor.put("one", MONDAY + 7_200, MONDAY + 9_000);
    vendor.delete("two");
    reader.round(&mut vendor).expect("a round");
    vendor.put("one", MONDAY + 10_800, MONDAY + 12_600);
    vendor.put("two", MONDAY + DAY, MONDAY + DAY + 60);
    reader.round(&mut vendor).expect("a round");
    reader.cursor = cursor;
    vendor.faults = [Fault::Replayed].into();
    assert_eq!(reader.round(&mut vendor).expect("a round").changes, []);
    reader.assert_shows(&vendor);
}

#[test]
fn a_place_in_the_feed_that_was_forgotten_costs_a_listing_and_no_event() {
    let (mut vendor, mut reader) = (Calendar::new(Dialect::Google), Reader::new());
    vendor.put("one", MONDAY, MONDAY + 3_600);
    vendor.put("two", MONDAY + DAY, MONDAY + DAY + 60);
    reader.round(&mut vendor).expect("a round");
    vendor.delete("two");
    vendor.faults = [Fault::Expired].into();
    let outcome = reader.round(&mut vendor).expect("a round");
    assert_eq!((ids(&outcome, Job::CancellationSync), outcome.changes.len()), (vec!["two"], 1));
    assert!(outcome.complete);
}

#[test]
fn what_microsoft_calls_removed_is_asked_for_by_its_id_before_it_is_believed() {
    let (mut vendor, mut reader) = (Calendar::new(Dialect::Graph), Reader::of(Dialect::Graph));
    vendor.put("one", MONDAY, MONDAY + 3_600);
    vendor.put("two", MONDAY + DAY, MONDAY + DAY + 60);
    vendor.series("daily", MONDAY, MONDAY + 1_800, 4);
    assert_eq!(ids(&reader.round(&mut vendor).expect("a round"), Job::NewAppointmentSync).len(), 6);
    // Out of the window, and really gone: the feed says the same of both.
    vendor.put("one", MONDAY + 400 * DAY, MONDAY + 400 * DAY + 60);
    vendor.delete("two");
    vendor.except("daily", 2, None);
    let outcome = reader.round(&mut vendor).expect("a round");
    assert_eq!(ids(&outcome, Job::UpdateSync), ["one"]);
    assert_eq!(ids(&outcome, Job::CancellationSync), [format!("daily_{}", MONDAY + 2 * DAY), "two".to_owned()]);
    reader.assert_shows(&vendor);
}

#[test]
fn links_lead_into_the_api_and_nowhere_else() {
    let read = |link: &str| {
        let page = json!({"value": [], "@odata.nextLink": link}).to_string();
        graph::read(&Ask::Listing { page: None }, 200, None, at(0), page.as_bytes())
    };
    let Answer::Page(page) = read("https://graph.microsoft.com/v1.0/users/a/calendarView?$skip=10") else {
        panic!("a page")
    };
    assert_eq!(page.next.as_deref(), Some("/v1.0/users/a/calendarView?$skip=10"));
    for link in [
        "https://graph.microsoft.com/beta/x",
        "/v1.0/x",
        "https://host",
        "https://h/v1.0/../admin",
        "https://h/v1.0/a b",
    ] {
        assert_eq!(read(link), Answer::Setback(Setback::Later(None)), "{link}");
    }
}

#[test]
fn each_setback_of_microsofts_asks_for_what_it_can_be_helped_by() {
    let changes = Ask::Changes { cursor: "/v1.0/x".to_owned(), page: None };
    let (listing, one) = (Ask::Listing { page: None }, Ask::One { id: "e1".to_owned() });
    let read = |ask: &Ask, status, wait: Option<&str>, code: &str| {
        let body = if code.is_empty() { String::new() } else { json!({"error": {"code": code}}).to_string() };
        graph::read(ask, status, wait, at(0), body.as_bytes())
    };
    let (later, refused) = (|wait| Answer::Setback(Setback::Later(wait)), Answer::Setback(Setback::Refused));
    assert_eq!(read(&changes, 410, None, ""), Answer::Expired);
    assert_eq!(read(&changes, 404, None, "SyncStateNotFound"), Answer::Expired);
    assert_eq!(read(&changes, 400, None, "ErrorInvalidParameter"), Answer::Expired);
    assert_eq!(read(&one, 404, None, "ErrorItemNotFound"), Answer::Gone);
    assert_eq!(read(&one, 404, None, ""), later(None));
    assert_eq!(read(&one, 404, None, "ErrorInvalidUser"), refused);
    assert_eq!(read(&listing, 404, None, "MailboxNotEnabledForRESTAPI"), refused);
    assert_eq!(read(&listing, 403, None, "ErrorAccessDenied"), refused);
    assert_eq!(read(&listing, 401, None, "InvalidAuthenticationToken"), Answer::Setback(Setback::Denied));
    assert_eq!(read(&listing, 429, Some("9"), "ApplicationThrottled"), later(Some(Duration::from_secs(9))));
    assert_eq!(read(&listing, 503, Some("2"), ""), later(Some(Duration::from_secs(2))));
    assert_eq!(read(&listing, 200, None, "UnknownError"), later(None));
}

#[test]
fn each_setback_of_googles_asks_for_what_it_can_be_helped_by() {
    let changes = Ask::Changes { cursor: "1|".to_owned(), page: None };
    let listing = Ask::Listing { page: None };
    let one = Ask::One { id: "e1".to_owned() };
    let read =
        |ask: &Ask, status, wait: Option<&str>, body: &str| google::read(ask, status, wait, at(0), body.as_bytes());
    let reason = |reason: &str| json!({"error": {"errors": [{"reason": reason}]}}).to_string();
    let later = |wait| Answer::Setback(Setback::Later(wait));
    assert_eq!(read(&changes, 410, None, "{}"), Answer::Expired);
    assert_eq!(read(&changes, 400, None, "{}"), Answer::Expired);
    assert_eq!(read(&listing, 410, None, "{}"), later(None));
    assert_eq!(read(&one, 404, None, "{}"), Answer::Gone);
    assert_eq!(read(&one, 404, None, "<html>"), later(None));
    assert_eq!(read(&listing, 404, None, "{}"), Answer::Setback(Setback::Refused));
    assert_eq!(read(&listing, 401, None, "{}"), Answer::Setback(Setback::Denied));
    assert_eq!(read(&listing, 403, None, &reason("forbidden")), Answer::Setback(Setback::Refused));
    for quota in ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"] {
        assert_eq!(read(&listing, 403, None, &reason(quota)), later(None));
    }
    assert_eq!(read(&listing, 403, None, "<html>"), later(None));
    assert_eq!(read(&listing, 429, Some("7"), "{}"), later(Some(Duration::from_secs(7))));
    assert_eq!(read(&listing, 503, None, ""), later(None));
    assert_eq!(read(&listing, 302, None, ""), later(None));
    // A 200 is read, not believed.
    for body in ["", "[]", "{}", r#"{"error": {}}"#, r#"{"kind": "calendar#events", "items": {}}"#] {
        assert_eq!(read(&listing, 200, None, body), later(None), "{body}");
    }
    let nameless = r#"{"kind": "calendar#events", "items": [{"status": "confirmed"}]}"#;
    assert_eq!(read(&listing, 200, None, nameless), later(None));
    assert_eq!(read(&changes, 200, None, r#"{"kind": "calendar#events", "items": []}"#), later(None));
    assert_eq!(read(&one, 200, None, r#"{"kind": "calendar#event", "id": "e2"}"#), later(None));
}

#[test]
fn only_what_is_used_is_kept_of_an_event() {
    let event = json!({"kind": "calendar#event", "id": "e1", "status": "confirmed", "summary": "Her knee", "location": "Ward 3",
        "start": {"dateTime": "2026-03-04T09:00:00Z"}, "end": {"dateTime": "2026-03-04T10:00:00Z"},
        "attendees": [{"email": "jane@example.com", "displayName": "Jane", "responseStatus": "accepted"},
            {"email": "anna@example.com", "self": true, "responseStatus": "accepted"}],
        "extendedProperties": {"private": {"daybook_booking_id": "x", "other": "y"}, "shared": {"z": "w"}}});
    let one = Ask::One { id: "e1".to_owned() };
    let Answer::Page(page) = google::read(&one, 200, None, at(0), event.to_string().as_bytes()) else {
        panic!("a page")
    };
    assert_eq!(
        page.items[0].body,
        json!({"id": "e1", "status": "confirmed", "start": {"dateTime": "2026-03-04T09:00:00Z"},
            "end": {"dateTime": "2026-03-04T10:00:00Z"}, "attendees": [{"email": "anna@example.com", "responseStatus": "accepted", "self": true}, {"email": "jane@example.com"}],
            "extendedProperties": {"private": {"daybook_booking_id": "x"}}})
    );
}

#[test]
fn a_calendar_that_moves_to_another_zone_has_other_days() {
    let day = |zone: &str| {
        let event = json!({"kind": "calendar#event", "id": "e1", "start": {"date": "2026-03-04"}, "end": {"date": "2026-03-05"}});
        let page = json!({"kind": "calendar#events", "timeZone": zone, "items": [event]}).to_string();
        google::read(&Ask::Listing { page: None }, 200, None, at(0), page.as_bytes())
    };
    let mark = || Answer::Page(Page { cursor: Some("1|".to_owned()), ..Page::default() });
    let mut reader = Reader::new();
    for (zone, changes) in [("Europe/Berlin", 1), ("Europe/Berlin", 0), ("Asia/Tokyo", 1)] {
        let window = Window { from: at(MONDAY - 10 * DAY), to: at(MONDAY + 20 * DAY) };
        let mut round = Round::new(Vendor::Google, reader.known.clone(), None, window, at(reader.now), BELIEVE_AFTER);
        round.answer(mark()).expect("taken");
        round.answer(day(zone)).expect("taken");
        let outcome = round.finish();
        assert_eq!(outcome.changes.len(), changes, "{zone}");
        reader
            .known
            .extend(outcome.changes.into_iter().filter_map(|change| change.known.map(|known| (change.id, known))));
    }
}

#[test]
fn a_page_that_leads_to_itself_ends_the_round() {
    let mut round =
        Round::new(Vendor::Google, BTreeMap::new(), None, Window { from: at(0), to: at(DAY) }, at(0), BELIEVE_AFTER);
    let page = || Answer::Page(Page { next: Some("again".to_owned()), ..Page::default() });
    assert_eq!(round.answer(page()), Ok(()));
    assert_eq!(round.answer(page()), Err(Setback::Later(None)));
}

#[test]
fn waits_grow_from_the_interval_and_never_undercut_the_vendor() {
    let (interval, most) = (Duration::from_secs(60), Duration::from_secs(3_600));
    assert_eq!(backoff(1, interval, most, None, 1.0), Duration::from_secs(120));
    assert_eq!(backoff(3, interval, most, None, 0.5), Duration::from_secs(240));
    assert_eq!(backoff(60, interval, most, None, 1.0), most);
    assert_eq!(backoff(1, interval, most, Some(Duration::from_secs(7)), 0.0), Duration::from_secs(7));
}

#[test]
fn records_are_named_by_their_round_and_keyed_by_their_calendar() {
    let source: SourceName = "google".parse().expect("a name");
    let change = |number: usize| Change {
        job: Job::CancellationSync,
        id: format!("e{number}"),
        body: json!({"id": format!("e{number}"), "status": "cancelled"}),
        known: None,
    };
    let changes: Vec<Change> = (0..120).map(change).collect();
    let made = records(Vendor::Google, &source, "anna@example.com", &changes, Some("Europe/Berlin"), at(MONDAY))
        .collect::<Vec<_>>();
    assert_eq!(made.len(), 3);
    let (record, body) = &made[0];
    assert_eq!((record.key.as_str(), record.event.subject.as_deref()), ("anna@example.com", Some("anna@example.com")));
    assert_eq!((record.event.source.as_str(), record.event.kind.as_str()), ("/polled/google", POLLED));
    let body: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(
        (body["items"].as_array().expect("items").len(), body["timeZone"].as_str()),
        (50, Some("Europe/Berlin"))
    );
    let made_at = |at| records(Vendor::Google, &source, "anna@example.com", &changes, Some("Europe/Berlin"), at);
    assert_eq!(made, made_at(at(MONDAY)).collect::<Vec<_>>());
    let later: Vec<_> = made_at(at(MONDAY + 1)).collect();
    let names = |records: &[(RawRecord, Vec<u8>)]| {
        records.iter().map(|(record, _)| record.event.id.clone()).collect::<BTreeSet<_>>()
    };
    assert!(names(&made).is_disjoint(&names(&later)) && names(&made).len() == 3);
}

/// What happens at the vendor.
#[derive(Debug, Clone)]
enum Edit {
    Put(u8, i64),
    Series(u8, i64, i64),
    Except(u8, i64, Option<i64>),
    Free(u8, bool),
    Delete(u8),
    Many(bool),
    Invite(u8, i64, i64),
    Split(u8, i64),
}

impl Edit {
    fn at(&self, vendor: &mut Calendar) {
        let name = |number: &u8| format!("e{number}");
        match self {
            Self::Put(number, hour) => {
                vendor.put(&name(number), MONDAY + hour * 3_600, MONDAY + hour * 3_600 + 1_800);
            }
            Self::Series(number, hour, count) => {
                vendor.series(&name(number), MONDAY + hour * 3_600, MONDAY + hour * 3_600 + 1_800, *count);
            }
            Self::Except(number, day, later) => vendor.except(&name(number), *day, *later),
            Self::Free(number, free) => vendor.free(&name(number), *free),
            Self::Delete(number) => vendor.delete(&name(number)),
            Self::Invite(number, hour, count) => {
                vendor.invite(&name(number), MONDAY + hour * 3_600, MONDAY + hour * 3_600 + 1_800, *count);
            }
            Self::Split(number, day) => vendor.split(&name(number), *day),
            Self::Many(there) => {
                for number in 100..125 {
                    let hour = i64::from(number) - 100;
                    if *there {
                        vendor.put(&name(&number), MONDAY + hour * 3_600, MONDAY + hour * 3_600 + 900);
                    } else {
                        vendor.delete(&name(&number));
                    }
                }
            }
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let number = 0..8_u8;
    prop_oneof![
        4 => (number.clone(), 0..200_i64).prop_map(|(number, hour)| Edit::Put(number, hour)),
        2 => (number.clone(), 0..100_i64, 1..9_i64).prop_map(|(number, hour, count)| Edit::Series(number, hour, count)),
        3 => (number.clone(), 0..9_i64, prop::option::of(-7_200..7_200_i64)).prop_map(|(number, day, later)| Edit::Except(number, day, later)),
        1 => (number.clone(), any::<bool>()).prop_map(|(number, free)| Edit::Free(number, free)),
        1 => (number.clone(), 0..100_i64, 1..9_i64).prop_map(|(number, hour, count)| Edit::Invite(number, hour, count)),
        1 => (number.clone(), 1..8_i64).prop_map(|(number, day)| Edit::Split(number, day)),
        3 => number.prop_map(Edit::Delete),
        1 => any::<bool>().prop_map(Edit::Many),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop::sample::select(vec![
        Fault::TooMany(None),
        Fault::TooMany(Some(3)),
        Fault::Quota,
        Fault::Away,
        Fault::Page,
        Fault::Expired,
        Fault::Empty,
        Fault::Error,
        Fault::Halved,
        Fault::Half,
        Fault::Nothing,
        Fault::Replayed,
    ])
}

/// A round: edits before it, faults at some of its answers, edits between them, and whether it is full.
type Turn = (Vec<Edit>, Vec<Option<Fault>>, Vec<(usize, Edit)>, bool);

fn turn() -> impl Strategy<Value = Turn> {
    (
        prop::collection::vec(edit(), 0..4),
        prop::collection::vec(prop::option::weighted(0.25, fault()), 0..8),
        prop::collection::vec((1..12_usize, edit()), 0..3),
        prop::bool::weighted(0.2),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Whatever happens at the vendor, and however it answers: once it is quiet, what was sent on is what is there.
    #[test]
    fn once_it_is_quiet_what_was_sent_on_is_what_is_there(
        dialect in prop::sample::select(vec![Dialect::Google, Dialect::Graph]),
        turns in prop::collection::vec(turn(), 1..12),
    ) {
        let (mut vendor, mut reader) = (Calendar::new(dialect), Reader::of(dialect));
        for (before, faults, during, full) in turns {
            before.iter().for_each(|edit| edit.at(&mut vendor));
            // A round without faults has none queued for it.
            let mut faults = faults.into_iter();
            vendor.faults = faults.next().flatten().into_iter().collect();
            reader.full_due |= full;
            let mut during = during;
            let _ = reader.round_with(&mut vendor, |answers, vendor| {
                during.retain(|(after, edit)| {
                    let due = *after == answers;
                    if due {
                        edit.at(vendor);
                    }
                    !due
                });
                vendor.faults = faults.next().flatten().into_iter().collect();
            });
        }
        reader.settle(&mut vendor);
        reader.assert_shows(&vendor);
    }
}
