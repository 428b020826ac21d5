//! The shell that every service wears: configuration, telemetry, Kafka, the schema registry, PostgreSQL, shutdown.
//!
//! In: a configuration tree. Out: records from partitions, acknowledged writes, a store, and an administrative port.
//! Owns: when a partition is ours (and when it no longer is), what "acknowledged" means, and how each library's errors
//! are sorted by what the caller does next. Absent on purpose: anything about bookings.

pub mod access;
pub mod admin;
pub mod args;
pub mod brake;
pub mod clock;
pub mod config;
pub mod guard;
pub mod http;
pub mod kafka;
pub mod lifecycle;
pub mod metrics;
pub mod postgres;
pub mod registry;
pub mod reread;
pub mod retry;
pub mod service;
pub mod telemetry;
pub mod tls;
pub mod trace;

/// Help, name and labels of typed metrics; see [`metrics!`].
pub use prometheus;
