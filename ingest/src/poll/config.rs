//! How calendars are read.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono_tz::Tz;
use daybook_access::{Grant, is_ours};
use daybook_format::Format;
use daybook_ingest_core::ping::{PingSecret, PingSecretError};
use daybook_ingest_core::poll::{Job, Pinger, Vendor};
use daybook_runtime::guard::may_be_public;
use daybook_runtime::reread::Held;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::config::SourceConfig;
use crate::vendor::{Api, SourceApiConfig};

/// What a service account of Google's asks for: to read events.
const GOOGLE: Grant = Grant::Service("https://www.googleapis.com/auth/calendar.events.readonly");
/// What an app of Microsoft's asks for: all that it was granted, which should be `Calendars.Read` and no more.
const MICROSOFT: Grant = Grant::Client("https://graph.microsoft.com/.default");

/// How often the calendars of a source are read, and how far.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PollConfig {
    /// How often each is asked what has changed: of calendars, every minute if this is left out; of what is listed, every five.
    #[serde(with = "humantime_serde::option")]
    pub interval: Option<Duration>,
    /// How often it is listed what is new, if not as often as the rest.
    #[serde(with = "humantime_serde::option")]
    pub new_appointment_interval: Option<Duration>,
    /// How often what was changed.
    #[serde(with = "humantime_serde::option")]
    pub update_interval: Option<Duration>,
    /// How often what was cancelled.
    #[serde(with = "humantime_serde::option")]
    pub cancellation_interval: Option<Duration>,
    /// Whether bookings are listed that deliveries may not have told of, where the vendor can.
    pub list: bool,
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
    /// The zone of times that have none, and of days, in calendars that name none: an IANA name.
    pub zone: Option<String>,
    /// Whether published calendars may be at addresses that are not public, and be read without TLS.
    pub allow_private: bool,
}

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

impl Default for PollConfig {
    fn default() -> Self {
        Self {
            interval: None,
            new_appointment_interval: None,
            update_interval: None,
            cancellation_interval: None,
            list: true,
            full_interval: Duration::from_secs(12 * HOUR),
            window_past: Duration::from_secs(30 * DAY),
            window_future: Duration::from_secs(180 * DAY),
            believe_after: Duration::from_secs(15 * 60),
            at_once: 4,
            zone: None,
            allow_private: false,
        }
    }
}

impl PollConfig {
    /// How often each is asked what has changed.
    pub fn every(&self) -> Duration {
        self.interval.unwrap_or(Duration::from_secs(60))
    }

    /// How often a job lists.
    pub fn of(&self, job: Job) -> Duration {
        let own = match job {
            Job::NewAppointmentSync => self.new_appointment_interval,
            Job::UpdateSync => self.update_interval,
            Job::CancellationSync => self.cancellation_interval,
        };
        own.unwrap_or_else(|| self.every())
    }

