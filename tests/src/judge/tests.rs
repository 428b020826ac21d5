//! Each law, with a log that keeps it and a forged one that breaks it.

use std::collections::BTreeSet;

use arbiter_core::partition::{Content, Position, Record, Ruled, rule};
use daybook_domain::topics::{PARTITIONS, partition_of};
use daybook_domain::{CancelKind, Decision, Interval, Operation, Outcome, Rejection, ResourceId, Rules};
use daybook_wire::{decision_codec, decode_decision, encode_decision, frame, unframe};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::requests::{Visit, contended, define, minutes, monday};

const SCHEMA: u32 = 5;

fn anna() -> ResourceId {
    "anna".parse().expect("a name")
}

/// What an arbiter makes of these requests that loses no partition.
fn evidence(requests: Vec<Request>) -> Evidence {
    let mut evidence = Evidence { schema_id: SCHEMA, ..Evidence::default() };
    let mut parts: BTreeMap<i32, Vec<Request>> = BTreeMap::new();
    for request in requests {
        parts.entry(partition_of(request.resource.as_str().as_bytes(), PARTITIONS)).or_default().push(request);
    }
    for (partition, requests) in parts {
        let (mut position, mut states, mut decided) = (Position::start(partition), BTreeMap::new(), BTreeSet::new());
        for (offset, request) in (0..).zip(requests) {
            let timestamp = Timestamp::EPOCH.plus(std::time::Duration::from_secs(1_900_000_000));
            let record = Record { offset, timestamp, content: Content::Request(&request) };
            if let Ok(Ruled::Decided(entries)) = rule(&mut position, &mut states, &mut decided, &record, None, SCHEMA) {
                for entry in entries {
                    evidence.kept.push(kept(1, entry.bytes, entry.logged));
                }
            }
            let key = Some(request.resource.as_str().as_bytes().to_vec());
            evidence.asked.push(Asked { partition, offset, timestamp, key, request: Some(request) });
        }
    }
    tell(&mut evidence);
    evidence
}

fn kept(epoch: i64, bytes: Vec<u8>, logged: LoggedDecision) -> Kept {
    let (partition, seq, request_id) = (logged.partition, logged.seq, logged.decision.request_id);
    Kept { partition, seq, epoch, request_id, bytes, logged }
}

/// Publishes what is kept.
fn tell(evidence: &mut Evidence) {
    let told = |kept: &Kept| Told {
        partition: kept.partition,
        offset: kept.seq - 1,
        key: Some(kept.logged.decision.resource.as_str().as_bytes().to_vec()),
        bytes: kept.bytes.clone(),
        seq: kept.seq,
    };
    evidence.told = evidence.kept.iter().map(told).collect();
    evidence.shown.clear();
    for (at, kept) in evidence.kept.iter().enumerate() {
        let Decision { booking, absorbed, .. } = &kept.logged.decision;
        evidence.shown.extend(booking.iter().map(|state| shown(&kept.logged, state)));
        if !absorbed.is_empty() {
            let fold = fold(&evidence.kept[..=at]);
            evidence.shown.extend(absorbed.iter().map(|busy| shown(&kept.logged, &fold[busy])));
        }
    }
}

fn shown(logged: &LoggedDecision, state: &BookingState) -> Shown {
    let booking = CanonicalBooking {
        booking_id: state.booking_id,
        resource: logged.decision.resource.clone(),
        kind: state.kind,
        standing: state.standing,
        unit: state.unit,
        version: state.version,
        seq: logged.seq,
        resource_time_zone: None,
        source_time_zone: None,
        title: None,
        attendees: Vec::new(),
        source: state.source.clone(),
        source_ids: Vec::new(),
        shadows: Vec::new(),
        moved_from: None,
        moved_to: None,
        sourced_at: None,
        received_at: logged.decision.received_at,
        decided_at: logged.decision.decided_at,
    };
    Shown { key: state.booking_id, booking: Some(booking) }
}

/// Makes the rows from `from` on whole again after they were forged: dense, chained, and published.
fn seal(evidence: &mut Evidence) {
    let (mut hash, mut seq) = ([0; 32], 0);
    for kept in &mut evidence.kept {
        seq += 1;
        kept.logged.seq = seq;
        kept.logged.previous_hash = hash;
        let bytes = frame(SCHEMA, &encode_decision(&kept.logged));
        hash = Sha256::digest(&bytes).into();
        *kept = self::kept(kept.epoch, bytes, kept.logged.clone());
    }
    tell(evidence);
}

/// Two who want the same hour, one who comes after, a cancellation, and one who takes what is free then.
fn story(rules: Rules) -> Vec<Request> {
    let visit = |id: &str| Visit::new(&anna(), id);
    let book = |id: &str, at: Interval| visit(id).asks(format!("book {id}"), Operation::Book(visit(id).claim(1, at)));
    let subject = visit("one").subject(2);
    vec![
        define(&anna(), "rules", rules),
        book("one", minutes(0, 60)),
        book("two", minutes(30, 60)),
        book("three", minutes(60, 60)),
        visit("one").asks("cancel", Operation::Cancel { subject, interval: None, kind: CancelKind::Plain }),
        book("four", minutes(0, 30)),
    ]
}

