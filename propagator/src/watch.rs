//! The gauges: what lies in the store, looked up every few seconds. It also tells whether the store is there.

use std::collections::BTreeSet;
use std::time::Duration;

use daybook_propagator_core::Drift;
use daybook_runtime::admin::Health;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::retry::Advice;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::store::{Compensations, Gauges, Store, Unread};

/// The name under which it beats: the store's, because that is what it watches.
const COMPONENT: &str = "postgres";

/// The watch.
#[derive(Debug)]
pub(crate) struct Watch {
    store: Store,
    metrics: Metrics,
    health: Health,
    every: Duration,
    /// The targets that have a lane here.
    configured: BTreeSet<String>,
    /// Label sets that have been set, to be put to 0 when they are no more.
    parked: BTreeSet<(String, String)>,
    due: BTreeSet<String>,
    promised: BTreeSet<String>,
    not_configured: BTreeSet<String>,
}

impl Watch {
    pub fn new(store: Store, metrics: Metrics, health: Health, every: Duration, configured: BTreeSet<String>) -> Self {
        let due = configured.clone();
        Self {
            store,
            metrics,
            health,
            every,
            configured,
            due,
            parked: BTreeSet::new(),
            promised: BTreeSet::new(),
            not_configured: BTreeSet::new(),
        }
    }

    /// Watches until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), StoreError> {
        self.health.enter(COMPONENT, self.every + Duration::from_secs(60));
        while !shutdown.is_cancelled() {
            match self.store.gauges().await {
                Ok(gauges) => {
                    self.health.ready(COMPONENT);
                    self.show(&gauges);
                }
                Err(error) if error.advice() == Advice::Retry => self.health.waiting(COMPONENT, "the server"),
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(self.every) => {}
            }
        }
        Ok(())
    }

    fn show(&mut self, gauges: &Gauges) {
        let Metrics { deliveries_due, deliveries_oldest_age_seconds, deliveries_parked, .. } = &self.metrics;
        let (mut due, mut parked) = (self.configured.clone(), BTreeSet::new());
        for target in &self.due {
            deliveries_due.with_label_values(&[target]).set(0);
            deliveries_oldest_age_seconds.with_label_values(&[target]).set(0);
        }
        for (target, reason) in &self.parked {
            deliveries_parked.with_label_values(&[target, reason]).set(0);
        }
        for backlog in &gauges.backlog {
            let target = &backlog.target;
            if let Some(reason) = &backlog.parked_reason {
                deliveries_parked.with_label_values(&[target, reason]).set(backlog.deliveries);
                parked.insert((target.clone(), reason.clone()));
            } else {
                let oldest = i64::try_from(backlog.oldest.as_secs()).unwrap_or(i64::MAX);
                deliveries_due.with_label_values(&[target]).set(backlog.deliveries);
                deliveries_oldest_age_seconds.with_label_values(&[target]).set(oldest);
                due.insert(target.clone());
            }
        }
        self.metrics.outcomes_unpublished.set(gauges.unpublished);
        let Metrics { compensations_open, compensations_oldest_age_seconds, .. } = &self.metrics;
        for source in &self.promised {
            compensations_open.with_label_values(&[source]).set(0);
            compensations_oldest_age_seconds.with_label_values(&[source]).set(0);
        }
        for Compensations { source, open, oldest } in &gauges.compensations {
            compensations_open.with_label_values(&[source]).set(*open);
            compensations_oldest_age_seconds.with_label_values(&[source]).set(oldest.max(0.0) as i64);
            self.promised.insert(source.clone());
        }
        self.parked.append(&mut parked);
        self.due = due;
        self.show_drift(gauges);
        self.compare(&gauges.wanted);
    }

    fn show_drift(&self, gauges: &Gauges) {
        let Metrics { drift_entries, drift_stopped, drift_oldest_age_seconds, reconciled_age_seconds, .. } =
            &self.metrics;
        for target in &self.configured {
            let here = || gauges.drift.iter().filter(|drift| drift.target == *target);
            for kind in Drift::ALL.map(Drift::as_str) {
                let entries = here().filter(|drift| drift.kind == kind).map(|drift| drift.entries).sum();
                drift_entries.with_label_values(&[target, kind]).set(entries);
            }
            let oldest = here().map(|drift| drift.oldest).fold(0.0, f64::max);
            drift_oldest_age_seconds.with_label_values(&[target]).set(oldest as i64);
            drift_stopped.with_label_values(&[target]).set(here().map(|drift| drift.stopped).sum());
        }
        for Unread { target, oldest } in &gauges.unread {
            reconciled_age_seconds.with_label_values(&[target]).set(oldest.max(0.0) as i64);
        }
    }

    /// Says which targets resources name that have no lane here: once when it begins, once when it ends.
    fn compare(&mut self, wanted: &BTreeSet<String>) {
        let missing: BTreeSet<String> = wanted.difference(&self.configured).cloned().collect();
        for target in missing.difference(&self.not_configured) {
            self.metrics.targets_not_configured.with_label_values(&[target]).set(1);
            tracing::warn!(target, "deliveries wait: resources name a target that is not configured here");
        }
        for target in self.not_configured.difference(&missing) {
            self.metrics.targets_not_configured.with_label_values(&[target]).set(0);
        }
        self.not_configured = missing;
    }
}
