//! Calendars that are read again and again, and what has changed in them put on the topic of their source.
//!
//! Which calendars there are is in the store: the aliases of the source. Each is read by one process at a time, which has it
//! on a lease, a round at a time (`daybook_ingest_core::poll`); with the process, its lease ends, and another one goes on.
//! Invariant: what is known of a calendar, and where its feed was left, moves in one transaction after Kafka has every change;
//! and before anything is sent, it is written down that it may have been. So a round that ends between the two is followed by
//! one that says again what is true. What a round says is as of when it began by the store's clock, which is the same for all
//! processes: one that thinks that it has a calendar still, and has not, says what is older than what its successor says.
//!
//! How often a source is asked is one budget for all processes, in the store as well; so is how long it is left alone, when
//! it asks for that, turns our credentials away, or has not answered for a while. A calendar that is not shared with us
//! holds up no other, and a source holds up no source.
//! Nothing here ends the process: the door needs no calendar.
//! Absent on purpose: calendar ids in logs and metrics; they are addresses.

mod config;
mod store;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use daybook_domain::{SourceName, Timestamp};
use daybook_ingest_core::ping;
use daybook_ingest_core::poll::{
    Answer, Ask, Call, Change, Channel, Context, Job, Known, Opening, Outcome, Round, Setback, Told, Window, backoff,
    farewell, is_due, records,
};
use daybook_runtime::clock;
use daybook_runtime::guard::{Guard, SystemLookup};
use daybook_runtime::kafka::{Outgoing, Producer, ProducerError};
use daybook_runtime::postgres::StoreError;
use daybook_runtime::retry::Advice;
use daybook_runtime::service::Service;
use sqlx::PgPool;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

pub use self::config::{Pings, PollConfig, Polled};
pub use self::store::prompt;
use self::store::{Blame, Calendar, Store, Turn};
use crate::dry_run::Found;
use crate::error::StartError;
use crate::metrics::IngestMetrics;
use crate::source::Sources;
use crate::vendor::{Reply, Vendor};

/// The most that is read of an answer about a channel.
const BODY_MAX: usize = 1_024 * 1_024;
/// How long the series of one answer may take to be expanded, besides the one that is being expanded then.
const EXPANSION_MAX: Duration = Duration::from_secs(20);
/// How often calendars are looked for that are due, at most.
const TICK: Duration = Duration::from_secs(1);
/// How often it is looked which calendars there are, and how they are.
const LOOK: Duration = Duration::from_secs(10);
/// A turn at the vendor that is farther off is not waited for; the round begins anew then.
const TURN_MAX: Duration = Duration::from_secs(10);
/// How long no other channel is asked for after one was, granted or not.
const CHANNEL_AGAIN: Duration = Duration::from_secs(10 * 60);
/// What a call may take beyond its turn and its answer: a token that has to be asked for, a store that is slow.
const MARGIN: Duration = Duration::from_secs(15);
/// The longest time between two tries of a calendar.
const BACKOFF_MAX: Duration = Duration::from_secs(30 * 60);
/// How often one thing is asked for in a round, and how long is waited between.
const TRIES_MAX: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a source is left alone that turns our credentials away.
const DENIED_FOR: Duration = Duration::from_secs(30);
/// Rounds in a row, of all its calendars, after which a source is left alone for a while.
const BREAKER: i32 = 5;
/// And for how long at most.
const BREAKER_MAX: Duration = Duration::from_secs(5 * 60);

/// The calendars of one source.
#[derive(Debug)]
struct Poller {
    source: SourceName,
    topic: String,
    polled: Polled,
    vendor: Vendor,
    store: Store,
    producer: Producer,
    metrics: IngestMetrics,
    /// The time between two calls, of all processes.
    every: Duration,
    /// The path of the address that all its calendars are below.
    root: String,
}

