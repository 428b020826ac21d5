//! Calendars in memory that people and programs lay hands on, read back.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::entry::{name, render};
use crate::mirror::tests::calendar::{Calendar, Fault};
use crate::mirror::tests::{BOTH, HOUR, NINE, Row, at, booking, quietly, send};
use crate::{Action, BookingView, Drift, Fields, Known, Reply, plan};

/// What somebody does.
type Change = fn(&mut Calendar);

const CALENDAR: &str = "anna@example.com";

fn window() -> Interval {
    Interval::new(at(NINE - HOUR), at(NINE + 90 * 24 * HOUR)).expect("a window")
}

fn one(number: u128, start: i64) -> BookingView {
    BookingView { booking_id: BookingId::from_uuid(Uuid::from_u128(number)), ..booking(1, Some(start)) }
}

fn visible(booking: &BookingView) -> Visible {
    match plan(booking, Fields { title: true, attendees: false }, &Known::Nothing) {
        Action::Put(visible) => visible,
        other @ (Action::Remove(_) | Action::NothingToShow | Action::UpToDate) => panic!("not to be shown: {other:?}"),
    }
}

/// A calendar that shows seven bookings, with their delivery rows.
fn shown(vendor: Vendor, calendar: &mut Calendar) -> Vec<(BookingView, Row)> {
    let bookings = (1..=7).map(|number| one(number, NINE + HOUR * i64::try_from(number).expect("small")));
    bookings
        .map(|booking| {
            let mut row = Row::default();
            quietly(vendor, calendar, &mut row, &booking);
            (booking, row)
        })
        .collect()
}

fn expected(rows: &[(BookingView, Row)]) -> Vec<Expected> {
    let standing = rows.iter().filter_map(|(booking, row)| Some((booking, row.external_id.clone()?, row.etag.clone())));
    standing
        .map(|(booking, external_id, etag)| Expected { external_id, etag, adopted: false, visible: visible(booking) })
        .collect()
}

fn listed(vendor: Vendor, calendar: &mut Calendar) -> Result<Vec<Found>, Verdict> {
    let mut listing = Listing::new(Readable::Api(vendor), CALENDAR, window());
    loop {
        let answer = send(calendar, &listing.call());
        match listing.answer(&answer)? {
            Listed::Next(next) => listing = *next,
            Listed::Over(found) => return Ok(found),
        }
    }
}

/// What is wrong in the end, and what there is that should not be.
fn differences(vendor: Vendor, calendar: &mut Calendar, rows: &[(BookingView, Row)]) -> (Vec<Difference>, usize) {
    let (readable, expected) = (Readable::Api(vendor), expected(rows));
    let found = listed(vendor, calendar).expect("a listing");
    let Survey { suspects, strangers } = survey(&expected, &found);
    let suspects = suspects.into_iter().filter_map(|at| {
        let Expected { external_id, visible, .. } = &expected[at];
        let answer = send(calendar, &look(readable, CALENDAR, visible.booking_id, external_id));
        judge(readable, &expected[at], &answer).expect("a judgement")
    });
    let suspects = suspects.collect();
    let standing = strangers.into_iter().filter(|at| {
        let Found { external_id, booking_id, .. } = &found[*at];
        let answer = send(calendar, &look(readable, CALENDAR, *booking_id, external_id));
        stands(readable, *booking_id, &answer).expect("a judgement").is_some()
    });
    (suspects, standing.count())
}

#[test]
fn a_calendar_that_shows_what_it_should_raises_no_suspicion_whatever_else_is_in_it() {
    for (vendor, dialect) in BOTH {
        let mut calendar = Calendar::new(dialect);
        let rows = shown(vendor, &mut calendar);
        calendar.put("somebody's", NINE, NINE + HOUR);
        let found = listed(vendor, &mut calendar).expect("a listing");
        assert_eq!(found.len(), 7, "{vendor:?}: nobody else's are asked for");
        assert_eq!(survey(&expected(&rows), &found), Survey::default(), "{vendor:?}");
    }
}

