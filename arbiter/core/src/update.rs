//! `update`: people are to see this of the booking from now on; its time stays.

use std::cmp::Ordering;

use daybook_domain::{Content, Outcome, Rejection, Subject, Unchanged};

use crate::claim::stale;
use crate::subject::Found;
use crate::{Case, Ruling, subject};

pub(crate) fn decide(case: Case<'_>, subject: &Subject, content: &Content) -> Ruling {
    let known = match subject::find(case, subject) {
        Found::Own(known) => known,
        Found::Other(ruling) => return *ruling,
    };
    if known.standing.live().is_none() {
        return Ruling::rejected(Rejection::InvalidTransition, Some(known.clone()));
    }
    let mut after = known.clone();
    after.source_version = subject.version;
    after.content = Some(content.digest);
    after.contacts = content.contacts();
    match subject.version.cmp(&known.source_version) {
        _ if known.content == after.content => {
            after.contacts.clone_from(&known.contacts);
            Ruling::of(Outcome::Unchanged(Unchanged::Duplicate), Some(after))
        }
        Ordering::Less | Ordering::Equal => stale(known),
        Ordering::Greater => {
            after.version += 1;
            Ruling::of(Outcome::Updated, Some(after))
        }
    }
}

#[cfg(test)]
mod tests;
