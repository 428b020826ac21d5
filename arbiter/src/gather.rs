//! What a batch is made of: reading records ahead, and waiting for a turn meanwhile.

use std::pin::pin;

use daybook_runtime::kafka::Record;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::intake::{Content, Entry};
use crate::plan::Plan;
use crate::ports::{Books, Topics};
use crate::worker::{Run, Turn, Worker};

/// Requests in the first batch of a claim at most. What a silent predecessor has left to wait is the same for all of its
/// partitions: each soon has its first decision, and none waits for the whole of another's.
const FIRST: usize = 16;

/// A record, and what it says.
pub(crate) type Read = (Record, Entry);

/// Records, and what they say.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub records: Vec<Record>,
    pub entries: Vec<Entry>,
}

impl Gathered {
    pub fn push(&mut self, (record, entry): Read) {
        self.records.push(record);
        self.entries.push(entry);
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Puts what begins at this offset before everything else.
    pub fn put_back(&mut self, gathered: Self, from: i64) {
        if gathered.records.last().is_some_and(|last| last.offset >= from) {
            let rest = std::mem::take(self);
            let left = gathered.into_iter().filter(|(record, _)| record.offset >= from);
            left.chain(rest).for_each(|read| self.push(read));
        }
    }
}

impl IntoIterator for Gathered {
    type Item = Read;
    type IntoIter = std::iter::Zip<std::vec::IntoIter<Record>, std::vec::IntoIter<Entry>>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.into_iter().zip(self.entries)
    }
}

/// A batch whose turn it is.
#[derive(Debug)]
pub(crate) struct Next<'a> {
    pub gathered: Gathered,
    /// What was decided, if it was decided ahead.
    pub plan: Option<Plan>,
    pub turn: Turn<'a>,
}

impl<B: Books, T: Topics> Worker<B, T> {
    /// Reads records as they come, as far ahead as `entries` has room.
    pub(crate) async fn read(
        &self,
        records: &mut mpsc::Receiver<Record>,
        entries: mpsc::Sender<Read>,
        revoked: &CancellationToken,
    ) -> Result<(), Error> {
        while let Some(record) = records.recv().await {
            let entry = self.patiently(revoked, async || Ok(self.topics.read(&record).await?)).await?;
            if entries.send((record, entry)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The next batch, once it is its turn: one that was decided ahead, or what has come, at least one record. None once
    /// nothing comes any more.
    pub(crate) async fn next<'a>(&'a self, run: &mut Run<'a>) -> Result<Option<Next<'a>>, Error> {
        if run.revoked.is_cancelled() {
            return Ok(None);
        }
        if let Some(planned) = run.planned.take() {
            return Ok(Some(planned));
        }
        let limit = if std::mem::take(&mut run.is_first) { self.batch_max.min(FIRST) } else { self.batch_max };
        let mut gathered = Gathered::default();
        for read in std::mem::take(&mut run.backlog) {
            self.take(run, read, &mut gathered).await?;
        }
        while gathered.is_empty() {
            let first = tokio::select! {
                biased;
                () = run.revoked.cancelled() => None,
                read = run.entries.recv() => read,
            };
            let Some(first) = first else { return Ok(None) };
            self.take(run, first, &mut gathered).await?;
        }
        // Asked for anew before a dead letter, which waits for the brokers: it would be given one that it does not take.
        let mut turn = pin!(self.turns.acquire());
        loop {
            while gathered.len() < limit
                && let Ok(read) = run.entries.try_recv()
            {
                if read.1.is_unreadable() {
                    turn.set(self.turns.acquire());
                }
                self.take(run, read, &mut gathered).await?;
            }
            tokio::select! {
                biased;
                () = run.revoked.cancelled() => return Ok(None),
                // Nobody takes turns away.
                turn = &mut turn => return Ok(turn.ok().map(|turn| Next { gathered, plan: None, turn })),
                Some(read) = run.entries.recv(), if gathered.len() < limit => {
                    if read.1.is_unreadable() {
                        turn.set(self.turns.acquire());
                    }
                    self.take(run, read, &mut gathered).await?;
                }
            }
        }
    }

    async fn take(&self, run: &Run<'_>, read: Read, gathered: &mut Gathered) -> Result<(), Error> {
        let (record, entry) = &read;
        // Records before the position can only come if the seek was not honoured, or if an earlier try decided them after
        // all; deciding them again would be fenced.
        if record.offset < run.position.next_offset {
            return Ok(());
        }
        if let Content::Unreadable(_, why) = &entry.content {
            self.dead_letter(record, why.as_str(), run.revoked).await?;
        }
        gathered.push(read);
        Ok(())
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self, revoked: &CancellationToken) -> Result<Turn<'_>, Error> {
        tokio::select! {
            biased;
            () = revoked.cancelled() => Err(Error::Cancelled),
            turn = self.turns.acquire() => turn.map_err(|_| Error::Cancelled),
        }
    }
}
