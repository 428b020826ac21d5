//! The exchange against a CRM in memory that keeps state, forgets to answer and shows what is over.

use daybook_domain::{Attendee, BookingKind, ContactId, Interval, Standing};
use proptest::prelude::*;

use super::*;
use crate::Maker;
use crate::tool::{Answered, Asked, Dialect, Fault, Made, Tool};
use crate::{Action, BookingView, Fields, RetryAfter, plan};

const MINUTE: i64 = 60;
/// A Wednesday morning.
const NINE: i64 = 1_772_614_800;
/// How far back in time reads are at worst, in seconds.
const STALE: i64 = 9;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000).expect("a time")
}

fn id() -> BookingId {
    "4acc2233-7ebf-5ca1-aa36-48892920231a".parse().expect("an id")
}

fn start_of(version: u64) -> i64 {
    NINE + 10 * MINUTE * i64::try_from(version).expect("small")
}

fn person(email: &str) -> Attendee {
    let email = Some(email.to_owned());
    Attendee { contact_id: ContactId::from_bytes([7; 16]), name: Some("Jane".to_owned()), email, phone: None }
}

fn booking(version: u64, stands: bool) -> BookingView {
    let start = start_of(version);
    let interval = Interval::new(at(start), at(start + 60 * MINUTE)).expect("an interval");
    BookingView {
        booking_id: id(),
        resource: "anna".parse().expect("a name"),
        kind: BookingKind::Booking,
        standing: if stands { Standing::Confirmed(interval) } else { Standing::Cancelled { last: Some(interval) } },
        version,
        decided_at: at(NINE - 24 * 60 * MINUTE),
        resource_time_zone: None,
        source_time_zone: None,
        title: Some("Demo".to_owned()),
        tags: Vec::new(),
        attendees: vec![person("jane@example.com")],
    }
}

/// The delivery row, as the shell keeps it; and the clock, in seconds.
#[derive(Debug)]
struct Row {
    now: i64,
    applied_version: u64,
    external_id: Option<String>,
    in_doubt: bool,
    doubt_since: Option<i64>,
}

const fn row() -> Row {
    Row { now: NINE, applied_version: 0, external_id: None, in_doubt: false, doubt_since: None }
}

fn send(tool: &mut Tool, now: i64, call: &Call) -> Answer {
    let asked = Asked {
        method: call.method.as_str(),
        target: &call.path,
        headers: &[],
        body: serde_json::from_slice(&call.body).unwrap_or_default(),
    };
    match tool.request(now * 1_000, &asked) {
        Answered::With(status, wait, body) => {
            let retry_after = wait.as_deref().and_then(RetryAfter::parse);
            Answer::Replied(Reply { status, etag: None, retry_after, body: body.into_bytes() })
        }
        Answered::Nothing | Answered::Silence => Answer::Lost,
    }
}

/// One attempt, as the shell makes it: its verdict, if the process lived to hear of it.
fn attempt(tool: &mut Tool, row: &mut Row, booking: &BookingView, dies_at: Option<u8>) -> Option<Verdict> {
    let known = Known::from_row(row.applied_version, row.external_id.clone(), None, row.in_doubt, Maker::Daybook);
    let age = row.doubt_since.map(|since| Duration::from_secs(u64::try_from(row.now - since).expect("no past")));
    let mut exchange = match plan(booking, Fields { title: true, attendees: true }, &known) {
        Action::Put(visible) => Exchange::show("7", visible, &known, age),
        Action::Remove(removal) => Exchange::remove("7", removal, &known, age),
        Action::NothingToShow => {
            (row.applied_version, row.external_id) = (booking.version, None);
            return Some(Verdict::Gone);
        }
        Action::UpToDate => return Some(Verdict::Gone),
    };
    row.in_doubt = true;
    for number in 0..CALLS_MAX {
        let answer = send(tool, row.now, &exchange.call());
        if dies_at == Some(number) {
            row.doubt_since = Some(row.now);
            return None;
        }
        match exchange.answer(&answer) {
            Progress::Next(next) => exchange = *next,
            Progress::Over(conclusion, wrote) => {
                row.in_doubt = conclusion.in_doubt;
                row.doubt_since = match (conclusion.in_doubt, wrote, row.doubt_since) {
                    (false, _, _) => None,
                    (true, false, Some(since)) => Some(since),
                    (true, _, _) => Some(row.now),
                };
                match &conclusion.verdict {
                    Verdict::Applied { external_id, .. } => {
                        (row.applied_version, row.external_id) = (booking.version, Some(external_id.clone()));
                    }
                    Verdict::Gone => (row.applied_version, row.external_id) = (booking.version, None),
                    Verdict::LookFirst(_)
                    | Verdict::Reread
                    | Verdict::Throttled { .. }
                    | Verdict::Unauthorized
                    | Verdict::Retryable(_)
                    | Verdict::Permanent(_) => {}
                }
                return Some(conclusion.verdict);
            }
        }
    }
    panic!("more calls than one attempt may make");
}

