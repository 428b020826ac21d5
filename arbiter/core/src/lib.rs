//! The arbiter's core: what is decided, and nothing else.
//!
//! In: one resource's [`State`], the log's time, a request. Out: decisions, which alone change the state.
//! Owns: that live bookings of a resource never overlap beyond its capacity, that a reschedule never leaves both or
//! neither, and that the same log gives the same decisions, byte for byte. [`decide`] and [`evolve`] are total and
//! deterministic; a losing request is a decision, not an error. [`partition`] puts decisions at their places in a
//! partition's log. [`availability`] says beforehand what would be granted.
//! Absent on purpose: I/O, clocks, randomness, other resources.

mod availability;
mod book;
mod caller;
mod cancel;
mod claim;
mod confirm;
mod coverage;
mod define;
mod expire;
mod fit;
mod follow_up;
mod hold;
mod lapse;
#[cfg(test)]
mod laws;
mod observe;
pub mod partition;
mod policy;
mod reach;
mod redact;
mod release;
mod reschedule;
mod shadow;
mod state;
#[cfg(test)]
mod story;
mod subject;
mod timeline;
mod update;

use daybook_domain::{
    BookingId, BookingState, Decision, Interval, Operation, Outcome, Rejection, Request, Rule, Rules, SourceName,
    Timestamp, Unchanged, Wanted,
};

pub use availability::{Asked, Search, availability, taken};
pub use coverage::Coverage;
pub use follow_up::follow_up;
pub use lapse::{expire, lapsed};
pub use reach::{Missing, Reach, reach, surroundings};
pub use state::{State, Violation, absorbed};

/// The version of the deciding code. The same log gives the same decisions under the same version; raise it with any
/// change that could give another.
const CODE_VERSION: &str = "6";

/// What every decision records as `core_version`: the version of the code, and of the time zones that hours are read in.
pub fn core_version() -> &'static str {
    use std::sync::LazyLock;
    static VERSION: LazyLock<String> = LazyLock::new(|| format!("{CODE_VERSION}+tz{}", chrono_tz::IANA_TZDB_VERSION));
    &VERSION
}

/// Decides a request and what has to be decided before it, and applies the decisions. Empty for an `expire` that came
/// before its deadline by the log's time: nothing is written, and it is sent again. A state that does not hold everything
/// live of the time that is looked at stays as it was: [cover](State::cover) what is missing, and decide again.
pub fn step(state: &mut State, now: Timestamp, request: &Request) -> Result<Vec<Decision>, Missing> {
    if let Some(time) = surroundings(state, request) {
        state.holds(time)?;
    }
    // What the asker could have seen: that something in the way has lapsed is no news to somebody who waited for it.
    let seen = state.version();
    let lapsed = lapsed(state, now, request);
    if lapsed.is_empty() {
        let decision = decide_at(state, seen, now, request)?;
        decision.iter().for_each(|decision| evolve(state, decision));
        return Ok(decision.into_iter().collect());
    }
    let mut after = state.clone();
    let mut decisions = Vec::with_capacity(lapsed.len() + 1);
    for request in lapsed.iter().chain([request]) {
        if let Some(decision) = decide_at(&after, seen, now, request)? {
            evolve(&mut after, &decision);
            decisions.push(decision);
        }
    }
    *state = after;
    Ok(decisions)
}

/// Decides a request, given that nothing in its way has [lapsed]. None for an `expire` that came before its deadline.
pub fn decide(state: &State, now: Timestamp, request: &Request) -> Result<Option<Decision>, Missing> {
    if let Some(time) = surroundings(state, request) {
        state.holds(time)?;
    }
    decide_at(state, state.version(), now, request)
}

fn decide_at(state: &State, seen: u64, now: Timestamp, request: &Request) -> Result<Option<Decision>, Missing> {
    match caller::worded(state, request) {
        Ok(request) => {
            let Some(ruling) = ruling(state, seen, now, &request) else { return Ok(None) };
            complete(state, now, &request, ruling).map(Some)
        }
        Err(refusal) => complete(state, now, request, *refusal).map(Some),
    }
}

fn ruling(state: &State, seen: u64, now: Timestamp, request: &Request) -> Option<Ruling> {
    Some(match (&request.operation, state.rules()) {
        _ if let Some(refusal) = unexpected(state, seen, request) => refusal,
        (Operation::Define(rules), _) => define::decide(state, rules),
        (Operation::Expire { booking_id, deadline }, _) => expire::decide(state, now, *booking_id, *deadline)?,
        (operation, Some(rules)) => rule(Case { state, rules, now, request }, operation),
        (_, None) => Ruling::rejected(Rejection::Policy(Rule::Defined), None),
    })
}

fn rule(case: Case<'_>, operation: &Operation) -> Ruling {
    match operation {
        Operation::Book(claim) => book::decide(case, claim),
        Operation::Hold { claim, ttl } => hold::decide(case, claim, *ttl),
        Operation::Confirm { subject, content } => confirm::decide(case, subject, content.as_ref()),
        Operation::Release { subject, moved_to } => release::decide(case, subject, moved_to.as_ref()),
        Operation::Reschedule { previous, claim } => reschedule::decide(case, previous.key(), claim),
        Operation::Update { subject, content } => update::decide(case, subject, content),
        Operation::Cancel { subject, interval, kind } => cancel::decide(case, subject, *interval, *kind),
        Operation::Observe(claim) => observe::decide(case, claim),
        Operation::Redact { booking_id } => redact::decide(case, *booking_id),
        // Decided without rules.
        Operation::Define(_) | Operation::Expire { .. } => Ruling::rejected(Rejection::Internal, None),
    }
}