#[test]
fn what_people_do_to_entries_is_called_by_its_name() {
    for (vendor, dialect) in BOTH {
        let changed: [(Change, Difference); 3] = [
            (|calendar| calendar.meddle(true), Difference::MISSING),
            (
                |calendar| calendar.meddle(false),
                Difference { drift: Drift::Edited, shown: None, fields: vec![Field::Title], seen: None },
            ),
            (
                |calendar| calendar.drag(HOUR),
                Difference { drift: Drift::Moved, shown: None, fields: vec![Field::Time], seen: None },
            ),
        ];
        for (change, wanted) in changed {
            let mut calendar = Calendar::new(dialect);
            let mut rows = shown(vendor, &mut calendar);
            change(&mut calendar);
            let (found, strangers) = differences(vendor, &mut calendar, &rows);
            assert_eq!((found.len(), strangers), (7, 0), "{vendor:?} {wanted:?}");
            for ((booking, _), found) in rows.iter().zip(&found) {
                let there = Difference { shown: None, seen: None, ..found.clone() };
                assert_eq!(there, wanted, "{vendor:?}");
                let begins = found.shown.map(|shown| shown.start().since(visible(booking).interval.start()));
                let later = if wanted.drift == Drift::Moved { Duration::from_secs(3_600) } else { Duration::ZERO };
                assert_eq!(begins, (wanted.drift != Drift::Missing).then_some(later), "{vendor:?}");
            }
            // Put right as the shell does it: with the doubt that somebody has been there.
            for (booking, row) in &mut rows {
                (row.in_doubt, row.applied_version) = (true, 0);
                let verdict = quietly(vendor, &mut calendar, row, booking);
                assert!(matches!(verdict, Verdict::Applied { .. }), "{vendor:?}: {verdict:?}");
            }
            assert_eq!(differences(vendor, &mut calendar, &rows), (Vec::new(), 0), "{vendor:?} {wanted:?}");
        }
    }
}

#[test]
fn copies_and_what_was_taken_back_out_of_the_bin_are_strangers() {
    for (vendor, dialect) in BOTH {
        let mut calendar = Calendar::new(dialect);
        let mut rows = shown(vendor, &mut calendar);
        let (first, row) = &mut rows[0];
        *first = BookingView { booking_id: first.booking_id, ..booking(2, None) };
        quietly(vendor, &mut calendar, row, first);
        assert_eq!(differences(vendor, &mut calendar, &rows), (Vec::new(), 0), "{vendor:?}: it was cancelled");
        calendar.restore();
        assert_eq!(differences(vendor, &mut calendar, &rows), (Vec::new(), 1), "{vendor:?}: it is back");
        calendar.copy();
        assert_eq!(differences(vendor, &mut calendar, &rows), (Vec::new(), 8), "{vendor:?}: and so are the copies");
    }
}

#[test]
fn an_answer_that_is_cut_off_or_old_or_of_somebody_in_between_accuses_nobody() {
    for (vendor, dialect) in BOTH {
        for fault in [
            Fault::Halved,
            Fault::Half,
            Fault::Nothing,
            Fault::Page,
            Fault::Error,
            Fault::Away,
            Fault::TooMany(Some(1)),
        ] {
            let mut calendar = Calendar::new(dialect);
            let rows = shown(vendor, &mut calendar);
            calendar.faults.push_back(fault);
            match listed(vendor, &mut calendar) {
                Err(verdict) => assert!(
                    matches!(verdict, Verdict::Retryable(_) | Verdict::Throttled { .. }),
                    "{vendor:?} {fault:?}: {verdict:?}"
                ),
                Ok(_) => {
                    calendar.faults.push_back(fault);
                    assert_eq!(differences(vendor, &mut calendar, &rows), (Vec::new(), 0), "{vendor:?} {fault:?}");
                }
            }
        }
    }
}

fn reply(status: u16, body: &str) -> Answer {
    Answer::Replied(Reply { status, body: body.into(), ..Reply::default() })
}

fn multistatus_of(names: &[(&str, &str)]) -> Answer {
    let responses: String = names
        .iter()
        .map(|(name, etag)| {
            format!(
                "<response><href>/cal/{name}</href><propstat><prop><getetag>{etag}</getetag></prop>\
                 <status>HTTP/1.1 200 OK</status></propstat></response>"
            )
        })
        .collect();
    reply(207, &format!("<multistatus xmlns=\"DAV:\">{responses}</multistatus>"))
}

