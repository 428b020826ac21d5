//! Why a command came to nothing, as the person who typed it should read it.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use daybook_runtime::config::Faults;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// The settings are faulty.
    Settings(Faults),
    /// What was typed, or a file, is faulty. Says what, and how it is right.
    Input(String),
    /// It was tried and did not work.
    Failed {
        /// What was tried.
        what: String,
        /// Why it did not work; none if `what` says it all.
        cause: Option<Box<dyn Error + Send + Sync>>,
        /// What to do next.
        next: Option<String>,
    },
    /// Whoever reads our output has enough of it. Not an error.
    ClosedPipe,
}

impl Failure {
    /// What was tried failed because of `cause`.
    pub fn new(what: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { what: what.into(), cause: Some(cause.into()), next: None }
    }

    /// A failure that explains itself.
    pub fn plain(what: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), cause: None, next: None }
    }

    /// A faulty input.
    pub fn input(what: impl Into<String>) -> Self {
        Self::Input(what.into())
    }

    /// The same failure, with what to do next.
    #[must_use]
    pub fn next(self, advice: impl Into<String>) -> Self {
        match self {
            Self::Failed { what, cause, next: _ } => Self::Failed { what, cause, next: Some(advice.into()) },
            Self::Settings(_) | Self::Input(_) | Self::ClosedPipe => self,
        }
    }

    /// What the shell is told.
    pub fn code(&self) -> ExitCode {
        match self {
            Self::Settings(_) | Self::Input(_) => ExitCode::from(2),
            Self::Failed { .. } => ExitCode::FAILURE,
            Self::ClosedPipe => ExitCode::SUCCESS,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(faults) => write!(f, "{}", faults.to_string().trim_end()),
            Self::Input(what) => f.write_str(what),
            Self::Failed { what, cause, next } => {
                f.write_str(what)?;
                let mut cause = cause.as_deref().map(|cause| cause as &dyn Error);
                let mut said = what.clone();
                while let Some(error) = cause {
                    let text = error.to_string();
                    // Libraries like to repeat their source in their own text.
                    if !said.contains(&text) {
                        write!(f, ": {text}")?;
                        said = text;
                    }
                    cause = error.source();
                }
                next.as_ref().map_or(Ok(()), |next| write!(f, "\n  {next}"))
            }
            Self::ClosedPipe => f.write_str("the reader has closed the pipe"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_was_tried_why_it_failed_and_what_to_do() {
        let cause = std::io::Error::other("connection refused");
        let failure = Failure::new("cannot reach the store", cause).next("is it up?");
        assert_eq!(failure.to_string(), "cannot reach the store: connection refused\n  is it up?");
    }
}
