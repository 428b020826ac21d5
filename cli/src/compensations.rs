//! `daybook compensations`: what a source has promised its customer and Daybook has refused, until it is put right.

mod close;
mod list;

pub use close::{Close, close};
pub use list::{List, list};

use chrono_tz::Tz;
use daybook_domain::Interval;

use crate::store::CompensationRow;
use crate::text;

/// When it was to be, in the resource's zone and in UTC.
pub fn promised(row: &CompensationRow) -> String {
    let zone: Option<Tz> = row.time_zone.as_deref().and_then(|zone| zone.parse().ok());
    Interval::new(row.start, row.end).map_or_else(|_| "not known".to_owned(), |span| text::interval(span, zone))
}

/// Why it was refused, with the word for it.
pub fn refused(row: &CompensationRow) -> String {
    let why = match (row.reason.as_str(), row.rule.as_deref()) {
        ("conflict", _) => "the time is taken",
        ("conflict_by_store", _) => "the store refused it although the rules did not",
        ("policy", Some("notice")) => "it was booked at too short notice for the resource",
        ("policy", Some("window")) => "it was booked further ahead than the resource allows",
        ("policy", Some("hours")) => "it lies outside the resource's hours",
        ("policy", Some("defined")) => "the resource has no rules yet: daybook resources apply",
        ("stale_version", _) => "a newer event had moved the booking on",
        ("invalid_transition", _) => "the booking that it was to replace is not in a state that allows it",
        ("unknown_booking", _) => "the booking that it was to replace is not known",
        ("internal", _) => "deciding it failed; its bytes are in dlq.arbiter",
        _ => {
            return [Some(row.reason.as_str()), row.rule.as_deref()]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", ");
        }
    };
    format!("{why} ({})", row.reason)
}

/// Who has the time instead, where somebody does.
pub fn winner(row: &CompensationRow) -> Option<String> {
    let id = row.winner_booking_id?;
    let source = row.winner_source.as_deref().map_or_else(String::new, |source| format!(" of {source}"));
    Some(format!("booking {id}{source}"))
}

/// What is to be done about an open one, for pages about its booking: without what its source calls it. None for a
/// closed one.
pub fn to_put_right(row: &CompensationRow) -> Vec<String> {
    if row.closed_at.is_some() {
        return Vec::new();
    }
    let source = &row.source;
    vec![
        format!("{source} has promised its customer {} (booking {})", promised(row), row.booking_id),
        format!("  and was refused: {}; open since {}", refused(row), text::moment(row.opened_at)),
        format!("  put it right at {source}: daybook compensations --resource {}", row.resource),
    ]
}

/// One for tests.
#[cfg(test)]
pub mod samples {
    use daybook_domain::RequestId;
    use uuid::Uuid;

    use super::*;
    use crate::sample::{self, at};

    pub fn open() -> CompensationRow {
        CompensationRow {
            resource: "anna".to_owned(),
            time_zone: Some("Europe/Berlin".to_owned()),
            source_key: Uuid::from_u128(0x5e7),
            booking_id: daybook_domain::BookingId::from_uuid(Uuid::from_u128(0x105e7)),
            source: "generic".to_owned(),
            source_booking_id: "4711".to_owned(),
            reason: "conflict".to_owned(),
            rule: None,
            start: at("2026-03-04T09:00:00Z"),
            end: at("2026-03-04T09:30:00Z"),
            winner_booking_id: Some(sample::booking_id().uuid()),
            winner_source: Some("calendly".to_owned()),
            opened_at: at("2026-03-01T08:00:01.230Z"),
            request_id: RequestId::from_uuid(Uuid::from_u128(2)),
            refusals: 1,
            closed_at: None,
            closed_by: None,
            close_reason: None,
            called_off: None,
        }
    }

    pub fn closed() -> CompensationRow {
        CompensationRow {
            reason: "policy".to_owned(),
            rule: Some("hours".to_owned()),
            winner_booking_id: None,
            winner_source: None,
            refusals: 3,
            closed_at: Some(at("2026-03-01T09:00:00Z")),
            closed_by: Some("eve".to_owned()),
            close_reason: Some("moved to Thursday by phone".to_owned()),
            called_off: None,
            ..open()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_said_in_words_and_a_new_one_at_least_named() {
        assert_eq!(refused(&samples::open()), "the time is taken (conflict)");
        assert_eq!(refused(&samples::closed()), "it lies outside the resource's hours (policy)");
        let new = CompensationRow { reason: "full_moon".to_owned(), rule: Some("x".to_owned()), ..samples::open() };
        assert_eq!(refused(&new), "full_moon, x");
    }

    #[test]
    fn what_is_closed_needs_nothing_and_what_is_open_does_not_name_the_sources_own_id() {
        assert_eq!(to_put_right(&samples::closed()), Vec::<String>::new());
        let lines = to_put_right(&samples::open()).join("\n");
        assert!(lines.contains("generic has promised") && !lines.contains("4711"), "{lines}");
    }
}
