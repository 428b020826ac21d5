//! How a source's API is asked.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use daybook_access::{Credential, Grant, Written, is_ours};
use daybook_runtime::reread::Held;
use secrecy::SecretString;
use serde::Deserialize;

/// How a source's API is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceApiConfig {
    /// Where its API is, if not where its format says.
    #[serde(default)]
    pub base: Option<String>,
    /// Whose bookings are listed, where the vendor wants to be told: at Calendly, the URI of the organization.
    #[serde(default)]
    pub account: Option<String>,
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
    /// With `client_id`: the refresh token that somebody's consent to the app has brought. What comes after it lies in the store, sealed
    /// with `token_key`.
    #[serde(default)]
    pub refresh_token: Option<SecretString>,
    /// With `refresh_token`: 32 bytes in base64. The same for all processes; without it, somebody has to consent anew.
    #[serde(default)]
    pub token_key: Option<SecretString>,
    /// In whose name the service account asks, where it may: somebody who sees every calendar.
    #[serde(default)]
    pub impersonate: Option<String>,
    /// How often it is asked, by all processes together and whatever they ask.
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
    /// Whose bookings are listed.
    pub account: Option<String>,
    /// Who we are there.
    pub credential: Held<Credential>,
    /// How often a second.
    pub requests_per_second: NonZeroU32,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How often one booking is asked for in vain.
    pub attempts_max: u32,
    /// How many in a row may be gone.
    pub gone_in_a_row_max: u32,
}

impl Default for SourceApiConfig {
    /// Nobody, as often as the settings have it.
    fn default() -> Self {
        Self {
            base: None,
            account: None,
            username: None,
            password: None,
            token: None,
            service_account_file: None,
            client_id: None,
            client_secret: None,
            token_url: None,
            refresh_token: None,
            token_key: None,
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
        let written = Written {
            username: self.username.as_deref(),
            password: self.password.as_ref(),
            token: self.token.as_ref(),
            service_account_file: self.service_account_file.as_deref(),
            client_id: self.client_id.as_deref(),
            client_secret: self.client_secret.as_ref(),
            token_url: self.token_url.as_deref(),
            refresh_token: self.refresh_token.as_ref(),
            token_key: self.token_key.as_ref(),
            impersonate: self.impersonate.as_deref(),
        };
        let credential = Held::new(written.read(grant, |file| std::fs::read(file), &mut fault)?);
        let Self { base, account, requests_per_second, timeout, attempts_max, gone_in_a_row_max, .. } = self.clone();
        Some(Api { base, account, credential, requests_per_second, timeout, attempts_max, gone_in_a_row_max })
    }
}
