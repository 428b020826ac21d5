//! What a partition begins with: the topic and the store compared, and what the store has published.

use std::collections::{BTreeMap, BTreeSet};

use daybook_domain::{BookingId, Decision, OperationKind, Outcome, Rejection};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::batch::Ruled;
use crate::error::Error;
use crate::intake::{Content, Entry, Unreadable};
use crate::ownership::{Claim, LastPublished};
use crate::patience::send;
use crate::ports::{Books, Published, PublishedDecisions, StoredDecision, Topics};
use crate::publish::{Commit, Group};
use crate::worker::{COMPONENT, Worker};

/// Decisions that one recovered group holds.
const RECOVER: i64 = 1_000;

/// Decisions that are on the topic while the store has lost their commits. They are made again and must come out as the
/// same bytes.
#[derive(Debug, Default)]
pub struct Again {
    published: PublishedDecisions,
    last: i64,
}

impl Again {
    /// Up to which `seq` decisions are on the topic.
    pub const fn last(&self) -> i64 {
        self.last
    }

    /// The verdicts that were published for these records: they were made without the core, and are taken as input.
    pub fn verdicts(&self, entries: &[Entry]) -> BTreeMap<i64, Rejection> {
        let offsets: BTreeSet<i64> = entries.iter().map(|entry| entry.offset).collect();
        let decisions = self.published.values().map(|published| &published.logged);
        decisions
            .filter(|logged| offsets.contains(&logged.offset))
            .filter_map(|logged| {
                let Outcome::Rejected(verdict) = &logged.decision.outcome else { return None };
                let made_here = matches!(verdict, Rejection::ConflictByStore | Rejection::Internal);
                made_here.then(|| (logged.offset, verdict.clone()))
            })
            .collect()
    }

    /// Records that nobody could read then are read no better now.
    pub fn unread(&self, entries: &mut [Entry]) {
        let unread: BTreeMap<i64, &Decision> = self
            .published
            .values()
            .filter(|published| {
                let decision = &published.logged.decision;
                decision.operation == OperationKind::Unknown
                    && decision.outcome == Outcome::Rejected(Rejection::Undecodable)
            })
            .map(|published| (published.logged.offset, &published.logged.decision))
            .collect();
        for entry in entries {
            if let (Content::Request(_), Some(decision)) = (&entry.content, unread.get(&entry.offset)) {
                let resource = Some(decision.resource.clone()).filter(|resource| resource.as_str() != "unknown");
                entry.content = Content::Unreadable(resource, Unreadable::Schema);
            }
        }
    }

