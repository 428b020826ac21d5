//! What the API counts.

daybook_runtime::metrics! {
    /// What the API counts.
    pub struct ApiMetrics("daybook_api") {
        /// Requests by key, route and outcome: `ok`, or the word of the problem; `none` stands for a caller without a
        /// key that counts, `client_gone` for one who left before the answer. Alert when unauthorized rises (a key was
        /// revoked that is still in use, or somebody tries), and on any internal.
        requests_total: IntCounterVec["key", "route", "outcome"],
        /// Time from a request's headers to its answer, in seconds, the wait for a decision included.
        answer_seconds: HistogramVec["route"],
        /// Requests that are being worked on. Alert near api.in_flight_max: the next ones are turned away.
        in_flight: IntGauge,
        /// Batches of events whose trail could not be written down and is tried again. Webhooks do not notice.
        trail_retries_total: IntCounter,
        /// Callers who wait for a decision. Alert near api.waiting_max: the next ones are answered 202 at once.
        waiting: IntGauge,
        /// Requests for bookings by operation and by what came of them: `confirmed`, `conflict` and so on, `undecided` where
        /// the wait was over first. Alert when the share of undecided rises: something behind the door is slow or away.
        answers_total: IntCounterVec["operation", "outcome"],
        /// Decisions that a caller waited for and that were found in the store only. Alert when it rises: the topic is not
        /// followed, and callers wait longer than they have to.
        unheard_total: IntCounter,
        /// Keys in force.
        keys: IntGauge,
        /// 1 while the store answers the API, 0 while it does not: requests that need it are answered 503, and a key that
        /// is revoked goes on working. Webhooks need no store. Alert at 0 for a minute.
        store_available: IntGauge,
    }
}
