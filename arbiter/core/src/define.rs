//! `define`: the resource has these rules from now on. What is booked already stands.

use daybook_domain::{Outcome, Rules, Unchanged};

use crate::Ruling;
use crate::state::State;

pub(crate) fn decide(state: &State, rules: &Rules) -> Ruling {
    if state.rules() == Some(rules) {
        return Ruling::of(Outcome::Unchanged(Unchanged::Duplicate), None);
    }
    Ruling { outcome: Outcome::Defined, booking: None, rules: Some(rules.clone()) }
}
