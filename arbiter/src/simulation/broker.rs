//! The topics: what has landed, in which order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use daybook_domain::{Request, RequestId, ResourceId, Timestamp, topics};
use daybook_wire::{
    CanonicalBooking, LoggedDecision, booking_codec, decision_codec, decode_booking, decode_decision, decode_request,
    header, request_codec, unframe,
};

use crate::batch::Ready;
use crate::intake::{Content, Unreadable};
use crate::ports::Post;

/// A record of `booking.requests`.
#[derive(Debug, Clone)]
pub struct Asked {
    pub timestamp: Timestamp,
    pub content: Content,
    /// Nobody can read it until then: the registry does not know its schema yet.
    pub unknown_until: Option<Timestamp>,
    /// Its place among all records of all topics.
    pub landed: u64,
}

impl Asked {
    pub fn request(&self) -> Option<&Request> {
        match &self.content {
            Content::Request(request) => Some(request),
            Content::Unreadable(..) => None,
        }
    }
}

/// A record of another topic, read.
#[derive(Debug, Clone)]
pub struct Landed<T> {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub landed: u64,
    /// What it says, if it can be read.
    pub says: Option<Arc<T>>,
}

/// Where a record goes.
pub type Lane = (&'static str, i32);

/// All topics.
#[derive(Debug)]
pub struct Broker {
    requests: BTreeMap<i32, Vec<Asked>>,
    decisions: BTreeMap<i32, Vec<Landed<LoggedDecision>>>,
    canonical: BTreeMap<i32, Vec<Landed<CanonicalBooking>>>,
    /// Reading is dear: once for the same bytes.
    read: HashMap<Vec<u8>, Arc<LoggedDecision>>,
    /// Offset and reason of each dead letter, by partition.
    letters: BTreeMap<i32, Vec<(i64, String)>>,
    count: u64,
}

/// Whose requests are on which partition. The resources of a run are few.
pub fn partition_of(resource: &ResourceId, partitions: i32) -> i32 {
    let last = resource.as_str().bytes().last().unwrap_or_default();
    i32::from(last) % partitions
}

impl Broker {
    pub fn new(partitions: i32) -> Self {
        Self {
            requests: (0..partitions).map(|nth| (nth, Vec::new())).collect(),
            decisions: (0..partitions).map(|nth| (nth, Vec::new())).collect(),
            canonical: (0..partitions).map(|nth| (nth, Vec::new())).collect(),
            read: HashMap::new(),
            letters: (0..partitions).map(|nth| (nth, Vec::new())).collect(),
            count: 0,
        }
    }

    pub fn partitions(&self) -> i32 {
        i32::try_from(self.requests.len()).unwrap_or(i32::MAX)
    }

    pub fn requests(&self, partition: i32) -> &[Asked] {
        &self.requests[&partition]
    }

    pub fn decisions(&self, partition: i32) -> &[Landed<LoggedDecision>] {
        &self.decisions[&partition]
    }

    pub fn canonical(&self, partition: i32) -> &[Landed<CanonicalBooking>] {
        &self.canonical[&partition]
    }

    pub fn letters(&self, partition: i32) -> &[(i64, String)] {
        &self.letters[&partition]
    }

    fn nth(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// A request that lands on `booking.requests`; the timestamp is the broker's.
    pub fn ask(&mut self, request: Request, timestamp: Timestamp) {
        let partition = partition_of(&request.resource, self.partitions());
        self.append(partition, Content::Request(Box::new(request)), timestamp, None);
    }

    pub fn append(&mut self, partition: i32, content: Content, timestamp: Timestamp, unknown_until: Option<Timestamp>) {
        let landed = self.nth();
        let log = self.requests.entry(partition).or_default();
        // The broker's clock does not run backwards within a partition.
        let timestamp = log.last().map_or(timestamp, |last| last.timestamp.max(timestamp));
        log.push(Asked { timestamp, content, unknown_until, landed });
    }

    /// Nobody reads it, and nobody ever will.
    pub fn rubbish(&mut self, partition: i32, resource: Option<ResourceId>, timestamp: Timestamp) {
        self.append(partition, Content::Unreadable(resource, Unreadable::Frame), timestamp, None);
    }

    /// Where a record goes to.
    pub fn lane(&self, post: &Post) -> Lane {
        let by_key = || {
            let resource = post.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()?.parse().ok());
            resource.map_or(0, |resource: ResourceId| partition_of(&resource, self.partitions()))
        };
        (post.topic, post.partition.unwrap_or_else(by_key))
    }

    /// A record lands. Says what it is.
    pub fn land(&mut self, lane: Lane, post: &Post, now: Timestamp) -> String {
        let (topic, partition) = lane;
        let (key, value) = (post.key.clone().unwrap_or_default(), post.value.clone().unwrap_or_default());
        match topic {
            topics::REQUESTS => match read_request(&value) {
                Some(request) => {
                    let what = format!("{} {:?}", request.request_id, request.operation);
                    self.ask(request, now);
                    what
                }
                None => {
                    self.rubbish(partition, None, now);
                    "rubbish".to_owned()
                }
            },
            topics::DECISIONS => {
                let (landed, says) = (self.nth(), self.decision(&value));
                let what = format!("seq {:?}", says.as_ref().map(|logged| logged.seq));
                self.decisions.entry(partition).or_default().push(Landed { key, value, landed, says });
                what
            }
            topics::CANONICAL => {
                let (landed, says) = (self.nth(), read_booking(&value).map(Arc::new));
                let what = says.as_ref().map(|booking| (booking.booking_id.to_string(), booking.version));
                self.canonical.entry(partition).or_default().push(Landed { key, value, landed, says });
                format!("{what:?}")
            }
            _ => {
                let of = |name| post.headers.get(name).map(str::to_owned);
                let offset = of(header::ERROR_OFFSET).and_then(|offset| offset.parse().ok()).unwrap_or(-1);
                let partition = of(header::ERROR_PARTITION).and_then(|nth| nth.parse().ok()).unwrap_or(partition);
                let reason = of(header::DLQ_REASON).unwrap_or_default();
                let what = format!("offset {offset} ({reason})");
                self.letters.entry(partition).or_default().push((offset, reason));
                what
            }
        }
    }

    /// Somebody has written these decisions, so that nobody has to read them.
    pub fn learn(&mut self, decisions: &[Ready]) {
        let read = decisions.iter().map(|ready| (ready.bytes.clone(), Arc::new(ready.logged.clone())));
        self.read.extend(read);
    }

    /// A decision, read.
    pub fn decision(&mut self, value: &[u8]) -> Option<Arc<LoggedDecision>> {
        if let Some(read) = self.read.get(value) {
            return Some(Arc::clone(read));
        }
        let read = Arc::new(read_decision(value)?);
        self.read.insert(value.to_vec(), Arc::clone(&read));
        Some(read)
    }

    /// Requests that were asked, by id.
    pub fn asked(&self, id: RequestId) -> Option<&Asked> {
        let mut all = self.requests.values().flatten();
        all.find(|asked| asked.request().is_some_and(|request| request.request_id == id))
    }
}

fn read_request(value: &[u8]) -> Option<Request> {
    let (_, datum) = unframe(value).ok()?;
    decode_request(request_codec().schema(), datum).ok()
}

fn read_decision(value: &[u8]) -> Option<LoggedDecision> {
    let (_, datum) = unframe(value).ok()?;
    decode_decision(decision_codec().schema(), datum).ok()
}

fn read_booking(value: &[u8]) -> Option<CanonicalBooking> {
    let (_, datum) = unframe(value).ok()?;
    decode_booking(booking_codec().schema(), datum).ok()
}
