//! What callers of the API see: where a resource is free, its bookings, and what only some of them may know.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use daybook_domain::Timestamp;
use daybook_runtime::clock;
use daybook_tests::api::{Program, Reply};
use daybook_tests::generic::Appointment;
use daybook_tests::people::{Person, mark};
use daybook_tests::sender::Webhook;
use serde_json::{Value, json};

use crate::instance::{Instance, shared};

const HOUR: Duration = Duration::from_secs(60 * 60);
const MINUTE: Duration = Duration::from_secs(60);

/// A resource with rules, and what the generic source calls it.
struct Room {
    id: String,
    alias: String,
}

impl Room {
    async fn open(it: &Instance, rules: &str) -> Result<Self> {
        let id = it.name("room");
        let room = Self { alias: format!("{id} {}", mark()), id };
        room.define(it, rules).await?;
        Ok(room)
    }

    async fn define(&self, it: &Instance, rules: &str) -> Result<()> {
        let file = format!(
            "resources:\n  - id: {}\n    time_zone: Europe/Berlin\n    aliases: {{ generic: [\"{}\"] }}\n{rules}",
            self.id, self.alias
        );
        let ran = it.world.daybook(&["resources", "apply", "-f", "-"], &file).await?;
        ensure!(ran.success, "daybook resources apply failed:\n{}", ran.everything());
        Ok(())
    }

    /// A booking from one instant to another, decided.
    async fn book(&self, it: &Instance, start: Timestamp, end: Timestamp) -> Result<Appointment> {
        let visit = Appointment::new(&self.alias, Person::invent(), start, end);
        self.tell(it, &visit.created()).await?;
        Ok(visit)
    }

    async fn tell(&self, it: &Instance, event: &Value) -> Result<()> {
        let webhook = Webhook::generic(it.name("look"), std::slice::from_ref(event));
        ensure!(it.world.sender.send(&webhook).await?.status == 200, "not accepted");
        let row = it.decided(&[webhook.request_id(0)]).await?.remove(0);
        ensure!(row.outcome != "rejected", "it was refused: {:?}", row.reason);
        Ok(())
    }

    async fn free(&self, program: &Program, from: Timestamp, to: Timestamp, more: &str) -> Result<Reply> {
        program.get(&format!("/v1/resources/{}/availability?from={from}&to={to}{more}", self.id)).await
    }
}

/// Ten o'clock, UTC, in three days.
fn ten() -> Timestamp {
    let day = 24 * 60 * 60 * 1_000;
    let today = clock::now().millis() / day * day;
    Timestamp::from_millis(today + 3 * day + 10 * 60 * 60 * 1_000).expect("of our days")
}

/// How many minutes after an instant each span begins.
fn starts(spans: &Value, after: Timestamp) -> Result<Vec<u64>> {
    let spans = spans.as_array().context("a list")?;
    let start =
        |span: &Value| span["start"].as_str().and_then(|text| text.parse::<Timestamp>().ok()).context("a start");
    spans.iter().map(|span| Ok(start(span)?.since(after).as_secs() / 60)).collect()
}

#[test]
fn what_is_free_is_told_by_the_rules_and_by_all_that_is_booked_with_a_version_that_rises() -> Result<()> {
    shared(async |it| {
        let administrator = it.world.administrator();
        let room = Room::open(it, "    buffer_after: 15m\n").await?;
        let ten = ten();
        let (end, half) = (ten.plus(4 * HOUR), "&duration=30m");
        let before = room.free(&administrator, ten, end, half).await?;
        ensure!(starts(&before.body["slots"], ten)? == [0, 30, 60, 90, 120, 150, 180, 210], "{}", before.body);
        ensure!(before.body["time_zone"] == "Europe/Berlin", "{}", before.body);
        ensure!(before.headers["cache-control"] == "no-store", "{:?}", before.headers);
        let visit = room.book(it, ten.plus(HOUR), ten.plus(HOUR + 30 * MINUTE)).await?;
        let after = room.free(&administrator, ten, end, half).await?;
        // A quarter of an hour after each booking: nothing at 30, 60 and 90.
        ensure!(starts(&after.body["slots"], ten)? == [0, 120, 150, 180, 210], "{}", after.body);
        let fine = room.free(&administrator, ten, end, "&duration=30m&granularity=15m").await?;
        ensure!(starts(&fine.body["slots"], ten)?[..4] == [0, 15, 105, 120], "{}", fine.body);
        let version = |reply: &Reply| reply.body["version"].as_u64().context("a version");
        ensure!(version(&after)? == version(&before)? + 1, "the version did not rise by one");
        ensure!(after.headers["etag"] == format!("\"{}\"", version(&after)?), "{:?}", after.headers);
        ensure!(after.body["etag"] == after.headers["etag"].to_str()?, "{}", after.body);

        let stored = it.world.store.bookings_of(&room.id).await?;
        let moving = room.free(&administrator, ten, end, &format!("{half}&moving={}", stored[0].booking_id)).await?;
        ensure!(starts(&moving.body["slots"], ten)?.len() == 8, "it is in its own way: {}", moving.body);
        let elsewhere = format!("{half}&moving=0f8fad5b-d9cb-569f-a165-70867728950e");
        let told = room.free(&administrator, ten, end, &elsewhere).await?.problem(404)?;
        ensure!(told == ("not-found".to_owned(), vec!["moving".to_owned()]), "{told:?}");

        room.tell(it, &visit.cancelled()).await?;
        let freed = room.free(&administrator, ten, end, half).await?;
        ensure!(starts(&freed.body["slots"], ten)?.len() == 8, "{}", freed.body);
        room.define(it, "    notice: 10d\n").await?;
        let late = room.free(&administrator, ten, end, half).await?;
        ensure!(starts(&late.body["slots"], ten)?.is_empty() && version(&late)? > version(&freed)?, "{}", late.body);
        // Noon to two in Berlin, whatever the season makes of it in UTC, on all days.
        room.define(it, "    hours: [\"mon-sun 12:00-14:00\"]\n").await?;
        let noon = room.free(&administrator, ten.minus(10 * HOUR), ten.plus(14 * HOUR), "&duration=1h").await?;
        ensure!(starts(&noon.body["slots"], ten)?.len() == 2, "{}", noon.body);
        Ok(())
    })
}

