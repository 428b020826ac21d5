//! The pipeline ring: the real services, against a real broker, registry, store and calendar server.
//!
//! One binary, so that one stack is started, once ([`instance::shared`]); the tests on it have resources of their own and
//! run side by side. Those that stop, kill or starve something take turns on two others ([`instance::rough`]), those of
//! deciding alone on one of three arbiters ([`arbiters::arbiters`]). Each ends with a search for people in all logs and
//! metrics. Rules: no sleep, no retry of a test, none left out; a wait has a condition and a deadline. `SEED=…` plays a
//! run's random choices again. `make test` builds the services first; by itself, `cargo test` runs them as they were last
//! built.

mod alerts;
mod arbiters;
mod instance;
mod peers;

mod asking;
mod brakes;
mod bypass;
mod calendars;
mod campaign;
mod chart;
mod contention;
mod contracts;
mod crashes;
mod dashboards;
mod demo;
mod described;
mod drift;
mod duplicates;
mod events;
mod frozen;
mod keys;
mod layers;
mod legacy;
mod letters;
mod listings;
mod look;
mod mirrors;
mod offers;
mod outages;
mod partitioner;
mod poison;
mod privacy;
mod proxy;
mod reader;
mod recurrences;
mod resources;
mod restart;
mod restored;
mod rivals;
mod rogue;
mod rotation;
mod rubbish;
mod signatures;
mod status;
mod straight;
mod tools;
mod watched;
