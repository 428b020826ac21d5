//! Series, compared instance by instance with `recurring-ical-events`, which is not ours: rules made up at random, in many zones,
//! across the changes of their clocks.
//!
//! One thing is known to differ: across a change of the clocks, and where they begin in one, their instances last as long as the wall
//! says, ours as long as RFC 5545 (section 3.8.5.3) does. There, only starts are compared. `UNTIL` without a time is not made up, because they take it
//! for the midnight before that day and Daybook for the one after it: RFC 5545 has no such thing beside a start with a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use chrono::{Days, NaiveDate, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use daybook_domain::Timestamp;
use daybook_icalendar::{FOOT, FaultKind, HEAD, Wanted, read};
use daybook_tests::seed::{generator, seed};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde::Deserialize;

use crate::instance::{note, shared, soak};
use crate::peers::{calendars, run};

/// With clocks that are set in either half of the year, by an hour and by half an hour, at midnight and in the small hours;
/// with none, with one that was moved for good, and one whose offset is no whole hour.
const ZONES: [&str; 20] = [
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "America/Santiago",
    "America/Havana",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Asia/Tokyo",
    "Asia/Beirut",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Apia",
    "America/St_Johns",
    "UTC",
];
const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const FROM: &str = "20260101T000000Z";
const TO: &str = "20270401T000000Z";

/// A series: its properties, with `{zone}` where the zone is to be.
struct Series {
    start: NaiveDateTime,
    rule: String,
    lines: String,
}

fn local(time: NaiveDateTime) -> String {
    time.format("%Y%m%dT%H%M%S").to_string()
}

