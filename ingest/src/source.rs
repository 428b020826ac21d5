//! The configured sources: who signs how, and where its events go.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::http::HeaderMap;
use daybook_domain::{SourceName, Timestamp, topics};
use daybook_format::{Description, Format, Part, Proof};
use daybook_ingest_core::calendly::SigningKey;
use daybook_ingest_core::described::{Shared, SharedSecret};
use daybook_ingest_core::fetch::How;
use daybook_ingest_core::{Authentic, Refusal, Window, calendly, described, standard};
use daybook_runtime::reread::Held;
use daybook_wire::standard_webhooks::Secret;
use secrecy::{ExposeSecret, SecretString};

use crate::breaker::Breaker;
use crate::config::SourceConfig;
use crate::listing::Listings;
use crate::poll::Polled;
use crate::vendor::Api;

/// Names under which Daybook itself speaks.
const RESERVED: [&str; 2] = ["api", "daybook"];

/// What is wrong with the sources' settings.
#[derive(Debug, thiserror::Error)]
#[error("the sources are not configured soundly")]
pub struct SourceFaults(pub Vec<SourceFault>);

/// One setting that is wrong.
#[derive(Debug)]
pub struct SourceFault {
    /// Which.
    pub key: String,
    /// What is wrong with it and what to do.
    pub problem: String,
}

/// Every source, by name.
#[derive(Debug)]
pub struct Sources(BTreeMap<String, Source>);

/// One source.
#[derive(Debug)]
pub struct Source {
    /// Its name.
    pub name: SourceName,
    /// What it sends.
    pub format: Format,
    /// Where its events go.
    pub topic: String,
    /// Whether Kafka takes them. One for each source: a topic that is missing must not stop the others.
    pub breaker: Breaker,
    /// How the states are fetched that its deliveries speak of, if they only do that.
    pub fetched: Option<(How, Api)>,
    /// How bookings are listed that its deliveries have not told of.
    pub listings: Option<Listings>,
    /// How its calendars are read, if it is one that has some.
    pub polled: Option<Polled>,
    scheme: Held<Scheme>,
    window: Window,
}

#[derive(Debug)]
enum Scheme {
    Calendly(Vec<SigningKey>),
    Standard(Vec<Secret>),
    Described(Arc<Description>, Shared),
    /// Nothing comes in by this door but word that a calendar has changed, if that.
    Pings,
}

impl Sources {
    /// The sources as configured, or everything that is wrong with them.
    pub fn new(configured: &BTreeMap<String, SourceConfig>) -> Result<Self, SourceFaults> {
        let mut faults = Vec::new();
        let mut sources = BTreeMap::new();
        for (name, config) in configured {
            if let Some(source) = Source::new(name, config, &mut faults) {
                sources.insert(name.clone(), source);
            }
        }
        if faults.is_empty() { Ok(Self(sources)) } else { Err(SourceFaults(faults)) }
    }

    /// The source of this name.
    pub fn get(&self, name: &str) -> Option<&Source> {
        self.0.get(name)
    }

    /// Every source.
    pub fn all(&self) -> impl Iterator<Item = &Source> {
        self.0.values()
    }

    /// Takes over what is secret of those that are the same source still, read again.
    pub fn renew(&self, fresh: &Self) {
        for (name, source) in &self.0 {
            // Of a described one, how it signs is a part of its description, and another one holds from the next start.
            let same = |fresh: &&Source| format!("{:?}", fresh.format) == format!("{:?}", source.format);
            if let Some(fresh) = fresh.0.get(name).filter(same) {
                source.renew(fresh);
            }
        }
    }

    /// The names of those whose API is asked.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.all().filter(|source| source.fetched.is_some() || source.polled.is_some());
        asked.map(|source| source.name.to_string()).collect()
    }
}

