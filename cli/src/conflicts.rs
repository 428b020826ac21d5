//! `daybook conflicts`: bookings over which time is taken elsewhere, both sides of each: what was entered into a calendar past Daybook,
//! and what overlapped before there was one. A person decides which of the two goes.

use std::fmt::Write as _;

use chrono_tz::Tz;
use daybook_domain::{Interval, ResourceId, SourceName};
use serde_json::json;

use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::Out;
use crate::store::{self, ConflictRow, Side};
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Conflicts {
    /// Only of this resource.
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<ResourceId>,
    /// Only those that this source has a side of.
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceName>,
    /// One JSON object a line, for programs.
    #[arg(long)]
    json: bool,
}

/// Prints them.
pub async fn run(args: &Conflicts, config: &Config, out: &Out) -> Result<(), Failure> {
    let pool = connect::store(config)?;
    let (resource, source) =
        (args.resource.as_ref().map(ResourceId::as_str), args.source.as_ref().map(SourceName::as_str));
    let rows = store::conflicts(&pool, resource, source).await;
    let rows = rows.map_err(|error| Role::Reader.explain("read the bookings", &error))?;
    if args.json {
        return rows.iter().try_for_each(|row| out.line(object(row)));
    }
    if rows.is_empty() {
        return out.line("no conflicts");
    }
    for row in &rows {
        out.text(block(row))?;
    }
    out.line(format_args!(
        "{}; both sides of each stand: have one of them moved or cancelled at its source",
        text::count(rows.len(), "conflict")
    ))
}

/// One of them, for a person.
fn block(row: &ConflictRow) -> String {
    let zone: Option<Tz> = row.time_zone.parse().ok();
    let mut block = format!("{}\n", row.resource);
    for (name, side) in [("booked", &row.booking), ("taken", &row.busy)] {
        let span = Interval::new(side.start, side.end);
        let span = span.map_or_else(|_| "not known".to_owned(), |span| text::interval(span, zone));
        // Writing to a string cannot fail.
        let _ = writeln!(block, "  {name:<7} {span}, by {}, {}", side.source, side.booking_id);
    }
    block.push('\n');
    block
}

/// One of them, for a program.
fn object(row: &ConflictRow) -> serde_json::Value {
    let side = |side: &Side| {
        json!({
            "booking_id": side.booking_id.to_string(),
            "source": side.source,
            "start": side.start.to_string(),
            "end": side.end.to_string(),
        })
    };
    json!({"resource_id": row.resource, "booking": side(&row.booking), "busy": side(&row.busy)})
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use uuid::Uuid;

    use super::*;
    use crate::sample::at;

    #[test]
    fn both_sides_are_named_with_their_times() {
        let side = |id, source: &str, start, end| Side {
            booking_id: Uuid::from_u128(id),
            source: source.to_owned(),
            start: at(start),
            end: at(end),
        };
        let row = ConflictRow {
            resource: "anna".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            booking: side(1, "calendly", "2026-03-04T09:00:00Z", "2026-03-04T09:30:00Z"),
            busy: side(2, "crm", "2026-03-04T09:15:00Z", "2026-03-04T10:00:00Z"),
        };
        expect![[r#"
            anna
              booked  Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC), by calendly, 00000000-0000-0000-0000-000000000001
              taken   Wed 4 Mar 2026 10:15 to 11:00 Europe/Berlin (09:15 to 10:00 UTC), by crm, 00000000-0000-0000-0000-000000000002

        "#]]
        .assert_eq(&block(&row));
        expect![[r#"
            {
              "booking": {
                "booking_id": "00000000-0000-0000-0000-000000000001",
                "end": "2026-03-04T09:30:00Z",
                "source": "calendly",
                "start": "2026-03-04T09:00:00Z"
              },
              "busy": {
                "booking_id": "00000000-0000-0000-0000-000000000002",
                "end": "2026-03-04T10:00:00Z",
                "source": "crm",
                "start": "2026-03-04T09:15:00Z"
              },
              "resource_id": "anna"
            }"#]]
        .assert_eq(&format!("{:#}", object(&row)));
    }
}
