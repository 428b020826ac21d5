//! `release`: this hold is given up.
//!
//! Also the arbiter's own, the second half of a move: the booking stands on another resource now, and goes here.

use daybook_domain::{Elsewhere, Outcome, Rejection, Standing, Subject, Unchanged};

use crate::subject::Found;
use crate::{Case, Ruling, subject};

pub(crate) fn decide(case: Case<'_>, subject: &Subject, moved_to: Option<&Elsewhere>) -> Ruling {
    let known = match subject::find(case, subject) {
        Found::Own(known) => known,
        Found::Other(ruling) => return *ruling,
    };
    let mut after = known.clone();
    after.standing = Standing::Cancelled { last: known.standing.interval() };
    let outcome = match (moved_to, known.standing) {
        (Some(to), Standing::Cancelled { .. }) if known.moved_to.as_ref() == Some(to) => {
            Outcome::Unchanged(Unchanged::Duplicate)
        }
        (Some(to), _) => {
            after.moved_to = Some(to.clone());
            Outcome::Moved
        }
        (None, Standing::Held { .. }) => Outcome::Cancelled,
        (None, Standing::Cancelled { .. }) => Outcome::Unchanged(Unchanged::Duplicate),
        (None, Standing::Confirmed(_) | Standing::Awaiting { .. }) => {
            return Ruling::rejected(Rejection::InvalidTransition, Some(known.clone()));
        }
    };
    if let Outcome::Unchanged(_) = outcome {
        return Ruling::of(outcome, Some(known.clone()));
    }
    if !case.is_own() {
        after.source_version = subject.version;
    }
    after.version += 1;
    Ruling::of(outcome, Some(after))
}

#[cfg(test)]
mod tests;
