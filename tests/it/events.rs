//! What became of a source's events, as the source is told.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use daybook_runtime::clock;
use daybook_tests::api::{Program, Reply};
use daybook_tests::generic::Appointment;
use daybook_tests::people::Person;
use daybook_tests::sender::Webhook;
use daybook_tests::wait::{not_yet, wait_until};
use serde_json::json;

use crate::instance::{Instance, SOON, shared};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn appointment(alias: &str, hours: u32) -> Appointment {
    let start = clock::now().plus(HOUR * hours);
    Appointment::new(alias, Person::invent(), start, start.plus(HOUR))
}

/// What the source is told of an event, once it is this.
async fn told(source: &Program, id: &str, status: &str) -> Result<Reply> {
    wait_until(&format!("{id} to be {status}"), SOON, async || {
        let reply = source.get(&format!("/v1/sources/generic/events/{id}")).await?;
        not_yet(reply.body["status"] == status, || format!("{}: {}", reply.status, reply.body))?;
        Ok(reply)
    })
    .await
}

async fn send(it: &Instance, webhook: &Webhook) -> Result<()> {
    let answer = it.world.sender.send(webhook).await?;
    ensure!(answer.acknowledged(), "{answer:?}");
    Ok(())
}

#[test]
fn a_source_is_told_what_was_decided_and_what_needs_mending_and_replays_it_by_itself() -> Result<()> {
    shared(async |it| {
        let (admin, id) = (it.world.administrator(), it.name("events"));
        let source = it.world.caller(&it.name("source"), &["source:generic"]).await?;
        let (path, alias) = (format!("/v1/resources/{id}"), format!("The {id}"));

        // Before anybody knows the resource: a dead letter, with the field and the fix.
        let early = Webhook::generic(it.name("msg"), &[appointment(&alias, 24).created()]);
        send(it, &early).await?;
        let dead = told(&source, early.event_id(), "dead_lettered").await?.expect(200)?;
        let letter = &dead.body["dead_letters"][0];
        ensure!(letter["reason"] == "unknown_resource" && letter["field"] == "events[0].resource", "{}", dead.body);
        ensure!(letter["problem"].as_str().is_some_and(|text| text.contains("then replay")), "{}", dead.body);

        // Mended and replayed, it is decided.
        admin.put(&path, &json!({"time_zone": "UTC", "aliases": {"generic": [alias]}})).await?.expect(201)?;
        let replay = json!({"events": [early.event_id()]});
        let replayed = source.post("/v1/sources/generic/dead-letters/replay", &replay).await?.expect(200)?;
        ensure!(
            replayed.body == json!({"events": [early.event_id()], "forgotten": 0, "more": false}),
            "{}",
            replayed.body
        );
        let decided = told(&source, early.event_id(), "decided").await?;
        let request = &decided.body["requests"][0];
        ensure!(request["outcome"] == "confirmed" && request["resource"] == id.as_str(), "{}", decided.body);
        ensure!(request["request_id"] == early.request_id(0).to_string(), "{}", decided.body);
        let again = source.post("/v1/sources/generic/dead-letters/replay", &replay).await?.expect(200)?;
        ensure!(again.body["events"] == json!([]), "{}", again.body);

        // A rival is told why, and an event that moves nothing that it has no effect.
        let rival = Webhook::generic(it.name("msg"), &[appointment(&alias, 24).created()]);
        send(it, &rival).await?;
        let refused = told(&source, rival.event_id(), "decided").await?;
        ensure!(refused.body["requests"][0]["outcome"] == "rejected", "{}", refused.body);
        ensure!(refused.body["requests"][0]["reason"] == "conflict", "{}", refused.body);

        // Both of one delivery, one of them good.
        let mut faulty = appointment(&alias, 48).created();
        faulty.as_object_mut().context("an object")?.remove("start");
        let both = Webhook::generic(it.name("msg"), &[appointment(&alias, 72).created(), faulty]);
        send(it, &both).await?;
        let half = told(&source, both.event_id(), "dead_lettered").await?;
        ensure!(half.body["dead_letters"][0]["item"] == 1, "{}", half.body);
        ensure!(half.body["dead_letters"][0]["field"] == "events[1].start", "{}", half.body);
        Ok(())
    })
}

#[test]
fn an_event_is_told_to_its_own_source_and_to_nobody_else() -> Result<()> {
    shared(async |it| {
        let source = it.world.caller(&it.name("source"), &["source:generic"]).await?;
        let other = it.world.caller(&it.name("source"), &["source:calendly", "read:*", "request:*"]).await?;
        let webhook = Webhook::generic(it.name("msg"), &[appointment("nobody", 24).created()]);
        send(it, &webhook).await?;
        told(&source, webhook.event_id(), "dead_lettered").await?;
        let path = format!("/v1/sources/generic/events/{}", webhook.event_id());
        ensure!(other.get(&path).await?.problem(403)?.0 == "forbidden");
        let replay = "/v1/sources/generic/dead-letters/replay";
        ensure!(other.post(replay, &json!({})).await?.problem(403)?.0 == "forbidden");
        // Its id says nothing at another source, and an unknown one nothing anywhere.
        other.get(&format!("/v1/sources/calendly/events/{}", webhook.event_id())).await?.expect(404)?;
        source.get("/v1/sources/generic/events/msg_unknown").await?.expect(404)?;
        ensure!(source.post(replay, &json!({"event": []})).await?.problem(400)?.0 == "unknown-field");
        Ok(())
    })
}
