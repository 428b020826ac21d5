//! Thousands of connections that say nothing, or say it a byte at a time, and those who ask something meanwhile.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reqwest::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Door, generic};

/// Somebody who holds connections: as many as `count`, each with these first bytes of a request.
async fn hold(door: &Door, count: usize, bytes: &'static [u8]) -> Vec<TcpStream> {
    let connect = |_| async move {
        let mut stream = door.connect().await;
        // Given up already, if it is one of the first.
        let _ = stream.write_all(bytes).await;
        stream
    };
    stream::iter(0..count).map(connect).buffer_unordered(200).collect().await
}

/// Both sides of each connection are in this process.
fn raise_the_limit(wanted: u64) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    assert!(hard >= wanted, "this test needs {wanted} open files; raise the hard limit (ulimit -Hn)");
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).expect("raised");
}

/// One new caller of each kind, each on a connection of its own.
async fn newcomers_are_answered(door: &Door, id: &str) {
    let began = Instant::now();
    let webhook = timeout(Duration::from_secs(5), generic(door, id, b"{}").send()).await;
    assert_eq!(webhook.expect("in time").expect("an answer").status(), StatusCode::OK);
    let page = door.http.get(format!("http://{}/v1/openapi.json", door.address)).send();
    let page = timeout(Duration::from_secs(5), page).await;
    assert_eq!(page.expect("in time").expect("an answer").status(), StatusCode::OK);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_stop_nobody() {
    raise_the_limit(20_000);
    let door = Door::with(|config| {
        config.ingest.connections_max = 4_096;
        // Longer than this test: none of them goes for having been idle too long.
        config.ingest.header_timeout = Duration::from_secs(60);
    })
    .await;
    let held = hold(&door, 10_000, b"").await;
    newcomers_are_answered(&door, "msg_idle").await;
    assert_eq!(held.len(), 10_000);
    assert!(door.metric("daybook_ingest_connections", &[]) <= 4_096.0);
    // Not quite all others: where the kernel's queue was full, it tries some again for a minute.
    let given_up = door.metric("daybook_ingest_connections_given_up_total", &[]);
    assert!(given_up > 4_096.0, "{given_up} have lost their place");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_never_end_stop_nobody_and_lose_their_place() {
    let door = Door::with(|config| config.ingest.header_timeout = Duration::from_secs(60)).await;
    // Twice as many as there are places.
    let mut held = hold(&door, 256, b"POST /webhooks/generic HTTP/1.1\r\nhost: daybook\r\nx-slow: ").await;
    newcomers_are_answered(&door, "msg_slow").await;
    // They go on, a byte at a time, and it helps them nothing.
    for stream in &mut held {
        let _ = stream.write_all(b"a").await;
    }
    newcomers_are_answered(&door, "msg_slower").await;
    assert_eq!(door.records("generic").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_end_stop_nobody_and_take_no_place_from_others() {
    let door = Door::with(|config| {
        // Far fewer than there are of them.
        config.ingest.in_flight_max = 8;
        config.ingest.body_timeout = Duration::from_secs(8);
    })
    .await;
    let head = b"POST /webhooks/generic HTTP/1.1\r\nhost: daybook\r\ncontent-type: application/json\r\n\
                 content-length: 1000\r\n\r\n{";
    let _held = hold(&door, 256, head).await;
    newcomers_are_answered(&door, "msg_body").await;
    assert_eq!(door.webhooks("generic", "busy"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_a_request_on_it_keeps_its_place() {
    let door = Door::open().await;
    door.broker_down();
    // Nobody acknowledges it yet.
    let waiting = tokio::spawn(generic(&door, "msg_waits", b"{}").send());
    door.until("it is being worked on", || door.metric("daybook_ingest_in_flight", &[]) >= 1.0).await;
    let _held = hold(&door, 256, b"").await;
    door.broker_up();
    let answer = waiting.await.expect("ends").expect("it was not cut off");
    assert_eq!(answer.status(), StatusCode::OK);
}