fn some<T: Copy + std::fmt::Display + Ord>(
    random: &mut StdRng,
    most: usize,
    pick: impl Fn(&mut StdRng) -> T,
) -> String {
    let picked: BTreeSet<T> = (0..random.random_range(1..=most)).map(|_| pick(random)).collect();
    picked.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn days(random: &mut StdRng, ordinals: Option<i32>) -> String {
    let day = |random: &mut StdRng| {
        let day = DAYS.choose(random).expect("seven");
        match ordinals {
            Some(most) if random.random_bool(0.6) => {
                let number = random.random_range(1..=most);
                format!("{}{day}", if random.random_bool(0.3) { -number } else { number })
            }
            Some(_) | None => (*day).to_owned(),
        }
    };
    let picked: BTreeSet<String> = (0..random.random_range(1..=3)).map(|_| day(random)).collect();
    picked.into_iter().collect::<Vec<_>>().join(",")
}

impl Series {
    fn invent(random: &mut StdRng) -> Self {
        let day = NaiveDate::from_ymd_opt(random.random_range(2023..2027), 1, 1).expect("a day");
        let day = day + Days::new(random.random_range(0..365));
        // Where clocks are set, more often than not.
        let hours = [0, 0, 1, 1, 2, 2, 3, 9, 12, 17, 23];
        let hour = *hours.choose(random).expect("some");
        let start = day.and_hms_opt(hour, *[0, 15, 30, 45].choose(random).expect("some"), 0).expect("a time");
        let mut rule = match random.random_range(0..10) {
            0..=2 => Self::daily(random),
            3..=5 => format!("FREQ=WEEKLY;BYDAY={}", days(random, None)),
            6..=7 => Self::monthly(random),
            _ => Self::yearly(random),
        };
        if random.random_bool(0.4) {
            let _ = write!(rule, ";INTERVAL={}", random.random_range(2..5));
        }
        if random.random_bool(0.3) {
            let _ = write!(rule, ";WKST={}", DAYS.choose(random).expect("seven"));
        }
        match random.random_range(0..4) {
            0 => drop(write!(rule, ";COUNT={}", random.random_range(1..60))),
            1 => {
                let until = start
                    + TimeDelta::days(random.random_range(1..900))
                    + TimeDelta::minutes(random.random_range(0..1_440));
                // Of UTC, as it must be where there is a zone.
                let _ = write!(rule, ";UNTIL={}Z", local(until));
            }
            _ => {}
        }
        let mut lines = String::new();
        let minutes = random.random_range(5..300);
        if random.random_bool(0.5) {
            let _ = write!(lines, "DURATION:PT{minutes}M\r\n");
        } else {
            let _ = write!(lines, "DTEND;TZID={{zone}}:{}\r\n", local(start + TimeDelta::minutes(minutes)));
        }
        if random.random_bool(0.3) {
            let other =
                NaiveDate::from_ymd_opt(2026, random.random_range(1..13), random.random_range(1..28)).expect("a day");
            let _ = write!(lines, "RDATE;TZID={{zone}}:{}\r\n", local(other.and_time(start.time())));
        }
        for _ in 0..random.random_range(0..4) {
            let other = start.date() + Days::new(random.random_range(0..700));
            let _ = write!(lines, "EXDATE;TZID={{zone}}:{}\r\n", local(other.and_time(start.time())));
        }
        Self { start, rule, lines }
    }

    fn daily(random: &mut StdRng) -> String {
        let mut rule = "FREQ=DAILY".to_owned();
        if random.random_bool(0.3) {
            let _ = write!(rule, ";BYMONTH={}", some(random, 4, |random| random.random_range(1..13)));
        }
        if random.random_bool(0.3) {
            let _ = write!(rule, ";BYDAY={}", days(random, None));
        }
        if random.random_bool(0.2) {
            let _ = write!(rule, ";BYHOUR={}", some(random, 3, |random| random.random_range(0..24)));
        }
        rule
    }

    fn monthly(random: &mut StdRng) -> String {
        match random.random_range(0..4) {
            0 => {
                let day = |random: &mut StdRng| {
                    let day = random.random_range(1..32);
                    if random.random_bool(0.3) { -day } else { day }
                };
                format!("FREQ=MONTHLY;BYMONTHDAY={}", some(random, 3, day))
            }
            1 => format!("FREQ=MONTHLY;BYDAY={}", days(random, Some(5))),
            2 => format!("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS={}", random.random_range(-3..0)),
            _ => "FREQ=MONTHLY".to_owned(),
        }
    }

    fn yearly(random: &mut StdRng) -> String {
        match random.random_range(0..5) {
            0 => format!(
                "FREQ=YEARLY;BYMONTH={};BYDAY={}",
                some(random, 2, |random| random.random_range(1..13)),
                days(random, Some(4))
            ),
            1 => format!("FREQ=YEARLY;BYYEARDAY={}", some(random, 3, |random| random.random_range(1..367))),
            2 => format!("FREQ=YEARLY;BYWEEKNO={};BYDAY=TU", some(random, 3, |random| random.random_range(1..54))),
            3 => format!("FREQ=YEARLY;BYMONTHDAY={}", some(random, 2, |random| random.random_range(1..32))),
            _ => "FREQ=YEARLY".to_owned(),
        }
    }

    /// The event, and at times one of its instances that was moved.
    fn write(&self, uid: &str, zone: &str, moved: Option<i64>) -> String {
        let start = local(self.start);
        let event =
            |lines: &str| format!("BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n{lines}END:VEVENT\r\n");
        let first = event(&format!(
            "DTSTART;TZID={zone}:{start}\r\nRRULE:{}\r\n{}",
            self.rule,
            self.lines.replace("{zone}", zone)
        ));
        let Some(minutes) = moved else { return first };
        let (later, until) = (self.start + TimeDelta::minutes(minutes), self.start + TimeDelta::minutes(minutes + 20));
        let lines = format!(
            "RECURRENCE-ID;TZID={zone}:{start}\r\nDTSTART;TZID={zone}:{}\r\nDTEND;TZID={zone}:{}\r\n",
            local(later),
            local(until)
        );
        format!("{first}{}", event(&lines))
    }
}

/// What the other one says of a UID.
#[derive(Deserialize)]
struct Theirs {
    uid: String,
    #[serde(default)]
    times: Vec<(String, String)>,
    error: Option<String>,
}

type Times = BTreeSet<(String, String)>;

/// A series, by itself: all of them come to more than one calendar may.
fn ours(event: &str) -> Result<Result<Times, FaultKind>> {
    let instant = |text: &str| -> Result<Timestamp> {
        let time = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ")?;
        Ok(Timestamp::try_from(time.and_utc())?)
    };
    let wanted = Wanted { from: instant(FROM)?, to: instant(TO)?, zone: None };
    let calendar = read(format!("{HEAD}{event}{FOOT}").as_bytes(), &wanted, || true)?;
    if let Some(fault) = calendar.faults.first() {
        return Ok(Err(fault.kind));
    }
    let basic = |time: Timestamp| chrono::DateTime::<chrono::Utc>::from(time).format("%Y%m%dT%H%M%SZ").to_string();
    let times = calendar.events.iter().filter_map(|event| event.times);
    // An instance that was moved is there whenever it is; theirs is not.
    let within = times.filter(|times| times.start < wanted.to && times.end > wanted.from);
    Ok(Ok(within.map(|times| (basic(times.start), basic(times.end))).collect()))
}

#[test]
fn series_come_to_the_same_instances_as_by_another_implementation() -> Result<()> {
    shared(async |it| {
        let (rules, zones) = if soak() { (500, ZONES.len()) } else { (60, 5) };
        let seed = seed("series");
        let mut random = generator(seed, 1);
        let mut text = HEAD.to_owned();
        let mut made = BTreeMap::new();
        for rule in 0..rules {
            let series = Series::invent(&mut random);
            let moved = random.random_bool(0.2).then(|| random.random_range(-600..600));
            for at in 0..zones {
                let zone = ZONES[(rule * zones + at) % ZONES.len()];
                let event = series.write(&format!("r{rule}-{at}"), zone, moved);
                text.push_str(&event);
                made.insert(format!("r{rule}-{at}"), (event, zone));
            }
        }
        text.push_str(FOOT);
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.ics", it.name("series")));
        std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR"))?;
        std::fs::write(&file, &text)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/occurrences.py");
        let python = calendars(&it.stack.layout().dist())?;
        let said = run(Command::new(python).arg(script).arg(&file).args([FROM, TO]))?;
        let (mut same, mut instances, mut wrong) = (0, 0, Vec::new());
        for line in said.lines() {
            let theirs: Theirs = serde_json::from_str(line)?;
            let (event, zone) = &made[&theirs.uid];
            let zone: Tz = zone.parse().context("a zone")?;
            let ours = ours(event)?;
            let theirs = match theirs.error {
                Some(error) => Err(error),
                None => Ok(theirs.times.into_iter().collect::<Times>()),
            };
            match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) if compared(ours, zone)? == compared(theirs, zone)? => {
                    same += 1;
                    instances += ours.len();
                }
                (_, _) => wrong.push(difference(event, &ours, &theirs)),
            }
        }
        ensure!(said.lines().count() == made.len(), "the other implementation has lost some");
        let shown = wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
        ensure!(wrong.is_empty(), "SEED={seed}: {} of {} series differ:\n{shown}", wrong.len(), made.len());
        std::fs::remove_file(&file)?;
        note(&format!("{same} series come to the same {instances} instances as by recurring-ical-events"));
        Ok(())
    })
}

/// Without the ends that a change of the clocks is before.
fn compared(times: &Times, zone: Tz) -> Result<BTreeSet<(String, Option<String>)>> {
    let offset = |text: &str, later: TimeDelta| -> Result<i32> {
        let time = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ")? + later;
        Ok(zone.offset_from_utc_datetime(&time).fix().local_minus_utc())
    };
    let compare = |(start, end): &(String, String)| {
        let around = TimeDelta::hours(3);
        let same = offset(start, -around)? == offset(end, around)?;
        Ok((start.clone(), same.then(|| end.clone())))
    };
    times.iter().map(compare).collect()
}

fn difference(event: &str, ours: &Result<Times, FaultKind>, theirs: &Result<Times, String>) -> String {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            let only = |a: &Times, b: &Times| a.difference(b).take(4).cloned().collect::<Vec<_>>();
            format!("{event}  only ours {:?}, only theirs {:?}", only(ours, theirs), only(theirs, ours))
        }
        (_, _) => format!("{event}  ours {ours:?}, theirs {theirs:?}"),
    }
}
