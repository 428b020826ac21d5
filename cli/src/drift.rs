//! `daybook drift`: entries at targets that are not what they should be: what differs, since when, and whose turn it is.

use std::fmt::Write as _;

use chrono_tz::Tz;
use daybook_domain::{Interval, ResourceId, TargetName, Timestamp};
use serde_json::json;

use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::Out;
use crate::store::{self, DriftRow};
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Drift {
    /// Only at this target.
    #[arg(value_name = "TARGET")]
    target: Option<TargetName>,
    /// Only of this resource.
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<ResourceId>,
    /// Have the calendars read back now, and not when they are due.
    #[arg(long, conflicts_with = "json")]
    now: bool,
    /// One JSON object a line, for programs.
    #[arg(long)]
    json: bool,
}

/// Prints them, or asks for them to be looked for.
pub async fn run(args: &Drift, config: &Config, out: &Out) -> Result<(), Failure> {
    let pool = connect::store(config)?;
    let (target, resource) =
        (args.target.as_ref().map(TargetName::as_str), args.resource.as_ref().map(ResourceId::as_str));
    if args.now {
        let read = store::read_back(&pool, target, resource).await;
        let read = read.map_err(|error| Role::Propagator.explain("ask for calendars to be read back", &error))?;
        if read == 0 {
            return Err(Failure::plain("no such calendars are read back").next(
                "a resource's calendar at a target becomes one within seconds of daybook resources apply; targets of kind webhook \
                 cannot be read",
            ));
        }
        return out.line(format_args!("{} will be read back next", text::count(read as usize, "calendar")));
    }
    let rows = store::drift(&pool, target, resource).await;
    let rows = rows.map_err(|error| Role::Reader.explain("read what differs", &error))?;
    if args.json {
        return rows.iter().try_for_each(|row| out.line(object(row)));
    }
    if rows.is_empty() {
        return out.line("nothing differs, as far as calendars were read back");
    }
    for row in &rows {
        out.text(block(row))?;
    }
    let stopped = rows.iter().filter(|row| row.stopped).count();
    if stopped == 0 {
        return out.line(format_args!("{} being put right", rows.len()));
    }
    out.line(format_args!(
        "{stopped} of {} left to a person: put it right at the target, or have the booking changed; the next reading sees it",
        rows.len()
    ))
}

fn span(row: &DriftRow, span: Option<(Timestamp, Timestamp)>) -> String {
    let zone: Option<Tz> = row.time_zone.parse().ok();
    let span = span.and_then(|(start, end)| Interval::new(start, end).ok());
    span.map_or_else(|| "not known".to_owned(), |span| text::interval(span, zone))
}

/// One of them, for a person.
fn block(row: &DriftRow) -> String {
    let DriftRow { target, resource, booking_id, kind, .. } = row;
    let mut block = format!("{resource} at {target}: {kind}, booking {booking_id}\n");
    let mut line = |name: &str, text: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(block, "  {name:<9}{text}");
    };
    if row.version > 0 {
        let wanted = if row.wanted.is_some() { span(row, row.wanted) } else { "nothing".to_owned() };
        line("should be", &format!(" {wanted} (version {})", row.version));
    } else {
        line("should be", " not known here: another Daybook's, or of before the store was restored");
    }
    if kind != "missing" {
        line("shown", &format!(" {}", span(row, row.shown)));
    }
    if !row.fields.is_empty() {
        line("differs", &format!(" in {}", row.fields.join(", ")));
    }
    let state = match (row.stopped, row.version, row.repairs) {
        (true, 0, _) => "left to a person".to_owned(),
        (true, _, repairs) => format!("left to a person: put right {repairs} times, and it did not last"),
        (false, _, 0) if row.asked => "the booking is asked to be there".to_owned(),
        (false, _, 0) => "to be put right".to_owned(),
        (false, _, repairs) => format!("put right {}, not read back since", times(repairs)),
    };
    line("since", &format!(" {}; {state}", row.found));
    block.push('\n');
    block
}

