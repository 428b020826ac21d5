//! Reading a target back: each resource's calendar there, on a schedule, and whatever in it is not what it should be put right. What
//! a person has moved is asked for first, and put back if that is refused.
//!
//! Owns: that nothing is accused on the word of one answer (what a listing misses is asked for by name), nothing is written here
//! that its lane could write (a repair is a delivery, which looks before it writes), and that a repair which does not last is
//! not made for ever: after the third it is a person's turn. Entries of bookings that are not known here are never touched:
//! they may be another Daybook's.

use std::sync::Arc;
use std::time::Duration;

use daybook_domain::{BookingId, Interval, TargetName, Timestamp};
use daybook_propagator_core::readback::{self, Expected, Found, Listed, Listing, Readable, Stranger, Survey};
use daybook_propagator_core::{
    Action, Answer, Call, Difference, Drift, EDITS_MAX, Edit, Known, Maker, Removal, Verdict, Visible,
};
use daybook_runtime::admin::Health;
use daybook_runtime::brake::Brakes;
use daybook_runtime::clock;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::retry::Advice;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::adapter::{Adapter, Attempt};
use crate::metrics::Metrics;
use crate::records::Records;
use crate::store::{Asked, Drifted, Reading, Row, Store};

/// How often the same repair is made before it is left to a person.
const REPAIRS_MAX: u32 = 3;
/// How long one reading may take.
const SPAN: Duration = Duration::from_secs(15 * 60);
/// How long a calendar is a process's without another word of it: so long it waits whose reader was killed.
const LEASE: Duration = Duration::from_secs(30);
/// How much of it is kept back for what follows the last call.
const MARGIN: Duration = Duration::from_secs(30);
/// What has just begun may be in the calendar still.
const BEHIND: Duration = Duration::from_secs(60 * 60);
/// Until a calendar is read again of which an edit waits to be decided.
const ASKED: Duration = Duration::from_secs(15);
/// Between two tries while the store is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// How targets are read back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Between two readings of a calendar.
    pub every: Duration,
    /// Until it is read again in which something differed, or that could not be read.
    pub again: Duration,
    /// How far into the future.
    pub ahead: Duration,
}

/// A target's reader.
#[derive(Debug)]
pub(crate) struct Reconciler {
    pub target: TargetName,
    pub readable: Readable,
    pub adapter: Arc<Adapter>,
    /// Whether what people make of entries is asked for.
    pub edits: bool,
    pub pace: Pace,
    pub poll: Duration,
    pub store: Store,
    pub records: Records,
    pub metrics: Metrics,
    pub brakes: Brakes,
    pub health: Health,
    /// The lane's.
    pub bell: Arc<Notify>,
    pub shutdown: CancellationToken,
}

/// Why a reading came to nothing.
#[derive(Debug, thiserror::Error)]
enum Setback {
    /// The target has answered so.
    #[error("the target answers `{0}`")]
    Told(&'static str),
    /// The resource's address at the target is none.
    #[error("the resource's address at the target is none")]
    BadAddress,
    /// Somebody has stopped it, or the process ends.
    #[error("it was stopped")]
    Stopped,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Setback {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Told(word) => word,
            Self::BadAddress => "bad_address",
            Self::Stopped => "stopped",
            Self::Store(_) => "store",
        }
    }
}

