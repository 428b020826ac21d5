//! `daybook dlq`: what could not be handled, why, and once more.

mod letter;
mod list;
mod replay;
mod show;

pub use list::{List, list};
pub use replay::{Replay, replay};
pub use show::{Show, show};

use std::time::Duration;

use daybook_runtime::kafka::{Record, read_all, read_one};
use daybook_runtime::registry::Registry;

use crate::config::Config;
use crate::connect;
use crate::failure::Failure;
pub use letter::Queue;
use letter::{Letter, LetterId};

/// How long a broker may be silent.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Every letter of a queue, in the order of arrival. Bodies are kept only where somebody wants them.
pub async fn letters(queue: Queue, bodies: bool, config: &Config) -> Result<Vec<Letter>, Failure> {
    let kafka = config.kafka.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut records: Vec<Record> = Vec::new();
        read_all(&kafka, queue.topic(), TIMEOUT, |mut record| {
            if !bodies && queue != Queue::Propagator {
                record.value = None;
            }
            records.push(record);
        })
        .map(|()| records)
    });
    let records = reading.await.map_err(|error| Failure::new("cannot read the dead letters", error))?;
    let mut records = records.map_err(|error| connect::explain_tail(error, config))?;
    records.sort_by_key(|record| (record.timestamp, record.partition, record.offset));
    let registry = connect::registry(config)?;
    let mut letters = Vec::with_capacity(records.len());
    for record in records {
        letters.push(open(queue, record, &registry).await);
    }
    Ok(letters)
}

/// One letter.
async fn letter(queue: Queue, id: LetterId, config: &Config) -> Result<Letter, Failure> {
    let kafka = config.kafka.clone();
    let reading =
        tokio::task::spawn_blocking(move || read_one(&kafka, queue.topic(), id.partition, id.offset, TIMEOUT));
    let record = reading.await.map_err(|error| Failure::new("cannot read the dead letter", error))?;
    let record = record.map_err(|error| connect::explain_tail(error, config))?;
    let Some(record) = record else {
        return Err(Failure::plain(format!("{} has no letter {id}", queue.topic()))
            .next("Kafka forgets dead letters after 30 days; daybook dlq list shows those that are kept"));
    };
    Ok(open(queue, record, &connect::registry(config)?).await)
}

async fn open(queue: Queue, record: Record, registry: &Registry) -> Letter {
    let failure = match queue {
        Queue::Normalizer | Queue::Arbiter => None,
        Queue::Propagator => Some(letter::failure(record.value.as_deref().unwrap_or_default(), registry).await),
    };
    Letter { queue, record, failure }
}
