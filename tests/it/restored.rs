//! A store that is put back: what it has lost is on the topic already.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Result, ensure};
use daybook_stack::Unit;
use daybook_tests::judge::gather::standing;
use daybook_tests::requests::{Asker, contended};
use daybook_tests::seed::{generator, seed};
use rand::RngExt as _;

use crate::arbiters::{Arbiters, arbiters, blocking};
use crate::instance::note;

const REQUESTS: usize = 600;
const RESOURCES: usize = 12;

#[test]
fn a_store_that_is_put_back_decides_what_it_lost_again_to_the_bytes_that_were_published() -> Result<()> {
    arbiters(async |it| {
        // Under arbiters that live on, and then under new ones.
        it.kept_alive(put_back(it, true)).await?;
        put_back(it, false).await
    })
}

async fn put_back(it: &Arbiters, alive: bool) -> Result<()> {
    let seed = seed(if alive { "the restored store" } else { "the store restored without arbiters" });
    // Two crowds on one stack must not have one name.
    let requests = contended(seed ^ generator(seed, 5 + u64::from(alive)).random::<u64>(), RESOURCES, REQUESTS);
    let (before, after) = requests.split_at(REQUESTS / 3);
    let asker = Asker::new(&it.world).await?;
    let postgres = it.postgres();
    it.ask(&asker, before).await?;
    blocking(&postgres, |unit| unit.stop().and_then(|()| unit.keep("before"))).await?;
    blocking(&postgres, Unit::start_ready).await?;
    let kept = seqs(it).await?;
    it.ask(&asker, after).await?;
    let published = it.world.kafka.decisions().await?;
    let lost = seqs(it).await? - kept;
    ensure!(lost > 0, "nothing was decided after the copy");

    if !alive {
        for member in it.staying() {
            blocking(&member.unit, Unit::stop).await?;
        }
    }
    blocking(&postgres, |unit| unit.kill9().and_then(|()| unit.put_back("before"))).await?;
    blocking(&postgres, Unit::start_ready).await?;
    if !alive {
        for member in it.staying() {
            blocking(&member.unit, Unit::start).await?;
        }
    }
    let healed = Instant::now();
    // Nobody asks anything more: they must notice by themselves.
    let (evidence, summary) = it.judge().await?;
    let again: BTreeMap<(i32, i64), &[u8]> =
        evidence.kept.iter().map(|kept| ((kept.partition, kept.seq), kept.bytes.as_slice())).collect();
    let others = published
        .iter()
        .filter(|(record, logged)| again.get(&(record.partition, logged.seq)).copied() != record.value.as_deref());
    ensure!(others.count() == 0, "what had been published was decided otherwise");
    let who = if alive { "the same arbiters" } else { "new arbiters" };
    note(&format!(
        "{lost} decisions lost and decided again by {who}, at rest {:.1} s after; {} records repeated",
        healed.elapsed().as_secs_f64(),
        summary.repeats
    ));
    Ok(())
}

async fn seqs(it: &Arbiters) -> Result<i64> {
    Ok(standing(&it.world).await?.values().map(|(_, next)| next - 1).sum())
}
