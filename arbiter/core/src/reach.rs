//! What a decision on a request looks at: what a state must hold of the store for it.

use std::time::Duration;

use daybook_domain::{BookingId, Interval, Request, Rules, SourceKey, Tag};

/// What a request reaches. Besides it, whoever loads a state must put in everything live that ends after the log's time
/// less [`Reach::MARGIN`]: a refusal offers the next free slots, and buffers outlast what they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Bookings with any of these names, own or shadows'.
    pub keys: Vec<SourceKey>,
    /// Bookings with any of these tags.
    pub tags: Vec<Tag>,
    /// Bookings with any of these ids.
    pub bookings: Vec<BookingId>,
    /// Live bookings and busy time with a part of this, and bookings with a shadow that has strayed there.
    pub interval: Option<Interval>,
}

impl Reach {
    /// Both buffers between two neighbours, whatever the rules will say by then.
    pub const MARGIN: Duration = Duration::from_secs(2 * Rules::BUFFER_MAX.as_secs());
}

/// What a decision on this request looks at.
pub fn reach(request: &Request) -> Reach {
    let operation = &request.operation;
    let claim = operation.claim();
    Reach {
        keys: operation.identities().map(daybook_domain::Identity::key).collect(),
        tags: claim.map(|claim| claim.tags()).unwrap_or_default(),
        bookings: operation.booking_ids().collect(),
        interval: claim.map(|claim| claim.interval.widened(Reach::MARGIN, Reach::MARGIN)),
    }
}
