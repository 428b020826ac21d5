//! What the arbiter counts.

daybook_runtime::metrics! {
    /// The arbiter's metrics.
    pub struct Metrics("daybook_arbiter") {
        /// Decisions committed, by operation, outcome and reason. Alert on any that is flagged.
        decisions_total: IntCounterVec["operation", "outcome", "reason"],
        /// Requests that had been decided before and were passed over.
        repeats_total: IntCounter,
        /// Requests in one transaction.
        batch_records: Histogram,
        /// One batch, from the first record in hand to the commit, in seconds. Alert when p99 passes 1.
        batch_seconds: Histogram,
        /// From ingest's receipt to the commit, in seconds. The promise is 5; alert by the SLO.
        received_to_committed_seconds: Histogram,
        /// Batches refused because the partition has a new owner. Some at every hand-over; alert on a storm.
        fenced_total: IntCounter,
        /// Firings of the exclusion constraint. Any at all: the core and the store disagree. Alert at once.
        constraint_fired_total: IntCounter,
        /// Partitions that stopped because the topic and the store disagree. Any at all: alert at once.
        partitions_stopped: IntGauge,
        /// Decisions committed and not yet acknowledged by the broker. Alert when it stays above zero for a minute.
        unpublished: IntGaugeVec["partition"],
        /// Records sent to dlq.arbiter, by reason.
        dead_letters_total: IntCounterVec["reason"],
        /// Epoch of each owned partition; rises at every assignment.
        epoch: IntGaugeVec["partition"],
        /// Requests sent to other resources because a booking moved, or could not.
        follow_ups_total: IntCounter,
        /// Bookings published again because an older version had landed after a newer: a predecessor's last word.
        canonical_mended_total: IntCounter,
        /// Decisions made again, and found to be those on the topic, because the store had lost their commits. Any at
        /// all: a failover of the store lost commits.
        decided_again_total: IntCounter,
        /// Batches decided while the one before them was committed: a partition with a backlog, and turns to spare.
        planned_total: IntCounter,
        /// Bookings and resources that the caches of all partitions hold.
        cache_bookings: IntGauge,
        /// Resources that no cache had. Alert when it keeps pace with the decisions: the cache is too small.
        cache_loads_total: IntCounter,
        /// Stretches of resources' time that were read from the store.
        cache_windows_total: IntCounter,
    }
}
