//! The core ring from outside: the core against a naive reference, over random stories.

#![allow(clippy::needless_pass_by_value, reason = "expectations are written where they are used up")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test that meets another variant fails, and says which")]

mod availability;
mod generator;
mod machine;
mod moves;
mod naive;