/// Why a round came to nothing.
enum Failed {
    /// The vendor.
    Vendor(Setback),
    /// Kafka has not taken all of it.
    Kafka(ProducerError),
    /// The store is away.
    Store(StoreError),
    /// Others of the source have used up what may be asked for now.
    Budget,
    /// The calendar is another round's.
    Lost,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Reads the calendars of every source that has some, until shutdown.
pub fn start(
    sources: &Sources,
    pool: &PgPool,
    producer: &Producer,
    metrics: &IngestMetrics,
    service: &Service,
) -> Result<(), StartError> {
    for source in sources.all() {
        let Some(polled) = &source.polled else { continue };
        // A call, its turn, a token before that, and what comes of it.
        let lease = 2 * polled.api.timeout + EXPANSION_MAX + TURN_MAX + MARGIN;
        let poller = Arc::new(Poller {
            source: source.name.clone(),
            topic: source.topic.clone(),
            vendor: Vendor::new(
                &source.name,
                &polled.api,
                polled.guarded.then(|| Guard::new(&source.name, Arc::new(SystemLookup))),
                pool,
                metrics,
            )?,
            root: polled.root(),
            store: Store::new(pool.clone(), source.name.clone(), lease, TURN_MAX),
            producer: producer.clone(),
            metrics: metrics.clone(),
            every: Duration::from_secs(1) / polled.api.requests_per_second.get(),
            polled: polled.clone(),
        });
        metrics.poll_denied.with_label_values(&[source.name.as_str()]).set(0);
        service.life.spawn("reading of calendars", poll(poller, service.life.shutdown().clone()));
    }
    Ok(())
}

/// Reads what is due, some calendars at once.
async fn poll(poller: Arc<Poller>, shutdown: CancellationToken) -> Result<(), Infallible> {
    let mut rounds = JoinSet::new();
    let mut looked: Option<Instant> = None;
    let tick = TICK.min(poller.polled.config.every());
    while !shutdown.is_cancelled() {
        while let Some(ended) = rounds.try_join_next() {
            poller.ended(&ended);
        }
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK.min(poller.polled.config.every())) {
            looked = Some(Instant::now());
            if let Err(error) = poller.look().await {
                poller.store_away(&error);
            }
        }
        let room = usize::from(poller.polled.config.at_once).saturating_sub(rounds.len());
        if room > 0 {
            match poller.store.claim(room).await {
                Ok(calendars) => {
                    for calendar in calendars {
                        let (poller, shutdown) = (Arc::clone(&poller), shutdown.clone());
                        rounds.spawn(async move { poller.read(calendar, &shutdown).await });
                    }
                }
                Err(error) => poller.store_away(&error),
            }
        }
        tokio::select! {
            () = sleep(tick) => {}
            Some(ended) = rounds.join_next(), if !rounds.is_empty() => poller.ended(&ended),
            () = shutdown.cancelled() => {}
        }
    }
    while let Some(ended) = rounds.join_next().await {
        poller.ended(&ended);
    }
    Ok(())
}

impl Poller {
    async fn look(&self) -> Result<(), StoreError> {
        self.store.discover().await?;
        let overview = self.store.overview().await?;
        let source = &[self.source.as_str()];
        self.metrics.poll_calendars.with_label_values(source).set(overview.calendars);
        self.metrics.poll_calendars_failing.with_label_values(source).set(overview.failing);
        self.metrics.poll_events_missing.with_label_values(source).set(overview.missing);
        let without = if self.polled.pings.is_some() { overview.without_channel } else { 0 };
        self.metrics.poll_calendars_without_channel.with_label_values(source).set(without);
        self.metrics.poll_oldest_seconds.with_label_values(source).set(overview.oldest_seconds as i64);
        let life = &self.metrics.poll_channel_life_seconds;
        match overview.channel_life_seconds.filter(|_| self.polled.pings.is_some()) {
            Some(seconds) => life.with_label_values(source).set(seconds as i64),
            // Gone already, if there never was one.
            None => drop(life.remove_label_values(source)),
        }
        Ok(())
    }

    /// A panic ends one round and nothing else; its calendar is free when its lease is over.
    fn ended(&self, round: &Result<(), JoinError>) {
        if round.as_ref().is_err_and(JoinError::is_panic) {
            self.metrics.polls_total.with_label_values(&[self.source.as_str(), "panic"]).inc();
            tracing::error!(source = self.source.as_str(), "reading a calendar panicked; it is tried again");
        }
    }

