//! Callers of the API have no names of their own for bookings, and no versions: what they say is put into a source's words
//! before it is decided.
//!
//! They name a booking by its id, whatever it is called by now; and what comes later in the log is the newer. All of them
//! are one source, so any of them may change what another has booked. What another source speaks for is not theirs to
//! change, and what is gone stays gone.

use std::borrow::Cow;

use daybook_domain::{
    BookingKind, BookingState, Identity, Operation, Rejection, Request, SourceName, SourceVersion, Standing, Subject,
};

use crate::{Ruling, State};

/// The request as it is to be decided, or the refusal of one about a booking that no caller can change.
pub(crate) fn worded<'r>(state: &State, request: &'r Request) -> Result<Cow<'r, Request>, Box<Ruling>> {
    if request.source != SourceName::api() || state.rules().is_none() {
        return Ok(Cow::Borrowed(request));
    }
    let id = match &request.operation {
        Operation::Confirm { subject, .. }
        | Operation::Release { subject, .. }
        | Operation::Update { subject, .. }
        | Operation::Cancel { subject, .. } => subject.booking_id,
        Operation::Reschedule { claim, .. } => claim.booking_id,
        // Under a name of its own, derived from the call: it is new, or the same call again.
        Operation::Book(_) | Operation::Hold { .. } => return Ok(Cow::Borrowed(request)),
        Operation::Observe(_) | Operation::Define(_) | Operation::Redact { .. } | Operation::Expire { .. } => {
            return Ok(Cow::Borrowed(request));
        }
    };
    let booking = state.booking(id).filter(|booking| booking.kind == BookingKind::Booking);
    let Some(booking) = booking else { return Err(Box::new(Ruling::rejected(Rejection::UnknownBooking, None))) };
    let moved = matches!(request.operation, Operation::Reschedule { .. });
    let gone = matches!(booking.standing, Standing::Cancelled { .. });
    let Some(key) = booking.current_key().filter(|_| booking.source == request.source && !(moved && gone)) else {
        return Err(Box::new(Ruling::rejected(Rejection::InvalidTransition, Some(booking.clone()))));
    };
    let mut worded = request.clone();
    let (name, version) = (Identity::pseudonym(key), next(booking));
    match &mut worded.operation {
        Operation::Confirm { subject, .. }
        | Operation::Release { subject, .. }
        | Operation::Update { subject, .. }
        | Operation::Cancel { subject, .. } => *subject = Subject { booking_id: id, identity: name, version },
        Operation::Reschedule { previous, claim } => {
            *previous = name.clone();
            claim.identity = name;
            claim.version = version;
        }
        Operation::Book(_)
        | Operation::Hold { .. }
        | Operation::Observe(_)
        | Operation::Define(_)
        | Operation::Redact { .. }
        | Operation::Expire { .. } => {}
    }
    Ok(Cow::Owned(worded))
}

/// Newer than all that was said of this booking.
fn next(booking: &BookingState) -> SourceVersion {
    let SourceVersion { sequence, updated_at } = booking.source_version;
    SourceVersion { sequence: sequence.saturating_add(1), updated_at }
}

#[cfg(test)]
mod tests;