fn settle(tool: &mut Tool, row: &mut Row, booking: &BookingView) {
    for _ in 0..30 {
        let verdict = attempt(tool, row, booking, None);
        if matches!(verdict, Some(Verdict::Applied { .. } | Verdict::Gone)) {
            return;
        }
        assert!(!matches!(verdict, Some(Verdict::Permanent(_))), "{verdict:?}");
        row.now += 2;
    }
    panic!("it is never settled: {row:?} {tool:?}");
}

fn shown(tool: &Tool) -> Vec<i64> {
    tool.standing().iter().map(|(_, start, _)| start.millis() / 1_000).collect()
}

#[test]
fn a_meeting_is_made_moved_called_off_and_on_again_and_stays_one() {
    let (mut tool, mut row) = (Tool::new(Dialect::HubSpot), row());
    for (version, stands) in [(1, true), (2, true), (3, false), (4, true)] {
        settle(&mut tool, &mut row, &booking(version, stands));
        assert_eq!(shown(&tool), if stands { vec![start_of(version)] } else { vec![] });
    }
    let made: Vec<Made> = tool.applied.iter().map(|applied| applied.made).collect();
    assert_eq!(made, [Made::Created, Made::Changed, Made::Ended, Made::Changed]);
    assert_eq!(tool.links.len(), 1, "{:?}", tool.links);
}

#[test]
fn whoever_attends_belongs_to_it_where_the_target_may_know_and_an_address_that_is_none_hinders_nothing() {
    let (mut tool, mut one) = (Tool::new(Dialect::HubSpot), row());
    let people = vec![person("jane@example.com"), person("joe@example.com"), person("nobody")];
    settle(&mut tool, &mut one, &BookingView { attendees: people, ..booking(1, true) });
    let contacts: Vec<&str> = tool.links.iter().map(|(_, contact)| contact.as_str()).collect();
    assert_eq!(contacts, ["contact-of-jane@example.com", "contact-of-joe@example.com"]);
    let (mut tool, mut one) = (Tool::new(Dialect::HubSpot), row());
    settle(&mut tool, &mut one, &BookingView { attendees: vec![person("nobody")], ..booking(1, true) });
    assert!(tool.links.is_empty());
    // A target that may not know sends none of it.
    let Action::Put(visible) = plan(&booking(1, true), Fields::default(), &Known::Nothing) else { panic!("a put") };
    let call = Exchange::show("7", visible, &Known::Nothing, None).call();
    let text = String::from_utf8(call.body).expect("text");
    assert!(!text.contains("Jane") && !text.contains("example.com") && !text.contains("Demo"), "{text}");
}

