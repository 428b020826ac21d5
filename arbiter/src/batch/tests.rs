//! A batch is a pure function: dense seqs, a chain, repeats passed over, rows that carry the content along, and what each
//! decision means for names, compensations and the forgotten.

use std::time::Duration;

use daybook_domain::{
    Attendee, Basis, CancelKind, Claim, ContactId, ContentDigest, Expected, Identity, Interval, SourceName,
    SourceVersion, Standing, Subject, Timestamp, Winner,
};
use sha2::{Digest, Sha256};

use super::*;
use crate::cache::{Budget, Cache};
use crate::intake::Unreadable;
use crate::ports::Loaded;
use crate::ports::Window;

const SCHEMA: u32 = 7;

fn source() -> SourceName {
    "calendly".parse().expect("a name")
}

fn calendar() -> SourceName {
    "google".parse().expect("a name")
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

fn claim_of(source: &SourceName, name: &str, v: i64, minute: i64, title: &str) -> Claim {
    Claim {
        booking_id: BookingId::derive(source, name, &anna()),
        identity: Identity::new(source, name),
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
            source_time_zone: Some("Europe/Berlin".to_owned()),
            digest: ContentDigest([u8::try_from(title.len()).expect("short"); 16]),
        }),
        contacts: Vec::new(),
        tags: Vec::new(),
        mark: None,
        moved_from: None,
    }
}

fn claim(name: &str, v: i64, minute: i64, title: &str) -> Claim {
    claim_of(&source(), name, v, minute, title)
}

fn seen(name: &str, minute: i64, tags: Vec<Tag>) -> Claim {
    Claim { content: None, tags, ..claim_of(&calendar(), name, 1, minute, "") }
}

fn cancel(name: &str, v: i64, kind: CancelKind) -> Operation {
    let Claim { booking_id, identity, version, .. } = claim(name, v, 0, "");
    Operation::Cancel { subject: Subject { booking_id, identity, version }, interval: None, kind }
}

fn request(event: &str, minute: i64, operation: Operation) -> Request {
    let observed = matches!(operation, Operation::Observe(_));
    Request {
        request_id: RequestId::derive("test", event, 0),
        resource: anna(),
        source: if observed { calendar() } else { source() },
        event_id: event.to_owned(),
        basis: Basis::Promised,
        expected: Expected::default(),
        digest: None,
        sourced_at: None,
        received_at: at(minute),
        operation,
    }
}

fn entry(offset: i64, minute: i64, event: &str, operation: Operation) -> Entry {
    let content = Content::Request(Box::new(request(event, minute, operation)));
    Entry { offset, timestamp: at(minute), traceparent: None, content }
}

fn rules() -> Rules {
    Rules { replacement_wait: Duration::from_secs(900), ..Rules::new("Europe/Berlin".to_owned()) }
}

/// The store, as far as one batch after the other needs it.
#[derive(Default)]
struct Shelf {
    resource: Option<(u64, Rules)>,
    rows: BTreeMap<BookingId, BookingRow>,
    decided: BTreeSet<RequestId>,
}

impl Shelf {
    fn defined() -> Self {
        Self { resource: Some((1, rules())), ..Self::default() }
    }

    fn run_with(&self, entries: &[Entry], verdicts: &BTreeMap<i64, Rejection>) -> Decided {
        let requests = entries.iter().filter_map(|entry| match &entry.content {
            Content::Request(request) => Some(&**request),
            Content::Unreadable(..) => None,
        });
        let mut cache = Cache::new(Budget::new(1_000));
        let wanted = cache.open(&requests.collect::<Vec<_>>(), at(0));
        let loaded = Loaded {
            decided: self.decided.clone(),
            resources: self.resource.clone().map(|(version, rules)| (anna(), version, rules)).into_iter().collect(),
            rows: Vec::new(),
        };
        let (_, decided) = cache.take_in(&wanted, loaded);
        let always = Window { resource: anna(), time: Interval::new(Timestamp::EPOCH, Timestamp::MAX).expect("all") };
        let live = self.rows.values().map(|row| (anna(), row.state.clone())).collect();
        cache.cover(&[always], live).expect("sound");
        let ruled = rule(entries, cache.states(), decided, verdicts);
        ruled.finish(entries, self.rows.clone(), &wanted.bookings, cache.resources()).expect("sound")
    }

    fn run(&self, entries: &[Entry]) -> Decided {
        self.run_with(entries, &BTreeMap::new())
    }

