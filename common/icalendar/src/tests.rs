//! What calendars say, one trap at a time.

use proptest::prelude::*;

use super::*;

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// Half a year around the changes of the clocks in the autumn of 2026.
fn wanted() -> Wanted {
    Wanted { from: time("2026-09-01T00:00:00Z"), to: time("2027-04-01T00:00:00Z"), zone: None }
}

fn calendar(body: &str) -> Calendar {
    calendar_in(body, wanted())
}

fn calendar_in(body: &str, wanted: Wanted) -> Calendar {
    let body = body.replace('\n', "\r\n");
    let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{body}END:VCALENDAR\r\n");
    read(text.as_bytes(), &wanted, || true).expect("a calendar")
}

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\nUID:e1\nDTSTAMP:20260101T000000Z\n{lines}\nEND:VEVENT\n")
}

/// The events that take time: what they are called, from when until when.
fn busy(calendar: &Calendar) -> Vec<String> {
    assert_eq!(calendar.faults, [], "nothing is wrong with it");
    let busy = calendar.events.iter().filter(|event| event.takes_time);
    busy.map(|event| {
        let times = event.times.expect("what takes time has one");
        format!("{} {} {}", event.id, times.start, times.end)
    })
    .collect()
}

fn starts(calendar: &Calendar) -> Vec<String> {
    busy(calendar).iter().map(|line| line.split(' ').nth(1).expect("a start").to_owned()).collect()
}

fn faults(calendar: &Calendar) -> Vec<(FaultKind, &'static str)> {
    calendar.faults.iter().map(|fault| (fault.kind, fault.property)).collect()
}

#[test]
fn a_time_that_occurs_twice_is_the_first_of_them_in_a_series_too() {
    let weekly = event("DTSTART;TZID=America/New_York:20261025T013000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3");
    assert_eq!(starts(&calendar(&weekly)), ["2026-10-25T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-08T06:30:00Z"]);
}

#[test]
fn the_fifth_last_weekday_of_a_month_is_there_where_a_month_has_five() {
    // Thursdays, five of them in October and December of 2026.
    let fifth = event("DTSTART:20261001T090000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYDAY=-5TH;COUNT=2");
    assert_eq!(starts(&calendar(&fifth)), ["2026-10-01T09:00:00Z", "2026-12-03T09:00:00Z"]);
    let mixed = event("DTSTART:20261001T090000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYDAY=-5TH,1FR,2MO;COUNT=5");
    let days = ["2026-10-01", "2026-10-02", "2026-10-12", "2026-11-06", "2026-11-09"];
    assert_eq!(starts(&calendar(&mixed)), days.map(|day| format!("{day}T09:00:00Z")));
    let until =
        event("DTSTART:20261001T090000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYDAY=-5TH,1FR;UNTIL=20261106T090000Z");
    assert_eq!(starts(&calendar(&until)).len(), 3);
}

#[test]
fn a_time_that_does_not_occur_is_read_with_the_offset_before_it() {
    let weekly = event("DTSTART;TZID=America/New_York:20270307T023000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3");
    assert_eq!(starts(&calendar(&weekly)), ["2027-03-07T07:30:00Z", "2027-03-14T07:30:00Z", "2027-03-21T06:30:00Z"]);
}

#[test]
fn an_exception_at_a_time_that_occurs_twice_is_one() {
    let weekly = event(
        "DTSTART;TZID=America/New_York:20261025T013000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;TZID=America/New_York:20261101T013000",
    );
    assert_eq!(starts(&calendar(&weekly)), ["2026-10-25T05:30:00Z", "2026-11-08T06:30:00Z"]);
    let in_utc = weekly.replace("EXDATE;TZID=America/New_York:20261101T013000", "EXDATE:20261101T053000Z");
    assert_eq!(starts(&calendar(&in_utc)).len(), 2);
    let by_day = weekly.replace("EXDATE;TZID=America/New_York:20261101T013000", "EXDATE;VALUE=DATE:20261101");
    assert_eq!(starts(&calendar(&by_day)).len(), 2);
    let floating =
        weekly.replace("EXDATE;TZID=America/New_York:20261101T013000", "EXDATE:20261101T013000,20261108T013000");
    assert_eq!(starts(&calendar(&floating)), ["2026-10-25T05:30:00Z"]);
}

