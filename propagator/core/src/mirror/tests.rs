//! The exchange against calendars in memory that keep state, forget to answer, and let people in.

// The same as the pipeline's tests have, there behind HTTP.
#[path = "../../../../tests/src/calendar/mod.rs"]
#[allow(dead_code, unused_imports, reason = "whoever reads calendars has other stories to tell with it")]
pub(crate) mod calendar;

use daybook_domain::{BookingId, BookingKind, Interval, Standing};
use proptest::prelude::*;

use self::calendar::{Answered, Calendar, Dialect, Fault, Made, WriteFault};
use super::*;
use crate::{Action, BookingView, Fields, RetryAfter, plan};

pub(crate) const BOTH: [(Vendor, Dialect); 2] = [(Vendor::Google, Dialect::Google), (Vendor::Outlook, Dialect::Graph)];
pub(crate) const HOUR: i64 = 3_600;
/// A Wednesday morning.
pub(crate) const NINE: i64 = 1_772_614_800;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000).expect("a time")
}

pub(crate) fn id() -> BookingId {
    "4acc2233-7ebf-5ca1-aa36-48892920231a".parse().expect("an id")
}

pub(crate) fn booking(version: u64, start: Option<i64>) -> BookingView {
    let interval = |start: i64| Interval::new(at(start), at(start + HOUR)).expect("an interval");
    BookingView {
        booking_id: id(),
        resource: "anna".parse().expect("a name"),
        kind: BookingKind::Booking,
        standing: match start {
            Some(start) => Standing::Confirmed(interval(start)),
            None => Standing::Cancelled { last: Some(interval(NINE)) },
        },
        version,
        decided_at: at(NINE - 7 * 24 * HOUR),
        resource_time_zone: None,
        source_time_zone: None,
        title: Some("Surgery, \"left\" knee".to_owned()),
        attendees: Vec::new(),
        tags: Vec::new(),
    }
}

/// The delivery row, as the shell keeps it.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub applied_version: u64,
    pub external_id: Option<String>,
    pub etag: Option<String>,
    pub in_doubt: bool,
    pub adopted: bool,
}

/// How a call ends, besides what the vendor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    NotSent,
    /// The process ends after the call.
    Died,
    /// A person has changed the entry before the call.
    Edited,
    /// Or deleted it.
    Deleted,
}

pub(crate) fn send(calendar: &mut Calendar, call: &Call) -> Answer {
    let body = serde_json::from_slice(&call.body).unwrap_or_default();
    match calendar.request(call.method.as_str(), &call.path, call.header("if-match"), &body) {
        Answered::With(status, wait, body) => {
            let retry_after = wait.as_deref().and_then(RetryAfter::parse);
            Answer::Replied(Reply { status, etag: None, retry_after, body: body.into_bytes() })
        }
        Answered::Nothing => Answer::Lost,
    }
}