    /// With what a batch has written.
    fn after(mut self, decided: &Decided) -> Self {
        for touched in &decided.bookings {
            self.rows.insert(touched.row.state.booking_id, touched.row.clone());
        }
        if let Some(resource) = decided.resources.first() {
            self.resource = Some((resource.version, resource.rules.clone()));
        }
        self
    }
}

fn rule(
    entries: &[Entry],
    states: &mut BTreeMap<ResourceId, State>,
    decided: BTreeSet<RequestId>,
    verdicts: &BTreeMap<i64, Rejection>,
) -> Ruled {
    let mut ruling = Ruling::new(&position(), entries, decided, verdicts, SCHEMA);
    assert!(matches!(ruling.go_on(states, usize::MAX), Pause::Done), "nothing is missing");
    ruling.finish()
}

fn run(entries: &[Entry]) -> Decided {
    Shelf::defined().run(entries)
}

fn outcomes(decided: &Decided) -> Vec<&'static str> {
    decided.decisions.iter().map(|ready| ready.logged.decision.outcome.as_str()).collect()
}

#[test]
fn seqs_are_dense_and_each_decision_carries_the_hash_of_the_one_before() {
    let entries = [
        entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x"))),
        entry(102, 2, "b", Operation::Book(claim("b", 1, 70, "x"))),
    ];
    let decided = run(&entries);
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
    assert_eq!(run(&entries).decisions[1].logged.decision.decided_at, at(5));
}

#[test]
fn a_request_decided_before_moves_the_position_and_writes_nothing() {
    let again = entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x")));
    let mut shelf = Shelf::defined();
    shelf.decided.insert(RequestId::derive("test", "a", 0));
    let decided = shelf.run(std::slice::from_ref(&again));
    assert_eq!((decided.decisions.len(), decided.repeats, decided.after.next_offset), (0, 1, 101));
    assert_eq!(decided.after.chain, position().chain);

    let twice = [again, entry(101, 1, "a", Operation::Book(claim("a", 1, 60, "x")))];
    let decided = run(&twice);
    assert_eq!((decided.decisions.len(), decided.repeats), (1, 1));
}

#[test]
fn a_row_is_written_once_with_its_last_state_and_keeps_its_content_through_a_cancellation() {
    let entries = [
        entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "title"))),
        entry(101, 2, "b", cancel("a", 2, CancelKind::Plain)),
    ];
    let decided = run(&entries);
    let [touched] = &decided.bookings[..] else { panic!("one booking") };
    assert_eq!(touched.before, None);
    assert_eq!(touched.row.state.version, 2);
    assert_eq!(touched.row.state.standing, Standing::Cancelled { last: Some(claim("a", 1, 60, "").interval) });
    assert_eq!(touched.row.title.as_deref(), Some("title"));
    assert_eq!(touched.row.source_ids, ["a"]);
    assert_eq!((touched.row.seq, touched.row.event_id.as_str()), (42, "b"));
    assert!(decided.names.is_empty(), "the first name is in the booking's own row");
    assert_eq!(decided.resources[0].version, 3);
}

#[test]
fn a_reschedule_adds_the_new_name_and_shows_the_new_content() {
    let first = run(&[entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "old")))]);
    let previous = Identity::new(&source(), "a");
    let moved = entry(101, 2, "b", Operation::Reschedule { previous, claim: claim("b", 2, 120, "newer") });
    let decided = Shelf::defined().after(&first).run(&[moved]);
    let [touched] = &decided.bookings[..] else { panic!("one booking") };
    assert_eq!(touched.before.as_ref().map(|before| before.version), Some(1));
    assert_eq!(touched.row.source_ids, ["a", "b"]);
    assert_eq!(touched.row.title.as_deref(), Some("newer"));
    let names: Vec<_> = decided.names.iter().map(|name| name.name.as_str()).collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn a_refused_change_shows_nothing_of_what_was_refused() {
    let previous = Identity::new(&source(), "a");
    let entries = [
        entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "mine"))),
        entry(101, 1, "b", Operation::Book(claim("b", 1, 120, "other"))),
        entry(102, 2, "c", Operation::Reschedule { previous, claim: claim("a2", 2, 120, "refused title") }),
    ];
    let decided = run(&entries);
    let mine = decided.bookings.iter().find(|touched| touched.row.source_ids == ["a", "a2"]).expect("stands");
    assert_eq!(mine.row.title.as_deref(), Some("mine"));
    assert_eq!(decided.decisions[2].logged.decision.outcome.as_str(), "rejected");
}

