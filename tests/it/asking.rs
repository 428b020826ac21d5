//! Callers of the API who ask for time: alone, a thousand at once, twice, and while what answers them is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_stack::{Server, Service};
use daybook_tests::api::{Program, Reply};
use daybook_tests::resources::Resource;
use daybook_tests::wait::{not_yet, wait_until};
use daybook_wire::header;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::arbiters::blocking;
use crate::instance::{Instance, Rough, SOON, note, rough, shared};

/// How long a pipeline may take to be whole again after its broker was away: clients look for it ever more rarely.
const HEALED: Duration = Duration::from_secs(120);
/// A far Monday, so that nothing of it is past.
const DAY: &str = "2031-03-03";

fn book(resource: &str, start: &str, end: &str) -> Value {
    json!({
        "operation": "book", "resource": resource, "start": format!("{DAY}T{start}:00Z"), "end": format!("{DAY}T{end}:00Z"),
        "title": "First consultation", "attendees": [{"name": "Jane", "email": "jane@example.com"}],
    })
}

async fn ask(program: &Program, key: &str, body: &Value) -> Result<Reply> {
    let request = program.request(Method::POST, "/v1/requests").header("idempotency-key", key).json(body);
    daybook_tests::api::reply(request).await
}

/// Asks as a program must: who loses its connection asks again under the same key. A thousand connections at once, on a
/// machine that does everything else besides, lose some.
async fn insist(program: &Program, key: &str, body: &Value) -> Result<Reply> {
    wait_until("an answer", SOON, async || ask(program, key, body).await).await
}

async fn about(program: &Program, body: &Value) -> Result<Reply> {
    program.post("/v1/requests", body).await
}

async fn resource(it: &Instance, of: &str) -> Result<String> {
    let resource = Resource::unseen(it.name(of));
    it.world.load(std::slice::from_ref(&resource)).await?;
    Ok(resource.id)
}

fn text<'v>(value: &'v Value, pointer: &str) -> Result<&'v str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer} in {value}"))
}

#[test]
fn a_booking_lives_its_whole_life_through_the_api() -> Result<()> {
    shared(async |it| {
        let room = resource(it, "asked").await?;
        let crm = it.world.caller(&it.name("crm"), &[&format!("request:{room}")]).await?;
        let made = ask(&crm, "life-1", &book(&room, "09:00", "09:30")).await?.expect(201)?;
        let id = text(&made.body, "/decision/booking/booking_id")?.to_owned();
        ensure!(made.header("location") == Some(&format!("/v1/bookings/{id}")), "{made:?}");
        ensure!(made.body.pointer("/decision/booking/version") == Some(&json!(1)), "{made:?}");

        let of = |operation: &str, more: Value| {
            let mut body = json!({"operation": operation, "resource": room, "booking_id": id});
            if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
                body.extend(more);
            }
            body
        };
        let moved = of(
            "reschedule",
            json!({"start": format!("{DAY}T11:00"), "end": format!("{DAY}T11:30"), "time_zone": "Europe/Berlin"}),
        );
        let moved = about(&crm, &moved).await?.expect(200)?;
        ensure!(text(&moved.body, "/decision/booking/start")? == format!("{DAY}T10:00:00Z"), "{moved:?}");
        let shown = about(&crm, &of("update", json!({"title": "Second", "attendees": []}))).await?.expect(200)?;
        ensure!(text(&shown.body, "/decision/outcome")? == "updated", "{shown:?}");
        let stale = about(&crm, &of("cancel", json!({"expected_version": 1}))).await?;
        ensure!(stale.body.pointer("/booking_version") == Some(&json!(3)), "{stale:?}");
        stale.expect(412)?;
        let again = ask(&crm, "life-2", &book(&room, "09:00", "09:30")).await?.expect(201)?;
        ensure!(text(&again.body, "/decision/booking/booking_id")? != id, "the old slot was free");

        // The token of the resource: what was seen since is refused, what is still so is not.
        let token = again.header("etag").context("an etag")?.to_owned();
        let held_at = |start: &str, end: &str| {
            let mut body = book(&room, start, end);
            body["operation"] = "hold".into();
            body["ttl"] = "10m".into();
            body
        };
        let conditional = |key: &str, token: &str, body: &Value| {
            let request = crm.request(Method::POST, "/v1/requests").header("idempotency-key", key);
            daybook_tests::api::reply(request.header("if-match", token).json(body))
        };
        let hold = conditional("life-3", &token, &held_at("13:00", "13:30")).await?.expect(201)?;
        conditional("life-4", &token, &held_at("14:00", "14:30")).await?.expect(412)?;
        let held = text(&hold.body, "/decision/booking/booking_id")?;
        let confirm = json!({"operation": "confirm", "resource": room, "booking_id": held});
        let confirmed = about(&crm, &confirm).await?.expect(200)?;
        ensure!(text(&confirmed.body, "/decision/booking/status")? == "confirmed", "{confirmed:?}");
        about(&crm, &json!({"operation": "release", "resource": room, "booking_id": held})).await?.expect(409)?;

        let gone = about(&crm, &of("cancel", json!({}))).await?.expect(200)?;
        ensure!(text(&gone.body, "/decision/outcome")? == "cancelled", "{gone:?}");
        let twice = about(&crm, &of("cancel", json!({}))).await?.expect(200)?;
        ensure!(text(&twice.body, "/decision/reason")? == "duplicate", "{twice:?}");
        Ok(())
    })
}

