//! `daybook status` against the real thing, whole and with a server away.

use anyhow::{Context, Result, ensure};
use daybook_stack::{Server, Service};
use daybook_tests::resources::Resource;
use daybook_tests::wait::{not_yet, wait_until};
use serde_json::Value;

use crate::instance::{Instance, Rough, SOON, rough, shared};

async fn told(it: &Instance) -> Result<Value> {
    let ran = it.world.daybook(&["status", "--json"], "").await?;
    serde_json::from_str(&ran.out).with_context(|| format!("no JSON: {}", ran.everything()))
}

#[test]
fn the_page_has_every_service_partition_source_and_target() -> Result<()> {
    shared(async |it| {
        let resource =
            Resource { mirrors: [("google", "somebody".to_owned())].into(), ..Resource::unseen(it.name("seen")) };
        it.world.load(std::slice::from_ref(&resource)).await?;
        // A service that has just started joins its group a moment later.
        wait_until("every service to be in its group", SOON, async || {
            let services = told(it).await?["services"].as_array().context("services")?.clone();
            let missing = ["normalizer", "arbiter", "propagator"].into_iter().find(|service| {
                !services.iter().any(|it| it["service"] == *service && it["processes"].as_u64() > Some(0))
            });
            not_yet(missing.is_none(), || format!("{missing:?} is not"))
        })
        .await?;
        let status = told(it).await?;
        ensure!(status["postgres"] == "up" && status["kafka"] == "up", "{status}");
        let partitions = status["partitions"].as_array().context("partitions")?;
        let owned = |it: &Value| it["epoch"].as_i64() > Some(0) && it["lag"].is_i64();
        ensure!(partitions.len() == 24 && partitions.iter().all(owned), "{status}");
        let named = |list: &str, key: &str, name: &str| {
            status[list].as_array().is_some_and(|list| list.iter().any(|it| it[key] == name))
        };
        ensure!(named("sources", "source", "generic") && named("targets", "target", "google"), "{status}");
        // Deciding the rules has gone all the way to the topic.
        wait_until("what is decided to be published", SOON, async || {
            let status = told(it).await?;
            let partitions = status["partitions"].as_array().context("partitions")?.clone();
            let behind = partitions
                .iter()
                .filter(|it| it["published_seq"].as_i64() < it["decided_seq"].as_i64() && it["decided_seq"] != 0);
            let behind = behind.count();
            not_yet(behind == 0, || format!("{behind} partitions are behind"))
        })
        .await
    })
}

#[test]
fn the_page_works_while_a_server_or_a_service_is_away_and_says_so() -> Result<()> {
    rough(Rough::Servers, async |it| {
        let propagator = it.stack.service(Service::Propagator);
        propagator.stop()?;
        let status = told(it).await?;
        ensure!(status["findings"].to_string().contains("no propagator is running"), "{}", status["findings"]);
        propagator.start_ready()?;

        let postgres = it.stack.server(Server::Postgres);
        postgres.stop()?;
        let ran = it.world.daybook(&["status"], "").await?;
        ensure!(ran.code == Some(1) && ran.out.contains("! PostgreSQL does not answer"), "{}", ran.everything());
        ensure!(ran.out.contains("normalizer"), "what Kafka says is missing: {}", ran.everything());
        postgres.start_ready()?;

        let kafka = it.stack.server(Server::Kafka);
        kafka.stop()?;
        let ran = it.world.daybook(&["status"], "").await?;
        ensure!(ran.code == Some(1) && ran.out.contains("! Kafka does not answer"), "{}", ran.everything());
        ensure!(ran.out.contains("process "), "what PostgreSQL says is missing: {}", ran.everything());
        kafka.start_ready()?;
        wait_until("everybody to be back", 2 * SOON, async || {
            let status = told(it).await?;
            let findings = status["findings"].to_string();
            let away = ["does not answer", "is running", "not move"].into_iter().find(|word| findings.contains(word));
            not_yet(away.is_none(), || findings)
        })
        .await
    })
}
