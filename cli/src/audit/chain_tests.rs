//! Every way to break a chain is found where it is.

use super::*;
use crate::audit::compare::Stored;
use crate::audit::sample_log::{decided, rechained, records, stored};

fn rows() -> Vec<Stored> {
    decided(&records(60))
}

fn head(rows: &[Stored]) -> Head {
    let last = rows.last().expect("some");
    Head { next_seq: last.seq + 1, chain: Sha256::digest(&last.bytes).to_vec() }
}

fn walk(mut walk: Walk, rows: &[Stored]) -> Walk {
    for row in rows {
        let offset = (walk.place == Place::Topic).then_some(row.offset);
        walk.step(&Value { seq: row.seq, offset, bytes: &row.bytes, logged: row.logged.as_ref().ok() });
    }
    walk
}

/// Where the store's chain is broken, as far as it is told, and how often.
fn broken(rows: &[Stored], head: &Head) -> (Vec<Option<i64>>, u64) {
    let mut walk = walk(Walk::of_store(3), rows);
    walk.end(Some(head), rows.last().map(|row| row.seq));
    let count = walk.count().breaks;
    (walk.take_breaks().iter().map(|broken| broken.seq).collect(), count)
}

#[test]
fn a_sound_chain_has_no_break_also_where_it_begins_late() {
    let rows = rows();
    let last = i64::try_from(rows.len()).expect("few");
    assert_eq!(broken(&rows, &head(&rows)), (vec![], 0));
    assert_eq!(broken(&rows[7..], &head(&rows)), (vec![], 0));
    let topic = walk(Walk::of_topic(3, true), &rows);
    let expected = Count { values: rows.len() as u64, first: Some(1), last: Some(last), ..Count::default() };
    assert_eq!(*topic.count(), expected);
}

#[test]
fn a_flipped_byte_breaks_the_link_to_the_next() {
    let rows = rows();
    for victim in [0, 20, rows.len() - 1] {
        let mut tampered = rows.clone();
        let mut bytes = rows[victim].bytes.clone();
        let middle = bytes.len() - 3;
        bytes[middle] ^= 0x10;
        tampered[victim] = stored(rows[victim].seq, rows[victim].offset, bytes);
        let (at, _) = broken(&tampered, &head(&rows));
        // Where the byte made it fall, time is wrong too.
        let next = if victim + 1 == rows.len() { rows[victim].seq } else { rows[victim].seq + 1 };
        assert!(at.contains(&Some(next)), "{victim}: {at:?}");
        assert!(at.iter().all(|seq| (rows[victim].seq..=next).contains(&seq.expect("a seq"))), "{at:?}");
    }
}

#[test]
fn a_missing_row_is_a_gap_and_nothing_else() {
    let rows = rows();
    let mut tampered = rows.clone();
    tampered.remove(20);
    let mut walk = walk(Walk::of_store(3), &tampered);
    walk.end(Some(&head(&rows)), None);
    let breaks: Vec<String> = walk.take_breaks().iter().map(ToString::to_string).collect();
    assert_eq!(breaks, ["partition 3, seq 22, store: a gap: expected seq 21 after seq 20"]);
}

#[test]
fn the_end_of_the_chain_is_where_its_head_says() {
    let rows = rows();
    let last = rows.len() - 1;
    assert_eq!(broken(&rows[..last], &head(&rows)), (vec![Some(rows[last].seq - 1)], 1));
    assert_eq!(broken(&[], &head(&rows)), (vec![None], 1));
    let other = Head { chain: vec![1; 32], ..head(&rows) };
    assert_eq!(broken(&rows, &other), (vec![Some(rows[last].seq)], 1));
    let mut beyond = Walk::of_store(3);
    beyond.end(Some(&Head { next_seq: 1, chain: vec![0; 32] }), Some(5));
    assert_eq!(beyond.count().breaks, 1);
    let mut headless = walk(Walk::of_store(3), &rows);
    headless.end(None, Some(rows[last].seq));
    assert_eq!(headless.count().breaks, 1);
}

#[test]
fn time_that_falls_and_a_first_one_with_a_predecessor_are_breaks() {
    let rows = rows();
    let early = rechained(&rows, |logged| {
        if logged.seq == 30 {
            logged.decision.decided_at = Timestamp::EPOCH;
        }
    });
    assert_eq!(broken(&early, &head(&early)), (vec![Some(30)], 1));
    let mut first = rows[0].logged.clone().expect("readable");
    first.previous_hash = [9; 32];
    let bytes = daybook_wire::frame(7, &daybook_wire::encode_decision(&first));
    let forged = stored(1, 0, bytes);
    assert_eq!(broken(std::slice::from_ref(&forged), &head(std::slice::from_ref(&forged))), (vec![Some(1)], 1));
}

#[test]
fn a_repeat_on_the_topic_is_fine_if_it_is_identical_and_in_the_store_never() {
    let rows = rows();
    let repeated = [&rows[..30], &rows[20..]].concat();
    let topic = walk(Walk::of_topic(3, true), &repeated);
    assert_eq!((topic.count().repeats, topic.count().breaks), (10, 0));
    let mut other = rows[25].clone();
    other.bytes.push(0);
    let mut topic = walk(Walk::of_topic(3, true), &[&rows[..30], &[other][..], &rows[30..]].concat());
    assert_eq!((topic.count().repeats, topic.count().breaks), (0, 1));
    let said = topic.take_breaks()[0].to_string();
    assert!(said.starts_with("partition 3, seq 26, topic at offset "), "{said}");
    assert_eq!(walk(Walk::of_store(3), &repeated).count().breaks, 10);
}

#[test]
fn a_topic_that_never_lost_anything_begins_with_the_first() {
    let rows = rows();
    assert_eq!(walk(Walk::of_topic(3, true), &rows[5..]).count().breaks, 1);
    assert_eq!(walk(Walk::of_topic(3, false), &rows[5..]).count().breaks, 0);
}

#[test]
fn the_topic_has_the_stored_bytes_and_nothing_more() {
    let mut topic = Walk::of_topic(3, true);
    let stored = BTreeMap::from([(5, [5; 32]), (6, [6; 32])]);
    topic.compare(&[(4, 0, [4; 32]), (5, 1, [5; 32]), (6, 2, [0; 32]), (7, 3, [7; 32])], &stored, Some(5));
    let breaks = topic.take_breaks();
    assert_eq!(breaks.iter().map(|broken| broken.seq).collect::<Vec<_>>(), [Some(6), Some(7)]);
    assert_eq!(topic.count().before_the_store, 1);
}

#[test]
fn a_thousand_breaks_are_counted_and_ten_are_told() {
    let mut walk = Walk::of_store(3);
    for seq in 0..1_000 {
        walk.broken(Some(seq), None, "not so");
    }
    assert_eq!((walk.take_breaks().len(), walk.untold(), walk.count().breaks), (10, 990, 1_000));
}
