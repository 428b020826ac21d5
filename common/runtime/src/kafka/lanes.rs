//! One lane per owned partition: a bounded queue to its worker, what the worker has finished, and how it is told to
//! stop.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use daybook_domain::Timestamp;
use daybook_wire::Headers;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

use super::consumer::TopicPartition;
use crate::metrics::CommonMetrics;

/// A record as Kafka kept it.
#[derive(Clone)]
pub struct Record {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp: the broker's where the topic says so, else the producer's.
    pub timestamp: Timestamp,
    /// Its key. May be personal data (a calendar's id); never logged.
    pub key: Option<Vec<u8>>,
    /// Its value; none for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Headers,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({}[{}]@{})", self.topic, self.partition, self.offset)
    }
}

/// How far a partition's worker has come: the offset that a successor should begin at.
#[derive(Debug, Clone)]
pub struct Progress(Arc<AtomicI64>);

impl Progress {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(-1)))
    }

    /// Everything below `offset` is done for good. Never goes back.
    pub fn done_below(&self, offset: i64) {
        self.0.fetch_max(offset, Ordering::AcqRel);
    }

    /// The offset to begin at, if any record is done.
    pub fn position(&self) -> Option<i64> {
        let position = self.0.load(Ordering::Acquire);
        (position >= 0).then_some(position)
    }
}

/// A partition that is ours, as its worker holds it. Dropping it says that the worker has stopped.
#[derive(Debug)]
pub struct Partition<C> {
    /// Which.
    pub at: TopicPartition,
    /// What claiming it gave (an epoch, say).
    pub claim: C,
    /// Its records, in order. Ends when the partition is revoked.
    pub records: mpsc::Receiver<Record>,
    /// Cancelled when the partition is revoked: finish what cannot be undone, and drop this.
    pub revoked: CancellationToken,
    /// Where the worker says how far it has come.
    pub progress: Progress,
    /// Held so that its drop is seen by the lane.
    _alive: std::sync::mpsc::Sender<()>,
}

pub(super) struct Lane {
    sender: mpsc::Sender<Record>,
    overflow: VecDeque<Record>,
    revoked: CancellationToken,
    progress: Progress,
    committed: i64,
    next_offset: i64,
    stopped: std::sync::mpsc::Receiver<()>,
}

/// What became of a record that was offered to a lane.
pub(super) enum Offered {
    /// It is on its way.
    Taken,
    /// The queue is full: it is kept here, and the partition must be paused.
    Full,
    /// The worker is gone though the partition was not revoked.
    WorkerGone,
}

pub(super) type Lanes = BTreeMap<TopicPartition, Lane>;

impl Lane {
    pub fn open<C>(at: TopicPartition, claim: C, queue: usize) -> (Self, Partition<C>) {
        let (sender, records) = mpsc::channel(queue);
        let (alive, stopped) = std::sync::mpsc::channel();
        let (revoked, progress) = (CancellationToken::new(), Progress::new());
        let lane = Self {
            sender,
            overflow: VecDeque::new(),
            revoked: revoked.clone(),
            progress: progress.clone(),
            committed: -1,
            next_offset: -1,
            stopped,
        };
        (lane, Partition { at, claim, records, revoked, progress, _alive: alive })
    }

    pub fn offer(&mut self, record: Record) -> Offered {
        self.next_offset = record.offset + 1;
        if !self.overflow.is_empty() {
            self.overflow.push_back(record);
            return Offered::Full;
        }
        match self.sender.try_send(record) {
            Ok(()) => Offered::Taken,
            Err(TrySendError::Full(record)) => {
                self.overflow.push_back(record);
                Offered::Full
            }
            Err(TrySendError::Closed(_)) => Offered::WorkerGone,
        }
    }

    /// Moves on what did not fit; says whether all of it did, and so whether the partition may be resumed.
    pub fn relieve(&mut self) -> Offered {
        while let Some(record) = self.overflow.pop_front() {
            match self.sender.try_send(record) {
                Ok(()) => {}
                Err(TrySendError::Full(record)) => {
                    self.overflow.push_front(record);
                    return Offered::Full;
                }
                Err(TrySendError::Closed(_)) => return Offered::WorkerGone,
            }
        }
        Offered::Taken
    }

    pub fn is_full(&self) -> bool {
        !self.overflow.is_empty()
    }

    /// The position to commit, if it has moved since the last time.
    pub fn take_position(&mut self) -> Option<i64> {
        let position = self.progress.position().filter(|position| *position > self.committed)?;
        self.committed = position;
        Some(position)
    }

    /// Records handed out and not finished.
    pub fn in_flight(&self) -> i64 {
        match self.progress.position() {
            Some(position) => (self.next_offset - position).max(0),
            None => i64::from(self.next_offset >= 0),
        }
    }
}

/// Tells the workers of these lanes to stop, and waits until they have, at most `deadline` for all together.
pub(super) fn drain(lanes: &[Lane], deadline: Duration, metrics: &CommonMetrics) {
    let began = Instant::now();
    for lane in lanes {
        lane.revoked.cancel();
    }
    for lane in lanes {
        let left = deadline.saturating_sub(began.elapsed());
        if let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = lane.stopped.recv_timeout(left) {
            tracing::warn!("a partition's worker did not stop in time; it can no longer commit");
        }
    }
    metrics.drain_seconds.observe(began.elapsed().as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64) -> Record {
        Record {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp: Timestamp::EPOCH,
            key: None,
            value: None,
            headers: Headers::new(),
        }
    }

    #[test]
    fn a_full_queue_keeps_what_does_not_fit_and_hands_it_on_in_order() {
        let (mut lane, mut partition) = Lane::open(TopicPartition::new("t", 0), (), 1);
        assert!(matches!(lane.offer(record(0)), Offered::Taken));
        assert!(matches!(lane.offer(record(1)), Offered::Full));
        assert!(matches!(lane.offer(record(2)), Offered::Full));
        assert!(matches!(lane.relieve(), Offered::Full));
        for expected in 0..3 {
            assert_eq!(partition.records.try_recv().expect("a record").offset, expected);
            lane.relieve();
        }
        assert!(!lane.is_full());
    }

    #[test]
    fn progress_never_goes_back_and_is_committed_once() {
        let (mut lane, partition) = Lane::open(TopicPartition::new("t", 0), (), 1);
        assert_eq!(lane.take_position(), None);
        partition.progress.done_below(5);
        partition.progress.done_below(3);
        assert_eq!(lane.take_position(), Some(5));
        assert_eq!(lane.take_position(), None);
    }

    #[test]
    fn draining_ends_when_the_worker_drops_its_partition() {
        let registry = prometheus::Registry::new();
        let metrics = CommonMetrics::new(&registry).expect("registers");
        let (lane, partition) = Lane::open(TopicPartition::new("t", 0), (), 1);
        let worker = std::thread::spawn(move || {
            while !partition.revoked.is_cancelled() {
                std::thread::yield_now();
            }
            drop(partition);
        });
        drain(&[lane], Duration::from_secs(30), &metrics);
        worker.join().expect("the worker ends");
    }

    #[test]
    fn a_worker_that_is_gone_without_a_revocation_is_noticed() {
        let (mut lane, partition) = Lane::open(TopicPartition::new("t", 0), (), 1);
        drop(partition);
        assert!(matches!(lane.offer(record(0)), Offered::WorkerGone));
    }
}
