//! How states are fetched from a source.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use url::{Host, Url};

/// How states are fetched from a source.
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
    /// How often this process asks, all its partitions together.
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
}

impl SourceApiConfig {
    /// Reads it. `fault` hears of everything that is wrong, by the setting's name.
    pub fn read(&self, mut fault: impl FnMut(&str, &dyn fmt::Display)) -> Option<Api> {
        if let Some(base) = &self.base {
            let url = Url::parse(base).ok();
            // What is asked bears our credentials.
            let sound = url.is_some_and(|url| url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url));
            if !sound {
                fault("base", &"is no https:// address; http:// is for this machine only");
            }
        }
        if self.timeout < Duration::from_millis(100) || self.timeout > Duration::from_secs(60) {
            fault("timeout", &"must be 100ms to 60s");
        }
        if !(1..=100).contains(&self.attempts_max) {
            fault("attempts_max", &"must be 1 to 100");
        }
        let credential = match (&self.username, &self.password, &self.token) {
            (Some(username), Some(password), None) => Credential::Basic(username.clone(), password.clone()),
            (None, None, Some(token)) => Credential::Bearer(token.clone()),
            (_, _, _) => {
                fault("token", &"or username and password must say who asks; give one of the two");
                return None;
            }
        };
        let Self { base, requests_per_second, timeout, attempts_max, gone_in_a_row_max, .. } = self.clone();
        Some(Api { base, credential, requests_per_second, timeout, attempts_max, gone_in_a_row_max })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
