//! A calendar behind a vendor's API: the conversation is the core's, the connection is here.

use daybook_propagator_core::mirror::{Exchange, Vendor};
use daybook_propagator_core::{Action, Answer, Call};
use tokio::time::Instant;

use super::api::Api;
use super::caldav::no_call;
use super::sender::{AddressError, Sender};
use super::{Attempt, Ended};

/// A vendor's API, with our account there.
#[derive(Debug)]
pub(crate) struct Mirror {
    api: Api,
    vendor: Vendor,
}

impl Mirror {
    pub const fn new(api: Api, vendor: Vendor) -> Self {
        Self { api, vendor }
    }

    pub const fn sender(&self) -> &Sender {
        self.api.sender()
    }

    pub async fn attempt(&self, attempt: &Attempt<'_>) -> Result<Ended, AddressError> {
        let (vendor, calendar) = (self.vendor, attempt.address);
        if calendar.trim().is_empty() {
            return Err(AddressError);
        }
        let exchange = match attempt.action {
            Action::Put(visible) => Exchange::show(vendor, calendar, visible.clone(), attempt.tags, attempt.known),
            Action::Remove(removal) => Exchange::remove(vendor, calendar, removal.clone(), attempt.known),
            // Nothing to say; the lane settles these without an attempt.
            Action::NothingToShow | Action::UpToDate => return Ok(no_call()),
        };
        let exchange = exchange.after(attempt.tries);
        self.api.converse(exchange, |exchange| Ok(exchange.call()), Exchange::answer, attempt).await
    }

    pub const fn vendor(&self) -> Vendor {
        self.vendor
    }

    pub async fn ask(&self, call: Call, deadline: Instant) -> Result<Answer, AddressError> {
        self.api.ask(call, deadline, None).await
    }
}
