//! Bookings that their vendor lists and that nothing was heard of: a lost webhook, a hook that was switched off, a door that was shut.
//!
//! Three jobs for each source, where its vendor can be asked so: new appointments, updates, cancellations. Each has its own pace,
//! its own failures and its own task, so that one that is stuck stops no other; each is one process's at a time, on a lease.
//! Invariant: how a booking was listed is remembered after Kafka has word that it is to be fetched. A walk that ends between
//! the two is followed by one that says it again, and what is fetched twice is decided `unchanged`.
//!
//! A booking that is to be fetched takes a turn of the account's budget before Kafka has word of it, because it will take a call: so a first
//! walk through thousands leaves the fetcher room for what webhooks tell of meanwhile. What was cancelled, and was never known here,
//! is nobody's loss, and is not fetched: vendors keep what is gone for years.
//!
//! What is listed is believed in nothing but that somebody should look: the fetcher asks for each booking by its id. So an answer that
//! is empty, halved or old ends no booking; it leaves something for the next walk, and for the one through the whole window.
//! Nothing here ends the process: the door needs no vendor.
//! Absent on purpose: ids of bookings in logs and metrics.

mod config;
mod store;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{SourceName, Timestamp};
use daybook_ingest_core::fetch::listed_source;
use daybook_ingest_core::listing::{Listed, Walk, question, record};
use daybook_ingest_core::poll::{Job, Setback, Told, Window, backoff};
use daybook_ingest_core::request_ids;
use daybook_runtime::brake::{self, Brakes};
use daybook_runtime::clock;
use daybook_runtime::kafka::{Outgoing, Producer, ProducerError};
use daybook_runtime::postgres::StoreError;
use daybook_runtime::retry::Advice;
use daybook_runtime::service::Service;
use sqlx::PgPool;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

pub use self::config::Listings;
pub(crate) use self::store::put_state;
use self::store::{Store, Turn};
use crate::account;
use crate::dry_run::Found;
use crate::error::StartError;
use crate::metrics::IngestMetrics;
use crate::poll::word;
use crate::source::Sources;
use crate::trail::store as trail;
use crate::vendor::Vendor;

/// How often it is looked whether a job is due, at most.
const TICK: Duration = Duration::from_secs(1);
/// The most that is read of an answer.
const BODY_MAX: usize = 16 * 1_024 * 1_024;
/// What a call may take beyond its answer: a token, and the bookings of a page on their way to Kafka.
const MARGIN: Duration = Duration::from_secs(60);
/// The longest time between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(30 * 60);
/// How far each walk goes back behind the one before: clocks differ, and lists lag.
const OVERLAP: Duration = Duration::from_secs(15 * 60);
/// How long a source is left alone that turns our credentials away.
const DENIED_FOR: Duration = Duration::from_secs(30);
/// How often it is looked what came of what was listed.
const LOOK: Duration = Duration::from_secs(10);
/// After so long nobody decides it any more: a dead letter, or it names nobody's time.
const UNDECIDED_MAX: f64 = 60.0 * 60.0;

/// What one source lists.
#[derive(Debug)]
struct Lister {
    source: SourceName,
    topic: String,
    listings: Listings,
    vendor: Vendor,
    store: Store,
    pool: PgPool,
    producer: Producer,
    brakes: Brakes,
    metrics: IngestMetrics,
    /// The time between two calls, of all processes.
    every: Duration,
}

