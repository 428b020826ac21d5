//! Records on `booking.requests` that nobody can read.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use daybook_domain::topics::{DLQ_ARBITER, PARTITIONS, REQUESTS, partition_of};
use daybook_domain::{Outcome, Rejection, RequestId};
use daybook_runtime::clock;
use daybook_runtime::kafka::{Outgoing, Receipt};
use daybook_tests::generic::Appointment;
use daybook_tests::people::{Person, mark};
use daybook_tests::resources::Resource;
use daybook_tests::sender::Webhook;
use daybook_wire::{Headers, SCHEMAS, decode_decision, frame, header};

use crate::instance::{Instance, shared};

const HOUR: std::time::Duration = std::time::Duration::from_secs(60 * 60);

#[test]
fn a_record_that_cannot_be_decoded_is_decided_so_lies_in_the_dead_letters_and_stops_nothing() -> Result<()> {
    shared(async |it| {
        let resource = Resource::unseen(it.name("poison"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let id = schema_id(it).await?;
        let spoiled: [(&str, Option<Vec<u8>>); 5] = [
            ("no frame", Some(format!("hello, {}", mark()).into_bytes())),
            ("a schema that nobody has registered", Some(frame(0x7fff_ff00, b"whatever"))),
            ("a torn datum", Some(frame(id, b"\x48torn"))),
            ("nothing behind the frame", Some(frame(id, b""))),
            ("no value at all", None),
        ];
        let producer = it.world.kafka.producer()?;
        let mut receipts: Vec<(&str, Receipt, Option<Vec<u8>>)> = Vec::new();
        for (what, value) in spoiled {
            let mut headers = Headers::new();
            headers.set("made-by", "nobody");
            let outgoing = Outgoing {
                topic: REQUESTS,
                partition: None,
                key: Some(resource.id.as_bytes()),
                value: value.as_deref(),
                headers: &headers,
            };
            receipts.push((what, producer.send_and_wait(outgoing).await?, value));
        }
        // The next request of the same resource, and so on the same partition.
        let now = clock::now();
        let visit = Appointment::new(&resource.alias, Person::invent(), now.plus(HOUR * 24), now.plus(HOUR * 25));
        let behind = Webhook::generic(it.name("behind"), &[visit.created()]);
        ensure!(it.world.sender.send(&behind).await?.status == 200, "not accepted");
        let row = it.decided(&[behind.request_id(0)]).await?.remove(0);
        ensure!(row.outcome == "confirmed", "the request behind them was {}", row.outcome);
        ensure!(row.partition == partition_of(resource.id.as_bytes(), PARTITIONS), "it was on another partition");

        let letters: BTreeMap<(String, String), _> = it
            .world
            .kafka
            .records(DLQ_ARBITER)
            .await?
            .into_iter()
            .map(|record| {
                let text = |name: &str| record.headers.get(name).unwrap_or_default().to_owned();
                ((text(header::ERROR_PARTITION), text(header::ERROR_OFFSET)), record.clone())
            })
            .collect();
        for (what, receipt, value) in receipts {
            let request = RequestId::derive_from_coordinates(REQUESTS, receipt.partition, receipt.offset);
            let rows = it.world.store.decisions_of(&[request]).await?;
            ensure!(rows.len() == 1, "{what}: {} decisions", rows.len());
            let logged = it.world.kafka.decode(&rows[0].record, decode_decision).await?;
            let verdict = logged.decision.outcome;
            ensure!(verdict == Outcome::Rejected(Rejection::Undecodable), "{what}: decided {verdict:?}");
            ensure!(logged.offset == receipt.offset, "{what}: the decision is of offset {}", logged.offset);
            let place = (receipt.partition.to_string(), receipt.offset.to_string());
            let letter = letters.get(&place).with_context(|| format!("{what}: no dead letter"))?;
            ensure!(letter.value == value, "{what}: the dead letter holds other bytes");
            ensure!(letter.headers.get("made-by") == Some("nobody"), "{what}: the original headers are gone");
            ensure!(letter.headers.get(header::ERROR_TOPIC) == Some(REQUESTS), "{what}: it does not say where from");
            ensure!(letter.headers.get(header::DLQ_REASON).is_some(), "{what}: it does not say why");
        }
        Ok(())
    })
}

/// The id under which the requests' schema is registered.
async fn schema_id(it: &Instance) -> Result<u32> {
    let (subject, text) = SCHEMAS[0];
    ensure!(subject.starts_with(REQUESTS), "{subject} is not the requests'");
    Ok(it.world.kafka.registry().id_of(subject, text).await?)
}
