//! What a partition's loop needs of the world, and no more: [`Books`], the store, and [`Topics`], the log.
//!
//! The services' own are [`crate::store::Store`] and [`crate::topics::KafkaTopics`]. The loop itself reads no clock that
//! decides anything, starts no task and throws no dice: whoever implements these two, over memory and with faults at
//! every await, runs exactly what production runs.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use arbiter_core::partition::Position;
use daybook_domain::{BookingId, BookingState, Interval, RequestId, ResourceId, Rules, SourceKey, Tag, Timestamp};
use daybook_rows::BookingRow;
use daybook_runtime::kafka::{ProducerError, Record};
use daybook_runtime::postgres::StoreError;
use daybook_runtime::registry::RegistryError;
use daybook_wire::{CanonicalBooking, Headers, LoggedDecision};

use crate::batch::Decided;
use crate::canonical::Watch;
use crate::error::Error;
use crate::intake::Entry;

/// What a batch asks of the store.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Requests that may have been decided before.
    pub requests: Vec<RequestId>,
    /// The log's time: no decision is later.
    pub now: Option<Timestamp>,
    /// Names that sources use, own or shadows'.
    pub keys: BTreeSet<(ResourceId, SourceKey)>,
    /// What bookings are called across systems.
    pub tags: BTreeSet<(ResourceId, Tag)>,
    /// Bookings by id, of whichever resource.
    pub bookings: BTreeSet<BookingId>,
    /// Resources that are not in the cache.
    pub resources: BTreeSet<ResourceId>,
}

/// A stretch of a resource's time. Its end may be the end of all time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Whose.
    pub resource: ResourceId,
    /// The stretch.
    pub time: Interval,
}

/// What the store says to it.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Those of the requests that were decided before.
    pub decided: BTreeSet<RequestId>,
    /// Version and rules of those of `resources` that the store has.
    pub resources: Vec<(ResourceId, u64, Rules)>,
    /// What was named by key, tag or id.
    pub rows: Vec<BookingRow>,
}

/// A stored decision that may not have been published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDecision {
    /// Its place.
    pub seq: i64,
    /// Its key on the topic.
    pub resource: String,
    /// Its value on the topic.
    pub record: Vec<u8>,
}

/// The store, as a partition's loop uses it.
///
/// An error whose advice is to try again is waited out by the caller, who calls again.
pub trait Books: Send + Sync {
    /// Where a partition stands, whoever owns it: how an unknown COMMIT is resolved.
    fn position(&self, partition: i32) -> impl Future<Output = Result<Position, StoreError>> + Send;

    /// What a batch names, and the rules of the resources that are not in the cache.
    fn load(&self, wanted: &Wanted) -> impl Future<Output = Result<Loaded, StoreError>> + Send;

    /// Everything live that has a part of these windows. May give more, and the same twice.
    fn live(
        &self,
        windows: &[Window],
    ) -> impl Future<Output = Result<Vec<(ResourceId, BookingState)>, StoreError>> + Send;

    /// The rows of these bookings.
    fn rows(&self, bookings: &BTreeSet<BookingId>) -> impl Future<Output = Result<Vec<BookingRow>, StoreError>> + Send;

    /// Commits a batch, or nothing of it: [`Error::Fenced`] if the partition does not stand at `from` in its epoch,
    /// [`Error::Exclusion`] or [`Error::Refused`] if rows were refused. After any other error it may have been committed
    /// all the same.
    fn commit(&self, from: &Position, decided: &Decided) -> impl Future<Output = Result<(), Error>> + Send;

    /// At most `limit` stored decisions after `seq`, in order.
    fn decisions_after(
        &self,
        partition: i32,
        seq: i64,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<StoredDecision>, StoreError>> + Send;

    /// Those of these bookings that are the partition's and have a higher version than the one given, as they stand now, in
    /// the order of the decisions that made them so.
    fn newer(
        &self,
        partition: i32,
        than: &BTreeMap<BookingId, u64>,
    ) -> impl Future<Output = Result<Vec<CanonicalBooking>, StoreError>> + Send;
}

/// A record to put on a topic. Its `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub topic: &'static str,
    /// Which partition; the key decides without it.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Headers,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Post({})", self.topic)
    }
}

/// Decisions on a topic, by `seq`.
pub type PublishedDecisions = BTreeMap<i64, Published>;

/// A decision on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What it says.
    pub logged: LoggedDecision,
    /// Its value.
    pub bytes: Vec<u8>,
}

/// The topics, as a partition's loop uses them.
pub trait Topics: Send + Sync {
    /// Reads a record of `booking.requests`. What nobody can read is an [`Entry`] too; an error is worth another try.
    fn read(&self, record: &Record) -> impl Future<Output = Result<Entry, RegistryError>> + Send;

    /// Reads the value of a decision; none if it is none.
    fn decision(&self, value: &[u8]) -> impl Future<Output = Result<Option<LoggedDecision>, RegistryError>> + Send;

    /// The decisions on `booking.decisions` from `seq` on, or, with [`Error::Disagreement`], why they are no log. Repeats
    /// count once.
    fn published_from(
        &self,
        partition: i32,
        seq: i64,
    ) -> impl Future<Output = Result<PublishedDecisions, Error>> + Send;

    /// Puts records on their topics, those of a partition in this order. Comes back when the brokers have all of them; after
    /// an error they may have some.
    fn put(&self, posts: &[Post]) -> impl Future<Output = Result<(), ProducerError>> + Send;

    /// Tells `watch` of every record that lands on this partition of `booking.canonical` from the offset `from` on, in
    /// order, until the watch is dropped. Must not keep it alive.
    fn watch_canonical(&self, partition: i32, from: i64, watch: &Watch);
}
