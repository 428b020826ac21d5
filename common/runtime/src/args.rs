//! The command line that the four services share.

use std::path::PathBuf;

use clap::Parser;

/// A service's arguments.
#[derive(Debug, Clone, Parser)]
pub struct ServiceArgs {
    /// Configuration file (TOML). Its values override the built-in defaults; `DAYBOOK__SECTION__KEY` in the
    /// environment overrides both.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of secrets: a file named `DAYBOOK__SECTION__KEY` has what the variable of that name would have. Above the
    /// configuration file, below the environment; read again when it changes.
    #[arg(long, value_name = "DIR")]
    pub secrets: Option<PathBuf>,
    /// Check the configuration, report every fault at once, and end.
    #[arg(long)]
    pub check_config: bool,
    /// Print the configuration as it was understood, secrets withheld, and end.
    #[arg(long)]
    pub print_config: bool,
}