#[test]
fn many_are_asked_for_at_once_and_what_one_key_may_not_see_stops_nothing() -> Result<()> {
    shared(async |it| {
        let (room, other) = (Room::open(it, "    capacity: 2\n").await?, Room::open(it, "").await?);
        let hidden = Room::open(it, "").await?;
        let ten = ten();
        for minutes in [0, 30] {
            room.book(it, ten.plus(MINUTE * minutes), ten.plus(HOUR)).await?;
        }
        other.book(it, ten, ten.plus(HOUR)).await?;
        let scopes = [format!("request:{}", room.id), format!("read:{}", other.id), "request:no-such-*".to_owned()];
        let program = it.world.caller("look", &scopes.each_ref().map(String::as_str)).await?;
        let resources = [&room.id, &other.id, &hidden.id, "no-such-room"];
        let question = json!({"resources": resources, "from": ten.to_string(), "to": ten.plus(2 * HOUR).to_string(),
            "duration": "1h"});
        let answer = program.post("/v1/freebusy", &question).await?.with(200)?;
        let entries = answer["resources"].as_array().context("a list")?;
        ensure!(entries.len() == 4, "{answer}");
        // Two have the second half of the first hour.
        ensure!(
            starts(&entries[0]["busy"], ten)? == [30] && starts(&entries[0]["slots"], ten)? == [60],
            "{}",
            entries[0]
        );
        ensure!(
            starts(&entries[1]["busy"], ten)? == [0] && starts(&entries[1]["slots"], ten)? == [60],
            "{}",
            entries[1]
        );
        let problems: Vec<_> = entries[2..].iter().map(|entry| entry["problem"]["status"].as_u64()).collect();
        ensure!(problems == [Some(403), Some(404)], "{answer}");
        ensure!(entries[2]["resource"] == hidden.id, "{}", entries[2]);
        let alone = hidden.free(&program, ten, ten.plus(HOUR), "&duration=1h").await?;
        ensure!(alone.problem(403)?.0 == "forbidden");
        let unknown = json!({"resources": [room.id], "from": ten.to_string(), "to": ten.plus(HOUR).to_string(),
            "durations": "1h"});
        let told = program.post("/v1/freebusy", &unknown).await?.problem(400)?;
        ensure!(told == ("unknown-field".to_owned(), vec!["durations".to_owned()]), "{told:?}");
        Ok(())
    })
}