    /// Whether what was decided again is what is on the topic.
    pub fn compare(&self, ruled: &Ruled) -> Result<(), Error> {
        for (_, placed) in &ruled.decisions {
            let seq = placed.logged.seq;
            match self.published.get(&seq) {
                Some(published) if published.bytes != placed.bytes => {
                    let why = format!("seq {seq}, decided again, is not what booking.decisions has");
                    return Err(Error::Disagreement(why));
                }
                Some(_) => {}
                None if seq <= self.last => {
                    return Err(Error::Disagreement(format!("booking.decisions lacks seq {seq}")));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Whether nothing is to be decided again any more.
    pub fn is_over(&self) -> bool {
        self.published.is_empty()
    }

    /// Forgets what is in the store again; says how many that were.
    pub fn done_below(&mut self, next_seq: i64) -> usize {
        let before = self.published.len();
        self.published = self.published.split_off(&next_seq);
        before - self.published.len()
    }
}

/// What the store has and the topics may lack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unpublished {
    /// The bookings that decisions after this one have touched.
    pub after: i64,
    /// The decisions after this one: further on, where decisions on the topic had to be made again.
    pub published: i64,
    /// Up to, not including, this one.
    pub next_seq: i64,
}

impl<B: Books, T: Topics> Worker<B, T> {
    /// Compares the topic with the store. [`Error::Disagreement`] if they contradict each other: then the store was put
    /// back to an earlier time, or the topic is not this store's, and publishing on would contradict what others have
    /// read. What the topic has beyond the store is to be decided again.
    pub(crate) async fn compare(&self, claim: &Claim, revoked: &CancellationToken) -> Result<Again, Error> {
        match self.compare_with_claim(claim, revoked).await {
            Err(error @ Error::Disagreement(_)) => {
                // Unless the store was put back since the claim, and another claim would find no contradiction.
                self.moved(&claim.position, revoked).await?;
                Err(error)
            }
            result => result,
        }
    }

    async fn compare_with_claim(&self, claim: &Claim, revoked: &CancellationToken) -> Result<Again, Error> {
        let Claim { position, published, log: (begin, end), .. } = claim;
        let disagree = |why: String| Err(Error::Disagreement(why));
        if !(*begin..=*end).contains(&position.next_offset) {
            let next = position.next_offset;
            return disagree(format!(
                "the store's next offset is {next}, and booking.requests goes from {begin} to {end}"
            ));
        }
        let (seq, bytes) = match published {
            LastPublished::Nothing => return Ok(Again::default()),
            LastPublished::Foreign => {
                return disagree("the last record of booking.decisions is no decision".to_owned());
            }
            LastPublished::Decision { seq, bytes } => (*seq, bytes),
        };
        if seq < position.next_seq {
            self.same_as_stored(position.partition, seq, Some(bytes), revoked).await?;
            return Ok(Again { last: seq, ..Again::default() });
        }
        let last_stored = position.next_seq - 1;
        let mut published = self
            .patiently(revoked, async || self.topics.published_from(position.partition, last_stored.max(1)).await)
            .await?;
        if last_stored > 0 {
            let bytes = published.remove(&last_stored).map(|published| published.bytes);
            self.same_as_stored(position.partition, last_stored, bytes.as_ref(), revoked).await?;
        }
        let lost = published.values().map(|published: &Published| published.logged.offset).max();
        if let Some(offset) = lost.filter(|offset| offset >= end) {
            return disagree(format!(
                "booking.decisions has decided offset {offset}, and booking.requests ends at {end}"
            ));
        }
        tracing::error!(
            kafka.partition = position.partition,
            records = published.len(),
            "the store has lost commits: deciding again, and comparing with booking.decisions"
        );
        let last = published.keys().next_back().copied().unwrap_or(last_stored);
        Ok(Again { published, last })
    }

    async fn same_as_stored(
        &self,
        partition: i32,
        seq: i64,
        published: Option<&Vec<u8>>,
        revoked: &CancellationToken,
    ) -> Result<(), Error> {
        let stored = self.patiently(revoked, async || Ok(self.books.decisions_after(partition, seq - 1, 1).await?));
        let stored = stored.await?.into_iter().find(|decision| decision.seq == seq);
        let why = match (stored, published) {
            (Some(stored), Some(published)) if stored.record == *published => return Ok(()),
            (Some(_), Some(_)) => format!("seq {seq} on booking.decisions is not the stored one"),
            (None, _) => format!("seq {seq} on booking.decisions is not in the store"),
            (Some(_), None) => {
                format!("seq {seq}, which the store has, is not on booking.decisions, and later ones are")
            }
        };
        Err(Error::Disagreement(why))
    }

    /// Holds the partition and does nothing, loudly, until somebody has mended the disagreement.
    pub(crate) async fn stand_still(&self, partition: i32, why: &str, revoked: &CancellationToken) {
        tracing::error!(
            kafka.partition = partition,
            error = why,
            "partition stopped: the topic and the store disagree"
        );
        self.health.waiting(COMPONENT, "a person: the topic and the store disagree");
        self.metrics.partitions_stopped.inc();
        revoked.cancelled().await;
        self.metrics.partitions_stopped.dec();
    }

    /// Publishes what the store has and the topics lack.
    pub(crate) async fn recover(
        &self,
        partition: i32,
        span: Unpublished,
        groups: &mpsc::Sender<Commit>,
        revoked: &CancellationToken,
    ) -> Result<(), Error> {
        let Unpublished { mut after, published, next_seq } = span;
        while after + 1 < next_seq {
            let stored =
                self.patiently(revoked, async || Ok(self.books.decisions_after(partition, after, RECOVER).await?));
            let stored = stored.await?;
            let Some(last) = stored.last().map(|decision| decision.seq) else { return Ok(()) };
            after = last;
            let group = self.recovered(partition, published, stored, revoked).await?;
            send(groups, Commit::Recovered(group), revoked).await?;
        }
        Ok(())
    }

    async fn recovered(
        &self,
        partition: i32,
        published: i64,
        stored: Vec<StoredDecision>,
        revoked: &CancellationToken,
    ) -> Result<Group, Error> {
        let mut touched: BTreeSet<BookingId> = BTreeSet::new();
        let mut decisions = Vec::new();
        for stored in stored {
            let read = self.patiently(revoked, async || Ok(self.topics.decision(&stored.record).await?)).await?;
            let decision = read.map(|logged| logged.decision);
            if let Some(decision) = &decision {
                touched.extend(decision.booking.as_ref().map(|booking| booking.booking_id));
                touched.extend(decision.absorbed.iter().copied());
            }
            if stored.seq > published {
                decisions.push((stored, decision));
            }
        }
        if !decisions.is_empty() {
            tracing::info!(
                kafka.partition = partition,
                records = decisions.len(),
                "publishing decisions that a predecessor committed"
            );
        }
        let touched = touched.into_iter().map(|booking| (booking, 0)).collect();
        let bookings = self.patiently(revoked, async || Ok(self.books.newer(partition, &touched).await?)).await?;
        Ok(Group::recovered(decisions, &bookings, partition, self.ids))
    }
}

#[cfg(test)]
mod tests;
