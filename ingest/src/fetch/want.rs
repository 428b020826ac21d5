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
