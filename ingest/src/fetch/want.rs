//! A booking to be fetched, because a delivery speaks of it.

use std::sync::Arc;

use daybook_domain::Timestamp;
use daybook_format::{LISTED, listed_first};
use daybook_ingest_core::fetch::{How, Told};
use daybook_runtime::clock;
use daybook_runtime::kafka::Record;
use daybook_wire::SourceEvent;
use tokio::time::Instant;

/// One booking.
pub(super) struct Want {
    /// What the source calls it.
    pub id: String,
    /// The delivery's attributes.
    pub told: SourceEvent,
    /// Its record.
    pub record: Arc<Record>,
    /// And where that is.
    pub at: Told,
    /// When it is to be tried.
    pub due: Instant,
    /// When it came in.
    pub first_asked_at: Timestamp,
    /// How often it was tried in vain.
    pub waits: u32,
    /// How often it was while others were answered for.
    pub tries: u32,
    /// How many were answered for when that was last looked at.
    pub seen: u64,
    /// Whether a delivery should have told of it, if it is news.
    pub counts: bool,
}

impl Want {
    /// Whether it remains the reason: its source has told of the booking, and another has only listed it.
    pub fn outweighs(&self, later: &Self) -> bool {
        self.told.kind != LISTED && later.told.kind == LISTED
    }
}

/// What a delivery speaks of. None of one that says too little to be an event: the normalizer refuses it.
pub(super) fn of(how: &How, record: &Arc<Record>) -> Vec<Want> {
    let Ok(told) = SourceEvent::from_headers(&record.headers, record.timestamp) else { return Vec::new() };
    let Some(body) = &record.value else { return Vec::new() };
    let first = || serde_json::from_slice(body).is_ok_and(|body| listed_first(&body));
    let counts = told.kind == LISTED && !first();
    let want = |id| Want {
        id,
        told: told.clone(),
        record: Arc::clone(record),
        at: Told { partition: record.partition, offset: record.offset },
        due: Instant::now(),
        first_asked_at: clock::now(),
        waits: 0,
        tries: 0,
        seen: 0,
        counts,
    };
    how.wanted(&told, body).into_iter().map(want).collect()
}

#[cfg(test)]
mod tests {
    use daybook_wire::Call;

    use super::*;

    fn want(kind: &str) -> Want {
        let record = Record {
            topic: Arc::from("raw.acuity"),
            partition: 0,
            offset: 0,
            timestamp: Timestamp::EPOCH,
            key: None,
            value: None,
            headers: daybook_wire::Headers::new(),
        };
        let told = SourceEvent {
            id: "1".to_owned(),
            source: "/webhooks/acuity".to_owned(),
            kind: kind.to_owned(),
            subject: None,
            time: None,
            content_type: "application/json".to_owned(),
            received_at: Timestamp::EPOCH,
            traceparent: None,
            call: Call::default(),
        };
        Want {
            id: "1".to_owned(),
            told,
            record: Arc::new(record),
            at: Told { partition: 0, offset: 0 },
            due: Instant::now(),
            first_asked_at: Timestamp::EPOCH,
            waits: 0,
            tries: 0,
            seen: 0,
            counts: false,
        }
    }

    #[test]
    fn what_a_source_has_told_of_is_not_called_listed_or_old_because_it_is_listed_meanwhile() {
        assert!(want("changed").outweighs(&want(LISTED)));
        assert!(!want(LISTED).outweighs(&want("changed")));
        assert!(!want("changed").outweighs(&want("changed")), "the later delivery counts");
        assert!(!want(LISTED).outweighs(&want(LISTED)));
    }
}
