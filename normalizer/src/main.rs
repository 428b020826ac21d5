//! The binary `daybook-normalizer`.

use std::process::ExitCode;

use daybook_normalizer::{Config, start};

fn main() -> ExitCode {
    daybook_runtime::service::main("normalizer", async |config: Config, service| {
        start(config, service).await.map_err(Into::into)
    })
}
