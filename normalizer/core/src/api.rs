//! What callers of our own API ask: `raw.api`, whose bodies ingest has read with the same reader ([`daybook_ask`]).
//!
//! The resource and an existing booking are named by our own ids, so there is nothing to look up. A new booking is called
//! what its call is called: the event's id, which is the caller's and its Idempotency-Key's. There are no versions; the
//! order of the log is the order of what callers say. Nobody has been promised anything yet.

use daybook_ask::{Ask as Asks, Asked, Fault as AskFault, FaultKind, Place as NewBooking, Shown};
use daybook_domain::{Basis, CancelKind, Expected, Interval, SourceVersion, Timestamp};

use crate::draft::{Ask, Draft, Entry, Place, Scope, Wish};
use crate::path::Path;
use crate::reject::{Fault, RejectReason};
use crate::source::RawEvent;

pub(crate) fn read(raw: RawEvent<'_>) -> Result<Vec<Entry>, Fault> {
    let asked = Asked::read(raw.body).map_err(reject)?;
    let booking_id = asked.ask.booking();
    let identity = booking_id.map_or_else(|| raw.event.id.clone(), |id| id.to_string());
    let path = Path::default();
    let place = Place { item: 0, path: path.field("resource"), resource: Some(asked.resource), aliases: Vec::new() };
    Ok(vec![Entry::Draft(Box::new(Draft {
        item: 0,
        path,
        version: SourceVersion { sequence: 1, updated_at: Timestamp::EPOCH },
        sourced_at: None,
        places: vec![place],
        scope: Scope::Named,
        basis: Basis::Asked,
        expected: Expected {
            booking_version: asked.expected_version,
            resource_version: raw.event.call.resource_version,
        },
        digest: raw.event.call.digest,
        booking_id,
        ask: ask(asked.ask, &identity),
        identity,
    }))])
}

fn ask(asks: Asks, identity: &str) -> Ask {
    match asks {
        Asks::Book(booking) => Ask::Book(new(booking)),
        Asks::Hold(booking, ttl) => Ask::Hold { wish: new(booking), ttl },
        Asks::Confirm(_, shown) => Ask::Confirm(shown),
        Asks::Release(_) => Ask::Release,
        Asks::Reschedule(_, interval) => Ask::Reschedule { previous: identity.to_owned(), wish: wish(interval, None) },
        Asks::Update(_, shown) => Ask::Update(shown),
        Asks::Cancel(_) => Ask::Cancel { interval: None, kind: CancelKind::Plain },
    }
}

fn new(booking: NewBooking) -> Wish {
    wish(booking.interval, Some(booking.shown))
}

const fn wish(interval: Interval, shown: Option<Shown>) -> Wish {
    Wish { interval, shown, attending: Vec::new(), tags: Vec::new(), mark: None }
}

/// Only somebody who has written to the topic past the door sees one; the first fault will do.
fn reject(faults: Vec<AskFault>) -> Fault {
    let Some(fault) = faults.into_iter().next() else {
        return Fault::new(RejectReason::InvalidValue, Path::default(), "is none that can be asked");
    };
    let reason = match fault.kind {
        FaultKind::Unreadable => RejectReason::InvalidJson,
        FaultKind::Missing => RejectReason::MissingField,
        FaultKind::Type => RejectReason::WrongType,
        FaultKind::Unknown | FaultKind::Value => RejectReason::InvalidValue,
        FaultKind::Time => RejectReason::InvalidTime,
        FaultKind::Zone => RejectReason::UnknownTimeZone,
        FaultKind::TooMany => RejectReason::TooManyItems,
    };
    Fault::new(reason, fault.field, format_args!("{}; {}", fault.problem, fault.fix))
}
