//! A target's settings, and what they are once every one of them is known to be sound.
//!
//! The settings of all kinds are read into one struct and sorted afterwards, so that every fault of a target is
//! reported at once by its key; an enum tagged by `kind` would stop at the first and forget where it was.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use daybook_access::{Credential, Grant, Written, is_ours};
use daybook_domain::{SourceName, TargetName};
use daybook_format::target::{SHIPPED_TARGETS, Target as Description, WrittenTarget, shipped_target};
use daybook_propagator_core::mirror::Vendor;
use daybook_propagator_core::{Pauses, RetrySchedule, ScheduleError, calendly, google, hubspot, outlook};
use daybook_runtime::config::Faults;
use daybook_runtime::guard::may_be_public;
use daybook_runtime::reread::Held;
use daybook_wire::standard_webhooks::Secret;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::lane::BreakerPolicy;

/// What a service account of Google's asks for: to write events.
const GOOGLE: Grant = Grant::Service("https://www.googleapis.com/auth/calendar.events");
/// What an app of Microsoft's asks for: all that it was granted, which should be `Calendars.ReadWrite` and no more.
const MICROSOFT: Grant = Grant::Client("https://graph.microsoft.com/.default");

/// A target, as it is written down.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// Which protocol it speaks.
    pub kind: TargetKind,
    /// `caldav`: what the addresses of the resources' calendars are below. All that have an API: where it is, if not where the vendor
    /// has it.
    #[serde(default)]
    pub base_url: Option<String>,
    /// `caldav`, and described ones: user name, for Basic authentication.
    #[serde(default)]
    pub username: Option<String>,
    /// `caldav`, and described ones: password.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// `google-calendar`, `outlook`, and described ones: a bearer token, for whoever has one made elsewhere.
    #[serde(default)]
    pub token: Option<SecretString>,
    /// `google-calendar`: the key file of a service account.
    #[serde(default)]
    pub service_account_file: Option<PathBuf>,
    /// `google-calendar`: in whose name the service account writes, where it may.
    #[serde(default)]
    pub impersonate: Option<String>,
    /// `outlook`: the id of an app that asks for tokens by its secret.
    #[serde(default)]
    pub client_id: Option<String>,
    /// `outlook`: that secret.
    #[serde(default)]
    pub client_secret: Option<SecretString>,
    /// `outlook`: where tokens are asked for.
    #[serde(default)]
    pub token_url: Option<String>,
    /// `webhook`: where to post. It may hold a token, so it is withheld like one.
    #[serde(default)]
    pub url: Option<SecretString>,
    /// `webhook`: the secrets in force, `whsec_` and base64. The first to be listed is the first in the signature.
    #[serde(default)]
    pub secrets: Vec<SecretString>,
    /// `webhook`: whether it may be reached without TLS and at addresses that are not public. For development.
    #[serde(default)]
    pub allow_private: Option<bool>,
    /// `caldav`, `google-calendar`, `outlook`: what becomes of an entry that a person has moved.
    #[serde(default)]
    pub edits: Option<Edits>,
    /// Described ones: the account that `{account}` stands for in their templates.
    #[serde(default)]
    pub account: Option<String>,
    /// `calendly`: the source whose bookings are called off there; `calendly` without it.
    #[serde(default)]
    pub source: Option<String>,
    /// `calendly`: what is done about a booking that it has promised and Daybook has refused: `flag` without it, so that a person decides,
    /// or `cancel`, so that it is called off there.
    #[serde(default)]
    pub on_refusal: Option<OnRefusal>,
    /// `calendly`, with `on_refusal = "cancel"`: how many are called off within an hour. The next one stops the target. 20 without it.
    #[serde(default)]
    pub cancellations_per_hour: Option<NonZeroU32>,
    /// `described`: how it is written to.
    #[serde(default)]
    pub description: Option<WrittenTarget>,
    /// How it is called.
    #[serde(default)]
    pub lane: LaneConfig,
}

/// What becomes of an entry that a person has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edits {
    /// The booking is asked to be where the entry is, and the entry is put back if that is refused.
    #[default]
    Ask,
    /// It is put back.
    PutBack,
}

