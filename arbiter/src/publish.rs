//! Publishing what is stored: what follows from decisions, the decisions in order of `seq`, and each touched booking's
//! current row.
//!
//! One loop a partition. It sends a group and waits until the brokers have all of it before the next, so that after a
//! crash no more than one group, or [`TOGETHER`] decisions of it, can be in doubt; a successor sends that again, byte for
//! byte. Its producer never gives a record up, because a record that is given up and followed by another would be a gap.
//! What follows from a decision is acknowledged before the decision is sent: a decision that is on the topic has had its
//! consequence.

use std::time::Duration;

use arbiter_core::follow_up;
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

/// Decisions that are sent together at most, with the bookings of all of their group before them: what a successor goes
/// back by. The same in every process and at every setting: nobody knows who published last, and in groups of which size.
pub const TOGETHER: usize = 1_000;
/// How long to wait after something was not acknowledged.
const AGAIN: Duration = Duration::from_millis(100);

/// A booking's row on its way.
#[derive(Debug)]
struct Current {
    booking: BookingId,
    version: u64,
    post: Post,
}

/// What one commit gave to publish.
#[derive(Debug, Default)]
pub struct Group {
    /// Requests to other resources. First.
    follow_ups: Vec<Post>,
    bookings: Vec<Current>,
    decisions: Vec<Post>,
}

impl Group {
    /// What a committed batch gives, but for decisions up to `published`, which are on the topic.
    pub fn of(decided: &Decided, published: i64, ids: Ids) -> Self {
        let partition = decided.after.partition;
        let trace = |seq: i64| {
            let found = decided.decisions.iter().find(|ready| ready.logged.seq == seq);
            found.and_then(|ready| ready.traceparent.as_deref())
        };
        let visible = decided
            .bookings
            .iter()
            .filter(|touched| touched.before.as_ref().is_none_or(|before| before.version < touched.row.state.version));
        let fresh = || decided.decisions.iter().filter(move |ready| ready.logged.seq > published);
        Self {
            follow_ups: fresh()
                .filter_map(|ready| consequence(&ready.logged.decision, ready.traceparent.as_deref(), ids))
                .collect(),
            bookings: visible
                .map(|touched| {
                    let zone = decided.zones.get(&touched.row.resource).cloned();
                    booking(&touched.row.canonical(zone), partition, trace(touched.row.seq), ids)
                })
                .collect(),
            decisions: fresh().map(|ready| decision(ready, partition)).collect(),
        }
    }

    /// What a successor finds unpublished: stored decisions, each with what it says if it can be read, and bookings.
    pub fn recovered(
        decisions: Vec<(StoredDecision, Option<Decision>)>,
        bookings: &[CanonicalBooking],
        partition: i32,
        ids: Ids,
    ) -> Self {
        let read = decisions.iter().filter_map(|(_, read)| read.as_ref());
        Self {
            follow_ups: read.filter_map(|decision| consequence(decision, None, ids)).collect(),
            bookings: bookings.iter().map(|current| booking(current, partition, None, ids)).collect(),
            decisions: decisions
                .into_iter()
                .map(|(stored, _)| {
                    post(topics::DECISIONS, Some(partition), stored.resource.into_bytes(), stored.record, None)
                })
                .collect(),
        }
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

fn consequence(decision: &Decision, traceparent: Option<&str>, ids: Ids) -> Option<Post> {
    follow_up(decision).map(|follow_up| request(&follow_up, traceparent, ids))
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
    /// See [`TOGETHER`].
    pub together: usize,
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
    pub async fn run(&self, mut groups: mpsc::Receiver<Group>) {
        let unpublished = self.metrics.unpublished.with_label_values(&[&self.partition.to_string()]);
        loop {
            let group = tokio::select! {
                biased;
                group = groups.recv() => group,
                () = self.watch.suspected() => Some(Group::default()),
            };
            let Some(group) = group else { return };
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
        self.insistently(&group.follow_ups).await?;
        #[allow(clippy::cast_possible_truncation, reason = "a group has thousands of records at most")]
        self.metrics.follow_ups_total.inc_by(group.follow_ups.len() as u64);
        let mut posts = Vec::with_capacity(group.bookings.len() + group.decisions.len());
        for current in &group.bookings {
            self.watch.publishing(current.booking, current.version);
            posts.push(current.post.clone());
        }
        let (first, rest) = group.decisions.split_at(self.together.min(group.decisions.len()));
        posts.extend(first.iter().cloned());
        self.insistently(&posts).await?;
        for next in rest.chunks(self.together) {
            self.insistently(next).await?;
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
        let suspects = self.watch.take();
        if suspects.is_empty() {
            return;
        }
        let current = match self.books.bookings(self.partition, &suspects.keys().copied().collect()).await {
            Ok(current) => current,
            Err(error) => {
                tracing::warn!(%error, kafka.partition = self.partition, "cannot compare what landed; trying again");
                tokio::time::sleep(AGAIN).await;
                self.watch.put_back(suspects);
                return;
            }
        };
        for row in
            current.iter().filter(|row| suspects.get(&row.booking_id).is_some_and(|landed| *landed < row.version))
        {
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
