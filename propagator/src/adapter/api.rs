//! A vendor's API, with our account there: the token is asked for and forgotten here.

use std::fmt;

use daybook_access::Credential;
use daybook_format::target::Unfit;
use daybook_propagator_core::{Answer, Call, Progress, Reply};
use daybook_runtime::access::{NoToken, Token};
use daybook_runtime::reread::Held;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::sender::{AddressError, Envelope, Identity, Sender};
use super::{Attempt, Ended};

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

    /// One attempt, from its first call to its end.
    pub async fn converse<E>(
        &self,
        mut exchange: E,
        call: impl Fn(&E) -> Result<Call, Unfit>,
        answer: impl Fn(E, &Answer) -> Progress<E>,
        attempt: &Attempt<'_>,
    ) -> Result<Ended, AddressError> {
        let mut status = None;
        loop {
            let call = call(&exchange).map_err(|_| AddressError)?;
            let answered = self.ask(call, attempt.deadline, attempt.traceparent).await?;
            if let Answer::Replied(reply) = &answered {
                status = Some(reply.status);
            }
            match answer(exchange, &answered) {
                Progress::Next(next) => {
                    exchange = *next;
                    self.sender.turn().await;
                }
                Progress::Over(conclusion, wrote) => return Ok(Ended { conclusion, status, wrote }),
            }
        }
    }

    /// One call.
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
