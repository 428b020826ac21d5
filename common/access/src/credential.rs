//! What the settings say of who we are at a vendor.

use std::fmt;
use std::io;
use std::path::Path;

use daybook_domain::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::grant::{self, Signer};
use crate::sealed::{SealKey, SealKeyError};

/// Who we are at a vendor.
#[derive(Debug, Clone)]
pub enum Credential {
    /// RFC 7617.
    Basic(String, SecretString),
    /// RFC 6750.
    Bearer(SecretString),
    /// Tokens that the account asks for.
    Granted(Account),
    /// Tokens that somebody's consent is refreshed for, by a token that changes each time.
    Rotating(Box<Rotating>),
    /// Nobody in particular.
    Nobody,
}

/// An account that asks for its own tokens.
#[derive(Debug, Clone)]
pub enum Account {
    /// By an assertion that it signs (RFC 7523): its key, what it asks for, and in whose name.
    Service(Signer, &'static str, Option<String>),
    /// By its secret (RFC 6749 §4.4): where, who, the secret, and what it asks for.
    Client(String, String, SecretString, &'static str),
}

impl Account {
    /// Where it asks for tokens.
    pub fn token_url(&self) -> &str {
        match self {
            Self::Service(signer, _, _) => &signer.audience,
            Self::Client(url, _, _, _) => url,
        }
    }

    /// What it asks with.
    pub fn form(&self, now: Timestamp) -> Option<String> {
        match self {
            Self::Service(signer, scope, subject) => {
                signer.assertion(scope, subject.as_deref(), now).map(|assertion| grant::assertion_form(&assertion))
            }
            Self::Client(_, id, secret, scope) => Some(grant::secret_form(id, secret.expose_secret(), scope)),
        }
    }
}

/// Somebody's consent, given to an app of ours (RFC 6749 §6): its refresh token may be used once, and brings the next one.
#[derive(Debug, Clone)]
pub struct Rotating {
    /// Where tokens are asked for.
    pub url: String,
    /// The app.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
    /// The refresh token that the consent brought.
    pub first: SecretString,
    /// What seals the tokens that come after it.
    pub key: SealKey,
}

/// How accounts ask for tokens that may ask at all.
#[derive(Debug, Clone, Copy)]
pub enum Grant {
    /// By a key file, for this.
    Service(&'static str),
    /// By a secret, for this.
    Client(&'static str),
    /// None are asked for, and nobody need say who asks.
    Open,
}

/// What the settings have, each where it has its own setting of that name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Written<'a> {
    /// With `password`.
    pub username: Option<&'a str>,
    /// With `username`.
    pub password: Option<&'a SecretString>,
    /// A bearer token, instead of both.
    pub token: Option<&'a SecretString>,
    /// The key file of a service account, instead of all three.
    pub service_account_file: Option<&'a Path>,
    /// The id of an app, instead of all those; with `client_secret` and `token_url`.
    pub client_id: Option<&'a str>,
    /// With `client_id`.
    pub client_secret: Option<&'a SecretString>,
    /// With `client_id`: where tokens are asked for.
    pub token_url: Option<&'a str>,
    /// With `client_id`: what somebody's consent to the app has brought.
    pub refresh_token: Option<&'a SecretString>,
    /// With `refresh_token`: what seals the tokens that come after it.
    pub token_key: Option<&'a SecretString>,
    /// In whose name the service account asks.
    pub impersonate: Option<&'a str>,
}

impl Written<'_> {
    /// Reads it. `grant` is how tokens are asked for, if the vendor has any; `open` reads the key file. `fault` hears of everything
    /// that is wrong, by the setting's name.
    pub fn read(
        &self,
        grant: Option<Grant>,
        open: impl Fn(&Path) -> io::Result<Vec<u8>>,
        mut fault: impl FnMut(&str, &dyn fmt::Display),
    ) -> Option<Credential> {
        if self.impersonate.is_some() && self.service_account_file.is_none() {
            fault("impersonate", &"is for a service account only; give service_account_file too, or take it away");
        }
        let own = (self.username, self.password, self.token);
        let asked = (self.service_account_file, self.client_id, self.client_secret, self.token_url);
        if self.token_key.is_some() && self.refresh_token.is_none() {
            fault("token_key", &"is of no use without refresh_token");
        }
        if let Some(first) = self.refresh_token {
            let key = match self.token_key {
                Some(key) => key.expose_secret().parse().map_err(|error: SealKeyError| fault("token_key", &error)).ok(),
                None => {
                    fault(
                        "token_key",
                        &"is missing; what seals the refresh tokens to come? Take the output of `openssl rand -base64 32`",
                    );
                    None
                }
            };
            let ((None, None, None), (None, Some(id), Some(secret), Some(url))) = (own, asked) else {
                fault("refresh_token", &"goes with client_id, client_secret and token_url, and with nothing else");
                return None;
            };
            judge_token_url(url, &mut fault);
            let (url, id) = (url.to_owned(), id.to_owned());
            let (secret, first) = (secret.clone(), first.clone());
            return key.map(|key| Credential::Rotating(Box::new(Rotating { url, id, secret, first, key })));
        }
        match (own, asked, grant) {
            ((Some(username), Some(password), None), (None, None, None, None), _) => {
                Some(Credential::Basic(username.to_owned(), password.clone()))
            }
            ((None, None, Some(token)), (None, None, None, None), _) => Some(Credential::Bearer(token.clone())),
            ((None, None, None), (Some(file), None, None, None), Some(Grant::Service(scope))) => {
                let file = open(file).map_err(|error| fault("service_account_file", &error)).ok()?;
                let signer = Signer::new(&file).map_err(|error| fault("service_account_file", &error)).ok()?;
                if !is_ours(&signer.audience) {
                    fault("service_account_file", &"has a token_uri that is no https:// address");
                }
                Some(Credential::Granted(Account::Service(signer, scope, self.impersonate.map(str::to_owned))))
            }
            ((None, None, None), (None, Some(id), Some(secret), Some(url)), Some(Grant::Client(scope))) => {
                judge_token_url(url, &mut fault);
                Some(Credential::Granted(Account::Client(url.to_owned(), id.to_owned(), secret.clone(), scope)))
            }
            ((None, None, None), (None, None, None, None), Some(Grant::Open)) => Some(Credential::Nobody),
            (_, _, grant) => {
                let problem = match grant {
                    None | Some(Grant::Open) => "or username and password must say who asks; give one of the two",
                    Some(Grant::Service(_)) => "or service_account_file must say who asks; give one of the two",
                    Some(Grant::Client(_)) => {
                        "or client_id, client_secret and token_url must say who asks; give one of the two"
                    }
                };
                fault("token", &problem);
                None
            }
        }
    }
}

fn judge_token_url(url: &str, fault: &mut impl FnMut(&str, &dyn fmt::Display)) {
    if !is_ours(url) {
        fault("token_url", &"is no https:// address; http:// is for this machine only");
    }
}

/// Whether our credentials, and what proves our channels, may go there.
pub fn is_ours(address: &str) -> bool {
    let url = Url::parse(address).ok();
    url.is_some_and(|url| url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
