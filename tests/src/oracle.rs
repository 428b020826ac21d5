//! The judge: what was acknowledged, against everything that is kept anywhere, once the pipeline is quiet.
//!
//! Two kinds of law. Those of the log ([`log`]) hold at any moment, in the middle of a crash as well: dense, chained,
//! each request once, no overlap at any prefix. Those of rest ([`rest`]) hold when nothing is on its way: store, topics,
//! calendars and receiver tell one story. A broken law is a sentence, and all of them are found at once.

pub mod log;
pub mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use daybook_domain::{RequestId, topics};
use daybook_wire::header;
use uuid::Uuid;

use crate::oracle::log::Log;
use crate::oracle::rest::Shown;
use crate::sender::Webhook;
use crate::wait::{not_yet, wait_until};
use crate::world::World;

/// What became of one run, in numbers, for whoever reads the test's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Decisions in the log.
    pub decisions: usize,
    /// Records on the topic that repeat an earlier one.
    pub repeats: usize,
    /// Bookings in the store, live or not.
    pub bookings: usize,
    /// Entries in all calendars.
    pub entries: usize,
    /// How often each outcome was decided.
    pub outcomes: BTreeMap<String, usize>,
}

/// How often what has moved meanwhile is judged once more.
const AGAIN_MAX: usize = 3;
/// How long it may take to come to rest again.
const AGAIN_WITHIN: Duration = Duration::from_secs(120);

/// Waits until every acknowledged event is decided and nothing is on its way to a target or a topic.
pub async fn settle(world: &World, acknowledged: &[Webhook], limit: Duration) -> Result<()> {
    let requests: Vec<Uuid> =
        acknowledged.iter().flat_map(|webhook| webhook.request_ids().map(|id| id.uuid()).collect::<Vec<_>>()).collect();
    let distinct = requests.iter().collect::<BTreeSet<_>>().len();
    wait_until("every acknowledged event to be decided", limit, async || {
        let decided = world.store.count_decided(&requests).await?;
        not_yet(decided == distinct, || format!("{decided} of {distinct} are decided"))
    })
    .await?;
    wait_until("every decision to reach the targets", limit, async || {
        let waiting = world.store.undelivered(None).await?;
        not_yet(waiting == 0, || format!("{waiting} deliveries are on their way"))
    })
    .await?;
    wait_until("every decision to be published", limit, async || {
        let ends = published(world).await?;
        for row in world.store.partitions().await? {
            let end = ends.get(&row.partition).copied().unwrap_or(0);
            not_yet(end == row.next_seq - 1, || {
                format!("partition {}: {end} of {} are published", row.partition, row.next_seq - 1)
            })?;
        }
        Ok(())
    })
    .await?;
    wait_until("the newest state of every booking to be published", limit, async || {
        let canonical = world.kafka.canonical().await?;
        let newest = rest::newest(canonical.iter().map(|(_, booking)| booking));
        let missing = rest::canonical_is_the_store(&newest, &world.store.bookings().await?);
        not_yet(missing.is_empty(), || missing.join("; "))
    })
    .await
}

/// The highest sequence number on each partition of the topic.
async fn published(world: &World) -> Result<BTreeMap<i32, i64>> {
    let mut ends = BTreeMap::new();
    for (record, logged) in world.kafka.decisions().await? {
        let end = ends.entry(record.partition).or_insert(0);
        *end = logged.seq.max(*end);
    }
    Ok(ends)
}

/// Judges the whole installation, at rest. An error names every broken law. Should something have been decided while it looked, because
/// a hold or a wait for a replacement was over, it looks again: what is read at two moments tells two stories.
pub async fn judge(world: &World, acknowledged: &[Webhook]) -> Result<Summary> {
    for _ in 0..AGAIN_MAX {
        let began = moment(world).await?;
        match judge_once(world, acknowledged).await {
            Err(_) if began.1 > 0 || moment(world).await? != began => settle(world, acknowledged, AGAIN_WITHIN).await?,
            judged => return judged,
        }
    }
    judge_once(world, acknowledged).await
}

/// How far each partition is, and how many deliveries are on their way.
async fn moment(world: &World) -> Result<(Vec<(i32, i64)>, i64)> {
    let partitions = world.store.partitions().await?;
    let mut reached: Vec<_> = partitions.iter().map(|row| (row.partition, row.next_seq)).collect();
    reached.sort_unstable();
    Ok((reached, world.store.undelivered(None).await?))
}

