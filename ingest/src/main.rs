//! The binary `daybook-ingest`.

use std::process::ExitCode;

use daybook_ingest::{Config, start};

fn main() -> ExitCode {
    daybook_runtime::service::main("ingest", async |config: Config, service| {
        start(config, service).await.map(drop).map_err(Into::into)
    })
}
