//! What the propagator writes to Kafka: outcomes and dead letters, in Avro, and what people have made of entries, as requests. All
//! acknowledged.

use std::sync::Arc;
use std::time::Duration;

use daybook_domain::{SourceName, Timestamp, topics};
use daybook_propagator_core::Edit;
use daybook_runtime::clock;
use daybook_runtime::kafka::{Outgoing, Producer};
use daybook_runtime::registry::Registry;
use daybook_wire::{DeadLetter, DeliveryFailure, Headers, SCHEMAS, encode_failure, encode_outcome, frame, header};
use tokio::sync::OnceCell;

use crate::error::PublishError;
use crate::metrics::GivenUp;
use crate::store::{Leased, Unpublished};

/// The topics. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    producer: Producer,
    registry: Registry,
    outcome_schema: Arc<OnceCell<u32>>,
    failure_schema: Arc<OnceCell<u32>>,
}

impl Records {
    pub fn new(producer: Producer, registry: Registry) -> Self {
        Self { producer, registry, outcome_schema: Arc::default(), failure_schema: Arc::default() }
    }

    /// Publishes these outcomes. How many, from the first on, the broker has acknowledged, and what befell the next.
    pub async fn publish(&self, outcomes: &[Unpublished]) -> (usize, Option<PublishError>) {
        let schema = match self.schema(&self.outcome_schema, topics::OUTCOMES).await {
            Ok(schema) => schema,
            Err(error) => return (0, Some(error)),
        };
        let mut sent = Vec::with_capacity(outcomes.len());
        let mut failed = None;
        for Unpublished { outcome, traceparent } in outcomes {
            let mut headers = Headers::new();
            headers.set_some(header::TRACEPARENT, traceparent.as_deref());
            let key = format!("{}:{}", outcome.booking_id, outcome.target);
            let value = frame(schema, &encode_outcome(outcome));
            match self.producer.send_when_room(outgoing(topics::OUTCOMES, &key, &value, &headers)).await {
                Ok(sending) => sent.push(sending),
                Err(error) => {
                    failed = Some(error.into());
                    break;
                }
            }
        }
        let mut acknowledged = 0;
        for sending in sent {
            match sending.acknowledged().await {
                Ok(_) => acknowledged += 1,
                Err(error) => return (acknowledged, Some(error.into())),
            }
        }
        (acknowledged, failed)
    }

    /// Writes a dead letter and waits for its acknowledgement, at most `patience`.
    pub async fn dead_letter(
        &self,
        leased: &Leased,
        failure: &DeliveryFailure,
        reason: GivenUp,
        patience: Duration,
    ) -> Result<(), PublishError> {
        let write = async {
            let schema = self.schema(&self.failure_schema, topics::DLQ_PROPAGATOR).await?;
            let value = frame(schema, &encode_failure(failure));
            let headers = headers(leased, failure, reason);
            let key = leased.key();
            self.producer.send_and_wait(outgoing(topics::DLQ_PROPAGATOR, &key, &value, &headers)).await?;
            Ok(())
        };
        tokio::time::timeout(patience, write).await.unwrap_or(Err(PublishError::Late))
    }

    /// Asks for what a person has made of an entry, as a caller of the API would.
    pub async fn ask(&self, edit: &Edit) -> Result<(), PublishError> {
        let (topic, body) = (topics::raw(&SourceName::api()), edit.body());
        let headers = edit.event(clock::now()).headers();
        self.producer.send_and_wait(outgoing(&topic, edit.key(), &body, &headers)).await?;
        Ok(())
    }

    /// The id of a topic's schema, asked for once.
    async fn schema(&self, cell: &OnceCell<u32>, topic: &str) -> Result<u32, PublishError> {
        let subject = format!("{topic}-value");
        let text = SCHEMAS.iter().find(|(known, _)| *known == subject).map_or("", |(_, text)| text);
        Ok(*cell.get_or_try_init(|| self.registry.id_of(&subject, text)).await?)
    }
}

fn outgoing<'a>(topic: &'a str, key: &'a str, value: &'a [u8], headers: &'a Headers) -> Outgoing<'a> {
    Outgoing { topic, partition: None, key: Some(key.as_bytes()), value: Some(value), headers }
}

/// The headers that say where it came from and why it is here.
fn headers(leased: &Leased, failure: &DeliveryFailure, reason: GivenUp) -> Headers {
    let mut headers = Headers::new();
    headers.set_some(header::TRACEPARENT, leased.traceparent.as_deref());
    let first: Option<Timestamp> = failure.attempts.iter().map(|attempt| attempt.at).min();
    let letter = DeadLetter {
        topic: topics::DECISIONS.to_owned(),
        partition: leased.partition,
        // -1 where the sweep found the booking, and nobody saw its decision.
        offset: leased.offset.unwrap_or(-1),
        stage: "propagator",
        reason: reason.as_str(),
        message: reason.advice().to_owned(),
        item: None,
        attempts: u32::try_from(failure.attempts.len()).unwrap_or(u32::MAX),
        first_failed_at: first.unwrap_or(failure.failed_at),
    };
    letter.onto(headers)
}
