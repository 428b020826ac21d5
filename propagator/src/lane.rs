//! One target's lane: what is due for it is taken, told, and recorded.
//!
//! Owns: that a target's trouble is its own. Each lane has its own rate, its own limit of deliveries under way, its own
//! gate; it shares with the others only the connections to the store.

mod deliver;
mod gate;
mod record;

use std::sync::Arc;
use std::time::Duration;

use daybook_domain::TargetName;
use daybook_propagator_core::{PauseCause, RetrySchedule};
use daybook_runtime::admin::Health;
use daybook_runtime::brake::Brakes;
use daybook_runtime::clock;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::retry::Advice;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::adapter::Adapter;
use crate::config::LEASE_MARGIN;
use crate::metrics::{LANE_STATES, Metrics};
use crate::records::Records;
use crate::store::{Leased, Store};
use crate::target::TargetKind;

pub(crate) use gate::BreakerPolicy;
use gate::{Admits, Cause, Change, Gate, Sign};

/// How many polls a lane may be silent before its process counts as dead.
const SILENCE_POLLS: u32 = 10;

/// A lane, as its deliveries share it.
#[derive(Debug)]
pub(crate) struct Lane {
    pub target: TargetName,
    pub kind: TargetKind,
    pub adapter: Arc<Adapter>,
    pub schedule: RetrySchedule,
    pub breaker: BreakerPolicy,
    pub concurrency: usize,
    pub lease: Duration,
    pub poll: Duration,
    pub store: Store,
    pub records: Records,
    pub metrics: Metrics,
    pub brakes: Brakes,
    pub health: Health,
    /// Rings when something may have become due.
    pub bell: Arc<Notify>,
    /// To be rung when an outcome is to be published.
    pub outcomes: Arc<Notify>,
    pub shutdown: CancellationToken,
}

/// What becomes of the deliveries that are under way.
type UnderWay = JoinSet<Result<Sign, StoreError>>;

impl Lane {
    /// Delivers until shutdown, then sees what is under way to its end.
    pub async fn run(self) -> Result<(), StoreError> {
        let lane = Arc::new(self);
        // Once a target and process: components are named for the life of the process.
        let component: &'static str = format!("lane {}", lane.target).leak();
        lane.health.enter(component, (lane.poll * SILENCE_POLLS).max(Duration::from_secs(60)));
        let mut gate = Gate::new(lane.breaker);
        let mut under_way = UnderWay::new();
        // Whether there was less due than there was room for when last looked.
        let mut is_idle = false;
        while !lane.shutdown.is_cancelled() {
            lane.show(&gate, under_way.len());
            let room = lane.room(&gate, under_way.len());
            if room > 0 && !is_idle {
                match lane.take(room).await {
                    Ok((taken, until)) => {
                        lane.health.ready(component);
                        is_idle = taken.len() < room;
                        if !taken.is_empty() {
                            gate.probe();
                        }
                        for leased in taken {
                            under_way.spawn(Arc::clone(&lane).deliver(leased, until));
                        }
                        continue;
                    }
                    Err(error) if error.advice() == Advice::Retry => {
                        is_idle = true;
                        lane.health.waiting(component, "PostgreSQL");
                        tracing::warn!(%error, target = %lane.target, "deliveries wait for the store");
                    }
                    Err(error) => return Err(error),
                }
            }
            tokio::select! {
                biased;
                () = lane.shutdown.cancelled() => {}
                Some(ended) = under_way.join_next() => {
                    is_idle = false;
                    let sign = ended.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?;
                    if let Some(change) = gate.observe(clock::now(), sign) {
                        lane.report(change);
                    }
                }
                () = lane.bell.notified() => is_idle = false,
                () = tokio::time::sleep(lane.poll) => {
                    is_idle = false;
                    lane.health.beat(component);
                }
            }
        }
        while let Some(ended) = under_way.join_next().await {
            ended.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?;
        }
        Ok(())
    }

    /// How many more deliveries may be begun now.
    fn room(&self, gate: &Gate, under_way: usize) -> usize {
        match gate.admits(clock::now()) {
            Admits::Any => self.concurrency.saturating_sub(under_way),
            Admits::One => 1,
            Admits::NotBefore(_) | Admits::Probing | Admits::Never => 0,
        }
    }

    /// Takes what is due, with the moment after which no call may be begun for it. By our own monotonic clock, from
    /// before the lease began by the store's: so it is over for us before it is for the store.
    async fn take(&self, room: usize) -> Result<(Vec<Leased>, Instant), StoreError> {
        let until = Instant::now() + self.lease.saturating_sub(LEASE_MARGIN);
        Ok((self.store.lease(&self.target, room, self.lease).await?, until))
    }

    fn show(&self, gate: &Gate, under_way: usize) {
        let target = self.target.as_str();
        let state = gate.state();
        for known in LANE_STATES {
            self.metrics.lane_state.with_label_values(&[target, known]).set(i64::from(known == state));
        }
        let under_way = i64::try_from(under_way).unwrap_or(i64::MAX);
        self.metrics.under_way.with_label_values(&[target]).set(under_way);
    }

    fn report(&self, change: Change) {
        let target = self.target.as_str();
        match change {
            Change::Resumed => tracing::info!(target, "lane resumed: the target is well"),
            Change::Paused(Cause::Target(PauseCause::Unauthorized), wait) => tracing::error!(
                target,
                reason = PauseCause::Unauthorized.as_str(),
                duration_ms = millis(wait),
                "lane waits: the target does not accept our credentials; mend them"
            ),
            Change::Paused(cause, wait) => {
                tracing::warn!(target, reason = cause.as_str(), duration_ms = millis(wait), "lane waits");
            }
            Change::Closed(reason) => tracing::error!(
                target,
                reason = reason.as_str(),
                "lane closed: the target wants no more; remove it from the settings, or restart to try again"
            ),
        }
    }
}

/// A duration as log fields carry it.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
