//! A calendar: the conversation is the core's, the connection is here.

use std::fmt;

use daybook_propagator_core::caldav::Exchange;
use daybook_propagator_core::{Action, Answer, Call, Conclusion, Progress, Verdict};
use daybook_runtime::reread::Held;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::sender::{AddressError, Envelope, Identity, Sender};
use super::{Attempt, Ended};

/// A CalDAV server, with our account there.
pub(crate) struct CalDav {
    sender: Sender,
    login: Held<(String, SecretString)>,
}

impl fmt::Debug for CalDav {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CalDav")
    }
}

impl CalDav {
    pub fn new(sender: Sender, login: Held<(String, SecretString)>) -> Self {
        Self { sender, login }
    }

    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    pub async fn ask(
        &self,
        call: Call,
        address: &str,
        deadline: Instant,
        traceparent: Option<&str>,
    ) -> Result<Answer, AddressError> {
        let login = self.login.get();
        let (username, password) = &*login;
        let identity = Identity::Basic(username, password.expose_secret());
        let url = self.sender.url(address, &call.path)?;
        Ok(self.sender.send(url, call, Envelope { deadline, traceparent, identity }).await)
    }

    pub async fn attempt(&self, attempt: &Attempt<'_>) -> Result<Ended, AddressError> {
        let mut exchange = match attempt.action {
            Action::Put(visible) => Exchange::show(visible.clone(), attempt.known),
            Action::Remove(removal) => Exchange::remove(removal.clone(), attempt.known),
            // Nothing to say; the lane settles these without an attempt.
            Action::NothingToShow | Action::UpToDate => return Ok(no_call()),
        };
        let mut status = None;
        loop {
            let answer = self.ask(exchange.call(), attempt.address, attempt.deadline, attempt.traceparent).await?;
            if let Answer::Replied(reply) = &answer {
                status = Some(reply.status);
            }
            match exchange.answer(&answer) {
                Progress::Next(next) => {
                    exchange = *next;
                    self.sender.turn().await;
                }
                Progress::Over(conclusion, wrote) => return Ok(Ended { conclusion, status, wrote }),
            }
        }
    }
}

/// What an attempt comes to that has nothing to do.
pub(super) fn no_call() -> Ended {
    Ended { conclusion: Conclusion { verdict: Verdict::Gone, in_doubt: false }, status: None, wrote: false }
}

#[cfg(test)]
mod tests;
