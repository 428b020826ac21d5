//! [`Topics`] over the topics in memory: each record goes through its process's client.

use std::sync::Arc;

use daybook_runtime::kafka::{ProducerError, Record, TailError};
use daybook_runtime::registry::RegistryError;
use daybook_wire::LoggedDecision;

use super::bug::{self, Bug};
use super::host::{Host, Lost};
use crate::canonical::{Watch, WeakWatch};
use crate::error::Error;
use crate::intake::{Content, Entry, Unreadable};
use crate::ports::{Post, Published, PublishedDecisions, Topics};

/// A process's Kafka client and registry.
#[derive(Debug, Clone)]
pub struct SimTopics(pub Arc<Host>);

impl From<Lost> for RegistryError {
    fn from(_: Lost) -> Self {
        Self::Away("lost".to_owned())
    }
}

impl From<Lost> for ProducerError {
    fn from(_: Lost) -> Self {
        Self::QueueFull
    }
}

impl From<Lost> for TailError {
    fn from(_: Lost) -> Self {
        Self::Missing { topic: "lost".to_owned() }
    }
}

impl Topics for SimTopics {
    async fn read(&self, record: &Record) -> Result<Entry, RegistryError> {
        self.0.point("read").await?;
        let world = self.0.sim.world();
        let offset = usize::try_from(record.offset).unwrap_or(usize::MAX);
        let asked = world.broker.requests(record.partition)[offset].clone();
        let mut content = asked.content.clone();
        if asked.unknown_until.is_some_and(|until| world.now() < until) {
            content = Content::Unreadable(asked.request().map(|request| request.resource.clone()), Unreadable::Schema);
        }
        Ok(Entry { offset: record.offset, timestamp: record.timestamp, traceparent: None, content })
    }

    async fn decision(&self, value: &[u8]) -> Result<Option<LoggedDecision>, RegistryError> {
        self.0.point("decision").await?;
        Ok(self.0.sim.world().broker.decision(value).map(|read| (*read).clone()))
    }

    async fn published_from(&self, partition: i32, seq: i64) -> Result<PublishedDecisions, Error> {
        self.0.point("published: ask").await.map_err(TailError::from)?;
        let landed = self.0.sim.world().broker.decisions(partition).to_vec();
        self.0.point("published: answer").await.map_err(TailError::from)?;
        let mut found = PublishedDecisions::new();
        for record in landed {
            let logged = record.says.ok_or_else(|| Error::Disagreement("no decision".to_owned()))?;
            let logged = (*logged).clone();
            let at = logged.seq;
            let published = Published { logged, bytes: record.value };
            if at >= seq
                && let Some(other) = found.insert(at, published.clone())
                && other != published
            {
                return Err(Error::Disagreement(format!("two decisions of seq {at}")));
            }
        }
        Ok(found)
    }

    async fn put(&self, posts: &[Post]) -> Result<(), ProducerError> {
        self.0.point("put: begin").await?;
        let (room, impatient) = {
            let mut world = self.0.sim.world();
            let full = world.fault(|profile| profile.unacknowledged);
            let room = if full { world.dice.below(posts.len() + 1) } else { posts.len() };
            let impatient = world.fault(|profile| profile.unacknowledged);
            (room, impatient.then(|| world.dice.below(posts.len() + 1)))
        };
        let mut sending = Vec::with_capacity(room);
        for post in &posts[..room] {
            sending.push(self.0.send(post.clone()));
        }
        if room < posts.len() {
            self.0.sim.world().count("no room");
            return Err(ProducerError::QueueFull);
        }
        for (nth, acknowledged) in sending.into_iter().enumerate() {
            if impatient == Some(nth) {
                self.0.sim.world().count("produced, but an error");
                return Err(ProducerError::QueueFull);
            }
            if !acknowledged.await.unwrap_or(false) {
                return Err(ProducerError::QueueFull);
            }
        }
        self.0.point("put: end").await?;
        Ok(())
    }

    fn watch_canonical(&self, partition: i32, from: i64, watch: &Watch) {
        if !bug::is(Bug::NoLastWord) {
            let host = Arc::clone(&self.0);
            self.0.spawn(follow(host, partition, from, watch.downgrade()));
        }
    }
}

/// Tells the watch what lands, as long as somebody watches.
async fn follow(host: Arc<Host>, partition: i32, from: i64, watch: WeakWatch) {
    let mut next = usize::try_from(from).unwrap_or_default();
    loop {
        let landed = host.sim.landed.notified();
        let delay = {
            let mut world = host.sim.world();
            world.fault(|profile| profile.delay).then(|| world.dice.millis(1, 3_000))
        };
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        host.thawed().await;
        let new: Vec<_> = {
            let world = host.sim.world();
            world.broker.canonical(partition)[next..].iter().map(|landed| landed.says.clone()).collect()
        };
        next += new.len();
        let Some(watch) = watch.upgrade() else { return };
        for booking in new.into_iter().flatten() {
            watch.landed(booking.booking_id, booking.version);
        }
        drop(watch);
        landed.await;
    }
}
