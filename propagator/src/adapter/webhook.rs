//! A signed message: one call, one answer.

use daybook_domain::TargetName;
use daybook_propagator_core::webhook::Message;
use daybook_propagator_core::{Action, Answer};
use daybook_runtime::clock;
use daybook_runtime::reread::Held;
use daybook_wire::standard_webhooks::Secret;

use super::caldav::no_call;
use super::sender::{AddressError, Envelope, Identity, Sender};
use super::{Attempt, Ended};

/// A receiver of signed messages.
#[derive(Debug)]
pub(crate) struct Webhook {
    sender: Sender,
    target: TargetName,
    secrets: Held<Vec<Secret>>,
}

impl Webhook {
    pub fn new(sender: Sender, target: TargetName, secrets: Held<Vec<Secret>>) -> Self {
        Self { sender, target, secrets }
    }

    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    pub async fn attempt(&self, attempt: &Attempt<'_>) -> Result<Ended, AddressError> {
        let message = match attempt.action {
            Action::Put(visible) => Message::show(visible, &self.target),
            Action::Remove(removal) => Message::remove(removal, &self.target),
            Action::NothingToShow | Action::UpToDate => return Ok(no_call()),
        };
        let envelope =
            Envelope { deadline: attempt.deadline, traceparent: attempt.traceparent, identity: Identity::Nobody };
        let call = message.call(&self.secrets.get(), clock::now());
        let url = self.sender.url(attempt.address, &call.path)?;
        let answer = self.sender.send(url, call, envelope).await;
        let status = match &answer {
            Answer::Replied(reply) => Some(reply.status),
            Answer::NotSent | Answer::Lost => None,
        };
        Ok(Ended { conclusion: message.conclude(attempt.known, &answer), status, wrote: true })
    }
}
