//! What has lapsed and is in a request's way: its end is decided first.
//!
//! A deadline is kept by the log's time, but the `expire` that ends a wait is a request like any other and comes when it
//! comes. Until then the booking is live. Whoever wants its time meanwhile must find it gone; and a hold is gone for its
//! own holder too, however soon the confirmation comes after the deadline.

use std::collections::BTreeSet;

use daybook_domain::{
    Basis, BookingId, BookingState, Expected, Operation, Request, RequestId, ResourceId, SourceName, Standing,
    Timestamp,
};

use crate::state::State;

/// The `expire` requests that have to be decided before this request, in order. The same that the arbiter sends itself
/// when their time has come: whichever is second finds itself decided.
pub fn lapsed(state: &State, now: Timestamp, request: &Request) -> Vec<Request> {
    if matches!(request.operation, Operation::Expire { .. }) {
        return Vec::new();
    }
    let own: Vec<&BookingState> = request
        .operation
        .identities()
        .filter_map(|identity| state.by_key(identity.key()))
        .chain(request.operation.booking_ids().filter_map(|id| state.booking(id)))
        .collect();
    let own_holds = own.iter().filter(|booking| matches!(booking.standing, Standing::Held { .. })).copied();
    let (before, after) = state.rules().map(|rules| (rules.buffer_before, rules.buffer_after)).unwrap_or_default();
    let between = before + after;
    let claim = request.operation.claim();
    let tags = claim.map(|claim| claim.tags()).unwrap_or_default();
    // What its shadows block, it blocks; and what bears a tag of the claim would be taken for the same appointment.
    let rivals = claim
        .into_iter()
        .flat_map(|claim| {
            let booked = state.booked.over(claim.interval.widened(between, between));
            booked.chain(state.busy.over(claim.interval.widened(before, after)))
        })
        .filter_map(|(id, _)| state.booking(id))
        .chain(tags.iter().flat_map(|tag| state.by_tag(*tag)))
        .filter(|booking| !own.iter().any(|own| own.booking_id == booking.booking_id));
    let over: BTreeSet<_> = own_holds
        .chain(rivals)
        .filter_map(|booking| Some((booking.standing.deadline()?, booking.booking_id)))
        .filter(|(deadline, _)| *deadline <= now)
        .collect();
    over.into_iter().map(|(deadline, id)| expire(state.resource().clone(), id, deadline, now)).collect()
}

/// The request that ends the wait of a booking: the same wait gives the same request, whoever sends it. `at` is when it
/// is sent.
pub fn expire(resource: ResourceId, booking_id: BookingId, deadline: Timestamp, at: Timestamp) -> Request {
    let request_id = RequestId::of_expiry(booking_id, deadline);
    Request {
        request_id,
        resource,
        source: SourceName::daybook(),
        event_id: request_id.to_string(),
        basis: Basis::Asked,
        expected: Expected::default(),
        digest: None,
        sourced_at: Some(deadline),
        received_at: at,
        operation: Operation::Expire { booking_id, deadline },
    }
}

#[cfg(test)]
mod tests;
