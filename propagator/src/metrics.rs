//! What the propagator counts. A target's name is an operator's word, never somebody's name, so it may be a label.

use daybook_propagator_core::Reason;
use daybook_runtime::metrics;

metrics! {
    /// The propagator's metrics.
    pub struct Metrics("daybook_propagator") {
        /// Decisions taken in, by what they asked for: `raised` (a booking has changed), `unchanged`, `undecodable`.
        /// Any undecodable one: somebody writes to booking.decisions who is not the arbiter. Alert.
        decisions_total: IntCounterVec["result"],
        /// Deliveries that the sweep found missing and raised, by target. A few under load are normal (it may see a
        /// booking before its decision); a steady rate means that decisions are lost.
        swept_total: IntCounterVec["target"],
        /// Deliveries on their way, by target; the same number in every process. Alert when it keeps rising.
        deliveries_due: IntGaugeVec["target"],
        /// Seconds since the oldest delivery on its way was decided, by target. Alert above 300.
        deliveries_oldest_age_seconds: IntGaugeVec["target"],
        /// Deliveries given up and not taken on since, by target and reason. Alert above 0; `withdrawn` and
        /// `discarded` (somebody has said that nothing is to be done) are no failures.
        deliveries_parked: IntGaugeVec["target", "reason"],
        /// 1 for each target that resources name and this process is not configured for: its deliveries wait. Alert
        /// unless another process serves it.
        targets_not_configured: IntGaugeVec["target"],
        /// 1 for each target that somebody has stopped by hand (`daybook pause target`, `daybook freeze`): its deliveries wait. Alert
        /// after a day: somebody has forgotten it.
        targets_paused: IntGaugeVec["target"],
        /// Bookings that a source has promised and Daybook has refused, still to be put right, by source; the same number in every
        /// process.
        compensations_open: IntGaugeVec["source"],
        /// Seconds since the oldest of them was opened, by source. Alert above 3600.
        compensations_oldest_age_seconds: IntGaugeVec["source"],
        /// Attempts to call off at its source what that had promised and Daybook has refused (`targets.<name>.on_refusal`), by source and
        /// what they came to: `cancelled`, `gone` (it was off), or why not.
        compensations_cancelled_total: IntCounterVec["source", "result"],
        /// 1 while Daybook has stopped a source's target by itself, because more refused bookings than
        /// `targets.<name>.cancellations_per_hour` would have been called off there within an hour. Alert at once.
        compensations_stopped: IntGaugeVec["source"],
        /// Outcomes that are not on propagation.outcomes yet. Alert when above 0 for 5 minutes.
        outcomes_unpublished: IntGauge,
        /// Outcomes published, by what they say.
        outcomes_published_total: IntCounterVec["outcome"],
        /// Attempts, by kind of target and what they came to.
        attempts_total: IntCounterVec["kind", "result"],
        /// How long one HTTP request took, by target.
        call_duration_seconds: HistogramVec["target"],
        /// Deliveries applied, by target.
        applied_total: IntCounterVec["target"],
        /// From the decision to its being shown, by target. What Daybook promises least about and measures most.
        shown_seconds: HistogramVec["target"],
        /// Entries at a target that were found to differ from what they should be, by target and kind: `missing`, `extra`, `moved`,
        /// `edited`, `duplicate`. Each finding counts, also of the same entry.
        drift_found_total: IntCounterVec["target", "kind"],
        /// Deliveries that have put such an entry right, by target.
        drift_repaired_total: IntCounterVec["target"],
        /// Entries that a person has moved and whose bookings were asked to be there, by target.
        edits_asked_total: IntCounterVec["target"],
        /// Entries that differed when their calendar was last read back, by target and kind; the same number in every process.
        drift_entries: IntGaugeVec["target", "kind"],
        /// Of those, the ones that did not stay put right and are left to a person, by target. Alert above 0.
        drift_stopped: IntGaugeVec["target"],
        /// Seconds since the oldest entry that differs was found, by target; 0 for none. Alert above 3600.
        drift_oldest_age_seconds: IntGaugeVec["target"],
        /// Seconds since the calendar that has waited longest was read back to its end, by target. Alert above a day.
        reconciled_age_seconds: IntGaugeVec["target"],
        /// Readings of a resource's calendar at a target, by target and what they came to: `read`, or the verdict's word.
        reconciliations_total: IntCounterVec["target", "result"],
        /// Deliveries given up, by kind of target and reason; each is on dlq.propagator.
        dead_letters_total: IntCounterVec["kind", "reason"],
        /// 1 for the state that a target's lane is in: `open`, `waiting`, `probing`, `closed`. Alert when not open for 10
        /// minutes while deliveries are due; a lane that has waited stays so until something is due to probe with.
        lane_state: IntGaugeVec["target", "state"],
        /// Deliveries under way, by target.
        under_way: IntGaugeVec["target"],
        /// Leases that ended before their worker had recorded anything, by target. Alert when it rises: the process is
        /// frozen at times, or propagator.lease is too short.
        leases_lost_total: IntCounterVec["target"],
    }
}

/// Every state of a lane, so that the gauge of those it is not in is 0.
pub(crate) const LANE_STATES: [&str; 4] = ["open", "waiting", "probing", "closed"];

/// Why a delivery is given up, as records, labels and logs say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// The core says so.
    By(Reason),
    /// The resource's address at the target is none.
    BadAddress,
    /// The booking's row holds what it never should.
    Corrupt,
}

impl GivenUp {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::By(reason) => reason.as_str(),
            Self::BadAddress => "bad_address",
            Self::Corrupt => "corrupt",
        }
    }

    /// What to do about it, for the header of the dead letter.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::By(Reason::Exhausted) => "every attempt failed; see that the target works, and replay",
            Self::By(Reason::Refused) => "the target refuses this booking; see its own log, and replay",
            Self::By(Reason::Redirected) => "the target answers with a redirect; configure the address that it names",
            Self::By(Reason::CollectionMissing) => "the resource's calendar does not exist at the target; create it",
            Self::By(Reason::UidConflict) => "the calendar holds the booking under another name; remove that entry",
            Self::By(Reason::ForeignEntry) => "another entry is where the booking's belongs; remove or rename it",
            Self::By(Reason::TargetAhead) => "the target shows a newer version; has the store been restored?",
            Self::By(Reason::AlteredByTarget) => "the target keeps something other than what it was sent",
            Self::By(Reason::NoEtag) => "the target gives no ETag, which safe changes need",
            Self::By(Reason::TargetClosed) => "the target wants no more messages",
            Self::BadAddress => "resource_target.address must be a plain path below the target's base address",
            Self::Corrupt => "the booking's row cannot be read; see the log for the column",
        }
    }
}
