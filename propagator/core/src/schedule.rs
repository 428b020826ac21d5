//! When to try again: a list of delays, and what each verdict means for the delivery and for its lane.
//!
//! Policy is data and the attempt is pure: the clock and the dice are arguments. Invariant: no step lies before `now`,
//! and none of a delivery's own waits is longer than the schedule's delay for that attempt.

use std::time::Duration;

use daybook_domain::Timestamp;

use crate::{Reason, RetryAfter, Verdict};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The delays between one delivery's attempts, and the limits of a lane's pauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    delays: Vec<Duration>,
    pauses: Pauses,
}

/// How long a whole lane may be left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// The shortest pause: a target that answers `Retry-After: 0` is not hammered.
    pub min: Duration,
    /// The longest pause: a target that names next week is asked again sooner.
    pub max: Duration,
    /// After a 429 that names no time.
    pub throttled: Duration,
    /// After a 401 or 403: long enough not to lock an account, short enough that mended credentials show.
    pub unauthorized: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { min: Duration::from_secs(1), max: HOUR, throttled: MINUTE, unauthorized: 5 * MINUTE }
    }
}

/// Why these are no schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// No delay at all.
    #[error("names no delay; give it at least one")]
    Empty,
    /// A delay is shorter than the one before it.
    #[error("delay number {at} is shorter than the one before it")]
    Falling {
        /// Its number, from 1.
        at: usize,
    },
    /// The pause limits exclude each other.
    #[error("the shortest pause is longer than the longest")]
    Limits,
}

impl RetrySchedule {
    /// A schedule of delays that never get shorter.
    pub fn new(delays: Vec<Duration>, pauses: Pauses) -> Result<Self, ScheduleError> {
        if delays.is_empty() {
            return Err(ScheduleError::Empty);
        }
        if let Some(before) = delays.windows(2).position(|pair| pair[1] < pair[0]) {
            return Err(ScheduleError::Falling { at: before + 2 });
        }
        if pauses.min > pauses.max {
            return Err(ScheduleError::Limits);
        }
        Ok(Self { delays, pauses })
    }

    /// The same delays under other limits of the lane's pauses.
    pub fn with_pauses(self, pauses: Pauses) -> Result<Self, ScheduleError> {
        Self::new(self.delays, pauses)
    }

    /// How many attempts it allows: the first, and one after each delay.
    pub fn attempts_max(&self) -> usize {
        self.delays.len() + 1
    }

    /// The longest time between the first attempt and the last.
    pub fn total_max(&self) -> Duration {
        self.delays.iter().sum()
    }

    /// The delay after this attempt, counted from 1; none after the last.
    fn delay(&self, attempt: u32) -> Option<Duration> {
        let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        self.delays.get(index).copied()
    }

    fn pause(&self, wait: Duration) -> Duration {
        wait.clamp(self.pauses.min, self.pauses.max)
    }
}

impl Default for RetrySchedule {
    /// 1 s, 5 s, 15 s, 1 min, 5 min, 15 min, then hourly for two days: 55 attempts in at most 48 h 21 min 21 s. Full
    /// jitter halves that on average, so a target may be away for a day before a person has to replay anything.
    fn default() -> Self {
        let first = [1, 5, 15, 60, 300, 900].map(Duration::from_secs);
        Self { delays: first.into_iter().chain([HOUR; 48]).collect(), pauses: Pauses::default() }
    }
}

/// A throw of the dice, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter(f64);

impl Jitter {
    /// Limits the throw to 0 to 1; what is not a number becomes 1, the longest wait.
    pub fn new(throw: f64) -> Self {
        if throw.is_nan() { Self(1.0) } else { Self(throw.clamp(0.0, 1.0)) }
    }

    /// Full jitter: anything from nothing to the whole delay, so that deliveries that failed together do not come back
    /// together.
    fn of(self, delay: Duration) -> Duration {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        // `as` saturates, and the product is at most `micros` up to rounding.
        let thrown = (micros as f64 * self.0) as u64;
        Duration::from_micros(thrown.min(micros))
    }
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The delivery is settled.
    Done(Settled),
    /// The delivery alone waits until then; the attempt counts.
    RetryAt(Timestamp),
    /// The delivery is given up; the lane goes on.
    GiveUp(Reason),
    /// The whole lane waits until then. No delivery is to blame, so the attempt does not count.
    Pause {
        /// Until when.
        until: Timestamp,
        /// Why.
        cause: PauseCause,
    },
    /// The whole lane stops until a person turns it on again; its deliveries stay due. The attempt does not count.
    Disable(Reason),
}

