//! One partition of a topic as a bounded stream, read on a thread of its own.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use daybook_runtime::kafka::{self, Record, TailError, read_span};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::connect;
use crate::failure::Failure;

/// How long a broker may be silent.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Records that wait to be looked at: enough to keep both sides busy.
const QUEUE: usize = 512;

/// The first offset of each partition, and one past its last record.
pub async fn bounds(
    config: &Config,
    topic: &'static str,
    partitions: &[i32],
) -> Result<BTreeMap<i32, (i64, i64)>, Failure> {
    let (settings, partitions) = (config.kafka.clone(), partitions.to_vec());
    let asking = tokio::task::spawn_blocking(move || kafka::bounds(&settings, topic, &partitions, TIMEOUT));
    let bounds = asking.await.map_err(|error| Failure::new(format!("cannot read {topic}"), error))?;
    bounds.map_err(|error| connect::explain_tail(error, config))
}

/// The records of a span of offsets, in order.
#[derive(Debug)]
pub struct Records {
    topic: &'static str,
    queue: mpsc::Receiver<Record>,
    reading: Option<JoinHandle<Result<(), TailError>>>,
}

impl Records {
    /// Begins to read. Ends with the stream.
    pub fn open(config: &Config, topic: &'static str, partition: i32, span: (i64, i64)) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let settings = config.kafka.clone();
        let reading = tokio::task::spawn_blocking(move || {
            read_span(&settings, topic, partition, span, TIMEOUT, |record| match sender.blocking_send(record) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
        });
        Self { topic, queue, reading: Some(reading) }
    }

    /// The next record; none after the last.
    pub async fn next(&mut self, config: &Config) -> Result<Option<Record>, Failure> {
        if let Some(record) = self.queue.recv().await {
            return Ok(Some(record));
        }
        let Some(reading) = self.reading.take() else { return Ok(None) };
        let ended = reading.await.map_err(|error| Failure::new(format!("cannot read {}", self.topic), error))?;
        ended.map(|()| None).map_err(|error| connect::explain_tail(error, config))
    }
}
