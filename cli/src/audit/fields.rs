//! Two decisions, field by field. Pure. Decisions hold no personal data, so every value may be shown.

use std::fmt::Debug;

use daybook_domain::{BookingState, Decision, Timestamp};
use daybook_wire::LoggedDecision;

/// Every field that differs, a line each.
pub fn differing(again: &LoggedDecision, stored: &LoggedDecision) -> Vec<String> {
    let pairs = fields(again).into_iter().zip(fields(stored));
    pairs
        .filter(|((_, again), (_, stored))| again != stored)
        .map(|((name, again), (_, stored))| format!("{name}: decided again {again}, stored {stored}"))
        .collect()
}

fn fields(logged: &LoggedDecision) -> Vec<(&'static str, String)> {
    // Taken apart, so that a field which comes later cannot be forgotten here.
    let LoggedDecision { partition, seq, offset, previous_hash, core_version, decision } = logged;
    let Decision {
        request_id,
        request_digest,
        resource,
        operation,
        source,
        basis,
        outcome,
        resource_version,
        booking,
        absorbed,
        wanted,
        next_free,
        rules,
        sourced_at,
        received_at,
        decided_at,
    } = decision;
    let mut fields = vec![
        ("partition", partition.to_string()),
        ("seq", seq.to_string()),
        ("offset", offset.to_string()),
        ("previous_hash", hex::encode(previous_hash)),
        ("core_version", core_version.clone()),
        ("request_id", request_id.to_string()),
        ("request_digest", shown(request_digest)),
        ("resource_id", resource.to_string()),
        ("operation", operation.as_str().to_owned()),
        ("source", source.to_string()),
        ("basis", shown(basis)),
        ("outcome", shown(outcome)),
        ("resource_version", resource_version.to_string()),
    ];
    fields.extend(booking_fields(booking.as_ref()));
    fields.extend([
        ("absorbed", shown(absorbed)),
        ("wanted", shown(wanted)),
        ("next_free", shown(next_free)),
        ("rules", shown(rules)),
        ("sourced_at", sourced_at.map_or_else(|| "none".to_owned(), |at| at.to_string())),
        ("received_at", received_at.to_string()),
        ("decided_at", decided_at.to_string()),
    ]);
    fields
}

/// The same fields whether there is a booking or not, so that two decisions can be held beside each other.
fn booking_fields(booking: Option<&BookingState>) -> [(&'static str, String); 14] {
    let Some(booking) = booking else {
        return NAMES.map(|name| (name, "none".to_owned()));
    };
    let BookingState {
        booking_id,
        kind,
        standing,
        unit,
        version,
        source,
        keys,
        source_version,
        content,
        contacts,
        tags,
        shadows,
        moved_from,
        moved_to,
    } = booking;
    let values = [
        booking_id.to_string(),
        shown(kind),
        shown(standing),
        unit.to_string(),
        version.to_string(),
        source.to_string(),
        shown(keys),
        shown(source_version),
        shown(content),
        shown(contacts),
        shown(tags),
        shown(shadows),
        shown(moved_from),
        shown(moved_to),
    ];
    let mut values = values.into_iter();
    NAMES.map(|name| (name, values.next().unwrap_or_default()))
}

const NAMES: [&str; 14] = [
    "booking.booking_id",
    "booking.kind",
    "booking.standing",
    "booking.unit",
    "booking.version",
    "booking.source",
    "booking.source_keys",
    "booking.source_version",
    "booking.content_digest",
    "booking.contact_ids",
    "booking.tags",
    "booking.shadows",
    "booking.moved_from",
    "booking.moved_to",
];

/// The words of the code, but times as people read them.
fn shown(value: &impl Debug) -> String {
    const BEFORE: &str = "Timestamp(";
    let text = format!("{value:?}");
    let mut parts = text.split(BEFORE);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let micros = part.split_once(')').and_then(|(micros, rest)| Some((micros.parse().ok()?, rest)));
        match micros.and_then(|(micros, rest)| Some((Timestamp::from_micros(micros).ok()?, rest))) {
            Some((time, rest)) => shown.push_str(&format!("{time}{rest}")),
            None => shown.push_str(&format!("{BEFORE}{part}")),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn times_are_shown_as_people_read_them() {
        assert_eq!(shown(&sample::nine()), "Interval { start: 2026-03-04T09:00:00Z, end: 2026-03-04T09:30:00Z }");
    }

    #[test]
    fn only_what_differs_is_named() {
        assert_eq!(differing(&sample::confirmed(1), &sample::confirmed(1)), Vec::<String>::new());
        let mut other = sample::confirmed(1);
        other.seq = 2;
        assert_eq!(differing(&sample::confirmed(1), &other), ["seq: decided again 1, stored 2"]);
        let names: Vec<String> = differing(&sample::confirmed(1), &sample::refused(1))
            .iter()
            .filter_map(|line| Some(line.split_once(": ")?.0.to_owned()))
            .collect();
        assert!(names.contains(&"outcome".to_owned()) && names.contains(&"booking.standing".to_owned()), "{names:?}");
    }
}
