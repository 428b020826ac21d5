//! The engine, on the target that `FUZZ_TARGET` names. `tests/fuzz/run` builds and starts it.

#![no_main]

use std::sync::OnceLock;

use daybook_fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<Target> = OnceLock::new();

fn target() -> Target {
    *TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        Target::named(&name).expect("FUZZ_TARGET is the name of a target")
    })
}

fuzz_target!(|bytes: &[u8]| target().check(bytes));