/// What is done about a booking that its source has promised and Daybook has refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnRefusal {
    /// A person decides.
    Flag,
    /// It is called off at its source.
    Cancel,
}

/// A target's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// Acuity Scheduling, by the description that comes with Daybook.
    Acuity,
    /// Cal.com, by the description that comes with Daybook.
    #[serde(rename = "cal.com")]
    CalCom,
    /// A calendar collection (RFC 4791).
    Caldav,
    /// Calendly: what its customers have booked is called off there.
    Calendly,
    /// Anything with an API, by the description in the settings.
    Described,
    /// Google Calendar.
    GoogleCalendar,
    /// HubSpot: meetings of its CRM.
    #[serde(rename = "hubspot")]
    HubSpot,
    /// Outlook, through Microsoft Graph.
    Outlook,
    /// Signed messages (Standard Webhooks).
    Webhook,
    /// Zendesk, by the description that comes with Daybook.
    Zendesk,
}

impl TargetKind {
    /// The word for it: metric label, and `target_kind` of a dead letter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acuity => "acuity",
            Self::CalCom => "cal.com",
            Self::Caldav => "caldav",
            Self::Calendly => "calendly",
            Self::Described => "described",
            Self::GoogleCalendar => "google-calendar",
            Self::HubSpot => "hubspot",
            Self::Outlook => "outlook",
            Self::Webhook => "webhook",
            Self::Zendesk => "zendesk",
        }
    }
}

/// How a target is called. Every limit holds for one process; two processes call twice as often.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LaneConfig {
    /// Deliveries under way at the same time.
    pub concurrency: NonZeroU32,
    /// HTTP requests a second, on average.
    pub requests_per_second: NonZeroU32,
    /// How long one HTTP request may take, from the connection to the last byte of the answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// The delays between one delivery's attempts; it is given up after the last. The core's default without it.
    pub schedule: Option<Vec<Delay>>,
    /// The shortest pause of the lane, whatever a `Retry-After` says.
    #[serde(with = "humantime_serde")]
    pub pause_min: Duration,
    /// The longest pause of the lane, whatever a `Retry-After` says.
    #[serde(with = "humantime_serde")]
    pub pause_max: Duration,
    /// The pause after a 429 that names no time.
    #[serde(with = "humantime_serde")]
    pub pause_throttled: Duration,
    /// The pause after a 401 or 403.
    #[serde(with = "humantime_serde")]
    pub pause_unauthorized: Duration,
    /// Failures in a row (no connection, no answer, 5xx) after which the lane waits instead of calling on.
    pub breaker_failures: NonZeroU32,
    /// How long it waits the first time; twice as long each time that the probe after it fails.
    #[serde(with = "humantime_serde")]
    pub breaker_pause: Duration,
    /// The longest such wait.
    #[serde(with = "humantime_serde")]
    pub breaker_pause_max: Duration,
}

/// A delay, as text: `30s`, `5m`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub struct Delay(#[serde(with = "humantime_serde")] pub Duration);

impl Default for LaneConfig {
    fn default() -> Self {
        let Pauses { min, max, throttled, unauthorized } = Pauses::default();
        Self {
            concurrency: NonZeroU32::MIN.saturating_add(7),
            requests_per_second: NonZeroU32::MIN.saturating_add(49),
            timeout: Duration::from_secs(8),
            schedule: None,
            pause_min: min,
            pause_max: max,
            pause_throttled: throttled,
            pause_unauthorized: unauthorized,
            breaker_failures: NonZeroU32::MIN.saturating_add(4),
            breaker_pause: Duration::from_secs(5),
            breaker_pause_max: Duration::from_secs(60),
        }
    }
}

/// A target whose settings are sound.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub name: TargetName,
    /// What addresses are below.
    pub base: Held<Url>,
    pub protocol: Protocol,
    pub concurrency: usize,
    pub requests_per_second: NonZeroU32,
    pub timeout: Duration,
    pub schedule: RetrySchedule,
    pub breaker: BreakerPolicy,
    /// Whether what people make of entries is asked for.
    pub edits: bool,
}

