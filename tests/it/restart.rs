//! What a person does to a running installation: mends and replays, stops in order and starts again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_runtime::clock;
use daybook_stack::Service;
use daybook_tests::generic::Appointment;
use daybook_tests::load::{Traffic, customers};
use daybook_tests::oracle::{dead_letters, judge, settle};
use daybook_tests::people::{Person, marked};
use daybook_tests::resources::Resource;
use daybook_tests::seed::{generator, seed, unique_word};
use daybook_tests::sender::Webhook;
use daybook_tests::wait::{not_yet, wait_until};

use crate::instance::{Rough, SOON, note, rough, shared};

const HOUR: Duration = Duration::from_secs(60 * 60);
const PATIENCE: Duration = Duration::from_secs(120);
/// A service gives its work 25 s to drain.
const DRAIN: Duration = Duration::from_secs(30);

#[test]
fn a_dead_letter_of_an_unknown_resource_is_decided_once_its_alias_is_there_and_it_is_replayed() -> Result<()> {
    shared(async |it| {
        let mut resource = Resource::unseen(it.name("replay"));
        let alias = std::mem::replace(&mut resource.alias, marked("another name"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let now = clock::now();
        let visit = Appointment::new(&alias, Person::invent(), now.plus(HOUR * 24), now.plus(HOUR * 25));
        let webhook = Webhook::generic(it.name("early"), &[visit.created()]);
        ensure!(it.world.sender.send(&webhook).await?.status == 200, "not accepted");
        let letters = wait_until("the dead letter", SOON, async || {
            let letters = dead_letters(&it.world, webhook.event_id()).await?;
            not_yet(!letters.is_empty(), || "there is none".to_owned())?;
            Ok(letters)
        });
        let letters = letters.await?;
        ensure!(letters.len() == 1 && letters[0].reason == "unknown_resource", "{:?}", letters[0].reason);

        resource.alias = alias;
        it.world.load(std::slice::from_ref(&resource)).await?;
        let place = letters[0].place.clone();
        let arguments = ["dlq", "replay", "normalizer", &place];
        let ran = it.world.daybook(&arguments, "").await?;
        ensure!(ran.success, "daybook {}: {}", arguments.join(" "), ran.everything());
        let rows = it.decided(&[webhook.request_id(0)]).await?;
        ensure!(rows.len() == 1 && rows[0].outcome == "confirmed", "{rows:?}");

        // A person who is not sure that it worked does it again.
        let ran = it.world.daybook(&arguments, "").await?;
        ensure!(ran.success, "daybook {} again: {}", arguments.join(" "), ran.everything());
        let cancelled = Webhook::generic(it.name("sentinel"), &[visit.cancelled()]);
        ensure!(it.world.sender.send(&cancelled).await?.status == 200, "not accepted");
        it.decided(&[cancelled.request_id(0)]).await?;
        let rows = it.world.store.decisions_of(&[webhook.request_id(0)]).await?;
        ensure!(rows.len() == 1, "replayed twice, it was decided {} times", rows.len());
        Ok(())
    })
}

#[test]
fn services_that_are_asked_to_end_under_load_finish_their_work_and_nothing_is_lost() -> Result<()> {
    rough(Rough::Services, async |it| {
        let word = unique_word();
        let resources: Vec<Resource> = (0..12).map(|at| Resource::new(format!("drain-{word}-{at}"))).collect();
        it.world.load(&resources).await?;
        let mut random = generator(seed("the traffic of the restarts"), 0);
        let customers = customers(&resources, 600, 100, &word, &mut random);
        let traffic = Traffic::default();
        let flow = traffic.run(&it.world, customers, 8, Duration::from_millis(20), PATIENCE);
        let restarts = async {
            let services = [Service::Propagator, Service::Arbiter, Service::Normalizer, Service::Ingest];
            for (service, share) in services.into_iter().zip(1..) {
                wait_until("the traffic to flow", PATIENCE, async || {
                    let count = traffic.count();
                    not_yet(count >= 100 * share, || format!("{count} are acknowledged"))
                })
                .await?;
                let unit = it.stack.service(service);
                let log = unit.log_file();
                let before = std::fs::read_to_string(&log)?.len();
                let asked = Instant::now();
                unit.term()?;
                let waiting = unit.clone();
                let ended = tokio::task::spawn_blocking(move || waiting.wait_exit(DRAIN)).await?;
                ensure!(ended, "{service:?} still runs {} s after SIGTERM", DRAIN.as_secs());
                note(&format!("{service:?} drained in {:.1} s", asked.elapsed().as_secs_f64()));
                let said = std::fs::read_to_string(&log)?.split_off(before);
                let error = said.lines().find(|line| line.contains(r#""level":"ERROR""#));
                ensure!(error.is_none(), "{service:?} ended with an error: {}", error.unwrap_or_default());
                tokio::task::spawn_blocking(move || unit.start_ready()).await?.context("it starts again")?;
            }
            anyhow::Ok(())
        };
        let (flow, restarts) = futures::join!(flow, restarts);
        restarts?;
        flow?;
        let acknowledged = traffic.acknowledged();
        settle(&it.world, &acknowledged, PATIENCE).await?;
        let summary = judge(&it.world, &acknowledged).await?;
        note(&format!("{summary:?}"));
        Ok(())
    })
}
