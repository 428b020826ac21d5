//! One record's way through the core: opened, asked about, finished, perhaps more than once. No I/O.
//!
//! Owns: "a panic stops nothing": the core is called where a panic can be caught, and its record becomes a dead letter.
//! And "each item once": when an event is looked at again, only what was not there before comes out.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use daybook_domain::{OperationKind, RequestId, SourceName, Timestamp};
use daybook_format::Format;
use daybook_normalizer_core::{
    ContactKey, IgnoredReason, Item, Known, Parsed, Questions, RawEvent, Reject, normalize, parse,
};
use daybook_runtime::kafka::Record;
use daybook_wire::SourceEvent;

use crate::error::{Reason, Verdict};
use crate::output::Outbound;

/// An event that was read.
#[derive(Debug)]
pub struct Event {
    /// Its record.
    pub record: Record,
    /// Its CloudEvents attributes.
    pub attributes: SourceEvent,
    /// How often it was looked at.
    pub tries: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Whether anything came of it so far, if only the insight that nothing had to.
    pub good: bool,
    /// Whether something in it is a dead letter.
    pub bad: bool,
    parsed: Parsed,
    sent: BTreeSet<RequestId>,
}

/// What came of looking at an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Yield {
    /// For `booking.requests`.
    pub requests: Vec<(OperationKind, Outbound)>,
    /// For `dlq.normalizer`.
    pub verdicts: Vec<Verdict>,
    /// Passed over, rightly.
    pub ignored: Vec<IgnoredReason>,
    /// Waits for its booking to become known; a dead letter if it waited long enough.
    pub unplaced: Vec<Reject>,
    /// Fields that nobody declared.
    pub drift: BTreeSet<String>,
}

impl Event {
    /// Reads a record, or says why it is a dead letter.
    pub fn open(
        format: &Format,
        source: &SourceName,
        record: Record,
        now: Timestamp,
    ) -> Result<Self, Box<(Record, Verdict)>> {
        match read(format, source, &record) {
            Ok((attributes, parsed)) => {
                let sent = BTreeSet::new();
                Ok(Self { record, attributes, tries: 0, opened_at: now, good: false, bad: false, parsed, sent })
            }
            Err(verdict) => Err(Box::new((record, verdict))),
        }
    }

    /// What must be looked up.
    pub fn questions(&self) -> Questions {
        self.parsed.questions()
    }

    /// Looks at it, with what is known now. `schema` is the id of the schema of requests.
    pub fn finish(&mut self, known: &Known, key: &ContactKey, schema: u32) -> Yield {
        self.tries += 1;
        catch_unwind(AssertUnwindSafe(|| self.look(known, key, schema)))
            .unwrap_or_else(|_| Yield { verdicts: vec![Verdict::internal()], ..Yield::default() })
    }

    fn look(&mut self, known: &Known, key: &ContactKey, schema: u32) -> Yield {
        let normalized = normalize(&self.parsed, known, key);
        let first = self.tries == 1;
        let mut result = Yield::default();
        for item in normalized.items {
            match item {
                Item::Request(request) => {
                    if self.sent.insert(request.request_id) {
                        let outbound = Outbound::request(&request, &self.attributes, schema);
                        result.requests.push((request.operation.kind(), outbound));
                    }
                }
                Item::Ignored(reason) if first => result.ignored.push(reason),
                Item::Reject(reject) if first => result.verdicts.push(reject.into()),
                Item::Ignored(_) | Item::Reject(_) => {}
                Item::Unplaced(reject) => result.unplaced.push(reject),
            }
        }
        if first {
            result.drift = normalized.drift;
        }
        result
    }
}

fn read(format: &Format, source: &SourceName, record: &Record) -> Result<(SourceEvent, Parsed), Verdict> {
    let Some(body) = &record.value else {
        let problem = "a source event has a value; to take a booking back, send a cancellation";
        return Err(Verdict::whole(Reason::EmptyValue, "(value)", problem));
    };
    let attributes = SourceEvent::from_headers(&record.headers, record.timestamp).map_err(|header| {
        let problem = "this header is missing; give every event an id, and its source as the namespace of the id";
        Verdict::whole(Reason::MissingHeader, header, problem)
    })?;
    let raw = RawEvent { source, event: &attributes, body };
    let parsed = catch_unwind(AssertUnwindSafe(|| parse(format, raw))).map_err(|_| Verdict::internal())?;
    Ok((attributes, parsed))
}
