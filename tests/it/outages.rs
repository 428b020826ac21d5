//! Servers that are away for twenty seconds while webhooks come in.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use daybook_runtime::clock;
use daybook_stack::Server;
use daybook_tests::load::{Traffic, customers};
use daybook_tests::oracle::{judge, settle};
use daybook_tests::resources::Resource;
use daybook_tests::seed::{generator, seed, unique_word};
use daybook_tests::sender::{Webhook, read};
use daybook_tests::wait::{not_yet, wait_until};

use crate::instance::{Instance, Rough, note, rough};

/// The fault itself.
const AWAY: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(120);
const AT_ONCE: usize = 5;
/// The least time between two webhooks of one of them: twenty a second together.
const PACE: Duration = Duration::from_millis(250);
/// More than can be sent.
const WEBHOOKS: usize = 4_000;

#[test]
fn without_kafka_for_20_s_nothing_is_acknowledged_that_is_lost() -> Result<()> {
    away(Server::Kafka, |during| {
        ensure!(during.acknowledged <= AT_ONCE, "{} were acknowledged without a broker", during.acknowledged);
        ensure!(during.refused > 0, "nobody was told 503 with Retry-After");
        Ok(())
    })
}

#[test]
fn without_postgresql_for_20_s_webhooks_are_taken_in_and_decided_afterwards() -> Result<()> {
    away(Server::Postgres, |during| {
        ensure!(during.acknowledged > 50, "only {} were acknowledged", during.acknowledged);
        ensure!(during.refused == 0, "{} were refused, and the door needs no store", during.refused);
        Ok(())
    })
}

#[test]
fn without_the_schema_registry_for_20_s_everything_goes_on() -> Result<()> {
    away(Server::Registry, |during| {
        ensure!(during.acknowledged > 50, "only {} were acknowledged", during.acknowledged);
        ensure!(during.refused == 0, "{} were refused, and every schema is known", during.refused);
        ensure!(during.decided > 25, "only {} were decided, and every schema is known", during.decided);
        ensure!(during.told > 25, "the partner was told of only {}", during.told);
        Ok(())
    })
}

#[test]
fn without_the_calendar_server_for_20_s_the_other_target_goes_on_and_the_calendars_catch_up() -> Result<()> {
    away(Server::Radicale, |during| {
        ensure!(during.acknowledged > 50, "only {} were acknowledged", during.acknowledged);
        ensure!(during.refused == 0, "{} were refused, and the door knows no calendar", during.refused);
        ensure!(during.decided > 25, "only {} were decided", during.decided);
        ensure!(during.told > 25, "the partner was told of only {}", during.told);
        Ok(())
    })
}

/// What happened while the server was away.
#[derive(Debug)]
struct During {
    /// Webhooks acknowledged.
    acknowledged: usize,
    /// Probes answered 503 with `Retry-After`.
    refused: usize,
    /// Decisions committed; not counted where there is no store to ask.
    decided: i64,
    /// Messages that the partner got.
    told: usize,
}

fn away(server: Server, check: impl FnOnce(&During) -> Result<()>) -> Result<()> {
    rough(Rough::Servers, async |it| {
        let name = server.name();
        let word = unique_word();
        let resources: Vec<Resource> = (0..12).map(|at| Resource::new(format!("{name}-{word}-{at}"))).collect();
        it.world.load(&resources).await?;
        let mut random = generator(seed(&format!("the traffic while {name} is away")), 0);
        let customers = customers(&resources, WEBHOOKS, 200, &word, &mut random);

        let traffic = Traffic::default();
        let flow = traffic.run(&it.world, customers, AT_ONCE, PACE, PATIENCE);
        let fault = async {
            wait_until("the traffic to flow", PATIENCE, async || {
                not_yet(traffic.count() >= 50, || format!("{} are acknowledged", traffic.count()))
            })
            .await?;
            let unit = it.stack.server(server);
            let stopping = unit.clone();
            tokio::task::spawn_blocking(move || stopping.stop()).await??;
            let during = observe(it, &traffic, server).await;
            tokio::task::spawn_blocking(move || unit.start_ready()).await??;
            let before = traffic.count();
            wait_until("the traffic to flow again", PATIENCE, async || {
                not_yet(traffic.count() >= before + 50, || {
                    format!("{} more are acknowledged", traffic.count() - before)
                })
            })
            .await?;
            traffic.stop();
            during
        };
        let (flow, during) = futures::join!(flow, fault);
        flow?;
        let during = during?;

        let acknowledged = traffic.acknowledged();
        let healed = Instant::now();
        settle(&it.world, &acknowledged, PATIENCE).await?;
        let summary = judge(&it.world, &acknowledged).await?;
        note(&format!(
            "{} acknowledged; while {name} was away: {during:?}; at rest {:.1} s after; {summary:?}",
            acknowledged.len(),
            healed.elapsed().as_secs_f64()
        ));
        check(&during)
    })
}

/// Watches for as long as the server is to be away.
async fn observe(it: &Instance, traffic: &Traffic, server: Server) -> Result<During> {
    let began = Instant::now();
    let (acknowledged, decided, told) =
        (traffic.count(), decided(it, server).await?, it.world.received().await?.log.len());
    let mut refused = 0;
    wait_until("the outage to be over", AWAY + PATIENCE, async || {
        // An id of its own: should it be accepted, it is one more event, with a body that is nobody's booking.
        let probe = Webhook::generic_bytes(it.name("probe"), r#"{"events":[]}"#);
        if let Ok(answer) = read(it.world.sender.request(&probe, clock::now())).await {
            refused += usize::from(answer.status == 503 && answer.retry_after.is_some());
        }
        not_yet(began.elapsed() >= AWAY, || "it is not".to_owned())
    })
    .await?;
    Ok(During {
        acknowledged: traffic.count() - acknowledged,
        refused,
        decided: self::decided(it, server).await? - decided,
        told: it.world.received().await?.log.len() - told,
    })
}

/// How many decisions there are; without a store, nobody can tell.
async fn decided(it: &Instance, server: Server) -> Result<i64> {
    if server == Server::Postgres {
        return Ok(0);
    }
    Ok(it.world.store.partitions().await?.iter().map(|row| row.next_seq - 1).sum())
}