fn sound() -> Evidence {
    evidence(story(Rules::new("Europe/Berlin".to_owned())))
}

/// Exactly these laws are broken: one sentence each holds these words.
fn breaks(evidence: &Evidence, words: &[&str]) {
    let found = broken(evidence);
    for word in words {
        assert!(found.iter().any(|why| why.contains(word)), "no sentence says {word:?}: {found:#?}");
    }
    let strange = found.iter().filter(|why| !words.iter().any(|word| why.contains(word)));
    assert_eq!(strange.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn what_an_undisturbed_arbiter_does_breaks_no_law() {
    breaks(&sound(), &[]);
    let summary = Summary::of(&sound());
    assert_eq!((summary.decisions, summary.bookings, summary.of_outcome("rejected(conflict)")), (6, 3, 1));
}

#[test]
fn a_crowd_with_every_operation_breaks_no_law_and_its_repeats_are_dropped() {
    let mut evidence = evidence(contended(11, 12, 1_500));
    assert_eq!(broken(&evidence), Vec::<String>::new());
    let summary = Summary::of(&evidence);
    for outcome in ["confirmed", "rescheduled", "rejected(conflict)", "held", "moved", "flagged(external_conflict)"] {
        // `moved` follows from the arbiter's own request, which nobody sends here.
        assert_eq!(summary.of_outcome(outcome) == 0, outcome == "moved", "{outcome}: {summary:?}");
    }
    let again = evidence.told[..40].to_vec();
    let mut told = evidence.told.clone();
    let end = told.iter().take_while(|told| told.partition == again[0].partition).count();
    told.splice(end..end, again.into_iter().filter(|told| told.partition == evidence.told[0].partition));
    evidence.told = told;
    assert_eq!(broken(&evidence), Vec::<String>::new());
}

#[test]
fn a_request_that_is_not_decided_or_decided_twice_or_never_asked_is_seen() {
    let mut missing = sound();
    missing.kept.pop();
    tell(&mut missing);
    breaks(&missing, &["is not decided", "the table holds nothing"]);

    let mut twice = sound();
    let again = twice.kept[0].clone();
    twice.kept.push(again);
    seal(&mut twice);
    breaks(&twice, &["is decided 2 times", "no replay decides this", "the log's time or its offset falls"]);

    let mut invented = sound();
    invented.asked.remove(2);
    breaks(&invented, &["was never asked", "a replay decides otherwise"]);
}

#[test]
fn a_gap_a_broken_chain_and_columns_that_are_not_the_records_are_seen() {
    let mut gap = sound();
    gap.kept.remove(2);
    let words = ["is not decided", "follows seq 2", "chain is broken", "otherwise", "is told and not kept"];
    let found = broken(&gap);
    for word in words {
        assert!(found.iter().any(|why| why.contains(word)), "no sentence says {word:?}: {found:#?}");
    }

    let mut column = sound();
    column.kept[3].request_id = column.kept[2].request_id;
    breaks(&column, &["the columns are not the record's"]);

    let mut chain = sound();
    chain.kept[2].logged.previous_hash = [9; 32];
    breaks(&chain, &["seq 3: the hash chain is broken"]);
}

#[test]
fn an_owner_that_commits_after_its_successor_is_seen() {
    let mut evidence = sound();
    for (kept, epoch) in evidence.kept.iter_mut().zip([1, 1, 2, 2, 3, 3]) {
        kept.epoch = epoch;
    }
    breaks(&evidence, &[]);
    assert_eq!(Summary::of(&evidence).hand_overs, 2);
    evidence.kept[4].epoch = 1;
    breaks(&evidence, &["seq 5: epoch 1 commits after epoch 2"]);
}

#[test]
fn two_on_one_unit_at_one_time_are_seen_even_if_one_of_them_goes_later() {
    let mut evidence = sound();
    // The fourth takes its time before the first has given it up.
    evidence.kept.swap(4, 5);
    seal(&mut evidence);
    breaks(&evidence, &["overlaps", "within the buffers", "at once", "offset falls", "a replay decides otherwise"]);
}

#[test]
fn one_more_than_there_is_room_for_is_seen_whatever_unit_it_claims() {
    let mut rules = Rules::new("Europe/Berlin".to_owned());
    rules.capacity = 2;
    let mut evidence = evidence(story(rules));
    breaks(&evidence, &[]);
    let forged = evidence.kept.iter_mut().find_map(|kept| {
        let booking = kept.logged.decision.booking.as_mut()?;
        (booking.unit == 1).then_some(booking)
    });
    forged.expect("somebody has the second unit").unit = 2;
    seal(&mut evidence);
    breaks(&evidence, &["is on unit 2 of 2", "a replay decides otherwise"]);
}

#[test]
fn one_that_is_too_near_another_or_over_busy_time_is_seen() {
    let mut evidence = sound();
    let Some(rules) = &mut evidence.kept[0].logged.decision.rules else { panic!("it defines") };
    rules.buffer_after = std::time::Duration::from_secs(300);
    seal(&mut evidence);
    breaks(&evidence, &["within the buffers", "a replay decides otherwise"]);

    let busy = Visit::at(&anna(), "calendar", "lunch");
    let mut requests = story(Rules::new("Europe/Berlin".to_owned()));
    requests.insert(1, busy.asks("lunch", Operation::Observe(busy.claim(1, minutes(180, 60)))));
    let mut evidence = self::evidence(requests);
    breaks(&evidence, &[]);
    let lunch = evidence.kept[1].logged.decision.booking.as_mut().expect("it is observed");
    lunch.standing = Standing::Confirmed(minutes(110, 60));
    seal(&mut evidence);
    breaks(&evidence, &["lies over busy time", "a replay decides otherwise"]);
}

#[test]
fn a_winner_that_does_not_stand_there_and_a_falling_version_are_seen() {
    let mut evidence = sound();
    let Outcome::Rejected(Rejection::Conflict(winner)) = &mut evidence.kept[2].logged.decision.outcome else {
        panic!("the second was refused")
    };
    winner.interval = minutes(15, 60);
    seal(&mut evidence);
    breaks(&evidence, &["as the winner, which does not stand there", "a replay decides otherwise"]);

    let mut evidence = sound();
    evidence.kept[1].logged.decision.booking.as_mut().expect("it is booked").version = 9;
    seal(&mut evidence);
    breaks(&evidence, &["the version of", "a replay decides otherwise"]);
}

#[test]
fn a_topic_that_does_not_say_what_the_table_holds_is_seen() {
    let mut short = sound();
    short.told.pop();
    breaks(&short, &["what follows seq 5 is kept and not told"]);

    let mut gap = sound();
    gap.told.remove(2);
    breaks(&gap, &["seq 4 follows seq 2: a gap"]);

    let mut other = sound();
    other.told[3].bytes.push(0);
    breaks(&other, &["seq 4 is told otherwise than kept"]);

    let mut key = sound();
    key.told[3].key = Some(b"bea".to_vec());
    breaks(&key, &["has another key than its resource"]);

    let mut longer = sound();
    let extra = Told { seq: 7, ..longer.told[5].clone() };
    longer.told.push(extra);
    breaks(&longer, &["seq 7 is told and not kept"]);
}

#[test]
fn an_older_state_that_is_shown_last_is_seen() {
    let mut evidence = sound();
    let of_one = |shown: &&Shown| shown.key == Visit::new(&anna(), "one").booking_id();
    let older = evidence.shown.iter().find(of_one).expect("it is shown").clone();
    evidence.shown.push(older);
    breaks(&evidence, &["booking.canonical ends with booking"]);

    let mut evidence = sound();
    let key = evidence.shown[1].key;
    evidence.shown.retain(|shown| shown.key != key);
    breaks(&evidence, &["is not on booking.canonical"]);

    let mut evidence = sound();
    evidence.shown.push(Shown { key, booking: None });
    breaks(&evidence, &["ends with a tombstone"]);
}

#[test]
fn a_verdict_of_the_store_is_taken_as_it_was_and_the_rest_must_follow_from_it() {
    let mut evidence = sound();
    let anna = anna();
    let mut states = BTreeMap::new();
    let (mut position, mut decided) = (Position::start(evidence.asked[0].partition), BTreeSet::new());
    evidence.kept.clear();
    for asked in &evidence.asked {
        let request = asked.request.as_ref().expect("it can be read");
        let record = Record { offset: asked.offset, timestamp: asked.timestamp, content: Content::Request(request) };
        let verdict = (asked.offset == 3).then_some(Rejection::ConflictByStore);
        let Ok(Ruled::Decided(entries)) = rule(&mut position, &mut states, &mut decided, &record, verdict, SCHEMA)
        else {
            panic!("each is decided")
        };
        evidence.kept.extend(entries.into_iter().map(|entry| kept(1, entry.bytes, entry.logged)));
    }
    tell(&mut evidence);
    breaks(&evidence, &[]);
    assert!(states[&anna].booking(Visit::new(&anna, "three").booking_id()).is_none());
    assert_eq!(Summary::of(&evidence).of_outcome("rejected(conflict_by_store)"), 1);
}

#[test]
fn a_run_that_fenced_nobody_has_tested_nothing() {
    assert_eq!(somebody_was_fenced(0).len(), 1);
    assert_eq!(somebody_was_fenced(1), Vec::<String>::new());
}

#[test]
fn what_the_tests_forge_can_be_read_again() {
    let mut evidence = sound();
    seal(&mut evidence);
    for kept in &evidence.kept {
        let (_, datum) = unframe(&kept.bytes).expect("a frame");
        assert_eq!(decode_decision(decision_codec().schema(), datum).expect("a decision"), kept.logged);
    }
    assert!(evidence.asked.iter().all(|asked| asked.timestamp < monday()));
}
