//! What was decided is decided so again; and whatever was tampered with is found, at its place.

use std::collections::BTreeSet;

use daybook_domain::{Unchanged, topics};

use super::*;
use crate::audit::sample_log::{
    self, Asked as Sample, at, book, decided, define, rechained, records, resource, stored,
};

const COUNT: u64 = 300;

/// Replays rows against records, of which those before `begin` are no longer kept.
fn replay_from(records: &[Sample], rows: &[Stored], begin: i64) -> Result<Count, Difference> {
    let mut fold = Fold::new(3);
    let mut rows: VecDeque<Stored> = rows.iter().cloned().collect();
    let next_seq = rows.back().map_or(1, |last| last.seq + 1);
    while let Some(row) = rows.pop_front_if(|row| row.offset < begin) {
        if fold.count.before == 0 && row.seq > 1 {
            fold.begin_at(&row);
        }
        fold.before(&row)?;
    }
    for record in records.iter().filter(|record| record.offset >= begin) {
        let content = record.request.as_ref().map_or(Content::Unreadable(None), Content::Request);
        let asked = Asked { offset: record.offset, timestamp: record.timestamp, content, key: None };
        fold.record(&asked, &mut rows)?;
    }
    fold.end(&rows, next_seq)?;
    Ok(fold.count)
}

fn replay(records: &[Sample], rows: &[Stored]) -> Result<Count, Difference> {
    replay_from(records, rows, 0)
}

fn found_at(records: &[Sample], rows: &[Stored]) -> i64 {
    replay(records, rows).expect_err("a difference").seq
}

#[test]
fn the_same_log_gives_the_same_decisions_and_the_log_has_a_bit_of_everything() {
    let records = records(COUNT);
    let rows = decided(&records);
    let count = replay(&records, &rows).expect("the same");
    assert_eq!((count.requests, count.same), (COUNT, rows.len() as u64));
    assert!(count.repeats > 10 && count.verdicts == 2, "{count:?}");
    let words = rows.iter().map(|row| row.logged.as_ref().expect("readable").decision.outcome.as_str());
    let words: BTreeSet<&str> = words.collect();
    for word in ["confirmed", "held", "expired", "rescheduled", "cancelled", "rejected", "unchanged", "defined"] {
        assert!(words.contains(word), "{word} is missing: {words:?}");
    }
}

#[test]
fn a_flipped_byte_is_found_at_its_decision() {
    let records = records(60);
    let rows = decided(&records);
    let (victim, last) = (rows.len() / 2, rows.len() - 1);
    for byte in 0..rows[victim].bytes.len() {
        let mut tampered = rows.clone();
        let mut bytes = rows[victim].bytes.clone();
        bytes[byte] ^= 1;
        tampered[victim] = stored(rows[victim].seq, rows[victim].offset, bytes);
        let found = found_at(&records, &tampered);
        // Another schema's id is taken for the one it was written with, and another version for the one that decided it:
        // the chain of the next one denies both.
        let another = (1..5).contains(&byte) || tampered[victim].is_of_another_version();
        assert_eq!(found, rows[victim].seq + i64::from(another), "byte {byte}");
    }
    let mut tampered = rows.clone();
    tampered[last].bytes.push(0);
    assert_eq!(found_at(&records, &tampered), rows[last].seq);
}

#[test]
fn a_missing_row_is_found_wherever_it_was() {
    let records = records(80);
    let rows = decided(&records);
    // All but the last, whose absence the head of the chain would tell.
    for missing in 0..rows.len() - 1 {
        let mut tampered = rows.clone();
        tampered.remove(missing);
        assert_eq!(found_at(&records, &tampered), rows[missing].seq);
    }
    let difference = replay(&records, &rows[..rows.len() - 1]).expect_err("a difference");
    assert_eq!(difference.seq, rows[rows.len() - 1].seq);
    assert!(difference.what.contains("the table ends here"), "{}", difference.what);
}

#[test]
fn a_swapped_pair_is_found_at_the_first_of_the_two() {
    let records = records(80);
    let rows = decided(&records);
    for first in 0..rows.len() - 1 {
        let mut bytes_only = rows.clone();
        let (left, right) = (rows[first].clone(), rows[first + 1].clone());
        bytes_only[first] = stored(left.seq, left.offset, right.bytes.clone());
        bytes_only[first + 1] = stored(right.seq, right.offset, left.bytes.clone());
        assert_eq!(found_at(&records, &bytes_only), left.seq);
        let mut with_offsets = rows.clone();
        with_offsets[first] = stored(left.seq, right.offset, right.bytes);
        with_offsets[first + 1] = stored(right.seq, left.offset, left.bytes);
        assert_eq!(found_at(&records, &with_offsets), left.seq);
    }
}

#[test]
fn an_altered_outcome_is_found_though_the_chain_was_made_anew() {
    let records = records(80);
    let rows = decided(&records);
    let seq =
        rows.iter().find(|row| row.logged.as_ref().is_ok_and(|logged| logged.decision.outcome == Outcome::Confirmed));
    let seq = seq.expect("one is confirmed").seq;
    let tampered = rechained(&rows, |logged| {
        if logged.seq == seq {
            logged.decision.outcome = Outcome::Unchanged(Unchanged::Duplicate);
        }
    });
    let difference = replay(&records, &tampered).expect_err("a difference");
    assert_eq!(difference.seq, seq);
    assert_eq!(difference.fields, ["outcome: decided again Confirmed, stored Unchanged(Duplicate)"]);
}

