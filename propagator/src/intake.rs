//! Decisions, as far as they say which booking to look at.
//!
//! Nothing else in a decision is believed: what a target is told is read from the store. So a record that cannot be read
//! is reported and passed over, for the sweep sees the booking all the same; and one that is forged has at most the
//! booking looked at once more.

use std::collections::BTreeMap;

use daybook_domain::{BookingId, topics};
use daybook_runtime::kafka::{Partition, Record};
use daybook_runtime::lifecycle::Lifecycle;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::registry::{Registry, RegistryError};
use daybook_runtime::retry::{Ended, forever};
use daybook_runtime::trace::trace_id;
use daybook_wire::{LoggedDecision, decode_decision, header, unframe};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::store::{Seen, Store};
use crate::wake::Bells;

/// What the workers of all partitions share.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    pub store: Store,
    pub registry: Registry,
    pub bells: Bells,
    pub metrics: Metrics,
    /// Records taken in by one statement, at most.
    pub batch: usize,
}

impl Intake {
    /// Runs a worker for each partition that becomes ours.
    pub async fn run(self, partitions: &mut mpsc::Receiver<Partition<()>>, life: &Lifecycle) {
        while let Some(partition) = partitions.recv().await {
            life.spawn("intake", self.clone().work(partition));
        }
    }

    /// One partition, until it is revoked.
    async fn work(self, mut partition: Partition<()>) -> Result<(), StoreError> {
        let mut records = Vec::with_capacity(self.batch);
        loop {
            records.clear();
            tokio::select! {
                biased;
                () = partition.revoked.cancelled() => return Ok(()),
                count = partition.records.recv_many(&mut records, self.batch) => if count == 0 { return Ok(()) },
            }
            let Some(last) = records.last().map(|record| record.offset) else { continue };
            match self.take_in(&records, &partition.revoked).await {
                Ok(()) => partition.progress.done_below(last + 1),
                // Whoever has the partition next begins at the last batch that was taken in.
                Err(Ended::Cancelled) => return Ok(()),
                Err(Ended::Stopped(error)) => return Err(error),
            }
        }
    }

    async fn take_in(&self, records: &[Record], revoked: &CancellationToken) -> Result<(), Ended<StoreError>> {
        let mut newest: BTreeMap<BookingId, Seen> = BTreeMap::new();
        for record in records {
            let result = match self.read(record, revoked).await? {
                Ok(Some(seen)) => {
                    let known = newest.entry(seen.booking_id).or_insert_with(|| seen.clone());
                    if known.version <= seen.version {
                        *known = seen;
                    }
                    "raised"
                }
                Ok(None) => "unchanged",
                Err(reason) => {
                    tracing::error!(
                        kafka.topic = &*record.topic,
                        kafka.partition = record.partition,
                        kafka.offset = record.offset,
                        reason,
                        "decision passed over: it cannot be read"
                    );
                    "undecodable"
                }
            };
            self.metrics.decisions_total.with_label_values(&[result]).inc();
        }
        if newest.is_empty() {
            return Ok(());
        }
        let seen: Vec<Seen> = newest.into_values().collect();
        let raised = forever(
            revoked,
            || self.store.raise(&seen),
            StoreError::advice,
            |error| tracing::warn!(%error, "decisions wait for the store"),
        )
        .await?;
        for target in raised {
            self.bells.ring(&target);
        }
        Ok(())
    }

    /// The booking to look at, if the decision has changed one; or why the record cannot be read. Waits for a registry
    /// that is away, because what it would say is not known; not for one that says no.
    async fn read(
        &self,
        record: &Record,
        revoked: &CancellationToken,
    ) -> Result<Result<Option<Seen>, &'static str>, Ended<StoreError>> {
        let Some(value) = &record.value else { return Ok(Err("no_value")) };
        let Ok((id, datum)) = unframe(value) else { return Ok(Err("no_frame")) };
        let schema = forever(
            revoked,
            || self.registry.schema(id),
            RegistryError::advice,
            |error| tracing::warn!(%error, "decisions wait for the schema registry"),
        );
        let schema = match schema.await {
            Ok(schema) => schema,
            Err(Ended::Cancelled) => return Err(Ended::Cancelled),
            Err(Ended::Stopped(_)) => return Ok(Err("unknown_schema")),
        };
        Ok(match decode_decision(&schema, datum) {
            Ok(logged) => Ok(seen(record, &logged)),
            Err(_) => Err("no_decision"),
        })
    }
}

fn seen(record: &Record, logged: &LoggedDecision) -> Option<Seen> {
    // Whatever the outcome: a refused change ends a wait, and that is a new version too. Where nothing is new, the
    // store's row says so.
    let booking = logged.decision.booking.as_ref()?;
    let traceparent = record.headers.get(header::TRACEPARENT).filter(|text| trace_id(text).is_some());
    Some(Seen {
        booking_id: booking.booking_id,
        version: booking.version,
        offset: record.offset,
        traceparent: traceparent.map(str::to_owned),
    })
}

/// The topics to consume.
pub(crate) fn topics() -> Vec<String> {
    vec![topics::DECISIONS.to_owned()]
}