#[test]
fn what_cannot_be_asked_is_refused_with_the_field_and_the_fix() -> Result<()> {
    shared(async |it| {
        let room = resource(it, "refused").await?;
        let crm = it.world.caller(&it.name("crm"), &[&format!("request:{room}")]).await?;
        let no_key = about(&crm, &book(&room, "09:00", "09:30")).await?.problem(400)?;
        ensure!(no_key == ("idempotency-key-missing".to_owned(), vec!["Idempotency-Key".to_owned()]), "{no_key:?}");
        let mut local = book(&room, "09:00", "09:30");
        local["start"] = format!("{DAY}T09:00").into();
        local["colour"] = "red".into();
        let (kind, fields) = ask(&crm, "bad-1", &local).await?.problem(400)?;
        ensure!((kind.as_str(), fields.len()) == ("invalid-body", 2), "{kind} {fields:?}");
        ensure!(
            ask(&crm, "bad-2", &book("another-room", "09:00", "09:30")).await?.problem(403)?.0 == "forbidden",
            "scope"
        );
        let admin = it.world.administrator();
        let nowhere = it.name("nowhere");
        ensure!(
            ask(&admin, "bad-3", &book(&nowhere, "09:00", "09:30")).await?.problem(404)?.0 == "not-found",
            "resource"
        );
        let unknown =
            json!({"operation": "cancel", "resource": room, "booking_id": "4acc2233-7ebf-5ca1-aa36-48892920231a"});
        ensure!(about(&crm, &unknown).await?.problem(404)?.1 == ["booking_id"], "an unknown booking");
        let mut past = book(&room, "09:00", "09:30");
        past["start"] = "2001-01-01T00:00:00Z".into();
        past["end"] = "2001-01-01T00:30:00Z".into();
        ensure!(ask(&crm, "bad-4", &past).await?.problem(409)?.0 == "past", "past");
        Ok(())
    })
}

#[test]
fn the_same_key_and_body_is_answered_as_before_and_another_body_is_refused_also_in_a_race() -> Result<()> {
    shared(async |it| {
        let room = resource(it, "keys").await?;
        let crm = it.world.caller(&it.name("crm"), &[&format!("request:{room}")]).await?;
        let first = ask(&crm, "same", &book(&room, "09:00", "09:30")).await?.expect(201)?;
        ensure!(first.header("idempotent-replayed").is_none(), "{first:?}");
        let again = ask(&crm, "same", &book(&room, "09:00", "09:30")).await?.expect(201)?;
        ensure!(
            again.header("idempotent-replayed") == Some("true") && again.body == first.body,
            "{again:?}\n{first:?}"
        );
        let other = ask(&crm, "same", &book(&room, "10:00", "10:30")).await?.problem(422)?;
        ensure!(other.0 == "idempotency-mismatch", "{other:?}");
        // Another caller's key of the same name is another key.
        let shop = it.world.caller(&it.name("shop"), &[&format!("request:{room}")]).await?;
        ask(&shop, "same", &book(&room, "10:00", "10:30")).await?.expect(201)?;

        // Twenty pairs under one key each, at the same instant: one of each pair is made, whichever.
        let races = (0..20).map(async |nth| {
            let key = format!("race-{nth}");
            let (early, late) = (format!("{:02}:00", nth), format!("{:02}:30", nth));
            let body = |day: &str| json!({"operation": "book", "resource": room, "start": format!("{day}T{early}:00Z"), "end": format!("{day}T{late}:00Z")});
            let (one, two) = (body("2031-04-01"), body("2031-04-02"));
            let (one, two) = futures::join!(ask(&crm, &key, &one), ask(&crm, &key, &two));
            let mut statuses = [one?.status.as_u16(), two?.status.as_u16()];
            statuses.sort_unstable();
            ensure!(statuses == [201, 422], "{key}: {statuses:?}");
            Ok(())
        });
        for race in join_all(races).await {
            race?;
        }
        Ok(())
    })
}

