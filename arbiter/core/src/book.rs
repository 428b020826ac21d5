//! `book`: this booking is to exist, so.
//!
//! A newer creation of a known booking is a change of it.

use daybook_domain::Claim;

use crate::claim::{Making, fresh, restated};
use crate::{Case, Ruling, shadow};

pub(crate) fn decide(case: Case<'_>, claim: &Claim) -> Ruling {
    claimed(case, claim, Making::Booking)
}

/// What `book` and `hold` share.
pub(crate) fn claimed(case: Case<'_>, claim: &Claim, making: Making) -> Ruling {
    let key = claim.identity.key();
    match case.state.by_key(key) {
        None => fresh(case, claim, vec![key], making),
        Some(known) if known.shadow(key).is_some() => {
            shadow::seen(case, known, key, claim.version, Some(claim.interval))
        }
        Some(known) => restated(case, known, claim, making),
    }
}

#[cfg(test)]
mod tests;
