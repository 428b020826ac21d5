//! What is not as it should be: each kind gets its own answer, and nothing behind it waits.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use daybook_domain::{Timestamp, topics};
use daybook_runtime::clock;
use daybook_tests::calendly::Invitee;
use daybook_tests::generic::Appointment;
use daybook_tests::oracle::{DeadLetter, dead_letters};
use daybook_tests::people::{Person, marked};
use daybook_tests::resources::Resource;
use daybook_tests::sender::{Webhook, read};
use daybook_tests::wait::{not_yet, wait_until};
use daybook_wire::header;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::instance::{Instance, SOON, shared};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A resource and the next free hour of it.
struct Desk<'a> {
    it: &'a Instance,
    resource: Resource,
    now: Timestamp,
    hours: u32,
}

impl<'a> Desk<'a> {
    async fn open(it: &'a Instance, name: &str) -> Result<Self> {
        let resource = Resource::unseen(it.name(name));
        it.world.load(std::slice::from_ref(&resource)).await?;
        Ok(Self { it, resource, now: clock::now(), hours: 24 })
    }

    fn hour(&mut self) -> (Timestamp, Timestamp) {
        self.hours += 1;
        (self.now.plus(HOUR * self.hours), self.now.plus(HOUR * (self.hours + 1)))
    }

    fn calendly(&mut self) -> Value {
        let (start, end) = self.hour();
        Invitee::new(&self.resource.host, Person::invent(), start, end, self.now).created()
    }

    fn generic(&mut self) -> Value {
        let (start, end) = self.hour();
        Appointment::new(&self.resource.alias, Person::invent(), start, end).created()
    }

    fn message(&self, event: &Value) -> Webhook {
        Webhook::generic(self.it.name("message"), std::slice::from_ref(event))
    }

    /// A sound event on each partition of both sources' topics: what lies on one behind the rubbish is decided too.
    async fn good_events_behind_pass(&mut self) -> Result<()> {
        let mut requests = Vec::new();
        for partition in 0..topics::PARTITIONS_SIDE {
            let at = |key: &Value| {
                let key = key.as_str().unwrap_or_default();
                topics::partition_of(key.as_bytes(), topics::PARTITIONS_SIDE)
            };
            let calendly =
                std::iter::repeat_with(|| self.calendly()).find(|event| at(&event["payload"]["uri"]) == partition);
            let calendly = Webhook::calendly(&calendly.context("a key")?);
            let generic = std::iter::repeat_with(|| self.generic()).find(|event| at(&event["id"]) == partition);
            let generic = self.message(&generic.context("a key")?);
            for webhook in [calendly, generic] {
                ensure!(self.it.world.sender.send(&webhook).await?.status == 200, "a sound event was refused");
                requests.push(webhook.request_id(0));
            }
        }
        let rows = self.it.decided(&requests).await?;
        let other: Vec<&str> =
            rows.iter().map(|row| row.outcome.as_str()).filter(|outcome| *outcome != "confirmed").collect();
        ensure!(other.is_empty(), "sound events behind the rubbish were {other:?}");
        Ok(())
    }

    /// The dead letters of an acknowledged event, once there are as many as there must be.
    async fn letters(&self, webhook: &Webhook, count: usize) -> Result<Vec<DeadLetter>> {
        wait_until("the dead letters", SOON, async || {
            let letters = dead_letters(&self.it.world, webhook.event_id()).await?;
            not_yet(letters.len() >= count, || format!("{} of {count} are there", letters.len()))?;
            Ok(letters)
        })
        .await
    }
}

fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    *value.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is a field")) = new;
    value
}

fn without(mut value: Value, parent: &str, field: &str) -> Value {
    let parent = value.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    assert!(parent.remove(field).is_some(), "{field} is a field");
    value
}

