//! How a source's API is asked.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use daybook_domain::Timestamp;
use daybook_ingest_core::grant::{self, Signer};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};

/// How a source's API is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceApiConfig {
    /// Where its API is, if not where its format says.
    #[serde(default)]
    pub base: Option<String>,
    /// Who asks, with `password`.
    #[serde(default)]
    pub username: Option<String>,
    /// With `username`.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// A bearer token, instead of both.
    #[serde(default)]
    pub token: Option<SecretString>,
    /// The key file of a service account, instead of all three.
    #[serde(default)]
    pub service_account_file: Option<PathBuf>,
    /// The id of an app that asks for tokens by its secret, instead of all those; with `client_secret` and `token_url`.
    #[serde(default)]
    pub client_id: Option<String>,
    /// With `client_id`.
    #[serde(default)]
    pub client_secret: Option<SecretString>,
    /// With `client_id`: where tokens are asked for.
    #[serde(default)]
    pub token_url: Option<String>,
    /// In whose name the service account asks, where it may: somebody who sees every calendar.
    #[serde(default)]
    pub impersonate: Option<String>,
    /// How often it is asked: of what is fetched, by this process, all its partitions together; of calendars, by all
    /// processes.
    #[serde(default = "per_second")]
    pub requests_per_second: NonZeroU32,
    /// How long an answer may take.
    #[serde(default = "timeout", with = "humantime_serde")]
    pub timeout: Duration,
    /// How often one booking is asked for in vain, while others are answered for, before its delivery is a dead letter. The
    /// waits between double up to a minute, and chance halves them: 12 are at least three minutes.
    #[serde(default = "attempts")]
    pub attempts_max: u32,
    /// How many bookings in a row may be gone before it is no longer believed, until one is there.
    #[serde(default = "gone_in_a_row")]
    pub gone_in_a_row_max: u32,
}

const fn per_second() -> NonZeroU32 {
    NonZeroU32::new(5).expect("not zero")
}

const fn timeout() -> Duration {
    Duration::from_secs(10)
}

const fn attempts() -> u32 {
    12
}

const fn gone_in_a_row() -> u32 {
    20
}

/// The same, read.
#[derive(Debug, Clone)]
pub struct Api {
    /// Where it is.
    pub base: Option<String>,
    /// Who we are there.
    pub credential: Credential,
    /// How often a second.
    pub requests_per_second: NonZeroU32,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How often one booking is asked for in vain.
    pub attempts_max: u32,
    /// How many in a row may be gone.
    pub gone_in_a_row_max: u32,
}

/// Who we are at a vendor.
#[derive(Debug, Clone)]
pub enum Credential {
    /// RFC 7617.
    Basic(String, SecretString),
    /// RFC 6750.
    Bearer(SecretString),
    /// Tokens that the account asks for.
    Granted(Account),
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

impl Default for SourceApiConfig {
    /// Nobody, as often as the settings have it.
    fn default() -> Self {
        Self {
            base: None,
            username: None,
            password: None,
            token: None,
            service_account_file: None,
            client_id: None,
            client_secret: None,
            token_url: None,
            impersonate: None,
            requests_per_second: per_second(),
            timeout: timeout(),
            attempts_max: attempts(),
            gone_in_a_row_max: gone_in_a_row(),
        }
    }
}

impl SourceApiConfig {
    /// Reads it, and the key file that it names. `grant` is how tokens are asked for, if the vendor has any. `fault` hears of everything that
    /// is wrong, by the setting's name.
    pub fn read(&self, grant: Option<Grant>, mut fault: impl FnMut(&str, &dyn fmt::Display)) -> Option<Api> {
        if self.base.as_ref().is_some_and(|base| !is_ours(base)) {
            fault("base", &"is no https:// address; http:// is for this machine only");
        }
        if self.timeout < Duration::from_millis(100) || self.timeout > Duration::from_secs(60) {
            fault("timeout", &"must be 100ms to 60s");
        }
        if !(1..=100).contains(&self.attempts_max) {
            fault("attempts_max", &"must be 1 to 100");
        }
        if self.impersonate.is_some() && self.service_account_file.is_none() {
            fault("impersonate", &"is for a service account only; give service_account_file too, or take it away");
        }
        let credential = self.credential(grant, &mut fault)?;
        let Self { base, requests_per_second, timeout, attempts_max, gone_in_a_row_max, .. } = self.clone();
        Some(Api { base, credential, requests_per_second, timeout, attempts_max, gone_in_a_row_max })
    }

    fn credential(&self, grant: Option<Grant>, fault: &mut impl FnMut(&str, &dyn fmt::Display)) -> Option<Credential> {
        let own = (&self.username, &self.password, &self.token);
        let asked = (&self.service_account_file, &self.client_id, &self.client_secret, &self.token_url);
        match (own, asked, grant) {
            ((Some(username), Some(password), None), (None, None, None, None), _) => {
                Some(Credential::Basic(username.clone(), password.clone()))
            }
            ((None, None, Some(token)), (None, None, None, None), _) => Some(Credential::Bearer(token.clone())),
            ((None, None, None), (Some(file), None, None, None), Some(Grant::Service(scope))) => {
                let file = std::fs::read(file).map_err(|error| fault("service_account_file", &error)).ok()?;
                let signer = Signer::new(&file).map_err(|error| fault("service_account_file", &error)).ok()?;
                if !is_ours(&signer.audience) {
                    fault("service_account_file", &"has a token_uri that is no https:// address");
                }
                Some(Credential::Granted(Account::Service(signer, scope, self.impersonate.clone())))
            }
            ((None, None, None), (None, Some(id), Some(secret), Some(url)), Some(Grant::Client(scope))) => {
                if !is_ours(url) {
                    fault("token_url", &"is no https:// address; http:// is for this machine only");
                }
                Some(Credential::Granted(Account::Client(url.clone(), id.clone(), secret.clone(), scope)))
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
