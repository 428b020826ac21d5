//! HubSpot: the conversation is the core's, the connection is here.

use daybook_propagator_core::Action;
use daybook_propagator_core::hubspot::Exchange;

use super::api::Api;
use super::caldav::no_call;
use super::sender::{AddressError, Sender};
use super::{Attempt, Ended};

/// HubSpot's API, with our account there.
#[derive(Debug)]
pub(crate) struct HubSpot(Api);

impl HubSpot {
    pub const fn new(api: Api) -> Self {
        Self(api)
    }

    pub const fn sender(&self) -> &Sender {
        self.0.sender()
    }

    pub async fn attempt(&self, attempt: &Attempt<'_>) -> Result<Ended, AddressError> {
        let (owner, known, doubt) = (attempt.address.trim(), attempt.known, attempt.doubt);
        if owner.is_empty() {
            return Err(AddressError);
        }
        let exchange = match attempt.action {
            Action::Put(visible) => Exchange::show(owner, visible.clone(), known, doubt),
            Action::Remove(removal) => Exchange::remove(owner, removal.clone(), known, doubt),
            // Nothing to say; the lane settles these without an attempt.
            Action::NothingToShow | Action::UpToDate => return Ok(no_call()),
        };
        self.0.converse(exchange, |exchange| Ok(exchange.call()), Exchange::answer, attempt).await
    }
}
