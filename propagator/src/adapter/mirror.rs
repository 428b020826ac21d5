//! A calendar behind a vendor's API: the conversation is the core's, the connection and the token are here.

use std::fmt;

use daybook_access::Credential;
use daybook_propagator_core::mirror::{Exchange, Progress, Vendor};
use daybook_propagator_core::{Action, Answer, Call, Reply};
use daybook_runtime::access::{NoToken, Token};
use daybook_runtime::reread::Held;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::caldav::no_call;
use super::sender::{AddressError, Envelope, Identity, Sender};
use super::{Attempt, Ended};

/// A vendor's API, with our account there.
pub(crate) struct Mirror {
    sender: Sender,
    vendor: Vendor,
    credential: Held<Credential>,
    token: Token,
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mirror({:?})", self.vendor)
    }
}

impl Mirror {
    pub fn new(sender: Sender, vendor: Vendor, credential: Held<Credential>) -> Self {
        Self { sender, vendor, credential, token: Token::default() }
    }

    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    pub async fn attempt(&self, attempt: &Attempt<'_>) -> Result<Ended, AddressError> {
        let (vendor, calendar) = (self.vendor, attempt.address);
        if calendar.trim().is_empty() {
            return Err(AddressError);
        }
        let mut exchange = match attempt.action {
            Action::Put(visible) => Exchange::show(vendor, calendar, visible.clone(), attempt.tags, attempt.known),
            Action::Remove(removal) => Exchange::remove(vendor, calendar, removal.clone(), attempt.known),
            // Nothing to say; the lane settles these without an attempt.
            Action::NothingToShow | Action::UpToDate => return Ok(no_call()),
        };
        exchange = exchange.after(attempt.tries);
        let mut status = None;
        loop {
            let answer = self.send(exchange.call(), attempt.deadline, attempt.traceparent).await?;
            if let Answer::Replied(reply) = &answer {
                status = Some(reply.status);
            }
            match exchange.answer(&answer) {
                Progress::Next(next) => {
                    exchange = *next;
                    self.sender.turn().await;
                }
                Progress::Over(conclusion) => return Ok(Ended { conclusion, status }),
            }
        }
    }

    pub const fn vendor(&self) -> Vendor {
        self.vendor
    }

    pub async fn send(&self, call: Call, deadline: Instant, traceparent: Option<&str>) -> Result<Answer, AddressError> {
        let url = self.sender.api(&call.path)?;
        let granted;
        let credential = self.credential.get();
        let identity = match &*credential {
            Credential::Basic(username, password) => Identity::Basic(username, password.expose_secret()),
            Credential::Bearer(token) => Identity::Bearer(token.expose_secret()),
            // The settings of targets have no refresh tokens.
            Credential::Nobody | Credential::Rotating(_) => Identity::Nobody,
            Credential::Granted(account) => match self.token.of(self.sender.client(), &credential, account).await {
                Ok(token) => {
                    granted = token;
                    Identity::Bearer(granted.expose_secret())
                }
                Err(NoToken::Away) => return Ok(Answer::NotSent),
                // The vendor turns us away, only elsewhere.
                Err(NoToken::Refused) => return Ok(Answer::Replied(Reply { status: 401, ..Reply::default() })),
            },
        };
        let envelope = Envelope { deadline, traceparent, identity };
        let answer = self.sender.send(url, call, envelope).await;
        if matches!(&answer, Answer::Replied(reply) if reply.status == 401) {
            self.token.forget().await;
        }
        Ok(answer)
    }
}
