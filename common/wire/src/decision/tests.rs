//! Round trips of every operation, outcome and state of a booking; the bytes, pinned.

use chrono::Weekday;
use daybook_domain::{
    Basis, BookingId, BookingKind, BookingState, ContactId, ContentDigest, Elsewhere, Hours, Interval, OperationKind,
    Outcome, Rejection, RequestDigest, RequestId, ResourceId, Rule, Rules, Shadow, Sight, SourceKey, SourceName,
    SourceVersion, Standing, Tag, Timestamp, Unchanged, Wanted, Winner,
};

use super::record::{OutcomeRecord, ReasonRecord, RuleRecord, ShadowRecord, SightRecord};
use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn interval() -> Interval {
    Interval::new(at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z")).expect("an interval")
}

fn later() -> Interval {
    Interval::new(at("2026-03-04T10:00:00Z"), at("2026-03-04T10:30:00Z")).expect("an interval")
}

fn source() -> SourceName {
    "calendly".parse().expect("a name")
}

fn version() -> SourceVersion {
    SourceVersion { sequence: 0, updated_at: at("2026-03-01T00:00:00Z") }
}

fn elsewhere(resource: &str) -> Elsewhere {
    let resource: ResourceId = resource.parse().expect("a name");
    Elsewhere { booking_id: BookingId::derive(&source(), "inv-1", &resource), resource }
}

fn shadow(name: &str, sight: Sight) -> Shadow {
    let source: SourceName = name.parse().expect("a name");
    Shadow { key: SourceKey::derive(&source, "uid-1"), source, version: version(), sight }
}

fn state(standing: Standing) -> BookingState {
    BookingState {
        booking_id: elsewhere("anna").booking_id,
        kind: BookingKind::Booking,
        standing,
        unit: 3,
        version: 2,
        keys: vec![SourceKey::derive(&source(), "inv-1"), SourceKey::derive(&source(), "inv-2")],
        source: source(),
        source_version: version(),
        content: Some(ContentDigest([3; 16])),
        contacts: vec![ContactId::from_bytes([7; 16])],
        tags: vec![Tag::derive("ical", "uid-1")],
        shadows: vec![
            shadow("caldav", Sight::Along),
            shadow("google", Sight::Away(later())),
            shadow("outlook", Sight::Gone),
        ],
        moved_from: Some(elsewhere("ben")),
        moved_to: Some(elsewhere("cleo")),
    }
}

/// A state of which nothing optional is known.
fn bare(standing: Standing) -> BookingState {
    BookingState {
        kind: BookingKind::Busy,
        unit: 0,
        keys: Vec::new(),
        content: None,
        contacts: Vec::new(),
        tags: Vec::new(),
        shadows: Vec::new(),
        moved_from: None,
        moved_to: None,
        ..state(standing)
    }
}

fn rules() -> Rules {
    Rules {
        capacity: 12,
        buffer_before: std::time::Duration::from_secs(300),
        buffer_after: std::time::Duration::from_secs(600),
        notice: std::time::Duration::from_secs(3_600),
        window: Some(std::time::Duration::from_secs(86_400)),
        hours: vec![Hours { day: Weekday::Mon, from: 540, to: 1_440 }],
        retired: true,
        ..Rules::new("Europe/Berlin".to_owned())
    }
}

fn winner() -> Winner {
    Winner { booking_id: elsewhere("anna").booking_id, interval: interval(), source: source() }
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
            request_digest: Some(RequestDigest([5; 16])),
            resource: "anna".parse().expect("a name"),
            operation: OperationKind::Book,
            source: source(),
            basis: Basis::Promised,
            outcome,
            resource_version: 4,
            booking,
            absorbed: vec![elsewhere("ben").booking_id],
            wanted: Some(Wanted {
                booking_id: elsewhere("anna").booking_id,
                key: SourceKey::derive(&source(), "inv-1"),
                interval: interval(),
                moved_from: Some(elsewhere("ben")),
            }),
            next_free: vec![interval(), later()],
            rules: Some(rules()),
            sourced_at: Some(at("2026-03-01T00:00:00Z")),
            received_at: at("2026-03-01T00:00:01Z"),
            decided_at: at("2026-03-01T00:00:02Z"),
        },
    }
}

fn survives(logged: &LoggedDecision) {
    let datum = encode_decision(logged);
    assert_eq!(&decode_decision(decision_codec().schema(), &datum).expect("reads"), logged);
    assert_eq!(encode_decision(logged), datum, "the same decision, the same bytes");
}

