//! Ending waits, for a replacement or of a hold: a deadline is data in the store, and its end is a request like any other.
//!
//! The wall clock only says when to ask. Whether the wait is over is decided by the log's time: a request that comes
//! too early writes nothing and is sent again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arbiter_core::expire;
use arbiter_core::partition::Position;
use daybook_domain::{BookingId, Timestamp};
use daybook_runtime::admin::Health;
use daybook_runtime::clock;
use daybook_runtime::kafka::{Outgoing, Producer};
use daybook_runtime::postgres::StoreError;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::publish;
use crate::store::{Due, Store};
use crate::topics::Ids;
use crate::worker::COMPONENT;

/// How long an answer is waited for before the same request is sent again.
const AGAIN: Duration = Duration::from_secs(10);

/// The partitions that are ours, and where they stand.
#[derive(Debug, Clone, Default)]
pub struct Owned(Arc<Mutex<BTreeMap<i32, Own>>>);

#[derive(Debug, Default)]
struct Own {
    workers: usize,
    /// The highest epoch and offset that were committed.
    stands: (i64, i64),
}

impl Owned {
    /// The partition is ours.
    pub fn gain(&self, position: &Position) {
        self.own().entry(position.partition).or_default().workers += 1;
        self.stands(position);
    }

    /// The partition stands there, surely.
    pub fn stands(&self, position: &Position) {
        if let Some(own) = self.own().get_mut(&position.partition) {
            own.stands = own.stands.max((position.epoch, position.next_offset));
        }
    }

    /// A worker of the partition has ended. Another may have begun already, if the partition came back meanwhile.
    pub fn lose(&self, partition: i32) {
        let mut owned = self.own();
        if let Some(own) = owned.get_mut(&partition) {
            own.workers -= 1;
            if own.workers == 0 {
                owned.remove(&partition);
            }
        }
    }

    /// Each of them, with the epoch and the offset at which it stands at least.
    fn all(&self) -> Vec<(i32, i64, i64)> {
        let all = self.own();
        all.iter().map(|(partition, Own { stands: (epoch, offset), .. })| (*partition, *epoch, *offset)).collect()
    }

    fn own(&self) -> MutexGuard<'_, BTreeMap<i32, Own>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for waits that are over, and sends their `expire`, until shutdown. Fails once the store stands at an earlier time
/// than this process knows: an idle partition would not notice before its next request, and until then the topic would
/// hold what the store does not.
pub async fn run(
    every: Duration,
    store: Store,
    producer: Producer,
    ids: Ids,
    owned: Owned,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let mut sent: BTreeMap<(BookingId, Timestamp), Timestamp> = BTreeMap::new();
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        // An idle arbiter makes progress too: it looks.
        health.beat(COMPONENT);
        let now = clock::now();
        sent.retain(|_, at| now.since(*at) < AGAIN);
        // Taken before the store is asked: it cannot stand earlier, unless it was put back.
        let stands = owned.all();
        let due = match look(&store, &stands, now).await {
            Ok(Some(due)) => due,
            Ok(None) => return Err(Error::PutBack),
            Err(error) => {
                tracing::warn!(%error, "cannot look for waits that are over; trying again");
                continue;
            }
        };
        for due in due {
            if shutdown.is_cancelled() {
                return Ok(());
            }
            if sent.contains_key(&(due.booking_id, due.deadline)) {
                continue;
            }
            match send(&producer, ids, &due, now).await {
                Ok(()) => {
                    tracing::info!(booking.id = %due.booking_id, resource.id = %due.resource, "wait is over");
                    sent.insert((due.booking_id, due.deadline), now);
                }
                Err(error) => {
                    tracing::warn!(%error, booking.id = %due.booking_id, "cannot send an expire; trying again");
                }
            }
        }
    }
}

/// Waits that are over; none if the store stands where it cannot.
async fn look(store: &Store, stands: &[(i32, i64, i64)], now: Timestamp) -> Result<Option<Vec<Due>>, StoreError> {
    if store.is_behind(stands).await? {
        return Ok(None);
    }
    let partitions: Vec<i32> = stands.iter().map(|(partition, _, _)| *partition).collect();
    store.due(&partitions, now).await.map(Some)
}

async fn send(
    producer: &Producer,
    ids: Ids,
    due: &Due,
    now: Timestamp,
) -> Result<(), daybook_runtime::kafka::ProducerError> {
    let post = publish::request(&expire(due.resource.clone(), due.booking_id, due.deadline, now), None, ids);
    let outgoing = Outgoing {
        topic: post.topic,
        partition: post.partition,
        key: post.key.as_deref(),
        value: post.value.as_deref(),
        headers: &post.headers,
    };
    producer.send_and_wait(outgoing).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_came_back_stands_where_its_newer_worker_has_brought_it_until_the_last_worker_has_ended() {
        let owned = Owned::default();
        let at = |epoch, next_offset| Position { epoch, next_offset, ..Position::start(3) };
        owned.gain(&at(1, 10));
        owned.stands(&at(1, 12));
        owned.gain(&at(2, 12));
        owned.stands(&at(1, 15));
        assert_eq!(owned.all(), [(3, 2, 12)]);
        owned.lose(3);
        owned.stands(&at(2, 14));
        assert_eq!(owned.all(), [(3, 2, 14)]);
        owned.lose(3);
        owned.stands(&at(2, 16));
        assert_eq!(owned.all(), []);
    }
}
