//! What the door counts, and one request's way through the counters.

use std::time::Instant;

use daybook_ingest_core::fetch::Answer;
use daybook_runtime::clock;

use crate::error::Failure;

daybook_runtime::metrics! {
    /// What the door counts.
    pub struct IngestMetrics("daybook_ingest") {
        /// Webhooks by source and outcome; `unknown` stands for a source that is not configured, `client_gone` for a
        /// caller who left before the answer. Alert when bad_signature or outside_window rises on a source that was
        /// quiet (a secret was rotated on one side only, or a clock is off), when kafka_unavailable rises for a minute,
        /// and on any kafka_refused: a right or a size limit is set wrongly, and no retry helps.
        webhooks_total: IntCounterVec["source", "outcome"],
        /// Since when, by the Unix clock in seconds, no webhook of the source was answered 2xx although some came; 0 if the last one was. By
        /// this process. Of a source that sends often, half a day of it is near what Calendly allows: it switches a hook off after 24 hours, and
        /// then nothing comes any more.
        webhook_failing_since_seconds: IntGaugeVec["source"],
        /// When, by the Unix clock in seconds, a webhook of the source was answered 2xx last, by this process.
        webhook_accepted_at_seconds: IntGaugeVec["source"],
        /// Until when, by the Unix clock in seconds, the access token of the source's account counts, as it was granted last. Another one is
        /// asked for two minutes before, by whoever needs it. Alert when it is past for a while: nobody grants one.
        token_until_seconds: IntGaugeVec["source"],
        /// Time from the request's headers to its answer, in seconds. Alert when the 99th percentile passes 2 s: senders
        /// give up after 5 to 15.
        answer_seconds: HistogramVec["source"],
        /// Bytes of bodies that were read in full.
        body_bytes_total: IntCounterVec["source"],
        /// Requests that are being worked on. Alert near in_flight_max: the next ones are turned away.
        in_flight: IntGauge,
        /// Idle connections that were closed because another one wanted the place. Alert when it keeps rising:
        /// connections_max is too small, or somebody holds connections for nothing.
        connections_given_up_total: IntCounter,
        /// Open connections. Near connections_max, those that are idle make place.
        connections: IntGauge,
        /// Answers to calls that fetch a state, by source: state, gone, gone_held (too many in a row to be believed), later
        /// (away, busy, or an error in a 200), denied, never. Alert on gone_held, and when later or denied are most of them
        /// for some minutes: what the source says is not decided meanwhile.
        fetches_total: IntCounterVec["source", "answer"],
        /// Bookings that wait to be fetched, by source. Alert when it does not fall for some minutes.
        fetch_waiting: IntGaugeVec["source"],
        /// Deliveries whose state was given up, by source and reason: dead letters. Alert on any.
        fetches_given_up_total: IntCounterVec["source", "reason"],
        /// 1 while a source's API turns our credentials away. Alert at once: everything it says waits.
        fetch_denied: IntGaugeVec["source"],
        /// Readings of calendars, and listings of bookings, by source and how they ended: good, later (away, busy, or an answer that is none), denied,
        /// refused (a calendar that is not shared with us), budget (others of the source were before it), kafka, store, panic, lost (to
        /// another process, or at a stop). Alert when
        /// good ones stop for some minutes, and on any refused.
        polls_total: IntCounterVec["source", "result"],
        /// Time that a good reading took, its turns at the vendor included, in seconds.
        poll_seconds: HistogramVec["source"],
        /// Changes that readings have found and Kafka has, by source and job: new_appointment, update, cancellation.
        poll_changes_total: IntCounterVec["source", "job"],
        /// Events whose id has more than 512 characters, each time that they are met: their time is not known here.
        poll_skipped_total: IntCounterVec["source"],
        /// Calendars of the source.
        poll_calendars: IntGaugeVec["source"],
        /// Calendars whose last reading came to nothing. Alert when it does not fall for some minutes.
        poll_calendars_failing: IntGaugeVec["source"],
        /// Seconds since the calendar that has waited longest was read. Alert when it passes some intervals: what happens in
        /// it is not seen.
        poll_oldest_seconds: IntGaugeVec["source"],
        /// Events that are missing from calendars, too many at once to be believed gone. Alert on any: either somebody has
        /// cleared a calendar, which is believed after a while, or a vendor answers with less than there is.
        poll_events_missing: IntGaugeVec["source"],
        /// Seconds since a job has listed what its vendor has, by source and job: new_appointment, update, cancellation. Alert
        /// when it passes some intervals: what no delivery told of is not found.
        listing_age_seconds: IntGaugeVec["source", "job"],
        /// Channels that were asked for, by source and whether they were opened or it failed. Alert when failures go on.
        poll_channels_total: IntCounterVec["source", "result"],
        /// Calendars whose vendor is to say when something has changed and cannot, because they have no channel that lives. They
        /// are read at their interval. Alert above 0 for half an hour.
        poll_calendars_without_channel: IntGaugeVec["source"],
        /// Seconds until the first of the source's channels ends that live. Another is opened when a third of its life is left,
        /// which is two days. Alert below one.
        poll_channel_life_seconds: IntGaugeVec["source"],
        /// Changes that a reading has found of which the vendor had said nothing, by source, although there was a channel; and
        /// bookings that were listed and news when they were decided. A few are only late. Alert when it keeps rising: pings or
        /// webhooks do not arrive.
        missed_webhook_total: IntCounterVec["source"],
        /// 1 while somebody has stopped by hand what the source's API is asked (`daybook pause source`). Alert after a day: somebody has
        /// forgotten it.
        sources_paused: IntGaugeVec["source"],
        /// 1 while a source's API turns our credentials away where calendars are read. Alert at once: nothing is read.
        poll_denied: IntGaugeVec["source"],
        /// 1 while Kafka takes this source's events, 0 from a failure to the next success. Alert at 0 for a minute.
        kafka_available: IntGaugeVec["source"],
    }
}

