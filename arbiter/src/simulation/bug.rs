//! Seeded bugs, to judge the judge by. Each is consulted at the very place where the real code is right, and is on for one
//! thread at most. Nothing of it is compiled into anything but this crate's tests.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbiter_core::State;
use arbiter_core::partition::{self, Content, Gap, Position, Record, Ruled};
use daybook_domain::{
    CancelKind, Claim, Interval, Operation, Outcome, Rejection, Request, RequestId, ResourceId, Subject,
};

use crate::cache::Cache;

/// What somebody might have written instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The partition's row is written without comparing epoch and offset, and no trigger looks at the rows.
    NoFence,
    /// The partition's row is compared and locked by the last statement.
    FenceLast,
    /// The position is moved by a transaction of its own, before the rows are written.
    OffsetFirst,
    /// Nobody asks whether a request was decided before.
    NoDedupe,
    /// The cache outlives the claim.
    CacheKept,
    /// After a COMMIT without an answer the transaction is tried again, without a look.
    BlindRetry,
    /// `<=` for `<` where intervals are compared.
    Touching,
    /// A reschedule is a cancellation and then a booking.
    CancelAndBook,
    /// A successor publishes only what it decides itself.
    NoRecovery,
    /// Nobody follows `booking.canonical`.
    NoLastWord,
}

thread_local! {
    static SEEDED: Cell<Option<Bug>> = const { Cell::new(None) };
    static KEPT: RefCell<BTreeMap<usize, Cache>> = const { RefCell::new(BTreeMap::new()) };
}

/// Whether this is the bug of the hour.
pub fn is(bug: Bug) -> bool {
    SEEDED.get() == Some(bug)
}

/// Runs with a bug, on this thread.
pub fn with<R>(bug: Option<Bug>, run: impl FnOnce() -> R) -> R {
    SEEDED.set(bug);
    let result = run();
    SEEDED.set(None);
    KEPT.take();
    result
}

/// [`Bug::CacheKept`]: the cache that a process, told by its budget, has left from an earlier claim.
pub fn kept(process: usize) -> Option<Cache> {
    is(Bug::CacheKept).then(|| KEPT.with_borrow_mut(|kept| kept.remove(&process))).flatten()
}

/// [`Bug::CacheKept`]: keeps what a claim leaves.
pub fn keep(process: usize, left: impl FnOnce() -> Cache) {
    if is(Bug::CacheKept) {
        let left = left();
        let before = KEPT.with_borrow_mut(|kept| kept.insert(process, left));
        // Dropped here, where it may not be kept in its turn.
        let bug = SEEDED.take();
        drop(before);
        SEEDED.set(bug);
    }
}

/// `arbiter_core::partition::rule`, but for the bugs that are about single decisions.
pub fn rule(
    position: &mut Position,
    states: &mut BTreeMap<ResourceId, State>,
    decided: &mut BTreeSet<RequestId>,
    record: &Record<'_>,
    verdict: Option<Rejection>,
    schema_id: u32,
) -> Result<Ruled, Gap> {
    let mut right =
        |decided: &mut _, record: &_| partition::rule(position, states, decided, record, verdict.clone(), schema_id);
    match (SEEDED.get(), &record.content) {
        (Some(Bug::NoDedupe), _) => right(&mut BTreeSet::new(), record),
        (Some(Bug::Touching), Content::Request(request)) => {
            let wider = Request { operation: widened(&request.operation), ..(*request).clone() };
            let wider = Record { content: Content::Request(&wider), ..record.clone() };
            let mut trial = (position.clone(), states.clone(), decided.clone());
            let (at, among, before) = (&mut trial.0, &mut trial.1, &mut trial.2);
            let ruled = partition::rule(at, among, before, &wider, verdict.clone(), schema_id)?;
            if !is_conflict(&ruled) {
                return partition::rule(position, states, decided, record, verdict, schema_id);
            }
            (*position, *states, *decided) = trial;
            Ok(ruled)
        }
        (Some(Bug::CancelAndBook), Content::Request(request)) if !decided.contains(&request.request_id) => {
            let Operation::Reschedule { previous, claim } = &request.operation else { return right(decided, record) };
            let Claim { booking_id, version, .. } = *claim;
            let subject = Subject { booking_id, identity: previous.clone(), version };
            let cancel = Request {
                request_id: RequestId::derive("half", &request.request_id.to_string(), 0),
                operation: Operation::Cancel { subject, interval: None, kind: CancelKind::Plain },
                ..(*request).clone()
            };
            let book = Request { operation: Operation::Book(claim.clone()), ..(*request).clone() };
            let halves = [&cancel, &book].map(|half| Record { content: Content::Request(half), ..record.clone() });
            let mut decisions = Vec::new();
            for half in &halves {
                if let Ruled::Decided(more) = right(decided, half)? {
                    decisions.extend(more);
                }
            }
            Ok(Ruled::Decided(decisions))
        }
        (_, Content::Request(_) | Content::Unreadable(_)) => right(decided, record),
    }
}

/// The same, with its ends inside.
fn widened(operation: &Operation) -> Operation {
    let mut operation = operation.clone();
    let tick = Duration::from_micros(1);
    if let Operation::Book(claim) | Operation::Hold { claim, .. } | Operation::Reschedule { claim, .. } = &mut operation
    {
        claim.interval = Interval::widened(&claim.interval, tick, tick);
    }
    operation
}

fn is_conflict(ruled: &Ruled) -> bool {
    let Ruled::Decided(decisions) = ruled else { return false };
    decisions.iter().any(|placed| matches!(placed.logged.decision.outcome, Outcome::Rejected(Rejection::Conflict(_))))
}
