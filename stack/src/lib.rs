//! The stack: everything Daybook needs around it, started, found again and stopped by one orchestrator.
//!
//! In: the workspace, the machine, and which parts are wanted. Out: running servers and services that have each answered
//! a real request, and their addresses ([`Endpoints`]), also as the shell-sourceable file `target/stack/env`.
//!
//! Invariant: it stops only what it started. A process is known by pid, start time and boot, never by its name, so a
//! pid that the system has given to somebody else is left alone; and whatever a test instance started ends with the test.
//!
//! Absent on purpose: any knowledge of topics, schemas or tables (the `daybook` command line owns those and is only run
//! here), any asynchronous runtime (it must compile in seconds, because it runs before everything else is built), and any
//! address but loopback.

mod builder;
mod cargo;
mod compose;
mod endpoints;
mod engine;
mod env_file;
mod error;
mod guard;
mod http;
mod install;
mod instance;
mod layout;
mod native;
mod part;
mod ports;
mod process;
mod progress;
mod secrets;
mod server;
mod service;
mod stack;
mod tail;
mod unit;
mod wait;

pub use crate::{
    builder::{Builder, Until},
    endpoints::{AdminUrls, Endpoints, PostgresUrls},
    engine::{Engine, Status},
    error::Error,
    guard::guard,
    install::{Purpose, helm, install, prometheus},
    layout::Layout,
    part::{Part, Server, Service},
    progress::Progress,
    stack::Stack,
    unit::Unit,
};
