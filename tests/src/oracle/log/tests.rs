//! Each law, with a log that keeps it and a forged one that breaks it.

use daybook_domain::{Basis, OperationKind, Rejection, Shadow, Sight, SourceKey, SourceVersion, Timestamp};
use daybook_wire::encode_decision;

use super::*;

fn at(minutes: u64) -> Timestamp {
    Timestamp::EPOCH.plus(std::time::Duration::from_secs(minutes * 60))
}

fn interval(from: u64, to: u64) -> Interval {
    Interval::new(at(from), at(to)).expect("an interval")
}

fn booking_id(name: u128) -> BookingId {
    BookingId::from_uuid(uuid::Uuid::from_u128(name))
}

fn booking(name: u128, version: u64, standing: Standing) -> BookingState {
    BookingState {
        booking_id: booking_id(name),
        kind: BookingKind::Booking,
        standing,
        unit: 0,
        version,
        source: "generic".parse().expect("a name"),
        keys: vec![SourceKey::from_uuid(uuid::Uuid::from_u128(name))],
        source_version: SourceVersion { sequence: 1, updated_at: Timestamp::EPOCH },
        content: None,
        contacts: Vec::new(),
        tags: Vec::new(),
        shadows: Vec::new(),
        moved_from: None,
        moved_to: None,
    }
}

/// Time that is taken elsewhere.
fn busy(name: u128, from: u64, to: u64) -> BookingState {
    BookingState { kind: BookingKind::Busy, ..booking(name, 1, Standing::Confirmed(interval(from, to))) }
}

fn winner(name: u128, from: u64, to: u64) -> Winner {
    Winner { booking_id: booking_id(name), interval: interval(from, to), source: "generic".parse().expect("a name") }
}

fn decision(request: u128, outcome: Outcome, booking: Option<BookingState>) -> Decision {
    Decision {
        request_id: RequestId::from_uuid(uuid::Uuid::from_u128(request)),
        request_digest: None,
        resource: "anna".parse().expect("a name"),
        operation: OperationKind::Book,
        source: "generic".parse().expect("a name"),
        basis: Basis::Promised,
        outcome,
        resource_version: 1,
        booking,
        absorbed: Vec::new(),
        wanted: None,
        next_free: Vec::new(),
        rules: None,
        sourced_at: None,
        received_at: Timestamp::EPOCH,
        decided_at: at(1),
    }
}

/// A log of these decisions, chained as it must be.
fn logged(decisions: Vec<Decision>) -> Vec<(Vec<u8>, LoggedDecision)> {
    let mut previous_hash = [0; 32];
    let mut log = Vec::new();
    for (at, decision) in decisions.into_iter().enumerate() {
        let seq = i64::try_from(at).expect("few") + 1;
        let entry =
            LoggedDecision { partition: 3, seq, offset: seq, previous_hash, core_version: "1".to_owned(), decision };
        let value = encode_decision(&entry);
        previous_hash = Sha256::digest(&value).into();
        log.push((value, entry));
    }
    log
}

fn read(records: &[(Vec<u8>, LoggedDecision)]) -> (Log, Vec<String>) {
    let mut log = Log::default();
    let appended = records.iter().map(|(value, entry)| log.append(3, b"anna", value, entry.clone()));
    let refused: Vec<String> = appended.filter_map(Result::err).collect();
    let broken = log.broken_laws();
    (log, refused.into_iter().chain(broken).collect())
}

fn confirmed(request: u128, name: u128, from: u64, to: u64) -> Decision {
    let booking = booking(name, 1, Standing::Confirmed(interval(from, to)));
    decision(request, Outcome::Confirmed, Some(booking))
}

fn sound() -> Vec<Decision> {
    let cancelled = booking(1, 2, Standing::Cancelled { last: Some(interval(10, 20)) });
    vec![
        confirmed(1, 1, 10, 20),
        decision(2, Outcome::Rejected(Rejection::Conflict(winner(1, 10, 20))), None),
        confirmed(3, 2, 20, 30),
        decision(4, Outcome::Cancelled, Some(cancelled)),
        confirmed(5, 3, 10, 20),
    ]
}

#[test]
fn a_sound_log_breaks_no_law_and_its_repeats_are_dropped() {
    let records = logged(sound());
    let repeated = [&records[..3], &records[1..]].concat();
    let (log, broken) = read(&repeated);
    assert_eq!(broken, Vec::<String>::new());
    assert_eq!(log.partition(3).len(), 5);
    assert_eq!(log.fold().len(), 3);
    assert_eq!(log.decisions_of(RequestId::from_uuid(uuid::Uuid::from_u128(5))), 1);
}

#[test]
fn a_gap_a_changed_repeat_and_a_strange_key_are_seen() {
    let records = logged(sound());
    let (_, broken) = read(&[records[0].clone(), records[2].clone()]);
    assert!(broken[0].contains("a gap"), "{broken:?}");

    let mut changed = records[0].clone();
    changed.0.push(0);
    let (_, broken) = read(&[records[0].clone(), changed]);
    assert!(broken[0].contains("other bytes"), "{broken:?}");

    let (value, entry) = records[0].clone();
    assert!(Log::default().append(4, b"anna", &value, entry.clone()).is_err());
    assert!(Log::default().append(3, b"bea", &value, entry).is_err());
}

