//! One arbiter of two ends, by SIGKILL or by SIGTERM, while requests for every partition trickle in. How long until
//! the first, and until the last, of the partitions that it had has a decision of its successor's on the topic.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_domain::topics;
use daybook_stack::{Part, Service, Unit as Process};
use daybook_tests::wait::{not_yet, wait_until};
use daybook_tests::world::World;
use daybook_wire::decode_decision;

use crate::installation::{Installation, RESOURCES};
use crate::load::{Over, send_steadily};
use crate::report::{Report, Row, Unit};
use crate::topic::{Reader, Seen};

/// The arbiters' setting: how long the group waits for a silent one.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// The arbiter that stays.
pub const SECOND: Part = Part::Service(Service::Arbiter, 2);

/// Requests per second: one for each partition every 24 ms or so, so that no successor waits for one.
const PER_SECOND: f64 = 1_000.0;
/// Requests in one turn at most.
const REQUESTS: usize = 60_000;
/// How long to wait for a takeover, at that rate and less than all of the requests.
const PATIENCE: Duration = Duration::from_secs(50);
/// How long the partitions must have stood still to count as shared out.
const STILL: Duration = Duration::from_secs(2);

/// How an arbiter ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Kill,
    Term,
}

/// Measures both ends.
pub fn measure(installation: &mut Installation, report: &mut Report, turns: usize) -> Result<()> {
    let (first, second) =
        (installation.stack.service(Service::Arbiter), installation.stack.replica(Service::Arbiter, 2));
    second.start_ready()?;
    let (mut killed, mut ended) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        killed.push(takeover(installation, &first, End::Kill)?);
        ended.push(takeover(installation, &first, End::Term)?);
    }
    second.stop()?;
    let session = SESSION_TIMEOUT.as_secs();
    let kill = format!("SIGKILL, session timeout {session} s");
    let ends =
        [(kill.as_str(), killed, format!("at most {} s", session + 1)), ("SIGTERM", ended, "at most 2 s".to_owned())];
    for (what, waits, wanted) in ends {
        let (firsts, lasts): (Vec<f64>, Vec<f64>) = waits.into_iter().unzip();
        let row = |until: &str, wanted: &str| Row::new(what, until, Unit::Seconds, wanted);
        report.alone(&row("until one of its partitions has a decision of the next one", &wanted), &firsts);
        report.alone(&row("until the last of its partitions has one", ""), &lasts);
    }
    Ok(())
}

/// Until the first and until the last of its partitions has a decision of its successor's.
fn takeover(installation: &mut Installation, arbiter: &Process, end: End) -> Result<(f64, f64)> {
    let world = installation.world.clone();
    let shared = installation.runtime.block_on(shared_out(&world))?;
    let requests = installation.load.requests(REQUESTS, Over::first(RESOURCES))?;
    let decisions = Reader::from_now(&world, topics::DECISIONS)?;
    let producer = installation.load.producer().clone();
    let sending = installation.runtime.spawn(send_steadily(producer, requests, PER_SECOND));
    let mut seen = vec![decisions.next()?];
    listen(&decisions, STILL, &mut seen)?;

    let began = Instant::now();
    match end {
        End::Kill => arbiter.kill9()?,
        End::Term => arbiter.term()?,
    }
    // Every partition that changed hands, with the first decision of its new epoch.
    let firsts = loop {
        ensure!(began.elapsed() < PATIENCE, "nobody took over within {} s", PATIENCE.as_secs());
        listen(&decisions, Duration::from_millis(200), &mut seen)?;
        let firsts = installation.runtime.block_on(firsts(&world, &shared))?;
        if firsts.len() >= shared.len() / 2 {
            break firsts;
        }
    };
    // What is committed is about to be published.
    listen(&decisions, STILL, &mut seen)?;
    sending.abort();
    ensure!(arbiter.wait_exit(Duration::from_secs(30)), "the arbiter does not end");
    let arrived = installation.runtime.block_on(arrivals(&world, &seen))?;
    let waits = firsts.iter().map(|place| {
        let at = arrived.get(place).with_context(|| format!("decision {place:?} was not on its topic in time"))?;
        Ok(at.saturating_duration_since(began).as_secs_f64())
    });
    let waits: Vec<f64> = waits.collect::<Result<_>>()?;
    arbiter.start_ready()?;
    Ok((waits.iter().copied().fold(f64::MAX, f64::min), waits.into_iter().fold(0.0, f64::max)))
}

/// Reads what comes in this time.
fn listen(reader: &Reader, span: Duration, seen: &mut Vec<Seen>) -> Result<()> {
    let until = Instant::now() + span;
    while let Some(next) = reader.within(until.saturating_duration_since(Instant::now()))? {
        seen.push(next);
    }
    Ok(())
}

/// When each decision was first in our hands, by partition and `seq`.
async fn arrivals(world: &World, seen: &[Seen]) -> Result<HashMap<(i32, i64), Instant>> {
    let mut arrived = HashMap::new();
    for seen in seen {
        let decision = world.kafka.decode(&seen.value, decode_decision).await?;
        arrived.entry((decision.partition, decision.seq)).or_insert(seen.at);
    }
    Ok(arrived)
}

/// The partitions' epochs, once two arbiters have half of them each and none moves any more.
async fn shared_out(world: &World) -> Result<BTreeMap<i32, i64>> {
    let mut last = (BTreeMap::new(), Instant::now());
    wait_until("two arbiters share the partitions", Duration::from_secs(120), async || {
        let owners: Vec<(i32, i64, String)> = sqlx::query_as("SELECT partition, epoch, owner FROM arbiter_partition")
            .fetch_all(world.store.pool())
            .await?;
        let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, _, owner) in &owners {
            *shares.entry(owner).or_default() += 1;
        }
        let even = shares.len() == 2 && shares.values().all(|share| *share == owners.len() / 2);
        let epochs: BTreeMap<i32, i64> = owners.iter().map(|(partition, epoch, _)| (*partition, *epoch)).collect();
        if epochs != last.0 {
            last = (epochs, Instant::now());
        }
        not_yet(even && last.1.elapsed() > STILL, || format!("{shares:?}"))
    })
    .await?;
    Ok(last.0)
}

/// The first decision of each partition's newer epoch, by partition and `seq`.
async fn firsts(world: &World, before: &BTreeMap<i32, i64>) -> Result<Vec<(i32, i64)>> {
    let (partitions, epochs): (Vec<i32>, Vec<i64>) = before.iter().unzip();
    let sql = "SELECT d.partition, min(d.seq) FROM unnest($1::integer[], $2::bigint[]) AS was (partition, epoch)
                   JOIN arbiter_partition p USING (partition)
                   JOIN decision d ON d.partition = p.partition AND d.epoch > was.epoch AND d.seq > p.next_seq - 5000
               WHERE p.epoch > was.epoch GROUP BY d.partition";
    Ok(sqlx::query_as(sql).bind(partitions).bind(epochs).fetch_all(world.store.pool()).await?)
}
