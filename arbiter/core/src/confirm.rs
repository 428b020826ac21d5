//! `confirm`: this hold is to become a booking.
//!
//! Also the arbiter's own, when a move to another resource was refused there: the booking here stands, and goes by the
//! name that its source has given to the move, so that the cancelling half under the old name frees nothing.

use daybook_domain::{BookingState, Content, Outcome, Rejection, Standing, Subject, Unchanged};

use crate::subject::Found;
use crate::{Case, Ruling, subject};

pub(crate) fn decide(case: Case<'_>, subject: &Subject, content: Option<&Content>) -> Ruling {
    let known = match subject::find(case, subject) {
        Found::Own(known) => known,
        Found::Other(ruling) => return *ruling,
    };
    let Some(interval) = known.standing.live() else {
        return Ruling::rejected(Rejection::InvalidTransition, Some(known.clone()));
    };
    let mut after = known.clone();
    let is_hold = matches!(known.standing, Standing::Held { .. });
    if !(case.is_own() && is_hold) {
        after.standing = Standing::Confirmed(interval);
    }
    if case.is_own() {
        // Under the name of the move from now on, unless that is another booking's by now.
        let name = subject.identity.key();
        if case.state.by_key(name).is_none() {
            after.keys.push(name);
        }
    } else {
        after.source_version = subject.version.max(known.source_version);
    }
    if let Some(content) = content {
        after.content = Some(content.digest);
        after.contacts = content.contacts();
    }
    ruling(known, after)
}

fn ruling(known: &BookingState, mut after: BookingState) -> Ruling {
    let outcome = if known.standing != after.standing || known.keys != after.keys {
        Outcome::Confirmed
    } else if known.content != after.content {
        Outcome::Updated
    } else {
        return Ruling::of(Outcome::Unchanged(Unchanged::Duplicate), Some(after));
    };
    after.version += 1;
    Ruling::of(outcome, Some(after))
}

#[cfg(test)]
mod tests;
