//! How a source's API is asked.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use daybook_domain::Timestamp;
use daybook_ingest_core::grant::Signer;
use secrecy::SecretString;
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
    /// RFC 7523.
    ServiceAccount(ServiceAccount),
}

/// An account that signs for itself.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    signer: Signer,
    scope: &'static str,
    subject: Option<String>,
}

impl ServiceAccount {
    /// Where it asks for tokens.
    pub fn audience(&self) -> &str {
        &self.signer.audience
    }

    /// What it asks with.
    pub fn assertion(&self, now: Timestamp) -> Option<String> {
        self.signer.assertion(self.scope, self.subject.as_deref(), now)
    }
}

impl SourceApiConfig {
    /// Reads it, and the key file that it names. `scope` is what a service account asks for, if it may ask at all. `fault` hears of everything that
    /// is wrong, by the setting's name.
    pub fn read(&self, scope: Option<&'static str>, mut fault: impl FnMut(&str, &dyn fmt::Display)) -> Option<Api> {
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
        let credential = match (&self.username, &self.password, &self.token, &self.service_account_file) {
            (Some(username), Some(password), None, None) => Credential::Basic(username.clone(), password.clone()),
            (None, None, Some(token), None) => Credential::Bearer(token.clone()),
            (None, None, None, Some(file)) => {
                let Some(scope) = scope else {
                    fault("service_account_file", &"is for google-calendar only; give token, or username and password");
                    return None;
                };
                let signer = std::fs::read(file).map_err(|error| fault("service_account_file", &error)).ok()?;
                let signer = Signer::new(&signer).map_err(|error| fault("service_account_file", &error)).ok()?;
                if !is_ours(&signer.audience) {
                    fault("service_account_file", &"has a token_uri that is no https:// address");
                }
                Credential::ServiceAccount(ServiceAccount { signer, scope, subject: self.impersonate.clone() })
            }
            (_, _, _, _) => {
                fault(
                    "token",
                    &"or username and password, or service_account_file must say who asks; give one of the three",
                );
                return None;
            }
        };
        let Self { base, requests_per_second, timeout, attempts_max, gone_in_a_row_max, .. } = self.clone();
        Some(Api { base, credential, requests_per_second, timeout, attempts_max, gone_in_a_row_max })
    }
}

/// Whether our credentials may go there.
fn is_ours(address: &str) -> bool {
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
