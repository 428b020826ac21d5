//! What somebody has stopped by hand (`daybook pause`, `daybook freeze`), known anew every two seconds.
//!
//! A source is left alone until the first look is over: a process that starts may not undo what somebody has stopped. A store that
//! is away leaves what was known, and where nothing was, nothing is stopped: whoever has stopped a source and starts ingest without
//! its store gets its states fetched. Deliveries to a target are taken from the store by a statement that looks for itself; here it
//! is learnt that those which were taken, and wait for their turn, are to be given back.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use daybook_domain::{SourceName, TargetName};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::service::Service;

/// How often it is looked at. What is stopped is stopped within this and what the store takes to answer.
pub const LOOK: Duration = Duration::from_secs(2);

/// What is stopped at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Braked {
    sources: BTreeSet<String>,
    targets: BTreeSet<String>,
    every_target: bool,
}

impl Braked {
    fn new(rows: Vec<(String, String)>) -> Self {
        let mut braked = Self::default();
        for (kind, name) in rows {
            match kind.as_str() {
                "source" => drop(braked.sources.insert(name)),
                "target" => drop(braked.targets.insert(name)),
                // All, or something that a later version knows: rather too much than too little.
                _ => braked.every_target = true,
            }
        }
        braked
    }

    /// Whether nothing may be asked of a source.
    pub fn source(&self, name: &str) -> bool {
        self.sources.contains(name)
    }

    /// Whether a target may not be told anything.
    pub fn target(&self, name: &str) -> bool {
        self.every_target || self.targets.contains(name)
    }
}

/// What is stopped, as it was last known.
#[derive(Debug, Clone)]
pub struct Brakes(watch::Receiver<Option<Braked>>);

impl Brakes {
    /// Whether nothing may be asked of a source.
    pub fn source(&self, name: &SourceName) -> bool {
        self.0.borrow().as_ref().is_none_or(|braked| braked.source(name.as_str()))
    }

    /// Whether a target may not be told anything.
    pub fn target(&self, name: &TargetName) -> bool {
        self.0.borrow().as_ref().is_none_or(|braked| braked.target(name.as_str()))
    }

    /// Comes back as soon as it is known that the target may not be told anything; not before.
    pub async fn target_stopped(&mut self, name: &TargetName) {
        let stopped = |braked: &Option<Braked>| braked.as_ref().is_some_and(|braked| braked.target(name.as_str()));
        if self.0.wait_for(stopped).await.is_err() {
            // The watch ends with the process, which has its own sign for that.
            std::future::pending::<()>().await;
        }
    }
}

/// Looks at it until shutdown, and shows each finding.
pub fn watch(pool: PgPool, service: &Service, show: impl Fn(&Braked) + Send + 'static) -> Brakes {
    let (tell, told) = watch::channel(None);
    let shutdown = service.life.shutdown().clone();
    service.life.spawn("watch on what is stopped by hand", async move {
        while !shutdown.is_cancelled() {
            match sqlx::query_as("SELECT kind, name FROM brake").fetch_all(&pool).await {
                Ok(rows) => {
                    let braked = Braked::new(rows);
                    show(&braked);
                    tell.send_replace(Some(braked));
                }
                Err(error) => {
                    tracing::warn!(%error, "what is stopped by hand is not known anew; what was known holds");
                    tell.send_if_modified(|known| {
                        let is_first = known.is_none();
                        known.get_or_insert_default();
                        is_first
                    });
                }
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = shutdown.cancelled() => {}
            }
        }
        Ok::<(), Infallible>(())
    });
    Brakes(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn braked(rows: &[(&str, &str)]) -> Braked {
        Braked::new(rows.iter().map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned())).collect())
    }

    #[test]
    fn a_target_is_stopped_by_its_own_name_or_with_all_and_a_source_only_by_its_own() {
        let one = braked(&[("target", "google"), ("source", "outlook")]);
        assert!(one.target("google") && !one.target("outlook"));
        assert!(one.source("outlook") && !one.source("google"));
        let all = braked(&[("all", "")]);
        assert!(all.target("google") && !all.source("google"));
    }

    #[test]
    fn what_a_later_version_stops_is_taken_for_every_target() {
        assert!(braked(&[("tenant", "acme")]).target("google"));
    }

    #[tokio::test]
    async fn a_source_is_left_alone_until_the_first_look_is_over_and_who_waits_learns_of_a_stop() {
        let (tell, told) = watch::channel(None);
        let (mut brakes, google) = (Brakes(told), "google".parse().expect("a name"));
        assert!(brakes.source(&"outlook".parse().expect("a name")));
        tell.send_replace(Some(Braked::default()));
        assert!(!brakes.source(&"outlook".parse().expect("a name")));
        let stopped = brakes.target_stopped(&google);
        tokio::pin!(stopped);
        assert!(futures::poll!(stopped.as_mut()).is_pending());
        tell.send_replace(Some(braked(&[("target", "google")])));
        stopped.await;
    }
}
