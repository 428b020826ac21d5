//! Processes that are killed while two thousand webhooks flow.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_stack::{Service, Unit};
use daybook_tests::load::{Traffic, customers};
use daybook_tests::oracle::{judge, read_log, settle};
use daybook_tests::resources::Resource;
use daybook_tests::seed::{generator, seed, unique_word};
use daybook_tests::wait::{not_yet, wait_until};
use rand::RngExt as _;

use crate::arbiters::blocking;
use crate::instance::{Instance, Rough, note, rough, soak};

const WEBHOOKS: usize = 2_000;
const RESOURCES: usize = 60;
const KILLS: usize = 5;
/// How many times as much of each, where there is time (`make soak`).
const SOAK: usize = 10;
/// Customers at the same time.
const AT_ONCE: usize = 24;
/// Longer than any of the kills may keep the flow waiting.
const PATIENCE: Duration = Duration::from_secs(120);

const SERVICES: [Service; 4] = [Service::Ingest, Service::Normalizer, Service::Arbiter, Service::Propagator];

#[test]
fn five_kills_of_each_service_while_two_thousand_webhooks_flow_lose_nothing_and_double_nothing() -> Result<()> {
    rough(Rough::Services, async |it| {
        let times = if soak() { SOAK } else { 1 };
        let (webhooks, kills_wanted) = (WEBHOOKS * times, KILLS * times);
        let seed = seed("the crashes");
        let word = unique_word();
        let resources: Vec<Resource> = (0..RESOURCES).map(|at| Resource::new(format!("crash-{word}-{at}"))).collect();
        it.world.load(&resources).await?;
        let customers = customers(&resources, webhooks, 30 * times, &word, &mut generator(seed, 0));

        let began = Instant::now();
        let traffic = Traffic::default();
        let flow = traffic.run(&it.world, customers, AT_ONCE, Duration::ZERO, PATIENCE);
        let killers: Vec<_> = SERVICES
            .into_iter()
            .zip(1..)
            .map(|(service, stream)| {
                let mut random = generator(seed, stream);
                // Anywhere in the flow, in the order in which it passes; the arbiter's early enough for some commits to
                // be left for the crash that falls upon one.
                let last = if service == Service::Arbiter { webhooks * 4 / 5 } else { webhooks };
                let mut at: Vec<usize> = (0..kills_wanted).map(|_| random.random_range(webhooks / 20..last)).collect();
                at.sort_unstable();
                // One of the arbiter's is a crash at a chosen place; which one, the seed says too.
                let between = (service == Service::Arbiter).then(|| random.random_range(0..kills_wanted));
                let crash = Killer { service, at, between, commits: random.random_range(3..10) };
                crash.run(it, &traffic)
            })
            .collect();
        let (flow, kills) = futures::join!(flow, futures::future::join_all(killers));
        flow?;
        let kills: Vec<Kills> = kills.into_iter().collect::<Result<_>>()?;
        for service in SERVICES {
            it.stack.service(service).wait_ready().with_context(|| format!("{service:?} after the last kill"))?;
        }
        let flowed = began.elapsed();
        ensure!(traffic.count() == webhooks, "{} of {webhooks} webhooks were acknowledged", traffic.count());
        ensure!(kills.iter().all(|kills| kills.done == kills_wanted), "not every kill was made");
        let caught: Vec<_> = kills.iter().filter_map(|kills| kills.unpublished).collect();
        ensure!(caught.len() == 1, "no crash fell between a commit and its publication");

        let acknowledged = traffic.acknowledged();
        settle(&it.world, &acknowledged, PATIENCE * u32::try_from(times)?).await?;
        let settled = began.elapsed();
        let summary = judge(&it.world, &acknowledged).await?;
        ensure!(summary.outcomes.keys().any(|outcome| outcome == "rejected(conflict)"), "nobody was refused");
        note(&format!(
            "{} webhooks in {} attempts over {:.0} s, at rest after {:.0} s; {} decisions were unpublished at the crash; \
             {summary:?}",
            acknowledged.len(),
            traffic.attempts(),
            flowed.as_secs_f64(),
            settled.as_secs_f64(),
            caught[0]
        ));
        Ok(())
    })
}

/// What kills one service.
struct Killer {
    service: Service,
    /// After so many acknowledged webhooks.
    at: Vec<usize>,
    /// Which of them is a crash between commit and publication.
    between: Option<usize>,
    /// And after how many commits of a new process.
    commits: u64,
}

/// What was killed.
struct Kills {
    done: usize,
    /// How many decisions were committed and not published when it crashed between the two.
    unpublished: Option<i64>,
}

impl Killer {
    async fn run(self, it: &Instance, traffic: &Traffic) -> Result<Kills> {
        let unit = it.stack.service(self.service);
        let mut kills = Kills { done: 0, unpublished: None };
        for (number, at) in self.at.iter().enumerate() {
            wait_until("the flow to come so far", PATIENCE, async || {
                let count = traffic.count();
                not_yet(count >= *at, || format!("{count} of {at} are acknowledged"))
            })
            .await?;
            blocking(&unit, Unit::kill9).await?;
            if self.between == Some(number) {
                kills.unpublished = Some(self.crash_between(it, &unit).await?);
            }
            blocking(&unit, Unit::start_ready).await.with_context(|| format!("{:?} after a kill", self.service))?;
            kills.done += 1;
        }
        Ok(kills)
    }

    /// Starts the arbiter so that it ends itself between a commit and its publication. How many decisions are committed
    /// and not published then.
    async fn crash_between(&self, it: &Instance, unit: &Unit) -> Result<i64> {
        unit.set_env("DAYBOOK_TEST_CRASH", &format!("after_commit:{}", self.commits))?;
        unit.start()?;
        let ended = blocking(unit, |unit| Ok(unit.wait_exit(PATIENCE))).await?;
        unit.set_env("DAYBOOK_TEST_CRASH", "")?;
        ensure!(ended, "the arbiter did not end itself after {} commits", self.commits);
        let mut broken = Vec::new();
        let (log, _) = read_log(&it.world, &mut broken).await?;
        ensure!(broken.is_empty(), "in the middle of the crash: {}", broken.join("; "));
        let rows = it.world.store.partitions().await?;
        let missing = rows
            .iter()
            .map(|row| row.next_seq - 1 - i64::try_from(log.partition(row.partition).len()).unwrap_or(i64::MAX));
        let missing: i64 = missing.sum();
        ensure!(missing > 0, "everything that was committed was published: the crash fell elsewhere");
        Ok(missing)
    }
}

#[test]
fn the_kills_of_a_seed_are_the_same_every_time() {
    let draw = |seed| -> BTreeMap<u64, Vec<u32>> {
        (0..4).map(|stream| (stream, generator(seed, stream).random_iter().take(5).collect())).collect()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    assert_ne!(draw(7)[&0], draw(7)[&1]);
}