/// How a delivery was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The target shows the version.
    Shown {
        /// What the target calls it.
        external_id: String,
        /// The target's mark of this state.
        etag: Option<String>,
        /// Whether the vendor has made it, and not Daybook.
        adopted: bool,
    },
    /// The target shows nothing.
    Removed,
}

/// Why a lane waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseCause {
    /// The target asked for it.
    Throttled,
    /// The target does not accept our credentials: a person must mend them.
    Unauthorized,
}

impl PauseCause {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unauthorized => "unauthorized",
        }
    }
}

/// What follows from the verdict on an attempt. `attempt` counts the attempts for this version, this one included.
pub fn next_step(policy: &RetrySchedule, attempt: u32, verdict: &Verdict, now: Timestamp, jitter: Jitter) -> Step {
    let pause = |wait, cause| Step::Pause { until: now.plus(policy.pause(wait)), cause };
    match verdict {
        Verdict::Applied { external_id, etag, adopted } => {
            Step::Done(Settled::Shown { external_id: external_id.clone(), etag: etag.clone(), adopted: *adopted })
        }
        Verdict::Gone => Step::Done(Settled::Removed),
        Verdict::Throttled { retry_after } => pause(
            retry_after.map_or(policy.pauses.throttled, |after: RetryAfter| after.from(now)),
            PauseCause::Throttled,
        ),
        Verdict::Unauthorized => pause(policy.pauses.unauthorized, PauseCause::Unauthorized),
        Verdict::Permanent(Reason::TargetClosed) => Step::Disable(Reason::TargetClosed),
        Verdict::Permanent(reason) => Step::GiveUp(*reason),
        Verdict::LookFirst(_) | Verdict::Reread | Verdict::Retryable(_) => match policy.delay(attempt) {
            Some(delay) => Step::RetryAt(now.plus(jitter.of(delay))),
            None => Step::GiveUp(Reason::Exhausted),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Trouble;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    const NOW: &str = "2026-03-04T09:00:00Z";

    #[test]
    fn the_default_schedule_has_the_total_that_its_documentation_states() {
        let schedule = RetrySchedule::default();
        assert_eq!(schedule.attempts_max(), 55);
        assert_eq!(schedule.total_max(), 48 * HOUR + 21 * MINUTE + Duration::from_secs(21));
        assert_eq!(RetrySchedule::new(schedule.delays.clone(), schedule.pauses), Ok(schedule));
    }

    #[test]
    fn a_schedule_that_is_empty_or_falls_or_whose_limits_cross_is_refused() {
        let pauses = Pauses::default();
        assert_eq!(RetrySchedule::new(vec![], pauses), Err(ScheduleError::Empty));
        assert_eq!(RetrySchedule::new(vec![HOUR, HOUR, MINUTE], pauses), Err(ScheduleError::Falling { at: 3 }));
        let crossed = Pauses { min: 2 * HOUR, ..pauses };
        assert_eq!(RetrySchedule::new(vec![HOUR], crossed), Err(ScheduleError::Limits));
    }

    #[test]
    fn the_delivery_is_given_up_after_the_last_delay() {
        let schedule = RetrySchedule::new(vec![MINUTE, HOUR], Pauses::default()).expect("a schedule");
        let verdict = Verdict::Retryable(Trouble::Unreachable);
        let step = |attempt| next_step(&schedule, attempt, &verdict, at(NOW), Jitter::new(1.0));
        assert_eq!(step(1), Step::RetryAt(at("2026-03-04T09:01:00Z")));
        assert_eq!(step(2), Step::RetryAt(at("2026-03-04T10:00:00Z")));
        assert_eq!(step(3), Step::GiveUp(Reason::Exhausted));
    }

    #[test]
    fn rejected_credentials_pause_the_lane_and_give_nothing_up_however_often() {
        let schedule = RetrySchedule::default();
        for attempt in [1, 1_000_000] {
            let step = next_step(&schedule, attempt, &Verdict::Unauthorized, at(NOW), Jitter::new(0.5));
            let until = at("2026-03-04T09:05:00Z");
            assert_eq!(step, Step::Pause { until, cause: PauseCause::Unauthorized });
        }
    }

    #[test]
    fn a_pause_that_names_no_time_takes_the_configured_one() {
        let step = next_step(
            &RetrySchedule::default(),
            1,
            &Verdict::Throttled { retry_after: None },
            at(NOW),
            Jitter::new(0.0),
        );
        assert_eq!(step, Step::Pause { until: at("2026-03-04T09:01:00Z"), cause: PauseCause::Throttled });
    }

    #[test]
    fn a_target_that_wants_no_more_closes_its_lane_and_another_refusal_parks_alone() {
        let step =
            |reason| next_step(&RetrySchedule::default(), 1, &Verdict::Permanent(reason), at(NOW), Jitter::new(0.0));
        assert_eq!(step(Reason::TargetClosed), Step::Disable(Reason::TargetClosed));
        assert_eq!(step(Reason::Refused), Step::GiveUp(Reason::Refused));
    }

    #[test]
    fn a_throw_outside_0_to_1_is_limited() {
        assert_eq!([f64::NAN, 7.0, f64::INFINITY].map(Jitter::new), [Jitter(1.0); 3]);
        assert_eq!([-1.0, f64::NEG_INFINITY].map(Jitter::new), [Jitter(0.0); 2]);
    }

    fn any_schedule() -> impl Strategy<Value = RetrySchedule> {
        (proptest::collection::vec(0..10_000_000_000u64, 1..12), 0..100u64, 100..100_000u64).prop_map(
            |(mut micros, min, max)| {
                micros.sort_unstable();
                let pauses =
                    Pauses { min: Duration::from_secs(min), max: Duration::from_secs(max), ..Pauses::default() };
                RetrySchedule::new(micros.into_iter().map(Duration::from_micros).collect(), pauses).expect("sorted")
            },
        )
    }

    fn any_verdict() -> impl Strategy<Value = Verdict> {
        let after = prop_oneof![
            any::<u64>().prop_map(|secs| RetryAfter::In(Duration::from_secs(secs))),
            (0..253_402_300_799_999_999i64)
                .prop_map(|micros| { RetryAfter::At(Timestamp::from_micros(micros).expect("in range")) }),
        ];
        prop_oneof![
            Just(Verdict::LookFirst(Trouble::NoAnswer)),
            Just(Verdict::Retryable(Trouble::ServerError)),
            Just(Verdict::Reread),
            Just(Verdict::Unauthorized),
            proptest::option::of(after).prop_map(|retry_after| Verdict::Throttled { retry_after }),
        ]
    }

    proptest! {
        #[test]
        fn no_step_lies_before_now_and_none_beyond_its_bound(
            schedule in any_schedule(), verdict in any_verdict(), attempt in any::<u32>(),
            now in 0..253_402_300_799_999_999i64, throw in any::<f64>(),
        ) {
            let now = Timestamp::from_micros(now).expect("in range");
            match next_step(&schedule, attempt, &verdict, now, Jitter::new(throw)) {
                Step::RetryAt(time) => {
                    prop_assert!(time >= now);
                    prop_assert!(time.since(now) <= schedule.delay(attempt).expect("there was one"));
                }
                Step::Pause { until, .. } => {
                    prop_assert!(until >= now.plus(schedule.pauses.min));
                    prop_assert!(until <= now.plus(schedule.pauses.max));
                }
                Step::GiveUp(reason) => {
                    prop_assert_eq!(reason, Reason::Exhausted);
                    prop_assert!(attempt as usize >= schedule.attempts_max());
                }
                Step::Done(_) | Step::Disable(_) => prop_assert!(false, "no verdict here settles anything"),
            }
        }

        #[test]
        fn a_later_attempt_and_a_higher_throw_never_come_back_sooner(
            schedule in any_schedule(), attempts in (1..20u32, 1..20u32), throws in (0.0..=1.0f64, 0.0..=1.0f64),
        ) {
            let now = at(NOW);
            let verdict = Verdict::Retryable(Trouble::NoAnswer);
            let time = |attempt, throw| match next_step(&schedule, attempt, &verdict, now, Jitter::new(throw)) {
                Step::RetryAt(time) => time,
                Step::GiveUp(_) => Timestamp::MAX,
                Step::Done(_) | Step::Pause { .. } | Step::Disable(_) => now,
            };
            let (early, late) = (attempts.0.min(attempts.1), attempts.0.max(attempts.1));
            let (low, high) = (throws.0.min(throws.1), throws.0.max(throws.1));
            prop_assert!(time(early, low) <= time(late, low));
            prop_assert!(time(early, low) <= time(early, high));
        }

        #[test]
        fn a_retry_after_is_honoured_within_the_limits_whatever_the_dice_say(
            seconds in any::<u64>(), throw in 0.0..=1.0f64, attempt in any::<u32>(),
        ) {
            let schedule = RetrySchedule::default();
            let retry_after = Some(RetryAfter::In(Duration::from_secs(seconds)));
            let step = next_step(&schedule, attempt, &Verdict::Throttled { retry_after }, at(NOW), Jitter::new(throw));
            let wait = Duration::from_secs(seconds.clamp(1, 3600));
            prop_assert_eq!(step, Step::Pause { until: at(NOW).plus(wait), cause: PauseCause::Throttled });
        }
    }
}
