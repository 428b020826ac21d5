//! The propagator: pushes every booking to the systems that show it.

use std::process::ExitCode;

fn main() -> ExitCode {
    daybook_runtime::service::main("propagator", daybook_propagator::start)
}
