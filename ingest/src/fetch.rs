//! States that a source's deliveries only speak of: read from its topic, fetched from its API, and put on the same topic as
//! events of their own.
//!
//! Invariant: a delivery is done with once Kafka has what was fetched for it, or its dead letter; until then whoever has its
//! partition asks again, however often processes die. All processes of ingest share the partitions out as a group. What is
//! asked for later is newer, by the clocks of those who ask: keep them together within a second, as NTP does.
//!
//! What nobody can fetch, because the vendor is away or turns us away, waits, and no other source waits with it. What cannot be
//! fetched though others of its source can is a dead letter after some tries, which a replay asks for anew. Nothing here
//! ends the process: the door needs no vendor.
//! Absent on purpose: the vendor's answers, ids and addresses in logs and metrics.

mod want;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daybook_domain::{SourceName, Timestamp, topics};
use daybook_format::LISTED;
use daybook_ingest_core::TraceParent;
use daybook_ingest_core::fetch::{self, Answer, Because, How, State, calendly};
use daybook_runtime::admin::Health;
use daybook_runtime::brake::{self, Brakes};
use daybook_runtime::clock;
use daybook_runtime::kafka::{
    Consumer, ConsumerSpec, FromGroup, KafkaConfig, Outgoing, Partition, Producer, ProducerError, RECORD_CONTENT_MAX,
    Record,
};
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::prometheus::Registry;
use daybook_runtime::retry::{Advice, forever};
use daybook_runtime::service::Service;
use daybook_wire::{DeadLetter, Headers};
use sqlx::PgPool;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::want::Want;
use crate::account;
use crate::error::StartError;
use crate::listing::put_state;
use crate::metrics::IngestMetrics;
use crate::source::Sources;
use crate::vendor::{Reply, Vendor};

/// The group of all processes of ingest.
const GROUP: &str = "daybook-fetch";
/// Deliveries that are taken at once.
const BATCH: usize = 100;
/// Bookings of a partition that wait to be fetched, each with its delivery; with more, deliveries wait on Kafka.
const WANTS_MAX: usize = 256;
/// How long the group waits for a silent process.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// The most of an answer that is read: what a record on Kafka takes with its headers.
const BODY_MAX: usize = 1_024 * 1_024;
/// How long a vendor is left alone that turns our credentials away. Somebody has to mend them first.
const DENIED_FOR: Duration = Duration::from_secs(30);
/// How much farther off than those who list can put it a turn may be: clocks, and the way to the store. One that is farther yet is
/// asked for again, because the vendor wants to be left alone.
const TURN_SLACK: Duration = Duration::from_millis(500);
/// How long the store may take to give a turn, before this process goes by its own pace.
const STORE_MAX: Duration = Duration::from_secs(2);
/// How long it does so, before it asks the store again.
const STORE_AGAIN: Duration = Duration::from_secs(10);

/// One source whose states are fetched.
#[derive(Debug)]
struct Fetcher {
    source: SourceName,
    topic: String,
    how: How,
    attempts_max: u32,
    gone_max: u32,
    base: Option<String>,
    vendor: Vendor,
    /// Between two calls, of all processes together.
    pace: Duration,
    /// A turn that is farther off is not taken.
    turn_max: Duration,
    store: PgPool,
    store_away_until: Mutex<Option<Instant>>,
    producer: Producer,
    brakes: Brakes,
    metrics: IngestMetrics,
    /// How many bookings of the source were answered for, by all partitions: while it stands still, a failure says more
    /// about the vendor than about the booking.
    answered: AtomicU64,
    /// How many in a row were gone.
    gone: AtomicU32,
}

/// The partition went elsewhere, or the process is to end.
struct Revoked;

/// What became of a try.
enum Tried {
    /// Kafka has the state, or a dead letter.
    Settled,
    /// Try again in so long.
    Waits(Duration),
    /// Nothing of this source need be tried for a while.
    Denied,
}