impl Source {
    fn new(name: &str, config: &SourceConfig, faults: &mut Vec<SourceFault>) -> Option<Self> {
        let mut fault = |key: String, problem: &dyn fmt::Display| {
            faults.push(SourceFault { key, problem: problem.to_string() });
        };
        if RESERVED.contains(&name) {
            fault(format!("sources.{name}"), &"is a name of Daybook's own; take another");
        }
        let parsed: Option<SourceName> = name.parse().map_err(|error| fault(format!("sources.{name}"), &error)).ok();
        let setting = format!("sources.{name}.secrets");
        let format = match Format::new(&config.kind, config.description.as_ref()) {
            Ok(format) => format,
            Err(found) => {
                for found in found {
                    fault(format!("sources.{name}.{}", found.key), &found.problem);
                }
                return None;
            }
        };
        if config.secrets.is_empty() && !format.has_calendars() {
            fault(setting.clone(), &"are missing; give at least one, or anybody could write bookings");
        }
        let secrets = &config.secrets;
        let (scheme, window) = match &format {
            Format::Calendly => {
                (Scheme::Calendly(parse_all(secrets, &setting, str::parse, &mut fault)), Window::CALENDLY)
            }
            Format::Generic => {
                (Scheme::Standard(parse_all(secrets, &setting, str::parse, &mut fault)), Window::STANDARD_WEBHOOKS)
            }
            Format::Described(description) => {
                let read = |text: &str| SharedSecret::new(text, &description.delivery);
                let secrets = parse_all(secrets, &setting, read, &mut fault);
                if !signs(description, &Part::Timestamp)
                    && (config.window_past.is_some() || config.window_future.is_some())
                {
                    let problem = "and window_future have nothing to go by: this format's signature has no time in it";
                    fault(format!("sources.{name}.window_past"), &problem);
                }
                let url = config.public_url.clone();
                if url.is_none() && signs(description, &Part::Url) {
                    let problem = "is missing; this format signs the address that the source was given";
                    fault(format!("sources.{name}.public_url"), &problem);
                }
                (Scheme::Described(Arc::clone(description), Shared { secrets, url }), Window::DESCRIBED)
            }
            // See `Polled`.
            Format::GoogleCalendar | Format::Outlook | Format::CalDav | Format::IcsFeed => {
                if config.window_past.is_some() || config.window_future.is_some() {
                    let problem = "and window_future are about signatures, and this source has none; how far calendars are read, \
                                   its table poll says";
                    fault(format!("sources.{name}.window_past"), &problem);
                }
                (Scheme::Pings, Window::DESCRIBED)
            }
            // No text reads as this format.
            Format::Api => return None,
        };
        let polled = Polled::read(&format, config, |setting, problem| {
            fault(format!("sources.{name}.{setting}"), problem);
        });
        let how = How::of(&format);
        let only_tells = matches!(&how, Some(How::Described(description)) if description.only_tells());
        let fetched = match (how, &config.api) {
            _ if format.has_calendars() => None,
            (Some(how), Some(api)) => {
                let named = |setting: &str, problem: &dyn fmt::Display| {
                    fault(format!("sources.{name}.api.{setting}"), problem);
                };
                api.read(None, named).map(|api| (how, api))
            }
            (Some(_), None) if only_tells => {
                fault(format!("sources.{name}.api"), &"is missing; what this source speaks of has to be fetched");
                None
            }
            (None, Some(_)) => {
                fault(format!("sources.{name}.api"), &"is of no use: nothing has to be fetched from this source");
                None
            }
            (Some(_) | None, None) => None,
        };
        let listings = match &fetched {
            Some((how, api)) => Listings::read(how, api, config.poll.as_ref(), |setting, problem| {
                fault(format!("sources.{name}.{setting}"), problem);
            }),
            None => {
                if config.poll.is_some() && !format.has_calendars() {
                    let problem = "is of no use: nothing of this source is read or listed, or its table api is missing";
                    fault(format!("sources.{name}.poll"), &problem);
                }
                None
            }
        };
        let name = parsed?;
        let window = Window {
            past: config.window_past.unwrap_or(window.past),
            future: config.window_future.unwrap_or(window.future),
        };
        Some(Self {
            topic: topics::raw(&name),
            name,
            format,
            breaker: Breaker::new(),
            fetched,
            listings,
            polled,
            scheme: Held::new(scheme),
            window,
        })
    }