/// What a protocol needs besides an address.
#[derive(Debug, Clone)]
pub(crate) enum Protocol {
    CalDav {
        login: Held<(String, SecretString)>,
    },
    Api {
        vendor: Vendor,
        credential: Held<Credential>,
    },
    Described {
        kind: TargetKind,
        description: Box<Description>,
        account: String,
        credential: Held<Credential>,
    },
    Calendly {
        credential: Held<Credential>,
        source: SourceName,
        on_refusal: OnRefusal,
        cancellations_per_hour: NonZeroU32,
    },
    HubSpot {
        credential: Held<Credential>,
    },
    Webhook {
        secrets: Held<Vec<Secret>>,
        allow_private: bool,
    },
}

impl Protocol {
    pub const fn kind(&self) -> TargetKind {
        match self {
            Self::CalDav { .. } => TargetKind::Caldav,
            Self::Api { vendor: Vendor::Google, .. } => TargetKind::GoogleCalendar,
            Self::Api { vendor: Vendor::Outlook, .. } => TargetKind::Outlook,
            Self::Described { kind, .. } => *kind,
            Self::Calendly { .. } => TargetKind::Calendly,
            Self::HubSpot { .. } => TargetKind::HubSpot,
            Self::Webhook { .. } => TargetKind::Webhook,
        }
    }
}

impl Target {
    /// Takes over what is secret of the same target, read again. Where a webhook goes is a secret, too.
    pub fn renew(&self, fresh: &Self) {
        let moved = *self.base.get() != *fresh.base.get();
        match (&self.protocol, &fresh.protocol) {
            // What is meant for another address is not sent to this one; both are taken over at the next start.
            (
                Protocol::CalDav { .. }
                | Protocol::Api { .. }
                | Protocol::Described { .. }
                | Protocol::Calendly { .. }
                | Protocol::HubSpot { .. },
                _,
            ) if moved => {}
            (Protocol::CalDav { login }, Protocol::CalDav { login: fresh }) => login.become_as(fresh),
            (Protocol::Api { vendor, credential }, Protocol::Api { vendor: same, credential: fresh })
                if vendor == same =>
            {
                credential.become_as(fresh);
            }
            (
                Protocol::Described { kind, credential, .. },
                Protocol::Described { kind: same, credential: fresh, .. },
            ) if kind == same => credential.become_as(fresh),
            (Protocol::Calendly { credential, .. }, Protocol::Calendly { credential: fresh, .. }) => {
                credential.become_as(fresh);
            }
            (Protocol::HubSpot { credential }, Protocol::HubSpot { credential: fresh }) => credential.become_as(fresh),
            (Protocol::Webhook { secrets, allow_private }, Protocol::Webhook { secrets: new, allow_private: same })
                if allow_private == same =>
            {
                secrets.become_as(new);
                self.base.become_as(&fresh.base);
            }
            // Another kind of target now: from the next start.
            (
                Protocol::CalDav { .. }
                | Protocol::Api { .. }
                | Protocol::Described { .. }
                | Protocol::Calendly { .. }
                | Protocol::HubSpot { .. }
                | Protocol::Webhook { .. },
                _,
            ) => {}
        }
    }
}

impl TargetConfig {
    /// The key file that it names.
    pub fn key_file(&self) -> Option<PathBuf> {
        self.service_account_file.clone()
    }

