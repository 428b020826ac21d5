//! The partner's system of the demonstration, as a process. See `daybook_tests::receiver` for what it does.
//!
//! `DAYBOOK_RECEIVER_LISTEN` (127.0.0.1:8090 unless set), `DAYBOOK_RECEIVER_SECRET` (`whsec_…`, several separated by
//! commas). Ends on SIGTERM or Ctrl-C.

use std::env;
use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use daybook_tests::receiver::Receiver;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<()> {
    let listen = env::var("DAYBOOK_RECEIVER_LISTEN").unwrap_or_else(|_| "127.0.0.1:8090".to_owned());
    let listen: SocketAddr = listen.parse().context("DAYBOOK_RECEIVER_LISTEN is not ADDRESS:PORT")?;
    let secrets = env::var("DAYBOOK_RECEIVER_SECRET").context("DAYBOOK_RECEIVER_SECRET is not set")?;
    let secrets: Vec<_> = secrets.split(',').map(|secret| secret.trim().to_owned()).collect();
    // Before listening: who sees the port open may send the signal.
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let receiver = Receiver::start(listen, &secrets).await?;
    writeln!(std::io::stderr(), "webhook receiver: listening on http://{}", receiver.addr())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot wait for Ctrl-C")?,
    }
    receiver.stop().await
}