#[test]
fn a_thousand_callers_for_one_slot_are_one_201_and_999_409_that_name_the_winner() -> Result<()> {
    shared(async |it| {
        let room = resource(it, "thousand").await?;
        let scopes = [format!("request:{room}"), format!("read:{room}")];
        let crm = it.world.caller(&it.name("crm"), &[&scopes[0], &scopes[1]]).await?;
        let body = book(&room, "09:00", "09:30");
        let began = Instant::now();
        let keys: Vec<String> = (0..1_000).map(|nth| format!("slot-{nth}")).collect();
        let replies = join_all(keys.iter().map(|key| insist(&crm, key, &body))).await;
        let replies: Vec<Reply> = replies.into_iter().collect::<Result<_>>()?;
        let took = began.elapsed();
        let made: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 201).collect();
        let statuses = replies.iter().fold(BTreeMap::<u16, usize>::new(), |mut counts, reply| {
            *counts.entry(reply.status.as_u16()).or_default() += 1;
            counts
        });
        ensure!(statuses == BTreeMap::from([(201, 1), (409, 999)]), "{statuses:?}");
        let winner = text(&made[0].body, "/decision/booking/booking_id")?;
        for refused in replies.iter().filter(|reply| reply.status == 409) {
            ensure!(text(&refused.body, "/conflict/booking_id")? == winner, "{refused:?}");
            ensure!(text(&refused.body, "/conflict/source")? == "api", "{refused:?}");
            ensure!(text(&refused.body, "/next_free/0/start")? == format!("{DAY}T09:30:00Z"), "{refused:?}");
        }
        note(&format!("1,000 callers for one slot were answered within {:.1} s", took.as_secs_f64()));

        // Whoever may not read the room hears of the interval, and of nobody.
        let page = it.world.caller(&it.name("page"), &[&scopes[0]]).await?;
        let refused = ask(&page, "mine", &body).await?.expect(409)?;
        ensure!(
            refused.body["conflict"] == json!({"start": format!("{DAY}T09:00:00Z"), "end": format!("{DAY}T09:30:00Z")}),
            "{refused:?}"
        );
        Ok(())
    })
}

#[test]
fn whoever_does_not_wait_is_told_where_to_ask_and_is_the_only_one_who_may() -> Result<()> {
    shared(async |it| {
        let room = resource(it, "later").await?;
        let crm = it.world.caller(&it.name("crm"), &[&format!("request:{room}")]).await?;
        let shop = it.world.caller(&it.name("shop"), &[&format!("request:{room}")]).await?;
        let reader = it.world.caller(&it.name("reader"), &[&format!("read:{room}")]).await?;
        let request = crm.request(Method::POST, "/v1/requests").header("idempotency-key", "later");
        let request = request.header("prefer", "respond-async").json(&book(&room, "09:00", "09:30"));
        let taken = daybook_tests::api::reply(request).await?.expect(202)?;
        let place = taken.header("location").context("a location")?.to_owned();
        ensure!(taken.body["status"] == "waiting", "{taken:?}");
        let decided = wait_until("the decision", SOON, async || {
            let reply = crm.get(&place).await?.expect(200)?;
            not_yet(reply.body["status"] == "decided", || reply.body.to_string())?;
            Ok(reply)
        })
        .await?;
        ensure!(text(&decided.body, "/decision/outcome")? == "confirmed", "{decided:?}");
        ensure!(
            crm.get("/v1/requests/later").await?.expect(200)?.body["decision"] == decided.body["decision"],
            "by its key"
        );
        shop.get(&place).await?.expect(404)?;
        shop.get("/v1/requests/later").await?.expect(404)?;
        reader.get(&place).await?.expect(200)?;
        let made_up = format!("{}{}", &place[..place.len() - 1], if place.ends_with('0') { '1' } else { '0' });
        crm.get(&made_up).await?.expect(404)?;
        Ok(())
    })
}

