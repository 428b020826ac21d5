//! Publishing what is stored: what follows from decisions, the decisions in order of `seq`, and each touched booking's
//! current row.
//!
//! One loop a partition. It sends a group, and waits until the brokers have all of it before the next. Its producer never
//! gives a record up, because a record that is given up and followed by another would be a gap. What follows from a
//! decision, and the rows of its bookings, are acknowledged before the decision is sent: a decision that is on the topic
//! has had its consequences, and the last one there tells a successor where to begin.

use std::pin::pin;
use std::time::Duration;

use daybook_domain::{BookingId, Decision, Request, topics};
use daybook_runtime::kafka::ProducerError;
use daybook_runtime::lifecycle::Lifecycle;
use daybook_runtime::retry::Advice;
use daybook_wire::{CanonicalBooking, Headers, encode_booking, encode_request, frame, header};
use tokio::sync::mpsc;

use crate::batch::{Decided, Ready};
use crate::canonical::Watch;
use crate::metrics::Metrics;
use crate::ports::{Books, Post, StoredDecision, Topics};
use crate::topics::Ids;

/// Decisions that are sent together at most: those whose acknowledgements a process can miss. The same in every process and
/// at every setting: nobody knows who published last.
pub const TOGETHER: usize = 1_000;
/// How long to wait after something was not acknowledged.
const AGAIN: Duration = Duration::from_millis(100);
/// How long after its claim a partition begins to follow `booking.canonical`, some way back: what waits for a decision after a
/// takeover goes first.
const FOLLOW_AFTER: Duration = Duration::from_secs(2);
/// Suspects that are compared with the store at a time, so that what was decided meanwhile does not wait for all of them.
const COMPARED: usize = 1_000;

/// A booking's row on its way.
#[derive(Debug)]
struct Current {
    booking: BookingId,
    version: u64,
    post: Post,
}

/// A commit, to be published.
#[derive(Debug)]
pub enum Commit {
    /// A batch.
    Decided {
        /// What was committed.
        decided: Box<Decided>,
        /// The last `seq` that is on the topic already.
        published: i64,
    },
    /// What a predecessor committed.
    Recovered(Group),
}

/// What one commit gave to publish.
#[derive(Debug, Default)]
pub struct Group {
    /// Requests to other resources, and the current rows of bookings. First.
    consequences: Vec<Post>,
    /// How many of them are requests.
    follow_ups: u64,
    /// What the others show.
    versions: Vec<(BookingId, u64)>,
    decisions: Vec<Post>,
}

impl Group {
    /// What a committed batch gives, but for decisions up to `published`, which are on the topic.
    pub fn of(decided: &Decided, published: i64, ids: Ids) -> Self {
        let partition = decided.after.partition;
        let trace = |seq: i64| {
            let at = decided.decisions.binary_search_by_key(&seq, |ready| ready.logged.seq).ok()?;
            decided.decisions[at].traceparent.as_deref()
        };
        let visible = decided
            .bookings
            .iter()
            .filter(|touched| touched.before.as_ref().is_none_or(|before| before.version < touched.row.state.version));
        let fresh = || decided.decisions.iter().filter(move |ready| ready.logged.seq > published);
        Self::new(
            fresh().filter_map(|ready| follow_up(&ready.logged.decision, ready.traceparent.as_deref(), ids)),
            visible.map(|touched| {
                let zone = decided.zones.get(&touched.row.resource).cloned();
                booking(&touched.row.canonical(zone), partition, trace(touched.row.seq), ids)
            }),
            fresh().map(|ready| decision(ready, partition)),
        )
    }

    /// What a successor finds unpublished: stored decisions, each with what it says if it can be read, and bookings.
    pub fn recovered(
        decisions: Vec<(StoredDecision, Option<Decision>)>,
        bookings: &[CanonicalBooking],
        partition: i32,
        ids: Ids,
    ) -> Self {
        let follow_ups: Vec<Post> = decisions
            .iter()
            .filter_map(|(_, read)| read.as_ref().and_then(|decision| follow_up(decision, None, ids)))
            .collect();
        Self::new(
            follow_ups.into_iter(),
            bookings.iter().map(|current| booking(current, partition, None, ids)),
            decisions.into_iter().map(|(stored, _)| {
                post(topics::DECISIONS, Some(partition), stored.resource.into_bytes(), stored.record, None)
            }),
        )
    }

    fn new(
        follow_ups: impl Iterator<Item = Post>,
        bookings: impl Iterator<Item = Current>,
        decisions: impl Iterator<Item = Post>,
    ) -> Self {
        let mut group = Self { consequences: follow_ups.collect(), ..Self::default() };
        group.follow_ups = u64::try_from(group.consequences.len()).unwrap_or(u64::MAX);
        for Current { booking, version, post } in bookings {
            group.versions.push((booking, version));
            group.consequences.push(post);
        }
        group.decisions = decisions.collect();
        group
    }

    fn len(&self) -> i64 {
        i64::try_from(self.decisions.len()).unwrap_or(i64::MAX)
    }
}