#[test]
fn an_expire_that_comes_too_early_writes_nothing_and_may_come_again() {
    let waiting = run(&[
        entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x"))),
        entry(101, 1, "b", cancel("a", 2, CancelKind::AwaitingReplacement)),
    ]);
    let expire = |offset, minute| {
        let request = arbiter_core::expire(anna(), claim("a", 1, 60, "x").booking_id, at(16), at(minute));
        let content = Content::Request(Box::new(request));
        Entry { offset, timestamp: at(minute), traceparent: None, content }
    };
    let decided = Shelf::defined().after(&waiting).run(&[expire(102, 15), expire(103, 16)]);
    let [only] = &decided.decisions[..] else { panic!("one decision") };
    assert_eq!((only.logged.offset, &only.logged.decision.outcome), (103, &Outcome::Cancelled));
}

#[test]
fn a_hold_that_has_lapsed_is_ended_by_a_decision_of_its_own_before_its_rival_is_decided() {
    let ttl = Duration::from_secs(60);
    let held = run(&[entry(100, 1, "h", Operation::Hold { claim: claim("h", 1, 60, "x"), ttl })]);
    assert_eq!(outcomes(&held), ["held"]);
    let shelf = Shelf::defined().after(&held);
    let decided = shelf.run(&[entry(101, 5, "b", Operation::Book(claim("b", 1, 60, "y")))]);
    assert_eq!(outcomes(&decided), ["expired", "confirmed"]);
    let seqs: Vec<_> = decided.decisions.iter().map(|ready| (ready.logged.seq, ready.logged.offset)).collect();
    assert_eq!(seqs, [(41, 101), (42, 101)]);
    let lapsed = decided.bookings.iter().find(|touched| touched.row.source_ids == ["h"]).expect("touched");
    assert_eq!(lapsed.row.event_id, decided.decisions[0].logged.decision.request_id.to_string());
    assert_eq!((lapsed.row.seq, lapsed.row.title.as_deref()), (41, Some("x")));
}

#[test]
fn busy_time_that_is_taken_in_gives_its_names_and_their_texts_away() {
    let tag = Tag::derive("ical", "uid");
    let observed = run(&[entry(100, 1, "o", Operation::Observe(seen("entry-1", 60, vec![tag])))]);
    assert_eq!(outcomes(&observed), ["observed"]);
    assert_eq!(observed.tags.len(), 1);
    let shelf = Shelf::defined().after(&observed);
    let booked = Claim { tags: vec![tag], ..claim("a", 1, 60, "x") };
    let decided = shelf.run(&[entry(101, 2, "a", Operation::Book(booked))]);
    assert_eq!(outcomes(&decided), ["confirmed"]);
    let [one, other] = &decided.bookings[..] else { panic!("both are touched") };
    let (busy, booking) = if one.row.state.keys.is_empty() { (one, other) } else { (other, one) };
    assert_eq!((busy.row.source_ids.len(), busy.row.state.version), (0, 2));
    assert_eq!(booking.row.shadow_ids, ["entry-1"]);
    assert_eq!(busy.row.seq, booking.row.seq);
    let [name] = &decided.names[..] else { panic!("the first name of the busy time is a further name now") };
    assert_eq!((name.name.as_str(), name.booking_id), ("entry-1", booking.row.state.booking_id));
    assert_eq!(name.key, SourceKey::derive(&calendar(), "entry-1"));
    assert_eq!(decided.tags.len(), 1);
}