#[test]
fn a_request_that_the_log_does_not_have_cannot_have_been_decided() {
    let mut records = records(40);
    let rows = decided(&records);
    let row = &rows[rows.len() / 2];
    records.retain(|record| record.offset != row.offset);
    let difference = replay(&records, &rows).expect_err("a difference");
    assert_eq!((difference.seq, difference.offset), (row.seq, row.offset));
    assert!(difference.what.contains("has no record at the offset"), "{}", difference.what);
}

#[test]
fn a_log_that_has_lost_its_beginning_is_replayed_from_what_the_table_says_of_it() {
    let records = records(COUNT);
    let rows = decided(&records);
    for begin in [1, 17, 100, 10_000] {
        let count = replay_from(&records, &rows, begin).expect("the same");
        let before = rows.iter().filter(|row| row.offset < begin).count() as u64;
        assert_eq!((count.before, count.same), (before, rows.len() as u64 - before));
    }
}

#[test]
fn a_table_that_has_lost_its_beginning_too_keeps_its_numbers_and_its_chain() {
    let mut records = records(30);
    // Nothing of what is gone matters to a resource that comes later.
    let later = define(&"cleo".parse().expect("a name"));
    records.push(Sample { offset: 1_000, timestamp: at(1_000), request: Some(later), verdict: None });
    let rows = decided(&records);
    let count = replay_from(&records, &rows[5..], 1_000).expect("the same");
    assert_eq!((count.before, count.same), (rows.len() as u64 - 6, 1));
}

#[test]
fn what_another_version_decided_is_counted_apart_and_taken_as_given() {
    let records = records(COUNT);
    let rows = decided(&records);
    let until = rows[rows.len() / 2].seq;
    // The other version had another opinion once, which this one must go on from.
    let old = |logged: &mut LoggedDecision| {
        if logged.seq <= until {
            logged.core_version = "1".to_owned();
        }
    };
    let tampered = rechained(&rows, old);
    let count = replay(&records, &tampered).expect("the same");
    let others = rows.iter().filter(|row| row.seq <= until).count() as u64;
    assert_eq!((count.by_another_version, count.same), (others, rows.len() as u64 - others));
    // A row of it that is gone is missed all the same.
    let mut missing = tampered;
    missing.remove(5);
    assert_eq!(found_at(&records, &missing), rows[5].seq);
}

#[test]
fn a_verdict_that_the_core_would_not_have_given_is_taken_as_given() {
    let anna = resource(0);
    let sample = |offset, request, verdict| Sample { offset, timestamp: at(offset), request, verdict };
    let records = [
        sample(0, Some(define(&anna)), None),
        sample(1, Some(book("a", &anna, "a", 600)), Some(Rejection::ConflictByStore)),
        sample(2, Some(book("b", &anna, "b", 600)), Some(Rejection::Internal)),
        // Its dead letter was replayed: the same request, decided this time.
        sample(3, Some(book("b", &anna, "b", 600)), None),
    ];
    let mut rows = decided(&records[..3]);
    assert_eq!(replay(&records[..3], &rows).map(|count| (count.same, count.verdicts)), Ok((3, 2)));
    // The arbiter does not remember what failed inside it.
    let again = [
        records[0].clone(),
        records[1].clone(),
        sample(2, Some(book("x", &anna, "b", 600)), Some(Rejection::Internal)),
    ];
    assert_eq!(replay(&again, &rows).expect_err("another request").seq, 3);
    let mut forgetful = records.clone();
    forgetful[2].request = Some(book("c", &anna, "b", 600));
    let fourth = decided(&forgetful).pop().expect("decided");
    let mut logged = fourth.logged.expect("readable");
    logged.previous_hash = Sha256::digest(&rows[2].bytes).into();
    let bytes = daybook_wire::frame(sample_log::SCHEMA, &daybook_wire::encode_decision(&logged));
    rows.push(stored(4, 3, bytes));
    assert_eq!(replay(&records, &rows).map(|count| (count.same, count.repeats)), Ok((4, 0)));
}

#[test]
fn what_could_not_be_read_then_is_not_decided_now() {
    let anna = resource(0);
    let mut records = [
        Sample { offset: 0, timestamp: at(0), request: Some(define(&anna)), verdict: None },
        Sample { offset: 1, timestamp: at(1), request: None, verdict: None },
    ];
    let rows = decided(&records);
    // Its schema has come to the registry since.
    records[1].request = Some(book("a", &anna, "a", 600));
    let count = replay(&records, &rows).expect("the same");
    assert_eq!((count.same, count.verdicts), (2, 1));
    let id = RequestId::derive_from_coordinates(topics::REQUESTS, 3, 1);
    assert_eq!(rows[1].logged.as_ref().expect("readable").decision.request_id, id);
}

#[test]
fn a_request_is_known_again_for_forty_days() {
    let anna = resource(0);
    let days = |days: i64| at(days * 24 * 60);
    let sample = |offset, timestamp| Sample { offset, timestamp, request: Some(define(&anna)), verdict: None };
    let records = [sample(0, days(0)), sample(1, days(39)), sample(2, days(81)), sample(3, days(82))];
    let first = decided(&records[..1]);
    assert_eq!(replay(&records[..2], &first).map(|count| count.repeats), Ok(1));
    // The third comes when the first is forgotten; but the log's time has to have passed before it does.
    let difference = replay(&records, &first).expect_err("decided again");
    assert_eq!((difference.seq, difference.offset), (2, 3));
}
