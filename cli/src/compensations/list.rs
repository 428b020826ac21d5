//! `daybook compensations`: those that are open, oldest first.

use std::fmt::Write as _;

use daybook_domain::{ResourceId, SourceName, Timestamp};
use daybook_runtime::clock;
use serde_json::json;

use super::{promised, refused, winner};
use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::Out;
use crate::store::{self, CompensationRow};
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct List {
    /// Those that are open; also without this.
    #[arg(long, conflicts_with = "all")]
    open: bool,
    /// The closed ones too.
    #[arg(long)]
    all: bool,
    /// Only what this source has promised.
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceName>,
    /// Only what was promised of this resource.
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<ResourceId>,
    /// One JSON object a line, for programs.
    #[arg(long)]
    json: bool,
}

/// Prints them.
pub async fn list(args: &List, config: &Config, out: &Out) -> Result<(), Failure> {
    let pool = connect::store(config)?;
    let source = args.source.as_ref().map(SourceName::as_str);
    let resource = args.resource.as_ref().map(ResourceId::as_str);
    let rows = store::compensations(&pool, args.all, source, resource).await;
    let rows = rows.map_err(|error| Role::Reader.explain("read the compensations", &error))?;
    let now = clock::now();
    if args.json {
        return rows.iter().try_for_each(|row| out.line(json(row, now)));
    }
    if rows.is_empty() {
        return out.line(if args.all { "no compensations" } else { "no open compensations" });
    }
    for row in &rows {
        out.text(block(row, now))?;
    }
    let open = rows.iter().filter(|row| row.closed_at.is_none()).count();
    out.line(format_args!("{open} open"))?;
    if open > 0 {
        out.line("cancel or move each at its source, with its customer; it closes once the source says so")?;
        out.line("by hand, once nothing is left to do: daybook compensations close RESOURCE BOOKING_ID --reason TEXT")?;
    }
    Ok(())
}

/// One of them, for a person.
fn block(row: &CompensationRow, now: Timestamp) -> String {
    let state = match (row.closed_at, &row.closed_by) {
        (None, _) => format!("OPEN for {}", text::span(now.since(row.opened_at))),
        (Some(at), by) => {
            let by = by.as_deref().unwrap_or("somebody");
            let reason = row.close_reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
            format!("closed {} by {by}, after {}{reason}", text::moment(at), text::span(at.since(row.opened_at)))
        }
    };
    let times = if row.refusals > 1 { format!(", refused {} times", row.refusals) } else { String::new() };
    let by = match row.source_booking_id.as_str() {
        "" => format!("{}; what it calls it is no longer known here", row.source),
        id => format!("{}, which calls it {id}", row.source),
    };
    let facts = [
        ("promised", promised(row)),
        ("by", by),
        ("refused", refused(row)),
        ("who has it", winner(row).unwrap_or_else(|| "nobody".to_owned())),
        ("since", format!("{}{times}, last by request {}", text::moment(row.opened_at), row.request_id)),
        ("booking id", row.booking_id.to_string()),
    ];
    let called_off = called_off(row).map(|done| ("there", done));
    let mut block = format!("{}  {state}\n", row.resource);
    for (name, value) in facts.into_iter().chain(called_off) {
        // Writing to a string cannot fail.
        let _ = writeln!(block, "  {name:<11} {value}");
    }
    block.push('\n');
    block
}

/// What Daybook has done about it at its source.
fn called_off(row: &CompensationRow) -> Option<String> {
    let (result, done_at) = row.called_off.as_ref()?;
    Some(match (result.as_str(), done_at) {
        ("cancelled", Some(at)) => format!("called off by Daybook {}; its source is to say so", text::moment(*at)),
        ("gone", Some(at)) => format!("found to be off {}; its source is to say so", text::moment(*at)),
        (why, Some(at)) => format!("not called off by Daybook, given up {}: {why}", text::moment(*at)),
        (_, None) => "being called off by Daybook; the last attempt has failed".to_owned(),
    })
}

