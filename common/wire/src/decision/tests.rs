//! Round trips of every outcome.

use daybook_domain::{
    BookingId, ContactId, ContentDigest, RequestId, ResourceId, Rules, SourceKey, SourceName, SourceVersion,
};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn interval() -> Interval {
    Interval::new(at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z")).expect("an interval")
}

fn state(standing: Standing) -> BookingState {
    let resource: ResourceId = "anna".parse().expect("a name");
    let source: SourceName = "calendly".parse().expect("a name");
    BookingState {
        booking_id: BookingId::derive(&source, "inv-1", &resource),
        standing,
        version: 2,
        keys: vec![SourceKey::derive(&source, "inv-1"), SourceKey::derive(&source, "inv-2")],
        source,
        source_version: SourceVersion { sequence: 0, updated_at: at("2026-03-01T00:00:00Z") },
        content: Some(ContentDigest([3; 16])),
        contacts: vec![ContactId::from_bytes([7; 16])],
    }
}

fn logged(outcome: Outcome, booking: Option<BookingState>) -> LoggedDecision {
    LoggedDecision {
        partition: 5,
        seq: 17,
        offset: 99,
        previous_hash: [0xab; 32],
        core_version: "0.1.0".to_owned(),
        decision: Decision {
            request_id: RequestId::derive("/webhooks/calendly", "evt-1", 0),
            resource: "anna".parse().expect("a name"),
            operation: OperationKind::Book,
            source: "calendly".parse().expect("a name"),
            outcome,
            resource_version: 4,
            booking,
            rules: Some(Rules {
                display_time_zone: "Europe/Berlin".to_owned(),
                replacement_wait: Rules::REPLACEMENT_WAIT_DEFAULT,
            }),
            sourced_at: Some(at("2026-03-01T00:00:00Z")),
            received_at: at("2026-03-01T00:00:01Z"),
            decided_at: at("2026-03-01T00:00:02Z"),
        },
    }
}

#[test]
fn every_outcome_survives_the_wire() {
    let winner = Winner { booking_id: state(Standing::Confirmed(interval())).booking_id, interval: interval() };
    let cases = [
        (Outcome::Confirmed, Some(state(Standing::Confirmed(interval())))),
        (Outcome::Rescheduled, Some(state(Standing::Confirmed(interval())))),
        (Outcome::Updated, Some(state(Standing::Confirmed(interval())))),
        (Outcome::Cancelled, Some(state(Standing::Cancelled { last: Some(interval()) }))),
        (Outcome::Cancelled, Some(state(Standing::Cancelled { last: None }))),
        (
            Outcome::AwaitingReplacement,
            Some(state(Standing::Awaiting { interval: interval(), until: at("2026-03-01T00:15:00Z") })),
        ),
        (Outcome::Defined, None),
        (Outcome::Rejected(Rejection::Conflict(winner)), None),
        (Outcome::Rejected(Rejection::StaleVersion), None),
        (Outcome::Rejected(Rejection::UnknownBooking), None),
        (Outcome::Rejected(Rejection::InvalidTransition), None),
        (Outcome::Rejected(Rejection::Policy), None),
        (Outcome::Rejected(Rejection::ConflictByStore), None),
        (Outcome::Rejected(Rejection::Undecodable), None),
        (Outcome::Rejected(Rejection::Internal), None),
        (Outcome::Unchanged(Unchanged::Duplicate), None),
        (Outcome::Unchanged(Unchanged::Stale), None),
    ];
    for (outcome, booking) in cases {
        let logged = logged(outcome, booking);
        let datum = encode_decision(&logged);
        assert_eq!(decode_decision(decision_codec().schema(), &datum).expect("reads"), logged);
        assert_eq!(encode_decision(&logged), datum, "the same decision, the same bytes");
    }
}

#[test]
fn the_bytes_of_a_decision_are_pinned() {
    // A change here would break the hash chain of every replay. The digest is of the datum alone.
    use sha2::Digest;
    let datum = encode_decision(&logged(Outcome::Confirmed, Some(state(Standing::Confirmed(interval())))));
    assert_eq!(hex::encode(sha2::Sha256::digest(&datum)), PINNED);
}

const PINNED: &str = "ed2a5be47025ae9763bea585ab3d64854a51deaa53aecf1cc90c9d11c37d37e9";
