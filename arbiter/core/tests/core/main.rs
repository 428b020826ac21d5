//! The core ring: every rule as a story, and the laws that hold for every story.

mod laws;
mod rules;
mod story;
