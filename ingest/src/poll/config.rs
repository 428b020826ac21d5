//! How calendars are read.

use std::fmt;
use std::time::Duration;

use daybook_format::Format;
use daybook_ingest_core::ping::{PingSecret, PingSecretError};
use daybook_ingest_core::poll::Vendor;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::config::SourceConfig;
use crate::vendor::{Api, Grant, is_ours};

/// What a service account of Google's asks for: to read events.
const GOOGLE: Grant = Grant::Service("https://www.googleapis.com/auth/calendar.events.readonly");
/// What an app of Microsoft's asks for: all that it was granted, which should be `Calendars.Read` and no more.
const MICROSOFT: Grant = Grant::Client("https://graph.microsoft.com/.default");

/// How often the calendars of a source are read, and how far.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PollConfig {
    /// How often each is asked what has changed.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How often everything in the window is listed, whatever has changed: what the vendor's feed of changes has lost is found
    /// then, and what the window has come to.
    #[serde(with = "humantime_serde")]
    pub full_interval: Duration,
    /// How far back is read.
    #[serde(with = "humantime_serde")]
    pub window_past: Duration,
    /// How far ahead.
    #[serde(with = "humantime_serde")]
    pub window_future: Duration,
    /// How long more than 20 events of a calendar must be missing before they are believed to be gone.
    #[serde(with = "humantime_serde")]
    pub believe_after: Duration,
    /// Calendars that one process reads at once.
    pub at_once: u8,
}

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

impl Default for PollConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            full_interval: Duration::from_secs(12 * HOUR),
            window_past: Duration::from_secs(30 * DAY),
            window_future: Duration::from_secs(180 * DAY),
            believe_after: Duration::from_secs(15 * 60),
            at_once: 4,
        }
    }
}

/// How a source says that a calendar of its has changed.
#[derive(Debug, Clone)]
pub struct Pings {
    /// The secrets that prove channels; the first makes new ones.
    pub secrets: Vec<PingSecret>,
    /// Where pings go: this door, as the vendor reaches it.
    pub address: String,
}

/// A source with calendars, as it is read.
#[derive(Debug, Clone)]
pub struct Polled {
    /// Whose calendars they are.
    pub vendor: Vendor,
    /// How its API is asked.
    pub api: Api,
    /// Where that is.
    pub base: String,
    /// How often, and how far.
    pub config: PollConfig,
    /// How it says that something has changed, if it is to.
    pub pings: Option<Pings>,
}

impl Polled {
    /// From the settings of a source. `fault` hears of everything that is wrong.
    pub fn read(
        format: &Format,
        source: &SourceConfig,
        mut fault: impl FnMut(&str, &dyn fmt::Display),
    ) -> Option<Self> {
        let Some(vendor) = Vendor::of(format) else {
            if source.poll.is_some() {
                fault("poll", &"is of no use: this source has no calendars that are read");
            }
            return None;
        };
        let config = source.poll.clone().unwrap_or_default();
        let mut require = |sound: bool, setting: &str, problem: &str| {
            if !sound {
                fault(&format!("poll.{setting}"), &problem);
            }
        };
        let within = |span: Duration, least: u64, most: u64| {
            (least * 1_000..=most * 1_000).contains(&u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
        };
        require(
            config.interval >= Duration::from_millis(100) && config.interval.as_secs() <= DAY,
            "interval",
            "must be 100ms to 1day",
        );
        require(
            config.full_interval >= config.interval && config.full_interval.as_secs() <= 7 * DAY,
            "full_interval",
            "must be from the interval to 7days",
        );
        require(within(config.window_past, 2 * DAY, 366 * DAY), "window_past", "must be 2days to 366days");
        require(within(config.window_future, 2 * DAY, 2 * 366 * DAY), "window_future", "must be 2days to 732days");
        require(config.believe_after.as_secs() <= 7 * DAY, "believe_after", "must be at most 7days");
        require((1..=64).contains(&config.at_once), "at_once", "must be 1 to 64");
        let pings = pings(source, &mut fault);
        let Some(api) = &source.api else {
            fault("api", &"is missing; its calendars are read through its API");
            return None;
        };
        let grant = match vendor {
            Vendor::Google => GOOGLE,
            Vendor::Graph => MICROSOFT,
        };
        let api = api.read(Some(grant), |setting, problem| fault(&format!("api.{setting}"), problem))?;
        let base = api.base.as_deref().unwrap_or(vendor.base()).trim_end_matches('/').to_owned();
        Some(Self { vendor, api, base, config, pings })
    }
}

fn pings(source: &SourceConfig, fault: &mut impl FnMut(&str, &dyn fmt::Display)) -> Option<Pings> {
    let address = match &source.public_url {
        None if source.secrets.is_empty() => return None,
        None => {
            fault(
                "public_url",
                &"is missing; with secrets, this source is to say when something has changed, and where to",
            );
            return None;
        }
        Some(address) => address.clone(),
    };
    if !is_ours(&address) {
        fault("public_url", &"is no https:// address; http:// is for this machine only");
    }
    if source.secrets.is_empty() {
        fault("secrets", &"are missing; with public_url, one has to prove that a word of a change was asked for");
    }
    let read = |(at, secret): (usize, &SecretString)| {
        let secret = secret.expose_secret().parse();
        secret.map_err(|error: PingSecretError| fault(&format!("secrets[{at}]"), &error)).ok()
    };
    let secrets = source.secrets.iter().enumerate().filter_map(read).collect();
    Some(Pings { secrets, address })
}
