//! An arbiter: exactly the production loop, for each partition that the group gives it.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use daybook_domain::topics::REQUESTS;
use daybook_runtime::admin::Health;
use daybook_runtime::kafka::Record;
use daybook_runtime::lifecycle::Lifecycle;
use daybook_runtime::postgres::StoreError;
use daybook_wire::Headers;
use futures::FutureExt;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::books::SimBooks;
use super::bug::{self, Bug};
use super::host::{Host, Lost};
use super::topics::SimTopics;
use super::world::{Kind, Sim};
use crate::cache::Budget;
use crate::error::Error;
use crate::expiry::Owned;
use crate::metrics::Metrics;
use crate::ownership::{Claim, FOLLOW_BACK, LOOK_BACK, LastPublished};
use crate::topics::Ids;
use crate::worker::{Feed, Worker};

/// What every decision's bytes begin with.
pub const SCHEMA: u32 = 2;
const IDS: Ids = Ids { request: 1, decision: SCHEMA, booking: 3 };

/// A process of the arbiter.
#[derive(Debug)]
pub struct Process {
    pub host: Arc<Host>,
    worker: Arc<Worker<SimBooks, SimTopics>>,
}

impl Process {
    pub fn start(sim: &Sim, name: String) -> Self {
        let host = Host::new(sim, name);
        let (batch_max, cache_max, turns) = {
            let mut world = sim.world();
            (world.dice.pick(&[1, 2, 4, 4, 8, 30]), world.dice.pick(&[1, 10, 1_000]), world.dice.pick(&[1, 2]))
        };
        let worker = Arc::new(Worker {
            books: SimBooks(Arc::clone(&host)),
            topics: SimTopics(Arc::clone(&host)),
            ids: IDS,
            batch_max,
            turns: Semaphore::new(turns),
            budget: Budget::new(cache_max),
            owned: Owned::default(),
            life: Lifecycle::new(),
            health: Health::new(),
            metrics: Metrics::new(&prometheus()).expect("new names"),
        });
        let process = Self { host: Arc::clone(&host), worker };
        let shutdown = process.worker.life.shutdown().clone();
        process.host.spawn(async move {
            shutdown.cancelled().await;
            host.sim.world().note(|| format!("{} ends itself", host.name));
            host.died.cancel();
        });
        process
    }

    /// How often the constraint fired, and how many partitions it has stopped.
    pub fn alarms(&self) -> (u64, i64) {
        (self.worker.metrics.constraint_fired_total.get(), self.worker.metrics.partitions_stopped.get())
    }

    /// Adds up what it has counted.
    pub fn account(&self) {
        let metrics = &self.worker.metrics;
        let mut world = self.host.sim.world();
        for (name, counted) in [
            ("repeats", metrics.repeats_total.get()),
            ("follow-ups", metrics.follow_ups_total.get()),
            ("planned", metrics.planned_total.get()),
            ("canonical mended", metrics.canonical_mended_total.get()),
            ("decided again", metrics.decided_again_total.get()),
            ("constraint fired", metrics.constraint_fired_total.get()),
        ] {
            *world.count.entry(name.to_owned()).or_default() += counted;
        }
    }

    /// The group gives it a partition, until the token says otherwise.
    pub fn take(&self, partition: i32, revoked: &CancellationToken) {
        self.host.seats.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, revoked.clone());
        let lane = lane(Arc::clone(&self.host), Arc::clone(&self.worker), partition, revoked.clone());
        let host = Arc::clone(&self.host);
        self.host.spawn(async move {
            if AssertUnwindSafe(lane).catch_unwind().await.is_err() {
                host.sim.world().complain(Kind::Stopped, format!("{} panicked", host.name));
                host.died.cancel();
            }
        });
    }
}

fn prometheus() -> daybook_runtime::prometheus::Registry {
    daybook_runtime::prometheus::Registry::new()
}

