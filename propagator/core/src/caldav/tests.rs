//! The exchange against a calendar server in memory that keeps state, forgets to answer, and lets people in.

use std::collections::BTreeMap;

use daybook_domain::{BookingId, BookingKind, Interval, Standing, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::Maker;
use crate::{Action, BookingView, Fields, RetryAfter, VisibleStatus, plan};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn id() -> BookingId {
    "4acc2233-7ebf-5ca1-aa36-48892920231a".parse().expect("an id")
}

fn interval() -> Interval {
    Interval::new(at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z")).expect("an interval")
}

fn visible(version: u64) -> Visible {
    Visible {
        booking_id: id(),
        resource: "anna".parse().expect("a name"),
        version,
        status: VisibleStatus::Confirmed,
        interval: interval(),
        decided_at: at("2026-03-01T00:00:00Z"),
        resource_time_zone: None,
        source_time_zone: None,
        title: None,
        attendees: Vec::new(),
    }
}

fn removal(version: u64) -> Removal {
    Removal {
        booking_id: id(),
        resource: "anna".parse().expect("a name"),
        version,
        last: Some(interval()),
        decided_at: at("2026-03-01T00:00:00Z"),
        resource_time_zone: None,
    }
}

fn entry(version: u64, etag: &str) -> Known {
    Known::Entry { version, external_id: name(id()), etag: Some(etag.to_owned()), maker: Maker::Daybook }
}

fn reply(status: u16, etag: Option<&str>, body: &str) -> Answer {
    let etag = etag.map(str::to_owned);
    Answer::Replied(Reply { status, etag, retry_after: None, body: body.as_bytes().to_vec() })
}

fn status(status: u16) -> Answer {
    reply(status, None, "")
}

fn unsure() -> Known {
    Known::Unsure { version: 0, external_id: None, maker: Maker::Daybook }
}

/// Plays the answers and returns the calls as `METHOD condition`, with the conclusion.
fn play(mut exchange: Exchange, answers: &[Answer]) -> (Vec<String>, Conclusion) {
    let mut calls = Vec::new();
    for answer in answers {
        let call = exchange.call();
        assert_eq!(call.path, name(id()));
        let conditions = ["if-match", "if-none-match"].into_iter().filter_map(|name| call.header(name));
        let line = conditions.fold(call.method.as_str().to_owned(), |line, condition| format!("{line} {condition}"));
        calls.push(line);
        match exchange.answer(answer) {
            Progress::Next(next) => exchange = *next,
            Progress::Over(conclusion, _) => return (calls, conclusion),
        }
    }
    panic!("the exchange goes on after {calls:?}");
}

fn applied(etag: Option<&str>) -> Conclusion {
    let verdict = Verdict::Applied { external_id: name(id()), etag: etag.map(str::to_owned), adopted: false };
    Conclusion { verdict, in_doubt: false }
}

fn over(verdict: Verdict, in_doubt: bool) -> Conclusion {
    Conclusion { verdict, in_doubt }
}

#[test]
fn a_create_is_one_call_under_the_condition_that_there_is_none() {
    let (calls, end) = play(Exchange::show(visible(1), &Known::Nothing), &[reply(201, Some("\"a\""), "")]);
    assert_eq!((calls, end), (vec!["PUT *".to_owned()], applied(Some("\"a\""))));
}

#[test]
fn a_change_is_one_call_under_the_condition_that_it_is_still_what_we_wrote() {
    let (calls, end) = play(Exchange::show(visible(2), &entry(1, "\"a\"")), &[reply(204, Some("\"b\""), "")]);
    assert_eq!((calls, end), (vec!["PUT \"a\"".to_owned()], applied(Some("\"b\""))));
}

#[test]
fn a_success_without_a_strong_tag_is_read_back_before_it_is_believed() {
    let stored = render(&visible(1));
    for proof in [None, Some("W/\"a\"")] {
        let answers = [reply(201, proof, ""), reply(200, Some("\"a\""), &stored)];
        let (calls, end) = play(Exchange::show(visible(1), &Known::Nothing), &answers);
        assert_eq!((calls.join(", "), end), ("PUT *, GET".to_owned(), applied(Some("\"a\""))));
    }
}

#[test]
fn a_success_that_stored_nothing_or_something_else_is_not_believed() {
    let verify = |answer| play(Exchange::show(visible(2), &Known::Nothing), &[status(201), answer]).1;
    let not_stored = over(Verdict::LookFirst(Trouble::NotStored), true);
    assert_eq!(verify(status(404)), not_stored);
    assert_eq!(verify(reply(200, None, &render(&visible(1)))), not_stored);
    let altered = render(&visible(2)).replace("Busy", "Other");
    assert_eq!(verify(reply(200, None, &altered)), over(Verdict::Permanent(Reason::AlteredByTarget), true));
    assert_eq!(verify(reply(200, None, "<html>")), over(Verdict::LookFirst(Trouble::Unreadable), true));
    assert_eq!(verify(Answer::Lost), over(Verdict::LookFirst(Trouble::NoAnswer), true));
}

#[test]
fn a_create_that_meets_our_own_entry_of_this_version_is_done() {
    let answers = [status(412), reply(200, Some("\"a\""), &render(&visible(1)))];
    let (calls, end) = play(Exchange::show(visible(1), &Known::Nothing), &answers);
    assert_eq!((calls.join(", "), end), ("PUT *, GET".to_owned(), applied(Some("\"a\""))));
}

#[test]
fn an_older_entry_and_an_edited_one_are_changed_under_the_tag_just_read() {
    for there in [render(&visible(1)), render(&visible(2)).replace("Busy", "Lunch")] {
        let answers = [status(412), reply(200, Some("\"x\""), &there), reply(204, Some("\"y\""), "")];
        let (calls, end) = play(Exchange::show(visible(2), &entry(1, "\"a\"")), &answers);
        assert_eq!((calls.join(", "), end), ("PUT \"a\", GET, PUT \"x\"".to_owned(), applied(Some("\"y\""))));
    }
}

#[test]
fn a_newer_entry_and_a_foreign_one_are_left_alone() {
    let look = |there: String| play(Exchange::show(visible(2), &unsure()), &[reply(200, Some("\"x\""), &there)]).1;
    assert_eq!(look(render(&visible(3))), over(Verdict::Permanent(Reason::TargetAhead), true));
    let foreign = render(&visible(2)).replace("UID:4", "UID:5");
    assert_eq!(look(foreign), over(Verdict::Permanent(Reason::ForeignEntry), true));
}

#[test]
fn doubt_begins_with_a_look_and_creates_only_what_is_not_there() {
    let (calls, end) = play(Exchange::show(visible(1), &unsure()), &[status(404), reply(201, Some("\"a\""), "")]);
    assert_eq!((calls.join(", "), end), ("GET, PUT *".to_owned(), applied(Some("\"a\""))));
    let there = reply(200, Some("\"a\""), &render(&visible(1)));
    let (calls, end) = play(Exchange::show(visible(1), &unsure()), &[there]);
    assert_eq!((calls.join(", "), end), ("GET".to_owned(), applied(Some("\"a\""))));
}

#[test]
fn an_entry_that_somebody_deleted_is_made_again() {
    for missing in [404, 410, 412] {
        let answers = [status(missing), status(404), reply(201, Some("\"b\""), "")];
        let (calls, end) = play(Exchange::show(visible(2), &entry(1, "\"a\"")), &answers);
        assert_eq!((calls.join(", "), end), ("PUT \"a\", GET, PUT *".to_owned(), applied(Some("\"b\""))));
    }
}

#[test]
fn a_missing_collection_is_permanent() {
    for missing in [404, 409, 410] {
        let end = play(Exchange::show(visible(1), &Known::Nothing), &[status(missing)]).1;
        assert_eq!(end, over(Verdict::Permanent(Reason::CollectionMissing), false));
    }
}

#[test]
fn a_403_is_about_one_entry_if_it_names_a_precondition_and_about_us_if_not() {
    let refused = |body: &str| play(Exchange::show(visible(1), &Known::Nothing), &[reply(403, None, body)]).1.verdict;
    assert_eq!(refused(""), Verdict::Unauthorized);
    let error =
        |name: &str| format!("<D:error xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><C:{name}/></D:error>");
    assert_eq!(refused(&error("max-resource-size")), Verdict::Permanent(Reason::Refused));
    assert_eq!(refused(&error("no-uid-conflict")), Verdict::Permanent(Reason::UidConflict));
}

#[test]
fn an_ambiguous_write_leaves_doubt_and_a_plain_refusal_does_not() {
    let end = |answer| play(Exchange::show(visible(1), &Known::Nothing), &[answer]).1;
    assert_eq!(end(Answer::Lost), over(Verdict::LookFirst(Trouble::NoAnswer), true));
    assert_eq!(end(status(500)), over(Verdict::LookFirst(Trouble::ServerError), true));
    assert_eq!(end(Answer::NotSent), over(Verdict::Retryable(Trouble::Unreachable), false));
    assert_eq!(end(status(429)), over(Verdict::Throttled { retry_after: None }, false));
    assert_eq!(end(status(401)), over(Verdict::Unauthorized, false));
    let retry_after = Some(RetryAfter::In(std::time::Duration::from_secs(2)));
    let paused = Answer::Replied(Reply { status: 503, retry_after, ..Reply::default() });
    assert_eq!(end(paused), over(Verdict::Throttled { retry_after }, true));
}

#[test]
fn a_look_that_fails_leaves_the_doubt_it_began_with() {
    let end = |answer| play(Exchange::show(visible(1), &unsure()), &[answer]).1;
    assert_eq!(end(status(502)), over(Verdict::Retryable(Trouble::ServerError), true));
    assert_eq!(end(Answer::Lost), over(Verdict::Retryable(Trouble::NoAnswer), true));
    assert_eq!(end(reply(200, None, "<html>")), over(Verdict::Retryable(Trouble::Unreadable), true));
}

#[test]
fn an_entry_without_a_tag_cannot_be_changed_safely() {
    let end = play(Exchange::show(visible(2), &unsure()), &[reply(200, None, &render(&visible(1)))]).1;
    assert_eq!(end.verdict, Verdict::Permanent(Reason::NoEtag));
}

#[test]
fn a_tag_that_a_proxy_weakened_is_used_as_the_server_knows_it() {
    let answers = [reply(200, Some("W/\"x\""), &render(&visible(1))), reply(204, Some("\"y\""), "")];
    let (calls, _) = play(Exchange::show(visible(2), &unsure()), &answers);
    assert_eq!(calls, ["GET", "PUT \"x\""]);
}

#[test]
fn a_removal_is_done_when_the_entry_is_gone_whoever_removed_it() {
    let gone = over(Verdict::Gone, false);
    for there in [204, 404, 410] {
        let (calls, end) = play(Exchange::remove(removal(2), &entry(1, "\"a\"")), &[status(there)]);
        assert_eq!((calls, &end), (vec!["DELETE \"a\"".to_owned()], &gone));
    }
    let (calls, end) = play(Exchange::remove(removal(2), &unsure()), &[status(404)]);
    assert_eq!((calls, end), (vec!["GET".to_owned()], gone));
}

#[test]
fn a_removal_of_what_was_edited_removes_it_and_what_is_foreign_or_newer_stays() {
    let there = |body: String| reply(200, Some("\"x\""), &body);
    let edited = render(&visible(1)).replace("Busy", "Lunch");
    let answers = [status(412), there(edited), status(204)];
    let (calls, end) = play(Exchange::remove(removal(2), &entry(1, "\"a\"")), &answers);
    assert_eq!((calls.join(", "), end.verdict), ("DELETE \"a\", GET, DELETE \"x\"".to_owned(), Verdict::Gone));
    let look = |body| play(Exchange::remove(removal(2), &unsure()), &[there(body)]).1.verdict;
    assert_eq!(look(render(&visible(1)).replace("UID:4", "UID:5")), Verdict::Permanent(Reason::ForeignEntry));
    assert_eq!(look(render(&visible(3))), Verdict::Permanent(Reason::TargetAhead));
}

#[test]
fn a_removal_answered_with_a_body_is_looked_up() {
    let (calls, end) = play(Exchange::remove(removal(2), &entry(1, "\"a\"")), &[status(200), status(404)]);
    assert_eq!((calls.join(", "), end), ("DELETE \"a\", GET".to_owned(), over(Verdict::Gone, false)));
}

#[test]
fn an_entry_that_changes_as_often_as_we_look_is_left_for_later() {
    let there = reply(200, Some("\"x\""), &render(&visible(1)));
    let answers = [status(412), there.clone(), status(412), there.clone(), status(412), there];
    let (calls, end) = play(Exchange::show(visible(2), &entry(1, "\"a\"")), &answers);
    assert_eq!((calls.len(), end), (usize::from(CALLS_MAX), over(Verdict::Reread, true)));
}

/// A calendar collection that keeps its promises, behind a network that does not.
#[derive(Default)]
struct Server {
    entries: BTreeMap<String, (u64, String)>,
    writes: u64,
    gives_tags: bool,
    /// Every version that was ever stored, in order.
    stored: Vec<u64>,
}

/// What happens to one call.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Fine,
    NotSent,
    LostBefore,
    LostAfter,
    Error,
    Throttled,
    /// Somebody edits the entry first.
    Edited,
    /// Somebody deletes the entry first.
    Deleted,
    /// The answer is lost, and so is the worker: the row stays as the lease left it.
    Died,
}

impl Server {
    fn handle(&mut self, call: &Call) -> Reply {
        let there = self.entries.get(&call.path);
        let tag = |number: u64| format!("\"{number}\"");
        let met = match (call.header("if-match"), call.header("if-none-match")) {
            (Some(wanted), _) => there.is_some_and(|(number, _)| tag(*number) == wanted),
            (None, Some(_)) => there.is_none(),
            (None, None) => true,
        };
        let answer = |status, etag, body: &str| Reply { status, etag, retry_after: None, body: body.into() };
        match call.method {
            Method::Get => match there {
                Some((number, body)) => answer(200, Some(tag(*number)), body),
                None => answer(404, None, ""),
            },
            _ if !met => answer(412, None, ""),
            Method::Put => {
                self.writes += 1;
                let body = String::from_utf8(call.body.clone()).expect("text");
                self.stored.extend(match owner(body.as_bytes(), id()) {
                    Owner::Ours(version) => version,
                    Owner::Foreign | Owner::Unreadable => None,
                });
                self.entries.insert(call.path.clone(), (self.writes, body));
                answer(201, self.gives_tags.then(|| tag(self.writes)), "")
            }
            Method::Delete => {
                self.entries.remove(&call.path);
                answer(if self.gives_tags { 204 } else { 200 }, None, "")
            }
            Method::Post | Method::Patch | Method::Report => answer(405, None, ""),
        }
    }

    fn send(&mut self, call: &Call, fate: Fate) -> Answer {
        match fate {
            Fate::Fine => return Answer::Replied(self.handle(call)),
            Fate::NotSent => return Answer::NotSent,
            Fate::LostBefore => {}
            Fate::LostAfter | Fate::Died => {
                self.handle(call);
            }
            Fate::Error => return status(500),
            Fate::Throttled => return status(429),
            Fate::Edited => {
                self.writes += 1;
                let writes = self.writes;
                for entry in self.entries.values_mut() {
                    *entry = (writes, entry.1.replace("Busy", "Lunch"));
                }
                return Answer::Replied(self.handle(call));
            }
            Fate::Deleted => {
                self.entries.clear();
                return Answer::Replied(self.handle(call));
            }
        }
        Answer::Lost
    }
}

/// The delivery row, as the shell keeps it.
#[derive(Default)]
struct Row {
    applied_version: u64,
    external_id: Option<String>,
    etag: Option<String>,
    in_doubt: bool,
}

/// One attempt, as the shell makes it; whether the row is settled.
fn attempt(server: &mut Server, row: &mut Row, booking: &BookingView, fates: &mut impl Iterator<Item = Fate>) -> bool {
    let known =
        Known::from_row(row.applied_version, row.external_id.clone(), row.etag.clone(), row.in_doubt, Maker::Daybook);
    let mut exchange = match plan(booking, Fields::default(), &known) {
        Action::Put(visible) => Exchange::show(visible, &known),
        Action::Remove(removal) => Exchange::remove(removal, &known),
        Action::NothingToShow | Action::UpToDate => return true,
    };
    row.in_doubt = true;
    for _ in 0..CALLS_MAX {
        let fate = fates.next().unwrap_or(Fate::Fine);
        let answer = server.send(&exchange.call(), fate);
        if matches!(fate, Fate::Died) {
            return false;
        }
        match exchange.answer(&answer) {
            Progress::Next(next) => exchange = *next,
            Progress::Over(conclusion, _) => {
                row.in_doubt = conclusion.in_doubt;
                match conclusion.verdict {
                    Verdict::Applied { external_id, etag, .. } => {
                        (row.applied_version, row.external_id, row.etag) = (booking.version, Some(external_id), etag);
                        return true;
                    }
                    Verdict::Gone => {
                        (row.applied_version, row.external_id, row.etag) = (booking.version, None, None);
                        return true;
                    }
                    Verdict::Permanent(reason) => panic!("given up: {}", reason.as_str()),
                    Verdict::LookFirst(_)
                    | Verdict::Reread
                    | Verdict::Throttled { .. }
                    | Verdict::Unauthorized
                    | Verdict::Retryable(_) => return false,
                }
            }
        }
    }
    panic!("more calls than one attempt may make");
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Fine),
        1 => Just(Fate::NotSent),
        1 => Just(Fate::LostBefore),
        2 => Just(Fate::LostAfter),
        1 => Just(Fate::Error),
        1 => Just(Fate::Throttled),
        1 => Just(Fate::Edited),
        1 => Just(Fate::Deleted),
        2 => Just(Fate::Died),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Versions of one booking, live or cancelled, with up to three attempts at each, and then as many as it takes.
    #[test]
    fn whatever_the_network_does_the_calendar_ends_as_the_store_and_never_goes_back(
        states in proptest::collection::vec((any::<bool>(), 0..4usize), 1..6),
        fates in proptest::collection::vec(any_fate(), 0..40),
        gives_tags in any::<bool>(),
    ) {
        let mut server = Server { gives_tags, ..Server::default() };
        let mut row = Row::default();
        // A success without a tag is verified, and an edit between the two reads as the server's own doing: that is
        // given up, rightly, and is another test's subject.
        let fates: Vec<_> = fates.into_iter().filter(|fate| gives_tags || !matches!(fate, Fate::Edited)).collect();
        let mut fates = fates.into_iter();
        let last = states.len() - 1;
        for (index, (live, tries)) in states.iter().copied().enumerate() {
            let version = index as u64 + 1;
            let booking = BookingView {
                booking_id: id(),
                resource: "anna".parse().expect("a name"),
                kind: BookingKind::Booking,
                standing: if live {
                    Standing::Confirmed(interval())
                } else {
                    Standing::Cancelled { last: Some(interval()) }
                },
                version,
                decided_at: at("2026-03-01T00:00:00Z"),
                resource_time_zone: None,
                source_time_zone: None,
                title: None,
                attendees: Vec::new(),
                tags: Vec::new(),
            };
            let tries = if index == last { 100 } else { tries };
            let settled = (0..tries).any(|_| attempt(&mut server, &mut row, &booking, &mut fates));
            if index == last {
                prop_assert!(settled, "did not settle in {tries} attempts");
                let shown = server.entries.values().map(|(_, body)| body.clone()).collect::<Vec<_>>();
                if live {
                    prop_assert_eq!(shown.len(), 1);
                    // A person may have edited it after it was shown; the next look puts that back.
                    let theirs = shown[0].replace("Lunch", "Busy");
                    prop_assert_eq!(compare(theirs.as_bytes(), &visible(version)), Comparison::Same);
                } else {
                    prop_assert_eq!(shown.len(), 0);
                }
            }
        }
        prop_assert!(server.stored.is_sorted(), "an older version was stored after a newer: {:?}", server.stored);
    }

    #[test]
    fn no_answer_makes_an_exchange_panic_or_run_on(
        show in any::<bool>(), known in 0..4usize,
        answers in proptest::collection::vec((0..4usize, any::<u16>(), any::<Option<String>>(), any::<Vec<u8>>()), 6),
    ) {
        let known = [Known::Nothing, Known::Removed { version: 1 }, entry(1, "\"a\""), unsure()][known].clone();
        let mut exchange =
            if show { Exchange::show(visible(2), &known) } else { Exchange::remove(removal(2), &known) };
        let mut over = false;
        for (kind, status, etag, body) in answers {
            let answer = match kind {
                0 => Answer::Lost,
                1 => Answer::NotSent,
                _ => Answer::Replied(Reply { status, etag, retry_after: None, body }),
            };
            exchange.call();
            match exchange.answer(&answer) {
                Progress::Next(next) => exchange = *next,
                Progress::Over(..) => {
                    over = true;
                    break;
                }
            }
        }
        prop_assert!(over);
    }
}
