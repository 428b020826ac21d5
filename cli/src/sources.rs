//! `daybook sources status`: how each source is, the calendars that are read and the bookings that are listed, and what is wrong with any.

use std::collections::{BTreeMap, BTreeSet};

use daybook_domain::{SourceName, Timestamp};
use daybook_runtime::clock;
use serde_json::json;

use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::Out;
use crate::status::{Logged, in_time, logged};
use crate::store::{self, AccountRow, CalendarRow};
use crate::table;
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Status {
    /// Only those of this source.
    #[arg(value_name = "SOURCE")]
    source: Option<SourceName>,
    /// One JSON object a line, for programs.
    #[arg(long)]
    json: bool,
}

/// Prints them.
pub async fn status(args: &Status, config: &Config, out: &Out) -> Result<(), Failure> {
    let pool = connect::store(config)?;
    let rows = store::calendars(&pool, args.source.as_ref().map(SourceName::as_str)).await;
    let rows = rows.map_err(|error| Role::Reader.explain("read the calendars", &error))?;
    let accounts = store::accounts(&pool, args.source.as_ref().map(SourceName::as_str)).await;
    let accounts = accounts.map_err(|error| Role::Reader.explain("read the accounts", &error))?;
    let log = in_time(logged(config, BTreeMap::new())).await;
    let sources = sources(args.source.as_ref(), &accounts, log.as_ref().ok());
    if args.json {
        sources.iter().try_for_each(|source| out.line(source_object(source)))?;
        return rows.iter().try_for_each(|row| out.line(object(row)));
    }
    let now = clock::now();
    out.text(source_page(&sources, now))?;
    if let Err(why) = &log {
        out.line(format_args!("Kafka does not answer ({why}): when events came, and how many wait, is not known"))?;
    }
    if rows.is_empty() {
        return out.line(
            "no calendars are read, and no bookings listed; give a source of kind google-calendar, outlook, caldav or ics-feed an alias, or \
             one that is listed its table api",
        );
    }
    out.line("")?;
    out.text(page(&rows, now))
}

/// A source, as it is from outside.
#[derive(Debug, Clone, PartialEq)]
struct Source<'a> {
    name: &'a str,
    last_event: Option<Timestamp>,
    lag: Option<i64>,
    account: Option<&'a AccountRow>,
}

/// Those whose API is asked, and those that have sent something; or the one that is asked about.
fn sources<'a>(only: Option<&'a SourceName>, accounts: &'a [AccountRow], log: Option<&'a Logged>) -> Vec<Source<'a>> {
    let sent = log.into_iter().flat_map(|log| log.source_lag.keys().map(String::as_str));
    let names: BTreeSet<&str> = sent.chain(accounts.iter().map(|account| account.source.as_str())).collect();
    let wanted = names.into_iter().filter(|name| only.is_none_or(|only| only.as_str() == *name));
    let source = |name| Source {
        name,
        last_event: log.and_then(|log| log.last_event.get(name).copied()),
        lag: log.and_then(|log| log.source_lag.get(name).copied()),
        account: accounts.iter().find(|account| account.source == name),
    };
    wanted.map(source).collect()
}

fn source_page(sources: &[Source<'_>], now: Timestamp) -> String {
    let line = |source: &Source<'_>| {
        let ago = source.last_event.map(|last| format!("{} ago", text::span(now.since(last))));
        let calls = source.account.and_then(|account| Some(format!("{} of {}", account.calls, account.calls_max?)));
        let channel = source.account.and_then(|account| account.channel_until);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            source.name.to_owned(),
            or_dash(ago),
            or_dash(source.lag.map(|lag| lag.to_string())),
            or_dash(calls),
            or_dash(channel.map(|until| format!("in {}", text::span(until.since(now))))),
        ]
    };
    let lines: Vec<_> = sources.iter().map(line).collect();
    table::draw(&["source", "last event", "lag", "calls a minute", "channel ends"], &lines)
}

fn source_object(source: &Source<'_>) -> serde_json::Value {
    json!({
        "source": source.name,
        "last_event_at": source.last_event.map(|time| time.to_string()),
        "lag": source.lag,
        "calls_last_minute": source.account.map(|account| account.calls),
        "calls_a_minute_max": source.account.and_then(|account| account.calls_max),
        "channel_until": source.account.and_then(|account| account.channel_until).map(|time| time.to_string()),
    })
}

fn page(rows: &[CalendarRow], now: Timestamp) -> String {
    let head = ["source", "resource", "read", "listed", "events", "missing", "state"];
    let lines: Vec<_> = rows.iter().map(|row| line(row, now)).collect();
    let mut page = table::draw(&head, &lines);
    let resting: BTreeMap<_, _> =
        rows.iter().filter_map(|row| Some((row.source.as_str(), row.source_rests_until?))).collect();
    for (source, until) in resting {
        page.push_str(&format!("{source} is left alone for {} more\n", text::span(until.since(now))));
    }
    if rows.iter().any(|row| row.missing > 0) {
        page.push_str(
            "what is missing is believed gone once a later listing lacks it too; if nobody cleared that calendar, look at its source;\n\
             if somebody did, daybook sync SOURCE --believe\n",
        );
    }
    page
}

