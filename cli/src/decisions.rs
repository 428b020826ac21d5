//! `daybook decisions tail`: decisions as they are published, without a consumer group, so that looking disturbs nobody.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::Duration;

use daybook_domain::{BookingState, Elsewhere, Interval, ResourceId, Rule, Shadow, Sight, Winner, topics};
use daybook_runtime::kafka::{TailFrom, follow};
use daybook_wire::LoggedDecision;
use serde_json::json;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::connect;
use crate::decode::Decoder;
use crate::failure::Failure;
use crate::out::{Out, note};
use crate::text;
use crate::words;

/// How long the first answer of a broker may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Records that may wait to be printed: enough to keep the screen busy, little enough to stop soon.
const QUEUE: usize = 256;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Tail {
    /// Only decisions about this resource.
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<ResourceId>,
    /// Begin with the oldest decision that is kept, not with the next one.
    #[arg(long)]
    from_beginning: bool,
    /// End after this many.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// One JSON object a line, for programs.
    #[arg(long)]
    json: bool,
}

/// Prints decisions as they come.
pub async fn tail(args: &Tail, config: &Config, out: &Out) -> Result<(), Failure> {
    let mut decoder = Decoder::new(config)?;
    let (sender, mut records) = mpsc::channel::<Vec<u8>>(QUEUE);
    let kafka = config.kafka.clone();
    let from = if args.from_beginning { TailFrom::Beginning } else { TailFrom::Now };
    let reading = tokio::task::spawn_blocking(move || {
        follow(&kafka, topics::DECISIONS, from, TIMEOUT, |record| {
            let handed_on = record.value.map_or(Ok(()), |value| sender.blocking_send(value));
            if handed_on.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
    });
    let mut seen = Seen::default();
    let mut printed = 0;
    while args.count.is_none_or(|count| printed < count) {
        let Some(record) = records.recv().await else {
            // The reader has ended by itself, which it does only for a reason.
            return reading
                .await
                .map_err(|error| Failure::new("cannot read decisions", error))?
                .map_err(|error| connect::explain_tail(error, config));
        };
        // A foreign record must not end the watch.
        let logged = match decoder.read(&record).await {
            Ok(logged) => logged,
            Err(failure) => {
                note(format_args!("passed over: {failure}"));
                continue;
            }
        };
        let wanted = args.resource.as_ref().is_none_or(|resource| *resource == logged.decision.resource);
        if !seen.is_new(&logged) || !wanted {
            continue;
        }
        let text = if args.json { json(&logged).to_string() } else { line(&logged) };
        out.line(text)?;
        printed += 1;
    }
    Ok(())
}

/// Drops repeats: a crash of the arbiter may publish decisions again, byte for byte.
#[derive(Debug, Default)]
struct Seen(BTreeMap<i32, i64>);

impl Seen {
    /// Whether this decision is the next of its partition; remembers it.
    fn is_new(&mut self, logged: &LoggedDecision) -> bool {
        let last = self.0.entry(logged.partition).or_insert(i64::MIN);
        let new = logged.seq > *last;
        *last = logged.seq.max(*last);
        new
    }
}

fn line(logged: &LoggedDecision) -> String {
    let decision = &logged.decision;
    let place = format!("{}/{}", logged.partition, logged.seq);
    let mut line = format!(
        "{}  {place:<8}  {:<16}  {:<10}  {:<26}",
        text::stamp(decision.decided_at),
        decision.resource,
        decision.operation.as_str(),
        words::outcome(&decision.outcome),
    );
    // Writing to a string cannot fail.
    if let Some(booking) = &decision.booking {
        let _ = write!(line, "  booking {} v{}", booking.booking_id, booking.version);
        if let Some(interval) = booking.standing.interval() {
            let _ = write!(line, " {}", text::interval(interval, None));
        }
    }
    if let Some(to) = decision.booking.as_ref().and_then(|booking| booking.moved_to.as_ref()) {
        let _ = write!(line, "  moved to {}", words::elsewhere(to));
    }
    if let Some(from) = decision.booking.as_ref().and_then(|booking| booking.moved_from.as_ref()) {
        let _ = write!(line, "  moved from {}", words::elsewhere(from));
    }
    if let Some(wanted) = &decision.wanted {
        let _ = write!(line, "  wanted {}", text::interval(wanted.interval, None));
    }
    if let Some(Winner { booking_id, interval, source }) = decision.outcome.winner() {
        let _ = write!(line, "  winner {booking_id} of {source} {}", text::interval(*interval, None));
    }
    if let Some(slot) = decision.next_free.first() {
        let _ = write!(line, "  free {}", text::interval(*slot, None));
    }
    line.trim_end().to_owned()
}

fn json(logged: &LoggedDecision) -> serde_json::Value {
    let decision = &logged.decision;
    let wanted = decision.wanted.as_ref().map(|wanted| {
        json!({
            "booking_id": wanted.booking_id.to_string(),
            "start": wanted.interval.start().to_string(),
            "end": wanted.interval.end().to_string(),
            "moved_from": wanted.moved_from.as_ref().map(elsewhere),
        })
    });
    let winner = decision.outcome.winner().map(|winner| {
        json!({
            "booking_id": winner.booking_id.to_string(),
            "source": winner.source.as_str(),
            "start": winner.interval.start().to_string(),
            "end": winner.interval.end().to_string(),
        })
    });
    json!({
        "partition": logged.partition,
        "seq": logged.seq,
        "offset": logged.offset,
        "request_id": decision.request_id.to_string(),
        "resource_id": decision.resource.as_str(),
        "resource_version": decision.resource_version,
        "source": decision.source.as_str(),
        "operation": decision.operation.as_str(),
        "basis": words::basis(decision.basis),
        "outcome": decision.outcome.as_str(),
        "reason": decision.outcome.reason(),
        "rule": decision.outcome.rule().map(Rule::as_str),
        "winner": winner,
        "wanted": wanted,
        "next_free": decision.next_free.iter().map(slot).collect::<Vec<_>>(),
        "booking": decision.booking.as_ref().map(booking),
        "absorbed": decision.absorbed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "sourced_at": decision.sourced_at.map(|time| time.to_string()),
        "received_at": decision.received_at.to_string(),
        "decided_at": decision.decided_at.to_string(),
        "core_version": logged.core_version,
    })
}

fn booking(booking: &BookingState) -> serde_json::Value {
    let interval = booking.standing.interval();
    json!({
        "booking_id": booking.booking_id.to_string(),
        "version": booking.version,
        "kind": words::kind(booking),
        "status": words::status(&booking.standing),
        "start": interval.map(|interval| interval.start().to_string()),
        "end": interval.map(|interval| interval.end().to_string()),
        "until": booking.standing.deadline().map(|until| until.to_string()),
        "unit": booking.unit,
        "source": booking.source.as_str(),
        "shadows": booking.shadows.iter().map(shadow).collect::<Vec<_>>(),
        "moved_from": booking.moved_from.as_ref().map(elsewhere),
        "moved_to": booking.moved_to.as_ref().map(elsewhere),
    })
}

fn shadow(shadow: &Shadow) -> serde_json::Value {
    let (sight, away) = match shadow.sight {
        Sight::Along => ("along", None),
        Sight::Away(interval) => ("away", Some(slot(&interval))),
        Sight::Gone => ("gone", None),
    };
    json!({"source": shadow.source.as_str(), "sight": sight, "away": away})
}

fn slot(interval: &Interval) -> serde_json::Value {
    json!({"start": interval.start().to_string(), "end": interval.end().to_string()})
}

fn elsewhere(elsewhere: &Elsewhere) -> serde_json::Value {
    json!({"resource_id": elsewhere.resource.as_str(), "booking_id": elsewhere.booking_id.to_string()})
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::sample;

    #[test]
    fn a_line_says_who_asked_what_was_ruled_and_who_has_the_time() {
        expect!["2026-03-01T08:00:01.230Z  3/1       anna  book        confirmed                   booking 00000000-0000-0000-0000-00000000b00c v1 Wed 4 Mar 2026 09:00 to 09:30 UTC"].assert_eq(&line(&sample::confirmed(1)));
        expect!["2026-03-01T08:00:01.230Z  3/2       anna  book        rejected(conflict)          wanted Wed 4 Mar 2026 09:00 to 09:30 UTC  winner 00000000-0000-0000-0000-00000000b00c of calendly Wed 4 Mar 2026 09:00 to 09:30 UTC  free Wed 4 Mar 2026 09:30 to 10:00 UTC"].assert_eq(&line(&sample::refused(2)));
    }

    #[test]
    fn a_repeat_is_dropped_and_another_partition_is_not() {
        let mut seen = Seen::default();
        let of = |partition, seq| LoggedDecision { partition, ..sample::confirmed(seq) };
        let new: Vec<bool> =
            [of(0, 1), of(0, 2), of(1, 1), of(0, 1), of(0, 2), of(0, 3)].iter().map(|it| seen.is_new(it)).collect();
        assert_eq!(new, [true, true, true, false, false, true]);
    }

    #[test]
    fn the_object_has_every_field_that_a_program_asks_for() {
        expect![[r#"
            {
              "absorbed": [],
              "basis": "promised",
              "booking": null,
              "core_version": "1",
              "decided_at": "2026-03-01T08:00:01.230Z",
              "next_free": [
                {
                  "end": "2026-03-04T10:00:00Z",
                  "start": "2026-03-04T09:30:00Z"
                },
                {
                  "end": "2026-03-04T11:00:00Z",
                  "start": "2026-03-04T10:30:00Z"
                }
              ],
              "offset": 2,
              "operation": "book",
              "outcome": "rejected",
              "partition": 3,
              "reason": "conflict",
              "received_at": "2026-03-01T08:00:01.200Z",
              "request_id": "00000000-0000-0000-0000-000000000002",
              "resource_id": "anna",
              "resource_version": 1,
              "rule": null,
              "seq": 2,
              "source": "generic",
              "sourced_at": "2026-03-01T08:00:00Z",
              "wanted": {
                "booking_id": "00000000-0000-0000-0000-000000001057",
                "end": "2026-03-04T09:30:00Z",
                "moved_from": null,
                "start": "2026-03-04T09:00:00Z"
              },
              "winner": {
                "booking_id": "00000000-0000-0000-0000-00000000b00c",
                "end": "2026-03-04T09:30:00Z",
                "source": "calendly",
                "start": "2026-03-04T09:00:00Z"
              }
            }"#]]
        .assert_eq(&format!("{:#}", json(&sample::refused(2))));
    }
}