/// Why a walk came to nothing.
enum Failed {
    Vendor(Setback),
    Kafka(ProducerError),
    Store(StoreError),
    /// It is another process's.
    Lost,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Lists the bookings of every source that has some, until shutdown.
pub fn start(
    sources: &Sources,
    pool: &PgPool,
    producer: &Producer,
    brakes: &Brakes,
    metrics: &IngestMetrics,
    service: &Service,
) -> Result<(), StartError> {
    for source in sources.all() {
        let Some(listings) = &source.listings else { continue };
        let lister = Arc::new(Lister {
            source: source.name.clone(),
            topic: source.topic.clone(),
            vendor: Vendor::new(&source.name, &listings.api, None, pool, metrics)?,
            store: Store::new(pool.clone(), source.name.clone(), 2 * listings.api.timeout + MARGIN),
            pool: pool.clone(),
            producer: producer.clone(),
            brakes: brakes.clone(),
            metrics: metrics.clone(),
            every: Duration::from_secs(1) / listings.api.requests_per_second.get(),
            listings: listings.clone(),
        });
        metrics.poll_denied.with_label_values(&[source.name.as_str()]).set(0);
        let shutdown = service.life.shutdown();
        for job in listings.jobs() {
            service.life.spawn("listing of bookings", work(Arc::clone(&lister), job, shutdown.clone()));
        }
        service.life.spawn("what came of listed bookings", watch(lister, shutdown.clone()));
    }
    Ok(())
}

/// One job, walk after walk.
async fn work(lister: Arc<Lister>, job: Job, shutdown: CancellationToken) -> Result<(), Infallible> {
    let mut begun = false;
    while !shutdown.is_cancelled() {
        let pause = if lister.brakes.source(&lister.source) {
            brake::LOOK
        } else {
            match lister.once(job, &mut begun, &shutdown).await {
                Ok(()) => TICK.min(lister.listings.every(job)),
                Err(error) => {
                    lister.store_away(&error);
                    TICK
                }
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = shutdown.cancelled() => {}
        }
    }
    Ok(())
}

/// Counts what a listing has found of which no delivery had told.
async fn watch(lister: Arc<Lister>, shutdown: CancellationToken) -> Result<(), Infallible> {
    let mut looks = interval(LOOK.min(lister.listings.every(Job::UpdateSync)));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        if let Err(error) = lister.look().await {
            lister.store_away(&error);
        }
    }
}

impl Lister {
    fn store_away(&self, error: &StoreError) {
        match error.advice() {
            Advice::Retry => tracing::warn!(%error, source = self.source.as_str(), "listings wait for postgresql"),
            Advice::Stop => {
                tracing::error!(%error, source = self.source.as_str(), "postgresql refuses what is known of listings");
            }
        }
    }

    /// A walk, if one is due.
    async fn once(&self, job: Job, begun: &mut bool, shutdown: &CancellationToken) -> Result<(), StoreError> {
        if !*begun {
            self.store.begin(job).await?;
            *begun = true;
        }
        let Some(turn) = self.store.claim(job).await? else { return Ok(()) };
        if turn.dry {
            return self.rehearse(job, &turn, shutdown).await;
        }
        let began = Instant::now();
        let walked = tokio::select! {
            walked = self.walk(job, &turn) => walked,
            () = shutdown.cancelled() => Err(Failed::Lost),
        };
        let labels = [self.source.as_str()];
        let result = match walked {
            Ok(()) => {
                self.metrics.poll_seconds.with_label_values(&labels).observe(began.elapsed().as_secs_f64());
                self.metrics.poll_denied.with_label_values(&labels).set(0);
                "good"
            }
            Err(Failed::Lost) => {
                self.store.release(job, &turn).await?;
                "lost"
            }
            Err(Failed::Store(error)) => {
                self.store_away(&error);
                self.set_back(job, &turn, "store", None).await?;
                "store"
            }
            Err(Failed::Kafka(error)) => {
                tracing::warn!(%error, source = self.source.as_str(), "word of a listed booking was not acknowledged");
                self.set_back(job, &turn, "kafka", None).await?;
                "kafka"
            }
            Err(Failed::Vendor(setback)) => {
                self.set_back(job, &turn, word(setback), Some(setback)).await?;
                word(setback)
            }
        };
        self.metrics.polls_total.with_label_values(&[self.source.as_str(), result]).inc();
        Ok(())
    }

    /// A walk through the whole window, of which nothing is sent and nothing remembered but what it found.
    async fn rehearse(&self, job: Job, turn: &Turn, shutdown: &CancellationToken) -> Result<(), StoreError> {
        let found = tokio::select! {
            found = self.found(job, turn) => found,
            () = shutdown.cancelled() => Err(Failed::Lost),
        };
        match found {
            Ok(found) => self.store.rehearsed(job, turn, Ok(found)).await,
            Err(Failed::Vendor(setback)) => {
                if let Setback::Later(Some(pause)) = setback {
                    account::leave_alone(&self.pool, &self.source, pause).await?;
                }
                self.store.rehearsed(job, turn, Err(word(setback))).await
            }
            Err(Failed::Lost | Failed::Kafka(_)) => self.store.release(job, turn).await,
            Err(Failed::Store(error)) => Err(error),
        }
    }

