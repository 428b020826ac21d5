//! The entry by itself, under a judge that is not ours, and after a server has had its way with it.

use calcard::icalendar::{ICalendar, ICalendarProperty, ICalendarValue};
use daybook_domain::{ContactId, Interval};
use proptest::prelude::*;

use super::*;
use crate::VisibleStatus;
use daybook_icalendar::content_line::LINE_MAX;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn attendee(name: Option<&str>, email: Option<&str>, phone: Option<&str>) -> Attendee {
    Attendee {
        contact_id: ContactId::from_bytes([7; 16]),
        name: name.map(str::to_owned),
        email: email.map(str::to_owned),
        phone: phone.map(str::to_owned),
    }
}

fn visible() -> Visible {
    Visible {
        booking_id: "4acc2233-7ebf-5ca1-aa36-48892920231a".parse().expect("an id"),
        resource: "anna".parse().expect("a name"),
        version: 3,
        status: VisibleStatus::Confirmed,
        interval: Interval::new(at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z")).expect("an interval"),
        decided_at: at("2026-03-01T00:00:02.5Z"),
        resource_time_zone: Some("Europe/Berlin".to_owned()),
        source_time_zone: None,
        title: None,
        attendees: Vec::new(),
    }
}

#[test]
fn an_entry_of_busy_time_is_these_bytes() {
    let expected = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Daybook//Propagator//EN",
        "BEGIN:VEVENT",
        "UID:4acc2233-7ebf-5ca1-aa36-48892920231a",
        "DTSTAMP:20260301T000002Z",
        "DTSTART:20260304T090000Z",
        "DTEND:20260304T093000Z",
        "SEQUENCE:2",
        "SUMMARY:Busy",
        "STATUS:CONFIRMED",
        "TRANSP:OPAQUE",
        "X-DAYBOOK-BOOKING:4acc2233-7ebf-5ca1-aa36-48892920231a",
        "X-DAYBOOK-VERSION:3",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ];
    assert_eq!(render(&visible()), expected.join("\r\n"));
}

#[test]
fn attendees_are_words_in_the_description_and_nobody_a_server_would_write_to() {
    let people = vec![
        attendee(Some("Jane Doe"), Some("jane@example.com"), None),
        attendee(None, None, None),
        attendee(None, None, Some("+4930123")),
    ];
    let entry = render(&Visible { title: Some("Intro; and, more".to_owned()), attendees: people, ..visible() });
    assert!(entry.contains("SUMMARY:Intro\\; and\\, more\r\n"));
    assert!(entry.contains("DESCRIPTION:Jane Doe <jane@example.com>\\n+4930123\r\n"));
    assert!(!entry.contains("ATTENDEE") && !entry.contains("ORGANIZER") && !entry.contains("METHOD"));
}

#[test]
fn a_title_of_nothing_visible_reads_busy() {
    let entry = render(&Visible { title: Some(" \u{7} ".to_owned()), ..visible() });
    assert!(entry.contains("SUMMARY:Busy\r\n"));
}

#[test]
fn fractions_of_a_second_widen_the_entry() {
    let interval = Interval::new(at("2026-03-04T09:00:00.9Z"), at("2026-03-04T09:30:00.1Z")).expect("an interval");
    let entry = render(&Visible { interval, ..visible() });
    assert!(entry.contains("DTSTART:20260304T090000Z\r\nDTEND:20260304T093001Z\r\n"));
}

fn edited(change: impl Fn(String) -> String) -> Comparison {
    compare(change(render(&visible())).as_bytes(), &visible())
}

#[test]
fn the_mark_tells_older_from_newer() {
    assert_eq!(edited(|entry| entry.replace("VERSION:3", "VERSION:2")), Comparison::Older { version: 2 });
    assert_eq!(edited(|entry| entry.replace("VERSION:3", "VERSION:4")), Comparison::Newer { version: 4 });
}

