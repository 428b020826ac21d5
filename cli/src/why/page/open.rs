//! What is still open: waits, deliveries, promises that were refused, what a person has to settle. Pure.

use std::time::Duration;

use daybook_domain::{Decision, Outcome, Standing};

use super::{Facts, head, line};
use crate::compensations;
use crate::store::{AttemptRow, DeliveryRow};
use crate::text;

/// The section.
pub fn section(page: &mut String, facts: &Facts) {
    let mut open = Vec::new();
    for known in &facts.bookings {
        let id = known.booking.state.booking_id;
        let wait = match known.booking.state.standing {
            Standing::Awaiting { until, .. } => Some(("for its replacement", until)),
            Standing::Held { until, .. } => Some(("to be confirmed", until)),
            Standing::Confirmed(_) | Standing::Cancelled { .. } => None,
        };
        if let Some((what, until)) = wait {
            open.push(format!("booking {id} waits {what} until {}", text::moment(until)));
            open.push("  its time is free after that".to_owned());
        }
        open.extend(known.deliveries.iter().flat_map(delivery));
    }
    open.extend(facts.compensations.iter().flat_map(compensations::to_put_right));
    open.extend(facts.sightings.iter().flat_map(|sighting| to_settle(&sighting.logged.decision)));
    head(page, "Still open");
    if open.is_empty() {
        line(page, 1, "nothing");
    }
    for item in open {
        line(page, 1, &item);
    }
}

/// What a person may have to settle because of a decision. Whether it was done, no decision says.
fn to_settle(decision: &Decision) -> Vec<String> {
    let Outcome::Flagged(winner) = &decision.outcome else { return Vec::new() };
    let (source, request) = (&decision.source, decision.request_id);
    vec![
        format!("{source} has something else at the time of booking {} (request {request})", winner.booking_id),
        "  both stand: somebody has to say which of them goes".to_owned(),
    ]
}

/// What a target has yet to show, and how it stands with that.
fn delivery(delivery: &DeliveryRow) -> Vec<String> {
    let DeliveryRow { target, desired_version, applied_version, .. } = delivery;
    if applied_version >= desired_version {
        return Vec::new();
    }
    let has = if *applied_version == 0 { "nothing".to_owned() } else { format!("version {applied_version}") };
    let mut lines = vec![format!("{target} shows {has} and should show version {desired_version}")];
    let last = delivery.attempts.iter().rfind(|attempt| attempt.version == *desired_version);
    lines.push(last.map_or_else(|| "  not tried yet".to_owned(), |last| format!("  last {}", attempt(last))));
    match &delivery.parked_reason {
        Some(reason) => {
            lines.push(format!("  given up: {reason}; once the cause is mended, replay its dead letter:"));
            lines.push("  daybook dlq list --queue propagator".to_owned());
        }
        None => lines.push(format!("  next try {}", text::moment(delivery.next_at))),
    }
    lines
}

fn attempt(attempt: &AttemptRow) -> String {
    let status = attempt.http_status.map_or_else(String::new, |status| format!(", HTTP {status}"));
    let took = text::span(Duration::from_millis(u64::try_from(attempt.duration_ms).unwrap_or(0)));
    format!("attempt {} at {}: {}{status}, took {took}", attempt.attempt, text::moment(attempt.at), attempt.result)
}