    fn renew(&self, fresh: &Self) {
        self.scheme.become_as(&fresh.scheme);
        // What is listed is asked for by the same account.
        if let (Some((_, api)), Some((_, fresh))) = (&self.fetched, &fresh.fetched) {
            // What is meant for another address is not sent to this one; both are taken over at the next start.
            if api.base == fresh.base {
                api.credential.become_as(&fresh.credential);
            }
        }
        if let (Some(polled), Some(fresh)) = (&self.polled, &fresh.polled) {
            polled.renew(fresh);
        }
    }

    /// Whether it sends anything to this door.
    pub fn delivers(&self) -> bool {
        self.polled.as_ref().is_none_or(|polled| polled.pings.is_some())
    }

    /// Judges a delivery by this source's scheme.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Authentic, Refusal> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        match &*self.scheme.get() {
            Scheme::Calendly(keys) => calendly::verify(header, body, keys, now, self.window),
            Scheme::Standard(secrets) => standard::verify(header, body, secrets, now, self.window),
            Scheme::Described(description, shared) => {
                described::verify(header, body, &description.delivery, shared, now, self.window)
            }
            Scheme::Pings => Err(Refusal::BadSignature),
        }
    }
}

fn signs(description: &Description, part: &Part) -> bool {
    match &description.delivery.proof {
        Proof::Signature(signature) => signature.parts.contains(part),
        Proof::Token(_) => false,
    }
}