    /// Says what is wrong with it.
    pub fn judge(&self, fault: &mut impl FnMut(&str, &dyn fmt::Display)) {
        let mut require = |sound: bool, setting: &str, problem: &str| {
            if !sound {
                fault(&format!("poll.{setting}"), &problem);
            }
        };
        let within = |span: Duration, least: u64, most: u64| {
            (least * 1_000..=most * 1_000).contains(&u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
        };
        for (setting, interval) in [
            ("interval", self.interval),
            ("new_appointment_interval", self.new_appointment_interval),
            ("update_interval", self.update_interval),
            ("cancellation_interval", self.cancellation_interval),
        ] {
            let sound = interval.is_none_or(|it| it >= Duration::from_millis(100) && it.as_secs() <= DAY);
            require(sound, setting, "must be 100ms to 1day");
        }
        require(
            self.full_interval >= self.every() && self.full_interval.as_secs() <= 7 * DAY,
            "full_interval",
            "must be from the interval to 7days",
        );
        require(within(self.window_past, 2 * DAY, 366 * DAY), "window_past", "must be 2days to 366days");
        require(within(self.window_future, 2 * DAY, 2 * 366 * DAY), "window_future", "must be 2days to 732days");
        require(self.believe_after.as_secs() <= 7 * DAY, "believe_after", "must be at most 7days");
        require((1..=64).contains(&self.at_once), "at_once", "must be 1 to 64");
    }
}

/// How a source says that a calendar of its has changed.
#[derive(Debug, Clone)]
pub struct Pings {
    /// Who says so.
    pub pinger: Pinger,
    /// The secrets that prove channels; the first makes new ones.
    pub secrets: Held<Vec<PingSecret>>,
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
    /// Where that is, if all its calendars are below one address.
    pub base: Option<String>,
    /// Where published calendars are.
    feeds: Held<BTreeMap<String, SecretString>>,
    /// The zone of times that have none.
    pub zone: Option<Tz>,
    /// Whether only public addresses are spoken to.
    pub guarded: bool,
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
        let vendor = Vendor::of(format)?;
        let config = source.poll.clone().unwrap_or_default();
        config.judge(&mut fault);
        let jobs = [config.new_appointment_interval, config.update_interval, config.cancellation_interval];
        if jobs.iter().any(Option::is_some) {
            fault(
                "poll.new_appointment_interval",
                &"and its siblings are for bookings that are listed; a calendar is read as a whole",
            );
        }
        let pings = pings(vendor, source, &mut fault);
        let zone = config.zone.as_deref().and_then(|name| {
            let zone = name.parse().ok();
            if zone.is_none() {
                fault("poll.zone", &"is not the IANA name of a time zone, such as Europe/Berlin");
            }
            zone
        });
        let is_feed = vendor == Vendor::Feed;
        for (alias, address) in source.feeds.iter().filter(|_| is_feed) {
            judge(address.expose_secret(), &format!("feeds.{alias}"), config.allow_private, &mut fault);
        }
        if !is_feed && !source.feeds.is_empty() {
            fault("feeds", &"are of no use: only calendars of kind ics-feed are published files");
        }
        if !is_feed && config.allow_private {
            fault("poll.allow_private", &"is for published calendars only (ics-feed); other addresses are in api.base");
        }
        let open = SourceApiConfig::default();
        let Some(api) = source.api.as_ref().or(is_feed.then_some(&open)) else {
            fault("api", &"is missing; its calendars are read through its API");
            return None;
        };
        let grant = match vendor {
            Vendor::Google => Some(GOOGLE),
            Vendor::Graph => Some(MICROSOFT),
            Vendor::CalDav => None,
            Vendor::Feed => Some(Grant::Open),
        };
        let api = api.read(grant, |setting, problem| fault(&format!("api.{setting}"), problem))?;
        let base = api.base.as_deref().or(vendor.base()).map(|base| base.trim_end_matches('/').to_owned());
        match (vendor, &base) {
            (Vendor::CalDav, None) => fault("api.base", &"is missing; say where the CalDAV server is"),
            (Vendor::Feed, None) if source.feeds.is_empty() => {
                fault("feeds", &"are missing; say where each calendar is, by its alias, or where all are: api.base");
            }
            (Vendor::Feed, Some(base)) => judge(base, "api.base", config.allow_private, &mut fault),
            (Vendor::Google | Vendor::Graph | Vendor::CalDav | Vendor::Feed, _) => {}
        }
        let guarded = is_feed && !config.allow_private;
        Some(Self { vendor, api, base, feeds: Held::new(source.feeds.clone()), zone, guarded, config, pings })
    }

    /// Takes over what is secret of the same source, read again.
    pub fn renew(&self, fresh: &Self) {
        // What is meant for another address is not sent to this one; both are taken over at the next start.
        if self.base == fresh.base {
            self.api.credential.become_as(&fresh.api.credential);
        }
        self.feeds.become_as(&fresh.feeds);
        if let (Some(pings), Some(fresh)) = (&self.pings, &fresh.pings) {
            pings.secrets.become_as(&fresh.secrets);
        }
    }

    /// The address of what is asked of a calendar, if the settings have one.
    pub fn address(&self, calendar: &str, path: &str) -> Option<String> {
        match (self.feeds.get().get(calendar), &self.base) {
            (Some(address), _) => Some(https(address.expose_secret())),
            (None, Some(base)) => Some(format!("{base}{path}")),
            (None, None) => None,
        }
    }

    /// The path of the address that all calendars are below.
    pub fn root(&self) -> String {
        let base = self.base.as_deref().and_then(|base| Url::parse(base).ok());
        base.map(|base| base.path().trim_end_matches('/').to_owned()).unwrap_or_default()
    }
}

/// `webcal:` is what calendars are offered under, and means HTTPS.
fn https(address: &str) -> String {
    match address.split_once("://") {
        Some(("webcal" | "webcals", rest)) => format!("https://{rest}"),
        Some(_) | None => address.to_owned(),
    }
}

/// Whether somebody's address may be spoken to.
fn judge(address: &str, setting: &str, private: bool, fault: &mut impl FnMut(&str, &dyn fmt::Display)) {
    let Ok(url) = Url::parse(&https(address)) else {
        fault(setting, &"is no address");
        return;
    };
    match url.scheme() {
        "https" => {}
        "http" if private => {}
        _ => fault(setting, &"must begin with https:// or webcal://, or with http:// where poll.allow_private is true"),
    }
    if !private && !may_be_public(&url) {
        fault(setting, &"names an address that is not public; only with poll.allow_private = true may it");
    }
}

fn pings(vendor: Vendor, source: &SourceConfig, fault: &mut impl FnMut(&str, &dyn fmt::Display)) -> Option<Pings> {
    let given = source.public_url.is_some() || !source.secrets.is_empty();
    let Some(pinger) = vendor.pinger() else {
        if given {
            fault(
                "secrets",
                &"and public_url are of no use: nobody says when something has changed in these calendars",
            );
        }
        return None;
    };
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
    Some(Pings { pinger, secrets: Held::new(secrets), address })
}