#[test]
fn a_caldav_server_is_asked_for_names_and_tags_a_month_at_a_time() {
    let mut listing = Listing::new(Readable::CalDav, "anna", window());
    let (own, mut slices) = (name(one(1, NINE).booking_id), Vec::new());
    let found = loop {
        let call = listing.call();
        assert_eq!((call.method, call.path.as_str(), call.header("depth")), (Method::Report, "", Some("1")));
        let body = String::from_utf8(call.body).expect("text");
        assert!(!body.contains("calendar-data"), "no content is asked for");
        slices.push(body.split("time-range ").nth(1).expect("a range").split("/>").next().expect("its end").to_owned());
        match listing.answer(&multistatus_of(&[(&own, "\"1\""), ("lunch.ics", "\"2\"")])).expect("an answer") {
            Listed::Next(next) => listing = *next,
            Listed::Over(found) => break found,
        }
    };
    assert_eq!(
        slices,
        [
            "start=\"20260304T080000Z\" end=\"20260404T080000Z\"",
            "start=\"20260404T080000Z\" end=\"20260505T080000Z\"",
            "start=\"20260505T080000Z\" end=\"20260602T090000Z\"",
        ]
    );
    assert_eq!(found.len(), 1, "it is one though it is in each, and nobody else's is ours");
    assert_eq!(found[0].external_id, own);
}

#[test]
fn an_entry_of_a_caldav_server_is_read_only_where_its_tag_has_changed() {
    let booking = one(1, NINE);
    let expected = |etag: Option<&str>| Expected {
        external_id: name(booking.booking_id),
        etag: etag.map(str::to_owned),
        adopted: false,
        visible: visible(&booking),
    };
    let found = |etag: &str| Found {
        external_id: name(booking.booking_id),
        booking_id: booking.booking_id,
        etag: Some(etag.to_owned()),
        entry: None,
    };
    let suspects = |etag, found: &[Found]| survey(&[expected(etag)], found).suspects.len();
    assert_eq!(suspects(Some("\"1\""), &[found("\"1\"")]), 0);
    assert_eq!(suspects(Some("\"1\""), &[found("W/\"1\"")]), 0, "a proxy weakens tags");
    assert_eq!(suspects(Some("\"1\""), &[found("\"2\"")]), 1);
    assert_eq!(suspects(None, &[found("\"2\"")]), 1);
    assert_eq!(suspects(Some("\"1\""), &[]), 1);

    let wanted = visible(&booking);
    let own = expected(None);
    let judged = |body: &str| judge(Readable::CalDav, &own, &reply(200, body)).expect("a judgement");
    let text = render(&wanted);
    assert_eq!(judged(&text), None);
    let moved = judged(&text.replace("20260304T100000Z", "20260304T110000Z")).expect("a difference");
    assert_eq!((moved.drift, moved.fields.as_slice()), (Drift::Moved, &[Field::Time][..]));
    assert_eq!(moved.shown.map(|shown| shown.length()), Some(Duration::from_secs(7_200)));
    let fields = |body: &str| judged(body).map(|found| (found.drift, found.fields)).expect("a difference");
    assert_eq!(fields(&text.replace("SUMMARY:", "SUMMARY:Lunch")), (Drift::Edited, vec![Field::Title]));
    assert_eq!(fields(&text.replace("OPAQUE", "TRANSPARENT")), (Drift::Edited, vec![Field::Nature]));
    assert_eq!(fields(&text.replace("X-DAYBOOK-BOOKING", "X-NOBODYS")), (Drift::Edited, vec![Field::Mark]));
    assert_eq!(fields(&text.replace("DAYBOOK-VERSION:1", "DAYBOOK-VERSION:0")), (Drift::Edited, vec![Field::Version]));
    assert_eq!(judge(Readable::CalDav, &own, &reply(404, "")), Ok(Some(Difference::MISSING)));
    let unreadable = Err(Verdict::Retryable(Trouble::Unreadable));
    assert_eq!(judge(Readable::CalDav, &own, &reply(200, "<html/>")), unreadable);
    assert!(judge(Readable::CalDav, &own, &reply(503, "")).is_err(), "nothing is concluded from a server that is away");
    let stranger = stands(Readable::CalDav, booking.booking_id, &reply(200, &text)).expect("an answer");
    assert_eq!(stranger.and_then(|stranger| stranger.shown), Some(wanted.interval));
    let foreign = text.replace("X-DAYBOOK-BOOKING", "X-NOBODYS");
    assert_eq!(stands(Readable::CalDav, booking.booking_id, &reply(200, &foreign)), Ok(None));
}