/// Fetches for every source whose format says so, until shutdown.
pub fn start(
    kafka: &KafkaConfig,
    sources: &Sources,
    store: &PgPool,
    producer: &Producer,
    brakes: &Brakes,
    metrics: &IngestMetrics,
    service: &Service,
) -> Result<(), StartError> {
    let mut fetchers = BTreeMap::new();
    for source in sources.all() {
        let Some((how, api)) = &source.fetched else { continue };
        let pace = Duration::from_secs(1) / api.requests_per_second.get();
        let jobs = source.listings.as_ref().map_or(0, |listings| listings.jobs().count());
        let fetcher = Fetcher {
            source: source.name.clone(),
            topic: source.topic.clone(),
            how: how.clone(),
            attempts_max: api.attempts_max,
            gone_max: api.gone_in_a_row_max,
            base: api.base.clone(),
            vendor: Vendor::new(&source.name, api, None, store, metrics)?,
            pace,
            turn_max: turn_max(pace, jobs),
            store: store.clone(),
            store_away_until: Mutex::default(),
            producer: producer.clone(),
            brakes: brakes.clone(),
            metrics: metrics.clone(),
            answered: AtomicU64::default(),
            gone: AtomicU32::default(),
        };
        metrics.fetch_denied.with_label_values(&[source.name.as_str()]).set(0);
        metrics.fetch_waiting.with_label_values(&[source.name.as_str()]).set(0);
        fetchers.insert(source.topic.clone(), Arc::new(fetcher));
    }
    if fetchers.is_empty() {
        return Ok(());
    }
    let spec = ConsumerSpec {
        group: GROUP.to_owned(),
        topics: fetchers.keys().cloned().collect(),
        queue: BATCH,
        session_timeout: SESSION_TIMEOUT,
    };
    let life = service.life.clone();
    // The trail of events reads the same topics in this process, and the consumer's own figures are by topic and partition:
    // these would overwrite those. What waits here has a gauge of its own.
    let unseen = CommonMetrics::new(&Registry::new())?;
    // A health of its own, which nobody asks: the door is as ready with a vendor that is away.
    let mut consumer = Consumer::start(kafka, &spec, FromGroup, &life, &Health::new(), &unseen)?;
    service.life.spawn("fetching of states", async move {
        while let Some(partition) = consumer.partitions.recv().await {
            let Some(fetcher) = fetchers.get(&*partition.at.topic).cloned() else { continue };
            life.spawn("fetching for a partition", work(partition, fetcher));
        }
        consumer.join().await;
        Ok::<(), Infallible>(())
    });
    Ok(())
}

