//! The arbiter's process.

use std::process::ExitCode;

use daybook_arbiter::{Config, start};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    daybook_runtime::service::main::<Config>("arbiter", async |config, service| start(config, service).await)
}
