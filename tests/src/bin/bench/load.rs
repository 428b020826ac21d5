//! Requests, straight to the requests topic: three in ten want a slot that another one has.

use std::time::{Duration, Instant};

use anyhow::Result;
use daybook_domain::{
    Attendee, Basis, BookingId, Claim, ContactId, Content, ContentDigest, Expected, Identity, Interval, Operation,
    Request, RequestId, ResourceId, SourceName, SourceVersion, Timestamp, topics,
};
use daybook_runtime::clock;
use daybook_runtime::kafka::{Outgoing, Producer};
use daybook_tests::world::World;
use daybook_wire::{Headers, SCHEMAS, encode_request, frame};

/// How many requests lie between one and the later one that wants the same. Far enough that pgbench's clients, which do
/// the same requests in the same order, seldom have both in hand.
pub const APART: usize = 1_005;
/// Slots begin here: 2030-01-01T00:30:00Z. One an hour, of half an hour, so that there is room between them.
const FIRST_SLOT: i64 = 1_893_457_800_000_000;
const MINUTE: i64 = 60_000_000;

/// Resources in a row, by the number in their names.
#[derive(Debug, Clone, Copy)]
pub struct Over {
    /// The first.
    pub first: usize,
    /// How many.
    pub count: usize,
}

impl Over {
    /// The first so many.
    pub const fn first(count: usize) -> Self {
        Self { first: 0, count }
    }
}

/// Requests with their keys, encoded: making them is somebody else's work.
pub type Requests = Vec<(String, Vec<u8>)>;

/// Makes requests. No two runs want the same slot of a resource.
#[derive(Debug)]
pub struct Load {
    producer: Producer,
    schema: u32,
    runs: usize,
    slot: usize,
}

impl Load {
    /// For this installation.
    pub async fn new(world: &World) -> Result<Self> {
        let (subject, text) = SCHEMAS[0];
        let schema = world.kafka.registry().id_of(subject, text).await?;
        Ok(Self { producer: world.kafka.producer()?, schema, runs: 0, slot: 0 })
    }

    /// What sends them.
    pub const fn producer(&self) -> &Producer {
        &self.producer
    }

    /// So many requests over these resources.
    pub fn requests(&mut self, count: usize, over: Over) -> Result<Requests> {
        self.runs += 1;
        let (run, first_slot) = (self.runs, self.slot);
        self.slot += count / over.count + 1;
        let encoded = |n| {
            let nth = wanted(n);
            let resource = format!("bench-{}", over.first + nth % over.count);
            let request = request(&format!("bench-{run}-{n}"), &resource, first_slot + nth / over.count)?;
            Ok((resource, frame(self.schema, &encode_request(&request))))
        };
        (0..count).map(encoded).collect()
    }
}

/// The claim that the request `n` makes, numbered densely. Of ten requests seven make one of their own, and three one
/// that another has made.
const fn wanted(n: usize) -> usize {
    let maker = if n % 10 < 7 {
        n
    } else if n >= APART {
        n - APART
    } else {
        n - 5
    };
    maker / 10 * 7 + maker % 10
}

fn request(id: &str, resource: &str, slot: usize) -> Result<Request> {
    let resource: ResourceId = resource.parse()?;
    let source: SourceName = "generic".parse()?;
    let start = FIRST_SLOT + i64::try_from(slot)? * 60 * MINUTE;
    let content = Content {
        title: Some("Consultation".to_owned()),
        attendees: vec![Attendee {
            contact_id: ContactId::from_bytes([1; 16]),
            name: Some("A. Customer".to_owned()),
            email: Some("customer@guests.example".to_owned()),
            phone: None,
        }],
        source_time_zone: Some("Europe/Berlin".to_owned()),
        digest: ContentDigest([1; 16]),
    };
    Ok(Request {
        request_id: RequestId::derive("bench", id, 0),
        source: source.clone(),
        event_id: id.to_owned(),
        basis: Basis::Promised,
        expected: Expected::default(),
        digest: None,
        sourced_at: None,
        received_at: clock::now(),
        operation: Operation::Book(Claim {
            booking_id: BookingId::derive(&source, id, &resource),
            identity: Identity::new(&source, id),
            version: SourceVersion { sequence: 1, updated_at: Timestamp::EPOCH },
            interval: Interval::new(Timestamp::from_micros(start)?, Timestamp::from_micros(start + 30 * MINUTE)?)?,
            content: Some(content),
            contacts: Vec::new(),
            tags: Vec::new(),
            mark: None,
            moved_from: None,
        }),
        resource,
    })
}

/// Sends all of them as fast as they go, and waits until the last is acknowledged.
pub async fn send(producer: Producer, requests: Requests) -> Result<()> {
    send_each(&producer, &requests, |_| Duration::ZERO).await
}

/// Sends so many a second, whatever becomes of them, and waits until the last is acknowledged.
pub async fn send_steadily(producer: Producer, requests: Requests, per_second: f64) -> Result<()> {
    #[allow(clippy::cast_precision_loss, reason = "counts of a few seconds")]
    send_each(&producer, &requests, |n| Duration::from_secs_f64(n as f64 / per_second)).await
}

async fn send_each(producer: &Producer, requests: &Requests, due: impl Fn(usize) -> Duration) -> Result<()> {
    let headers = Headers::new();
    let began = Instant::now();
    let mut sending = Vec::with_capacity(requests.len());
    for (n, (key, value)) in requests.iter().enumerate() {
        let early = due(n).saturating_sub(began.elapsed());
        if !early.is_zero() {
            tokio::time::sleep(early).await;
        }
        let outgoing = Outgoing {
            topic: topics::REQUESTS,
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(value),
            headers: &headers,
        };
        sending.push(producer.send_when_room(outgoing).await?);
    }
    for record in sending {
        record.acknowledged().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn three_in_ten_want_what_an_earlier_one_wants_and_the_others_what_nobody_does() {
        let (mut taken, mut refused) = (BTreeSet::new(), 0);
        for n in 0..10 * APART {
            if !taken.insert(wanted(n)) {
                refused += 1;
            }
        }
        assert_eq!(refused, 3 * APART);
        // Densely numbered: spread over resources, none is passed over.
        assert_eq!(taken.last(), Some(&(7 * APART - 1)));
    }
}
