//! The core ring: every rule as a story, and the laws that hold for every story.

#![allow(clippy::needless_pass_by_value, reason = "expectations are written where they are used up")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test that meets another variant fails, and says which")]

mod laws;
mod rules;
mod story;
