//! One of everything that can go well or wrong, with somebody's data in each, and a search for it afterwards.
//!
//! Every other test ends with the same search, on everything that was logged until then.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use daybook_domain::topics;
use daybook_runtime::clock;
use daybook_tests::calendly::Invitee;
use daybook_tests::generic::Appointment;
use daybook_tests::oracle::dead_letters;
use daybook_tests::people::{Person, mark, phone_mark};
use daybook_tests::resources::Resource;
use daybook_tests::sender::{Webhook, read};
use daybook_tests::wait::{not_yet, wait_until};
use serde_json::json;

use crate::instance::{SOON, shared};

const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn whatever_becomes_of_an_event_nobody_can_read_in_a_log_or_a_metric_who_was_in_it() -> Result<()> {
    shared(async |it| {
        let resource = Resource::new(it.name("privacy"));
        // Its calendar does not exist, so its deliveries fail, and say why.
        let mut astray = Resource::new(it.name("astray"));
        let missing = astray.calendar.take();
        it.world.load(&[resource.clone(), astray.clone()]).await?;
        astray.calendar = missing;
        let yaml = daybook_tests::resources::yaml(std::slice::from_ref(&astray));
        let ran = it.world.daybook(&["resources", "apply", "-f", "-"], &yaml).await?;
        ensure!(ran.success, "{}", ran.everything());

        let now = clock::now();
        let at = |hours: u32| (now.plus(HOUR * hours), now.plus(HOUR * (hours + 1)));
        let mut webhooks = Vec::new();
        let ((start, end), (later, later_end)) = (at(24), at(48));
        let invitee = Invitee::new(&resource.host, Person::invent(), start, end, now);
        webhooks.push(Webhook::calendly(&invitee.created()));
        let rival = Appointment::new(&resource.alias, Person::invent(), start, end);
        webhooks.push(Webhook::generic(it.name("rival"), &[rival.created()]));
        let (half, moved) = invitee.moved(later, later_end, now.plus(HOUR));
        webhooks.extend([Webhook::calendly(&half), Webhook::calendly(&moved.created())]);
        webhooks.push(Webhook::calendly(&moved.canceled(now.plus(HOUR * 2))));
        let (start, end) = at(72);
        let lost = Invitee::new(&astray.host, Person::invent(), start, end, now);
        webhooks.push(Webhook::calendly(&lost.created()));

        let mut broken = Vec::new();
        let text = Invitee::new(&resource.host, Person::invent(), start, end, now).created().to_string();
        broken.push(Webhook::calendly_bytes(text[..text.len() - 40].to_owned()));
        let mut wrong = Invitee::new(&resource.host, Person::invent(), start, end, now).created();
        wrong["payload"]["email"] = json!(format!("no address of {}", mark()));
        broken.push(Webhook::calendly(&wrong));
        let mut wrong = Appointment::new(&resource.alias, Person::invent(), start, end).created();
        wrong["start"] = json!(format!("at {} o'clock", mark()));
        broken.push(Webhook::generic(it.name("o-clock"), &[wrong]));
        let nobody = Appointment::new(&format!("nobody {}", mark()), Person::invent(), start, end);
        broken.push(Webhook::generic(it.name("nobody"), &[nobody.created()]));
        let mut strange = Appointment::new(&resource.alias, Person::invent(), at(96).0, at(96).1).created();
        strange[format!("field of {}", mark())] = json!(1);
        webhooks.push(Webhook::generic(it.name("strange"), &[strange]));

        for webhook in webhooks.iter().chain(&broken) {
            ensure!(it.world.sender.send(webhook).await?.status == 200, "not accepted");
        }
        let turned_away = Webhook::calendly_bytes(text);
        ensure!(read(it.world.sender.unsigned(&turned_away)).await?.status == 401, "not turned away");
        let url = format!("{}/webhooks/{}", it.world.endpoints.ingest_url, mark());
        ensure!(it.world.http.post(url).body("{}").send().await?.status().as_u16() == 404, "no such source");

        let requests: Vec<_> = webhooks.iter().map(|webhook| webhook.request_id(0)).collect();
        it.decided(&requests).await?;
        it.delivered(&resource.id).await?;
        for webhook in &broken {
            wait_until("the dead letter", SOON, async || {
                let letters = dead_letters(&it.world, webhook.event_id()).await?;
                not_yet(!letters.is_empty(), || "there is none".to_owned())
            })
            .await?;
        }
        wait_until("the calendar that is not there to be given up", SOON, async || {
            let rows = it.world.store.deliveries().await?;
            let tried = rows.iter().find(|row| row.resource_id == astray.id && row.target == "calendar");
            not_yet(tried.is_some_and(|row| row.attempt > 0), || "it was not tried".to_owned())
        })
        .await?;

        // The search below is only worth something if the data was there, and the logs tell of what happened to it.
        let raw = it.world.kafka.records(&topics::raw(&"calendly".parse()?)).await?;
        let holds = |mark: &str| {
            raw.iter()
                .filter_map(|record| record.value.as_deref())
                .any(|value| String::from_utf8_lossy(value).contains(mark))
        };
        ensure!(holds(mark()) && holds(phone_mark()), "the marks are not in what was sent");
        let told = [("ingest", webhooks[0].event_id().to_owned()), ("arbiter", resource.id.clone())];
        for (service, id) in told {
            let log = it.stack.log_dir().join(format!("{service}.log"));
            let text = std::fs::read_to_string(&log).with_context(|| format!("the log of {service}"))?;
            ensure!(text.contains(&id), "the log of {service} does not tell of {id}, so nothing was searched");
        }
        Ok(())
    })
}
