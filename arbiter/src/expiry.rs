//! Ending waits: a deadline is data in the store, and its end is a request like any other.
//!
//! The wall clock only says when to ask. Whether the wait is over is decided by the log's time: a request that comes
//! too early writes nothing and is sent again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daybook_domain::{BookingId, Operation, Request, RequestId, SourceName, Timestamp, topics};
use daybook_runtime::admin::Health;
use daybook_runtime::clock;
use daybook_runtime::kafka::{Outgoing, Producer};
use daybook_wire::{Headers, encode_request, frame};
use tokio_util::sync::CancellationToken;

use crate::store::{Due, Store};
use crate::worker::{COMPONENT, Ids};

/// How long an answer is waited for before the same request is sent again.
const AGAIN: Duration = Duration::from_secs(10);

/// The partitions that are ours.
#[derive(Debug, Clone, Default)]
pub struct Owned(Arc<Mutex<BTreeMap<i32, usize>>>);

impl Owned {
    /// The partition is ours.
    pub fn gain(&self, partition: i32) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(partition).or_default() += 1;
    }

    /// A worker of the partition has ended. Another may have begun already, if the partition came back meanwhile.
    pub fn lose(&self, partition: i32) {
        let mut owned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(workers) = owned.get_mut(&partition) {
            *workers -= 1;
            if *workers == 0 {
                owned.remove(&partition);
            }
        }
    }

    fn all(&self) -> Vec<i32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}

/// Looks for waits that are over, and sends their `expire`, until shutdown.
pub async fn run(
    every: Duration,
    store: Store,
    producer: Producer,
    ids: Ids,
    owned: Owned,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(), std::convert::Infallible> {
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
        let due = match store.due(&owned.all(), now).await {
            Ok(due) => due,
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

async fn send(
    producer: &Producer,
    ids: Ids,
    due: &Due,
    now: Timestamp,
) -> Result<(), daybook_runtime::kafka::ProducerError> {
    let request = request(due, now);
    let value = frame(ids.request, &encode_request(&request));
    let outgoing = Outgoing {
        topic: topics::REQUESTS,
        partition: None,
        key: Some(due.resource.as_str().as_bytes()),
        value: Some(&value),
        headers: &Headers::new(),
    };
    producer.send_and_wait(outgoing).await.map(|_| ())
}

/// The same wait gives the same request, whoever sends it.
fn request(due: &Due, now: Timestamp) -> Request {
    let event_id = format!("{}:{}", due.booking_id, due.deadline.micros());
    Request {
        request_id: RequestId::derive("daybook/expire", &event_id, 0),
        resource: due.resource.clone(),
        source: SourceName::daybook(),
        event_id,
        sourced_at: Some(due.deadline),
        received_at: now,
        operation: Operation::Expire { booking_id: due.booking_id, deadline: due.deadline },
    }
}
