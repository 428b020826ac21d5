//! A vendor's API, with our account there: the token is asked for and forgotten here.

use std::fmt;

use daybook_access::Credential;
use daybook_propagator_core::{Answer, Call, Reply};
use daybook_runtime::access::{NoToken, Token};
use daybook_runtime::reread::Held;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::Attempt;
use super::sender::{AddressError, Envelope, Identity, Sender};

/// A vendor's API.
pub(crate) struct Api {
    sender: Sender,
    credential: Held<Credential>,
    token: Token,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Api")
    }
}

impl Api {
    pub fn new(sender: Sender, credential: Held<Credential>) -> Self {
        Self { sender, credential, token: Token::default() }
    }

    pub const fn sender(&self) -> &Sender {
        &self.sender
    }

    pub async fn send(&self, call: Call, attempt: &Attempt<'_>) -> Result<Answer, AddressError> {
        self.ask(call, attempt.deadline, attempt.traceparent).await
    }

    pub async fn ask(&self, call: Call, deadline: Instant, traceparent: Option<&str>) -> Result<Answer, AddressError> {
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
