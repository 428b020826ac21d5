//! A published calendar of very many events, read for the first time and then again when one has changed.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use daybook_runtime::clock;
use daybook_stack::Service;
use daybook_tests::files::Files;
use daybook_tests::resources::Resource;
use daybook_tests::wait::{not_yet, wait_until};
use daybook_tests::world::World;

use crate::installation::Installation;
use crate::report::{Report, Row, Unit};

/// Events of the calendar; every tenth is a series, of which two instances are in the window.
const EVENTS: usize = 50_000;
/// What ingest may hold when it has read it.
const WANTED: &str = "< 200 MB";
const NAME: &str = "bench.ics";
const PATIENCE: Duration = Duration::from_secs(300);

/// Measures what ingest holds of it.
pub fn measure(report: &mut Report) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let files = runtime.block_on(Files::start())?;
    let settings = [
        ("KIND", "ics-feed".to_owned()),
        ("API__BASE", files.base()),
        ("POLL__ALLOW_PRIVATE", "true".to_owned()),
        ("POLL__INTERVAL", "1s".to_owned()),
    ];
    let installation = Installation::with(
        settings.map(|(key, value)| (Service::Ingest, format!("DAYBOOK__SOURCES__FEED__{key}"), value)),
    )?;
    let Installation { world, .. } = &installation;
    let (text, expected) = calendar(0);
    let megabytes = text.len() / 1_000_000;
    files.publish(NAME, &text);
    drop(text);
    installation.memory(report, Service::Ingest, "")?;
    let began = Instant::now();
    let resource = Resource { read: Some(("feed", NAME.to_owned())), ..Resource::unseen("bench-feed") };
    installation.runtime.block_on(async {
        world.load(std::slice::from_ref(&resource)).await?;
        known(world, expected, 0).await
    })?;
    let first = began.elapsed();
    let (changed, _) = calendar(1);
    files.publish(NAME, &changed);
    drop(changed);
    let began = Instant::now();
    installation.runtime.block_on(known(world, expected, 1))?;
    let again = began.elapsed();
    let row = |what: &str| {
        let what = format!("a published calendar of {EVENTS} events, {megabytes} MB, {what}");
        Row::new(&what, "until every change is on Kafka and known", Unit::Seconds, "")
    };
    report.alone(&row("read for the first time"), &[first.as_secs_f64()]);
    report.alone(&row("when all of them were moved"), &[again.as_secs_f64()]);
    installation.memory(report, Service::Ingest, WANTED)
}

/// A calendar, and how many instances are in the window. All of it is so many minutes later.
fn calendar(later: i64) -> (String, i64) {
    let today = DateTime::<Utc>::from(clock::now()).date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let mut text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Clinic//Rota//EN\r\n".to_owned();
    let mut instances = 0;
    for number in 0..EVENTS {
        let minutes = i64::try_from(number).unwrap_or(0) * 4 + later;
        let start = today + TimeDelta::days(1) + TimeDelta::minutes(minutes);
        let (start, end) = (start.format("%Y%m%dT%H%M%SZ"), (start + TimeDelta::minutes(3)).format("%Y%m%dT%H%M%SZ"));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "BEGIN:VEVENT\r\nUID:{number:08}-0000-4000-8000-rota@clinic.example\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{start}\r\nDTEND:{end}\r\n\
             SUMMARY:Consultation number {number}\\, in the usual room\r\nLOCATION:Ward 3\\, Hauptstrasse 7\r\nSEQUENCE:0\r\nSTATUS:CONFIRMED\r\n\
             CREATED:20260101T000000Z\r\nLAST-MODIFIED:20260101T0{later:02}000Z\r\nTRANSP:OPAQUE\r\n"
        );
        if number % 10 == 0 {
            text.push_str("RRULE:FREQ=DAILY;COUNT=2\r\n");
            instances += 1;
        }
        instances += 1;
        text.push_str("END:VEVENT\r\n");
    }
    text.push_str("END:VCALENDAR\r\n");
    (text, instances)
}

/// Waits until ingest knows so many events, all of them sent, and when the first of them is.
async fn known(world: &World, expected: i64, later: i64) -> Result<()> {
    wait_until("the calendar to be read", PATIENCE, async || {
        let found: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM polled_event WHERE source = 'feed' AND hash <> decode(repeat('00', 32), 'hex')
                AND extract(minute FROM from_time)::bigint % 4 = $1",
        )
        .bind(later)
        .fetch_one(world.store.pool())
        .await
        .context("what is known")?;
        not_yet(found == expected, || format!("{found} of {expected} instances are known"))
    })
    .await
}
