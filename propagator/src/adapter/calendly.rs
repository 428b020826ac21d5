//! Calendly: the conversation is the core's, the connection is here.

use daybook_domain::SourceName;
use daybook_propagator_core::calendly::{Exchange, Invitee, Why};
use daybook_propagator_core::{Action, Known, Maker};
use tokio::time::Instant;

use super::api::Api;
use super::caldav::no_call;
use super::sender::{AddressError, Sender};
use super::{Attempt, Ended};

/// Calendly's API, with our account there.
#[derive(Debug)]
pub(crate) struct Calendly {
    api: Api,
    source: SourceName,
}

impl Calendly {
    pub const fn new(api: Api, source: SourceName) -> Self {
        Self { api, source }
    }

    pub const fn sender(&self) -> &Sender {
        self.api.sender()
    }

    /// Whose bookings are called off there.
    pub const fn source(&self) -> &SourceName {
        &self.source
    }

    pub async fn attempt(&self, attempt: &Attempt<'_>) -> Result<Ended, AddressError> {
        match attempt.action {
            Action::Remove(_) => self.call_off(Why::Cancelled, attempt.known, attempt).await,
            // It takes no bookings from here; the lane settles these without an attempt.
            Action::Put(_) | Action::NothingToShow | Action::UpToDate => Ok(no_call()),
        }
    }

    /// Calls off what was refused. `in_doubt` is whether it may have been called off before.
    pub async fn call_off_refused(&self, name: &str, in_doubt: bool, deadline: Instant) -> Result<Ended, AddressError> {
        let known = if in_doubt {
            Known::Unsure { version: 0, external_id: None, maker: Maker::Daybook }
        } else {
            Known::Nothing
        };
        let attempt = Attempt {
            tags: &[],
            tries: 0,
            action: &Action::NothingToShow,
            known: &known,
            doubt: None,
            address: "",
            name: Some(name),
            deadline,
            traceparent: None,
        };
        self.call_off(Why::Refused, &known, &attempt).await
    }

    /// Calls off what its source calls so.
    async fn call_off(&self, why: Why, known: &Known, attempt: &Attempt<'_>) -> Result<Ended, AddressError> {
        let invitee = attempt.name.and_then(Invitee::of).ok_or(AddressError)?;
        let exchange = Exchange::cancel(invitee, why, known);
        self.api.converse(exchange, |exchange| Ok(exchange.call()), Exchange::answer, attempt).await
    }
}