#[test]
fn a_booking_that_a_shadow_is_linked_to_is_touched_although_nothing_named_it() {
    let booked = run(&[entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x")))]);
    let shelf = Shelf::defined().after(&booked);
    let shown = Claim { contacts: vec![ContactId::from_bytes([1; 16])], ..seen("entry-1", 60, Vec::new()) };
    let entries = [entry(101, 2, "o", Operation::Observe(shown))];
    let decided = shelf.run(&entries);
    assert_eq!(decided.decisions[0].logged.decision.outcome.reason(), Some("shadow"));
    let [touched] = &decided.bookings[..] else { panic!("one booking") };
    assert_eq!((touched.row.title.as_deref(), &touched.row.shadow_ids[..]), (Some("x"), &["entry-1".to_owned()][..]));
    assert_eq!(touched.row.state.version, 1, "nothing that people see");
}

#[test]
fn a_touched_booking_that_the_store_does_not_have_is_corrupt_and_not_new() {
    let booked = run(&[entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x")))]);
    let entries = [entry(101, 2, "b", cancel("a", 2, CancelKind::Plain))];
    let states = booked.bookings.iter().map(|touched| touched.row.state.clone());
    let state = State::load(anna(), Some(rules()), 2, states).expect("sound");
    let mut states = BTreeMap::from([(anna(), state)]);
    let ruled = rule(&entries, &mut states, BTreeSet::new(), &BTreeMap::new());
    assert_eq!(ruled.touched().len(), 1);
    let finished = ruled.finish(&entries, BTreeMap::new(), &BTreeSet::new(), std::iter::empty());
    assert!(matches!(finished, Err(StoreError::Corrupt(_))));
}

#[test]
fn a_refusal_of_what_was_promised_opens_a_compensation_and_the_sources_next_word_closes_it() {
    let entries = [
        entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x"))),
        entry(101, 2, "b", Operation::Book(claim("b", 1, 70, "y"))),
    ];
    let decided = run(&entries);
    let key = SourceKey::derive(&source(), "b");
    let opened = decided.compensations.iter().find(|it| it.key == key).expect("opened");
    let opening = opened.opened.as_ref().expect("opened");
    let winner = Winner {
        booking_id: claim("a", 1, 60, "").booking_id,
        interval: claim("a", 1, 60, "").interval,
        source: source(),
    };
    assert_eq!((opening.reason, opening.name.as_str(), opening.refusals), ("conflict", "b", 1));
    assert_eq!((&opening.winner, opening.at, opened.closed_at), (&Some(winner), at(2), None));
    let other = decided.compensations.iter().find(|it| it.key != key).expect("said about the granted one");
    assert_eq!((&other.opened, other.closed_at), (&None, Some(at(1))));

    let decided = Shelf::defined().after(&decided).run(&[entry(102, 3, "c", cancel("b", 2, CancelKind::Plain))]);
    let [closed] = &decided.compensations[..] else { panic!("one") };
    assert_eq!((closed.key, &closed.opened, closed.closed_at), (key, &None, Some(at(3))));
}

#[test]
fn what_was_there_before_anybody_looked_and_lies_over_somebody_leaves_a_compensation_open() {
    let first = run(&[
        entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x"))),
        entry(101, 2, "b", Operation::Book(claim("b", 1, 70, "y"))),
    ]);
    let mut found = entry(102, 3, "found", Operation::Book(claim("b", 2, 70, "y")));
    if let Content::Request(request) = &mut found.content {
        request.basis = Basis::Imported;
    }
    let shelf = Shelf::defined().after(&first);
    let decided = shelf.run(&[found, entry(103, 4, "again", Operation::Book(claim("b", 3, 70, "y")))]);
    assert_eq!(outcomes(&decided), ["flagged", "unchanged"]);
    assert_eq!(decided.compensations, []);
}

#[test]
fn a_word_that_says_nothing_of_the_time_leaves_a_compensation_open() {
    let moved = Operation::Reschedule { previous: claim("a", 1, 60, "").identity, claim: claim("b", 2, 90, "x") };
    let first = run(&[
        entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x"))),
        entry(101, 1, "c", Operation::Book(claim("c", 1, 90, "z"))),
        entry(102, 2, "m", moved),
    ]);
    assert_eq!(outcomes(&first), ["confirmed", "confirmed", "rejected"]);
    let Claim { booking_id, identity, content, .. } = claim("b", 3, 60, "other");
    let subject = Subject { booking_id, identity, version: claim("b", 3, 60, "").version };
    let shelf = Shelf::defined().after(&first);
    let words = [
        entry(103, 3, "u", Operation::Update { subject, content: content.expect("content") }),
        entry(104, 4, "h", cancel("b", 4, CancelKind::AwaitingReplacement)),
    ];
    let decided = shelf.run(&words);
    assert_eq!(outcomes(&decided), ["updated", "awaiting_replacement"]);
    assert_eq!(decided.compensations, []);
}

#[test]
fn a_compensation_that_is_opened_closed_and_opened_again_in_one_batch_begins_anew() {
    let refused =
        |offset, minute, event: &str, v| entry(offset, minute, event, Operation::Book(claim("b", v, 70, "y")));
    let entries = [
        entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x"))),
        refused(101, 2, "b1", 1),
        refused(102, 3, "b2", 2),
        entry(103, 4, "c", cancel("b", 3, CancelKind::Plain)),
        refused(104, 5, "b3", 4),
    ];
    let decided = run(&entries);
    let key = SourceKey::derive(&source(), "b");
    let it = decided.compensations.iter().find(|it| it.key == key).expect("opened");
    let opening = it.opened.as_ref().expect("opened");
    assert_eq!((opening.refusals, opening.at, opening.anew, it.closed_at), (1, at(5), true, None));

    let decided = run(&entries[..3]);
    let it = decided.compensations.iter().find(|it| it.key == key).expect("opened");
    let opening = it.opened.as_ref().expect("opened");
    assert_eq!((opening.refusals, opening.at, opening.anew), (2, at(2), false));
    assert_eq!(opening.request_id, RequestId::derive("test", "b2", 0));
}

#[test]
fn a_redaction_leaves_no_text_of_the_booking() {
    let tag = Tag::derive("ical", "uid");
    let booked = Claim { tags: vec![tag], ..claim("jane@example.com", 1, 60, "Jane") };
    let first = run(&[
        entry(100, 1, "a", Operation::Book(booked)),
        entry(101, 1, "o", Operation::Observe(seen("jane's entry", 60, vec![tag]))),
    ]);
    let booking_id = claim("jane@example.com", 1, 60, "").booking_id;
    let shelf = Shelf::defined().after(&first);
    let decided = shelf.run(&[entry(102, 2, "r", Operation::Redact { booking_id })]);
    assert_eq!(outcomes(&decided), ["redacted"]);
    let [touched] = &decided.bookings[..] else { panic!("one booking") };
    let row = &touched.row;
    assert_eq!((&row.title, row.attendees.len(), &row.source_time_zone), (&None, 0, &None));
    let keys = [SourceKey::derive(&source(), "jane@example.com"), SourceKey::derive(&calendar(), "jane's entry")];
    assert_eq!((&row.source_ids[..], &row.shadow_ids[..]), (&[keys[0].to_string()][..], &[keys[1].to_string()][..]));
    let [redaction] = &decided.redactions[..] else { panic!("one redaction") };
    assert_eq!((redaction.booking_id, &redaction.keys[..]), (booking_id, &keys[..]));
    assert!(row.state.version > touched.before.as_ref().map_or(0, |before| before.version));

    // What its source says next does not bring the text back.
    let shelf = Shelf::defined().after(&first).after(&decided);
    let decided = shelf.run(&[entry(103, 3, "c", cancel("jane@example.com", 2, CancelKind::Plain))]);
    assert_eq!(decided.bookings[0].row.source_ids, [keys[0].to_string()]);
}

#[test]
fn a_redaction_of_what_was_refused_reaches_its_compensation() {
    let booking_id = claim("b", 1, 60, "").booking_id;
    let decided = run(&[entry(100, 1, "r", Operation::Redact { booking_id })]);
    assert_eq!(outcomes(&decided), ["rejected"]);
    assert_eq!(decided.redactions.iter().map(|it| it.booking_id).collect::<Vec<_>>(), [booking_id]);
}

#[test]
fn an_unreadable_record_is_decided_and_stops_nothing() {
    let unreadable = Entry {
        offset: 100,
        timestamp: at(1),
        traceparent: None,
        content: Content::Unreadable(None, Unreadable::Frame),
    };
    let decided = run(&[unreadable, entry(101, 1, "a", Operation::Book(claim("a", 1, 60, "x")))]);
    assert_eq!(outcomes(&decided), ["rejected", "confirmed"]);
    assert_eq!(decided.decisions[0].logged.decision.outcome, Outcome::Rejected(Rejection::Undecodable));
    assert_eq!(decided.decisions[0].logged.decision.resource.as_str(), "unknown");
}

#[test]
fn a_verdict_of_the_shell_replaces_the_cores_and_changes_no_state() {
    let entries = [entry(100, 1, "a", Operation::Book(claim("a", 1, 60, "x")))];
    let verdicts = BTreeMap::from([(100, Rejection::ConflictByStore)]);
    let decided = Shelf::defined().run_with(&entries, &verdicts);
    assert_eq!(decided.decisions[0].logged.decision.outcome, Outcome::Rejected(Rejection::ConflictByStore));
    assert!(decided.bookings.is_empty() && decided.resources.is_empty());
    assert_eq!(decided.decisions[0].booking_id, Some(claim("a", 1, 60, "x").booking_id));
}

#[test]
fn a_resource_defined_and_booked_in_one_batch_is_written_as_new() {
    let entries =
        [entry(100, 1, "d", Operation::Define(rules())), entry(101, 1, "a", Operation::Book(claim("a", 1, 60, "x")))];
    let decided = Shelf::default().run(&entries);
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
    assert_eq!(run(&entries).decisions, run(&entries).decisions);
}

#[test]
fn no_debug_text_of_a_batch_names_a_person() {
    let decided = run(&[
        entry(100, 1, "a", Operation::Book(claim("jane@example.com", 1, 60, "Jane"))),
        entry(101, 1, "b", Operation::Book(claim("joe@example.com", 1, 60, "Joe"))),
    ]);
    let text = format!("{decided:?}");
    assert!(!text.contains("example.com") && !text.contains("Jane"));
}
