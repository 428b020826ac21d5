//! The administrative port: `/metrics`, `/livez`, `/readyz`.
//!
//! Alive means progress: each component beats when it has done a round of its work, and one that has not beaten for
//! its limit makes `/livez` fail. Ready means that the service could do its work now; what it waits for is in the text.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use daybook_domain::Timestamp;
use prometheus::Registry;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{clock, metrics};

/// Where to listen.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
}

/// Why the port could not be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}, set by admin.listen")]
pub struct AdminError {
    listen: SocketAddr,
    #[source]
    source: std::io::Error,
}

#[derive(Debug)]
struct Component {
    waiting_for: Option<String>,
    beat: Timestamp,
    silence_max: Duration,
}

/// What each component of the process is doing.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Component>>>);

impl Health {
    /// A process of which nothing is known yet: not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters a component. It is not ready until it says so, and must beat at least every `silence_max`.
    pub fn enter(&self, name: &'static str, silence_max: Duration) {
        let component = Component { waiting_for: Some("start".to_owned()), beat: clock::now(), silence_max };
        self.components().insert(name, component);
    }

    /// The component does its work.
    pub fn ready(&self, name: &'static str) {
        self.update(name, None);
    }

    /// The component is alive and waits for something.
    pub fn waiting(&self, name: &'static str, what: &str) {
        self.update(name, Some(what.to_owned()));
    }

    /// The component is alive; what it waits for is unchanged.
    pub fn beat(&self, name: &'static str) {
        if let Some(component) = self.components().get_mut(name) {
            component.beat = clock::now();
        }
    }

    fn update(&self, name: &'static str, waiting_for: Option<String>) {
        if let Some(component) = self.components().get_mut(name) {
            component.beat = clock::now();
            component.waiting_for = waiting_for;
        }
    }

    fn components(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Component>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every component beats, and which do not.
    pub fn live(&self, now: Timestamp) -> (bool, String) {
        report(&self.components(), |component| {
            let silence = now.since(component.beat);
            (silence > component.silence_max).then(|| format!("no progress for {} s", silence.as_secs()))
        })
    }

    /// Whether every component does its work, and what the others wait for.
    pub fn readiness(&self) -> (bool, String) {
        let components = self.components();
        if components.is_empty() {
            return (false, "starting".to_owned());
        }
        report(&components, |component| component.waiting_for.as_ref().map(|what| format!("waiting for {what}")))
    }
}

fn report(
    components: &BTreeMap<&'static str, Component>,
    fault: impl Fn(&Component) -> Option<String>,
) -> (bool, String) {
    let mut sound = true;
    let mut text = String::new();
    for (name, component) in components {
        let fault = fault(component);
        sound &= fault.is_none();
        text.push_str(&format!("{name}: {}\n", fault.as_deref().unwrap_or("ok")));
    }
    (sound, text)
}

/// Serves the port until `shutdown`; comes back once it listens, with the address and the rest of the work.
pub async fn serve(
    config: &AdminConfig,
    registry: Registry,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(SocketAddr, impl Future<Output = Result<(), std::io::Error>> + Send + 'static), AdminError> {
    let fail = |source| AdminError { listen: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    let app = Router::new()
        .route("/metrics", get(scrape))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state((registry, health));
    let server = axum::serve(listener, app).with_graceful_shutdown(async move { shutdown.cancelled().await });
    Ok((address, server.into_future()))
}

type Shared = State<(Registry, Health)>;

async fn scrape(State((registry, _)): Shared) -> (StatusCode, String) {
    match metrics::render(&registry) {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn livez(State((_, health)): Shared) -> (StatusCode, String) {
    answer(health.live(clock::now()))
}

async fn readyz(State((_, health)): Shared) -> (StatusCode, String) {
    answer(health.readiness())
}

fn answer((sound, text): (bool, String)) -> (StatusCode, String) {
    (if sound { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_ready_only_once_it_says_so() {
        let health = Health::new();
        assert_eq!(health.readiness(), (false, "starting".to_owned()));
        health.enter("consumer", Duration::from_secs(30));
        assert_eq!(health.readiness(), (false, "consumer: waiting for start\n".to_owned()));
        health.ready("consumer");
        assert_eq!(health.readiness(), (true, "consumer: ok\n".to_owned()));
        health.waiting("consumer", "PostgreSQL");
        assert_eq!(health.readiness(), (false, "consumer: waiting for PostgreSQL\n".to_owned()));
    }

    #[test]
    fn a_component_that_stopped_beating_is_not_alive() {
        let health = Health::new();
        health.enter("consumer", Duration::from_secs(30));
        assert!(health.live(clock::now()).0);
        let (alive, text) = health.live(clock::now().plus(Duration::from_secs(90)));
        assert!(!alive);
        assert!(text.starts_with("consumer: no progress for "));
    }
}
