//! The door, in process, against a broker: the right status for every case, and no 2xx that is not on the topic.
//!
//! The broker is librdkafka's own mock, one for each test.

mod api;
mod crowd;
mod fetch;
mod pings;
mod support;

use std::time::{Duration, Instant};

use daybook_ingest_core::calendly::{SigningKey, sign};
use daybook_runtime::clock;
use daybook_wire::header;
use support::{Door, GENERIC_SECRET, generic, signed_by};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KEY: &str = "a-signing-key-of-calendly";
const BODY: &str = r#"{"event":"invitee.created","created_at":"2026-03-01T08:00:00Z","payload":{"uri":"inv-1"}}"#;

fn calendly(key: &str, body: &str, age: Duration) -> String {
    let key: SigningKey = key.parse().expect("a key");
    let now = clock::now().millis() - i64::try_from(age.as_millis()).expect("short");
    sign(&key, daybook_domain::Timestamp::from_millis(now).expect("in range"), body.as_bytes())
}

#[tokio::test]
async fn a_signed_webhook_is_on_the_topic_when_it_is_answered() {
    let door = Door::open().await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = door
        .post("calendly")
        .header("calendly-webhook-signature", calendly(KEY, BODY, Duration::ZERO))
        .header("traceparent", traceparent)
        .body(BODY)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    let id = answer.json::<serde_json::Value>().await.expect("json")["id"].as_str().expect("an id").to_owned();

    let record = door.records("calendly").into_iter().find(|record| record.headers.get(header::CE_ID) == Some(&id));
    let record = record.expect("the record");
    assert_eq!(record.value.as_deref(), Some(BODY.as_bytes()));
    assert_eq!(record.key.as_deref(), Some(&b"inv-1"[..]));
    assert_eq!(record.headers.get(header::CE_SOURCE), Some("/webhooks/calendly"));
    assert_eq!(record.headers.get(header::CE_TYPE), Some("invitee.created"));
    let continued = record.headers.get(header::TRACEPARENT).expect("a trace");
    assert_eq!(continued[..36], traceparent[..36]);
    assert_ne!(continued, traceparent);
}

#[tokio::test]
async fn the_same_delivery_is_answered_200_every_time_under_one_id() {
    let door = Door::open().await;
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let answer = generic(&door, "msg_1", b"{}").send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        ids.insert(answer.text().await.expect("a body"));
    }
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), [r#"{"id":"msg_1"}"#]);
}