/// One attempt, as the shell makes it: its verdict, if the process lived to hear of it; none where nothing is to be done.
fn attempt(
    vendor: Vendor,
    calendar: &mut Calendar,
    row: &mut Row,
    booking: &BookingView,
    fates: &mut impl Iterator<Item = Fate>,
) -> Option<Verdict> {
    let maker = if row.adopted { Maker::Vendor } else { Maker::Daybook };
    let known = Known::from_row(row.applied_version, row.external_id.clone(), row.etag.clone(), row.in_doubt, maker);
    let fields = Fields { title: true, attendees: false };
    let mut exchange = match plan(booking, fields, &known) {
        Action::Put(visible) => Exchange::show(vendor, "anna@example.com", visible, &booking.tags, &known),
        Action::Remove(removal) => Exchange::remove(vendor, "anna@example.com", removal, &known),
        Action::NothingToShow => {
            (row.applied_version, row.external_id, row.etag) = (booking.version, None, None);
            return Some(Verdict::Gone);
        }
        Action::UpToDate => return Some(Verdict::Gone),
    };
    row.in_doubt = true;
    for _ in 0..CALLS_MAX {
        let fate = fates.next().unwrap_or(Fate::Fine);
        let answer = match fate {
            Fate::NotSent => Answer::NotSent,
            Fate::Fine | Fate::Died => send(calendar, &exchange.call()),
            Fate::Edited | Fate::Deleted => {
                calendar.meddle(fate == Fate::Deleted);
                send(calendar, &exchange.call())
            }
        };
        if fate == Fate::Died {
            return None;
        }
        match exchange.answer(&answer) {
            Progress::Next(next) => exchange = *next,
            Progress::Over(conclusion, _) => {
                row.in_doubt = conclusion.in_doubt;
                match &conclusion.verdict {
                    Verdict::Applied { external_id, etag, adopted } => {
                        (row.applied_version, row.external_id, row.etag, row.adopted) =
                            (booking.version, Some(external_id.clone()), etag.clone(), *adopted);
                    }
                    Verdict::Gone => {
                        (row.applied_version, row.external_id, row.etag, row.adopted) =
                            (booking.version, None, None, false);
                    }
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

fn settled(verdict: Option<&Verdict>) -> bool {
    matches!(verdict, Some(Verdict::Applied { .. } | Verdict::Gone))
}

pub(crate) fn quietly(vendor: Vendor, calendar: &mut Calendar, row: &mut Row, booking: &BookingView) -> Verdict {
    attempt(vendor, calendar, row, booking, &mut std::iter::empty()).expect("nobody died")
}

fn made(calendar: &Calendar) -> Vec<(u64, Made)> {
    calendar.applied.iter().map(|applied| (applied.version, applied.made)).collect()
}

#[test]
fn a_booking_is_made_changed_removed_and_made_again_each_with_one_entry() {
    for (vendor, dialect) in BOTH {
        let (mut calendar, mut row) = (Calendar::new(dialect), Row::default());
        for (version, start) in [(1, Some(NINE)), (2, Some(NINE + HOUR)), (3, None), (4, Some(NINE))] {
            let verdict = quietly(vendor, &mut calendar, &mut row, &booking(version, start));
            assert!(settled(Some(&verdict)), "{vendor:?} {version}: {verdict:?}");
            let shown: Vec<_> = calendar.ours().into_iter().map(|(_, version, start, _)| (version, start)).collect();
            assert_eq!(shown, start.map(|start| (version, start)).into_iter().collect::<Vec<_>>(), "{vendor:?}");
        }
        let removed = calendar.applied[2].version;
        assert_eq!(removed, 2, "what was removed was the second version");
        assert_eq!(
            made(&calendar),
            [(1, Made::Created), (2, Made::Changed), (2, Made::Removed), (4, Made::Created)],
            "{vendor:?}"
        );
        assert!(settled(Some(&quietly(vendor, &mut calendar, &mut row, &booking(4, Some(NINE))))));
        assert_eq!(calendar.applied.len(), 4, "nothing is said twice");
    }
}

#[test]
fn what_was_done_and_answered_otherwise_is_looked_up_and_not_done_again() {
    for (vendor, dialect) in BOTH {
        for fault in [WriteFault::Done500, WriteFault::DoneLost] {
            let (mut calendar, mut row) = (Calendar::new(dialect), Row::default());
            for (version, start) in [(1, Some(NINE)), (2, Some(NINE + HOUR)), (3, None)] {
                calendar.write_faults = [fault].into();
                let verdict = quietly(vendor, &mut calendar, &mut row, &booking(version, start));
                assert!(matches!(verdict, Verdict::LookFirst(_)) && row.in_doubt, "{vendor:?}: {verdict:?}");
                let verdict = quietly(vendor, &mut calendar, &mut row, &booking(version, start));
                assert!(settled(Some(&verdict)) && !row.in_doubt, "{vendor:?} {version}: {verdict:?}");
            }
            assert_eq!(made(&calendar), [(1, Made::Created), (2, Made::Changed), (2, Made::Removed)], "{vendor:?}");
        }
    }
}

#[test]
fn an_entry_that_was_deleted_before_its_maker_heard_of_it_is_made_again_when_it_has_been_gone_for_long() {
    let (mut calendar, mut row) = (Calendar::new(Dialect::Graph), Row::default());
    calendar.write_faults = [WriteFault::DoneLost].into();
    let verdict = quietly(Vendor::Outlook, &mut calendar, &mut row, &booking(1, Some(NINE)));
    assert!(matches!(verdict, Verdict::LookFirst(_)), "{verdict:?}");
    calendar.meddle(true);
    let mut tries = 1;
    while !settled(Some(&tried(tries, &mut calendar, &mut row))) {
        assert!(calendar.ours().is_empty(), "it is not believed to be gone at once");
        tries += 1;
    }
    assert_eq!((tries, calendar.ours().len()), (SPENT_AFTER, 1));
}

fn tried(tries: u32, calendar: &mut Calendar, row: &mut Row) -> Verdict {
    let booking = booking(1, Some(NINE));
    let known = Known::from_row(row.applied_version, row.external_id.clone(), None, row.in_doubt, Maker::Daybook);
    let Action::Put(visible) = plan(&booking, Fields::default(), &known) else { panic!("to be shown") };
    let mut exchange = Exchange::show(Vendor::Outlook, "anna@example.com", visible, &[], &known).after(tries);
    loop {
        let answer = send(calendar, &exchange.call());
        match exchange.answer(&answer) {
            Progress::Next(next) => exchange = *next,
            Progress::Over(conclusion, _) => {
                row.in_doubt = conclusion.in_doubt;
                return conclusion.verdict;
            }
        }
    }
}

#[test]
fn a_success_that_stored_nothing_is_not_believed() {
    for (vendor, dialect) in BOTH {
        let (mut calendar, mut row) = (Calendar::new(dialect), Row::default());
        calendar.write_faults = [WriteFault::NoEffect].into();
        let verdict = quietly(vendor, &mut calendar, &mut row, &booking(1, Some(NINE)));
        // Google is asked for the entry by its name. Microsoft's has none yet, and is made again by the same transaction.
        assert_eq!(settled(Some(&verdict)), vendor == Vendor::Outlook, "{vendor:?}: {verdict:?}");
        let verdict = quietly(vendor, &mut calendar, &mut row, &booking(1, Some(NINE)));
        assert!(settled(Some(&verdict)), "{vendor:?}: {verdict:?}");
        assert_eq!(made(&calendar), [(1, Made::Created)]);
    }
}

#[test]
fn what_a_person_has_made_of_an_entry_is_put_back_with_the_next_version_and_removed_with_the_last() {
    for (vendor, dialect) in BOTH {
        for delete in [false, true] {
            let (mut calendar, mut row) = (Calendar::new(dialect), Row::default());
            quietly(vendor, &mut calendar, &mut row, &booking(1, Some(NINE)));
            calendar.meddle(delete);
            let verdict = quietly(vendor, &mut calendar, &mut row, &booking(2, Some(NINE + HOUR)));
            assert!(settled(Some(&verdict)), "{vendor:?} {delete}: {verdict:?}");
            assert_eq!(calendar.ours().len(), 1, "{vendor:?} {delete}");
            calendar.meddle(delete);
            assert!(settled(Some(&quietly(vendor, &mut calendar, &mut row, &booking(3, None)))));
            assert_eq!(calendar.ours(), [], "{vendor:?} {delete}");
        }
    }
}

#[test]
fn somebody_elses_entry_is_never_touched() {
    for (vendor, dialect) in BOTH {
        let mut calendar = Calendar::new(dialect);
        calendar.put("theirs", NINE, NINE + HOUR);
        let mut row = Row { applied_version: 1, external_id: Some("theirs".to_owned()), ..Row::default() };
        for booking in [booking(2, Some(NINE)), booking(3, None)] {
            let verdict = quietly(vendor, &mut calendar, &mut row, &booking);
            assert_eq!(verdict, Verdict::Permanent(Reason::ForeignEntry), "{vendor:?}");
        }
        assert!(calendar.applied.is_empty() && calendar.busy().contains_key("theirs"));
    }
}

#[test]
fn refusals_are_told_apart_by_what_can_be_done_about_them() {
    let google = |status, reason: &str| {
        let body = format!(r#"{{"error": {{"errors": [{{"reason": "{reason}"}}]}}}}"#).into_bytes();
        google::read(&Phase::Create, &Reply { status, body, ..Reply::default() }, Effect::Once)
    };
    for quota in ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"] {
        assert_eq!(google(403, quota), Seen::Other(Verdict::Throttled { retry_after: None }));
    }
    assert_eq!(google(403, "insufficientPermissions"), Seen::Other(Verdict::Unauthorized));
    assert_eq!(google(403, "forbidden"), Seen::Other(Verdict::Permanent(Reason::Refused)));
    assert_eq!(google(401, "authError"), Seen::Other(Verdict::Unauthorized));
    assert_eq!(google(404, "notFound"), Seen::NoCalendar);
    assert_eq!(google(409, "duplicate"), Seen::Conflict);
    let page = Reply { status: 403, body: b"<html>".to_vec(), ..Reply::default() };
    let doubt = Seen::Other(Verdict::LookFirst(Trouble::Unreadable));
    assert_eq!(google::read(&Phase::Create, &page, Effect::Once), doubt);
    let outlook = |phase: &Phase, status, code: &str| {
        let body = format!(r#"{{"error": {{"code": "{code}"}}}}"#).into_bytes();
        outlook::read(phase, id(), &Reply { status, body, ..Reply::default() }, Effect::Once)
    };
    // Whatever its status.
    for status in [400, 409] {
        assert_eq!(outlook(&Phase::Create, status, "ErrorDuplicateTransactionId"), Seen::Conflict);
    }
    let change = Phase::Change { etag: "x".to_owned() };
    assert_eq!(outlook(&change, 412, "ErrorIrresolvableConflict"), Seen::Conflict);
    assert_eq!(outlook(&change, 404, "ErrorItemNotFound"), Seen::Nothing);
    assert_eq!(outlook(&change, 404, "ErrorInvalidUser"), Seen::NoCalendar);
    assert_eq!(outlook(&Phase::Look, 403, "ErrorAccessDenied"), Seen::Other(Verdict::Unauthorized));
    let gateway = Reply { status: 404, body: b"<html>".to_vec(), ..Reply::default() };
    assert_eq!(outlook::read(&change, id(), &gateway, Effect::Once), doubt);
}

#[test]
fn what_is_sent_is_what_the_vendors_document() {
    let Action::Put(visible) = plan(&booking(1, Some(NINE)), Fields::default(), &Known::Nothing) else {
        panic!("there is something to show")
    };
    let line = |vendor: Vendor, known: &Known| {
        let call = Exchange::show(vendor, "anna@example.com", visible.clone(), &[], known).call();
        let headers: Vec<String> = call.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!(
            "{} {}\n{}\n{}",
            call.method.as_str(),
            call.path,
            headers.join("\n"),
            String::from_utf8_lossy(&call.body)
        )
    };
    let entry = |id: &str| Known::Entry {
        version: 1,
        external_id: id.to_owned(),
        etag: Some("\"7\"".to_owned()),
        maker: Maker::Daybook,
    };
    let unsure = Known::Unsure { version: 3, external_id: None, maker: Maker::Daybook };
    expect_test::expect_file!["calls.txt"].assert_eq(
        &[
            line(Vendor::Google, &Known::Nothing),
            line(Vendor::Google, &entry("4acc22337ebf5ca1aa3648892920231ag0")),
            line(Vendor::Google, &unsure),
            line(Vendor::Outlook, &Known::Removed { version: 3 }),
            line(Vendor::Outlook, &entry("AAMk/1=")),
            line(Vendor::Outlook, &unsure),
        ]
        .join("\n\n"),
    );
}

/// The name by which a vendor's entry is known across systems.
fn kin(dialect: Dialect, id: &str, by_uid: bool) -> Tag {
    match (dialect, by_uid) {
        (Dialect::Google, false) => Tag::derive("google", id),
        (Dialect::Google, true) => Tag::derive("ical", &format!("{id}@google.com")),
        (Dialect::Graph, false) => Tag::derive("outlook", id),
        (Dialect::Graph, true) => Tag::derive("ical", &format!("uid-{id}")),
    }
}

#[test]
fn an_entry_that_its_vendor_has_made_is_the_bookings_and_is_moved_and_removed_with_it() {
    for (vendor, dialect) in BOTH {
        for by_uid in [false, true] {
            let (mut calendar, mut row) = (Calendar::new(dialect), Row::default());
            calendar.vendors("e1", NINE, NINE + HOUR, "jane@example.com");
            calendar.put("another", NINE, NINE + HOUR);
            let booked =
                |version, start| BookingView { tags: vec![kin(dialect, "e1", by_uid)], ..booking(version, start) };
            let verdict = quietly(vendor, &mut calendar, &mut row, &booked(1, Some(NINE)));
            assert!(settled(Some(&verdict)) && row.adopted && row.external_id.as_deref() == Some("e1"), "{verdict:?}");
            assert_eq!((calendar.adopted.len(), calendar.applied.len()), (0, 0), "{vendor:?}: nothing is written");
            quietly(vendor, &mut calendar, &mut row, &booked(2, Some(NINE + HOUR)));
            let others = calendar.others();
            assert!(others.contains(&("e1".to_owned(), NINE + HOUR, NINE + 2 * HOUR)), "{vendor:?}: {others:?}");
            let verdict = quietly(vendor, &mut calendar, &mut row, &booked(3, None));
            assert_eq!(verdict, Verdict::Gone);
            assert_eq!(calendar.others(), [("another".to_owned(), NINE, NINE + HOUR)], "{vendor:?}");
            assert_eq!((calendar.ours().len(), calendar.applied.len()), (0, 0), "{vendor:?}: none of ours was made");
        }
    }
}

#[test]
fn an_entry_that_its_vendor_takes_away_is_replaced_by_its_next_or_by_one_of_ours() {
    for (vendor, dialect) in BOTH {
        let (mut calendar, mut row) = (Calendar::new(dialect), Row::default());
        calendar.vendors("e1", NINE, NINE + HOUR, "jane@example.com");
        let booked = |version, start, ids: &[&str]| {
            let tags = ids.iter().map(|id| kin(dialect, id, false)).collect();
            BookingView { tags, ..booking(version, Some(start)) }
        };
        quietly(vendor, &mut calendar, &mut row, &booked(1, NINE, &["e1"]));
        calendar.delete("e1");
        calendar.vendors("e2", NINE + HOUR, NINE + 2 * HOUR, "jane@example.com");
        let verdict = quietly(vendor, &mut calendar, &mut row, &booked(2, NINE + HOUR, &["e1", "e2"]));
        assert!(settled(Some(&verdict)) && row.external_id.as_deref() == Some("e2"), "{vendor:?}: {verdict:?}");
        calendar.delete("e2");
        let verdict = quietly(vendor, &mut calendar, &mut row, &booked(3, NINE + 2 * HOUR, &["e1", "e2"]));
        assert!(settled(Some(&verdict)) && !row.adopted, "{vendor:?}: {verdict:?}");
        let shown: Vec<_> = calendar.ours().into_iter().map(|(_, version, start, _)| (version, start)).collect();
        assert_eq!(shown, [(3, NINE + 2 * HOUR)], "{vendor:?}");
    }
}

#[test]
fn what_bears_our_mark_or_is_in_another_time_or_has_another_name_is_no_kin() {
    for (vendor, dialect) in BOTH {
        let (mut calendar, mut row) = (Calendar::new(dialect), Row::default());
        calendar.vendors("later", NINE + 5 * HOUR, NINE + 6 * HOUR, "jane@example.com");
        calendar.vendors("another", NINE, NINE + HOUR, "jane@example.com");
        let tags = vec![kin(dialect, "later", false), kin(dialect, "e9", true)];
        quietly(vendor, &mut calendar, &mut row, &BookingView { tags, ..booking(1, Some(NINE)) });
        assert_eq!(calendar.ours().len(), 1, "{vendor:?}: it has one of ours");
        // Somebody's program takes our entry for the vendor's, by its id.
        let own = row.external_id.clone().expect("an id");
        let other = BookingView {
            booking_id: BookingId::from_uuid(uuid::Uuid::from_u128(9)),
            tags: vec![kin(dialect, &own, false)],
            ..booking(1, Some(NINE))
        };
        let mut second = Row::default();
        quietly(vendor, &mut calendar, &mut second, &other);
        assert!(!second.adopted && second.external_id != Some(own), "{vendor:?}");
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Fine),
        1 => Just(Fate::NotSent),
        2 => Just(Fate::Died),
        1 => Just(Fate::Edited),
        1 => Just(Fate::Deleted),
    ]
}

fn write_fault() -> impl Strategy<Value = WriteFault> {
    prop::sample::select(vec![
        WriteFault::Away,
        WriteFault::Done500,
        WriteFault::DoneLost,
        WriteFault::Lost,
        WriteFault::TooMany(None),
        WriteFault::TooMany(Some(2)),
        WriteFault::NoEffect,
        WriteFault::Denied,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Versions of one booking, live or cancelled, with up to three attempts at each, and then as many as it takes.
    #[test]
    fn whatever_happens_the_calendar_ends_as_the_store_and_never_goes_back(
        which in 0..2_usize,
        states in prop::collection::vec((prop::option::of(0..5_i64), 0..4_usize), 1..6),
        fates in prop::collection::vec(fate(), 0..40),
        faults in prop::collection::vec((prop::option::weighted(0.3, write_fault()), any::<bool>()), 0..30),
    ) {
        let (vendor, dialect) = BOTH[which];
        let (mut calendar, mut row) = (Calendar::new(dialect), Row::default());
        let deleted = fates.contains(&Fate::Deleted);
        let (mut fates, mut faults) = (fates.into_iter(), faults.into_iter());
        let last = states.len() - 1;
        for (index, (hour, tries)) in states.iter().copied().enumerate() {
            let booking = booking(index as u64 + 1, hour.map(|hour| NINE + hour * HOUR));
            for _ in 0..tries {
                let (write, read) = faults.next().unwrap_or((None, false));
                calendar.write_faults = write.into_iter().collect();
                calendar.faults = read.then_some(Fault::Away).into_iter().collect();
                let verdict = attempt(vendor, &mut calendar, &mut row, &booking, &mut fates);
                calendar.write_faults.clear();
                calendar.faults.clear();
                if settled(verdict.as_ref()) {
                    break;
                }
            }
            if index == last {
                // Quiet: nobody meddles, and everything is answered.
                let quiet = (0..4).any(|_| settled(Some(&quietly(vendor, &mut calendar, &mut row, &booking))));
                // Whoever deletes an entry before its maker has heard of it has spent its transaction: that is given up in the
                // end, for somebody to see.
                let spent = vendor == Vendor::Outlook && deleted && calendar.ours().is_empty();
                prop_assert!(quiet || spent, "{vendor:?} does not settle: {row:?}");
                if !quiet {
                    return Ok(());
                }
                let shown: Vec<_> = calendar.ours().into_iter().map(|(_, _, start, _)| start).collect();
                let wanted: Vec<_> = hour.map(|hour| NINE + hour * HOUR).into_iter().collect();
                // A person may have deleted, or changed, what was shown already; the next version puts that back.
                let meddled = row.applied_version == booking.version && shown.is_empty();
                prop_assert!(shown == wanted || meddled, "{vendor:?} shows {shown:?} and not {wanted:?}");
            }
        }
        let written = calendar.applied.iter().filter(|applied| applied.made != Made::Removed);
        let versions: Vec<u64> = written.map(|applied| applied.version).collect();
        prop_assert!(versions.is_sorted(), "an older version was written after a newer: {versions:?}");
    }

    /// The same of a booking whose vendor has put it into the calendar by itself.
    #[test]
    fn whatever_happens_a_vendors_own_entry_is_kept_as_decided_and_none_of_ours_is_made_beside_it(
        which in 0..2_usize, by_uid in any::<bool>(),
        states in prop::collection::vec((prop::option::weighted(0.8, 0..5_i64), 0..4_usize), 1..5),
        fates in prop::collection::vec(prop_oneof![8 => Just(Fate::Fine), 1 => Just(Fate::NotSent), 2 => Just(Fate::Died)], 0..40),
        faults in prop::collection::vec((prop::option::weighted(0.3, write_fault()), any::<bool>()), 0..30),
    ) {
        let (vendor, dialect) = BOTH[which];
        let (mut calendar, mut row) = (Calendar::new(dialect), Row::default());
        calendar.vendors("e1", NINE, NINE + 5 * HOUR, "jane@example.com");
        let (mut fates, mut faults) = (fates.into_iter(), faults.into_iter());
        for (index, (hour, tries)) in states.iter().copied().enumerate() {
            let tags = vec![kin(dialect, "e1", by_uid)];
            let booking = BookingView { tags, ..booking(index as u64 + 1, hour.map(|hour| NINE + hour * HOUR)) };
            for _ in 0..tries {
                let (write, read) = faults.next().unwrap_or((None, false));
                calendar.write_faults = write.into_iter().collect();
                calendar.faults = read.then_some(Fault::Away).into_iter().collect();
                let verdict = attempt(vendor, &mut calendar, &mut row, &booking, &mut fates);
                calendar.write_faults.clear();
                calendar.faults.clear();
                if settled(verdict.as_ref()) {
                    break;
                }
            }
            // Quiet.
            let quiet = (0..4).any(|_| settled(Some(&quietly(vendor, &mut calendar, &mut row, &booking))));
            prop_assert!(quiet, "{vendor:?} does not settle: {row:?}");
            let shown: Vec<_> = calendar.others().into_iter().map(|(_, start, _)| start).collect();
            match hour {
                Some(hour) => prop_assert_eq!(shown, [NINE + hour * HOUR]),
                // What was cancelled before it was ever shown is left to its vendor.
                None => prop_assert!(shown.is_empty() || index == 0, "{vendor:?} still shows {shown:?}"),
            }
            prop_assert!(calendar.applied.is_empty(), "{vendor:?}: one of ours was made");
            if hour.is_none() {
                // What its vendor has taken away, or will, is not looked for again.
                break;
            }
        }
    }

    #[test]
    fn no_answer_makes_an_exchange_panic_or_run_on(
        which in 0..2_usize, known in 0..5_usize, named in any::<bool>(),
        answers in prop::collection::vec((0..4_usize, any::<u16>(), any::<Vec<u8>>()), CALLS_MAX as usize),
    ) {
        let known = [
            Known::Nothing,
            Known::Removed { version: 1 },
            Known::Entry { version: 1, external_id: "x".to_owned(), etag: Some("\"a\"".to_owned()), maker: Maker::Daybook },
            Known::Unsure { version: 0, external_id: None, maker: Maker::Daybook },
            Known::Unsure { version: 1, external_id: Some("x".to_owned()), maker: Maker::Vendor },
        ][known].clone();
        let Action::Put(visible) = plan(&booking(2, Some(NINE)), Fields::default(), &Known::Nothing) else { panic!() };
        let tags: Vec<Tag> = named.then(|| Tag::derive("ical", "x")).into_iter().collect();
        let mut exchange = Exchange::show(BOTH[which].0, "anna@example.com", visible, &tags, &known);
        let mut over = false;
        for (kind, status, body) in answers {
            let answer = match kind {
                0 => Answer::Lost,
                1 => Answer::NotSent,
                _ => Answer::Replied(Reply { status, etag: None, retry_after: None, body }),
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
