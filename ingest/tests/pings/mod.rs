//! Word of changes in calendars, at the door: who is believed, and what is answered.

use std::time::Duration;

use daybook_ingest::{Config, SourceApiConfig, SourceConfig};
use daybook_ingest_core::ping::{channel, client_state, proof};
use reqwest::RequestBuilder;
use uuid::Uuid;

use crate::support::Door;

const SECRET: &str = "a-secret-of-channels";

/// A door with calendars behind it that say when something has changed, and some that do not. Nobody answers for any.
async fn door() -> Door {
    Door::with(|config: &mut Config| {
        for (name, kind, says) in
            [("google", "google-calendar", true), ("outlook", "outlook", true), ("silent", "google-calendar", false)]
        {
            let source = SourceConfig {
                kind: kind.to_owned(),
                description: None,
                secrets: says.then(|| SECRET.into()).into_iter().collect(),
                public_url: says.then(|| format!("https://daybook.example/webhooks/{name}")),
                window_past: None,
                window_future: None,
                poll: None,
                feeds: Default::default(),
                api: Some(SourceApiConfig {
                    base: Some("http://127.0.0.1:1".to_owned()),
                    account: None,
                    username: None,
                    password: None,
                    token: Some("a-token".into()),
                    service_account_file: None,
                    client_id: None,
                    client_secret: None,
                    token_url: None,
                    refresh_token: None,
                    token_key: None,
                    impersonate: None,
                    requests_per_second: 5.try_into().expect("above zero"),
                    timeout: Duration::from_secs(1),
                    attempts_max: 3,
                    gone_in_a_row_max: 2,
                }),
            };
            config.sources.insert(name.to_owned(), source);
        }
    })
    .await
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.expect("an answer").status().as_u16()
}

fn google(door: &Door, channel: &str, token: &str) -> RequestBuilder {
    let request = door.http.post(door.url("google"));
    request.header("x-goog-channel-id", channel).header("x-goog-channel-token", token)
}

fn outlook(door: &Door, state: &str) -> RequestBuilder {
    door.post("outlook").json(&serde_json::json!({"value": [{"clientState": state, "changeType": "updated"}]}))
}

#[tokio::test]
async fn only_who_knows_the_proof_of_a_channel_is_believed() {
    let door = door().await;
    assert_eq!(status(door.http.post(door.url("google"))).await, 401);
    assert_eq!(status(google(&door, "c-1", "t")).await, 401);
    assert_eq!(status(outlook(&door, "c-1.t")).await, 401);
    assert_eq!(status(door.post("outlook").body("{}")).await, 401);
    // What is proven is not lost when it cannot be taken: the vendor comes again.
    let (channel, secret) = (channel(Uuid::nil(), 1), SECRET.parse().expect("a secret"));
    let answer = google(&door, &channel, &proof(&secret, &channel)).send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("retry-after")), (503, true));
    assert_eq!(status(outlook(&door, &client_state(&secret, &channel))).await, 503);
    assert_eq!(door.webhooks("google", "store_unavailable"), 1);
    assert_eq!(door.webhooks("google", "bad_signature"), 1);
}

#[tokio::test]
async fn microsofts_question_whether_the_address_is_ours_is_answered_in_plain_text() {
    let door = door().await;
    let url = format!("{}?validationToken=Validation%3A%20%3Cb%3E%2B", door.url("outlook"));
    let answer = door.http.post(url).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    assert_eq!(header("content-type").as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"));
    assert_eq!(answer.text().await.expect("a text"), "Validation: <b>+");
}

#[tokio::test]
async fn a_source_whose_calendars_are_only_read_has_no_door() {
    let door = door().await;
    let channel = channel(Uuid::nil(), 1);
    let token = proof(&SECRET.parse().expect("a secret"), &channel);
    let request = door.http.post(door.url("silent"));
    let request = request.header("x-goog-channel-id", &channel).header("x-goog-channel-token", token);
    assert_eq!(status(request).await, 404);
}
