//! The laws of a chain of decisions, wherever it is kept. Pure.
//!
//! Each value holds the SHA-256 of the whole value before it, `seq` rises by one, the log's time never falls. A walk is
//! resumed after a break from what it found there, so that one break is not reported as a thousand.

use std::collections::BTreeMap;
use std::fmt;

use daybook_domain::Timestamp;
use daybook_wire::LoggedDecision;
use sha2::{Digest, Sha256};

/// SHA-256.
pub type Hash = [u8; 32];

/// Breaks of one chain that are told one by one; the others are counted.
const TOLD: u64 = 10;
/// Values of the topic that are remembered to recognise repeats: more than an arbiter has unacknowledged at any time.
const REMEMBERED: usize = 1 << 18;

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The table `decision`.
    Store,
    /// The topic `booking.decisions`.
    Topic,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    partition: i32,
    place: Place,
    seq: Option<i64>,
    offset: Option<i64>,
    what: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {}", self.partition)?;
        if let Some(seq) = self.seq {
            write!(f, ", seq {seq}")?;
        }
        match (self.place, self.offset) {
            (Place::Store, _) => write!(f, ", store: ")?,
            (Place::Topic, None) => write!(f, ", topic: ")?,
            (Place::Topic, Some(offset)) => write!(f, ", topic at offset {offset}: ")?,
        }
        f.write_str(&self.what)
    }
}

/// A value at its place.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    /// Its seq: the row's column, or what the bytes on the topic say.
    pub seq: i64,
    /// Its offset on the topic.
    pub offset: Option<i64>,
    /// The whole value.
    pub bytes: &'a [u8],
    /// What it says, if it can be read.
    pub logged: Option<&'a LoggedDecision>,
}

/// Where a chain ends, as `arbiter_partition` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Of the next decision.
    pub next_seq: i64,
    /// SHA-256 of the last.
    pub chain: Vec<u8>,
}

/// What a walk along one chain found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// Values, without repeats.
    pub values: u64,
    /// The seq of the first.
    pub first: Option<i64>,
    /// The seq of the last.
    pub last: Option<i64>,
    /// Identical values under a seq that had been seen.
    pub repeats: u64,
    /// Repeats that nothing was left to compare with.
    pub not_compared: u64,
    /// Values that are older than what the store keeps.
    pub before_the_store: u64,
    /// Breaks.
    pub breaks: u64,
}

#[derive(Debug, Clone)]
struct Last {
    seq: i64,
    hash: Hash,
    decided_at: Option<Timestamp>,
}

/// A walk along one partition's chain.
#[derive(Debug)]
pub struct Walk {
    partition: i32,
    place: Place,
    /// Whether nothing can have been dropped before the first value.
    whole: bool,
    last: Option<Last>,
    seen: BTreeMap<i64, Hash>,
    count: Count,
    told: Vec<Break>,
}

impl Walk {
    /// Along the rows of the store.
    pub fn of_store(partition: i32) -> Self {
        Self {
            partition,
            place: Place::Store,
            whole: false,
            last: None,
            seen: BTreeMap::new(),
            count: Count::default(),
            told: Vec::new(),
        }
    }

    /// Along the records of the topic. `whole` if it begins with the first record that there ever was.
    pub fn of_topic(partition: i32, whole: bool) -> Self {
        Self { place: Place::Topic, whole, ..Self::of_store(partition) }
    }

    /// What was found so far.
    pub const fn count(&self) -> &Count {
        &self.count
    }

    /// The breaks to tell since the last call.
    pub fn take_breaks(&mut self) -> Vec<Break> {
        std::mem::take(&mut self.told)
    }

    /// Notes a break.
    pub fn broken(&mut self, seq: Option<i64>, offset: Option<i64>, what: impl Into<String>) {
        self.count.breaks += 1;
        if self.count.breaks <= TOLD {
            self.told.push(Break { partition: self.partition, place: self.place, seq, offset, what: what.into() });
        }
    }

    /// How many breaks were counted and not told.
    pub const fn untold(&self) -> u64 {
        self.count.breaks.saturating_sub(TOLD)
    }

    /// Takes the next value. Its SHA-256.
    pub fn step(&mut self, value: &Value<'_>) -> Hash {
        let hash: Hash = Sha256::digest(value.bytes).into();
        if self.last.as_ref().is_some_and(|last| value.seq <= last.seq) {
            self.again(value, hash);
            return hash;
        }
        let broken = self.links(value);
        for what in broken {
            self.broken(Some(value.seq), value.offset, what);
        }
        let decided_at = value.logged.map(|logged| logged.decision.decided_at);
        let decided_at = decided_at.or(self.last.as_ref().and_then(|last| last.decided_at));
        self.last = Some(Last { seq: value.seq, hash, decided_at });
        self.count.values += 1;
        self.count.first = self.count.first.or(Some(value.seq));
        self.count.last = Some(value.seq);
        if self.place == Place::Topic {
            self.seen.insert(value.seq, hash);
            if self.seen.len() > REMEMBERED {
                self.seen.pop_first();
            }
        }
        hash
    }

