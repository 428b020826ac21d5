//! A target that is described: the conversation is the core's, the connection is here.

use std::sync::Arc;

use daybook_format::target::Target as Description;
use daybook_propagator_core::Action;
use daybook_propagator_core::described::{Api as Described, Exchange, Place};

use super::api::Api;
use super::caldav::no_call;
use super::sender::{AddressError, Sender};
use super::{Attempt, Ended};

/// An API that is described, with our account there.
#[derive(Debug)]
pub(crate) struct Templates {
    api: Api,
    described: Arc<Described>,
    account: String,
}

impl Templates {
    pub fn new(api: Api, description: Description, account: String) -> Self {
        Self { api, described: Arc::new(Described::new(description)), account }
    }

    pub const fn sender(&self) -> &Sender {
        self.api.sender()
    }

    pub async fn attempt(&self, attempt: &Attempt<'_>) -> Result<Ended, AddressError> {
        let (known, doubt) = (attempt.known, attempt.doubt);
        let place = Place { address: attempt.address.trim().to_owned(), account: self.account.clone() };
        let described = Arc::clone(&self.described);
        let exchange = match attempt.action {
            Action::Put(visible) => Exchange::show(described, place, visible.clone(), known, doubt),
            Action::Remove(removal) => Exchange::remove(described, place, removal.clone(), known, doubt),
            // Nothing to say; the lane settles these without an attempt.
            Action::NothingToShow | Action::UpToDate => return Ok(no_call()),
        };
        self.api.converse(exchange, Exchange::call, Exchange::answer, attempt).await
    }
}