/// One partition, from the claim to the revocation.
async fn lane(host: Arc<Host>, worker: Arc<Worker<SimBooks, SimTopics>>, partition: i32, revoked: CancellationToken) {
    let claiming = claim(&host, &worker.books, partition);
    let claim = tokio::select! {
        biased;
        claim = claiming => claim,
        () = revoked.cancelled() => return,
    };
    let (sender, mut records) = mpsc::channel(2 * worker.batch_max);
    let feed = Feed { records: &mut records, revoked: &revoked };
    let result = tokio::select! {
        biased;
        result = worker.run(&claim, feed, |_| ()) => result,
        () = deliver(&host, &claim, &sender) => Ok(()),
    };
    let mut world = host.sim.world();
    world.note(|| format!("{} is done with partition {partition}: {result:?}", host.name));
    let is_mine = world.server.shard(partition).position.epoch == claim.position.epoch;
    if worker.metrics.fenced_total.get() > 0 && is_mine && world.server.restores == 0 && !revoked.is_cancelled() {
        world.complain(
            Kind::FalseFence,
            format!("{} stopped in epoch {}, which is its own", host.name, claim.position.epoch),
        );
    }
    if let Err(error) = result {
        // A process that remembers what the store has lost may stop over either.
        let is_put_back = matches!(error, Error::PutBack | Error::Store(StoreError::Corrupt(_)));
        if !is_put_back || world.server.restores == 0 {
            world.complain(Kind::Stopped, format!("{}: {error}", host.name));
        }
        // As `Lifecycle::spawn` would.
        host.died.cancel();
    }
}

/// What `ownership.rs` does, in its order, until it succeeds.
async fn claim(host: &Host, books: &SimBooks, partition: i32) -> Claim {
    loop {
        match try_claim(host, books, partition).await {
            Ok(claim) => return claim,
            Err(Lost) => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
}

async fn try_claim(host: &Host, books: &SimBooks, partition: i32) -> Result<Claim, Lost> {
    let position = books.acquire(partition).await?;
    host.point("claim: last decision").await?;
    let mut published = LastPublished::Nothing;
    {
        let world = host.sim.world();
        let decisions = world.broker.decisions(partition);
        let first = decisions.len().saturating_sub(usize::try_from(LOOK_BACK).unwrap_or(usize::MAX));
        for record in &decisions[first..] {
            published.then(record.says.as_ref().map(|logged| (logged.seq, record.value.clone())));
        }
    }
    if bug::is(Bug::NoRecovery) {
        let world = host.sim.world();
        let last = world.server.shard(partition).decisions.last_key_value();
        published = last.map_or(LastPublished::Nothing, |((seq, _), row)| LastPublished::Decision {
            seq: *seq,
            bytes: row.ready.bytes.clone(),
        });
    }
    host.point("claim: end of requests").await?;
    let end = host.sim.world().broker.requests(partition).len();
    host.point("claim: end of canonical").await?;
    let offset = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let canonical_end = offset(host.sim.world().broker.canonical(partition).len());
    host.point("claim: done").await?;
    Ok(Claim { position, published, log: (0, offset(end)), canonical_from: (canonical_end - FOLLOW_BACK).max(0) })
}

/// The consumer: every record from the position on, now and then some before it.
async fn deliver(host: &Host, claim: &Claim, sender: &mpsc::Sender<Record>) {
    let partition = claim.position.partition;
    let mut next = usize::try_from(claim.position.next_offset).unwrap_or_default();
    if host.sim.world().fault(|profile| profile.lost) {
        next = next.saturating_sub(3);
    }
    loop {
        let landed = host.sim.landed.notified();
        host.thawed().await;
        let new: Vec<_> = host.sim.world().broker.requests(partition)[next..].to_vec();
        for asked in new {
            let record = Record {
                topic: REQUESTS.into(),
                partition,
                offset: i64::try_from(next).unwrap_or(i64::MAX),
                timestamp: asked.timestamp,
                key: asked.request().map(|request| request.resource.to_string().into_bytes()),
                value: Some(Vec::new()),
                headers: Headers::new(),
            };
            next += 1;
            // The worker is gone only together with this.
            let _ = sender.send(record).await;
            host.thawed().await;
        }
        landed.await;
    }
}
