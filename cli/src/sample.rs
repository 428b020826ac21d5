//! Decisions for tests.

use daybook_domain::{
    Basis, BookingId, BookingKind, BookingState, Decision, Elsewhere, Interval, OperationKind, Outcome, Rejection,
    RequestId, Shadow, Sight, SourceKey, SourceVersion, Standing, Timestamp, Unchanged, Wanted, Winner,
};
use daybook_rows::BookingRow;
use daybook_wire::LoggedDecision;
use uuid::Uuid;

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub fn interval(start: &str, end: &str) -> Interval {
    Interval::new(at(start), at(end)).expect("an interval")
}

/// Nine to half past nine, UTC.
pub fn nine() -> Interval {
    interval("2026-03-04T09:00:00Z", "2026-03-04T09:30:00Z")
}

pub fn booking_id() -> BookingId {
    BookingId::from_uuid(Uuid::from_u128(0xb00c))
}

pub fn booking(standing: Standing, version: u64) -> BookingState {
    BookingState {
        booking_id: booking_id(),
        kind: BookingKind::Booking,
        standing,
        unit: 0,
        version,
        source: "calendly".parse().expect("a name"),
        keys: Vec::new(),
        source_version: SourceVersion { sequence: 0, updated_at: at("2026-03-01T08:00:00Z") },
        content: None,
        contacts: Vec::new(),
        tags: Vec::new(),
        shadows: Vec::new(),
        moved_from: None,
        moved_to: None,
    }
}

/// A booking of anna's, as the store has it.
pub fn row(state: BookingState) -> BookingRow {
    BookingRow {
        state,
        resource: "anna".parse().expect("a name"),
        source_ids: vec!["inv-1".to_owned()],
        shadow_ids: Vec::new(),
        title: None,
        attendees: Vec::new(),
        source_time_zone: None,
        event_id: "evt-1".to_owned(),
        sourced_at: Some(at("2026-03-01T08:00:00Z")),
        received_at: at("2026-03-01T08:00:01.200Z"),
        decided_at: at("2026-03-01T08:00:01.230Z"),
        seq: 1,
    }
}

/// An appointment as another source shows it.
pub fn shadow(source: &str, sight: Sight) -> Shadow {
    Shadow {
        source: source.parse().expect("a name"),
        key: SourceKey::from_uuid(Uuid::from_u128(0x5ade)),
        version: SourceVersion { sequence: 0, updated_at: at("2026-03-01T08:00:00Z") },
        sight,
    }
}

pub fn decision(seq: i64, operation: OperationKind, outcome: Outcome, booking: Option<BookingState>) -> LoggedDecision {
    LoggedDecision {
        partition: 3,
        seq,
        offset: seq,
        previous_hash: [0; 32],
        core_version: "1".to_owned(),
        decision: Decision {
            request_id: RequestId::from_uuid(Uuid::from_u128(u128::try_from(seq).expect("positive"))),
            request_digest: None,
            resource: "anna".parse().expect("a name"),
            operation,
            source: "calendly".parse().expect("a name"),
            basis: Basis::Promised,
            outcome,
            resource_version: 1,
            booking,
            absorbed: Vec::new(),
            wanted: None,
            next_free: Vec::new(),
            rules: None,
            sourced_at: Some(at("2026-03-01T08:00:00Z")),
            received_at: at("2026-03-01T08:00:01.200Z"),
            decided_at: at("2026-03-01T08:00:01.230Z"),
        },
    }
}

/// Calendly books nine o'clock.
pub fn confirmed(seq: i64) -> LoggedDecision {
    decision(seq, OperationKind::Book, Outcome::Confirmed, Some(booking(Standing::Confirmed(nine()), 1)))
}

/// The generic source wants the same time.
pub fn refused(seq: i64) -> LoggedDecision {
    let source = "calendly".parse().expect("a name");
    let winner = Winner { booking_id: booking_id(), interval: nine(), source };
    let mut logged = decision(seq, OperationKind::Book, Outcome::Rejected(Rejection::Conflict(winner)), None);
    logged.decision.source = "generic".parse().expect("a name");
    logged.decision.wanted = Some(Wanted {
        booking_id: BookingId::from_uuid(Uuid::from_u128(0x1057)),
        key: SourceKey::from_uuid(Uuid::from_u128(0x1057)),
        interval: nine(),
        moved_from: None,
    });
    logged.decision.next_free = vec![
        interval("2026-03-04T09:30:00Z", "2026-03-04T10:00:00Z"),
        interval("2026-03-04T10:30:00Z", "2026-03-04T11:00:00Z"),
    ];
    logged
}

/// Calendly moves the booking to ten o'clock.
pub fn moved(seq: i64) -> LoggedDecision {
    let ten = interval("2026-03-04T10:00:00Z", "2026-03-04T10:30:00Z");
    decision(seq, OperationKind::Reschedule, Outcome::Rescheduled, Some(booking(Standing::Confirmed(ten), 2)))
}

/// A booking of another resource.
pub fn elsewhere() -> Elsewhere {
    Elsewhere { resource: "bea".parse().expect("a name"), booking_id: BookingId::from_uuid(Uuid::from_u128(0xbea)) }
}

/// The same again.
pub fn duplicate(seq: i64) -> LoggedDecision {
    let state = booking(Standing::Confirmed(nine()), 1);
    decision(seq, OperationKind::Book, Outcome::Unchanged(Unchanged::Duplicate), Some(state))
}
