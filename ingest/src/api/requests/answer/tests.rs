//! Every outcome as its answer.

use daybook_domain::{Basis, BookingId, RequestId, SourceVersion, Timestamp};

use super::*;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + minute * 60_000_000).expect("in range")
}

fn interval() -> Interval {
    Interval::new(at(0), at(30)).expect("an interval")
}

fn booking(source: &SourceName, standing: Standing) -> BookingState {
    BookingState {
        booking_id: BookingId::derive(source, "x", &"room-7".parse().expect("a name")),
        kind: BookingKind::Booking,
        standing,
        unit: 0,
        version: 2,
        source: source.clone(),
        keys: Vec::new(),
        source_version: SourceVersion { sequence: 1, updated_at: Timestamp::EPOCH },
        content: None,
        contacts: Vec::new(),
        tags: Vec::new(),
        shadows: Vec::new(),
        moved_from: None,
        moved_to: None,
    }
}

fn calendly() -> SourceName {
    "calendly".parse().expect("a name")
}

fn decision(operation: OperationKind, outcome: Outcome, booking: Option<BookingState>) -> Decision {
    Decision {
        request_id: RequestId::derive("test", "x", 0),
        request_digest: None,
        resource: "room-7".parse().expect("a name"),
        operation,
        source: SourceName::api(),
        basis: Basis::Asked,
        outcome,
        resource_version: 12,
        booking,
        absorbed: Vec::new(),
        wanted: None,
        next_free: vec![Interval::new(at(60), at(90)).expect("an interval")],
        rules: None,
        sourced_at: None,
        received_at: at(-1),
        decided_at: at(-1),
    }
}

fn told(decision: &Decision, may_read: bool) -> (u16, Value) {
    let answer = answer("id".to_owned(), decision, may_read);
    match &answer.problem {
        Some(problem) => (problem.kind().status().as_u16(), json!(problem.document())),
        None => (answer.status.as_u16(), json!(answer.view)),
    }
}

#[test]
fn what_was_made_is_201_and_what_was_changed_is_200() {
    let api = SourceName::api();
    let made = |operation, outcome| {
        told(&decision(operation, outcome, Some(booking(&api, Standing::Confirmed(interval())))), false)
    };
    let (status, view) = made(OperationKind::Book, Outcome::Confirmed);
    assert_eq!(status, 201);
    assert_eq!(view["decision"]["booking"]["version"], 2);
    assert_eq!(view["decision"]["booking"]["start"], "2027-01-15T08:00:00Z");
    for (operation, outcome) in [
        (OperationKind::Confirm, Outcome::Confirmed),
        (OperationKind::Reschedule, Outcome::Rescheduled),
        (OperationKind::Update, Outcome::Updated),
        (OperationKind::Cancel, Outcome::Cancelled),
        (OperationKind::Release, Outcome::Unchanged(Unchanged::Duplicate)),
        (OperationKind::Book, Outcome::Unchanged(Unchanged::Shadow)),
    ] {
        assert_eq!(made(operation, outcome).0, 200, "{operation:?}");
    }
}

#[test]
fn a_hold_says_until_when() {
    let held = booking(&SourceName::api(), Standing::Held { interval: interval(), until: at(5) });
    let (status, view) = told(&decision(OperationKind::Hold, Outcome::Held, Some(held)), false);
    let booking = &view["decision"]["booking"];
    assert_eq!((status, &booking["status"], &booking["held_until"]), (201, &json!("held"), &json!(at(5).to_string())));
}

#[test]
fn who_has_the_time_is_told_to_those_who_may_read_it() {
    let winner = Winner {
        booking_id: booking(&calendly(), Standing::Confirmed(interval())).booking_id,
        interval: interval(),
        source: calendly(),
    };
    let refused = decision(OperationKind::Book, Outcome::Rejected(Rejection::Conflict(winner.clone())), None);
    let (status, problem) = told(&refused, false);
    assert_eq!((status, &problem["type"]), (409, &json!("/v1/problems/conflict")));
    assert_eq!(problem["conflict"], json!({"start": "2027-01-15T08:00:00Z", "end": "2027-01-15T08:30:00Z"}));
    assert_eq!(problem["next_free"][0]["start"], "2027-01-15T09:00:00Z");
    assert_eq!(problem["request"], "id");
    let (_, problem) = told(&refused, true);
    assert_eq!(problem["conflict"]["booking_id"], winner.booking_id.to_string());
    assert_eq!(problem["conflict"]["source"], "calendly");
}

#[test]
fn another_sources_booking_is_shown_to_those_only_who_may_read_it() {
    let shadow = booking(&calendly(), Standing::Confirmed(interval()));
    let linked = decision(OperationKind::Book, Outcome::Unchanged(Unchanged::Shadow), Some(shadow));
    assert_eq!(told(&linked, false).1["decision"]["booking"], Value::Null);
    assert!(told(&linked, true).1["decision"]["booking"].is_object());
}

#[test]
fn each_refusal_has_its_status_and_its_type() {
    let api = SourceName::api();
    let mine = || Some(booking(&api, Standing::Cancelled { last: Some(interval()) }));
    let theirs = || Some(booking(&calendly(), Standing::Confirmed(interval())));
    let kind = |rejection, booking| {
        let (status, problem) = told(&decision(OperationKind::Cancel, Outcome::Rejected(rejection), booking), false);
        let word = problem["type"].as_str().unwrap_or_default().trim_start_matches("/v1/problems/").to_owned();
        assert_eq!(problem["status"], status);
        (status, word, problem)
    };
    let expected = [
        (Rejection::StaleVersion, mine(), 412, "stale-version"),
        (Rejection::UnknownBooking, None, 404, "not-found"),
        (Rejection::Past, None, 409, "past"),
        (Rejection::Policy(Rule::Defined), None, 404, "not-found"),
        (Rejection::Policy(Rule::Retired), None, 404, "not-found"),
        (Rejection::Policy(Rule::Hours), None, 409, "policy"),
        (Rejection::InvalidTransition, mine(), 409, "invalid-transition"),
        (Rejection::InvalidTransition, theirs(), 409, "invalid-transition"),
        (Rejection::ConflictByStore, None, 409, "conflict"),
        (Rejection::Internal, None, 500, "internal"),
    ];
    for (rejection, booking, status, word) in expected {
        let (found, found_word, _) = kind(rejection.clone(), booking);
        assert_eq!((found, found_word.as_str()), (status, word), "{rejection:?}");
    }
    assert_eq!(kind(Rejection::StaleVersion, mine()).2["booking_version"], 2);
    assert_eq!(kind(Rejection::StaleVersion, mine()).2["resource_version"], 12);
    assert!(kind(Rejection::InvalidTransition, mine()).2["booking"].is_object());
    assert!(kind(Rejection::InvalidTransition, theirs()).2["booking"].is_null());
}

#[test]
fn asked_later_a_refusal_shows_the_problem_that_it_was_answered_with() {
    let refused = decision(OperationKind::Book, Outcome::Rejected(Rejection::Past), None);
    let answer = answer("id".to_owned(), &refused, false);
    let problem = json!(answer.problem.as_ref().map(Problem::document));
    assert_eq!(json!(answer.view)["decision"]["problem"], problem);
    assert_eq!(json!(waiting("id".to_owned())), json!({"id": "id", "status": "waiting", "decision": null}));
}