fn parse_all<T, E: fmt::Display>(
    secrets: &[SecretString],
    setting: &str,
    read: impl Fn(&str) -> Result<T, E>,
    fault: &mut impl FnMut(String, &dyn fmt::Display),
) -> Vec<T> {
    let parse = |(at, secret): (usize, &SecretString)| {
        read(secret.expose_secret()).map_err(|error| fault(format!("{setting}[{at}]"), &error)).ok()
    };
    secrets.iter().enumerate().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::PollConfig;

    fn source(kind: &str, secrets: &[&str]) -> SourceConfig {
        let secrets = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        SourceConfig {
            kind: kind.to_owned(),
            description: None,
            secrets,
            public_url: None,
            window_past: None,
            window_future: None,
            api: None,
            poll: None,
            feeds: BTreeMap::new(),
        }
    }

    fn faults(name: &str, config: SourceConfig) -> Vec<String> {
        match Sources::new(&[(name.to_owned(), config)].into()) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.0.into_iter().map(|fault| format!("{}: {}", fault.key, fault.problem)).collect(),
        }
    }

    #[test]
    fn a_source_without_secrets_is_a_fault() {
        let found = faults("shop", source("generic", &[]));
        assert!(found.iter().any(|fault| fault.starts_with("sources.shop.secrets: are missing")), "{found:?}");
    }

    #[test]
    fn a_secret_that_does_not_read_is_named_by_its_place_and_never_shown() {
        let config = source("generic", &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "hunter2-hunter2"]);
        let found = faults("shop", config);
        assert!(found.iter().any(|fault| fault.starts_with("sources.shop.secrets[1]: ")), "{found:?}");
        assert!(!found.concat().contains("hunter2"));
    }

    #[test]
    fn secrets_that_are_read_again_count_and_those_of_another_kind_of_source_do_not() {
        const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        const NEW: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl72b7/0aX";
        let sources = |kind: &str, secrets: &[&str]| {
            Sources::new(&[("shop".to_owned(), source(kind, secrets))].into()).expect("sound")
        };
        let now = Timestamp::from_millis(1_800_000_000_000).expect("a time");
        let signed = |secret: &str| {
            let secret: Secret = secret.parse().expect("a secret");
            let seconds = now.millis() / 1_000;
            let signature = daybook_wire::standard_webhooks::sign(&[secret], "msg_1", seconds, b"{}");
            let mut headers = HeaderMap::new();
            headers.insert("webhook-id", "msg_1".parse().expect("a value"));
            headers.insert("webhook-timestamp", seconds.to_string().parse().expect("a value"));
            headers.insert("webhook-signature", signature.parse().expect("a value"));
            headers
        };
        let running = sources("generic", &[OLD]);
        let passes =
            |secret: &str| running.get("shop").is_some_and(|source| source.verify(&signed(secret), b"{}", now).is_ok());
        assert_eq!((passes(OLD), passes(NEW)), (true, false));
        running.renew(&sources("generic", &[NEW, OLD]));
        assert_eq!((passes(OLD), passes(NEW)), (true, true));
        running.renew(&sources("generic", &[NEW]));
        assert_eq!((passes(OLD), passes(NEW)), (false, true));
        running.renew(&sources("calendly", &["a-signing-key-of-16"]));
        running.renew(&Sources::new(&BTreeMap::new()).expect("none"));
        assert_eq!((passes(OLD), passes(NEW)), (false, true));
    }

    #[test]
    fn a_published_calendar_is_at_a_public_address_over_https_unless_somebody_says_otherwise() {
        let feed = |address: &str, private: bool| {
            let poll = PollConfig { allow_private: private, ..PollConfig::default() };
            let feeds = [("anna".to_owned(), SecretString::from(address))].into();
            faults("rota", SourceConfig { poll: Some(poll), feeds, ..source("ics-feed", &[]) })
        };
        for address in ["https://rota.example.com/private-x/basic.ics", "webcal://rota.example.com/basic.ics"] {
            assert_eq!(feed(address, false), [""; 0], "{address}");
        }
        for address in
            ["https://127.0.0.1/a.ics", "https://10.0.0.7/a.ics", "https://[::1]/a.ics", "https://localhost/a.ics"]
        {
            let found = feed(address, false);
            assert_eq!(found.len(), 1, "{address}");
            assert!(found[0].starts_with("sources.rota.feeds.anna: names an address that is not public"), "{found:?}");
            assert_eq!(feed(address, true), [""; 0], "{address}");
        }
        let open = feed("http://rota.example.com/hunter2.ics", false);
        assert!(open[0].starts_with("sources.rota.feeds.anna: must begin with https://"), "{open:?}");
        assert!(!open.concat().contains("hunter2"));
        assert_eq!(feed("http://rota.example.com/a.ics", true), [""; 0]);
    }

    #[test]
    fn what_is_missing_and_what_is_of_no_use_where_calendars_are_icalendar_is_said_at_once() {
        let found = faults("rota", source("ics-feed", &[]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("sources.rota.feeds: are missing"), "{found:?}");
        let poll = PollConfig { zone: Some("Berlin".to_owned()), allow_private: true, ..PollConfig::default() };
        let feeds = [("anna".to_owned(), SecretString::from("https://rota.example.com/a.ics"))].into();
        let config = SourceConfig { poll: Some(poll), feeds, ..source("caldav", &["a-secret-of-16-bytes"]) };
        let mut found = faults("rota", config);
        found.sort();
        let keys: Vec<_> = found.iter().filter_map(|fault| fault.split(": ").next()).collect();
        let expected = [
            "sources.rota.api",
            "sources.rota.feeds",
            "sources.rota.poll.allow_private",
            "sources.rota.poll.zone",
            "sources.rota.secrets",
        ];
        assert_eq!(keys, expected, "{found:?}");
    }

    #[test]
    fn a_name_must_fit_a_topic_and_be_no_name_of_our_own() {
        for name in ["Shop", "daybook", "api"] {
            let found = faults(name, source("calendly", &["a-signing-key-of-16"]));
            assert_eq!(found.len(), 1, "{found:?}");
        }
        assert!(faults("shop", source("calendly", &["a-signing-key-of-16"])).is_empty());
    }
}
