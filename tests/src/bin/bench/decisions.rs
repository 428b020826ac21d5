//! Decisions, from the requests topic to the committed row: a thousand resources, three in ten requests refused.

use std::time::{Duration, Instant};

use anyhow::Result;
use daybook_domain::{
    Attendee, BookingId, Claim, ContactId, Content, ContentDigest, Identity, Interval, Operation, Request, RequestId,
    ResourceId, SourceName, SourceVersion, Timestamp, topics,
};
use daybook_runtime::clock;
use daybook_runtime::kafka::Outgoing;
use daybook_tests::wait::{not_yet, wait_until};
use daybook_tests::world::World;
use daybook_wire::{Headers, SCHEMAS, encode_request, frame};

use crate::webhooks::decided;

/// Requests in one turn.
const REQUESTS: usize = 40_000;

/// Decisions per second, from the first request sent to the last decision committed.
pub async fn decided_per_second(world: &World, resources: usize, turn: usize) -> Result<f64> {
    let (subject, text) = SCHEMAS[0];
    let schema = world.kafka.registry().id_of(subject, text).await?;
    let mut values = Vec::with_capacity(REQUESTS);
    for n in 0..REQUESTS {
        let request = request(n, resources, turn)?;
        values.push((request.resource.to_string(), frame(schema, &encode_request(&request))));
    }
    let producer = world.kafka.producer()?;
    let target = decided(world).await? + i64::try_from(REQUESTS)?;
    let headers = Headers::new();
    let began = Instant::now();
    let mut sending = Vec::with_capacity(REQUESTS);
    for (key, value) in &values {
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
    wait_until("every request is decided", Duration::from_secs(300), async || {
        let decided = decided(world).await?;
        not_yet(decided >= target, || format!("{decided} of {target}"))
    })
    .await?;
    #[allow(clippy::cast_precision_loss, reason = "tens of thousands")]
    Ok(REQUESTS as f64 / began.elapsed().as_secs_f64())
}

/// Of ten requests for a resource, three want a slot that one of the others has.
fn request(n: usize, resources: usize, turn: usize) -> Result<Request> {
    let resource: ResourceId = format!("bench-{}", n % resources).parse()?;
    let source: SourceName = "generic".parse()?;
    let nth = n / resources;
    let slot = if nth % 10 >= 7 { nth - 5 } else { nth };
    let id = format!("bench-{turn}-{n}");
    let minutes = 30 * (slot + 1_000_000 * (turn + 1));
    let at = |minutes: usize| Timestamp::from_micros(i64::try_from(minutes)? * 60_000_000).map_err(anyhow::Error::from);
    Ok(Request {
        request_id: RequestId::derive("bench", &id, 0),
        source: source.clone(),
        event_id: id.clone(),
        sourced_at: None,
        received_at: clock::now(),
        operation: Operation::Book(Claim {
            booking_id: BookingId::derive(&source, &id, &resource),
            identity: Identity::new(&source, id),
            version: SourceVersion { sequence: 1, updated_at: Timestamp::EPOCH },
            interval: Interval::new(at(minutes)?, at(minutes + 30)?)?,
            content: Some(Content {
                title: Some("Consultation".to_owned()),
                attendees: vec![Attendee {
                    contact_id: ContactId::from_bytes([1; 16]),
                    name: Some("A. Customer".to_owned()),
                    email: Some("customer@guests.example".to_owned()),
                    phone: None,
                }],
                source_time_zone: Some("Europe/Berlin".to_owned()),
                digest: ContentDigest([1; 16]),
            }),
        }),
        resource,
    })
}