    fn store_away(&self, error: &StoreError) {
        match error.advice() {
            Advice::Retry => tracing::warn!(%error, source = self.source.as_str(), "calendars wait for postgresql"),
            Advice::Stop => {
                tracing::error!(%error, source = self.source.as_str(), "postgresql refuses what is known of calendars");
            }
        }
    }

    /// One round of one calendar, and what is remembered of it.
    async fn read(&self, calendar: Calendar, shutdown: &CancellationToken) {
        let began = Instant::now();
        if calendar.dry {
            self.rehearse(&calendar, shutdown).await;
            return;
        }
        let result = tokio::select! {
            result = self.round(&calendar) => result,
            () = shutdown.cancelled() => Err(Failed::Lost),
        };
        let (word, noted) = match result {
            Ok(()) => ("good", Ok(())),
            Err(Failed::Lost) => ("lost", self.store.release(&calendar, Duration::ZERO).await),
            Err(Failed::Budget) => ("budget", self.store.release(&calendar, TURN_MAX).await),
            Err(Failed::Store(error)) => {
                self.store_away(&error);
                ("store", self.failed_here(&calendar, "store").await)
            }
            Err(Failed::Kafka(error)) => {
                tracing::warn!(%error, source = self.source.as_str(), "what has changed in a calendar was not acknowledged");
                ("kafka", self.failed_here(&calendar, "kafka").await)
            }
            Err(Failed::Vendor(setback)) => (word(setback), self.set_back(&calendar, setback).await),
        };
        self.metrics.polls_total.with_label_values(&[self.source.as_str(), word]).inc();
        if word == "good" {
            self.metrics.poll_seconds.with_label_values(&[self.source.as_str()]).observe(began.elapsed().as_secs_f64());
        }
        if let Err(error) = noted {
            self.store_away(&error);
        }
    }

    /// A reading of everything, of which nothing is sent and nothing remembered but what it found.
    async fn rehearse(&self, calendar: &Calendar, shutdown: &CancellationToken) {
        let found = tokio::select! {
            found = self.found(calendar) => found,
            () = shutdown.cancelled() => Err(Failed::Lost),
        };
        let noted = match found {
            Ok(found) => self.store.rehearsed(calendar, Ok(found)).await,
            Err(Failed::Vendor(setback)) => {
                if let Setback::Later(Some(pause)) = setback
                    && let Err(error) = self.store.leave_alone(pause).await
                {
                    self.store_away(&error);
                }
                self.store.rehearsed(calendar, Err(word(setback))).await
            }
            // It is asked for still, and is claimed again.
            Err(Failed::Budget | Failed::Lost | Failed::Kafka(_)) => self.store.let_go(calendar).await,
            Err(Failed::Store(error)) => Err(error),
        };
        if let Err(error) = noted {
            self.store_away(&error);
        }
    }

    async fn found(&self, calendar: &Calendar) -> Result<Found, Failed> {
        let began = Timestamp::try_from(calendar.version_at).unwrap_or(Timestamp::EPOCH);
        let known = self.store.known(&calendar.calendar).await?;
        let (changes, missing) = if calendar.is_somebodys() {
            let outcome = self.asked(calendar, known, None, began).await?;
            (outcome.changes, outcome.missing.len())
        } else {
            (farewell(self.polled.vendor, &known), 0)
        };
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let of = |job: Job| count(changes.iter().filter(|change| change.job == job).count());
        Ok(Found {
            new: of(Job::NewAppointmentSync),
            changed: of(Job::UpdateSync),
            gone: of(Job::CancellationSync),
            missing: count(missing),
        })
    }

    /// What a calendar says, asked until it has said all of it.
    async fn asked(
        &self,
        calendar: &Calendar,
        known: BTreeMap<String, Known>,
        cursor: Option<String>,
        began: Timestamp,
    ) -> Result<Outcome, Failed> {
        let config = &self.polled.config;
        let window = Window::around(began, config.window_past, config.window_future);
        let mut round = Round::new(self.polled.vendor, known, cursor, window, began, config.believe_after);
        while let Some(ask) = round.next() {
            let zone = round.zone().and_then(|zone| zone.parse().ok()).or(self.polled.zone);
            let answer = self.ask(calendar, ask, window, zone).await?;
            round.answer(answer).map_err(Failed::Vendor)?;
        }
        Ok(round.finish())
    }