    /// The target, or what is wrong with it. `longest` is the longest that a request may take.
    pub(crate) fn parse(&self, name: TargetName, key: &str, longest: Duration, faults: &mut Faults) -> Option<Target> {
        self.refuse_strangers(key, faults);
        let protocol = match self.kind {
            TargetKind::Caldav => self.caldav(key, faults),
            TargetKind::GoogleCalendar => self.api(Vendor::Google, key, faults),
            TargetKind::Outlook => self.api(Vendor::Outlook, key, faults),
            TargetKind::Acuity | TargetKind::CalCom | TargetKind::Described | TargetKind::Zendesk => {
                self.described(key, faults)
            }
            TargetKind::Calendly => self.calendly(key, faults),
            TargetKind::HubSpot => self.hubspot(key, faults),
            TargetKind::Webhook => self.webhook(key, faults),
        };
        let lane_key = format!("{key}.lane");
        let schedule = self.lane.schedule(&lane_key, faults);
        self.lane.validate(&lane_key, longest, faults);
        let (base, protocol) = protocol?;
        Some(Target {
            name,
            base: Held::new(base),
            protocol,
            concurrency: usize::try_from(self.lane.concurrency.get()).unwrap_or(usize::MAX),
            requests_per_second: self.lane.requests_per_second,
            timeout: self.lane.timeout,
            schedule: schedule?,
            edits: self.edits.unwrap_or_default() == Edits::Ask,
            breaker: BreakerPolicy {
                failures: self.lane.breaker_failures.get(),
                pause: self.lane.breaker_pause,
                pause_max: self.lane.breaker_pause_max,
            },
        })
    }

    fn caldav(&self, key: &str, faults: &mut Faults) -> Option<(Url, Protocol)> {
        let base = required(self.base_url.as_deref(), &format!("{key}.base_url"), faults);
        let base = base.and_then(|text| address(text, &format!("{key}.base_url"), faults));
        let username = required(self.username.clone(), &format!("{key}.username"), faults);
        let password = required(self.password.clone(), &format!("{key}.password"), faults);
        let base = base?;
        faults.require(base.query().is_none(), &format!("{key}.base_url"), "must have no query");
        Some((base, Protocol::CalDav { login: Held::new((username?, password?)) }))
    }

    fn api(&self, vendor: Vendor, key: &str, faults: &mut Faults) -> Option<(Url, Protocol)> {
        let base_key = format!("{key}.base_url");
        let (base, grant) = match vendor {
            Vendor::Google => (google::BASE, GOOGLE),
            Vendor::Outlook => (outlook::BASE, MICROSOFT),
        };
        let text = self.base_url.as_deref().unwrap_or(base);
        let ours = is_ours(text);
        faults.require(ours, &base_key, "is no https:// address; http:// is for this machine only");
        let written = Written {
            token: self.token.as_ref(),
            service_account_file: self.service_account_file.as_deref(),
            client_id: self.client_id.as_deref(),
            client_secret: self.client_secret.as_ref(),
            token_url: self.token_url.as_deref(),
            impersonate: self.impersonate.as_deref(),
            ..Written::default()
        };
        let credential = written.read(
            Some(grant),
            |file| std::fs::read(file),
            |setting, problem| {
                faults.add(&format!("{key}.{setting}"), problem);
            },
        );
        let base = address(text, &base_key, faults).filter(|_| ours)?;
        Some((base, Protocol::Api { vendor, credential: Held::new(credential?) }))
    }

    fn described(&self, key: &str, faults: &mut Faults) -> Option<(Url, Protocol)> {
        let shipped = SHIPPED_TARGETS.iter().find(|(name, _)| *name == self.kind.as_str());
        let description = match (shipped, &self.description) {
            (Some((name, _)), _) => shipped_target(name),
            (None, None) => {
                faults.add(&format!("{key}.description"), "is missing; describe how the target is written to");
                None
            }
            (None, Some(written)) => Description::new(written)
                .map_err(|wrong| {
                    for fault in wrong {
                        faults.add(&format!("{key}.description.{}", fault.key), fault.problem);
                    }
                })
                .ok(),
        };
        let credential = self.own_credential(key, faults);
        let description = description?;
        let account = self.account.clone().unwrap_or_default();
        faults.require(
            !account.trim().is_empty() || !description.needs_account(),
            &format!("{key}.account"),
            "is required: the templates of its requests have {account}",
        );
        let base = self.own_base(description.base.as_deref(), key, faults)?;
        let credential = Held::new(credential?);
        let description = Box::new(description);
        Some((base, Protocol::Described { kind: self.kind, description, account, credential }))
    }

