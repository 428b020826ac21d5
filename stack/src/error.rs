//! What can go wrong, said to the person who typed `make up`: what was tried, and what to do about it.

use std::{io, path::PathBuf};

/// A failure of the orchestrator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read or written.
    #[error("could not {what} {}", path.display())]
    Io {
        /// The verb, such as "write".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program could not be started at all.
    #[error("could not start `{program}`; is it installed and on PATH?")]
    Spawn {
        /// The program's name or path.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program that was to do one thing and end, failed.
    #[error("`{command}` failed ({status}){tail}")]
    Command {
        /// The command, without secrets.
        command: String,
        /// Its exit status.
        status: String,
        /// The end of its output, each line indented; empty when it went to the terminal.
        tail: String,
    },
    /// A part ended while it was being started.
    #[error("{part} ended while starting ({status}); its log {} ends with:{tail}", log.display())]
    Ended {
        /// The part's name.
        part: String,
        /// Its exit status, where known.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The end of that log.
        tail: String,
    },
    /// A part runs but does not answer as it should.
    #[error("{part} did not become ready within {seconds} s: {why}; its log {} ends with:{tail}", log.display())]
    NotReady {
        /// The part's name.
        part: String,
        /// How long it was given.
        seconds: u64,
        /// What the last probe said.
        why: String,
        /// Its log file.
        log: PathBuf,
        /// The end of that log.
        tail: String,
    },
    /// A part outlived SIGKILL.
    #[error("{part} (pid {pid}) is still there after SIGKILL; the system holds it, look at /proc/{pid}/stack")]
    Unstoppable {
        /// The part's name.
        part: String,
        /// Its process id.
        pid: i32,
    },
    /// A signal was to be sent to a part that is not running.
    #[error("{part} is not running, so it cannot be sent {signal}")]
    NotRunning {
        /// The part's name.
        part: String,
        /// The signal's name.
        signal: &'static str,
    },
    /// Something was to be done to a server that must not run meanwhile.
    #[error("{part} is running: stop it before its data is {done}")]
    Running {
        /// The part's name.
        part: String,
        /// What was to be done to its data.
        done: &'static str,
    },
    /// Something the stack needs is missing and cannot be installed here.
    #[error("{what} is missing and could not be installed: {fix}")]
    Missing {
        /// What is missing.
        what: String,
        /// What the reader can do.
        fix: String,
    },
    /// A binary of ours has not been built.
    #[error("{} does not exist; build it with `cargo build --workspace --bins`, or name its directory with --bin-dir", path.display())]
    NoBinary {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file of the instance does not say what it should.
    #[error("{} is damaged: {why}; `make clean` starts afresh", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The instance was asked about but never brought up.
    #[error("the instance `{instance}` has never been brought up; run `make up` (or `stack up --instance {instance}`)")]
    NoInstance {
        /// Its name.
        instance: String,
    },
    /// An instance name that cannot be a directory.
    #[error("`{name}` is no instance name: use lower-case letters, digits and hyphens, at most 40")]
    BadInstance {
        /// What was given.
        name: String,
    },
    /// A part was asked for that this stack has not.
    #[error("there is no part called `{name}`; the parts are {known}")]
    UnknownPart {
        /// What was given.
        name: String,
        /// All names, with commas.
        known: String,
    },
    /// The engine cannot do what was asked.
    #[error("{what} is not possible with the {engine} engine; use --engine {instead}")]
    Unsupported {
        /// What was asked.
        what: &'static str,
        /// The engine in use.
        engine: &'static str,
        /// The one that can.
        instead: &'static str,
    },
    /// Several parts failed at once; each is reported.
    #[error("{} parts failed:\n{}", .0.len(), list(.0))]
    Several(Vec<Error>),
}

impl Error {
    /// For `map_err` on the results of `std::fs`.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { what, path, source }
    }

    /// All results, or all errors: the parts start side by side, and a person wants to see every fault at once.
    pub(crate) fn all<T>(results: impl IntoIterator<Item = Result<T, Error>>) -> Result<Vec<T>, Error> {
        let (mut values, mut errors) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(value) => values.push(value),
                Err(error) => errors.push(error),
            }
        }
        match errors.len() {
            0 => Ok(values),
            1 => Err(errors.remove(0)),
            _ => Err(Error::Several(errors)),
        }
    }

    /// The message with its causes, in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}

fn list(errors: &[Error]) -> String {
    errors.iter().map(|error| format!("  - {}", error.chain())).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_reported_when_several_parts_fail() {
        let missing = |name: &str| Error::NotRunning { part: name.to_owned(), signal: "SIGTERM" };
        let results: [Result<(), Error>; 3] = [Err(missing("kafka")), Ok(()), Err(missing("postgres"))];
        let text = Error::all(results).expect_err("two failed").to_string();
        assert!(text.contains("2 parts failed") && text.contains("kafka") && text.contains("postgres"), "{text}");
    }
}
