//! Resources by the API: what one answer says is so everywhere.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use daybook_runtime::clock;
use daybook_tests::api::reply;
use daybook_tests::generic::Appointment;
use daybook_tests::people::Person;
use daybook_tests::sender::Webhook;
use daybook_tests::wait::{not_yet, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::instance::{Instance, SOON, shared};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// What a webhook for an hour of it, some hours ahead, comes to: outcome and reason.
async fn booked(it: &Instance, alias: &str, hours: u32) -> Result<(String, Option<String>)> {
    booked_by(it, Person::invent(), alias, hours).await
}

async fn booked_by(it: &Instance, person: Person, alias: &str, hours: u32) -> Result<(String, Option<String>)> {
    let start = clock::now().plus(HOUR * hours);
    let appointment = Appointment::new(alias, person, start, start.plus(HOUR));
    let webhook = Webhook::generic(it.name("resources"), &[appointment.created()]);
    let answer = it.world.sender.send(&webhook).await?;
    ensure!(answer.acknowledged(), "{answer:?}");
    let rows = it.decided(&[webhook.request_id(0)]).await?;
    let row = rows.first().context("it is decided")?;
    Ok((row.outcome.clone(), row.reason.clone()))
}

#[test]
fn what_is_put_is_so_at_once_and_the_same_again_changes_nothing() -> Result<()> {
    shared(async |it| {
        let (api, id) = (it.world.administrator(), it.name("put"));
        let (path, alias) = (format!("/v1/resources/{id}"), format!("The {id}"));
        let body = json!({"time_zone": "Europe/Berlin", "capacity": 1, "aliases": {"generic": [alias]}});
        let new = api.put(&path, &body).await?.expect(201)?;
        ensure!(new.header("location") == Some(path.as_str()), "{:?}", new.headers);
        let again = api.put(&path, &body).await?.expect(200)?;
        ensure!(again.header("etag") == new.header("etag") && again.body == new.body, "{again:?}");
        let shown = api.get(&path).await?.expect(200)?;
        ensure!(shown.body == new.body, "{}", shown.body);

        // Known to the normalizer and the arbiter without more ado.
        ensure!(booked(it, &alias, 24).await?.0 == "confirmed");
        let mut narrower = shown.body.clone();
        narrower["notice"] = json!("240h");
        api.put(&path, &narrower).await?.expect(200)?;
        ensure!(booked(it, &alias, 48).await? == ("rejected".to_owned(), Some("policy".to_owned())));

        // What was seen has changed since: by a booking, and by rules.
        let seen = shown.header("etag").context("an ETag")?;
        let stale = api.request(Method::PUT, &path).header("if-match", seen).json(&body);
        ensure!(reply(stale).await?.problem(412)?.0 == "stale-version");
        let ran = it.world.daybook(&["resources", "apply", "-f", "-", "--dry-run"], &yaml(&id, &alias)).await?;
        ensure!(ran.out.contains("notice            none (was 10d)"), "{}", ran.everything());
        Ok(())
    })
}

fn yaml(id: &str, alias: &str) -> String {
    format!("resources:\n  - id: {id}\n    time_zone: Europe/Berlin\n    aliases: {{ generic: [\"{alias}\"] }}\n")
}

#[test]
fn a_phone_number_without_its_country_is_kept_as_one_of_the_resources_region() -> Result<()> {
    shared(async |it| {
        let (api, id) = (it.world.administrator(), it.name("region"));
        let (path, alias) = (format!("/v1/resources/{id}"), format!("The {id}"));
        let mut body = json!({"time_zone": "UTC", "region": "DE", "aliases": {"generic": [alias]}});
        let new = api.put(&path, &body).await?.expect(201)?;
        ensure!(new.body["region"] == "DE", "{}", new.body);
        let person = Person::invent();
        let at_home = Person { phone: person.phone.replacen("+49", "0", 1), ..person.clone() };
        ensure!(booked_by(it, at_home.clone(), &alias, 24).await?.0 == "confirmed");
        // Whoever calls the API names the resource itself, and the region is all that is looked up.
        let start = clock::now().plus(HOUR * 48);
        let asked = json!({
            "operation": "book", "resource": id, "start": start.to_string(), "end": start.plus(HOUR).to_string(),
            "title": null, "attendees": [{"phone": at_home.phone}],
        });
        let caller = it.world.caller(&it.name("region"), &[&format!("request:{id}")]).await?;
        let request = caller.request(Method::POST, "/v1/requests").header("idempotency-key", "region-1").json(&asked);
        reply(request).await?.expect(201)?;
        ensure!(phones(it, &id).await? == [person.phone.as_str(); 2], "other numbers are kept");

        // Without a region it is what was typed.
        body.as_object_mut().context("an object")?.remove("region");
        let ran = it.world.daybook(&["resources", "apply", "-f", "-", "--dry-run"], &yaml(&id, &alias)).await?;
        ensure!(ran.out.contains("none (was DE)"), "{}", ran.everything());
        ensure!(api.put(&path, &body).await?.expect(200)?.body["region"].is_null());
        ensure!(booked_by(it, at_home.clone(), &alias, 72).await?.0 == "confirmed");
        ensure!(phones(it, &id).await?[2] == at_home.phone, "another number is kept");

        // It goes with a resource that nothing stands on, and not before.
        body["region"] = json!("AT");
        api.put(&path, &body).await?.expect(200)?;
        api.delete(&path).await?.expect(202)?;
        let unused = it.name("region-unused");
        let path = format!("/v1/resources/{unused}");
        api.put(&path, &json!({"time_zone": "UTC", "region": "DE"})).await?.expect(201)?;
        api.delete(&path).await?.expect(204)?;
        let sql = "SELECT resource_id FROM resource_region WHERE resource_id = ANY($1)";
        let left: Vec<String> = sqlx::query_scalar(sql).bind([&id, &unused]).fetch_all(it.world.store.pool()).await?;
        ensure!(left == [id.as_str()], "{left:?}");
        Ok(())
    })
}

/// The numbers that are kept of whoever attends at a resource, by time.
async fn phones(it: &Instance, id: &str) -> Result<Vec<String>> {
    let sql = "SELECT attendee_details->0->>'phone' FROM booking WHERE resource_id = $1 ORDER BY start_time";
    Ok(sqlx::query_scalar(sql).bind(id).fetch_all(it.world.store.pool()).await?)
}

#[test]
fn what_cannot_be_is_refused_with_every_field_and_an_alias_means_one_resource() -> Result<()> {
    shared(async |it| {
        let (api, id) = (it.world.administrator(), it.name("wrong"));
        let path = format!("/v1/resources/{id}");
        let wrong = json!({"time_zone": "Europe/Berln", "notice": "soon", "aliases": {"generic": ["a", "a"]}});
        let refused = api.put(&path, &wrong).await?.problem(400)?;
        let fields = ["time_zone", "notice", "aliases.generic[1]"].map(str::to_owned).to_vec();
        ensure!(refused == ("invalid-body".to_owned(), fields), "{refused:?}");
        let misspelt = api.put(&path, &json!({"time_zone": "UTC", "capacty": 2})).await?;
        ensure!(misspelt.body.to_string().contains("did you mean capacity?"), "{}", misspelt.body);
        ensure!(misspelt.problem(400)?.0 == "unknown-field");
        api.get(&path).await?.expect(404)?;

        let body = |alias: &str| json!({"time_zone": "UTC", "aliases": {"generic": [alias]}});
        api.put(&path, &body(&id)).await?.expect(201)?;
        let other = format!("/v1/resources/{}", it.name("other"));
        let taken = api.put(&other, &body(&id)).await?.problem(409)?;
        ensure!(taken == ("alias-taken".to_owned(), vec!["aliases.generic[0]".to_owned()]), "{taken:?}");

        let reader = it.world.caller(&it.name("reader"), &["read:*", "request:*"]).await?;
        reader.put(&path, &body(&id)).await?.expect(403)?;
        reader.delete(&path).await?.expect(403)?;
        Ok(())
    })
}

#[test]
fn a_resource_that_is_deleted_takes_no_booking_more_and_what_stands_stands() -> Result<()> {
    shared(async |it| {
        let (api, id) = (it.world.administrator(), it.name("gone"));
        let (path, alias) = (format!("/v1/resources/{id}"), format!("The {id}"));
        let body = json!({"time_zone": "UTC", "aliases": {"generic": [alias]}, "targets": {"partner": {}}});
        api.put(&path, &body).await?.expect(201)?;
        let start = clock::now().plus(HOUR * 24);
        let standing = Appointment::new(&alias, Person::invent(), start, start.plus(HOUR));
        let created = Webhook::generic(it.name("gone"), &[standing.created()]);
        it.world.sender.send(&created).await?;
        it.decided(&[created.request_id(0)]).await?;
        it.delivered(&id).await?;

        let retired = api.delete(&path).await?.expect(202)?;
        ensure!(retired.body["bookings"] == 1, "{}", retired.body);
        api.get(&path).await?.expect(404)?;
        api.delete(&path).await?.expect(202)?;
        let listed = api.get("/v1/resources?limit=200").await?.expect(200)?;
        ensure!(!listed.body.to_string().contains(&format!("\"{id}\"")), "it is listed");

        // A new booking is refused, and its source told; its name stays its own, because an event may come by it.
        ensure!(booked(it, &alias, 48).await? == ("rejected".to_owned(), Some("policy".to_owned())));
        let heir = format!("/v1/resources/{}", it.name("heir"));
        let heirs = json!({"time_zone": "UTC", "aliases": {"generic": [alias]}});
        ensure!(api.put(&heir, &heirs).await?.problem(409)?.0 == "alias-taken");

        // Its booking can still be cancelled, which the partner hears. Then its name is free.
        let cancelled = Webhook::generic(it.name("gone"), &[standing.cancelled()]);
        it.world.sender.send(&cancelled).await?;
        let rows = it.decided(&[cancelled.request_id(0)]).await?;
        ensure!(rows.first().is_some_and(|row| row.outcome == "cancelled"), "{rows:?}");
        it.delivered(&id).await?;
        api.delete(&path).await?.expect(204)?;
        api.delete(&path).await?.expect(404)?;
        api.put(&heir, &heirs).await?.expect(201)?;

        // A PUT opens it again.
        api.put(&path, &json!({"time_zone": "UTC"})).await?.expect(201)?;
        api.delete(&path).await?.expect(204)?;
        Ok(())
    })
}

#[test]
fn a_key_sees_the_resources_of_its_scopes_and_what_sources_call_them_only_as_a_reader() -> Result<()> {
    shared(async |it| {
        let (api, family) = (it.world.administrator(), it.name("family"));
        let ids: Vec<String> = (0..5).map(|at| format!("{family}-{at}")).collect();
        for id in &ids {
            let body = json!({"time_zone": "UTC", "aliases": {"generic": [id]}});
            api.put(&format!("/v1/resources/{id}"), &body).await?.expect(201)?;
        }
        let scopes = [format!("request:{family}-*"), format!("read:{}", ids[1])];
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        let caller = it.world.caller(&it.name("caller"), &scopes).await?;
        let mut seen: Vec<Value> = Vec::new();
        let mut next = String::new();
        loop {
            let page = caller.get(&format!("/v1/resources?limit=2{next}")).await?.expect(200)?;
            seen.extend(page.body["resources"].as_array().cloned().unwrap_or_default());
            let Some(after) = page.body["next"].as_str() else { break };
            next = format!("&after={after}");
        }
        let named: Vec<&str> = seen.iter().filter_map(|resource| resource["id"].as_str()).collect();
        ensure!(named == ids, "{named:?}");
        let open: Vec<usize> = (0..5).filter(|at| seen[*at].get("aliases").is_some()).collect();
        ensure!(open == [1], "{open:?}");
        caller.get(&format!("/v1/resources/{}", it.name("stranger"))).await?.expect(403)?;
        Ok(())
    })
}

#[test]
fn a_name_that_no_resource_has_is_listed_until_one_has_it_and_its_letters_pass_then() -> Result<()> {
    shared(async |it| {
        let (api, id) = (it.world.administrator(), it.name("unmatched"));
        let alias = format!("The {id} of {}", daybook_tests::people::mark());
        let start = clock::now().plus(HOUR * 24);
        let appointment = Appointment::new(&alias, Person::invent(), start, start.plus(HOUR));
        let webhook = Webhook::generic(it.name("unmatched"), &[appointment.created()]);
        ensure!(it.world.sender.send(&webhook).await?.acknowledged());
        let list = async || it.world.daybook(&["aliases", "unmatched", "--source", "generic"], "").await;
        wait_until("the name to be listed", SOON, async || {
            let ran = list().await?;
            not_yet(ran.out.contains(&format!("aliases: {{generic: [\"{alias}\"]}}")), || ran.everything())
        })
        .await?;

        let body = json!({"time_zone": "Europe/Berlin", "aliases": {"generic": [alias]}});
        api.put(&format!("/v1/resources/{id}"), &body).await?.expect(201)?;
        let ran = list().await?;
        ensure!(ran.success && !ran.out.contains(&alias) && ran.out.contains("would pass now"), "{}", ran.everything());
        // Only its own letter: other tests have theirs.
        let ran = it.world.daybook(&["dlq", "list", "--reason", "unknown_resource"], "").await?;
        let line = ran.out.lines().find(|line| line.contains(webhook.event_id())).context("its letter")?;
        let letter = line.split_whitespace().nth(1).context("its id")?.to_owned();
        let ran = it.world.daybook(&["dlq", "replay", "normalizer", &letter], "").await?;
        ensure!(ran.success, "{}", ran.everything());
        let rows = it.decided(&[webhook.request_id(0)]).await?;
        ensure!(rows[0].outcome == "confirmed", "{}", rows[0].outcome);
        // It is done with; who did it is not forgotten.
        let listed = async |more: &[&str]| {
            let ran = it.world.daybook(&[&["dlq", "list"], more].concat(), "").await?;
            ensure!(ran.success, "{}", ran.everything());
            let place = |line: &&str| line.split_whitespace().nth(1) == Some(&letter);
            Ok(ran.out.lines().find(place).map(str::to_owned))
        };
        ensure!(listed(&[]).await?.is_none(), "a replayed letter is still listed");
        let line = listed(&["--all"]).await?.context("it is gone")?;
        ensure!(line.contains("replayed by "), "{line}");
        let because =
            ["dlq", "discard", "normalizer", &letter, "--because", "theirs was a test", "--by", "night shift"];
        let ran = it.world.daybook(&because, "").await?;
        ensure!(ran.success && ran.out.contains("1 letter discarded"), "{}", ran.everything());
        let line = listed(&["--all", "--queue", "normalizer"]).await?.context("it is gone")?;
        ensure!(line.contains("discarded by night shift") && line.contains("theirs was a test"), "{line}");
        let mixed = it.world.daybook(&["dlq", "replay", "normalizer", &letter, "--reason", "x"], "").await?;
        ensure!(mixed.code == Some(2), "{}", mixed.everything());
        Ok(())
    })
}