#[test]
fn a_listing_that_is_refused_or_makes_no_sense_is_none() {
    let listing = || Listing::new(Readable::CalDav, "anna", window());
    for (answer, verdict) in [
        (reply(404, ""), Verdict::Permanent(Reason::CollectionMissing)),
        (reply(401, ""), Verdict::Unauthorized),
        (reply(207, "<multistatus"), Verdict::Retryable(Trouble::Unreadable)),
        (reply(200, "ok"), Verdict::Retryable(Trouble::Unreadable)),
        (Answer::Lost, Verdict::Retryable(Trouble::NoAnswer)),
    ] {
        assert_eq!(listing().answer(&answer).err(), Some(verdict));
    }
}

#[test]
fn a_link_to_another_page_is_followed_only_within_the_api() {
    let listing = Listing::new(Readable::Api(Vendor::Outlook), CALENDAR, window());
    let page = |link: &str| reply(200, &format!("{{\"value\": [], \"@odata.nextLink\": \"{link}\"}}"));
    let next = listing.clone().answer(&page("https://elsewhere.example/v1.0/users/x/events?$skiptoken=1"));
    let Ok(Listed::Next(next)) = next else { panic!("it goes on") };
    assert_eq!(next.call().path, "/v1.0/users/x/events?$skiptoken=1", "where the API is, the settings say");
    for link in ["https://elsewhere.example/other", "nonsense", "https://elsewhere.example"] {
        assert_eq!(listing.clone().answer(&page(link)).err(), Some(Verdict::Retryable(Trouble::Unreadable)), "{link}");
    }
}

#[test]
fn of_an_entry_that_a_vendor_has_made_only_its_times_are_compared() {
    for (vendor, dialect) in BOTH {
        let mut calendar = Calendar::new(dialect);
        calendar.vendors("e1", NINE, NINE + HOUR, "jane@example.com");
        let booking = one(1, NINE);
        let expected = Expected { external_id: "e1".to_owned(), etag: None, adopted: true, visible: visible(&booking) };
        let readable = Readable::Api(vendor);
        let found = listed(vendor, &mut calendar).expect("a listing");
        assert_eq!(survey(std::slice::from_ref(&expected), &found).suspects, [0], "{vendor:?}: it bears no mark");
        let mut judged = || {
            let answer = send(&mut calendar, &look(readable, CALENDAR, booking.booking_id, "e1"));
            judge(readable, &expected, &answer).expect("a judgement").map(|found| found.drift)
        };
        assert_eq!(judged(), None, "{vendor:?}");
        calendar.put("e1", NINE + HOUR, NINE + 2 * HOUR);
        let answer = send(&mut calendar, &look(readable, CALENDAR, booking.booking_id, "e1"));
        let moved = judge(readable, &expected, &answer).expect("a judgement").map(|found| found.drift);
        assert_eq!(moved, Some(Drift::Moved), "{vendor:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_answer_makes_a_listing_or_a_judgement_panic_or_run_on(
        which in 0..3_usize,
        answers in prop::collection::vec((0..4_usize, 200..600_u16, any::<Vec<u8>>()), 1..8),
        shape in 0..4_usize,
    ) {
        let readable = [Readable::CalDav, Readable::Api(Vendor::Google), Readable::Api(Vendor::Outlook)][which];
        let shapes: [&[u8]; 4] = [
            b"{\"kind\":\"calendar#events\",\"items\":[{\"id\":\"x\"},7],\"nextPageToken\":\"p\"}",
            b"{\"value\":[{\"id\":\"x\",\"singleValueExtendedProperties\":[{}]}],\"@odata.nextLink\":\"https://a/v1.0/b\"}",
            b"<multistatus xmlns=\"DAV:\"><response><href>%</href></response></multistatus>",
            b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        ];
        let booking = one(1, NINE);
        let expected = Expected { external_id: "x".to_owned(), etag: None, adopted: false, visible: visible(&booking) };
        let mut listing = Some(Listing::new(readable, CALENDAR, window()));
        for (kind, status, bytes) in answers {
            let body = if kind == 3 { shapes[shape].to_vec() } else { bytes };
            let answer = match kind {
                0 => Answer::Lost,
                1 => Answer::NotSent,
                _ => Answer::Replied(Reply { status, body, ..Reply::default() }),
            };
            let _ = judge(readable, &expected, &answer);
            let _ = stands(readable, booking.booking_id, &answer);
            listing = match listing.take().map(|listing| listing.answer(&answer)) {
                Some(Ok(Listed::Next(next))) => Some(*next),
                Some(Ok(Listed::Over(found))) => {
                    prop_assert!(survey(std::slice::from_ref(&expected), &found).strangers.len() <= found.len());
                    None
                }
                Some(Err(_)) | None => None,
            };
        }
    }
}