#[test]
fn every_outcome_survives_the_wire() {
    let outcomes = [
        Outcome::Confirmed,
        Outcome::Held,
        Outcome::Rescheduled,
        Outcome::Updated,
        Outcome::Cancelled,
        Outcome::AwaitingReplacement,
        Outcome::Expired,
        Outcome::Observed,
        Outcome::Moved,
        Outcome::Defined,
        Outcome::Redacted,
        Outcome::Flagged(winner()),
        Outcome::Rejected(Rejection::Conflict(winner())),
        Outcome::Rejected(Rejection::StaleVersion),
        Outcome::Rejected(Rejection::UnknownBooking),
        Outcome::Rejected(Rejection::Past),
        Outcome::Rejected(Rejection::InvalidTransition),
        Outcome::Rejected(Rejection::Policy(Rule::Defined)),
        Outcome::Rejected(Rejection::Policy(Rule::Notice)),
        Outcome::Rejected(Rejection::Policy(Rule::Window)),
        Outcome::Rejected(Rejection::Policy(Rule::Hours)),
        Outcome::Rejected(Rejection::Policy(Rule::Retired)),
        Outcome::Rejected(Rejection::ConflictByStore),
        Outcome::Rejected(Rejection::Undecodable),
        Outcome::Rejected(Rejection::Internal),
        Outcome::Unchanged(Unchanged::Duplicate),
        Outcome::Unchanged(Unchanged::Stale),
        Outcome::Unchanged(Unchanged::Echo),
        Outcome::Unchanged(Unchanged::Shadow),
    ];
    for outcome in outcomes {
        survives(&logged(outcome, None));
    }
}

#[test]
fn every_state_of_a_booking_survives_the_wire() {
    let standings = [
        Standing::Held { interval: interval(), until: at("2026-03-01T00:10:00Z") },
        Standing::Confirmed(interval()),
        Standing::Awaiting { interval: interval(), until: at("2026-03-01T00:15:00Z") },
        Standing::Cancelled { last: Some(interval()) },
        Standing::Cancelled { last: None },
    ];
    for standing in standings {
        survives(&logged(Outcome::Confirmed, Some(state(standing))));
        survives(&logged(Outcome::Observed, Some(bare(standing))));
    }
}

#[test]
fn every_operation_and_basis_survives_the_wire() {
    for operation in OperationKind::ALL {
        for basis in [Basis::Asked, Basis::Promised] {
            let mut logged = logged(Outcome::Confirmed, None);
            logged.decision.operation = operation;
            logged.decision.basis = basis;
            survives(&logged);
        }
    }
}

#[test]
fn a_decision_with_nothing_optional_survives_the_wire() {
    let mut logged = logged(Outcome::Unchanged(Unchanged::Stale), None);
    logged.decision.absorbed = Vec::new();
    logged.decision.wanted = None;
    logged.decision.next_free = Vec::new();
    logged.decision.rules = None;
    logged.decision.sourced_at = None;
    survives(&logged);
    logged.decision.wanted = Some(Wanted {
        booking_id: elsewhere("anna").booking_id,
        key: SourceKey::derive(&source(), "inv-1"),
        interval: interval(),
        moved_from: None,
    });
    survives(&logged);
}

#[test]
fn what_a_newer_version_says_is_refused_and_never_guessed() {
    let conflict =
        logged(Outcome::Rejected(Rejection::Conflict(winner())), Some(state(Standing::Confirmed(interval()))));
    let refused = |change: fn(&mut DecisionRecord)| {
        let mut record = DecisionRecord::from(&conflict);
        change(&mut record);
        let datum = decision_codec().write(&record);
        decode_decision(decision_codec().schema(), &datum).expect_err("refused").to_string()
    };
    assert_eq!(refused(|record| record.outcome = OutcomeRecord::Unknown), "field outcome: is UNKNOWN to this version");
    assert_eq!(
        refused(|record| {
            record.reason = Some(ReasonRecord::Policy);
            record.rule = Some(RuleRecord::Unknown);
        }),
        "field rule: is UNKNOWN to this version"
    );
    assert_eq!(
        refused(|record| record.reason = Some(ReasonRecord::Echo)),
        "field reason: is no reason for a rejection"
    );
    assert_eq!(
        refused(|record| record.outcome = OutcomeRecord::Unchanged),
        "field reason: is no reason for leaving things be"
    );
    assert_eq!(refused(|record| record.winner = None), "field winner: is required by this operation");
    assert_eq!(
        refused(|record| for_each_shadow(record, |shadow| shadow.sight = SightRecord::Unknown)),
        "field booking.shadows.sight: is UNKNOWN to this version"
    );
    assert_eq!(
        refused(|record| for_each_shadow(record, |shadow| (shadow.away_start, shadow.away_end) = (None, None))),
        "field booking.shadows.away_start: is required by this operation"
    );
}

fn for_each_shadow(record: &mut DecisionRecord, change: fn(&mut ShadowRecord)) {
    record.booking.iter_mut().flat_map(|booking| &mut booking.shadows).for_each(change);
}

#[test]
fn the_bytes_of_a_decision_are_pinned() {
    // A change here breaks every replay of what the same core has decided: raise the core's version with it. The digest
    // is of the datum alone.
    use sha2::Digest;
    let datum = encode_decision(&logged(
        Outcome::Rejected(Rejection::Conflict(winner())),
        Some(state(Standing::Held { interval: interval(), until: at("2026-03-01T00:10:00Z") })),
    ));
    assert_eq!(hex::encode(sha2::Sha256::digest(&datum)), PINNED);
}

const PINNED: &str = "c4d0394f33ea5035840694c0f1e99c31bcc1f9860aa46542a95cf852ac62de18";
