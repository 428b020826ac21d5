//! What people read: standard output is this program's product, and the only place that writes to it is here.
//!
//! A closed pipe (`daybook … | head`) ends the program quietly and well.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};

use crate::failure::Failure;

/// Standard output.
#[derive(Debug, Clone, Copy)]
pub struct Out;

impl Out {
    /// A line.
    pub fn line(&self, text: impl Display) -> Result<(), Failure> {
        sort(writeln!(stdout().lock(), "{text}"))
    }

    /// Text that brings its own line ends.
    pub fn text(&self, text: impl Display) -> Result<(), Failure> {
        sort(write!(stdout().lock(), "{text}").and_then(|()| stdout().flush()))
    }

    /// Bytes as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = stdout().lock();
        sort(out.write_all(bytes).and_then(|()| out.write_all(b"\n")))
    }
}

fn sort(written: std::io::Result<()>) -> Result<(), Failure> {
    written.map_err(|error| {
        let closed = error.kind() == ErrorKind::BrokenPipe;
        if closed { Failure::ClosedPipe } else { Failure::new("cannot write to standard output", error) }
    })
}

/// Says on standard error why the program ends.
pub fn complain(failure: &Failure) {
    match failure {
        Failure::ClosedPipe => {}
        // Nobody is left to be told that standard error is gone.
        Failure::Settings(_) | Failure::Input(_) | Failure::Failed { .. } => {
            let _ = writeln!(stderr().lock(), "daybook: {failure}");
        }
    }
}

/// Says something beside the product: a note, or how far a long command has come.
pub fn note(text: impl Display) {
    // As above.
    let _ = writeln!(stderr().lock(), "{text}");
}