#[test]
fn what_is_not_authentic_or_not_json_or_too_large_is_turned_away_with_its_own_status_and_not_kept() -> Result<()> {
    shared(async |it| {
        let mut desk = Desk::open(it, "turned-away").await?;
        let sender = &it.world.sender;
        let now = clock::now();
        let ago = |span: Duration| Timestamp::from_millis(now.millis() - i64::try_from(span.as_millis()).unwrap_or(0));
        let event = desk.generic();
        let (calendly, generic) = (Webhook::calendly(&desk.calendly()), desk.message(&event));
        let seconds = (now.millis() / 1_000).to_string();
        let generic_headers = |request: RequestBuilder| {
            request.header("webhook-id", generic.event_id()).header("webhook-timestamp", &seconds)
        };
        let large = "x".repeat(2 * 1_024 * 1_024);
        let large_calendly = Webhook::calendly_bytes(format!(r#"{{"padding":"{large}"}}"#));
        let large_generic = Webhook::generic_bytes(it.name("large"), format!(r#"{{"padding":"{large}"}}"#));
        let forged = format!("t={seconds},v1={}", "ab".repeat(32));
        let header = "calendly-webhook-signature";
        let cases: Vec<(&str, u16, RequestBuilder)> = vec![
            ("calendly, a bad signature", 401, sender.unsigned(&calendly).header(header, &forged)),
            ("calendly, an unreadable signature", 401, sender.unsigned(&calendly).header(header, "v1=what")),
            ("calendly, no signature", 401, sender.unsigned(&calendly)),
            ("calendly, a stale timestamp", 401, sender.request(&calendly, ago(HOUR * 25)?)),
            ("calendly, a signature of tomorrow", 401, sender.request(&calendly, now.plus(HOUR))),
            (
                "generic, a bad signature",
                401,
                generic_headers(sender.unsigned(&generic))
                    .header("webhook-signature", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ),
            ("generic, no signature", 401, generic_headers(sender.unsigned(&generic))),
            ("generic, a stale timestamp", 401, sender.request(&generic, ago(HOUR / 10)?)),
            ("calendly, 2 MiB", 413, sender.request(&large_calendly, now)),
            ("generic, 2 MiB", 413, sender.request(&large_generic, now)),
        ];
        for (what, status, request) in cases {
            let answer = read(request).await.with_context(|| what.to_owned())?;
            ensure!(answer.status == status, "{what}: answered {} and not {status}", answer.status);
        }
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"] {
            for webhook in [&calendly, &generic] {
                // The first header of a name wins nowhere, so the request is built anew.
                let mut request = sender.request(webhook, now).build()?;
                request.headers_mut().insert("content-type", content_type.parse()?);
                let status = it.world.http.execute(request).await?.status().as_u16();
                ensure!(status == 415, "{content_type}: answered {status} and not 415");
            }
        }
        desk.good_events_behind_pass().await?;

        let turned_away = [&calendly, &generic, &large_calendly, &large_generic];
        for source in ["calendly", "generic"] {
            let records = it.world.kafka.records(&topics::raw(&source.parse()?)).await?;
            ensure!(!records.is_empty(), "raw.{source} is empty");
            let kept = records.iter().filter_map(|record| record.headers.get(header::CE_ID));
            let kept: Vec<&str> =
                kept.filter(|id| turned_away.iter().any(|webhook| webhook.event_id() == *id)).collect();
            ensure!(kept.is_empty(), "raw.{source} holds {kept:?}, which were turned away");
        }
        Ok(())
    })
}

#[test]
fn what_is_signed_and_malformed_is_acknowledged_and_becomes_a_dead_letter_with_its_reason() -> Result<()> {
    shared(async |it| {
        let mut desk = Desk::open(it, "malformed").await?;
        let mut cases: Vec<(&str, Webhook)> = Vec::new();
        for event in [desk.calendly(), desk.calendly()] {
            let text = event.to_string();
            cases.push(("invalid_json", Webhook::calendly_bytes(text[..text.len() / 2].to_owned())));
            let torn = [text.as_bytes()[..40].to_vec(), vec![0xff, 0xfe], text.as_bytes()[40..].to_vec()].concat();
            cases.push(("invalid_utf8", Webhook::calendly_bytes(torn)));
        }
        let spoiled = [
            ("wrong_type", with(desk.calendly(), "/payload/email", Value::Null)),
            ("wrong_type", with(desk.calendly(), "/payload/uri", json!(4_711))),
            ("wrong_type", with(desk.calendly(), "/payload/scheduled_event", json!("soon"))),
            ("missing_field", without(desk.calendly(), "/payload/scheduled_event", "start_time")),
            ("missing_field", without(desk.calendly(), "/payload", "updated_at")),
            ("invalid_time", with(desk.calendly(), "/payload/scheduled_event/start_time", json!("tomorrow at nine"))),
            (
                "empty_interval",
                with(desk.calendly(), "/payload/scheduled_event/end_time", json!("2026-01-01T00:00:00Z")),
            ),
            (
                "unknown_resource",
                with(
                    desk.calendly(),
                    "/payload/scheduled_event/event_memberships/0",
                    json!({"user": marked("https://api.calendly.com/users/nobody"), "user_email": "nobody@office.example"}),
                ),
            ),
        ];
        cases.extend(spoiled.map(|(reason, event)| (reason, Webhook::calendly(&event))));

        cases.push(("invalid_json", Webhook::generic_bytes(it.name("torn"), r#"{"events":[{"type":"booking.cr"#)));
        cases.push(("invalid_utf8", Webhook::generic_bytes(it.name("bytes"), &b"{\"events\":\"\xc3\x28\"}"[..])));
        cases.push(("invalid_json", Webhook::generic_bytes(it.name("empty"), "")));
        cases.push(("wrong_type", Webhook::generic_bytes(it.name("null"), "null")));
        let spoiled = [
            ("wrong_type", with(desk.generic(), "/id", Value::Null)),
            ("wrong_type", with(desk.generic(), "/resource", json!(7))),
            ("empty_interval", with(desk.generic(), "/end", json!("2026-01-01T00:00:00Z"))),
            ("unknown_resource", with(desk.generic(), "/resource", json!(marked("nobody at all")))),
            ("unknown_event_type", with(desk.generic(), "/type", json!("booking.imagined"))),
        ];
        for (reason, event) in spoiled {
            cases.push((reason, desk.message(&event)));
        }

        for (reason, webhook) in &cases {
            let answer = it.world.sender.send(webhook).await?;
            ensure!(answer.status == 200, "{reason}: signed bytes were answered {}", answer.status);
        }
        desk.good_events_behind_pass().await?;
        for (reason, webhook) in &cases {
            let letters = desk.letters(webhook, 1).await.with_context(|| format!("{reason}, {}", webhook.source))?;
            ensure!(letters.len() == 1, "{reason}: {} dead letters", letters.len());
            let letter = &letters[0];
            ensure!(letter.reason == *reason, "it is {reason} and its dead letter says {}", letter.reason);
            ensure!(letter.value == webhook.body, "{reason}: the dead letter holds other bytes");
            ensure!(!letter.message.is_empty(), "{reason}: the dead letter does not say what is wrong");
            let decided = it.world.store.decisions_of(&[webhook.request_id(0)]).await?;
            ensure!(decided.is_empty(), "{reason}: it was decided all the same");
        }
        Ok(())
    })
}

#[test]
fn good_siblings_of_a_bad_event_pass_and_fields_that_nobody_knows_are_counted_and_ignored() -> Result<()> {
    shared(async |it| {
        let mut desk = Desk::open(it, "siblings").await?;
        let bad = with(desk.generic(), "/start", Value::Null);
        let events = [desk.generic(), bad, desk.generic()];
        let mixed = Webhook::generic(it.name("mixed"), &events);
        let mut strange = desk.calendly();
        strange["payload"]["favourite_colour"] = json!(marked("green"));
        strange["payload"]["scheduled_event"]["moon"] = json!({"phase": [1, 2, 3]});
        let strange = Webhook::calendly(&strange);

        let before = drift(it).await?;
        for webhook in [&mixed, &strange] {
            ensure!(it.world.sender.send(webhook).await?.status == 200, "not accepted");
        }
        let rows = it.decided(&[mixed.request_id(0), mixed.request_id(2), strange.request_id(0)]).await?;
        ensure!(rows.iter().all(|row| row.outcome == "confirmed"), "{rows:?}");
        let letters = desk.letters(&mixed, 1).await?;
        let items: Vec<_> = letters.iter().map(|letter| (letter.item, letter.reason.as_str())).collect();
        ensure!(items == [(Some(1), "wrong_type")], "the dead letters are {items:?}");
        ensure!(it.world.store.decisions_of(&[mixed.request_id(1)]).await?.is_empty(), "the bad sibling was decided");
        let after = drift(it).await?;
        ensure!(after >= before + 2.0, "the unknown fields were counted {} times", after - before);
        desk.good_events_behind_pass().await
    })
}

/// How many unknown fields the normalizer has counted.
async fn drift(it: &Instance) -> Result<f64> {
    let metrics = it.world.metrics().await;
    let text = metrics.into_iter().find(|(name, _)| *name == "normalizer").context("the normalizer")?.1?;
    let counted = text.lines().filter(|line| !line.starts_with('#') && line.contains("drift"));
    let values: Vec<f64> = counted.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    Ok(values.iter().sum())
}