#[tokio::test]
async fn signed_bytes_that_make_no_sense_are_accepted() {
    let door = Door::open().await;
    for body in [&b""[..], b"{", b"\xff\xfe", b"null", b"[1,2"] {
        assert_eq!(generic(&door, "msg_2", body).send().await.expect("an answer").status(), 200, "{body:?}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_signature_is_answered_401_in_the_same_words() {
    let door = Door::open().await;
    let stale = calendly(KEY, BODY, Duration::from_secs(25 * 60 * 60));
    let wrong = calendly("another-signing-key-altogether", BODY, Duration::ZERO);
    let mut texts = std::collections::BTreeSet::new();
    for signature in [None, Some("t=1,v1=zz"), Some(&stale), Some(&wrong)] {
        let mut request = door.post("calendly").body(BODY);
        if let Some(signature) = signature {
            request = request.header("calendly-webhook-signature", signature);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert!(answer.headers().contains_key("www-authenticate"));
        texts.insert(answer.text().await.expect("a body"));
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(door.records("calendly").len(), 0);
    for reason in ["missing_signature", "malformed_signature", "bad_signature", "outside_window"] {
        assert_eq!(door.webhooks("calendly", reason), 1, "{reason}");
    }
}

#[tokio::test]
async fn either_secret_of_a_rotation_is_accepted() {
    let door = Door::open().await;
    for secret in [GENERIC_SECRET, support::GENERIC_SECRET_OLD] {
        let answer = signed_by(&door, secret, "msg_3", b"{}").send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }
    let unknown = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    assert_eq!(signed_by(&door, unknown, "msg_3", b"{}").send().await.expect("an answer").status(), 401);
}

#[tokio::test]
async fn what_is_no_webhook_is_answered_for_what_it_is() {
    let door = Door::open().await;
    let get = door.http.get(door.url("calendly")).send().await.expect("an answer");
    assert_eq!((get.status().as_u16(), get.headers()["allow"].to_str().expect("text")), (405, "POST"));

    let unknown = door.post("nobody").body("{}").send().await.expect("an answer");
    assert_eq!(unknown.status(), 404);
    assert_eq!(unknown.headers()["content-type"], "application/problem+json");
    assert_eq!(door.webhooks("unknown", "unknown_source"), 1);
    let elsewhere = door.http.post(door.url("").replace("/webhooks/", "/admin")).send().await.expect("an answer");
    assert_eq!(elsewhere.status(), 404);

    let text = door.http.post(door.url("generic")).header("content-type", "text/plain").body("{}");
    let compressed = generic(&door, "msg_4", b"{}").header("content-encoding", "gzip");
    for request in [text, compressed] {
        assert_eq!(request.send().await.expect("an answer").status(), 415);
    }
    let bad_id = generic(&door, &"x".repeat(257), b"{}").send().await.expect("an answer");
    assert_eq!(bad_id.status(), 400);
}

#[tokio::test]
async fn a_body_of_1_mib_is_taken_and_one_of_2_mib_is_answered_413() {
    let door = Door::open().await;
    let largest = vec![b' '; 1024 * 1024];
    assert_eq!(generic(&door, "msg_5", &largest).send().await.expect("an answer").status(), 200);
    let larger = vec![b' '; 2 * 1024 * 1024];
    assert_eq!(generic(&door, "msg_6", &larger).send().await.expect("an answer").status(), 413);

    // Without a length it is noticed while reading.
    let mut stream = door.connect().await;
    let head = "POST /webhooks/generic HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    for _ in 0..3 {
        stream.write_all(b"80000\r\n").await.expect("sent");
        stream.write_all(&vec![b' '; 0x80000]).await.expect("sent");
        stream.write_all(b"\r\n").await.expect("sent");
    }
    stream.write_all(b"0\r\n\r\n").await.expect("sent");
    assert_eq!(status(&mut stream).await, 413);
}

#[tokio::test]
async fn a_slow_body_is_answered_408_and_slow_headers_end_the_connection() {
    let door = Door::open().await;
    let mut stream = door.connect().await;
    let head = "POST /webhooks/generic HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.expect("sent");
    assert_eq!(status(&mut stream).await, 408);

    let mut stream = door.connect().await;
    stream.write_all(b"POST /webhooks/generic HTTP/1.1\r\n").await.expect("sent");
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection is still open");
}

#[tokio::test]
async fn one_request_too_many_is_answered_503_at_once() {
    let door = Door::with(|config| config.ingest.in_flight_max = 1).await;
    door.broker_down();
    // Nobody acknowledges it yet.
    let first = tokio::spawn(generic(&door, "msg_6", b"{}").send());
    door.until("its body was read", || door.metric("daybook_ingest_body_bytes_total", &[]) == 2.0).await;
    let second = generic(&door, "msg_7", b"{}").send().await.expect("an answer");
    assert_eq!((second.status().as_u16(), second.headers()["retry-after"].to_str().expect("text")), (503, "5"));
    assert_eq!(door.webhooks("generic", "busy"), 1);
    first.abort();
    door.until("the caller's leaving was noticed", || door.metric("daybook_ingest_in_flight", &[]) == 0.0).await;
    door.broker_up();
    door.until("it is answered again", || door.service.health.readiness().0).await;
    assert_eq!(generic(&door, "msg_8", b"{}").send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn without_a_broker_it_is_503_soon_and_never_a_false_2xx_and_recovers() {
    let door = Door::with(|config| config.ingest.acknowledge_timeout = Duration::from_secs(2)).await;
    assert_eq!(generic(&door, "before", b"{}").send().await.expect("an answer").status(), 200);
    door.broker_down();
    let answer = generic(&door, "during", b"{}").send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().expect("text")), (503, "5"));
    assert!(!answer.headers().contains_key("connection"), "the connection is kept");

    // Now that it is known: a crowd is answered at once, but for one probe a second.
    let began = Instant::now();
    let crowd = (0..40).map(|_| generic(&door, "crowd", b"{}").send());
    let answers = futures::future::join_all(crowd).await;
    assert!(answers.into_iter().all(|answer| answer.expect("an answer").status() == 503));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(door.webhooks("generic", "kafka_unavailable") >= 41);
    assert_eq!(door.metric("daybook_ingest_kafka_available", &[("source", "generic")]), 0.0);
    door.until("it is not ready", || !door.service.health.readiness().0).await;

    door.broker_up();
    let recovered = async {
        let mut tries = 0;
        while generic(&door, &format!("after-{tries}"), b"{}").send().await.expect("an answer").status() != 200 {
            tries += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), recovered).await.expect("it recovers");
    let ids: Vec<String> = door
        .records("generic")
        .iter()
        .filter_map(|record| record.headers.get(header::CE_ID).map(str::to_owned))
        .collect();
    assert!(ids.contains(&"before".to_owned()) && ids.iter().any(|id| id.starts_with("after-")), "{ids:?}");
    door.until("it is ready again", || door.service.health.readiness().0).await;
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight_and_takes_no_more() {
    let door = Door::open().await;
    let body = b"{}";
    let headers = support::standard_headers(GENERIC_SECRET, "last", body);
    let mut stream = door.connect().await;
    let head = format!(
        "POST /webhooks/generic HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}content-length: 2\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    door.until("it is being worked on", || door.metric("daybook_ingest_in_flight", &[]) == 1.0).await;
    door.service.life.shutdown().cancel();
    let closed = async { while TcpStream::connect(door.address).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("the door closes");
    stream.write_all(b"}").await.expect("sent");
    assert_eq!(status(&mut stream).await, 200);
}

async fn status(stream: &mut TcpStream) -> u16 {
    let mut head = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut head)).await;
    read.expect("an answer in time").expect("an answer");
    std::str::from_utf8(&head[9..]).expect("text").parse().expect("a status")
}