    /// Nobody there is to blame, and the calendar waits longer each time.
    async fn failed_here(&self, calendar: &Calendar, word: &str) -> Result<(), StoreError> {
        let failures = u32::try_from(calendar.failures).unwrap_or(0) + 1;
        let next_in = backoff(failures, self.polled.config.every(), BACKOFF_MAX, Some(TICK), rand::random());
        self.store.set_back(calendar, word, next_in, Blame::Here).await.map(drop)
    }

    async fn round(&self, calendar: &Calendar) -> Result<(), Failed> {
        let config = &self.polled.config;
        let began = Timestamp::try_from(calendar.version_at).unwrap_or(Timestamp::EPOCH);
        let known = self.store.known(&calendar.calendar).await?;
        if !calendar.is_somebodys() {
            if let (Some(id), Some(pinger)) = (calendar.channel.clone(), self.polled.vendor.pinger()) {
                let channel = Channel { id, resource: calendar.channel_resource.clone(), until: began };
                self.call(calendar, &pinger.close(&channel)).await?;
            }
            let changes = farewell(self.polled.vendor, &known);
            self.send(calendar, &changes, None, began).await?;
            self.store.forget(calendar).await?;
            tracing::info!(
                source = self.source.as_str(),
                events = changes.len(),
                "a calendar is not its resource's any more"
            );
            return Ok(());
        }
        let listed_at = Timestamp::try_from(calendar.full_at).unwrap_or(Timestamp::EPOCH);
        let full = began.since(listed_at) >= config.full_interval;
        let cursor = calendar.cursor.clone().filter(|_| !full);
        let outcome = self.asked(calendar, known, cursor, began).await?;
        self.send(calendar, &outcome.changes, outcome.zone.as_deref(), began).await?;
        let full_at = if outcome.complete {
            began
        } else if outcome.missing.is_empty() {
            listed_at
        } else {
            // What is held is looked for again twice before it could be believed.
            began.minus(config.full_interval).plus(config.believe_after / 2)
        };
        let next_in = config.every().mul_f64(0.9 + 0.2 * rand::random::<f64>());
        match self.keep_channel(calendar, began).await {
            // There is time for a channel with the next round.
            Ok(()) | Err(Failed::Budget) => {}
            Err(failed) => return Err(failed),
        }
        if !self.store.keep(calendar, &outcome, full_at, next_in).await? {
            return Err(Failed::Lost);
        }
        // Also where the place in the feed had been forgotten.
        self.note(calendar, full || outcome.complete, &outcome);
        Ok(())
    }

    /// Asks, and once or twice again where that helps: a round of hundreds of calls need not begin anew for one of them.
    async fn ask(&self, calendar: &Calendar, ask: &Ask, window: Window, zone: Option<Tz>) -> Result<Answer, Failed> {
        let mut tries = 0;
        loop {
            let answer = self.ask_once(calendar, ask, window, zone).await?;
            let Answer::Setback(Setback::Later(told)) = answer else { return Ok(answer) };
            let wait = backoff(tries, TICK, PATIENCE, told, rand::random());
            tries += 1;
            if tries >= TRIES_MAX || wait > PATIENCE {
                return Ok(answer);
            }
            sleep(wait).await;
        }
    }