#[test]
fn a_batch_is_read_to_the_verdict_on_the_one_that_was_in_it_whatever_its_status() {
    let Action::Put(visible) = plan(&booking(1, true), Fields::default(), &Known::Nothing) else { panic!("a put") };
    let answered = |status: u16, body: &str| {
        let exchange = Exchange::show("7", visible.clone(), &Known::Nothing, None);
        exchange.answer(&Answer::Replied(Reply { status, body: body.as_bytes().to_vec(), ..Reply::default() }))
    };
    for status in [200, 201, 207] {
        for (category, verdict) in [
            ("VALIDATION_ERROR", Verdict::Permanent(Reason::Refused)),
            ("CONFLICT", Verdict::Retryable(Trouble::Busy)),
            ("RATE_LIMITS", Verdict::Throttled { retry_after: None }),
            ("MISSING_SCOPES", Verdict::Unauthorized),
        ] {
            let body = json!({"status": "COMPLETE", "results": [], "errors": [{"category": category}]}).to_string();
            let Progress::Over(over, _) = answered(status, &body) else { panic!("{status} {category}") };
            assert_eq!(over, Conclusion { verdict, in_doubt: false }, "{status} {category}");
        }
        // Somebody else's meeting, and no word at all, prove nothing.
        for body in [r#"{"results": [{"id": "7", "properties": {"daybook_booking_id": "x"}}]}"#, "{}", "<html>"] {
            let Progress::Next(next) = answered(status, body) else { panic!("{status} {body}") };
            assert_eq!(next.call().method, Method::Get);
        }
    }
    for (status, verdict) in [
        (401, Verdict::Unauthorized),
        (403, Verdict::Unauthorized),
        (423, Verdict::Retryable(Trouble::Busy)),
        (409, Verdict::Retryable(Trouble::Busy)),
        (429, Verdict::Throttled { retry_after: None }),
        (400, Verdict::Permanent(Reason::Refused)),
    ] {
        let Progress::Over(over, _) = answered(status, "{}") else { panic!("{status}") };
        assert_eq!(over, Conclusion { verdict, in_doubt: false }, "{status}");
    }
    let Progress::Over(over, _) = answered(500, "{}") else { panic!("500") };
    assert_eq!(over, Conclusion { verdict: Verdict::LookFirst(Trouble::ServerError), in_doubt: true });
}

#[test]
fn what_nobody_knows_is_looked_up_by_our_own_property_before_it_is_repeated() {
    for fault in [Fault::Done500, Fault::DoneLost] {
        let (mut tool, mut row) = (Tool::new(Dialect::HubSpot), row());
        tool.faults.push_back(fault);
        let first = attempt(&mut tool, &mut row, &booking(1, true), None);
        assert!(matches!(first, Some(Verdict::LookFirst(_))), "{first:?}");
        let second = attempt(&mut tool, &mut row, &booking(1, true), None);
        assert!(matches!(second, Some(Verdict::Applied { .. })), "{second:?}");
        assert_eq!(tool.applied.len(), 1, "it was not written again");
        assert_eq!(tool.links.len(), 1);
    }
}

#[test]
fn that_it_was_off_before_is_no_proof_that_it_is_off_again() {
    let (mut tool, mut row) = (Tool::new(Dialect::HubSpot), row());
    for (version, stands) in [(1, true), (2, false), (3, true)] {
        settle(&mut tool, &mut row, &booking(version, stands));
        row.now += 5;
    }
    tool.faults.push_back(Fault::NoEffect);
    // As it was when version 2 was shown.
    tool.stale = 6_000;
    let verdict = attempt(&mut tool, &mut row, &booking(4, false), None);
    assert_eq!(verdict, Some(Verdict::LookFirst(Trouble::NotStored)));
    settle(&mut tool, &mut row, &booking(4, false));
    assert!(shown(&tool).is_empty());
}

#[test]
fn a_newer_version_in_the_crm_is_not_overwritten_by_whoever_was_in_doubt() {
    let (mut tool, mut first) = (Tool::new(Dialect::HubSpot), row());
    settle(&mut tool, &mut first, &booking(5, true));
    let mut late = Row { in_doubt: true, ..row() };
    let verdict = attempt(&mut tool, &mut late, &booking(4, true), None);
    assert_eq!(verdict, Some(Verdict::Permanent(Reason::TargetAhead)));
    assert_eq!(shown(&tool), [start_of(5)]);
}

