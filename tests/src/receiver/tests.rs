//! The receiver over real sockets, signed to by our own signer.

use std::time::SystemTime;

use daybook_wire::standard_webhooks::{Secret, sign};
use serde_json::json;

use super::*;

const SECRETS: [&str; 2] = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];

struct Sender {
    http: reqwest::Client,
    receiver: Receiver,
}

impl Sender {
    async fn start() -> Self {
        // A second test's call finds the provider installed, which is what it wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listen = "127.0.0.1:0".parse().expect("an address");
        let receiver = Receiver::start(listen, &SECRETS.map(str::to_owned)).await.expect("starts");
        Self { http: reqwest::Client::new(), receiver }
    }

    fn post(&self, secret: &str, id: &str, body: &Value) -> reqwest::RequestBuilder {
        let secret: Secret = secret.parse().expect("a secret");
        let body = body.to_string();
        let now = now_seconds();
        self.http
            .post(self.receiver.hook_url())
            .header("webhook-id", id)
            .header("webhook-timestamp", now.to_string())
            .header("webhook-signature", sign(&[secret], id, now, body.as_bytes()))
            .body(body)
    }

    async fn send(&self, id: &str, version: u64) -> u16 {
        let response = self.post(SECRETS[0], id, &message(version)).send().await.expect("an answer");
        response.status().as_u16()
    }

    fn report(&self) -> Report {
        self.receiver.received().report()
    }
}

#[expect(clippy::disallowed_methods, reason = "the judge compares the signed time with the wall clock")]
fn now_seconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("before the year 292 billion")
}

fn message(version: u64) -> Value {
    json!({"type": "booking.confirmed", "booking_id": "b-1", "version": version, "status": "confirmed", "new": true})
}

#[tokio::test]
async fn a_message_signed_with_either_secret_is_taken_in() {
    let sender = Sender::start().await;
    for (version, secret) in (1..).zip(SECRETS) {
        let answer = sender.post(secret, &format!("msg_{version}"), &message(version)).send().await.expect("an answer");
        assert_eq!(answer.status(), 204);
    }
    let report = sender.report();
    assert_eq!(report.log.iter().map(|delivery| delivery.order).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(report.bookings["b-1"].version, 2);
    sender.receiver.stop().await.expect("stops");
}

#[tokio::test]
async fn a_bad_signature_is_refused_and_leaves_no_trace_but_a_count() {
    let sender = Sender::start().await;
    let stranger = "whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";
    let answer = sender.post(stranger, "msg_1", &message(1)).send().await.expect("an answer");
    assert_eq!(answer.status(), 401);
    let unsigned = sender.http.post(sender.receiver.hook_url()).body("{}").send().await.expect("an answer");
    assert_eq!(unsigned.status(), 401);
    let report = sender.report();
    assert_eq!((report.log.len(), report.bookings.len(), report.bad_signatures), (0, 0, 2));
}

#[tokio::test]
async fn a_signed_message_that_is_none_of_ours_is_a_bad_request() {
    let sender = Sender::start().await;
    let answer = sender.post(SECRETS[0], "msg_1", &json!({"version": "one"})).send().await.expect("an answer");
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn a_repeat_takes_effect_once_and_an_older_version_is_told_but_not_believed() {
    let sender = Sender::start().await;
    for (id, version) in [("msg_2", 2), ("msg_2", 2), ("msg_1", 1)] {
        assert_eq!(sender.send(id, version).await, 204);
    }
    let report = sender.report();
    let marks: Vec<_> = report.log.iter().map(|delivery| (delivery.duplicate, delivery.regression)).collect();
    assert_eq!(marks, [(false, false), (true, false), (false, true)]);
    assert_eq!(report.bookings["b-1"].version, 2);
}

#[tokio::test]
async fn it_refuses_as_often_as_told_and_then_behaves() {
    let sender = Sender::start().await;
    let order = json!({"status": 503, "times": 2, "retry_after": 7});
    let url = format!("http://{}/misbehave", sender.receiver.addr());
    assert_eq!(sender.http.post(url).json(&order).send().await.expect("an answer").status(), 204);
    let first = sender.post(SECRETS[0], "msg_1", &message(1)).send().await.expect("an answer");
    assert_eq!((first.status().as_u16(), first.headers()["retry-after"].to_str().expect("text")), (503, "7"));
    assert_eq!(sender.send("msg_1", 1).await, 503);
    assert_eq!(sender.send("msg_1", 1).await, 204);
    let report = sender.report();
    assert_eq!((report.refused_on_command, report.log.len(), report.log[0].duplicate), (2, 1, false));
}

#[tokio::test]
async fn it_takes_a_message_in_and_denies_it() {
    let sender = Sender::start().await;
    let order = serde_json::from_value(json!({"apply_then_status": 500})).expect("an order");
    sender.receiver.received().misbehave(order);
    assert_eq!(sender.send("msg_1", 1).await, 500);
    assert_eq!(sender.send("msg_1", 1).await, 204);
    let duplicates: Vec<_> = sender.report().log.iter().map(|delivery| delivery.duplicate).collect();
    assert_eq!(duplicates, [false, true]);
}

#[tokio::test]
async fn it_takes_a_message_in_and_hangs_and_still_stops_at_once() {
    let sender = Sender::start().await;
    sender.receiver.received().misbehave(Order::Hang { hang_ms: 3_600_000, times: 1 });
    let request = sender.post(SECRETS[0], "msg_1", &message(1));
    let late = request.timeout(Duration::from_millis(200)).send().await.expect_err("no answer");
    assert!(late.is_timeout());
    assert_eq!(sender.report().log.len(), 1);
    sender.receiver.stop().await.expect("stops");
}

#[tokio::test]
async fn what_was_received_is_shown_and_cleared_over_http() {
    let sender = Sender::start().await;
    sender.send("msg_1", 1).await;
    let url = |path: &str| format!("http://{}/{path}", sender.receiver.addr());
    assert_eq!(sender.http.get(url("healthz")).send().await.expect("an answer").status(), 200);
    let shown: Value = sender.http.get(url("received")).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(shown["log"][0]["id"], "msg_1");
    assert_eq!(shown["bookings"]["b-1"]["body"]["new"], true);
    assert_eq!(sender.http.delete(url("received")).send().await.expect("an answer").status(), 204);
    assert_eq!(sender.report().log.len(), 0);
}

#[test]
fn the_log_is_bounded() {
    let mut memory = Memory::default();
    for version in 1..=LOG_MAX as u64 + 5 {
        let body = message(version);
        memory.take(&version.to_string(), serde_json::from_value(body.clone()).expect("a message"), body);
    }
    assert_eq!((memory.log.len(), memory.ids.len(), memory.forgotten), (LOG_MAX, LOG_MAX, 5));
}
