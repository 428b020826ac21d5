//! What comes of the events of one batch: records to send, positions to pass once they are sent, and what to count then.
//! No I/O.

use daybook_domain::{OperationKind, Timestamp};
use daybook_normalizer_core::IgnoredReason;
use daybook_runtime::kafka::Record;
use daybook_runtime::trace;
use tokio::time::Instant;

use crate::aside::Aside;
use crate::error::Verdict;
use crate::event::{Event, Yield};
use crate::output::Outbound;

/// What an event came to as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventResult {
    /// Requests, or rightly nothing.
    Normalized,
    /// Some of its items are dead letters.
    Partly,
    /// Dead letters only.
    DeadLettered,
}

impl EventResult {
    /// The word for it, which is also the metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normalized => "normalized",
            Self::Partly => "partly",
            Self::DeadLettered => "dead_lettered",
        }
    }
}

/// What to count and log of one look at an event, once Kafka has what came of it.
#[derive(Debug)]
pub struct Tally {
    /// The event's id, if its sender gave one.
    pub event_id: Option<String>,
    /// Its trace.
    pub trace_id: Option<String>,
    /// Where its record is.
    pub partition: i32,
    /// And at which offset.
    pub offset: i64,
    /// When ingest took it in.
    pub received_at: Timestamp,
    /// The requests that came of it.
    pub operations: Vec<OperationKind>,
    /// What was rightly passed over.
    pub ignored: Vec<IgnoredReason>,
    /// The dead letters.
    pub verdicts: Vec<Verdict>,
    /// None while it waits for its booking.
    pub result: Option<EventResult>,
}

/// A batch that has been looked at.
#[derive(Debug, Default)]
pub struct Batch {
    /// What to send.
    pub outbound: Vec<Outbound>,
    /// The offsets that are finished once all of it is sent.
    pub finished: Vec<i64>,
    /// What to count then.
    pub tallies: Vec<Tally>,
}

impl Batch {
    /// A record that could not even be opened.
    pub fn bury(&mut self, record: &Record, verdict: Verdict, now: Timestamp) {
        self.outbound.push(Outbound::dead_letter(record, &verdict, 1, now));
        self.finished.push(record.offset);
        self.tallies.push(Tally {
            event_id: None,
            trace_id: None,
            partition: record.partition,
            offset: record.offset,
            received_at: record.timestamp,
            operations: Vec::new(),
            ignored: Vec::new(),
            verdicts: vec![verdict],
            result: Some(EventResult::DeadLettered),
        });
    }

    /// Takes in what came of a look at an event. If some of it waits for its booking, and may, the event is put aside;
    /// if it has waited long enough, that is a dead letter too.
    pub fn take(&mut self, mut event: Event, came: Yield, aside: &mut Aside<Event>, now: Instant) {
        let Yield { requests, mut verdicts, ignored, unplaced, drift: _ } = came;
        event.good |= !requests.is_empty() || !ignored.is_empty();
        event.bad |= !verdicts.is_empty();
        let mut tally = Tally {
            event_id: Some(event.attributes.id.clone()),
            trace_id: event.attributes.traceparent.as_deref().and_then(trace::trace_id).map(str::to_owned),
            partition: event.record.partition,
            offset: event.record.offset,
            received_at: event.attributes.received_at,
            operations: requests.iter().map(|(operation, _)| *operation).collect(),
            ignored,
            verdicts: Vec::new(),
            result: None,
        };
        self.outbound.extend(requests.into_iter().map(|(_, outbound)| outbound));
        let letter =
            |event: &Event, verdict| Outbound::dead_letter(&event.record, verdict, event.tries, event.opened_at);
        self.outbound.extend(verdicts.iter().map(|verdict| letter(&event, verdict)));
        if !unplaced.is_empty() {
            match aside.keep(event.record.offset, event.tries, event, now) {
                Ok(()) => {
                    tally.verdicts = verdicts;
                    self.tallies.push(tally);
                    return;
                }
                Err(given_back) => event = given_back,
            }
            let given_up: Vec<Verdict> = unplaced.into_iter().map(Verdict::from).collect();
            self.outbound.extend(given_up.iter().map(|verdict| letter(&event, verdict)));
            event.bad = true;
            verdicts.extend(given_up);
        }
        tally.verdicts = verdicts;
        tally.result = Some(match (event.good, event.bad) {
            (_, false) => EventResult::Normalized,
            (true, true) => EventResult::Partly,
            (false, true) => EventResult::DeadLettered,
        });
        self.finished.push(event.record.offset);
        self.tallies.push(tally);
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