    async fn ask_once(
        &self,
        calendar: &Calendar,
        ask: &Ask,
        window: Window,
        zone: Option<Tz>,
    ) -> Result<Answer, Failed> {
        let vendor = self.polled.vendor;
        let request = vendor.request(ask, &Context { calendar: &calendar.calendar, window, zone, root: &self.root });
        let Some(address) = self.polled.address(&calendar.calendar, &request.path) else {
            return Ok(Answer::Setback(Setback::Refused));
        };
        self.wait_for_turn(calendar).await?;
        let answer = match self.vendor.ask(&address, request, vendor.body_max()).await {
            Some(reply) => self.read_reply(calendar, ask, window, zone, reply).await,
            None => Answer::Setback(Setback::Later(None)),
        };
        if !matches!(answer, Answer::Setback(Setback::Later(_))) {
            let denied = answer == Answer::Setback(Setback::Denied);
            self.metrics.poll_denied.with_label_values(&[self.source.as_str()]).set(i64::from(denied));
        }
        Ok(answer)
    }

    /// Reads an answer, aside: a whole calendar, and its series, take their time. A panic is as good as no answer.
    async fn read_reply(
        &self,
        calendar: &Calendar,
        ask: &Ask,
        window: Window,
        zone: Option<Tz>,
        reply: Reply,
    ) -> Answer {
        let (vendor, ask, root, calendar) =
            (self.polled.vendor, ask.clone(), self.root.clone(), calendar.calendar.clone());
        let read = move || {
            let until = Instant::now() + EXPANSION_MAX;
            let context = Context { calendar: &calendar, window, zone, root: &root };
            let Reply { status, retry_after, etag, body } = &reply;
            let (retry_after, etag) = (retry_after.as_deref(), etag.as_deref());
            let told = Told { status: *status, retry_after, etag, now: clock::now(), body };
            vendor.read(&ask, &context, &told, &mut || Instant::now() < until)
        };
        tokio::task::spawn_blocking(read).await.unwrap_or(Answer::Setback(Setback::Later(None)))
    }

    /// The budget of the source is that of all processes.
    async fn wait_for_turn(&self, calendar: &Calendar) -> Result<(), Failed> {
        match self.store.turn(calendar, self.every).await? {
            Turn::In(wait) => sleep(wait).await,
            Turn::Far => return Err(Failed::Budget),
            Turn::Lost => return Err(Failed::Lost),
        }
        Ok(())
    }

    /// Kafka has all of it, or the round comes to nothing.
    async fn send(
        &self,
        calendar: &Calendar,
        changes: &[Change],
        zone: Option<&str>,
        began: Timestamp,
    ) -> Result<(), Failed> {
        if !self.store.intend(calendar, changes).await? {
            return Err(Failed::Lost);
        }
        let mut receipts = Vec::new();
        for (record, body) in records(self.polled.vendor, &self.source, &calendar.calendar, changes, zone, began) {
            let headers = record.event.headers();
            let (key, value) = (Some(record.key.as_bytes()), Some(body.as_slice()));
            let outgoing = Outgoing { topic: &self.topic, partition: None, key, value, headers: &headers };
            receipts.push(self.producer.send_when_room(outgoing).await.map_err(Failed::Kafka)?);
            tracing::info!(source = self.source.as_str(), event.id = record.event.id, "a calendar has changed");
        }
        for receipt in receipts {
            receipt.acknowledged().await.map_err(Failed::Kafka)?;
        }
        Ok(())
    }

    fn note(&self, calendar: &Calendar, full: bool, outcome: &Outcome) {
        // A full round also finds what the window has come to.
        let heard = calendar.prompted || full || self.polled.pings.is_none();
        let lived = calendar.channel_from < calendar.began_at && calendar.channel_until > calendar.began_at;
        if !heard && lived {
            let count = outcome.changes.len() as u64;
            self.metrics.missed_webhook_total.with_label_values(&[self.source.as_str()]).inc_by(count);
        }
        for job in Job::ALL {
            let count = outcome.changes.iter().filter(|change| change.job == job).count();
            let labels = &[self.source.as_str(), job.as_str()];
            self.metrics.poll_changes_total.with_label_values(labels).inc_by(count as u64);
        }
        if outcome.skipped > 0 {
            let count = outcome.skipped as u64;
            self.metrics.poll_skipped_total.with_label_values(&[self.source.as_str()]).inc_by(count);
        }
        if !outcome.missing.is_empty() {
            tracing::error!(
                source = self.source.as_str(),
                events = outcome.missing.len(),
                "more events of a calendar are missing at once than people cancel; they stay until a later reading misses them too"
            );
        }
    }

