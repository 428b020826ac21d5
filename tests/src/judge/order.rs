//! One decision each, in one order, by one owner at a time, and told as it was kept.

use std::collections::{BTreeMap, BTreeSet};

use daybook_domain::{Operation, OperationKind, RequestId};
use daybook_wire::unframe;
use sha2::{Digest as _, Sha256};

use super::{Asked, Kept, Told};

/// Each request is decided exactly once, however often it was sent, and nothing else is. An `expire` may be decided before
/// it is sent, when somebody wants the time, and not at all when it came too early.
pub fn each_request_is_decided_once(asked: &[Asked], kept: &[Kept]) -> Vec<String> {
    let mut times: BTreeMap<RequestId, usize> = BTreeMap::new();
    for kept in kept {
        *times.entry(kept.logged.decision.request_id).or_default() += 1;
    }
    let mut broken = Vec::new();
    let mut known = BTreeSet::new();
    for request in asked.iter().filter_map(|asked| asked.request.as_ref()) {
        let is_new = known.insert(request.request_id);
        let may_wait = matches!(request.operation, Operation::Expire { .. });
        if is_new && !may_wait && !times.contains_key(&request.request_id) {
            broken.push(format!("request {} is not decided", request.request_id));
        }
    }
    let own = |kept: &Kept| matches!(kept.logged.decision.operation, OperationKind::Expire | OperationKind::Unknown);
    for kept in kept.iter().filter(|kept| !own(kept)) {
        let id = kept.logged.decision.request_id;
        if !known.contains(&id) {
            broken.push(format!("request {id} is decided and was never asked"));
        }
    }
    let twice = times.iter().filter(|(_, times)| **times > 1);
    broken.extend(twice.map(|(id, times)| format!("request {id} is decided {times} times")));
    broken
}

/// In each partition `seq` rises by one from 1, each decision holds the hash of the value before it, and neither the log's
/// time nor the offset ever falls.
pub fn seqs_are_dense(kept: &[Kept]) -> Vec<String> {
    let mut broken = Vec::new();
    for (partition, rows) in by_partition(kept, |kept| kept.partition) {
        let (mut seq, mut hash, mut reached) = (0, [0; 32], None);
        for row in rows {
            let logged = &row.logged;
            let mut say = |why: &str| broken.push(format!("partition {partition}, seq {}: {why}", row.seq));
            if (logged.partition, logged.seq, logged.decision.request_id) != (row.partition, row.seq, row.request_id) {
                say("the columns are not the record's");
            }
            if row.seq != seq + 1 {
                say(&format!("follows seq {seq}"));
            }
            if logged.previous_hash != hash {
                say("the hash chain is broken");
            }
            let here = (logged.decision.decided_at, logged.offset);
            if reached.is_some_and(|(time, offset)| here.0 < time || here.1 < offset) {
                say("the log's time or its offset falls");
            }
            (seq, hash, reached) = (row.seq, Sha256::digest(&row.bytes).into(), Some(here));
        }
    }
    broken
}

/// In the order of the commits, no partition is ever decided by an owner that had lost it: epochs never fall. What a
/// restored store has forgotten does not count: the rows are those of the history that it went on with.
pub fn epochs_never_fall(kept: &[Kept]) -> Vec<String> {
    let mut broken = Vec::new();
    for (partition, rows) in by_partition(kept, |kept| kept.partition) {
        let mut epoch = 1;
        for row in rows {
            if row.epoch < epoch {
                let (old, seq) = (row.epoch, row.seq);
                broken.push(format!("partition {partition}, seq {seq}: epoch {old} commits after epoch {epoch}"));
            }
            epoch = epoch.max(row.epoch);
        }
    }
    broken
}

/// `booking.decisions` holds what the table holds, byte for byte, in order and without a gap. A record may come again, the
/// same as it was: a reader drops what is not above the last `seq`.
pub fn the_topic_is_the_table(told: &[Told], kept: &[Kept]) -> Vec<String> {
    let mut broken = Vec::new();
    let kept = by_partition(kept, |kept| kept.partition);
    let mut told = by_partition(told, |told| told.partition);
    for (partition, rows) in &kept {
        let mut last = 0;
        for record in told.remove(partition).unwrap_or_default() {
            let mut say = |why: String| broken.push(format!("partition {partition}, offset {}: {why}", record.offset));
            if record.seq > last + 1 {
                say(format!("seq {} follows seq {last}: a gap", record.seq));
            }
            last = last.max(record.seq);
            match usize::try_from(record.seq - 1).ok().and_then(|at| rows.get(at)) {
                None => say(format!("seq {} is told and not kept", record.seq)),
                Some(row) if row.bytes != record.bytes => {
                    say(format!("seq {} is told otherwise than kept", record.seq));
                }
                Some(row) if record.key.as_deref() != Some(row.logged.decision.resource.as_str().as_bytes()) => {
                    say("has another key than its resource".to_owned());
                }
                Some(_) => {}
            }
        }
        if last < rows.last().map_or(0, |row| row.seq) {
            broken.push(format!("partition {partition}: what follows seq {last} is kept and not told"));
        }
    }
    broken.extend(told.keys().map(|partition| format!("partition {partition} is told of, and nothing is kept of it")));
    broken
}

/// The registry's id in the first five bytes of a value.
pub(super) fn schema_of(kept: &Kept) -> Option<u32> {
    unframe(&kept.bytes).ok().map(|(id, _)| id)
}

pub(super) fn by_partition<T>(all: &[T], partition: impl Fn(&T) -> i32) -> BTreeMap<i32, Vec<&T>> {
    let mut parted: BTreeMap<i32, Vec<&T>> = BTreeMap::new();
    for one in all {
        parted.entry(partition(one)).or_default().push(one);
    }
    parted
}