    /// A seq that is not above the last.
    fn again(&mut self, value: &Value<'_>, hash: Hash) {
        match (self.place, self.seen.get(&value.seq)) {
            (Place::Store, _) => self.broken(Some(value.seq), None, "a second row has this seq; expected one"),
            (Place::Topic, Some(first)) if *first == hash => self.count.repeats += 1,
            (Place::Topic, Some(first)) => {
                let (found, first) = (hex::encode(hash), hex::encode(first));
                let what = format!("another value under a seq that was seen: SHA-256 {found}, expected {first}");
                self.broken(Some(value.seq), value.offset, what);
            }
            (Place::Topic, None) => self.count.not_compared += 1,
        }
    }

    /// What is wrong between this value and the one before it.
    fn links(&self, value: &Value<'_>) -> Vec<String> {
        let mut broken = Vec::new();
        let previous = value.logged.map(|logged| logged.previous_hash);
        let hashes = |found: Hash, expected: Hash, of: &str| {
            format!("previous_hash is {}, expected {}, {of}", hex::encode(found), hex::encode(expected))
        };
        match &self.last {
            None if value.seq < 1 => broken.push(format!("the seq is {}; expected 1 or more", value.seq)),
            None if value.seq > 1 && self.whole => {
                broken
                    .push("this is the first value; expected seq 1, because nothing was dropped before it".to_owned());
            }
            None if value.seq == 1 => broken.extend(
                previous
                    .filter(|found| *found != Hash::default())
                    .map(|found| hashes(found, Hash::default(), "since nothing came before")),
            ),
            None => {}
            Some(last) if value.seq > last.seq + 1 => {
                broken.push(format!("a gap: expected seq {} after seq {}", last.seq + 1, last.seq));
            }
            Some(last) => broken.extend(
                previous
                    .filter(|found| *found != last.hash)
                    .map(|found| hashes(found, last.hash, &format!("the SHA-256 of seq {}", last.seq))),
            ),
        }
        let before = self.last.as_ref().and_then(|last| last.decided_at);
        if let (Some(before), Some(logged)) = (before, value.logged)
            && logged.decision.decided_at < before
        {
            let found = logged.decision.decided_at;
            broken.push(format!("decided_at falls to {found}; expected {before} or later"));
        }
        broken
    }

    /// Holds values of the topic against the stored ones, by SHA-256. `first` is the oldest seq that the store keeps.
    pub fn compare(&mut self, values: &[(i64, i64, Hash)], stored: &BTreeMap<i64, Hash>, first: Option<i64>) {
        for (seq, offset, hash) in values {
            match stored.get(seq) {
                Some(kept) if kept == hash => {}
                Some(kept) => {
                    let (found, kept) = (hex::encode(hash), hex::encode(kept));
                    let what = format!("not the stored value: SHA-256 {found}, expected {kept}");
                    self.broken(Some(*seq), Some(*offset), what);
                }
                None if first.is_some_and(|first| *seq < first) => self.count.before_the_store += 1,
                None => self.broken(Some(*seq), Some(*offset), "the store has no such decision"),
            }
        }
    }

    /// Compares the end of the stored chain with `arbiter_partition`. `beyond` is the highest seq in the table.
    pub fn end(&mut self, head: Option<&Head>, beyond: Option<i64>) {
        let last = self.last.clone();
        match (head, last) {
            (None, None) => {}
            (None, Some(last)) => {
                self.broken(Some(last.seq), None, "arbiter_partition has no row of this partition; expected its head");
            }
            (Some(head), None) if head.next_seq > 1 => {
                let what = format!("there is no row; expected them up to seq {}", head.next_seq - 1);
                self.broken(None, None, what);
            }
            (Some(_), None) => {}
            (Some(head), Some(last)) if last.seq + 1 != head.next_seq => {
                let what = format!("the last row; expected rows up to seq {}, the head's", head.next_seq - 1);
                self.broken(Some(last.seq), None, what);
            }
            (Some(head), Some(last)) if last.hash[..] != head.chain[..] => {
                let (found, chain) = (hex::encode(last.hash), hex::encode(&head.chain));
                let what = format!("the last row has SHA-256 {found}, expected {chain}, the head of the chain");
                self.broken(Some(last.seq), None, what);
            }
            (Some(_), Some(_)) => {}
        }
        if let (Some(head), Some(beyond)) = (head, beyond)
            && beyond >= head.next_seq
        {
            let what = format!("a row beyond the head; expected none above seq {}", head.next_seq - 1);
            self.broken(Some(beyond), None, what);
        }
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
