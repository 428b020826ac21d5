//! Whether a lane may call: the breaker, and the pauses that a target asks for. Pure: the time is an argument.
//!
//! Invariant: a waiting lane resumes with one delivery, and with the rest only once that one has found the target well.
//! What a lane waits for blames no delivery: nothing is given up because of it.

use std::time::Duration;

use daybook_domain::Timestamp;
use daybook_propagator_core::{PauseCause, Reason, Step, Trouble, Verdict};

/// When a lane stops calling a target that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BreakerPolicy {
    /// Failures in a row.
    pub failures: u32,
    /// How long it waits the first time.
    pub pause: Duration,
    /// The longest that it waits, after doubling.
    pub pause_max: Duration,
}

/// What a delivery has shown of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It answers, whatever it answered.
    Alive,
    /// No connection, no answer, or a server error.
    Failing,
    /// It asks for a pause, or does not accept our credentials.
    Pause(Timestamp, PauseCause),
    /// It wants no more.
    Closed(Reason),
    /// Nothing: no call was made.
    None,
}

impl Sign {
    /// What a verdict and the step after it show.
    pub fn of(verdict: &Verdict, step: &Step) -> Self {
        match step {
            Step::Pause { until, cause } => return Self::Pause(*until, *cause),
            Step::Disable(reason) => return Self::Closed(*reason),
            Step::Done(_) | Step::RetryAt(_) | Step::GiveUp(_) => {}
        }
        match verdict {
            Verdict::LookFirst(trouble) | Verdict::Retryable(trouble) => match trouble {
                Trouble::Unreachable | Trouble::NoAnswer | Trouble::ServerError => Self::Failing,
                Trouble::Busy | Trouble::Unreadable | Trouble::NotStored => Self::Alive,
            },
            Verdict::Applied { .. }
            | Verdict::Gone
            | Verdict::Reread
            | Verdict::Throttled { .. }
            | Verdict::Unauthorized
            | Verdict::Permanent(_) => Self::Alive,
        }
    }
}

/// Why a lane waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It failed too often in a row.
    Failing,
    /// The target said so.
    Target(PauseCause),
}

impl Cause {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Target(cause) => cause.as_str(),
        }
    }
}

/// What a lane may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admits {
    /// As many deliveries as there is room for.
    Any,
    /// One, to see how the target is.
    One,
    /// None before then.
    NotBefore(Timestamp),
    /// None until the one under way has ended.
    Probing,
    /// None any more.
    Never,
}

/// A change of a lane's state, to be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It waits.
    Paused(Cause, Duration),
    /// It calls again.
    Resumed,
    /// It has stopped for good.
    Closed(Reason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Waiting { until: Timestamp, cause: Cause },
    Probing { cause: Cause },
    Closed,
}

/// The gate of one lane.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    policy: BreakerPolicy,
    state: State,
    /// Failures since the target was last well.
    failures: u32,
    /// Times that the breaker has tripped since the target was last well.
    trips: u32,
}