#[test]
fn a_change_of_time_text_standing_occurrences_or_marks_is_an_edit() {
    for (from, to) in [
        ("DTSTART:20260304T090000Z", "DTSTART:20260304T091500Z"),
        ("DTEND:20260304T093000Z", "DURATION:PT30M"),
        ("SUMMARY:Busy", "SUMMARY:Lunch"),
        ("STATUS:CONFIRMED", "STATUS:CANCELLED"),
        ("TRANSP:OPAQUE", "TRANSP:TRANSPARENT"),
        ("TRANSP:OPAQUE", "RRULE:FREQ=DAILY"),
        ("DTSTART:20260304T090000Z", "DTSTART;TZID=Europe/Berlin:20260304T090000"),
        ("X-DAYBOOK-VERSION:3", "X-DAYBOOK-VERSION:three"),
        ("X-DAYBOOK-BOOKING:4acc2233", "X-DAYBOOK-BOOKING:5acc2233"),
        ("END:VEVENT", "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:other\r\nEND:VEVENT"),
    ] {
        assert_eq!(edited(|entry| entry.replace(from, to)), Comparison::Edited, "{from} became {to}");
    }
}

#[test]
fn what_servers_and_people_add_beside_our_content_is_no_edit() {
    for (from, to) in [
        ("DTSTAMP:20260301T000002Z", "DTSTAMP:20270101T000000Z"),
        ("PRODID:-//Daybook//Propagator//EN", "PRODID:-//Other//EN"),
        ("SEQUENCE:2", "SEQUENCE:9\r\nCREATED:20260301T000002Z\r\nX-COLOUR:red"),
        ("DTSTART:20260304T090000Z", "DTSTART;VALUE=DATE-TIME:20260304T090000Z"),
        ("DTSTART:20260304T090000Z", "dtstart;tzid=UTC:20260304T090000"),
        ("END:VEVENT", "BEGIN:VALARM\r\nDESCRIPTION:Ring\r\nSUMMARY:Ring\r\nEND:VALARM\r\nEND:VEVENT"),
        (
            "BEGIN:VEVENT",
            "BEGIN:VTIMEZONE\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT",
        ),
        ("BEGIN:VCALENDAR", "\u{feff}BEGIN:VCALENDAR"),
    ] {
        assert_eq!(edited(|entry| entry.replace(from, to)), Comparison::Same, "{from} became {to}");
    }
}

#[test]
fn what_radicale_gives_back_in_its_own_order_and_folding_is_the_same() {
    let wanted = Visible {
        title: Some("Tree, house; and a very long title that has to be folded by 虎 anyone".to_owned()),
        attendees: vec![attendee(Some("Jane"), Some("j@example.com"), Some("+49"))],
        ..visible()
    };
    // The answer of Radicale 3.9.0 to a GET.
    let stored = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Daybook//Propagator//EN\r\nBEGIN:VEVENT\r\n\
        UID:4acc2233-7ebf-5ca1-aa36-48892920231a\r\nDTSTART:20260304T090000Z\r\nDTEND:20260304T093000Z\r\n\
        DESCRIPTION:Jane <j@example.com> +49\r\nDTSTAMP:20260301T000002Z\r\nSEQUENCE:2\r\nSTATUS:CONFIRMED\r\n\
        SUMMARY:Tree\\, house\\; and a very long title that has to be folded by 虎 a\r\n nyone\r\n\
        TRANSP:OPAQUE\r\nX-DAYBOOK-BOOKING:4acc2233-7ebf-5ca1-aa36-48892920231a\r\nX-DAYBOOK-VERSION:3\r\n\
        END:VEVENT\r\nEND:VCALENDAR\r\n\r\n";
    assert_eq!(compare(stored.as_bytes(), &wanted), Comparison::Same);
}

#[test]
fn another_uid_is_foreign_even_under_our_marks_and_a_page_is_no_entry() {
    assert_eq!(edited(|entry| entry.replace("UID:4acc2233", "UID:5acc2233")), Comparison::Foreign);
    assert_eq!(edited(|_| "<html>503: SUMMARY</html>".to_owned()), Comparison::Unreadable);
    assert_eq!(edited(|_| String::new()), Comparison::Unreadable);
}

#[test]
fn an_entry_is_ours_by_its_uid_whatever_became_of_its_marks() {
    let entry = render(&visible());
    let id = visible().booking_id;
    assert_eq!(owner(entry.as_bytes(), id), Owner::Ours(Some(3)));
    assert_eq!(owner(entry.replace("X-DAYBOOK-VERSION", "X-GONE").as_bytes(), id), Owner::Ours(None));
    assert_eq!(owner(entry.replace("UID:4", "UID:5").as_bytes(), id), Owner::Foreign);
    assert_eq!(owner(b"<html/>", id), Owner::Unreadable);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ -~\\\\,;:\n\"]{0,120}", "[虎ßé😀 ,;]{0,60}"]
}

