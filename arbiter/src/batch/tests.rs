//! A batch is a pure function: dense seqs, a chain, repeats passed over, rows that carry the content along.

use daybook_domain::{
    Attendee, CancelKind, Claim, ContactId, ContentDigest, Identity, Interval, SourceVersion, Standing,
};
use std::time::Duration;

use super::*;
use crate::intake::Unreadable;

const SCHEMA: u32 = 7;

fn source() -> SourceName {
    "calendly".parse().expect("a name")
}

fn anna() -> ResourceId {
    "anna".parse().expect("a name")
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000 + minute * 60_000_000).expect("in range")
}

fn position() -> Position {
    Position { partition: 3, epoch: 5, next_offset: 100, next_seq: 41, now: at(0), chain: [9; 32] }
}

fn claim(name: &str, v: i64, minute: i64, title: &str) -> Claim {
    Claim {
        booking_id: BookingId::derive(&source(), name, &anna()),
        identity: Identity::new(&source(), name),
        version: SourceVersion { sequence: v, updated_at: Timestamp::EPOCH },
        interval: Interval::new(at(minute), at(minute + 30)).expect("an interval"),
        content: Some(daybook_domain::Content {
            title: Some(title.to_owned()),
            attendees: vec![Attendee {
                contact_id: ContactId::from_bytes([1; 16]),
                name: Some("Jane".to_owned()),
                email: None,
                phone: None,
            }],
            source_time_zone: None,
            digest: ContentDigest([u8::try_from(title.len()).expect("short"); 16]),
        }),
    }
}

fn cancel(name: &str, v: i64, kind: CancelKind) -> Operation {
    let claim = claim(name, v, 0, "");
    Operation::Cancel {
        booking_id: claim.booking_id,
        identity: claim.identity,
        version: claim.version,
        interval: None,
        kind,
    }
}

fn entry(offset: i64, minute: i64, event: &str, operation: Operation) -> Entry {
    let request = Request {
        request_id: RequestId::derive("test", event, 0),
        resource: anna(),
        source: source(),
        event_id: event.to_owned(),
        sourced_at: None,
        received_at: at(minute),
        operation,
    };
    Entry { offset, timestamp: at(minute), traceparent: None, content: Content::Request(Box::new(request)) }
}

fn rules() -> Rules {
    Rules { display_time_zone: "Europe/Berlin".to_owned(), replacement_wait: Duration::from_secs(900) }
}

fn defined() -> Slice {
    let state = State::load(anna(), Some(rules()), 1, []).expect("sound");
    Slice { states: [(anna(), state)].into(), stored_resources: [anna()].into(), ..Slice::default() }
}

/// The slice that the store would give after this batch.
fn stored(decided: &Decided) -> Slice {
    let rows: BTreeMap<_, _> =
        decided.bookings.iter().map(|touched| (touched.row.state.booking_id, touched.row.clone())).collect();
    let version = decided.resources.first().map_or(1, |resource| resource.version);
    let states = rows.values().map(|row| row.state.clone());
    let state = State::load(anna(), Some(rules()), version, states).expect("sound");
    Slice { states: [(anna(), state)].into(), stored_resources: [anna()].into(), rows, decided: BTreeSet::new() }
}

fn run(entries: &[Entry], slice: Slice) -> Decided {
    decide_batch(&position(), entries, slice, &BTreeMap::new(), SCHEMA)
}

#[test]
fn seqs_are_dense_and_each_decision_carries_the_hash_of_the_one_before() {
    let entries = [
        entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x"))),
        entry(102, 2, "b", Operation::Book(claim("b", 1, 70, "x"))),
    ];
    let decided = run(&entries, defined());
    let [first, second] = &decided.decisions[..] else { panic!("two decisions") };
    assert_eq!((first.logged.seq, second.logged.seq), (41, 42));
    assert_eq!(first.logged.previous_hash, [9; 32]);
    assert_eq!(second.logged.previous_hash, <[u8; 32]>::from(Sha256::digest(&first.bytes)));
    assert_eq!(decided.after.chain, <[u8; 32]>::from(Sha256::digest(&second.bytes)));
    assert_eq!((decided.after.next_offset, decided.after.next_seq, decided.after.now), (103, 43, at(2)));
}

#[test]
fn the_logs_time_never_falls() {
    let entries = [
        entry(100, 5, "a", Operation::Book(claim("a", 1, 60, "x"))),
        entry(101, 2, "b", Operation::Book(claim("b", 1, 160, "x"))),
    ];
    let decided = run(&entries, defined());
    assert_eq!(decided.decisions[1].logged.decision.decided_at, at(5));
}

#[test]
fn a_request_decided_before_moves_the_position_and_writes_nothing() {
    let again = entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x")));
    let mut slice = defined();
    slice.decided.insert(RequestId::derive("test", "a", 0));
    let decided = run(std::slice::from_ref(&again), slice);
    assert_eq!((decided.decisions.len(), decided.repeats, decided.after.next_offset), (0, 1, 101));
    assert_eq!(decided.after.chain, position().chain);

    let twice = [again, entry(101, 1, "a", Operation::Book(claim("a", 1, 60, "x")))];
    let decided = run(&twice, defined());
    assert_eq!((decided.decisions.len(), decided.repeats), (1, 1));
}