fn times(count: i32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// One of them, for a program.
fn object(row: &DriftRow) -> serde_json::Value {
    let span = |span: Option<(Timestamp, Timestamp)>| {
        span.map(|(start, end)| json!({"start": start.to_string(), "end": end.to_string()}))
    };
    json!({
        "target": row.target,
        "resource_id": row.resource,
        "booking_id": row.booking_id.to_string(),
        "kind": row.kind,
        "fields": row.fields,
        "version": row.version,
        "wanted": span(row.wanted),
        "shown": span(row.shown),
        "found": row.found.to_string(),
        "repairs": row.repairs,
        "stopped": row.stopped,
        "asked": row.asked,
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use uuid::Uuid;

    use super::*;
    use crate::sample::at;

    fn moved() -> DriftRow {
        DriftRow {
            target: "google".to_owned(),
            resource: "anna".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            booking_id: Uuid::from_u128(1),
            kind: "moved".to_owned(),
            fields: vec!["time".to_owned(), "title".to_owned()],
            version: 3,
            wanted: Some((at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z"))),
            shown: Some((at("2026-03-04T10:00:00Z"), at("2026-03-04T10:30:00Z"))),
            found: at("2026-03-01T08:00:00Z"),
            repairs: 1,
            stopped: false,
            asked: false,
        }
    }

    #[test]
    fn each_says_what_should_be_what_is_and_whose_turn_it_is() {
        let missing = DriftRow { kind: "missing".to_owned(), fields: Vec::new(), shown: None, ..moved() };
        let stopped = DriftRow { kind: "extra".to_owned(), wanted: None, repairs: 3, stopped: true, ..missing.clone() };
        let foreign = DriftRow { version: 0, repairs: 0, ..stopped.clone() };
        let asked = DriftRow { repairs: 0, asked: true, ..moved() };
        let pages: String = [moved(), missing, stopped, foreign, asked].iter().map(block).collect();
        expect![[r#"
            anna at google: moved, booking 00000000-0000-0000-0000-000000000001
              should be Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC) (version 3)
              shown     Wed 4 Mar 2026 11:00 to 11:30 Europe/Berlin (10:00 to 10:30 UTC)
              differs   in time, title
              since     2026-03-01T08:00:00Z; put right once, not read back since

            anna at google: missing, booking 00000000-0000-0000-0000-000000000001
              should be Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC) (version 3)
              since     2026-03-01T08:00:00Z; put right once, not read back since

            anna at google: extra, booking 00000000-0000-0000-0000-000000000001
              should be nothing (version 3)
              shown     not known
              since     2026-03-01T08:00:00Z; left to a person: put right 3 times, and it did not last

            anna at google: extra, booking 00000000-0000-0000-0000-000000000001
              should be not known here: another Daybook's, or of before the store was restored
              shown     not known
              since     2026-03-01T08:00:00Z; left to a person

            anna at google: moved, booking 00000000-0000-0000-0000-000000000001
              should be Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC) (version 3)
              shown     Wed 4 Mar 2026 11:00 to 11:30 Europe/Berlin (10:00 to 10:30 UTC)
              differs   in time, title
              since     2026-03-01T08:00:00Z; the booking is asked to be there

        "#]]
        .assert_eq(&pages);
    }

    #[test]
    fn a_program_gets_both_times() {
        expect![[r#"
            {
              "asked": false,
              "booking_id": "00000000-0000-0000-0000-000000000001",
              "fields": [
                "time",
                "title"
              ],
              "found": "2026-03-01T08:00:00Z",
              "kind": "moved",
              "repairs": 1,
              "resource_id": "anna",
              "shown": {
                "end": "2026-03-04T10:30:00Z",
                "start": "2026-03-04T10:00:00Z"
              },
              "stopped": false,
              "target": "google",
              "version": 3,
              "wanted": {
                "end": "2026-03-04T09:30:00Z",
                "start": "2026-03-04T09:00:00Z"
              }
            }"#]]
        .assert_eq(&format!("{:#}", object(&moved())));
    }
}