#[test]
fn bookings_are_listed_page_by_page_in_one_order_and_told_with_their_history() -> Result<()> {
    shared(async |it| {
        let room = Room::open(it, "    capacity: 5\n").await?;
        let ten = ten();
        let mut visits = Vec::new();
        for nth in 0..7 {
            // Five of them at the same time: then the id decides.
            let start = ten.plus(HOUR * (nth / 5));
            visits.push(room.book(it, start, start.plus(30 * MINUTE)).await?);
        }
        room.tell(it, &visits[0].cancelled()).await?;
        let program = it.world.caller("look", &[&format!("read:{}", room.id)]).await?;
        let list = async |filter: &str| program.get(&format!("/v1/bookings?resource={}{filter}", room.id)).await;
        let ids = |page: &Value| -> Vec<String> {
            let bookings = page["bookings"].as_array().into_iter().flatten();
            bookings.filter_map(|booking| booking["booking_id"].as_str()).map(str::to_owned).collect()
        };
        let all = ids(&list("").await?.with(200)?);
        ensure!(all.len() == 6, "{all:?}");
        let mut paged = Vec::new();
        let mut next = String::new();
        loop {
            let page = list(&format!("&limit=2{next}")).await?.with(200)?;
            ensure!(ids(&page).len() == 2, "{page}");
            paged.extend(ids(&page));
            match page["next"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        ensure!(paged == all, "page by page it is {paged:?}, and at once {all:?}");
        let other = list(&format!("&kind=busy{next}")).await?.problem(400)?;
        ensure!(other.1 == ["cursor"], "{other:?}");
        let gone = list("&status=cancelled&status=held").await?.with(200)?;
        ensure!(ids(&gone).len() == 1 && gone["bookings"][0]["status"] == "cancelled", "{gone}");
        let second = format!("&from={}&to={}", ten.plus(HOUR), ten.plus(2 * HOUR));
        ensure!(ids(&list(&second).await?.with(200)?).len() == 2);
        ensure!(ids(&list("&source=calendly").await?.with(200)?).is_empty());
        let everywhere = format!("/v1/bookings?from={ten}&to={}", ten.plus(2 * HOUR));
        ensure!(ids(&program.get(&everywhere).await?.with(200)?) == all, "its key reads one room");

        let id = gone["bookings"][0]["booking_id"].as_str().context("an id")?;
        let told = program.get(&format!("/v1/bookings/{id}")).await?.with(200)?;
        ensure!(told["attendees"][0]["email"] == visits[0].person.email && told["title"] == visits[0].title, "{told}");
        ensure!(told["source"] == "generic" && told["source_ids"] == json!([visits[0].id]), "{told}");
        let history: Vec<_> =
            told["history"].as_array().into_iter().flatten().map(|it| it["outcome"].clone()).collect();
        ensure!(history == ["confirmed", "cancelled"], "{told}");
        let made = &told["history"][0];
        ensure!(
            made["version"] == 1 && made["status"] == "confirmed" && made["time"]["start"] == ten.to_string(),
            "{told}"
        );
        Ok(())
    })
}

#[test]
fn who_attends_is_told_only_to_keys_that_may_read_the_resource() -> Result<()> {
    shared(async |it| {
        let room = Room::open(it, "").await?;
        let ten = ten();
        room.book(it, ten, ten.plus(HOUR)).await?;
        let id = it.world.store.bookings_of(&room.id).await?[0].booking_id;
        let asker = it.world.caller("look", &[&format!("request:{}", room.id)]).await?;
        let told = asker.get(&format!("/v1/bookings/{id}")).await?.with(200)?;
        let mut fields: Vec<&String> = told.as_object().context("an object")?.keys().collect();
        fields.sort();
        let bare = ["booking_id", "end", "kind", "resource", "start", "status", "time_zone", "version"];
        ensure!(fields == bare, "a key that may not read it is told {told}");
        ensure!(!told.to_string().contains(mark()), "{told}");
        let list = asker.get(&format!("/v1/bookings?resource={}", room.id)).await?.problem(403)?;
        ensure!(list == ("forbidden".to_owned(), vec!["resource[0]".to_owned()]), "{list:?}");
        let stranger = it.world.caller("look", &["read:somewhere-else"]).await?;
        let (kind, _) = stranger.get(&format!("/v1/bookings/{id}")).await?.problem(404)?;
        let (same, _) = stranger.get("/v1/bookings/0f8fad5b-d9cb-569f-a165-70867728950e").await?.problem(404)?;
        ensure!(kind == same, "{kind} tells that there is such a booking");
        Ok(())
    })
}

#[test]
fn a_question_that_cannot_be_answered_names_every_fault_and_what_would_be_right() -> Result<()> {
    shared(async |it| {
        let administrator = it.world.administrator();
        let ask = async |path: &str| administrator.get(path).await?.problem(400);
        let (kind, fields) =
            ask("/v1/resources/room-7/availability?from=2027-03-04T09:00&to=soon&granularity=no&form=x").await?;
        ensure!(kind == "invalid-parameter", "{kind}");
        ensure!(fields == ["duration", "from", "to", "granularity", "form"], "{fields:?}");
        ensure!(ask("/v1/resources/Room%207/availability").await?.1 == ["id"]);
        ensure!(ask("/v1/bookings?status=lost&limit=0").await?.1 == ["status", "limit", "from"]);
        ensure!(ask("/v1/bookings/room-7").await?.1 == ["id"]);
        let far = "/v1/resources/no-such-room/availability?from=2027-03-04T09:00&to=2027-03-05T09:00\
                   &time_zone=Europe/Berlin&duration=30m";
        ensure!(administrator.get(far).await?.problem(404)?.0 == "not-found");
        Ok(())
    })
}
