//! The propagator: level, not edge.
//!
//! In: decisions from `booking.decisions`, of which only the booking's id is believed, and the bookings as they stand in
//! PostgreSQL. Out: idempotent calls to every target, `propagation.outcomes`, and what was given up on `dlq.propagator`.
//! Owns: a target is told the newest version or nothing, never an older one after a newer; a create takes effect once; a
//! failing target, or one booking that it refuses, holds up nobody else. What the target is to be told, and what its
//! answer means, is `daybook-propagator-core`'s judgement; here are the rows, the lanes and the sockets.
//! Absent on purpose: retry topics (they lose the order), content from Kafka (a forged decision carries nothing),
//! redirects and proxies (a signed body goes where the operator sent it).

mod adapter;
mod compensate;
mod config;
mod error;
mod intake;
mod lane;
mod metrics;
mod outcomes;
mod reconcile;
mod records;
mod stage;
mod store;
mod sweep;
mod target;
mod wake;
mod watch;

pub use config::Config;
pub use stage::start;