    async fn found(&self, job: Job, turn: &Turn) -> Result<Found, Failed> {
        let Listings { list, config, .. } = &self.listings;
        let Some(question) = question(list, job) else { return Ok(Found::default()) };
        let window = Window::around(time(turn.now), config.window_past, config.window_future);
        let account = self.listings.api.account.as_deref().unwrap_or_default();
        let mut walk = Walk::new(list, question, account, window.from, window);
        let mut found = Found::default();
        while let Some((path, body)) = walk.next() {
            let wait = self.store.turn(job, turn, self.every).await?.ok_or(Failed::Lost)?;
            sleep(wait).await;
            let (listed, _) = self.ask(&mut walk, path, body).await.map_err(Failed::Vendor)?;
            let (news, known) = self.news(job, &listed).await?;
            for listed in news {
                let count = match kind(job, known.contains_key(&listed.id)) {
                    Job::NewAppointmentSync => &mut found.new,
                    Job::UpdateSync => &mut found.changed,
                    Job::CancellationSync => &mut found.gone,
                };
                *count += 1;
            }
        }
        Ok(found)
    }

    async fn set_back(&self, job: Job, turn: &Turn, word: &str, setback: Option<Setback>) -> Result<(), StoreError> {
        let failures = u32::try_from(turn.failures).unwrap_or(0) + 1;
        let (told, alone) = match setback {
            Some(Setback::Later(told)) => (told, told.unwrap_or_default()),
            Some(Setback::Denied) => (None, DENIED_FOR),
            Some(Setback::Refused) | None => (None, Duration::ZERO),
        };
        let next_in = backoff(failures, self.listings.every(job), BACKOFF_MAX, told, rand::random());
        let (source, job_name) = (self.source.as_str(), job.as_str());
        match setback {
            Some(Setback::Denied) => {
                self.metrics.poll_denied.with_label_values(&[source]).set(1);
                tracing::error!(
                    source,
                    job = job_name,
                    "the vendor turns our credentials away; mend them in the settings of the source"
                );
            }
            Some(Setback::Refused) => tracing::error!(
                source,
                job = job_name,
                "the vendor does not list what is asked for: an address or an account that is wrong, or more than one answer holds"
            ),
            Some(Setback::Later(_)) => {
                tracing::warn!(source, job = job_name, failures, "bookings could not be listed; trying again");
            }
            None => {}
        }
        self.store.set_back(job, turn, word, next_in, alone).await
    }

    async fn walk(&self, job: Job, turn: &Turn) -> Result<(), Failed> {
        let Listings { list, config, .. } = &self.listings;
        let Some(question) = question(list, job) else { return Ok(()) };
        let now = time(turn.now);
        let window = Window::around(now, config.window_past, config.window_future);
        let full = now.since(time(turn.full_at)) >= config.full_interval;
        let since = if full { window.from } else { time(turn.began_at).minus(OVERLAP) };
        // What was there before anybody looked was nobody's to tell.
        let first = time(turn.full_at) == Timestamp::EPOCH;
        let account = self.listings.api.account.as_deref().unwrap_or_default();
        let mut walk = Walk::new(list, question, account, since, window);
        while let Some((path, body)) = walk.next() {
            let wait = self.store.turn(job, turn, self.every).await?.ok_or(Failed::Lost)?;
            sleep(wait).await;
            let (listed, skipped) = self.ask(&mut walk, path, body).await.map_err(Failed::Vendor)?;
            self.metrics.poll_skipped_total.with_label_values(&[self.source.as_str()]).inc_by(skipped as u64);
            self.send(job, turn, &listed, now, first).await?;
        }
        let next_in = self.listings.every(job).mul_f64(0.9 + 0.2 * rand::random::<f64>());
        if self.store.keep(job, turn, full, next_in).await? { Ok(()) } else { Err(Failed::Lost) }
    }