    fn calendly(&self, key: &str, faults: &mut Faults) -> Option<(Url, Protocol)> {
        let credential = self.own_credential(key, faults);
        let name = self.source.as_deref().unwrap_or("calendly");
        let source = name.parse::<SourceName>().map_err(|error| faults.add(&format!("{key}.source"), error)).ok();
        let base = self.own_base(Some(calendly::BASE), key, faults)?;
        let on_refusal = self.on_refusal.unwrap_or(OnRefusal::Flag);
        faults.require(
            on_refusal == OnRefusal::Cancel || self.cancellations_per_hour.is_none(),
            &format!("{key}.cancellations_per_hour"),
            "is of no use without on_refusal = \"cancel\"",
        );
        let cancellations_per_hour = self.cancellations_per_hour.unwrap_or(NonZeroU32::MIN.saturating_add(19));
        let credential = Held::new(credential?);
        Some((base, Protocol::Calendly { credential, source: source?, on_refusal, cancellations_per_hour }))
    }

    fn hubspot(&self, key: &str, faults: &mut Faults) -> Option<(Url, Protocol)> {
        let credential = self.own_credential(key, faults);
        let base = self.own_base(Some(hubspot::BASE), key, faults)?;
        Some((base, Protocol::HubSpot { credential: Held::new(credential?) }))
    }

    /// Who we are, where that is a token, or a name and a password.
    fn own_credential(&self, key: &str, faults: &mut Faults) -> Option<Credential> {
        let written = Written {
            username: self.username.as_deref(),
            password: self.password.as_ref(),
            token: self.token.as_ref(),
            ..Written::default()
        };
        written.read(
            None,
            |file| std::fs::read(file),
            |setting, problem| {
                faults.add(&format!("{key}.{setting}"), problem);
            },
        )
    }

    /// Where the API is: as it is set, or where it usually is.
    fn own_base(&self, usual: Option<&str>, key: &str, faults: &mut Faults) -> Option<Url> {
        let base_key = format!("{key}.base_url");
        let text = required(self.base_url.as_deref().or(usual), &base_key, faults)?;
        let ours = is_ours(text);
        faults.require(ours, &base_key, "is no https:// address; http:// is for this machine only");
        address(text, &base_key, faults).filter(|_| ours)
    }

    /// What is set, and belongs to a target of another kind.
    fn refuse_strangers(&self, key: &str, faults: &mut Faults) {
        use TargetKind::{
            Acuity, CalCom, Caldav, Calendly, Described, GoogleCalendar, HubSpot, Outlook, Webhook, Zendesk,
        };
        let settings: [(&str, bool, &[TargetKind]); 18] = [
            ("edits", self.edits.is_some(), &[Caldav, GoogleCalendar, Outlook]),
            (
                "base_url",
                self.base_url.is_some(),
                &[Caldav, Calendly, GoogleCalendar, Outlook, HubSpot, Acuity, CalCom, Zendesk, Described],
            ),
            ("username", self.username.is_some(), &[Caldav, Acuity, CalCom, Zendesk, Described]),
            ("password", self.password.is_some(), &[Caldav, Acuity, CalCom, Zendesk, Described]),
            (
                "token",
                self.token.is_some(),
                &[Calendly, GoogleCalendar, Outlook, HubSpot, Acuity, CalCom, Zendesk, Described],
            ),
            ("service_account_file", self.service_account_file.is_some(), &[GoogleCalendar]),
            ("impersonate", self.impersonate.is_some(), &[GoogleCalendar]),
            ("client_id", self.client_id.is_some(), &[Outlook]),
            ("client_secret", self.client_secret.is_some(), &[Outlook]),
            ("token_url", self.token_url.is_some(), &[Outlook]),
            ("url", self.url.is_some(), &[Webhook]),
            ("secrets", !self.secrets.is_empty(), &[Webhook]),
            ("allow_private", self.allow_private.is_some(), &[Webhook]),
            ("account", self.account.is_some(), &[Acuity, CalCom, Zendesk, Described]),
            ("description", self.description.is_some(), &[Described]),
            ("source", self.source.is_some(), &[Calendly]),
            ("on_refusal", self.on_refusal.is_some(), &[Calendly]),
            ("cancellations_per_hour", self.cancellations_per_hour.is_some(), &[Calendly]),
        ];
        for (setting, _, kinds) in settings.into_iter().filter(|(_, set, kinds)| *set && !kinds.contains(&self.kind)) {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("\"{}\"", kind.as_str())).collect();
            faults.add(&format!("{key}.{setting}"), format_args!("belongs to kind = {}", kinds.join(" or ")));
        }
    }

    fn webhook(&self, key: &str, faults: &mut Faults) -> Option<(Url, Protocol)> {
        let url_key = format!("{key}.url");
        let allow_private = self.allow_private.unwrap_or(false);
        let base = required(self.url.as_ref().map(ExposeSecret::expose_secret), &url_key, faults);
        let base = base.and_then(|text| address(text, &url_key, faults));
        if let Some(base) = base.as_ref().filter(|_| !allow_private) {
            faults.require(
                base.scheme() == "https",
                &url_key,
                "must begin with https://, unless allow_private is true",
            );
            faults.require(
                may_be_public(base),
                &url_key,
                "names an address that is not public; only with allow_private = true may it",
            );
        }
        let secrets_key = format!("{key}.secrets");
        faults.require(!self.secrets.is_empty(), &secrets_key, "is required: at least one secret");
        let mut secrets = Vec::with_capacity(self.secrets.len());
        for (at, secret) in self.secrets.iter().enumerate() {
            match secret.expose_secret().parse::<Secret>() {
                Ok(secret) => secrets.push(secret),
                Err(error) => faults.add(&format!("{secrets_key}.{at}"), error),
            }
        }
        Some((base?, Protocol::Webhook { secrets: Held::new(secrets), allow_private }))
    }
}