impl IngestMetrics {
    /// A vendor's API has answered; `held` if that is not believed.
    pub fn fetched(&self, source: &str, answer: Answer, held: bool) {
        let word = match answer {
            Answer::State => "state",
            Answer::Gone if held => "gone_held",
            Answer::Gone => "gone",
            Answer::Later(_) => "later",
            Answer::Denied => "denied",
            Answer::Never => "never",
        };
        self.fetches_total.with_label_values(&[source, word]).inc();
        // What does not answer says nothing of the credentials.
        if !matches!(answer, Answer::Later(_)) {
            self.fetch_denied.with_label_values(&[source]).set(i64::from(answer == Answer::Denied));
        }
    }
}

/// Whoever comes to no source.
const UNKNOWN: &str = "unknown";

/// One request on its way through. Dropped without an outcome, it counts as one whose caller left.
pub struct Visit {
    metrics: IngestMetrics,
    source: String,
    began: Instant,
    answered: bool,
}

impl Visit {
    /// A request that came in just now, to `source` if that is one.
    pub fn new(metrics: &IngestMetrics, source: Option<&str>) -> Self {
        metrics.in_flight.inc();
        Self {
            metrics: metrics.clone(),
            source: source.unwrap_or(UNKNOWN).to_owned(),
            began: Instant::now(),
            answered: false,
        }
    }

    /// When it came in.
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Its body was read.
    pub fn body(&self, bytes: usize) {
        self.metrics.body_bytes_total.with_label_values(&[&self.source]).inc_by(bytes as u64);
    }

    /// It is about to be answered.
    pub fn answered<T>(mut self, result: &Result<T, Failure>) {
        self.answered = true;
        self.count(match result {
            Ok(_) => "accepted",
            Err(failure) => failure.as_str(),
        });
        self.remember(result.is_ok(), clock::now().millis() / 1_000);
        self.metrics.answer_seconds.with_label_values(&[&self.source]).observe(self.began.elapsed().as_secs_f64());
    }

    /// How long the sender has been turned away without a break: some give up after a while.
    fn remember(&self, accepted: bool, now: i64) {
        if self.source == UNKNOWN {
            return;
        }
        let failing_since = self.metrics.webhook_failing_since_seconds.with_label_values(&[&self.source]);
        if accepted {
            failing_since.set(0);
            self.metrics.webhook_accepted_at_seconds.with_label_values(&[&self.source]).set(now);
        } else if failing_since.get() == 0 {
            failing_since.set(now);
        }
    }

    fn count(&self, outcome: &str) {
        self.metrics.webhooks_total.with_label_values(&[&self.source, outcome]).inc();
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        if !self.answered {
            self.count("client_gone");
        }
    }
}

#[cfg(test)]
mod tests {
    use daybook_runtime::prometheus::Registry;

    use super::*;

    #[test]
    fn a_source_is_failing_since_the_first_of_those_that_were_turned_away_without_a_break() {
        let metrics = IngestMetrics::new(&Registry::new()).expect("registers");
        let visit = |accepted, now| Visit::new(&metrics, Some("shop")).remember(accepted, now);
        let told = || {
            let value = |gauge: &daybook_runtime::prometheus::IntGaugeVec| gauge.with_label_values(&["shop"]).get();
            (value(&metrics.webhook_failing_since_seconds), value(&metrics.webhook_accepted_at_seconds))
        };
        visit(false, 100);
        visit(false, 200);
        assert_eq!(told(), (100, 0));
        visit(true, 300);
        assert_eq!(told(), (0, 300));
        visit(false, 400);
        assert_eq!(told(), (400, 300));
        Visit::new(&metrics, None).remember(false, 500);
        assert_eq!(told(), (400, 300), "whoever comes to no source is nobody's failure");
    }
}