impl Gate {
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, state: State::Open, failures: 0, trips: 0 }
    }

    pub fn admits(&self, now: Timestamp) -> Admits {
        match self.state {
            State::Open => Admits::Any,
            State::Waiting { until, .. } if now < until => Admits::NotBefore(until),
            State::Waiting { .. } => Admits::One,
            State::Probing { .. } => Admits::Probing,
            State::Closed => Admits::Never,
        }
    }

    /// The word for its state, for the gauge.
    pub const fn state(&self) -> &'static str {
        match self.state {
            State::Open => "open",
            State::Waiting { .. } => "waiting",
            State::Probing { .. } => "probing",
            State::Closed => "closed",
        }
    }

    /// One delivery is under way after a wait.
    pub fn probe(&mut self) {
        if let State::Waiting { cause, .. } = self.state {
            self.state = State::Probing { cause };
        }
    }

    /// Takes in what a delivery has shown.
    pub fn observe(&mut self, now: Timestamp, sign: Sign) -> Option<Change> {
        match (self.state, sign) {
            (State::Closed, _) => None,
            (_, Sign::Closed(reason)) => {
                self.state = State::Closed;
                Some(Change::Closed(reason))
            }
            (state, Sign::Pause(until, cause)) => self.pause(state, now, until, cause),
            (State::Open, Sign::Alive) => {
                self.failures = 0;
                None
            }
            // A straggler of before the wait. A target that asked for a pause gets it all the same.
            (State::Waiting { cause: Cause::Target(_), .. }, Sign::Alive) => None,
            (State::Waiting { cause: Cause::Failing, .. } | State::Probing { .. }, Sign::Alive) => {
                (self.state, self.failures, self.trips) = (State::Open, 0, 0);
                Some(Change::Resumed)
            }
            (State::Open, Sign::Failing) => {
                self.failures = self.failures.saturating_add(1);
                (self.failures >= self.policy.failures).then(|| self.trip(now))
            }
            (State::Probing { .. }, Sign::Failing) => Some(self.trip(now)),
            (State::Probing { cause }, Sign::None) => {
                self.state = State::Waiting { until: now, cause };
                None
            }
            (State::Waiting { .. }, Sign::Failing | Sign::None) | (State::Open, Sign::None) => None,
        }
    }

    fn trip(&mut self, now: Timestamp) -> Change {
        let doubled = self.policy.pause.saturating_mul(1 << self.trips.min(20));
        let wait = doubled.min(self.policy.pause_max);
        self.trips = self.trips.saturating_add(1);
        self.state = State::Waiting { until: now.plus(wait), cause: Cause::Failing };
        Change::Paused(Cause::Failing, wait)
    }

    /// The longer of two pauses counts. Only the first of those that go together is reported.
    fn pause(&mut self, state: State, now: Timestamp, until: Timestamp, cause: PauseCause) -> Option<Change> {
        let cause = Cause::Target(cause);
        let (until, is_new) = match state {
            State::Waiting { until: known, cause: known_cause } => (until.max(known), known_cause != cause),
            State::Open | State::Probing { .. } => (until, true),
            State::Closed => return None,
        };
        self.state = State::Waiting { until, cause };
        is_new.then(|| Change::Paused(cause, until.since(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BreakerPolicy =
        BreakerPolicy { failures: 3, pause: Duration::from_secs(5), pause_max: Duration::from_secs(15) };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_secs(seconds))
    }

    fn tripped() -> Gate {
        let mut gate = Gate::new(POLICY);
        for _ in 0..3 {
            gate.observe(at(0), Sign::Failing);
        }
        gate
    }

    #[test]
    fn failures_in_a_row_trip_the_breaker_and_a_good_answer_between_them_does_not() {
        let mut gate = Gate::new(POLICY);
        for sign in [Sign::Failing, Sign::Failing, Sign::Alive, Sign::Failing, Sign::Failing, Sign::None] {
            assert_eq!(gate.observe(at(0), sign), None);
            assert_eq!(gate.admits(at(0)), Admits::Any);
        }
        let paused = Change::Paused(Cause::Failing, Duration::from_secs(5));
        assert_eq!(gate.observe(at(0), Sign::Failing), Some(paused));
        assert_eq!(gate.admits(at(4)), Admits::NotBefore(at(5)));
    }

    #[test]
    fn after_the_wait_one_delivery_probes_and_a_good_answer_opens_the_lane() {
        let mut gate = tripped();
        assert_eq!(gate.admits(at(5)), Admits::One);
        gate.probe();
        assert_eq!(gate.admits(at(5)), Admits::Probing);
        assert_eq!(gate.observe(at(6), Sign::Alive), Some(Change::Resumed));
        assert_eq!(gate.admits(at(6)), Admits::Any);
        assert_eq!(gate.observe(at(6), Sign::Failing), None, "the count begins anew");
    }

    #[test]
    fn a_probe_that_fails_waits_twice_as_long_up_to_the_limit() {
        let mut gate = tripped();
        for wait in [10, 15, 15] {
            gate.probe();
            let paused = Change::Paused(Cause::Failing, Duration::from_secs(wait));
            assert_eq!(gate.observe(at(100), Sign::Failing), Some(paused));
            assert_eq!(gate.admits(at(100)), Admits::NotBefore(at(100 + wait)));
        }
    }

    #[test]
    fn a_probe_that_made_no_call_lets_another_one_through() {
        let mut gate = tripped();
        gate.probe();
        assert_eq!(gate.observe(at(7), Sign::None), None);
        assert_eq!(gate.admits(at(7)), Admits::One);
    }

    #[test]
    fn a_pause_that_the_target_asked_for_holds_whatever_stragglers_bring() {
        let mut gate = Gate::new(POLICY);
        let pause = |seconds| Sign::Pause(at(seconds), PauseCause::Throttled);
        assert!(matches!(gate.observe(at(0), pause(60)), Some(Change::Paused(..))));
        assert_eq!(gate.observe(at(1), pause(30)), None, "the same pause, and the longer one counts");
        assert_eq!(gate.observe(at(1), Sign::Alive), None);
        assert_eq!(gate.observe(at(1), Sign::Failing), None);
        assert_eq!(gate.admits(at(59)), Admits::NotBefore(at(60)));
        assert_eq!(gate.admits(at(60)), Admits::One);
    }

    #[test]
    fn rejected_credentials_pause_and_every_probe_says_so_again() {
        let mut gate = Gate::new(POLICY);
        let unauthorized = |seconds| Sign::Pause(at(seconds), PauseCause::Unauthorized);
        assert!(gate.observe(at(0), unauthorized(300)).is_some());
        gate.probe();
        assert!(gate.observe(at(300), unauthorized(600)).is_some());
    }

    #[test]
    fn a_closed_lane_stays_closed() {
        let mut gate = Gate::new(POLICY);
        let closed = Some(Change::Closed(Reason::TargetClosed));
        assert_eq!(gate.observe(at(0), Sign::Closed(Reason::TargetClosed)), closed);
        assert_eq!(gate.observe(at(1), Sign::Alive), None);
        assert_eq!(gate.admits(Timestamp::MAX), Admits::Never);
    }

    #[test]
    fn only_silence_and_server_errors_speak_against_a_target() {
        let retry = Step::RetryAt(at(1));
        for (trouble, failing) in Trouble::ALL.into_iter().zip([true, true, true, false, false, false]) {
            let sign = if failing { Sign::Failing } else { Sign::Alive };
            assert_eq!(Sign::of(&Verdict::Retryable(trouble), &retry), sign);
            assert_eq!(Sign::of(&Verdict::LookFirst(trouble), &retry), sign);
        }
        let refused = Verdict::Permanent(Reason::Refused);
        assert_eq!(Sign::of(&refused, &Step::GiveUp(Reason::Refused)), Sign::Alive);
    }
}