#[test]
fn the_wall_counts_in_london_and_on_lord_howe_too() {
    let daily = |zone: &str, start: &str| {
        let lines = format!(
            "DTSTART;TZID={zone}:{start}\nDTEND;TZID={zone}:{}\nRRULE:FREQ=DAILY;COUNT=3",
            start.replace("T09", "T10")
        );
        starts(&calendar(&event(&lines)))
    };
    assert_eq!(
        daily("Europe/London", "20261024T090000"),
        ["2026-10-24T08:00:00Z", "2026-10-25T09:00:00Z", "2026-10-26T09:00:00Z"]
    );
    assert_eq!(
        daily("Australia/Lord_Howe", "20261003T090000"),
        ["2026-10-02T22:30:00Z", "2026-10-03T22:00:00Z", "2026-10-04T22:00:00Z"]
    );
}

#[test]
fn windows_names_are_zones_whether_the_calendar_describes_them_or_not() {
    let outlook = event(
        "DTSTART;TZID=W. Europe Standard Time:20260907T090000\nDTEND;TZID=W. Europe Standard Time:20260907T100000",
    );
    assert_eq!(busy(&calendar(&outlook)), ["e1 2026-09-07T07:00:00Z 2026-09-07T08:00:00Z"]);
    let described = "BEGIN:VTIMEZONE\nTZID:W. Europe Standard Time\nBEGIN:STANDARD\nDTSTART:16010101T000000\nTZOFFSETFROM:+0900\nTZOFFSETTO:+0900\nEND:STANDARD\nEND:VTIMEZONE\n";
    assert_eq!(starts(&calendar(&format!("{described}{outlook}"))), ["2026-09-07T07:00:00Z"]);
}

/// As Exchange writes a zone of somebody's own.
const OWN_ZONE: &str = "BEGIN:VTIMEZONE\nTZID:Customized Time Zone\nBEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\n";

