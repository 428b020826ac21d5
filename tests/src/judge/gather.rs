//! Collecting the evidence from a running installation, once it is at rest.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use daybook_domain::topics::{self, PARTITIONS};
use daybook_domain::{BookingId, RequestId};
use daybook_runtime::kafka::bounds;
use daybook_wire::{SCHEMAS, decode_booking, decode_decision};
use uuid::Uuid;

use super::{Asked, Evidence, Kept, Shown, Told};
use crate::wait::{not_yet, wait_until};
use crate::world::World;

/// The longest silence of a broker that is up.
const SILENCE: Duration = Duration::from_secs(20);

/// Everything, read while nothing was decided, told or shown: if something was meanwhile, it is read again.
pub async fn gather(world: &World, limit: Duration) -> Result<Evidence> {
    wait_until("the evidence to stand still", limit, async || {
        at_rest(world, limit).await?;
        let before = ends(world).await?;
        let evidence = read(world).await?;
        not_yet(ends(world).await? == before, || "something was decided while the evidence was read".to_owned())?;
        Ok(evidence)
    })
    .await
}

/// Waits until every request is decided, and every decision published.
pub async fn at_rest(world: &World, limit: Duration) -> Result<()> {
    wait_until("every request to be decided", limit, async || {
        let ends = ends_of(world, topics::REQUESTS).await?;
        let stands = standing(world).await?;
        for (partition, end) in ends {
            let next = stands.get(&partition).map_or(0, |(offset, _)| *offset);
            not_yet(next >= end, || format!("partition {partition} stands at offset {next} of {end}"))?;
        }
        Ok(())
    })
    .await?;
    wait_until("every decision to be published", limit, async || {
        let mut told: BTreeMap<i32, i64> = BTreeMap::new();
        for (record, logged) in world.kafka.decisions().await? {
            let last = told.entry(record.partition).or_default();
            *last = logged.seq.max(*last);
        }
        for (partition, (_, next)) in standing(world).await? {
            let last = told.get(&partition).copied().unwrap_or(0);
            not_yet(last == next - 1, || format!("partition {partition}: {last} of {} are published", next - 1))?;
        }
        Ok(())
    })
    .await
}

/// Of each partition, the next offset and the next `seq`.
pub async fn standing(world: &World) -> Result<BTreeMap<i32, (i64, i64)>> {
    let rows = world.store.partitions().await?;
    Ok(rows.into_iter().map(|row| (row.partition, (row.next_offset, row.next_seq))).collect())
}

async fn ends_of(world: &World, topic: &'static str) -> Result<BTreeMap<i32, i64>> {
    let config = world.kafka.config().clone();
    let partitions: Vec<i32> = (0..PARTITIONS).collect();
    let bounds = tokio::task::spawn_blocking(move || bounds(&config, topic, &partitions, SILENCE)).await??;
    ensure!(bounds.values().all(|(begin, _)| *begin == 0), "{topic} has lost its beginning");
    Ok(bounds.into_iter().map(|(partition, (_, end))| (partition, end)).collect())
}

async fn ends(world: &World) -> Result<[BTreeMap<i32, i64>; 3]> {
    Ok([
        ends_of(world, topics::REQUESTS).await?,
        ends_of(world, topics::DECISIONS).await?,
        ends_of(world, topics::CANONICAL).await?,
    ])
}

async fn read(world: &World) -> Result<Evidence> {
    let (subject, text) = SCHEMAS[1];
    let mut evidence =
        Evidence { schema_id: world.kafka.registry().id_of(subject, text).await?, ..Evidence::default() };
    for (record, request) in world.kafka.requests().await? {
        let (partition, offset, timestamp, key) = (record.partition, record.offset, record.timestamp, record.key);
        evidence.asked.push(Asked { partition, offset, timestamp, key, request });
    }
    let rows: Vec<(i32, i64, i64, Uuid, Vec<u8>)> =
        sqlx::query_as("SELECT partition, seq, epoch, request_id, record FROM decision ORDER BY partition, seq")
            .fetch_all(world.store.pool())
            .await?;
    for (partition, seq, epoch, request_id, bytes) in rows {
        let logged = world.kafka.decode(&bytes, decode_decision).await.with_context(|| format!("{partition}:{seq}"))?;
        let request_id = RequestId::from_uuid(request_id);
        evidence.kept.push(Kept { partition, seq, epoch, request_id, bytes, logged });
    }
    for (record, logged) in world.kafka.decisions().await? {
        let (partition, offset, key) = (record.partition, record.offset, record.key);
        evidence.told.push(Told { partition, offset, key, bytes: record.value.unwrap_or_default(), seq: logged.seq });
    }
    for record in world.kafka.records(topics::CANONICAL).await? {
        let key = std::str::from_utf8(record.key.as_deref().context("a key")?)?;
        let key: BookingId = key.parse().context("booking.canonical has a key that is no booking")?;
        let booking = match &record.value {
            Some(value) => Some(world.kafka.decode(value, decode_booking).await?),
            None => None,
        };
        evidence.shown.push(Shown { key, booking });
    }
    Ok(evidence)
}
