//! What the pipeline tests, the demonstration and the benchmarks share: the vendors, the partner, and a judge.
//!
//! In: an installation that runs, wherever ([`world::World`]). Out: events as real vendors send them, what became of
//! each, and a verdict on the whole ([`oracle`], and [`judge`] for deciding alone) that uses nothing of the services' own
//! code but the wire formats, and the core where a replay must give the same bytes.
//! Absent on purpose: sleeping ([`wait::wait_until`] waits for a condition), and real people ([`people`]).

pub mod api;
pub mod calcom;
pub mod caldav;
pub mod calendar;
pub mod calendly;
pub mod desk;
pub mod files;
pub mod generic;
pub mod judge;
pub mod kafka;
pub mod load;
pub mod oracle;
pub mod people;
pub mod privacy;
pub mod proxy;
pub mod receiver;
pub mod requests;
pub mod resources;
pub mod seed;
pub mod sender;
pub mod store;
pub mod tool;
pub mod tools;
pub mod vendor;
pub mod wait;
pub mod world;