    async fn ask(
        &self,
        walk: &mut Walk<'_>,
        path: String,
        body: Option<String>,
    ) -> Result<(Vec<Listed>, usize), Setback> {
        let address = format!("{}{path}", self.listings.base);
        let Some(reply) = self.vendor.json(&address, &self.listings.headers, body, BODY_MAX).await else {
            return Err(Setback::Later(None));
        };
        walk.answer(&Told {
            status: reply.status,
            retry_after: reply.retry_after.as_deref(),
            etag: None,
            now: clock::now(),
            body: &reply.body,
        })
    }

    /// Which of these are new or other than before, and how they were known.
    async fn news<'l>(
        &self,
        job: Job,
        listed: &'l [Listed],
    ) -> Result<(Vec<&'l Listed>, BTreeMap<String, Vec<u8>>), StoreError> {
        let known = self.store.known(listed).await?;
        let mut news: Vec<&Listed> =
            listed.iter().filter(|it| known.get(&it.id).is_none_or(|known| *known != it.fingerprint)).collect();
        if job == Job::CancellationSync && self.listings.keyed {
            let booked = self.store.booked(&news).await?;
            news.retain(|it| known.contains_key(&it.id) || booked.contains(&it.id));
        }
        Ok((news, known))
    }

    /// Says which of these are new or other than before, and remembers how they were listed once Kafka has it.
    async fn send(
        &self,
        job: Job,
        turn: &Turn,
        listed: &[Listed],
        began: Timestamp,
        first: bool,
    ) -> Result<(), Failed> {
        let (news, known) = self.news(job, listed).await?;
        let mut waiting = Vec::with_capacity(news.len());
        for listed in &news {
            let wait = self.store.turn(job, turn, self.every).await?.ok_or(Failed::Lost)?;
            sleep(wait).await;
            let (record, body) = record(&self.source, &listed.id, began, first);
            let outgoing = Outgoing {
                topic: &self.topic,
                partition: None,
                key: Some(record.key.as_bytes()),
                value: Some(&body),
                headers: &record.event.headers(),
            };
            waiting.push(self.producer.send_when_room(outgoing).await.map_err(Failed::Kafka)?);
        }
        for sent in waiting {
            sent.acknowledged().await.map_err(Failed::Kafka)?;
        }
        self.store.put(listed).await?;
        let source = self.source.as_str();
        for listed in &news {
            let job = kind(job, known.contains_key(&listed.id));
            self.metrics.poll_changes_total.with_label_values(&[source, job.as_str()]).inc();
        }
        Ok(())
    }

    /// What came of what was listed, and how long ago each job has listed.
    async fn look(&self) -> Result<(), StoreError> {
        let source = self.source.as_str();
        for job in self.listings.jobs() {
            let age = self.store.age(job).await?;
            self.metrics.listing_age_seconds.with_label_values(&[source, job.as_str()]).set(age as i64);
        }
        let (mut settled, mut missed) = (Vec::new(), Vec::new());
        for state in self.store.open_states().await? {
            let resources = trail::resources_of(&self.pool, state.booking_key).await?;
            let requests: Vec<_> = request_ids(&listed_source(&self.source), &state.event_id, &resources)
                .into_iter()
                .map(|id| id.uuid())
                .collect();
            let decided = trail::decided(&self.pool, &requests).await?;
            if decided.iter().any(|row| is_news(&row.outcome, row.reason.as_deref())) {
                missed.push(state.event_id.clone());
            }
            if !decided.is_empty() || state.age_seconds > UNDECIDED_MAX {
                settled.push(state.event_id);
            }
        }
        let gone = self.store.settle_states(&settled).await?;
        let missed = gone.iter().filter(|event| missed.contains(event)).count();
        self.metrics.missed_webhook_total.with_label_values(&[source]).inc_by(missed as u64);
        Ok(())
    }
}

/// What a job has found, if it was listed before or not.
const fn kind(job: Job, known: bool) -> Job {
    match job {
        Job::CancellationSync => job,
        Job::NewAppointmentSync | Job::UpdateSync if known => Job::UpdateSync,
        Job::NewAppointmentSync | Job::UpdateSync => Job::NewAppointmentSync,
    }
}

/// Whether a decision says that something was not known.
fn is_news(outcome: &str, reason: Option<&str>) -> bool {
    outcome != "unchanged" && reason != Some("stale_version")
}

fn time(time: DateTime<Utc>) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::EPOCH)
}