    /// A calendar whose vendor is to say when something has changed has a channel, and another one before that ends. One that
    /// is not granted costs the round nothing.
    async fn keep_channel(&self, calendar: &Calendar, now: Timestamp) -> Result<(), Failed> {
        let Some(pings) = &self.polled.pings else { return Ok(()) };
        let secrets = pings.secrets.get();
        let Some(secret) = secrets.first() else { return Ok(()) };
        let time = |time| Timestamp::try_from(time).unwrap_or(Timestamp::EPOCH);
        let due = is_due(time(calendar.channel_from), time(calendar.channel_until), now);
        if !due || time(calendar.channel_next_at) > now {
            return Ok(());
        }
        let pinger = pings.pinger;
        let channel = ping::channel(calendar.calendar_key, rand::random());
        let opening = Opening {
            calendar: &calendar.calendar,
            channel: &channel,
            secret,
            address: &pings.address,
            until: now.plus(pinger.channel_life()),
        };
        let reply = self.call(calendar, &pinger.open(&opening)).await?;
        let opened = reply.and_then(|reply| pinger.opened(&channel, reply.status, &reply.body));
        self.store.put_channel(calendar, opened.as_ref(), CHANNEL_AGAIN).await?;
        let word = if opened.is_some() { "opened" } else { "failed" };
        self.metrics.poll_channels_total.with_label_values(&[self.source.as_str(), word]).inc();
        if opened.is_none() {
            tracing::warn!(
                source = self.source.as_str(),
                resource.id = calendar.resource_id,
                "the vendor grants no channel; the calendar is read at its interval"
            );
            return Ok(());
        }
        if let Some(id) = calendar.channel.clone() {
            let old = Channel { id, resource: calendar.channel_resource.clone(), until: time(calendar.channel_until) };
            self.call(calendar, &pinger.close(&old)).await?;
        }
        Ok(())
    }

    async fn call(&self, calendar: &Calendar, call: &Call) -> Result<Option<Reply>, Failed> {
        self.wait_for_turn(calendar).await?;
        let base = self.polled.base.as_deref().unwrap_or_default();
        Ok(self.vendor.call(base, call, BODY_MAX).await)
    }

    async fn set_back(&self, calendar: &Calendar, setback: Setback) -> Result<(), StoreError> {
        let failures = u32::try_from(calendar.failures).unwrap_or(0) + 1;
        let interval = self.polled.config.every();
        let (told, blame) = match setback {
            Setback::Later(told) => (told, Blame::Vendor(told.unwrap_or_default())),
            Setback::Denied => (None, Blame::Vendor(DENIED_FOR)),
            Setback::Refused => (None, Blame::Calendar),
        };
        let next_in = backoff(failures, interval, BACKOFF_MAX, told, rand::random());
        let in_a_row = self.store.set_back(calendar, word(setback), next_in, blame).await?;
        match setback {
            Setback::Later(_) => {
                tracing::warn!(source = self.source.as_str(), failures, "a calendar could not be read; trying again");
                // None of its calendars is answered for: the next ones need not find out one by one.
                if in_a_row >= BREAKER {
                    let rest = u32::try_from(in_a_row - BREAKER).unwrap_or(0);
                    let pause = backoff(rest, Duration::from_secs(2), BREAKER_MAX, None, rand::random());
                    self.store.leave_alone(pause).await?;
                }
            }
            Setback::Denied => tracing::error!(
                source = self.source.as_str(),
                "the vendor turns our credentials away; mend them in the settings of the source"
            ),
            Setback::Refused => tracing::error!(
                source = self.source.as_str(),
                resource.id = calendar.resource_id,
                "the vendor does not show us a calendar; share it with the account that the settings name, with its API switched on and \
                 the right to read calendars granted, or mend the alias"
            ),
        }
        Ok(())
    }
}

/// The word for it in the store and in metrics.
pub(crate) const fn word(setback: Setback) -> &'static str {
    match setback {
        Setback::Later(_) => "later",
        Setback::Denied => "denied",
        Setback::Refused => "refused",
    }
}