#[test]
fn a_zone_of_a_name_of_its_own_is_what_it_says_of_itself() {
    let daily = event("DTSTART;TZID=Customized Time Zone:20261023T023000\nDURATION:PT30M\nRRULE:FREQ=DAILY;COUNT=4");
    assert_eq!(
        starts(&calendar(&format!("{OWN_ZONE}{daily}"))),
        ["2026-10-23T00:30:00Z", "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        "02:30 occurs twice on the 25th, and is the first of them"
    );
    let spring = daily.replace("20261023", "20270327");
    assert_eq!(
        starts(&calendar(&format!("{OWN_ZONE}{spring}"))),
        ["2027-03-27T01:30:00Z", "2027-03-28T01:30:00Z", "2027-03-29T00:30:00Z", "2027-03-30T00:30:00Z"],
        "02:30 does not occur on the 28th, and is 03:30"
    );
}

#[test]
fn a_zone_by_its_own_rules_is_the_same_as_by_its_name() {
    let own = OWN_ZONE.replace("Customized Time Zone", "(UTC+01:00) Amsterdam\\, Berlin");
    let often = |zone: &str| {
        let lines =
            format!("DTSTART;TZID={zone}:20200101T003000\nDURATION:PT30M\nRRULE:FREQ=DAILY;BYHOUR=0,1,2,3,4,12,23");
        starts(&calendar(&format!("{own}{}", event(&lines))))
    };
    assert_eq!(often("\"(UTC+01:00) Amsterdam, Berlin\""), often("Europe/Berlin"));
}

#[test]
fn a_zone_that_nobody_knows_is_refused_and_none_is_guessed() {
    for zone in ["Eastern Standard Time 1", "Customized Time Zone", "Eastern", "GMT+2"] {
        let refused = calendar(&event(&format!("DTSTART;TZID={zone}:20260907T090000\nDURATION:PT1H")));
        assert_eq!(refused.events, [], "{zone}");
        assert_eq!(faults(&refused), [(FaultKind::Zone, "DTSTART")], "{zone}");
    }
}

#[test]
fn times_without_a_zone_are_of_the_calendars_and_of_no_other() {
    let floating = event("DTSTART:20260907T090000\nDURATION:PT1H");
    let days = event("DTSTART;VALUE=DATE:20260907");
    assert_eq!(faults(&calendar(&floating)), [(FaultKind::Zone, "DTSTART")]);
    assert_eq!(faults(&calendar(&days)), [(FaultKind::Zone, "DTSTART")]);
    let named = format!("X-WR-TIMEZONE:America/Chicago\n{floating}");
    assert_eq!(starts(&calendar(&named)), ["2026-09-07T14:00:00Z"]);
    let told = Wanted { zone: Some(Tz::Europe__Paris), ..wanted() };
    assert_eq!(starts(&calendar_in(&floating, told)), ["2026-09-07T07:00:00Z"]);
    assert_eq!(busy(&calendar_in(&days, told)), ["e1 2026-09-06T22:00:00Z 2026-09-07T22:00:00Z"]);
    assert_eq!(starts(&calendar_in(&named, told)), ["2026-09-07T14:00:00Z"], "the calendar knows better");
}

#[test]
fn days_begin_at_midnight_where_the_calendar_is() {
    let zone = Wanted { zone: Some(Tz::Europe__Berlin), ..wanted() };
    let days = event("DTSTART;VALUE=DATE:20261024\nDTEND;VALUE=DATE:20261026\nRRULE:FREQ=WEEKLY;COUNT=2");
    assert_eq!(
        busy(&calendar_in(&days, zone)),
        [
            "e1/20261024 2026-10-23T22:00:00Z 2026-10-25T23:00:00Z",
            "e1/20261031 2026-10-30T23:00:00Z 2026-11-01T23:00:00Z"
        ]
    );
    let one = event("DTSTART;VALUE=DATE:20261024\nDTEND;VALUE=DATE:20261024");
    assert_eq!(busy(&calendar_in(&one, zone)), ["e1 2026-10-23T22:00:00Z 2026-10-24T22:00:00Z"]);
}

#[test]
fn a_rule_ends_when_it_says_wherever_that_is() {
    let until = |until: &str| {
        let lines =
            format!("DTSTART;TZID=America/New_York:20260907T200000\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL={until}");
        starts(&calendar(&event(&lines))).len()
    };
    // 20:00 in New York is midnight in UTC.
    assert_eq!(until("20260910T000000Z"), 3);
    assert_eq!(until("20260909T235959Z"), 2);
    assert_eq!(until("20260909T200000"), 3);
    assert_eq!(until("20260909"), 3, "all of that day");
    assert_eq!(until("20260101"), 1, "the first one is always there");
}

#[test]
fn instances_are_moved_cancelled_and_added_each_on_its_own() {
    let series = event(
        "DTSTART;TZID=Europe/Berlin:20261019T090000\nDTEND;TZID=Europe/Berlin:20261019T100000\nRRULE:FREQ=WEEKLY;COUNT=4\nRDATE;TZID=Europe/Berlin:20261021T150000",
    );
    let moved = event(
        "RECURRENCE-ID;TZID=Europe/Berlin:20261026T090000\nDTSTART;TZID=Europe/Berlin:20261027T140000\nDTEND;TZID=Europe/Berlin:20261027T143000\nSEQUENCE:1",
    );
    let cancelled =
        event("RECURRENCE-ID:20261102T080000Z\nDTSTART:20261102T080000Z\nDTEND:20261102T090000Z\nSTATUS:CANCELLED");
    let found = calendar(&format!("{series}{moved}{cancelled}"));
    assert_eq!(
        busy(&found),
        [
            "e1/20261019T070000Z 2026-10-19T07:00:00Z 2026-10-19T08:00:00Z",
            "e1/20261021T130000Z 2026-10-21T13:00:00Z 2026-10-21T14:00:00Z",
            "e1/20261109T080000Z 2026-11-09T08:00:00Z 2026-11-09T09:00:00Z",
            "e1/20261026T080000Z 2026-10-27T13:00:00Z 2026-10-27T13:30:00Z",
        ]
    );
    let gone = found.events.iter().find(|event| !event.takes_time).expect("the cancelled one is there");
    assert_eq!(gone.id.to_string(), "e1/20261102T080000Z");
}

#[test]
fn of_two_words_on_one_instance_the_newer_one_counts() {
    let series = event("DTSTART:20261019T090000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=2");
    let moved = |sequence: &str, start: &str| {
        event(&format!("RECURRENCE-ID:20261026T090000Z\nDTSTART:{start}\nDURATION:PT1H\nSEQUENCE:{sequence}"))
    };
    let (old, new) = (moved("1", "20261026T110000Z"), moved("2", "20261026T120000Z"));
    let expected = ["2026-10-19T09:00:00Z", "2026-10-26T12:00:00Z"];
    assert_eq!(starts(&calendar(&format!("{series}{old}{new}"))), expected);
    assert_eq!(starts(&calendar(&format!("{new}{old}{series}"))), expected);
}

#[test]
fn this_and_following_moves_all_that_follow() {
    let series = event(
        "DTSTART;TZID=Europe/Berlin:20261012T090000\nDTEND;TZID=Europe/Berlin:20261012T100000\nRRULE:FREQ=WEEKLY;COUNT=4",
    );
    let later = event(
        "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20261019T090000\nDTSTART;TZID=Europe/Berlin:20261020T110000\nDTEND;TZID=Europe/Berlin:20261020T113000",
    );
    assert_eq!(
        busy(&calendar(&format!("{series}{later}"))),
        [
            "e1/20261012T070000Z 2026-10-12T07:00:00Z 2026-10-12T08:00:00Z",
            "e1/20261026T080000Z 2026-10-27T10:00:00Z 2026-10-27T10:30:00Z",
            "e1/20261102T080000Z 2026-11-03T10:00:00Z 2026-11-03T10:30:00Z",
            "e1/20261019T070000Z 2026-10-20T09:00:00Z 2026-10-20T09:30:00Z",
        ]
    );
}

#[test]
fn an_instance_without_its_series_is_there_by_the_name_that_it_has_in_it() {
    let invited = event(
        "RECURRENCE-ID;TZID=Europe/Berlin:20261026T090000\nDTSTART;TZID=Europe/Berlin:20261027T140000\nDURATION:PT1H",
    );
    assert_eq!(busy(&calendar(&invited)), ["e1/20261026T080000Z 2026-10-27T13:00:00Z 2026-10-27T14:00:00Z"]);
}

#[test]
fn the_duration_is_that_of_the_clock_or_that_of_the_wall_as_it_was_written() {
    let exact = event(
        "DTSTART;TZID=Europe/Berlin:20261022T120000\nDTEND;TZID=Europe/Berlin:20261023T120000\nRRULE:FREQ=DAILY;COUNT=4",
    );
    let nominal = event("DTSTART;TZID=Europe/Berlin:20261022T120000\nDURATION:P1D\nRRULE:FREQ=DAILY;COUNT=4");
    let night = |calendar: &Calendar| busy(calendar)[2].clone();
    assert_eq!(night(&calendar(&exact)), "e1/20261024T100000Z 2026-10-24T10:00:00Z 2026-10-25T10:00:00Z");
    assert_eq!(night(&calendar(&nominal)), "e1/20261024T100000Z 2026-10-24T10:00:00Z 2026-10-25T11:00:00Z");
}

#[test]
fn free_cancelled_and_empty_events_take_no_time() {
    let start = "DTSTART:20260907T090000Z";
    for lines in [
        "DURATION:PT1H\nTRANSP:TRANSPARENT",
        "DURATION:PT1H\nSTATUS:CANCELLED",
        "DURATION:PT1H\nX-MICROSOFT-CDO-BUSYSTATUS:FREE",
        "DTEND:20260907T090000Z",
        "SUMMARY:no end at all",
    ] {
        let found = calendar(&event(&format!("{start}\n{lines}")));
        assert_eq!((found.events.len(), busy(&found).len()), (1, 0), "{lines}");
    }
    for lines in ["DURATION:PT1H\nSTATUS:TENTATIVE", "DURATION:PT1H\nTRANSP:OPAQUE", "DURATION:PT1H\nSTATUS:WHATEVER"] {
        assert_eq!(busy(&calendar(&event(&format!("{start}\n{lines}")))).len(), 1, "{lines}");
    }
    let called_off = format!("METHOD:CANCEL\n{}", event(&format!("{start}\nDURATION:PT1H")));
    assert_eq!(busy(&calendar(&called_off)), [""; 0]);
}

#[test]
fn a_rule_that_never_comes_to_anything_costs_little_and_leaves_the_first_event() {
    let never = event("DTSTART:20260907T090000Z\nDURATION:PT1H\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30");
    assert_eq!(starts(&calendar(&never)), ["2026-09-07T09:00:00Z"]);
}

#[test]
fn a_series_that_nobody_could_attend_is_refused() {
    let secondly = event("DTSTART:20260907T090000Z\nDURATION:PT1H\nRRULE:FREQ=MINUTELY");
    assert_eq!(faults(&calendar(&secondly)), [(FaultKind::TooMany, "RRULE")]);
    let old = event("DTSTART:19990101T090000Z\nDURATION:PT1H\nRRULE:FREQ=MINUTELY;INTERVAL=7");
    assert_eq!(faults(&calendar(&old)), [(FaultKind::TooMany, "RRULE")]);
}

#[test]
fn a_rule_that_is_not_understood_to_the_last_word_is_refused() {
    for rule in [
        "FREQ=FORTNIGHTLY",
        "INTERVAL=2",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYDAY=O",
        "FREQ=MONTHLY;BYDAY=secondMO",
        "FREQ=MONTHLY;BYDAY=-MO",
        "FREQ=WEEKLY;BYDAY=MO\u{521}E",
        "FREQ=WEEKLY;BYDAY=\u{ff2d}O",
        "FREQ=WEEKLY;COUNT=0",
        "FREQ=WEEKLY;INTERVAL=0",
        "FREQ=WEEKLY;UNTIL=tomorrow",
        "FREQ=WEEKLY;BYMOON=full",
        "FREQ=MONTHLY;BYMONTHDAY=45",
        "FREQ=WEEKLY;BYMONTHDAY=1",
        "RSCALE=HEBREW;FREQ=YEARLY",
        "",
    ] {
        let refused = calendar(&event(&format!("DTSTART:20260907T090000Z\nDURATION:PT1H\nRRULE:{rule}")));
        assert_eq!(faults(&refused), [(FaultKind::Value, "RRULE")], "{rule}");
        assert_eq!(refused.events, [], "{rule}");
    }
    let refused = calendar(&event("DTSTART:20260907T090000Z\nRRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY"));
    assert_eq!(faults(&refused), [(FaultKind::Value, "EXRULE")]);
    let sloppy = event("DTSTART:20260907T090000Z\nDURATION:PT1H\nRRULE:freq=weekly;count=2;");
    assert_eq!(starts(&calendar(&sloppy)).len(), 2);
}

#[test]
fn what_is_wrong_names_its_property_and_what_is_not_wrong_is_read_beside_it() {
    for (lines, fault) in [
        ("DURATION:PT1H", (FaultKind::Missing, "DTSTART")),
        ("DTSTART:today", (FaultKind::Time, "DTSTART")),
        ("DTSTART:20261301T090000Z", (FaultKind::Time, "DTSTART")),
        ("DTSTART:20260907T090000Z\nDTEND:20260907T080000Z", (FaultKind::Interval, "DTEND")),
        ("DTSTART:20260907T090000Z\nDTEND;VALUE=DATE:20260908", (FaultKind::Value, "DTEND")),
        ("DTSTART:20260907T090000Z\nDURATION:an hour", (FaultKind::Value, "DURATION")),
        ("DTSTART:20260907T090000Z\nDURATION:-PT1H", (FaultKind::Value, "DURATION")),
        ("DTSTART:20260907T090000Z\nRRULE:FREQ=DAILY\nEXDATE:never", (FaultKind::Time, "EXDATE")),
        ("DTSTART:20260907T090000Z\nRDATE:soon", (FaultKind::Time, "RDATE")),
        ("DTSTART:20260907T090000Z\nRECURRENCE-ID:once", (FaultKind::Time, "RECURRENCE-ID")),
    ] {
        let good = event("DTSTART:20260907T090000Z\nDURATION:PT1H").replace("e1", "e2");
        let both = calendar(&format!("{}{good}", event(&format!("{lines}\nSUMMARY:secret"))));
        assert_eq!(faults(&both), [fault], "{lines}");
        assert_eq!(both.events.len(), 1, "{lines}");
        let fault = &both.faults[0];
        assert!(!fault.text.contains("secret") && fault.text.contains("UID:e1"), "{}", fault.text);
    }
    let nameless = calendar("BEGIN:VEVENT\nDTSTART:20260907T090000Z\nEND:VEVENT\n");
    assert_eq!((faults(&nameless), nameless.faults[0].id.clone()), (vec![(FaultKind::Missing, "UID")], None));
    for uid in ["e\u{0}1", "e\u{1b}1", "e\\n1"] {
        let named = calendar(&format!("BEGIN:VEVENT\nUID:{uid}\nDTSTART:20260907T090000Z\nEND:VEVENT\n"));
        assert_eq!((faults(&named), named.faults[0].id.clone()), (vec![(FaultKind::Value, "UID")], None), "{uid:?}");
    }
}

#[test]
fn two_events_of_one_uid_are_one_if_one_is_newer_and_refused_if_neither_is() {
    let start = |start: &str, more: &str| event(&format!("DTSTART:{start}\nDURATION:PT1H{more}"));
    let newer = format!("{}{}", start("20260907T090000Z", "\nSEQUENCE:2"), start("20260907T110000Z", "\nSEQUENCE:1"));
    assert_eq!(starts(&calendar(&newer)), ["2026-09-07T09:00:00Z"]);
    let twice = format!("{0}{0}", start("20260907T090000Z", ""));
    assert_eq!(starts(&calendar(&twice)), ["2026-09-07T09:00:00Z"]);
    let differ = format!("{}{}", start("20260907T090000Z", ""), start("20260907T110000Z", ""));
    assert_eq!(faults(&calendar(&differ)), [(FaultKind::Value, "UID")]);
}

#[test]
fn half_a_calendar_is_none() {
    let whole =
        format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", event("DTSTART:20260907T090000Z").replace('\n', "\r\n"));
    let read = |text: &str| read(text.as_bytes(), &wanted(), || true).map(|calendar| calendar.events.len());
    assert_eq!(read(&whole), Ok(1));
    assert_eq!(read(&format!("\u{feff}{whole}")), Ok(1), "with a byte order mark");
    assert_eq!(read(whole.trim_end()), Ok(1));
    assert_eq!(read(&whole.replace("\r\n", "\n")), Ok(1));
    assert_eq!(read(&whole.repeat(2)), Ok(1), "several may follow each other");
    for cut in ["END:VCALENDAR", "END:VEVENT"] {
        assert_eq!(read(whole.split(cut).next().expect("a part")), Err(Unreadable::Truncated), "{cut}");
    }
    for other in ["", "<html>", "{}", "BEGIN:VCARD\nEND:VCARD\n", "END:VCALENDAR"] {
        assert_eq!(read(other), Err(Unreadable::NotACalendar), "{other}");
    }
    assert_eq!(super::read(&[0xFF], &wanted(), || true), Err(Unreadable::NotUtf8));
}

#[test]
fn what_other_components_say_is_not_the_events() {
    let alarm = event(
        "DTSTART:20260907T090000Z\nDURATION:PT1H\nDESCRIPTION:a line\n BEGIN:VEVENT\nBEGIN:VALARM\nTRIGGER:-PT15M\nDURATION:PT5M\nRRULE:FREQ=DAILY\nEND:VALARM",
    );
    let todo = "BEGIN:VTODO\nUID:t1\nDTSTART:20260907T090000Z\nDUE:20260907T100000Z\nEND:VTODO\n";
    assert_eq!(busy(&calendar(&format!("{todo}{alarm}"))), ["e1 2026-09-07T09:00:00Z 2026-09-07T10:00:00Z"]);
}

#[test]
fn whoever_reads_may_stop_before_the_next_series() {
    let text = format!("BEGIN:VCALENDAR\n{}END:VCALENDAR\n", event("DTSTART:20260907T090000Z\nRRULE:FREQ=DAILY"));
    assert_eq!(read(text.as_bytes(), &wanted(), || false), Err(Unreadable::TooSlow));
}

#[test]
fn an_id_is_read_as_it_was_written() {
    for text in ["e1", "e1/20260304", "e1/20260304T090000Z", "a/b", "a/b/20260304", "/20260304"] {
        assert_eq!(EventId::parse(text).to_string(), text);
    }
    assert_eq!(EventId::parse("a/b/20260304").recurrence.as_deref(), Some("20260304"));
    assert_eq!(EventId::parse("a/2026030T").recurrence, None);
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let zone = Some(Tz::America__New_York);
    let body = [
        event(
            "DTSTART;TZID=Europe/Berlin:20261012T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=4\nATTENDEE:mailto:ada@example.com\nX-DAYBOOK-BOOKING:b1",
        ),
        event("DTSTART;VALUE=DATE:20261031\nRRULE:FREQ=DAILY;COUNT=3\nTRANSP:TRANSPARENT").replace("e1", "e\\,2"),
        event("STATUS:CANCELLED").replace("e1", "e3"),
    ];
    let found = calendar_in(&body.concat(), Wanted { zone, ..wanted() });
    assert_eq!((found.events.len(), faults(&found)), (8, vec![]));
    let written: String = found.events.iter().map(Event::write).collect();
    let text = format!("{HEAD}{written}{FOOT}");
    let again = read(text.as_bytes(), &wanted(), || true).expect("a calendar");
    assert_eq!((again.events, again.faults), (found.events.clone(), vec![]));
    for event in &found.events {
        let gone = format!("{HEAD}{}{FOOT}", event.id.write_gone());
        let again = read(gone.as_bytes(), &wanted(), || true).expect("a calendar");
        assert_eq!((&again.events[0].id, again.events[0].takes_time), (&event.id, false));
    }
}

fn rubbish() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("BEGIN:VEVENT".to_owned()),
        Just("END:VEVENT".to_owned()),
        Just("BEGIN:VTIMEZONE".to_owned()),
        Just("END:VTIMEZONE".to_owned()),
        Just("BEGIN:STANDARD".to_owned()),
        Just("END:STANDARD".to_owned()),
        Just("UID:a".to_owned()),
        Just("TZID:X".to_owned()),
        Just("DTSTART;TZID=X:20260907T090000".to_owned()),
        Just("DTSTART:20260907T090000Z".to_owned()),
        Just("DTSTART;VALUE=DATE:99991231".to_owned()),
        Just("TZOFFSETFROM:+0100".to_owned()),
        Just("TZOFFSETTO:-2359".to_owned()),
        Just("DURATION:P4000000000W".to_owned()),
        Just("RECURRENCE-ID;RANGE=THISANDFUTURE:20260907T090000Z".to_owned()),
        "RRULE:FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY|HOURLY);(COUNT=[0-9]{1,6}|UNTIL=[0-9]{8}|INTERVAL=[0-9]{1,6}|BY(DAY|MONTH|MONTHDAY|YEARDAY|WEEKNO|HOUR|SETPOS)=-?[0-9]{1,3}(MO|)(;BYSETPOS=-?[0-9]|))",
        "(DTSTART|DTEND|RDATE|EXDATE|DTSTAMP)(;TZID=X|;VALUE=DATE|):[0-9]{8}(T[0-9]{6}Z?|)",
        any::<String>(),
    ];
    prop::collection::vec(line, 0..24).prop_map(|lines| lines.join("\r\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic_and_what_it_reads_it_can_write(body in rubbish()) {
        let zone = Some(Tz::Pacific__Apia);
        for text in [format!("BEGIN:VCALENDAR\r\n{body}\r\nEND:VCALENDAR"), format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART:20260907T090000Z\r\n{body}\r\nEND:VEVENT\r\nEND:VCALENDAR"), body] {
            let Ok(found) = read(text.as_bytes(), &Wanted { zone, ..wanted() }, || true) else { continue };
            for event in &found.events {
                prop_assert!(event.times.is_some() || !event.takes_time);
                let written = format!("{HEAD}{}{FOOT}", event.write());
                let again = read(written.as_bytes(), &wanted(), || true).expect("a calendar");
                prop_assert_eq!(again.faults, vec![]);
                prop_assert_eq!(again.events.len(), 1);
                prop_assert_eq!(again.events[0].takes_time, event.takes_time);
            }
        }
    }
}
