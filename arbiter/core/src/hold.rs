//! `hold`: this time is to be kept for a while.
//!
//! A hold is a live booking: nobody can book through it, nobody else can hold it. A newer hold of the same name moves it
//! and sets its end anew. What is confirmed already cannot be held.

use std::time::Duration;

use daybook_domain::Claim;

use crate::book::claimed;
use crate::claim::Making;
use crate::{Case, Ruling};

pub(crate) fn decide(case: Case<'_>, claim: &Claim, ttl: Duration) -> Ruling {
    claimed(case, claim, Making::Hold(case.now.plus(ttl)))
}

#[cfg(test)]
mod tests;