#[test]
fn a_row_is_written_once_with_its_last_state_and_keeps_its_content_through_a_cancellation() {
    let entries = [
        entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "title"))),
        entry(101, 2, "b", cancel("a", 2, CancelKind::Plain)),
    ];
    let decided = run(&entries, defined());
    let [touched] = &decided.bookings[..] else { panic!("one booking") };
    assert_eq!(touched.before, None);
    assert_eq!(touched.row.state.version, 2);
    assert_eq!(touched.row.state.standing, Standing::Cancelled { last: Some(claim("a", 1, 60, "").interval) });
    assert_eq!(touched.row.title.as_deref(), Some("title"));
    assert_eq!(touched.row.source_ids, ["a"]);
    assert_eq!((touched.row.seq, touched.row.event_id.as_str()), (42, "b"));
    assert_eq!(decided.names.len(), 1);
    assert_eq!(decided.resources[0].version, 3);
}

#[test]
fn a_reschedule_adds_the_new_name_and_shows_the_new_content() {
    let first = run(&[entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "old")))], defined());
    let previous = Identity::new(&source(), "a");
    let moved = entry(101, 2, "b", Operation::Reschedule { previous, claim: claim("b", 2, 120, "newer") });
    let decided = run(&[moved], stored(&first));
    let [touched] = &decided.bookings[..] else { panic!("one booking") };
    assert_eq!(touched.before.as_ref().map(|before| before.version), Some(1));
    assert_eq!(touched.row.source_ids, ["a", "b"]);
    assert_eq!(touched.row.title.as_deref(), Some("newer"));
    let names: Vec<_> = decided.names.iter().map(|name| name.name.as_str()).collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn a_refused_change_shows_nothing_of_what_was_refused() {
    let entries = [
        entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "mine"))),
        entry(101, 1, "b", Operation::Book(claim("b", 1, 120, "other"))),
        entry(
            102,
            2,
            "c",
            Operation::Reschedule {
                previous: Identity::new(&source(), "a"),
                claim: claim("a2", 2, 120, "refused title"),
            },
        ),
    ];
    let decided = run(&entries, defined());
    let mine = decided.bookings.iter().find(|touched| touched.row.source_ids == ["a", "a2"]).expect("stands");
    assert_eq!(mine.row.title.as_deref(), Some("mine"));
    assert_eq!(decided.decisions[2].logged.decision.outcome.as_str(), "rejected");
}

#[test]
fn an_expire_that_comes_too_early_writes_nothing_and_may_come_again() {
    let waiting = run(
        &[
            entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x"))),
            entry(101, 1, "b", cancel("a", 2, CancelKind::AwaitingReplacement)),
        ],
        defined(),
    );
    let expire = |offset, minute| {
        let booking_id = claim("a", 1, 60, "x").booking_id;
        entry(offset, minute, "e", Operation::Expire { booking_id, deadline: at(16) })
    };
    let decided = run(&[expire(102, 15), expire(103, 16)], stored(&waiting));
    let [only] = &decided.decisions[..] else { panic!("one decision") };
    assert_eq!((only.logged.offset, only.logged.decision.outcome), (103, Outcome::Cancelled));
}

#[test]
fn an_unreadable_record_is_decided_and_stops_nothing() {
    let unreadable = Entry {
        offset: 100,
        timestamp: at(1),
        traceparent: None,
        content: Content::Unreadable(None, Unreadable::Frame),
    };
    let decided = run(&[unreadable, entry(101, 1, "a", Operation::Book(claim("a", 1, 60, "x")))], defined());
    let outcomes: Vec<_> = decided.decisions.iter().map(|ready| ready.logged.decision.outcome).collect();
    assert_eq!(outcomes, [Outcome::Rejected(Rejection::Undecodable), Outcome::Confirmed]);
    assert_eq!(decided.decisions[0].logged.decision.resource.as_str(), "unknown");
}

#[test]
fn a_verdict_of_the_shell_replaces_the_cores_and_changes_no_state() {
    let entries = [entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x")))];
    let verdicts = BTreeMap::from([(100, Rejection::ConflictByStore)]);
    let decided = decide_batch(&position(), &entries, defined(), &verdicts, SCHEMA);
    assert_eq!(decided.decisions[0].logged.decision.outcome, Outcome::Rejected(Rejection::ConflictByStore));
    assert!(decided.bookings.is_empty() && decided.resources.is_empty());
    assert_eq!(decided.decisions[0].booking_id, Some(claim("a", 1, 60, "x").booking_id));
}

#[test]
fn a_resource_defined_and_booked_in_one_batch_is_written_as_new() {
    let entries =
        [entry(100, 1, "d", Operation::Define(rules())), entry(101, 1, "a", Operation::Book(claim("a", 1, 60, "x")))];
    let decided = run(&entries, Slice::default());
    let [resource] = &decided.resources[..] else { panic!("one resource") };
    assert_eq!((resource.version, resource.stored), (2, false));
    assert_eq!(decided.zones.get(&anna()).map(String::as_str), Some("Europe/Berlin"));
}

#[test]
fn the_same_batch_twice_gives_the_same_bytes() {
    let entries = [
        entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x"))),
        entry(101, 2, "b", cancel("a", 2, CancelKind::AwaitingReplacement)),
    ];
    assert_eq!(run(&entries, defined()).decisions, run(&entries, defined()).decisions);
}