#[test]
fn two_hundred_callers_whose_ingest_is_killed_find_their_outcomes_by_id() -> Result<()> {
    rough(Rough::Services, async |it| {
        let room = resource(it, "killed").await?;
        let crm = it.world.caller(&it.name("crm"), &[&format!("request:{room}"), &format!("read:{room}")]).await?;
        // Nobody is answered before the kill: nothing is decided without an arbiter.
        let (ingest, arbiter) = (it.stack.service(Service::Ingest), it.stack.service(Service::Arbiter));
        blocking(&arbiter, |unit| unit.kill9()).await?;
        let body = book(&room, "09:00", "09:30");
        let keys: Vec<String> = (0..200).map(|nth| format!("lost-{nth}")).collect();
        let asking = join_all(keys.iter().map(async |key| {
            // Whoever is told to ask later, because the others are slow to come, waits again.
            loop {
                let request = crm.request(Method::POST, "/v1/requests").header("idempotency-key", key);
                let answer = request.header("prefer", "wait=20").json(&body).send().await;
                if !answer.as_ref().is_ok_and(|answer| answer.status().as_u16() == 202) {
                    return answer;
                }
            }
        }));
        let killing = async {
            wait_until("all of them to wait", SOON, async || {
                let text =
                    it.world.metrics().await.into_iter().find(|(name, _)| *name == "ingest").context("ingest")?.1?;
                let waiting = text.lines().find_map(|line| line.strip_prefix("daybook_api_waiting ")).unwrap_or("0");
                let records = it.world.kafka.records("raw.api").await?;
                let own = records.iter().filter(|record| record.key.as_deref() == Some(room.as_bytes()));
                let calls: BTreeSet<_> = own.filter_map(|record| record.headers.get(header::CE_ID)).collect();
                let appended = calls.len();
                not_yet(waiting == "200" && appended == 200, || format!("{waiting} wait, {appended} are on the topic"))
            })
            .await?;
            blocking(&ingest, |unit| unit.kill9()).await
        };
        let (answers, killed) = futures::join!(asking, killing);
        killed?;
        let lost = answers.iter().filter(|answer| answer.is_err()).count();
        ensure!(lost == 200, "only {lost} of 200 lost their connection");
        blocking(&arbiter, |unit| unit.start_ready()).await?;
        blocking(&ingest, |unit| unit.start_ready()).await?;

        let outcomes = join_all(keys.iter().map(async |key| {
            wait_until("the outcome", SOON, async || {
                let reply = crm.get(&format!("/v1/requests/{key}")).await?;
                not_yet(reply.status == 200, || format!("answered {}: {}", reply.status, reply.body))?;
                Ok(text(&reply.body, "/decision/outcome")?.to_owned())
            })
            .await
        }));
        let outcomes: Vec<String> = outcomes.await.into_iter().collect::<Result<_>>()?;
        let confirmed = outcomes.iter().filter(|outcome| *outcome == "confirmed").count();
        let kinds: BTreeSet<&str> = outcomes.iter().map(String::as_str).collect();
        ensure!(confirmed == 1 && kinds == BTreeSet::from(["confirmed", "rejected"]), "{confirmed} of {kinds:?}");
        // Sent again, a request is answered with the same outcome, by a process that never saw it.
        for (key, outcome) in keys.iter().zip(&outcomes).take(20) {
            let again = ask(&crm, key, &body).await?;
            let expected = if outcome == "confirmed" { 201 } else { 409 };
            ensure!(again.status == expected, "{key} was {outcome} and is answered {}", again.status);
        }
        Ok(())
    })
}

#[test]
fn without_kafka_callers_are_told_so_quickly_and_without_an_arbiter_they_are_told_where_to_ask() -> Result<()> {
    rough(Rough::Servers, async |it| {
        let room = resource(it, "away").await?;
        let crm = it.world.caller(&it.name("crm"), &[&format!("request:{room}")]).await?;
        ask(&crm, "before", &book(&room, "08:00", "08:30")).await?.expect(201)?;
        let kafka = it.stack.server(Server::Kafka);
        blocking(&kafka, |unit| unit.stop()).await?;
        // The first pays for finding out.
        let first = ask(&crm, "first", &book(&room, "09:00", "09:30")).await?;
        ensure!(first.header("retry-after").is_some(), "{first:?}");
        first.expect(503)?;
        let began = Instant::now();
        let keys: Vec<String> = (0..50).map(|nth| format!("away-{nth}")).collect();
        let body = book(&room, "09:00", "09:30");
        let replies = join_all(keys.iter().map(async |key| {
            let began = Instant::now();
            anyhow::Ok((ask(&crm, key, &body).await?, began.elapsed()))
        }));
        let replies: Vec<(Reply, Duration)> = replies.await.into_iter().collect::<Result<_>>()?;
        ensure!(replies.iter().all(|(reply, _)| reply.status == 503), "somebody was told otherwise: {replies:?}");
        let mut took: Vec<Duration> = replies.iter().map(|(_, took)| *took).collect();
        took.sort();
        // One caller a second goes through to find out whether Kafka is back.
        ensure!(took[took.len() / 2] < Duration::from_secs(1), "half of them waited {:?}", took[took.len() / 2]);
        ensure!(began.elapsed() < Duration::from_secs(12), "somebody hung for {:?}", began.elapsed());
        // What was decided before is still known.
        crm.get("/v1/requests/before").await?.expect(200)?;
        blocking(&kafka, |unit| unit.start_ready()).await?;
        wait_until("Kafka to be taken for there again", HEALED, async || {
            let reply = ask(&crm, "after", &book(&room, "10:00", "10:30")).await?;
            not_yet(reply.status == 201, || format!("{}: {}", reply.status, reply.body))
        })
        .await
    })
}
