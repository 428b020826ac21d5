//! `define`: the resource has these rules from now on. What is booked already stands.

use daybook_domain::{Outcome, Rejection, Rule, Rules, Unchanged};

use crate::state::State;
use crate::{Ruling, policy};

pub(crate) fn decide(state: &State, rules: &Rules) -> Ruling {
    if state.rules() == Some(rules) {
        return Ruling::of(Outcome::Unchanged(Unchanged::Duplicate), None);
    }
    if !policy::is_sound(rules) {
        return Ruling::rejected(Rejection::Policy(Rule::Hours), None);
    }
    Ruling { rules: Some(rules.clone()), ..Ruling::of(Outcome::Defined, None) }
}

#[cfg(test)]
mod tests;