/// Bodies that are nothing, something else, or nearly what they should be.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let text = |text: &'static str| Just(text.as_bytes().to_vec());
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        text("[]"),
        text(r#"{"results": [], "errors": []}"#),
        text(r#"{"results": {}, "errors": [{"category": 7, "status": null}]}"#),
        text(r#"{"results": [{"id": "9"}], "errors": [{}]}"#),
        text(
            r#"{"id": "9", "properties": {"daybook_booking_id": "4acc2233-7ebf-5ca1-aa36-48892920231a", "daybook_version": "-1"}}"#
        ),
        text(r#"{"id": "9", "properties": {"daybook_version": "2", "hs_meeting_start_time": "99999999999999999999"}}"#),
    ]
}

/// One attempt: whether a new version has come, whether it stands, at which call the process dies, the faults of the CRM, how late its
/// reads are, and how long it takes until the next.
type Round = (bool, bool, Option<u8>, Vec<Fault>, i64, i64);

fn any_round() -> impl Strategy<Value = Round> {
    let fault = (0..Fault::ALL.len()).prop_map(|at| Fault::ALL[at]);
    let dies = prop::option::weighted(0.2, 0..4u8);
    let faults = prop::collection::vec(fault, 0..3);
    (any::<bool>(), prop::bool::weighted(0.7), dies, faults, 0..=STALE, 0..20i64)
}

proptest! {
    #[test]
    fn whatever_is_answered_an_attempt_ends(
        removes in any::<bool>(), unsure in any::<bool>(),
        answers in prop::collection::vec((prop::sample::select(vec![200u16, 207, 400, 404, 423, 500]), any_body()), 6),
    ) {
        let known = Known::from_row(1, Some("7".to_owned()), None, unsure, Maker::Daybook);
        let mut exchange = match plan(&booking(2, !removes), Fields { title: true, attendees: true }, &known) {
            Action::Put(visible) => Exchange::show("7", visible, &known, None),
            Action::Remove(removal) => Exchange::remove("7", removal, &known, None),
            Action::NothingToShow | Action::UpToDate => return Ok(()),
        };
        let mut over = false;
        for (status, body) in answers {
            let _ = exchange.call();
            match exchange.answer(&Answer::Replied(Reply { status, body, ..Reply::default() })) {
                Progress::Next(next) => exchange = *next,
                Progress::Over(..) => {
                    over = true;
                    break;
                }
            }
        }
        prop_assert!(over, "more calls than one attempt may make");
    }

    #[test]
    fn whatever_the_crm_answers_and_whoever_dies_a_booking_is_one_meeting_as_it_stands(
        rounds in prop::collection::vec(any_round(), 0..14),
    ) {
        let (mut tool, mut row) = (Tool::new(Dialect::HubSpot), row());
        let (mut version, mut stands) = (1, true);
        for (newer, live, dies_at, faults, stale, wait) in rounds {
            if newer {
                version += 1;
                stands = live;
            }
            tool.faults.extend(faults);
            tool.stale = stale * 1_000;
            attempt(&mut tool, &mut row, &booking(version, stands), dies_at);
            row.now += wait;
        }
        tool.faults.clear();
        tool.stale = STALE * 1_000;
        settle(&mut tool, &mut row, &booking(version, stands));
        prop_assert_eq!(shown(&tool), if stands { vec![start_of(version)] } else { Vec::new() }, "{:?}", tool.applied);
        prop_assert!(tool.doubled.is_empty());
        let created = tool.applied.iter().filter(|applied| applied.made == Made::Created).count();
        prop_assert!(created <= 1);
        let written = tool.applied.iter().filter(|applied| applied.made != Made::Ended).map(|applied| applied.start);
        prop_assert!(written.is_sorted(), "{:?}", tool.applied);
    }
}