/// One of them, for a program.
fn json(row: &CompensationRow, now: Timestamp) -> serde_json::Value {
    json!({
        "resource_id": row.resource,
        "booking_id": row.booking_id.to_string(),
        "source": row.source,
        "source_booking_id": row.source_booking_id,
        "start": row.start.to_string(),
        "end": row.end.to_string(),
        "resource_time_zone": row.time_zone,
        "reason": row.reason,
        "rule": row.rule,
        "winner": row.winner_booking_id.map(|id| json!({"booking_id": id.to_string(), "source": row.winner_source})),
        "opened_at": row.opened_at.to_string(),
        "open_seconds": row.closed_at.unwrap_or(now).since(row.opened_at).as_secs(),
        "request_id": row.request_id.to_string(),
        "refusals": row.refusals,
        "closed_at": row.closed_at.map(|at| at.to_string()),
        "closed_by": row.closed_by,
        "close_reason": row.close_reason,
        "called_off": row.called_off.as_ref().map(|(result, at)| json!({"result": result, "at": at.map(|at| at.to_string())})),
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::compensations::samples;
    use crate::sample::at;

    #[test]
    fn one_says_what_was_promised_why_not_and_who_has_it() {
        let now = at("2026-03-01T11:05:01.230Z");
        expect![[r#"
            anna  OPEN for 3 h 5 min
              promised    Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              by          generic, which calls it 4711
              refused     the time is taken (conflict)
              who has it  booking 00000000-0000-0000-0000-00000000b00c of calendly
              since       2026-03-01 08:00:01.230 UTC, last by request 00000000-0000-0000-0000-000000000002
              booking id  00000000-0000-0000-0000-0000000105e7

            anna  closed 2026-03-01 09:00:00 UTC by eve, after 59 min 58 s: moved to Thursday by phone
              promised    Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              by          generic, which calls it 4711
              refused     it lies outside the resource's hours (policy)
              who has it  nobody
              since       2026-03-01 08:00:01.230 UTC, refused 3 times, last by request 00000000-0000-0000-0000-000000000002
              booking id  00000000-0000-0000-0000-0000000105e7

        "#]].assert_eq(&(block(&samples::open(), now) + &block(&samples::closed(), now)));
    }

    #[test]
    fn what_daybook_has_done_at_the_source_stands_below_where_it_was_to_do_anything() {
        let line = |result: &str, at: Option<&str>| {
            let at = at.map(|at| at.parse().expect("a time"));
            let row = CompensationRow { called_off: Some((result.to_owned(), at)), ..samples::open() };
            called_off(&row).expect("something was done")
        };
        let at = Some("2027-03-01T08:00:05Z");
        assert!(line("cancelled", at).starts_with("called off by Daybook 2027-03-01 08:00:05"));
        assert!(line("gone", at).starts_with("found to be off 2027-03-01"));
        assert!(line("refused", at).ends_with(": refused"));
        assert!(line("later", None).starts_with("being called off by Daybook"));
        assert_eq!(called_off(&samples::open()), None);
    }

    #[test]
    fn a_program_gets_every_field() {
        expect![[r#"
            {
              "booking_id": "00000000-0000-0000-0000-0000000105e7",
              "called_off": null,
              "close_reason": null,
              "closed_at": null,
              "closed_by": null,
              "end": "2026-03-04T09:30:00Z",
              "open_seconds": 11100,
              "opened_at": "2026-03-01T08:00:01.230Z",
              "reason": "conflict",
              "refusals": 1,
              "request_id": "00000000-0000-0000-0000-000000000002",
              "resource_id": "anna",
              "resource_time_zone": "Europe/Berlin",
              "rule": null,
              "source": "generic",
              "source_booking_id": "4711",
              "start": "2026-03-04T09:00:00Z",
              "winner": {
                "booking_id": "00000000-0000-0000-0000-00000000b00c",
                "source": "calendly"
              }
            }"#]]
        .assert_eq(&format!("{:#}", json(&samples::open(), at("2026-03-01T11:05:01.230Z"))));
    }
}
