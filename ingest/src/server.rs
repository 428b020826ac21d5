//! Connections: how many, and how patient we are with each.
//!
//! hyper directly, because axum's own server sets no limit: a stranger could hold connections open for ever by sending a
//! header a minute. Whoever only holds connections loses them to whoever asks something (`idle.rs`).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::IngestConfig;
use crate::descriptors;
use crate::idle::Idle;
use crate::metrics::IngestMetrics;
use crate::watched::Work;

/// The kernel's own limit (net.core.somaxconn) may be lower.
const BACKLOG: u32 = 4_096;
/// After a failed accept: usually no file descriptors are left, and some will be in a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The bounds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    connections_max: usize,
    header_timeout: Duration,
}

impl Limits {
    /// As configured.
    pub const fn of(config: &IngestConfig) -> Self {
        Self { connections_max: config.connections_max, header_timeout: config.header_timeout }
    }
}

/// Listens. Those who come faster than they can be accepted wait in the kernel's queue, as many as there may be connections
/// by default: whoever finds it full is not refused but left waiting for seconds.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As everywhere: an address that was used a moment ago is not taken.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `shutdown`; then takes no more connections, lets the requests in flight finish, and ends.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    metrics: IngestMetrics,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    let places = Arc::new(Semaphore::new(descriptors::room_for(limits.connections_max)));
    let idle = Arc::new(Idle::default());
    let connections = TaskTracker::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // From the first byte of a connection, or the end of the last request, to the end of a request's headers: it
        // ends both the slow and the idle.
        .header_read_timeout(limits.header_timeout)
        // Also the bound of a request's headers. Vendors send a few kilobytes.
        .max_buf_size(64 * 1_024);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places, &idle, &metrics) => accepted,
            () = shutdown.cancelled() => break,
        };
        let Some((stream, place)) = accepted else { continue };
        let (http, app, metrics, shutdown) = (http.clone(), app.clone(), metrics.clone(), shutdown.clone());
        let seat = idle.seat();
        // Not a task of the service's life: a panic in one request must end its connection only.
        connections.spawn(async move {
            metrics.connections.inc();
            let _gone = scopeguard(|| metrics.connections.dec());
            let _place = place;
            let app = TowerToHyperService::new(app);
            let service = service_fn(|request| {
                let (request, work) = Work::on(request, &seat);
                let answer = app.call(request);
                async move {
                    let answer = answer.await;
                    work.done();
                    answer
                }
            });
            let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
            // An error here is a caller who left or was too slow. There is nobody to tell.
            tokio::select! {
                _ = connection.as_mut() => {}
                // Closed as it is: on an idle connection nobody waits for anything of ours.
                () = seat.gone() => {}
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

/// The next connection, with a place. Where there is none left, the one that has been idle longest gives up its own; where
/// none is idle, the newcomer waits.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    idle: &Idle,
    metrics: &IngestMetrics,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let give_up_one = || {
        if idle.give_up_one() {
            metrics.connections_given_up_total.inc();
        }
    };
    let stream = match listener.accept().await {
        Ok((stream, _)) => stream,
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            give_up_one();
            tokio::time::sleep(ACCEPT_PAUSE).await;
            return None;
        }
    };
    // An answer is one small write; do not wait to join it with another. Without it, it is only later.
    let _ = stream.set_nodelay(true);
    if places.available_permits() == 0 {
        give_up_one();
    }
    // The semaphore is never closed.
    Some((stream, Arc::clone(places).acquire_owned().await.ok()?))
}

/// Runs `last` when dropped, by panic too.
fn scopeguard<F: FnMut()>(last: F) -> impl Drop {
    struct Guard<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(last)
}
