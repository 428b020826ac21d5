//! `book`: this booking is to exist, so.
//!
//! A creation never overrides a state of the same source version: of two events that bear the same version, the
//! creation is the older one. A newer creation of a known booking is a change of it.

use std::cmp::Ordering;

use daybook_domain::{Claim, Outcome, SourceName, Unchanged};

use crate::Ruling;
use crate::claim::{change, grant_new};
use crate::state::State;

pub(crate) fn decide(state: &State, source: &SourceName, claim: &Claim) -> Ruling {
    let key = claim.identity.key();
    let Some(known) = state.by_key(key) else { return grant_new(state, source, claim, vec![key]) };
    let stale = Ruling::of(Outcome::Unchanged(Unchanged::Stale), Some(known.clone()));
    if known.current_key() != Some(key) {
        return stale;
    }
    match claim.version.cmp(&known.source_version) {
        Ordering::Less => stale,
        Ordering::Equal => {
            let shown = claim.content.as_ref().is_none_or(|content| known.content == Some(content.digest));
            let same = known.standing.live() == Some(claim.interval) && shown;
            if same { Ruling::of(Outcome::Unchanged(Unchanged::Duplicate), Some(known.clone())) } else { stale }
        }
        Ordering::Greater => change(state, known, claim, None),
    }
}
