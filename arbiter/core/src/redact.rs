//! `redact`: a person is to be forgotten. The booking's time stands; nobody sees anything else of it any more.
//!
//! What the store has under its names (the source's own texts) is the shell's to overwrite: the core has pseudonyms.

use daybook_domain::{BookingId, Outcome, Rejection};

use crate::{Case, Ruling};

pub(crate) fn decide(case: Case<'_>, id: BookingId) -> Ruling {
    let Some(known) = case.state.booking(id) else { return Ruling::rejected(Rejection::UnknownBooking, None) };
    let mut after = known.clone();
    after.content = None;
    after.contacts = Vec::new();
    // Asked again, it is done again: the core cannot see whether texts have come back.
    after.version += 1;
    Ruling::of(Outcome::Redacted, Some(after))
}

#[cfg(test)]
mod tests;
