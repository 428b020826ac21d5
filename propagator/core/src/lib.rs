//! The propagator's judgement: what a target is to be told, in which words, and what its answer means.
//!
//! In: a booking as it stands, what is known of the target, and, call by call, what the target answered. Out: the next
//! call as data ([`Call`]), a [`Verdict`] on the attempt, and the [`Step`] that follows from it.
//! Owns: no target is told an older state after a newer one, or creates twice; no field reaches a target that did not
//! list it ([`Fields`]); an answer that leaves doubt is followed by a look, never by a second blind write.
//! Absent on purpose: I/O, clocks, randomness (the time and the dice are arguments), logging, and memory: what is known
//! of a target comes in as [`Known`] and goes out in a [`Conclusion`].

pub mod caldav;
pub mod calendly;
mod call;
pub mod described;
mod drift;
mod edit;
pub mod entry;
mod fields;
pub mod google;
pub mod hubspot;
pub mod mirror;
pub mod outlook;
mod plan;
pub mod readback;
mod schedule;
mod verdict;
pub mod webhook;

pub use call::{Answer, Call, Method, Reply};
pub use daybook_wire::RetryAfter;
pub use drift::{Difference, Drift, Field};
pub use edit::{EDITS_MAX, Edit};
pub use fields::{Fields, Removal, Visible, VisibleStatus};
pub use plan::{Action, BookingView, Known, Maker, plan, plan_cancellation};
pub use schedule::{Jitter, PauseCause, Pauses, RetrySchedule, ScheduleError, Settled, Step, next_step};
pub use verdict::{Conclusion, Progress, Reason, Trouble, Verdict};

// The tools of the pipeline's tests, there behind HTTP.
#[cfg(test)]
#[path = "../../../tests/src/tool/mod.rs"]
#[allow(dead_code, reason = "whoever writes over HTTP has other stories to tell with it")]
mod tool;