fn line(row: &CalendarRow, now: Timestamp) -> Vec<String> {
    let ago = |time: Option<Timestamp>| {
        time.map_or_else(|| "never".to_owned(), |time| format!("{} ago", text::span(now.since(time))))
    };
    vec![
        row.source.clone(),
        match (&row.resource, &row.job) {
            (Some(resource), _) => resource.clone(),
            (None, Some(job)) => format!("({job})"),
            (None, None) => "-".to_owned(),
        },
        ago(row.read_at),
        ago(row.listed_at),
        row.events.to_string(),
        row.missing.to_string(),
        state(row, now),
    ]
}

fn state(row: &CalendarRow, now: Timestamp) -> String {
    let why = match row.setback.as_deref() {
        None => return "good".to_owned(),
        Some("later") => "the vendor does not answer, or not as it should",
        Some("denied") => "the vendor turns our credentials away",
        Some("refused") if row.job.is_some() => "its API does not list that: look at base, account and rights",
        Some("refused") => "it is not shared with our account, or the alias is no calendar",
        Some(other) => other,
    };
    let times = text::count(usize::try_from(row.failures).unwrap_or(0), "time");
    let next = text::span(row.next_at.since(now));
    format!("{why}; failed {times}, next in {next}")
}

fn object(row: &CalendarRow) -> serde_json::Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    json!({
        "source": row.source,
        "resource_id": row.resource,
        "job": row.job,
        "read_at": time(row.read_at),
        "listed_at": time(row.listed_at),
        "next_at": row.next_at.to_string(),
        "failures": row.failures,
        "setback": row.setback,
        "events": row.events,
        "missing": row.missing,
        "source_rests_until": time(row.source_rests_until),
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::sample::at;

    fn row(resource: &str) -> CalendarRow {
        CalendarRow {
            source: "google".to_owned(),
            resource: Some(resource.to_owned()),
            job: None,
            read_at: Some(at("2026-03-01T08:00:00Z")),
            listed_at: Some(at("2026-03-01T02:00:00Z")),
            next_at: at("2026-03-01T08:02:00Z"),
            failures: 0,
            setback: None,
            events: 120,
            missing: 0,
            source_rests_until: None,
        }
    }

    #[test]
    fn a_page_says_when_each_was_read_and_what_is_wrong() {
        let refused = CalendarRow {
            read_at: None,
            listed_at: None,
            failures: 3,
            setback: Some("refused".to_owned()),
            events: 0,
            ..row("bert")
        };
        let job = CalendarRow {
            source: "acuity".to_owned(),
            resource: None,
            job: Some("cancellation".to_owned()),
            failures: 1,
            setback: Some("refused".to_owned()),
            ..row("")
        };
        let cleared = CalendarRow { missing: 50, source_rests_until: Some(at("2026-03-01T08:01:41Z")), ..row("carl") };
        expect![[r#"
            SOURCE  RESOURCE        READ       LISTED         EVENTS  MISSING  STATE
            acuity  (cancellation)  1 min ago  6 h 1 min ago  120     0        its API does not list that: look at base, account and rights; failed 1 time, next in 1 min
            google  anna            1 min ago  6 h 1 min ago  120     0        good
            google  bert            never      never          0       0        it is not shared with our account, or the alias is no calendar; failed 3 times, next in 1 min
            google  carl            1 min ago  6 h 1 min ago  120     50       good
            google is left alone for 41 s more
            what is missing is believed gone once a later listing lacks it too; if nobody cleared that calendar, look at its source;
            if somebody did, daybook sync SOURCE --believe
        "#]]
        .assert_eq(&page(&[job, row("anna"), refused, cleared], at("2026-03-01T08:01:00Z")));
    }

    #[test]
    fn each_source_says_when_it_was_heard_last_what_waits_what_it_is_asked_and_how_long_it_tells() {
        let account = |source: &str, channel_until| AccountRow {
            source: source.to_owned(),
            calls: 12,
            calls_max: Some(300.0),
            channel_until,
        };
        let accounts = [account("acuity", None), account("google", Some(at("2026-03-04T08:00:00Z")))];
        let log = Logged {
            last_event: [("shop".to_owned(), at("2026-03-01T07:59:00Z"))].into(),
            source_lag: [("google".to_owned(), 0), ("shop".to_owned(), 3)].into(),
            ..Logged::default()
        };
        let now = at("2026-03-01T08:01:00Z");
        expect![[r#"
            SOURCE  LAST EVENT  LAG  CALLS A MINUTE  CHANNEL ENDS
            acuity  -           -    12 of 300       -
            google  -           0    12 of 300       in 2 days 23 h
            shop    2 min ago   3    -               -
        "#]]
        .assert_eq(&source_page(&sources(None, &accounts, Some(&log)), now));
        let google = "google".parse().expect("a name");
        let one = sources(Some(&google), &accounts, None);
        expect![[r#"
            {
              "calls_a_minute_max": 300.0,
              "calls_last_minute": 12,
              "channel_until": "2026-03-04T08:00:00Z",
              "lag": null,
              "last_event_at": null,
              "source": "google"
            }"#]]
        .assert_eq(&format!("{:#}", source_object(&one[0])));
        assert_eq!(one.len(), 1);
    }

    #[test]
    fn a_program_gets_every_field() {
        expect![[r#"
            {
              "events": 120,
              "failures": 0,
              "job": null,
              "listed_at": "2026-03-01T02:00:00Z",
              "missing": 0,
              "next_at": "2026-03-01T08:02:00Z",
              "read_at": "2026-03-01T08:00:00Z",
              "resource_id": "anna",
              "setback": null,
              "source": "google",
              "source_rests_until": null
            }"#]]
        .assert_eq(&format!("{:#}", object(&row("anna"))));
    }
}