/// Fetches what a partition's deliveries speak of until it is revoked.
async fn work(mut partition: Partition<()>, fetcher: Arc<Fetcher>) -> Result<(), Infallible> {
    let revoked = partition.revoked.clone();
    let (mut wants, mut last, mut shown) = (Vec::<Want>::new(), None, 0);
    loop {
        let mut records = Vec::new();
        let due = wants.iter().map(|want| want.due).min();
        tokio::select! {
            biased;
            () = revoked.cancelled() => break,
            taken = partition.records.recv_many(&mut records, BATCH), if wants.len() < WANTS_MAX => {
                if taken == 0 {
                    break;
                }
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
        last = records.last().map(|record| record.offset).or(last);
        for record in records {
            fetcher.take(&mut wants, record);
        }
        fetcher.gauge(&mut shown, wants.len());
        if fetcher.round(&mut wants, &revoked).await.is_err() {
            break;
        }
        fetcher.gauge(&mut shown, wants.len());
        // Deliveries are done with in their order only.
        if let Some(last) = last.filter(|_| wants.is_empty()) {
            partition.progress.done_below(last + 1);
        }
    }
    fetcher.gauge(&mut shown, 0);
    fetcher.metrics.fetch_denied.with_label_values(&[fetcher.source.as_str()]).set(0);
    Ok(())
}

impl Fetcher {
    /// The partitions of a source share one gauge: each adds what has changed.
    fn gauge(&self, shown: &mut i64, waiting: usize) {
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.metrics.fetch_waiting.with_label_values(&[self.source.as_str()]).add(waiting - *shown);
        *shown = waiting;
    }

    /// Adds what a delivery speaks of: each booking once, because of the last delivery that speaks of it; of a booking that its source
    /// has told of, because of that, whatever is listed meanwhile.
    fn take(&self, wants: &mut Vec<Want>, record: Record) {
        let record = Arc::new(record);
        for mut want in want::of(&self.how, &record) {
            if let Some(at) = wants.iter().position(|earlier| earlier.id == want.id) {
                if wants[at].outweighs(&want) {
                    continue;
                }
                let earlier = wants.remove(at);
                (want.due, want.tries, want.waits) = (earlier.due, earlier.tries, earlier.waits);
            }
            want.seen = self.answered.load(Ordering::Relaxed);
            wants.push(want);
        }
    }

    /// Tries each that is due once; leaves those that have to be tried again.
    async fn round(&self, wants: &mut Vec<Want>, revoked: &CancellationToken) -> Result<(), Revoked> {
        if self.brakes.source(&self.source) {
            let later = Instant::now() + brake::LOOK;
            wants.iter_mut().for_each(|want| want.due = want.due.max(later));
            return Ok(());
        }
        let mut left = Vec::new();
        let mut denied = false;
        for mut want in std::mem::take(wants) {
            let now = Instant::now();
            if denied {
                want.due = want.due.max(now + DENIED_FOR);
            }
            if want.due > now {
                left.push(want);
                continue;
            }
            match self.attempt(&mut want, revoked).await? {
                Tried::Settled => {}
                Tried::Waits(wait) => {
                    want.due = Instant::now() + wait;
                    left.push(want);
                }
                Tried::Denied => {
                    denied = true;
                    want.due = Instant::now() + DENIED_FOR;
                    left.push(want);
                    tracing::error!(
                        source = self.source.as_str(),
                        "the vendor turns our credentials away; mend them in the settings of the source"
                    );
                }
            }
        }
        *wants = left;
        Ok(())
    }

    async fn attempt(&self, want: &mut Want, revoked: &CancellationToken) -> Result<Tried, Revoked> {
        let asked_at = clock::now();
        let (answer, states) = tokio::select! {
            answered = self.ask(want, asked_at) => answered,
            () = revoked.cancelled() => return Err(Revoked),
        };
        let held = answer == Answer::Gone && self.gone.fetch_add(1, Ordering::Relaxed) >= self.gone_max;
        self.metrics.fetched(self.source.as_str(), answer, held);
        match answer {
            // So many in a row are rather a wrong address than as many cancellations. One state, and they are believed.
            Answer::Gone if held => {
                want.waits += 1;
                tracing::error!(
                    source = self.source.as_str(),
                    "the vendor knows none of the bookings it speaks of; nothing of it is cancelled until it answers with a state"
                );
                Ok(Tried::Waits(fetch::delay(want.waits, None, rand::random())))
            }
            Answer::State => {
                self.gone.store(0, Ordering::Relaxed);
                self.settled(self.put(want, &states, asked_at, revoked).await)
            }
            // Somebody spoke of it, and there is nothing to be said of it.
            Answer::Gone if states.is_empty() && want.told.kind != LISTED => {
                self.settled(self.give_up(want, "fetch_refused", revoked).await)
            }
            Answer::Gone => self.settled(self.put(want, &states, asked_at, revoked).await),
            Answer::Never => self.settled(self.give_up(want, "fetch_refused", revoked).await),
            Answer::Denied => Ok(Tried::Denied),
            Answer::Later(told) => {
                // Others were answered for meanwhile, so it is this one.
                let answered = self.answered.load(Ordering::Relaxed);
                if answered != want.seen {
                    (want.seen, want.tries) = (answered, want.tries + 1);
                } else if let Some(pause) = told.filter(|_| !self.store_is_away()) {
                    // It is the account that is to wait, whoever asks for it; with the store away, this booking does.
                    let _ = timeout(STORE_MAX, account::leave_alone(&self.store, &self.source, pause)).await;
                }
                if want.tries >= self.attempts_max {
                    return self.settled(self.give_up(want, "fetch_failed", revoked).await);
                }
                want.waits += 1;
                Ok(Tried::Waits(fetch::delay(want.waits - 1, told, rand::random())))
            }
        }
    }

    /// Waits for a turn of the account's budget, which is that of all processes; while the store is away, for one of this process's.
    async fn turn(&self) {
        self.vendor.own_turn().await;
        while !self.store_is_away() {
            match timeout(STORE_MAX, account::turn(&self.store, &self.source, self.pace, self.turn_max)).await {
                Ok(Ok(Some(wait))) => return sleep(wait).await,
                // Others who fetch are before us, or the vendor wants to be left alone.
                Ok(Ok(None)) => sleep(TURN_SLACK.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await,
                Ok(Err(error)) if error.advice() == Advice::Stop => {
                    tracing::error!(
                        %error,
                        source = self.source.as_str(),
                        "postgresql refuses turns: states are fetched at this process's own pace"
                    );
                    self.set_store_away();
                }
                Ok(Err(error)) => {
                    tracing::warn!(
                        %error,
                        source = self.source.as_str(),
                        "the store is away: states are fetched at this process's own pace"
                    );
                    self.set_store_away();
                }
                Err(error) => {
                    tracing::warn!(
                        %error,
                        source = self.source.as_str(),
                        "the store does not answer: states are fetched at this process's own pace"
                    );
                    self.set_store_away();
                }
            }
        }
    }

    fn set_store_away(&self) {
        let mut away = self.store_away_until.lock().unwrap_or_else(PoisonError::into_inner);
        *away = Some(Instant::now() + STORE_AGAIN);
    }

    fn store_is_away(&self) -> bool {
        let away = self.store_away_until.lock().unwrap_or_else(PoisonError::into_inner);
        away.is_some_and(|until| Instant::now() < until)
    }

    /// Asks for the state of a booking. A connection that fails is an answer that does not come yet.
    async fn ask(&self, want: &Want, now: Timestamp) -> (Answer, Vec<State>) {
        let id = want.id.as_str();
        // Whoever listed it has taken the turn for its first call.
        if want.told.kind == LISTED && want.waits == 0 {
            self.vendor.own_turn().await;
        } else {
            self.turn().await;
        }
        match &self.how {
            How::Calendly => self.ask_calendly(id, now).await,
            How::Described(description) => {
                let Some(fetch) = &description.fetch else { return (Answer::Never, Vec::new()) };
                let address = fetch::address(fetch, self.base.as_deref(), id);
                let Some(reply) = self.vendor.json(&address, &fetch.headers, None, BODY_MAX).await else {
                    return (Answer::Later(None), Vec::new());
                };
                let wait = reply.retry_after.as_deref();
                let answer = fetch::judge(description, id, reply.status, wait, now, &reply.body);
                let states = match answer {
                    Answer::State => vec![fetch::fetched_state(id, fetch::kept(fetch, reply.body))],
                    Answer::Gone => vec![fetch::gone_state(id)],
                    Answer::Later(_) | Answer::Denied | Answer::Never => Vec::new(),
                };
                (answer, states)
            }
        }
    }

    /// The event, and all of its invitees: of half of them, nothing is said.
    async fn ask_calendly(&self, name: &str, now: Timestamp) -> (Answer, Vec<State>) {
        let reply = match self.get_of_calendly(calendly::event_path(name)).await {
            Ok(reply) => reply,
            Err(answer) => return (answer, Vec::new()),
        };
        let event = calendly::event(name, &reply.body);
        let told = |reply: &Reply, good: bool| {
            // What it says to be gone was never there, as far as its documents go: nobody is to be told of it.
            fetch::answered(good, &[404], reply.status, reply.retry_after.as_deref(), now, &reply.body)
        };
        let answer = told(&reply, event.is_some());
        let Some(event) = event.filter(|_| answer == Answer::State) else { return (answer, Vec::new()) };
        let (mut all, mut page) = (Vec::new(), None);
        for _ in 0..calendly::PAGES_MAX {
            self.turn().await;
            let reply = match self.get_of_calendly(calendly::invitees_path(name, page.as_deref())).await {
                Ok(reply) => reply,
                Err(answer) => return (answer, Vec::new()),
            };
            let found = calendly::invitees(name, &reply.body);
            let answer = told(&reply, found.is_some());
            let Some((invitees, next)) = found.filter(|_| answer == Answer::State) else {
                return (answer, Vec::new());
            };
            all.extend(invitees);
            page = next;
            if page.is_none() {
                return (Answer::State, calendly::states(&event, &all));
            }
        }
        (Answer::Never, Vec::new())
    }

    async fn get_of_calendly(&self, path: String) -> Result<Reply, Answer> {
        let base = self.base.as_deref().map_or(calendly::BASE, |base| base.trim_end_matches('/'));
        let reply = self.vendor.json(&format!("{base}{path}"), &BTreeMap::new(), None, BODY_MAX).await;
        reply.ok_or(Answer::Later(None))
    }

    fn settled(&self, sent: Result<(), Revoked>) -> Result<Tried, Revoked> {
        sent.map(|()| {
            self.answered.fetch_add(1, Ordering::Relaxed);
            Tried::Settled
        })
    }

    async fn put(
        &self,
        want: &Want,
        states: &[State],
        asked_at: Timestamp,
        revoked: &CancellationToken,
    ) -> Result<(), Revoked> {
        // An upstream system may have written anything there.
        let trace = want.told.traceparent.clone().filter(|text| text.parse::<TraceParent>().is_ok());
        let because = match (want.told.kind == LISTED, want.counts) {
            (false, _) => Because::Told,
            (true, true) => Because::Listed,
            (true, false) => Because::There,
        };
        for state in states {
            let record = fetch::record(&self.source, want.at, state, because, asked_at, trace.clone());
            let headers = record.event.headers();
            if want.counts {
                // What it was is looked into later; where that cannot be noted, a lost delivery is healed and not counted.
                if let Err(error) = put_state(&self.store, &self.source, &record.event.id, &record.key).await {
                    tracing::warn!(%error, source = self.source.as_str(), "not noted that a booking was listed");
                }
            }
            self.send(&self.topic, Some(record.key.as_bytes()), Some(&state.body), &headers, revoked).await?;
            tracing::info!(
                source = self.source.as_str(),
                event.id = record.event.id,
                event.of = want.told.id,
                state = record.event.kind,
                "state fetched"
            );
        }
        Ok(())
    }

    /// A dead letter: the delivery as it came, and why.
    async fn give_up(&self, want: &Want, reason: &'static str, revoked: &CancellationToken) -> Result<(), Revoked> {
        let attempts = want.waits + 1;
        let letter = DeadLetter {
            topic: want.record.topic.to_string(),
            partition: want.at.partition,
            offset: want.at.offset,
            stage: "ingest",
            reason,
            message:
                "(fetch): the vendor answers for other bookings and not for the one that this delivery speaks of; see \
                      to it there, then replay"
                    .to_owned(),
            item: None,
            attempts,
            first_failed_at: want.first_asked_at,
        };
        let (key, value) = (want.record.key.as_deref(), want.record.value.as_deref());
        let (value, headers) = letter.around(key, value, &want.record.headers, RECORD_CONTENT_MAX);
        self.send(topics::DLQ_NORMALIZER, key, value, &headers, revoked).await?;
        self.metrics.fetches_given_up_total.with_label_values(&[self.source.as_str(), reason]).inc();
        tracing::error!(source = self.source.as_str(), event.id = want.told.id, reason, attempts, "state not fetched");
        Ok(())
    }

    /// Sends until the broker has it. What no retry mends, a right that is missing, is for somebody to mend meanwhile.
    async fn send(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &Headers,
        revoked: &CancellationToken,
    ) -> Result<(), Revoked> {
        let once = async || {
            let outgoing = Outgoing { topic, partition: None, key, value, headers };
            self.producer.send_when_room(outgoing).await?.acknowledged().await.map(drop)
        };
        let sent = forever(
            revoked,
            once,
            |_: &ProducerError| Advice::Retry,
            |error| {
                if error.advice() == Advice::Stop {
                    tracing::error!(%error, source = self.source.as_str(), kafka.topic = topic, "kafka refuses a fetched state");
                } else {
                    tracing::warn!(%error, source = self.source.as_str(), "a fetched state was not acknowledged");
                }
            },
        );
        tokio::select! {
            sent = sent => sent.map_err(|_| Revoked),
            () = revoked.cancelled() => Err(Revoked),
        }
    }
}

/// How far off a turn may be that is taken. Each of the jobs that list has one turn ahead at the most, and takes the next the moment
/// that it comes; the first of those turns is within one pace, and the one after the last is one more: so whatever they list, a
/// turn for what webhooks tell of is never farther off than this.
fn turn_max(pace: Duration, jobs: usize) -> Duration {
    pace * u32::try_from(jobs + 1).unwrap_or(u32::MAX) + TURN_SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_much_is_listed_a_turn_for_what_webhooks_tell_of_is_never_too_far_off() {
        for (pace, jobs) in [(10, 3), (1_000, 0), (1_000, 1), (1_000, 3), (60_000, 3)] {
            let pace = Duration::from_millis(pace);
            let most = turn_max(pace, jobs);
            // As `take_turn` does it: when the next turn is free, and when those come that are taken.
            let (mut free_at, mut taken, mut farthest) = (Duration::ZERO, vec![Duration::ZERO; jobs], Duration::ZERO);
            for round in 0..1_000 {
                taken.sort_unstable();
                let Some(first) = taken.first_mut() else { break };
                let now = *first;
                *first = free_at.max(now);
                free_at = *first + pace;
                farthest = farthest.max(free_at - now);
                // Now and then something is fetched between.
                if round % 7 == 0 {
                    assert!(free_at - now <= most, "{pace:?}, {jobs} jobs: {:?} off", free_at - now);
                    free_at += pace;
                }
            }
            assert!(jobs == 0 || farthest >= pace, "the jobs hold turns");
        }
    }
}
