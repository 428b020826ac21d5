//! What ends a test's stack when the test cannot: a small process that waits for the test process to end, however it
//! ends, and then brings the instance down.
//!
//! `Drop` alone is not enough: it does not run for a value in a `static`, on Ctrl-C, on SIGKILL, or after an abort.

use std::{
    io::{self, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{error::Error, layout::Layout, progress::Progress, stack};

/// The guard of one instance, seen from the test process.
pub(crate) struct Guard(Child);

impl Guard {
    /// Starts the guard: the `stack` program of `bin_dir`, in a group of its own. Its standard input is a pipe whose
    /// other end lives exactly as long as this process.
    pub(crate) fn start(layout: &Layout, bin_dir: &Path) -> Result<Guard, Error> {
        let program = bin_dir.join("stack");
        if !program.exists() {
            return Err(Error::NoBinary { path: program });
        }
        let mut command = Command::new(&program);
        command.args(["--instance", layout.instance(), "guard"]).current_dir(layout.root()).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn();
        child.map(Guard).map_err(|source| Error::Spawn { program: program.display().to_string(), source })
    }

    /// Nothing is left to guard.
    pub(crate) fn dismiss(mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The guard's whole life, for the `stack` program.
pub fn guard(layout: &Layout) -> Result<(), Error> {
    // Ends when the other end of the pipe is closed, that is, when the test process is gone.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    stack::bring_down_ephemeral(layout, &Progress::new(true))
}