/// A request of the arbiter's own.
pub fn request(request: &Request, traceparent: Option<&str>, ids: Ids) -> Post {
    let key = request.resource.to_string().into_bytes();
    post(topics::REQUESTS, None, key, frame(ids.request, &encode_request(request)), traceparent)
}

fn follow_up(decision: &Decision, traceparent: Option<&str>, ids: Ids) -> Option<Post> {
    arbiter_core::follow_up(decision).map(|follow_up| request(&follow_up, traceparent, ids))
}

fn decision(ready: &Ready, partition: i32) -> Post {
    let key = ready.logged.decision.resource.to_string().into_bytes();
    post(topics::DECISIONS, Some(partition), key, ready.bytes.clone(), ready.traceparent.as_deref())
}

/// On the partition of its resource, whatever its key is.
fn booking(booking: &CanonicalBooking, partition: i32, traceparent: Option<&str>, ids: Ids) -> Current {
    let key = booking.booking_id.to_string().into_bytes();
    let value = frame(ids.booking, &encode_booking(booking));
    Current {
        booking: booking.booking_id,
        version: booking.version,
        post: post(topics::CANONICAL, Some(partition), key, value, traceparent),
    }
}

fn post(topic: &'static str, partition: Option<i32>, key: Vec<u8>, value: Vec<u8>, traceparent: Option<&str>) -> Post {
    let mut headers = Headers::new();
    headers.set_some(header::TRACEPARENT, traceparent);
    Post { topic, partition, key: Some(key), value: Some(value), headers }
}

/// Publishes one partition's groups.
#[derive(Debug)]
pub struct Publisher<'a, B, T> {
    /// The store, for the current row of a booking whose older version landed last.
    pub books: &'a B,
    /// Where to.
    pub topics: &'a T,
    /// The partition.
    pub partition: i32,
    /// Where to begin to follow `booking.canonical`.
    pub canonical_from: i64,
    /// The schemas' ids.
    pub ids: Ids,
    /// What lands on `booking.canonical`.
    pub watch: &'a Watch,
    /// Ended when something can never be published.
    pub life: &'a Lifecycle,
    /// What is counted.
    pub metrics: &'a Metrics,
}

impl<B: Books, T: Topics> Publisher<'_, B, T> {
    /// Publishes groups until the worker has no more of them.
    pub async fn run(&self, mut commits: mpsc::Receiver<Commit>) {
        let mut begun = pin!(tokio::time::sleep(FOLLOW_AFTER));
        let mut following = false;
        let unpublished = self.metrics.unpublished.with_label_values(&[&self.partition.to_string()]);
        loop {
            let commit = tokio::select! {
                biased;
                () = &mut begun, if !following => {
                    following = true;
                    self.topics.watch_canonical(self.partition, self.canonical_from, self.watch);
                    continue;
                }
                commit = commits.recv() => commit,
                () = self.watch.suspected() => Some(Commit::Recovered(Group::default())),
            };
            let group = match commit {
                None => return,
                Some(Commit::Decided { decided, published }) => Group::of(&decided, published, self.ids),
                Some(Commit::Recovered(group)) => group,
            };
            unpublished.add(group.len());
            let published = self.group(&group).await;
            unpublished.sub(group.len());
            if published.is_err() {
                return;
            }
            self.mend().await;
        }
    }

    /// Until it is published, or never can be.
    async fn group(&self, group: &Group) -> Result<(), ProducerError> {
        for (booking, version) in &group.versions {
            self.watch.publishing(*booking, *version);
        }
        self.insistently(&group.consequences).await?;
        self.metrics.follow_ups_total.inc_by(group.follow_ups);
        for decisions in group.decisions.chunks(TOGETHER) {
            self.insistently(decisions).await?;
        }
        Ok(())
    }

    async fn insistently(&self, posts: &[Post]) -> Result<(), ProducerError> {
        if posts.is_empty() {
            return Ok(());
        }
        while let Err(error) = self.topics.put(posts).await {
            if error.advice() == Advice::Stop {
                let partition = self.partition;
                self.life.die(&format!("what partition {partition} decided cannot be published: {error}"));
                return Err(error);
            }
            tracing::warn!(%error, kafka.partition = self.partition, "publishing again what was not acknowledged");
            tokio::time::sleep(AGAIN).await;
        }
        Ok(())
    }

    /// Puts the current row of each suspect on the topic again, if it is newer than what landed last.
    async fn mend(&self) {
        let suspects = self.watch.take(COMPARED);
        if suspects.is_empty() {
            return;
        }
        let newer = match self.books.newer(self.partition, &suspects).await {
            Ok(newer) => newer,
            Err(error) => {
                tracing::warn!(%error, kafka.partition = self.partition, "cannot compare what landed; trying again");
                tokio::time::sleep(AGAIN).await;
                self.watch.put_back(suspects);
                return;
            }
        };
        for row in &newer {
            let Current { booking: id, version, post } = booking(row, self.partition, None, self.ids);
            self.watch.publishing(id, version);
            if self.insistently(&[post]).await.is_err() {
                return;
            }
            self.metrics.canonical_mended_total.inc();
            tracing::warn!(
                kafka.partition = self.partition,
                booking.id = %id,
                "an older version landed after a newer: the current row is published again"
            );
        }
    }
}
