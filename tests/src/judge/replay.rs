//! The same requests, decided once more: the core must give every byte of the table again.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use arbiter_core::partition::{Content, Position, Record, Ruled, rule};
use daybook_domain::topics::{PARTITIONS, partition_of};
use daybook_domain::{Outcome, Rejection, Request, ResourceId};

use super::order::{by_partition, schema_of};
use super::{Asked, Kept};

/// Folded from the first request on, the core decides what the table holds, byte for byte. Verdicts that had to be made
/// without the core are taken from the table.
pub fn a_replay_gives_the_same_bytes(asked: &[Asked], kept: &[Kept], schema_id: u32) -> Vec<String> {
    let mut asked = by_partition(asked, |asked| asked.partition);
    let kept = by_partition(kept, |kept| kept.partition);
    for partition in kept.keys() {
        asked.entry(*partition).or_default();
    }
    let parts: Vec<(i32, Vec<&Asked>)> = asked.into_iter().collect();
    let (kept, share) = (&kept, parts.len().div_ceil(thread::available_parallelism().map_or(1, usize::from)).max(1));
    thread::scope(|scope| {
        let judge = |part: &(i32, Vec<&Asked>)| {
            difference(part.0, &part.1, kept.get(&part.0).map_or(&[], Vec::as_slice), schema_id)
        };
        let running: Vec<_> = parts
            .chunks(share)
            .map(|parts| scope.spawn(move || parts.iter().filter_map(judge).collect::<Vec<_>>()))
            .collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|_| vec!["the core failed in the replay".to_owned()]))
            .collect()
    })
}

/// The first difference of a partition.
fn difference(partition: i32, asked: &[&Asked], kept: &[&Kept], schema_id: u32) -> Option<String> {
    let mut verdicts: BTreeMap<i64, Rejection> = BTreeMap::new();
    for row in kept {
        if let Outcome::Rejected(rejection @ (Rejection::ConflictByStore | Rejection::Internal)) =
            &row.logged.decision.outcome
        {
            verdicts.insert(row.logged.offset, rejection.clone());
        }
    }
    let (mut position, mut states, mut decided) = (Position::start(partition), BTreeMap::new(), BTreeSet::new());
    let mut rest = kept.iter();
    for asked in asked {
        let content = asked.request.as_ref().map_or_else(|| unreadable(asked), |request| content(asked, request));
        let record = Record { offset: asked.offset, timestamp: asked.timestamp, content };
        let verdict = verdicts.remove(&asked.offset);
        if let (Some(Rejection::Internal), Some(request)) = (&verdict, &asked.request) {
            // It may be asked again.
            decided.remove(&request.request_id);
        }
        let ruled = rule(&mut position, &mut states, &mut decided, &record, verdict.clone(), schema_id);
        if let (Some(Rejection::Internal), Some(request)) = (&verdict, &asked.request) {
            decided.remove(&request.request_id);
        }
        let Ok(Ruled::Decided(entries)) = ruled else { continue };
        for entry in entries {
            let place = format!("partition {partition}, offset {}, seq {}", asked.offset, entry.logged.seq);
            match rest.next() {
                None => return Some(format!("{place}: a replay decides it, and the table holds nothing")),
                Some(row) if row.bytes != entry.bytes => {
                    let schema = schema_of(row).filter(|schema| *schema != schema_id);
                    let why = match schema {
                        Some(schema) => format!("it was written with schema {schema}"),
                        None => difference_of(&row.logged.decision, &entry.logged.decision),
                    };
                    return Some(format!("{place}: a replay decides otherwise: {why}"));
                }
                Some(_) => {}
            }
        }
    }
    rest.next().map(|row| format!("partition {partition}, seq {}: no replay decides this", row.seq))
}

fn difference_of(kept: &daybook_domain::Decision, replayed: &daybook_domain::Decision) -> String {
    if kept == replayed {
        "the decision is the same, its place is not".to_owned()
    } else {
        format!("{kept:?} became {replayed:?}")
    }
}

/// A request on another partition than its resource's counts as nothing that can be read, and nobody's.
fn content<'a>(asked: &Asked, request: &'a Request) -> Content<'a> {
    let at = partition_of(request.resource.as_str().as_bytes(), PARTITIONS);
    if at == asked.partition { Content::Request(request) } else { Content::Unreadable(None) }
}

/// What nobody can read is about the resource that its key names, if that belongs here.
fn unreadable(asked: &Asked) -> Content<'static> {
    let resource = || -> Option<ResourceId> {
        let key = asked.key.as_deref()?;
        let resource = std::str::from_utf8(key).ok()?.parse().ok()?;
        (partition_of(key, PARTITIONS) == asked.partition).then_some(resource)
    };
    Content::Unreadable(resource())
}
