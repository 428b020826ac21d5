//! Access tokens of an account: asked for with a signed assertion (RFC 7523) or its own secret (RFC 6749 §4.4), kept until
//! shortly before they end.

use std::time::Duration;

use daybook_access::{Account, grant};
use daybook_domain::Timestamp;
use reqwest::Client;
use secrecy::SecretString;
use tokio::sync::Mutex;

use crate::clock;
use crate::http::whole;

/// An answer with a token is some kilobytes.
const BODY_MAX: usize = 64 * 1_024;
/// How long before its end a token is not used any more: calls take their time, and clocks differ.
const MARGIN: Duration = Duration::from_secs(120);

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoToken {
    /// Nobody answers, or not now.
    Away,
    /// The account does not count.
    Refused,
}

/// The token that is valid now, if there is one. One task at a time asks for a new one, and the others wait for it.
#[derive(Debug, Default)]
pub struct Token(Mutex<Option<(SecretString, Timestamp)>>);

impl Token {
    /// The token of an account.
    pub async fn of(&self, client: &Client, account: &Account) -> Result<SecretString, NoToken> {
        let mut held = self.0.lock().await;
        let now = clock::now();
        if let Some((token, until)) = held.as_ref()
            && now.plus(MARGIN) < *until
        {
            return Ok(token.clone());
        }
        *held = None;
        let (token, until) = ask(client, account, now).await?;
        *held = Some((token.clone(), until));
        Ok(token)
    }

    /// It is not valid after all.
    pub async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

async fn ask(client: &Client, account: &Account, now: Timestamp) -> Result<(SecretString, Timestamp), NoToken> {
    let form = account.form(now).ok_or(NoToken::Refused)?;
    let request = client.post(account.token_url()).header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(form).send().await.map_err(|_| NoToken::Away)?;
    match response.status().as_u16() {
        200..=299 => {}
        400..=403 => return Err(NoToken::Refused),
        _ => return Err(NoToken::Away),
    }
    let body = whole(response, BODY_MAX).await.ok_or(NoToken::Away)?;
    let (token, lives) = grant::read(&body).ok_or(NoToken::Away)?;
    Ok((SecretString::from(token), now.plus(lives)))
}
