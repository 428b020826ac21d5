//! Publishing what is stored: the decisions in order of `seq`, and each touched booking's current row.
//!
//! One task a partition. It sends a group and waits until the brokers have all of it before the next, so that after a
//! crash no more than one group can be in doubt; a successor sends that again, byte for byte. Its producer never gives
//! a record up, because a record that is given up and followed by another would be a gap.

use daybook_domain::{BookingId, topics};
use daybook_runtime::kafka::{Outgoing, Producer, ProducerError};
use daybook_runtime::lifecycle::Lifecycle;
use daybook_runtime::retry::Advice;
use daybook_wire::{CanonicalBooking, Headers, encode_booking, frame, header};
use tokio::sync::mpsc;

use crate::batch::{Decided, Ready};
use crate::metrics::Metrics;
use crate::store::StoredDecision;
use crate::worker::Ids;

/// A decision's record.
#[derive(Debug)]
pub struct DecisionRecord {
    resource: String,
    value: Vec<u8>,
    traceparent: Option<String>,
}

/// A booking's record.
#[derive(Debug)]
pub struct BookingRecord {
    booking_id: BookingId,
    value: Vec<u8>,
    traceparent: Option<String>,
}

/// What one commit gave to publish.
#[derive(Debug, Default)]
pub struct Group {
    decisions: Vec<DecisionRecord>,
    bookings: Vec<BookingRecord>,
}

impl Group {
    /// What a committed batch gives.
    pub fn of(decided: &Decided, ids: Ids) -> Self {
        let traces = |seq: i64| {
            let found = decided.decisions.iter().find(|ready| ready.logged.seq == seq);
            found.and_then(|ready| ready.traceparent.clone())
        };
        let visible = decided
            .bookings
            .iter()
            .filter(|touched| touched.before.as_ref().is_none_or(|before| before.version < touched.row.state.version));
        Self {
            decisions: decided.decisions.iter().map(Into::into).collect(),
            bookings: visible
                .map(|touched| {
                    let zone = decided.zones.get(&touched.row.resource).cloned();
                    Self::booking(&touched.row.canonical(zone), ids, traces(touched.row.seq))
                })
                .collect(),
        }
    }

    /// What a successor finds unpublished.
    pub fn recovered(decisions: Vec<StoredDecision>, bookings: &[CanonicalBooking], ids: Ids) -> Self {
        Self {
            decisions: decisions
                .into_iter()
                .map(|stored| DecisionRecord { resource: stored.resource, value: stored.record, traceparent: None })
                .collect(),
            bookings: bookings.iter().map(|booking| Self::booking(booking, ids, None)).collect(),
        }
    }

    fn booking(booking: &CanonicalBooking, ids: Ids, traceparent: Option<String>) -> BookingRecord {
        let value = frame(ids.booking, &encode_booking(booking));
        BookingRecord { booking_id: booking.booking_id, value, traceparent }
    }

    fn len(&self) -> i64 {
        i64::try_from(self.decisions.len()).unwrap_or(i64::MAX)
    }
}

impl From<&Ready> for DecisionRecord {
    fn from(ready: &Ready) -> Self {
        Self {
            resource: ready.logged.decision.resource.to_string(),
            value: ready.bytes.clone(),
            traceparent: ready.traceparent.clone(),
        }
    }
}

/// Publishes groups until the worker has no more of them.
pub async fn run(
    producer: Producer,
    partition: i32,
    mut groups: mpsc::Receiver<Group>,
    life: Lifecycle,
    metrics: Metrics,
) {
    let unpublished = metrics.unpublished.with_label_values(&[&partition.to_string()]);
    while let Some(group) = groups.recv().await {
        unpublished.add(group.len());
        while let Err(error) = publish(&producer, partition, &group).await {
            if error.advice() == Advice::Stop {
                life.die(&format!("decisions of partition {partition} cannot be published: {error}"));
                return;
            }
            tracing::warn!(%error, kafka.partition = partition, "publishing again what was not acknowledged");
        }
        unpublished.sub(group.len());
    }
}

async fn publish(producer: &Producer, partition: i32, group: &Group) -> Result<(), ProducerError> {
    let mut sending = Vec::with_capacity(group.decisions.len() + group.bookings.len());
    for booking in &group.bookings {
        let key = booking.booking_id.to_string();
        sending.push(send(producer, topics::CANONICAL, partition, &key, &booking.value, &booking.traceparent).await?);
    }
    for decision in &group.decisions {
        let (key, value) = (&decision.resource, &decision.value);
        sending.push(send(producer, topics::DECISIONS, partition, key, value, &decision.traceparent).await?);
    }
    for record in sending {
        record.acknowledged().await?;
    }
    Ok(())
}

async fn send(
    producer: &Producer,
    topic: &str,
    partition: i32,
    key: &str,
    value: &[u8],
    traceparent: &Option<String>,
) -> Result<daybook_runtime::kafka::Sending, ProducerError> {
    let mut headers = Headers::new();
    headers.set_some(header::TRACEPARENT, traceparent.as_deref());
    let outgoing = Outgoing {
        topic,
        // On the partition of its resource, whatever its key is.
        partition: Some(partition),
        key: Some(key.as_bytes()),
        value: Some(value),
        headers: &headers,
    };
    producer.send_when_room(outgoing).await
}