/// The decision on a request that had to be ruled on without the core: the store refused what the core had granted, or
/// the core failed.
pub fn overruled(state: &State, now: Timestamp, request: &Request, rejection: Rejection) -> Result<Decision, Missing> {
    complete(state, now, request, Ruling::rejected(rejection, None))
}

/// Applies a decision: the only way that a state changes.
pub fn evolve(state: &mut State, decision: &Decision) {
    state.apply(decision);
}

/// A request and everything that it is decided on.
#[derive(Clone, Copy)]
struct Case<'a> {
    state: &'a State,
    rules: &'a Rules,
    now: Timestamp,
    request: &'a Request,
}

impl Case<'_> {
    /// Whether the arbiter asks itself. Only it may write under this name: the topic's rights see to that.
    fn is_own(&self) -> bool {
        self.request.source == SourceName::daybook()
    }
}

/// What an operation's file decides; [`decide`] completes it.
struct Ruling {
    outcome: Outcome,
    booking: Option<BookingState>,
    absorbed: Vec<BookingId>,
    rules: Option<Rules>,
}

impl Ruling {
    const fn of(outcome: Outcome, booking: Option<BookingState>) -> Self {
        Self { outcome, booking, absorbed: Vec::new(), rules: None }
    }

    const fn rejected(rejection: Rejection, booking: Option<BookingState>) -> Self {
        Self::of(Outcome::Rejected(rejection), booking)
    }
}

/// The refusal of a request whose asker believed what is no longer true.
fn unexpected(state: &State, seen: u64, request: &Request) -> Option<Ruling> {
    if matches!(request.operation, Operation::Observe(_)) {
        // It has happened, whatever anybody believes.
        return None;
    }
    let expected = request.expected;
    let known = || named(state, request).next();
    let stale_resource = expected.resource_version.is_some_and(|version| version != seen);
    let stale_booking =
        expected.booking_version.is_some_and(|version| known().is_none_or(|booking| booking.version != version));
    (stale_resource || stale_booking).then(|| Ruling::rejected(Rejection::StaleVersion, known().cloned()))
}

/// The bookings that a request names.
fn named<'a>(state: &'a State, request: &'a Request) -> impl Iterator<Item = &'a BookingState> {
    let by_key = request.operation.identities().filter_map(|identity| state.by_key(identity.key()));
    by_key.chain(request.operation.booking_ids().filter_map(|id| state.booking(id)))
}

fn complete(state: &State, now: Timestamp, request: &Request, ruling: Ruling) -> Result<Decision, Missing> {
    let is_refused = matches!(ruling.outcome, Outcome::Rejected(_));
    // What it was to replace elsewhere has to hear of it, although nothing is made of the claim here.
    let is_shadow = matches!(ruling.outcome, Outcome::Unchanged(Unchanged::Shadow | Unchanged::Echo));
    let claim = request.operation.claim().filter(|claim| is_refused || (is_shadow && claim.moved_from.is_some()));
    let wanted = claim.map(|claim| Wanted {
        booking_id: claim.booking_id,
        key: claim.identity.key(),
        interval: claim.interval,
        moved_from: claim.moved_from.clone(),
    });
    let next_free = match (&wanted, state.rules(), is_about_time(&ruling.outcome)) {
        (Some(wanted), Some(rules), true) => {
            let own: Vec<BookingId> = named(state, request).map(|booking| booking.booking_id).collect();
            fit::next_free(state, rules, now, wanted.interval, fit::Own { bookings: &own, unit: None })?
        }
        _ => Vec::new(),
    };
    let moved = ruling.booking.as_ref().is_some_and(|after| {
        timeline_of(state.booking(after.booking_id)) != timeline_of(Some(after)) || !ruling.absorbed.is_empty()
    });
    Ok(Decision {
        request_id: request.request_id,
        request_digest: request.digest,
        resource: request.resource.clone(),
        operation: request.operation.kind(),
        source: request.source.clone(),
        basis: request.basis,
        outcome: ruling.outcome,
        resource_version: state.version() + u64::from(moved || ruling.rules.is_some()),
        booking: ruling.booking,
        absorbed: ruling.absorbed,
        wanted,
        next_free,
        rules: ruling.rules,
        sourced_at: request.sourced_at,
        received_at: request.received_at,
        decided_at: now,
    })
}

/// Whether another time would have done.
const fn is_about_time(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Rejected(
            Rejection::Conflict(_)
                | Rejection::ConflictByStore
                | Rejection::Past
                | Rejection::StaleVersion
                | Rejection::Policy(Rule::Notice | Rule::Window | Rule::Hours)
        )
    )
}

/// What a booking takes of its resource's time.
fn timeline_of(
    booking: Option<&BookingState>,
) -> (Option<(Interval, u16, daybook_domain::BookingKind)>, Vec<Interval>) {
    let Some(booking) = booking else { return (None, Vec::new()) };
    let own = booking.standing.live().map(|interval| (interval, booking.unit, booking.kind));
    let mut away: Vec<Interval> = booking.away().collect();
    away.sort();
    (own, away)
}