fn any_visible() -> impl Strategy<Value = Visible> {
    let person =
        proptest::option::of(any_text()).prop_map(|name| attendee(name.as_deref(), Some("a@example.com"), None));
    let times = (0..253_000_000_000_000_000i64, 1..400_000_000_000_000i64);
    let times = times.prop_map(|(start, length)| {
        let time = |micros| Timestamp::from_micros(micros).expect("in range");
        Interval::new(time(start), time(start + length)).expect("an interval")
    });
    let texts = (proptest::option::of(any_text()), proptest::collection::vec(person, 0..3));
    (any::<u128>(), 1..u64::MAX, times, texts).prop_map(|(id, version, interval, (title, attendees))| Visible {
        booking_id: daybook_domain::BookingId::from_uuid(uuid::Uuid::from_u128(id)),
        version,
        interval,
        title,
        attendees,
        ..visible()
    })
}

/// What the judge reads under this name.
fn judged(calendar: &ICalendar, name: &ICalendarProperty) -> Option<String> {
    let event = calendar.components.iter().find(|component| component.component_type.as_str() == "VEVENT")?;
    let value = event.property(name)?.values.first()?;
    if let ICalendarValue::PartialDateTime(time) = value {
        return time.to_timestamp().map(|seconds| seconds.to_string());
    }
    value.as_text().map(str::to_owned)
}

/// Folds at `width` octets, or characters' ends before it, and ends lines with `end`.
fn refold(line: &str, width: usize, end: &str) -> String {
    let mut out = String::new();
    let mut used = 0;
    for character in line.chars() {
        if used + character.len_utf8() > width {
            out.push_str(end);
            out.push('\t');
            used = 1;
        }
        out.push(character);
        used += character.len_utf8();
    }
    out + end
}

proptest! {
    #[test]
    fn the_judge_reads_what_was_written(visible in any_visible()) {
        let entry = render(&visible);
        prop_assert!(entry.split("\r\n").all(|line| line.len() <= LINE_MAX && !line.contains(['\r', '\n'])));
        prop_assert_eq!(&entry, &render(&visible));
        let calendar = ICalendar::parse(&entry).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        let seconds = |time: Timestamp| Some((time.micros() / 1_000_000).to_string());
        prop_assert_eq!(judged(&calendar, &ICalendarProperty::Uid), Some(visible.booking_id.to_string()));
        prop_assert_eq!(judged(&calendar, &ICalendarProperty::Dtstart), seconds(visible.interval.start()));
        prop_assert_eq!(judged(&calendar, &ICalendarProperty::Dtend), seconds(up(visible.interval.end())));
        prop_assert_eq!(judged(&calendar, &ICalendarProperty::Summary), Some(clean(summary(&visible))));
        let description = clean(&description(&visible.attendees));
        prop_assert_eq!(
            judged(&calendar, &ICalendarProperty::Description).unwrap_or_default(),
            description
        );
    }

    #[test]
    fn an_entry_is_the_same_after_a_server_wrote_it_anew(visible in any_visible()) {
        let stored = ICalendar::parse(render(&visible)).expect("readable").to_string();
        prop_assert_eq!(compare(stored.as_bytes(), &visible), Comparison::Same);
    }

    #[test]
    fn an_entry_is_the_same_however_it_is_folded_and_ordered(
        visible in any_visible(), width in 8..200usize, bare in any::<bool>(), order in any::<u64>(),
    ) {
        let entry = render(&visible);
        let mut lines = unfold(entry.as_bytes());
        let event = lines.iter().position(|line| line == "BEGIN:VEVENT").expect("an event") + 1;
        let inner = lines.len() - 2;
        // A shuffle that the seed alone decides.
        lines[event..inner].sort_by_key(|line| {
            line.bytes().fold(order | 1, |hash, octet| hash.rotate_left(7).wrapping_mul(31) ^ u64::from(octet))
        });
        let end = if bare { "\n" } else { "\r\n" };
        let stored: String = lines.iter().map(|line| refold(line, width, end)).collect();
        prop_assert_eq!(compare(stored.as_bytes(), &visible), Comparison::Same);
        let older = Visible { version: visible.version - 1, ..visible.clone() };
        prop_assert_eq!(compare(stored.as_bytes(), &older), Comparison::Newer { version: visible.version });
    }

    #[test]
    fn no_bytes_make_the_comparison_panic(bytes in any::<Vec<u8>>()) {
        compare(&bytes, &visible());
        owner(&bytes, visible().booking_id);
    }
}