async fn judge_once(world: &World, acknowledged: &[Webhook]) -> Result<Summary> {
    let mut broken = Vec::new();
    let (log, repeats) = read_log(world, &mut broken).await?;
    let (rows, bookings) = (world.store.decisions().await?, world.store.bookings().await?);
    broken.extend(rest::the_table_is_the_log(&rows, &log));
    broken.extend(rest::partitions_stand_at_the_end(&world.store.partitions().await?, &log));
    broken.extend(rest::the_store_is_the_fold(&bookings, &log));
    broken.extend(one_decision_each(&log, acknowledged));

    let requests = world.kafka.requests().await?;
    let asked = requests.iter().map(|(record, request)| match request {
        Some(request) => request.request_id,
        None => RequestId::derive_from_coordinates(topics::REQUESTS, record.partition, record.offset),
    });
    broken.extend(rest::nothing_is_invented(&log, asked));
    let canonical = world.kafka.canonical().await?;
    broken.extend(canonical.iter().filter_map(|(record, booking)| rest::is_keyed(record, booking)));
    let newest = rest::newest(canonical.iter().map(|(_, booking)| booking));
    broken.extend(rest::canonical_is_the_store(&newest, &bookings));

    let targets = world.store.targets().await?;
    let mut entries = 0;
    for target in targets.iter().filter(|target| target.target == "calendar") {
        let held = world.calendars.entries(&target.address).await?;
        entries += held.len();
        broken.extend(rest::the_calendar_shows(target, &bookings, &held));
    }
    let report = world.received().await.context("the receiver")?;
    broken.extend(rest::the_receiver_believes(&targets, &bookings, &Shown::of(&report)));
    broken.extend(world.store.deliveries().await?.iter().filter_map(rest::is_settled));

    if !broken.is_empty() {
        let total = broken.len();
        broken.truncate(40);
        bail!("{total} laws are broken:\n  {}", broken.join("\n  "));
    }
    let mut outcomes = BTreeMap::new();
    for row in &rows {
        let reason = row.reason.as_ref().map(|reason| format!("({reason})")).unwrap_or_default();
        *outcomes.entry(format!("{}{reason}", row.outcome)).or_default() += 1;
    }
    Ok(Summary { decisions: rows.len(), repeats, bookings: bookings.len(), entries, outcomes })
}

/// Reads the decisions' topic and holds it against the laws of the log.
pub async fn read_log(world: &World, broken: &mut Vec<String>) -> Result<(Log, usize)> {
    let mut log = Log::default();
    let mut repeats = 0;
    for (record, logged) in world.kafka.decisions().await? {
        let key = record.key.as_deref().unwrap_or_default();
        let value = record.value.as_deref().unwrap_or_default();
        match log.append(record.partition, key, value, logged) {
            Ok(log::Appended::New) => {}
            Ok(log::Appended::Repeat) => repeats += 1,
            Err(why) => broken.push(format!("{record:?}: {why}")),
        }
    }
    broken.extend(log.broken_laws());
    Ok((log, repeats))
}

/// Every acknowledged event has one decision for each of its requests, in the log.
fn one_decision_each(log: &Log, acknowledged: &[Webhook]) -> Vec<String> {
    let mut broken = Vec::new();
    for webhook in acknowledged {
        for request in webhook.request_ids() {
            let times = log.decisions_of(request);
            if times != 1 {
                broken.push(format!("event {} of {} is decided {times} times", webhook.event_id(), webhook.source));
            }
        }
    }
    broken
}

/// The dead letters of an event: reason, item and message of each.
pub async fn dead_letters(world: &World, event_id: &str) -> Result<Vec<DeadLetter>> {
    let records = world.kafka.records(topics::DLQ_NORMALIZER).await?;
    let of_event = records.into_iter().filter(|record| record.headers.get(header::CE_ID) == Some(event_id));
    Ok(of_event
        .map(|record| {
            let text = |name: &str| record.headers.get(name).unwrap_or_default().to_owned();
            DeadLetter {
                reason: text(header::DLQ_REASON),
                message: text(header::ERROR_MESSAGE),
                item: record.headers.get(header::DLQ_ITEM).and_then(|item| item.parse().ok()),
                place: format!("{}:{}", record.partition, record.offset),
                value: record.value.unwrap_or_default(),
            }
        })
        .collect())
}

/// A dead letter, as an engineer finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// `dlq.reason`.
    pub reason: String,
    /// `__connect.errors.exception.message`.
    pub message: String,
    /// `dlq.item`.
    pub item: Option<usize>,
    /// Where it lies: partition and offset, as `daybook dlq` writes them.
    pub place: String,
    /// The original bytes.
    pub value: Vec<u8>,
}