#[test]
fn a_broken_chain_is_seen() {
    let mut records = logged(sound());
    records[1].1.previous_hash = [9; 32];
    let (_, broken) = read(&records);
    assert_eq!(broken, ["partition 3, seq 2: the hash chain is broken"]);
}

#[test]
fn a_request_that_is_decided_twice_is_seen() {
    let mut decisions = sound();
    decisions[4].request_id = decisions[0].request_id;
    let (_, broken) = read(&logged(decisions));
    assert!(broken[0].ends_with("is decided 2 times"), "{broken:?}");
}

#[test]
fn an_overlap_at_any_prefix_is_seen_even_if_it_is_healed_later() {
    let mut decisions = sound();
    decisions.swap(3, 4);
    let (_, broken) = read(&logged(decisions));
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert!(broken[0].contains("overlaps"), "{broken:?}");
}

#[test]
fn a_winner_that_does_not_stand_there_and_a_falling_version_are_seen() {
    let mut decisions = sound();
    decisions[1].outcome = Outcome::Rejected(Rejection::Conflict(winner(1, 11, 20)));
    decisions.push(decision(6, Outcome::Confirmed, Some(booking(1, 1, Standing::Confirmed(interval(40, 50))))));
    let (_, broken) = read(&logged(decisions));
    assert_eq!(broken.len(), 2, "{broken:?}");
    assert!(broken[0].contains("as the winner"), "{broken:?}");
    assert!(broken[1].contains("falls"), "{broken:?}");
}

#[test]
fn bookings_on_two_units_may_have_the_same_time_and_on_one_they_may_not() {
    let mut other = confirmed(2, 2, 15, 25);
    let (_, broken) = read(&logged(vec![confirmed(1, 1, 10, 20), other.clone()]));
    assert!(broken[0].contains("overlaps"), "{broken:?}");
    other.booking.as_mut().expect("a booking").unit = 1;
    let (_, broken) = read(&logged(vec![confirmed(1, 1, 10, 20), other]));
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn busy_time_may_come_over_a_booking_and_a_booking_may_not_be_laid_over_it() {
    let flagged = |request| decision(request, Outcome::Flagged(winner(1, 10, 20)), Some(busy(9, 15, 25)));
    let (_, broken) = read(&logged(vec![confirmed(1, 1, 10, 20), flagged(2)]));
    assert_eq!(broken, Vec::<String>::new());
    let observed = decision(1, Outcome::Observed, Some(busy(9, 15, 25)));
    let (_, broken) = read(&logged(vec![observed, confirmed(2, 1, 10, 20)]));
    assert!(broken[0].contains("has elsewhere"), "{broken:?}");
}

#[test]
fn a_shadow_that_is_away_blocks_that_time_for_everybody_but_its_booking() {
    let mut shadowed = confirmed(1, 1, 10, 20);
    let key = SourceKey::from_uuid(uuid::Uuid::from_u128(77));
    let version = SourceVersion { sequence: 1, updated_at: Timestamp::EPOCH };
    let away = Shadow { source: "caldav".parse().expect("a name"), key, version, sight: Sight::Away(interval(40, 50)) };
    shadowed.booking.as_mut().expect("a booking").shadows.push(away);
    let refused = decision(2, Outcome::Rejected(Rejection::Conflict(winner(1, 40, 50))), None);
    let (_, broken) = read(&logged(vec![shadowed.clone(), refused]));
    assert_eq!(broken, Vec::<String>::new());
    let (_, broken) = read(&logged(vec![shadowed.clone(), confirmed(2, 2, 45, 55)]));
    assert!(broken[0].contains("has elsewhere"), "{broken:?}");
    let follows = decision(3, Outcome::Rescheduled, Some(booking(1, 2, Standing::Confirmed(interval(40, 50)))));
    let (_, broken) = read(&logged(vec![shadowed, follows]));
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn busy_time_that_a_booking_takes_in_gives_way_to_it_and_nothing_else_can_be_taken_in() {
    let observed = decision(1, Outcome::Observed, Some(busy(9, 10, 20)));
    let mut absorbing = confirmed(2, 1, 10, 20);
    absorbing.absorbed = vec![booking_id(9)];
    let (log, broken) = read(&logged(vec![observed, absorbing.clone()]));
    assert_eq!(broken, Vec::<String>::new());
    let (_, taken_in) = &log.fold()[&booking_id(9)];
    assert_eq!((taken_in.standing.live(), taken_in.version, taken_in.keys.len()), (None, 2, 0));
    let (_, broken) = read(&logged(vec![confirmed(1, 9, 30, 40), absorbing]));
    assert!(broken[0].contains("no busy time"), "{broken:?}");
}

#[test]
fn the_end_of_a_wait_is_known_by_its_deadline() {
    let held = booking(1, 1, Standing::Held { interval: interval(10, 20), until: at(5) });
    let (log, broken) = read(&logged(vec![decision(1, Outcome::Held, Some(held)), confirmed(2, 2, 30, 40)]));
    assert_eq!(broken, Vec::<String>::new());
    assert_eq!(log.deadlines().collect::<Vec<_>>(), [RequestId::of_expiry(booking_id(1), at(5))]);
}
