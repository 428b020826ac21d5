//! Keys of the API, made and revoked while it runs.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use daybook_stack::Server;
use daybook_tests::wait::{not_yet, wait_until};
use serde_json::json;

use crate::instance::{Rough, note, rough, shared};

/// What the README promises of a revocation.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn a_key_says_what_it_allows_and_is_refused_within_five_seconds_of_its_revocation() -> Result<()> {
    shared(async |it| {
        let caller = it.name("keys");
        let rate = ["--rate", "5", "--burst", "40"];
        let api = it.world.caller_at(&caller, &["request:room-*", "source:crm"], &rate).await?;
        let answer = api.get("/v1/key").await?.expect(200)?;
        ensure!(answer.body["caller"] == caller.as_str() && answer.body["expires_at"].is_null(), "{}", answer.body);
        ensure!(answer.body["scopes"] == json!(["request:room-*", "source:crm"]), "{}", answer.body);
        ensure!(answer.header("ratelimit-policy") == Some("\"key\";q=40;w=8"), "{:?}", answer.headers);

        let ran = it.world.daybook(&["keys", "revoke", "--caller", &caller], "").await?;
        ensure!(ran.success && ran.out.starts_with("revoked: "), "{}", ran.everything());
        let began = Instant::now();
        let refused = wait_until("the key to be refused", REVOKED_WITHIN, async || {
            let answer = api.get("/v1/key").await?;
            not_yet(answer.status == 401, || answer.status.to_string())?;
            Ok(answer)
        })
        .await?;
        note(&format!("a revoked key was refused after {} ms", began.elapsed().as_millis()));
        let stranger = it.world.program("no key at all".to_owned()).get("/v1/key").await?.expect(401)?;
        ensure!(refused.body == stranger.body && refused.problem(401)?.0 == "unauthorized", "{}", stranger.body);
        Ok(())
    })
}

#[test]
fn a_key_that_asks_too_often_is_told_when_to_come_again_and_another_one_is_not() -> Result<()> {
    shared(async |it| {
        let api = it.world.caller_at(&it.name("keys"), &["admin"], &["--rate", "1", "--burst", "5"]).await?;
        let mut refused = None;
        // Some were asked when the key was new, and some come back meanwhile.
        for _ in 0..20 {
            let answer = api.get("/v1/key").await?;
            if answer.status == 429 {
                refused = Some(answer);
                break;
            }
            answer.expect(200)?;
        }
        let Some(refused) = refused else { anyhow::bail!("twenty at once were taken, where five may be") };
        ensure!(refused.header("retry-after") == Some("1"), "{:?}", refused.headers);
        ensure!(refused.header("ratelimit") == Some("\"key\";r=0;t=5"), "{:?}", refused.headers);
        ensure!(refused.problem(429)?.0 == "too-many-requests");
        it.world.administrator().get("/v1/key").await?.expect(200)?;
        Ok(())
    })
}

#[test]
fn the_keys_known_last_go_on_working_without_postgresql() -> Result<()> {
    rough(Rough::Servers, async |it| {
        let api = it.world.administrator();
        api.get("/v1/key").await?.expect(200)?;
        let postgres = it.stack.server(Server::Postgres);
        postgres.stop()?;
        // Longer than the keys are read apart.
        wait_until("the door to notice", Duration::from_secs(30), async || {
            let metrics = it.world.metrics().await;
            let text = metrics.into_iter().find(|(name, _)| *name == "ingest").map(|(_, text)| text);
            let text = text.unwrap_or_else(|| anyhow::bail!("no metrics"))?;
            not_yet(text.contains("daybook_api_store_available 0"), || "it still answers".to_owned())
        })
        .await?;
        api.get("/v1/key").await?.expect(200)?;
        it.world.program("dbk_0_0".to_owned()).get("/v1/key").await?.expect(401)?;
        let away = api.get("/v1/resources/nobody").await?;
        ensure!(away.header("retry-after").is_some(), "{away:?}");
        ensure!(away.problem(503)?.0 == "unavailable");
        postgres.start_ready()?;
        wait_until("the store to answer again", Duration::from_secs(60), async || {
            let status = api.get("/v1/resources/nobody").await?.status;
            not_yet(status == 404, || status.to_string())
        })
        .await
    })
}