fn required<T>(value: Option<T>, key: &str, faults: &mut Faults) -> Option<T> {
    faults.require(value.is_some(), key, "is required and has no default");
    value
}

fn address(text: &str, key: &str, faults: &mut Faults) -> Option<Url> {
    let Ok(url) = text.parse::<Url>() else {
        faults.add(key, "is no URL");
        return None;
    };
    let sound = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    faults.require(sound, key, "must begin with http:// or https:// and name a host");
    let bare = url.username().is_empty() && url.password().is_none();
    faults.require(bare, key, "holds a user name or password; they have settings of their own");
    faults.require(url.fragment().is_none(), key, "must have no fragment");
    (sound && bare).then_some(url)
}

impl LaneConfig {
    fn schedule(&self, key: &str, faults: &mut Faults) -> Option<RetrySchedule> {
        let pauses = Pauses {
            min: self.pause_min,
            max: self.pause_max,
            throttled: self.pause_throttled,
            unauthorized: self.pause_unauthorized,
        };
        let schedule = match &self.schedule {
            Some(delays) => RetrySchedule::new(delays.iter().map(|delay| delay.0).collect(), pauses),
            None => RetrySchedule::default().with_pauses(pauses),
        };
        let (setting, error) = match schedule {
            Ok(schedule) => return Some(schedule),
            Err(error @ (ScheduleError::Empty | ScheduleError::Falling { .. })) => ("schedule", error),
            Err(error @ ScheduleError::Limits) => ("pause_min", error),
        };
        faults.add(&format!("{key}.{setting}"), error);
        None
    }

    fn validate(&self, key: &str, longest: Duration, faults: &mut Faults) {
        faults.require(!self.timeout.is_zero(), &format!("{key}.timeout"), "must not be zero");
        faults.require(
            self.timeout <= longest,
            &format!("{key}.timeout"),
            format_args!("must be at most {} s, which is propagator.lease less its margin", longest.as_secs()),
        );
        faults.require(!self.breaker_pause.is_zero(), &format!("{key}.breaker_pause"), "must not be zero");
        faults.require(
            self.breaker_pause <= self.breaker_pause_max,
            &format!("{key}.breaker_pause"),
            format_args!("must not be longer than {key}.breaker_pause_max"),
        );
    }
}