impl Reconciler {
    /// Reads until shutdown.
    pub async fn run(self) -> Result<(), StoreError> {
        // Once a target and process: components are named for the life of the process.
        let component: &'static str = format!("reading back {}", self.target).leak();
        self.health.enter(component, SPAN + Duration::from_secs(60));
        while !self.shutdown.is_cancelled() {
            let taken = if self.brakes.target(&self.target) {
                Ok(None)
            } else {
                self.store.take_reading(&self.target, LEASE).await
            };
            let wait = match taken {
                Ok(Some(reading)) => {
                    self.health.ready(component);
                    self.read(&reading).await?;
                    Duration::ZERO
                }
                Ok(None) => {
                    self.health.ready(component);
                    self.poll
                }
                Err(error) if error.advice() == Advice::Retry => {
                    self.health.waiting(component, "PostgreSQL");
                    tracing::warn!(%error, target = %self.target, "reading back waits for the store");
                    PATIENCE
                }
                Err(error) => return Err(error),
            };
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        Ok(())
    }

    /// One calendar. What becomes of it is in the store; a store that is away is tried again when the lease has run out.
    async fn read(&self, reading: &Reading) -> Result<(), StoreError> {
        let target = self.target.as_str();
        let told = |result: &str| self.metrics.reconciliations_total.with_label_values(&[target, result]).inc();
        let read = tokio::select! {
            read = self.reconcile(reading) => read,
            () = self.keep(reading) => Err(Setback::Stopped),
        };
        let ended = match read {
            Ok((entries, wait)) => {
                told("read");
                self.store.end_reading(&self.target, reading, entries, wait).await
            }
            Err(setback) => {
                told(setback.as_str());
                tracing::warn!(%setback, target, resource.id = %reading.resource, "a calendar could not be read back");
                let Pace { every, again, .. } = self.pace;
                self.store.fail_reading(&self.target, reading, setback.as_str(), again, every).await
            }
        };
        match ended {
            Err(error) if error.advice() == Advice::Stop => Err(error),
            Err(error) => {
                tracing::warn!(%error, target, "what was read back waits for the store");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Keeps the calendar this process's; comes back when it is not any more.
    async fn keep(&self, reading: &Reading) {
        loop {
            tokio::time::sleep(LEASE / 3).await;
            match self.store.keep_reading(&self.target, reading, LEASE).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, target = %self.target, "a reading could not be held on to"),
            }
        }
    }

    /// How many entries of ours there are, and when it is to be read again.
    async fn reconcile(&self, reading: &Reading) -> Result<(usize, Duration), Setback> {
        let until = Instant::now() + SPAN.saturating_sub(MARGIN);
        let now = clock::now();
        let window = Interval::new(now.minus(BEHIND), now.plus(self.pace.ahead));
        let Ok(window) = window else { return Err(Setback::BadAddress) };
        let mut listing = Listing::new(self.readable, &reading.address, window);
        let found = loop {
            let answer = self.ask(listing.call(), &reading.address, until).await?;
            match listing.answer(&answer).map_err(|verdict| Setback::Told(verdict.as_str()))? {
                Listed::Next(next) => listing = *next,
                Listed::Over(found) => break found,
            }
        };
        let expected = self.store.expected(&self.target, reading, &window).await?;
        let Survey { suspects, strangers } = readback::survey(&expected, &found);
        let mut differing = 0;
        let mut differences = Vec::new();
        for suspect in suspects.into_iter().filter_map(|at| expected.get(at)) {
            if let Some(difference) = self.look(reading, suspect, until).await? {
                differences.push((suspect, difference));
            }
        }
        let edits: Vec<Option<Edit>> = differences
            .iter()
            // What a vendor has made, it speaks for.
            .map(|(suspect, difference)| {
                Edit::of(&suspect.visible, difference, &self.target).filter(|_| self.edits && !suspect.adopted)
            })
            .collect();
        let by_people = edits.iter().flatten().count() <= EDITS_MAX;
        let mut waits = false;
        for ((suspect, difference), edit) in differences.iter().zip(edits) {
            differing += 1;
            waits |= self.differs(reading, &suspect.visible, difference, edit.filter(|_| by_people)).await?;
        }
        let strangers: Vec<&Found> = strangers.into_iter().filter_map(|at| found.get(at)).collect();
        let bookings: Vec<BookingId> = strangers.iter().map(|found| found.booking_id).collect();
        let rows = self.store.rows_of(&self.target, reading, &bookings).await?;
        for (stranger, row) in strangers.into_iter().zip(rows) {
            differing += usize::from(self.stranger(reading, stranger, row, &expected, until).await?);
        }
        let again = if waits { self.pace.again.min(ASKED) } else { self.pace.again };
        Ok((found.len(), if differing > 0 { again } else { self.pace.every }))
    }

    /// An entry that the listing did not show as it should be: how it differs, if it does.
    async fn look(
        &self,
        reading: &Reading,
        expected: &Expected,
        until: Instant,
    ) -> Result<Option<Difference>, Setback> {
        let Expected { external_id, visible, .. } = expected;
        let call = readback::look(self.readable, &reading.address, visible.booking_id, external_id);
        let answer = self.ask(call, &reading.address, until).await?;
        readback::judge(self.readable, expected, &answer).map_err(|verdict| Setback::Told(verdict.as_str()))
    }

    /// An entry that differs: asked for, if a person has moved it, and put right if that was refused, or if it is not theirs to say.
    /// Whether a decision is waited for.
    async fn differs(
        &self,
        reading: &Reading,
        visible: &Visible,
        difference: &Difference,
        edit: Option<Edit>,
    ) -> Result<bool, Setback> {
        let drifted = Drifted { booking_id: visible.booking_id, entry: None, version: visible.version, difference };
        let repairs = self.note(reading, &drifted).await?;
        if let Some(edit) = edit {
            match self.store.asked(&self.target, &drifted, edit.request_id()).await? {
                Asked::Never => {
                    self.put(reading, &drifted, &edit).await?;
                    return Ok(true);
                }
                Asked::Waits => return Ok(true),
                Asked::Over => {}
            }
        }
        if self.may_repair(reading, &drifted, repairs).await? && self.store.repair(&self.target, &drifted, None).await?
        {
            self.bell.notify_one();
        }
        Ok(false)
    }

    /// Asks for an edit. Asked twice, after a crash between the two steps, it is one request.
    async fn put(&self, reading: &Reading, drifted: &Drifted<'_>, edit: &Edit) -> Result<(), Setback> {
        self.records.ask(edit).await.map_err(|error| {
            tracing::warn!(%error, target = %self.target, "what a person has made of an entry waits for Kafka");
            Setback::Told("kafka")
        })?;
        self.store.note_asked(&self.target, drifted, edit.request_id()).await?;
        self.metrics.edits_asked_total.with_label_values(&[self.target.as_str()]).inc();
        tracing::info!(
            booking.id = %drifted.booking_id, resource.id = %reading.resource, target = %self.target,
            request.id = %edit.request_id(), version = drifted.version, "a person has moved an entry; its booking is asked to be there"
        );
        Ok(())
    }

    /// An entry that bears our mark and was not expected: whether it differs.
    async fn stranger(
        &self,
        reading: &Reading,
        found: &Found,
        row: Row,
        expected: &[Expected],
        until: Instant,
    ) -> Result<bool, Setback> {
        let (drift, version) = match row {
            Row::Moving => return Ok(false),
            // Of a booking that is shown outside the window, say.
            Row::Shown(_) if !expected.iter().any(|it| it.visible.booking_id == found.booking_id) => return Ok(false),
            Row::Shown(version) => (Drift::Duplicate, version),
            Row::Removed(version) => (Drift::Extra, version),
            Row::Unknown => (Drift::Extra, 0),
        };
        let Found { booking_id, external_id, .. } = found;
        let call = readback::look(self.readable, &reading.address, *booking_id, external_id);
        let answer = self.ask(call, &reading.address, until).await?;
        let stands = readback::stands(self.readable, *booking_id, &answer);
        let Some(stranger) = stands.map_err(|verdict| Setback::Told(verdict.as_str()))? else { return Ok(false) };
        let difference = Difference { drift, shown: stranger.shown, fields: Vec::new(), seen: None };
        // The lane takes away the only entry of a booking; of several, the row has another.
        let entry = (!matches!(row, Row::Removed(_))).then_some(external_id.as_str());
        let drifted = Drifted { booking_id: *booking_id, entry, version, difference: &difference };
        match row {
            Row::Unknown => {
                if self.store.note_drift(&self.target, reading, &drifted).await?.is_some() {
                    self.leave(reading, &drifted).await?;
                }
            }
            Row::Removed(_) => {
                let repairs = self.note(reading, &drifted).await?;
                if self.may_repair(reading, &drifted, repairs).await?
                    && self.store.repair(&self.target, &drifted, Some(external_id)).await?
                {
                    self.bell.notify_one();
                }
            }
            Row::Shown(_) | Row::Moving => {
                let repairs = self.note(reading, &drifted).await?;
                if self.may_repair(reading, &drifted, repairs).await? {
                    self.remove(reading, found, &stranger, until).await?;
                    self.store.removed(&self.target, &drifted).await?;
                }
            }
        }
        Ok(true)
    }

    /// Writes down what differs. How often it was put right before.
    async fn note(&self, reading: &Reading, drifted: &Drifted<'_>) -> Result<u32, Setback> {
        let Some(repairs) = self.store.note_drift(&self.target, reading, drifted).await? else {
            return Err(Setback::Stopped);
        };
        let (target, drift) = (self.target.as_str(), drifted.difference.drift.as_str());
        self.metrics.drift_found_total.with_label_values(&[target, drift]).inc();
        Ok(repairs)
    }

    /// Whether it is to be put right: not for the fourth time.
    async fn may_repair(&self, reading: &Reading, drifted: &Drifted<'_>, repairs: u32) -> Result<bool, Setback> {
        if repairs >= REPAIRS_MAX {
            self.leave(reading, drifted).await?;
            return Ok(false);
        }
        tracing::warn!(
            booking.id = %drifted.booking_id, resource.id = %reading.resource, target = %self.target,
            drift = drifted.difference.drift.as_str(), version = drifted.version, attempt = repairs.saturating_add(1),
            "an entry differs; it is put right"
        );
        Ok(true)
    }

    async fn leave(&self, reading: &Reading, drifted: &Drifted<'_>) -> Result<(), Setback> {
        if self.store.stop_repairs(&self.target, drifted).await? {
            tracing::error!(
                booking.id = %drifted.booking_id, resource.id = %reading.resource, target = %self.target,
                drift = drifted.difference.drift.as_str(), version = drifted.version,
                "an entry differs and is left to a person: see `daybook drift`"
            );
        }
        Ok(())
    }

    /// Takes away one entry of several, if it still is what was seen.
    async fn remove(&self, reading: &Reading, found: &Found, seen: &Stranger, until: Instant) -> Result<(), Setback> {
        if self.brakes.target(&self.target) {
            return Err(Setback::Stopped);
        }
        let action = Action::Remove(Removal {
            booking_id: found.booking_id,
            resource: reading.resource.clone(),
            // Whatever version it is of, it goes.
            version: u64::MAX,
            last: None,
            decided_at: Timestamp::EPOCH,
            resource_time_zone: None,
        });
        let known = Known::Entry {
            version: u64::MAX,
            external_id: found.external_id.clone(),
            etag: seen.etag.clone(),
            maker: Maker::Daybook,
        };
        let attempt = Attempt {
            action: &action,
            known: &known,
            tags: &[],
            tries: 0,
            doubt: None,
            name: None,
            address: &reading.address,
            deadline: until,
            traceparent: None,
        };
        self.adapter.turn().await;
        let ended = self.adapter.attempt(&attempt).await.map_err(|_| Setback::BadAddress)?;
        let verdict = ended.conclusion.verdict;
        if verdict == Verdict::Gone { Ok(()) } else { Err(Setback::Told(verdict.as_str())) }
    }

    /// One call, in its turn.
    async fn ask(&self, call: Call, address: &str, until: Instant) -> Result<Answer, Setback> {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return Err(Setback::Stopped),
            () = self.adapter.turn() => {}
        }
        self.adapter.ask(call, address, until).await.map_err(|_| Setback::BadAddress)
    }
}
