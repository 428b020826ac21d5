//! The propagator's settings.
//!
//! What a target may be told is not set here but with each resource, in the store: `resource_target`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use daybook_domain::TargetName;
use daybook_runtime::admin::AdminConfig;
use daybook_runtime::config::{Faults, Tree};
use daybook_runtime::kafka::KafkaConfig;
use daybook_runtime::postgres::PostgresConfig;
use daybook_runtime::registry::RegistryConfig;
use daybook_runtime::service::ServiceConfig;
use daybook_runtime::telemetry::LogConfig;
use serde::Deserialize;

use crate::reconcile::Pace;
use crate::target::{Target, TargetConfig};

/// How much of a lease is kept back for what follows the last call: recording, and the dead letter's acknowledgement.
pub(crate) const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// The tree.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How to reach the brokers.
    pub kafka: KafkaConfig,
    /// How to reach the schema registry.
    pub registry: RegistryConfig,
    /// How to reach the store; as the role `daybook_propagator`.
    pub postgres: PostgresConfig,
    /// The administrative port.
    pub admin: AdminConfig,
    /// How to log.
    pub log: LogConfig,
    /// How to work.
    pub propagator: PropagatorConfig,
    /// The systems that bookings are pushed to, by the names that `resource_target` uses.
    pub targets: BTreeMap<String, TargetConfig>,
}

/// How to work.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropagatorConfig {
    /// The consumer group.
    pub group: String,
    /// How long the group waits for a silent process before it gives its partitions away.
    #[serde(with = "humantime_serde")]
    pub session_timeout: Duration,
    /// Decisions taken in by one statement, and outcomes published in one go, at most.
    pub batch: usize,
    /// How long one delivery belongs to one worker. Another takes it on after that, so this is how long a delivery waits
    /// whose worker was killed.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// How often a lane looks for what has become due; new decisions wake it without waiting.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
    /// The pause between two passes of the sweep over all bookings.
    #[serde(with = "humantime_serde")]
    pub sweep: Duration,
    /// Bookings that the sweep compares in one statement.
    pub sweep_slice: u32,
    /// Between two readings of a calendar that bookings are shown in.
    #[serde(with = "humantime_serde")]
    pub reconcile: Duration,
    /// Until a calendar is read again in which something differed, or that could not be read; after failures twice as long each
    /// time, up to `reconcile`.
    #[serde(with = "humantime_serde")]
    pub reconcile_again: Duration,
    /// How far into the future calendars are read.
    #[serde(with = "humantime_serde")]
    pub reconcile_ahead: Duration,
    /// How often the gauges are taken from the store.
    #[serde(with = "humantime_serde")]
    pub gauges: Duration,
    /// How long attempts are remembered.
    #[serde(with = "humantime_serde")]
    pub history: Duration,
}

impl Tree for Config {
    const DEFAULTS: &'static str = include_str!("../defaults.toml");

    fn validate(&self, faults: &mut Faults) {
        self.kafka.validate(faults);
        self.registry.validate(faults);
        self.postgres.validate(faults);
        self.log.validate(faults);
        self.propagator.validate(faults);
        self.parse_targets(faults);
    }
}

impl PropagatorConfig {
    /// How targets are read back.
    pub(crate) const fn pace(&self) -> Pace {
        Pace { every: self.reconcile, again: self.reconcile_again, ahead: self.reconcile_ahead }
    }

    fn validate(&self, faults: &mut Faults) {
        let second = Duration::from_secs(1);
        faults.require(!self.group.trim().is_empty(), "propagator.group", "must not be empty");
        faults.require(self.batch > 0, "propagator.batch", "must be at least 1");
        faults.require(self.sweep_slice > 0, "propagator.sweep_slice", "must be at least 1");
        faults.require(!self.poll.is_zero(), "propagator.poll", "must not be zero");
        // The administrative port calls a lane dead that has not looked for ten times as long.
        faults.require(self.poll <= 6 * second, "propagator.poll", "must be at most 6s");
        faults.require(self.sweep >= second, "propagator.sweep", "must be at least 1s");
        faults.require(self.reconcile_again >= second, "propagator.reconcile_again", "must be at least 1s");
        faults.require(
            self.reconcile >= self.reconcile_again,
            "propagator.reconcile",
            "must not be shorter than propagator.reconcile_again",
        );
        let year = 366 * 24 * 3_600 * second;
        faults.require(
            (3_600 * second..=year).contains(&self.reconcile_ahead),
            "propagator.reconcile_ahead",
            "must be between 1h and 366d",
        );
        faults.require(self.gauges >= second, "propagator.gauges", "must be at least 1s");
        // What brokers accept by default (group.min.session.timeout.ms, group.max.session.timeout.ms).
        let accepted = 6 * second..=1_800 * second;
        faults.require(
            accepted.contains(&self.session_timeout),
            "propagator.session_timeout",
            "must be between 6s and 30m",
        );
        faults.require(
            self.lease >= 2 * LEASE_MARGIN,
            "propagator.lease",
            format_args!("must be at least {} s", 2 * LEASE_MARGIN.as_secs()),
        );
    }
}

impl Config {
    /// The key files that targets name.
    pub(crate) fn key_files(&self) -> Vec<PathBuf> {
        self.targets.values().filter_map(TargetConfig::key_file).collect()
    }

    /// The targets. Of those that are faulty, only the faults.
    pub(crate) fn parse_targets(&self, faults: &mut Faults) -> Vec<Target> {
        let longest = self.propagator.lease.saturating_sub(LEASE_MARGIN);
        let parsed = self.targets.iter().filter_map(|(name, target)| {
            let key = format!("targets.{name}");
            match name.parse::<TargetName>() {
                Ok(name) => target.parse(name, &key, longest, faults),
                Err(error) => {
                    faults.add(&key, format_args!("the name {error}"));
                    None
                }
            }
        });
        parsed.collect()
    }
}

impl ServiceConfig for Config {
    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn admin(&self) -> &AdminConfig {
        &self.admin
    }
}

#[cfg(test)]
mod tests {
    use daybook_access::Credential;
    use daybook_runtime::config;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::target::{OnRefusal, Protocol};

    fn faults(file: &str) -> String {
        config::read::<Config>(file).err().map(|faults| faults.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(faults(""), "");
    }

    #[test]
    fn a_target_of_each_kind_is_read_and_its_secrets_are_withheld() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let config: Config = config::read(&format!(
            "[targets.calendar]\nkind = 'caldav'\nbase_url = 'http://127.0.0.1:5232'\nusername = 'daybook'\n\
             password = 'hunter2'\n\
             [targets.partner]\nkind = 'webhook'\nurl = 'http://127.0.0.1:1/hook'\nallow_private = true\n\
             secrets = ['{secret}']\n\
             [targets.partner.lane]\nschedule = ['100ms', '2s']\nconcurrency = 2\n",
        ))
        .expect("sound");
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2") && !shown.contains(secret) && !shown.contains("/hook"));
        let targets = config.parse_targets(&mut Faults::default());
        let [calendar, partner] = &targets[..] else { panic!("two targets") };
        assert!(matches!(calendar.protocol, Protocol::CalDav { .. }));
        assert!(matches!(partner.protocol, Protocol::Webhook { allow_private: true, .. }));
        assert_eq!((partner.schedule.attempts_max(), partner.concurrency), (3, 2));
        assert_eq!((calendar.schedule.attempts_max(), calendar.concurrency), (55, 8));
    }

    #[test]
    fn a_target_that_is_described_is_judged_whole_and_one_that_is_shipped_takes_no_description() {
        let described = "[targets.desk]\nkind = 'described'\ntoken = 't'\n[targets.desk.description]\nsettles = '5s'\n\
             create = { path = 'entries', json = '{\"ref\": \"{booking}\"}' }\nchange = { path = '/entries/{id}' }\n\
             cancel = { path = '/entries/{id}' }\nlook = { path = '/entries/{id}' }\n\
             find = { path = '/entries?ref={booking}', items = '$' }\n\
             entry = { id = '$.id', booking = 'ref', start = '$.from', end = '$.to' }\n";
        let found = faults(described);
        for fault in [
            "targets.desk.base_url: is required",
            "targets.desk.description.create.path: must begin with a slash",
            "targets.desk.description.entry.booking: is no JSONPath",
        ] {
            let base = fault.starts_with("targets.desk.base_url");
            let text = if base {
                described.replace("'entries'", "'/entries'").replace("'ref'", "'$.ref'")
            } else {
                described.to_owned()
            };
            let found = faults(&text);
            assert!(found.contains(fault), "{fault} in {found}");
        }
        assert!(!found.contains("'t'"));
        let shipped =
            faults("[targets.site]\nkind = 'cal.com'\nurl = 'x'\n[targets.desk]\nkind = 'zendesk'\ntoken = 't'\n");
        for fault in [
            "targets.site.token: or username and password must say who asks",
            "targets.site.account: is required",
            "targets.site.url: belongs to kind = \"webhook\"",
            "targets.desk.base_url: is required",
        ] {
            assert!(shipped.contains(fault), "{fault} in {shipped}");
        }
        let sound = faults("[targets.site]\nkind = 'cal.com'\ntoken = 't'\naccount = 'bookings.clinic.example'\n");
        assert_eq!(sound, "");
    }

    #[test]
    fn a_refused_booking_is_left_to_a_person_unless_the_settings_of_its_source_say_otherwise() {
        let read = |more: &str| {
            let text = format!("[targets.calendly]\nkind = 'calendly'\ntoken = 't'\n{more}");
            let config: Config = config::read(&text).map_err(|faults| faults.to_string())?;
            let targets = config.parse_targets(&mut Faults::default());
            let Protocol::Calendly { on_refusal, cancellations_per_hour, source, .. } = &targets[0].protocol else {
                panic!("calendly")
            };
            Ok::<_, String>((*on_refusal, cancellations_per_hour.get(), source.to_string()))
        };
        assert_eq!(read(""), Ok((OnRefusal::Flag, 20, "calendly".to_owned())));
        let cancel = read("on_refusal = 'cancel'\ncancellations_per_hour = 3\nsource = 'sales'");
        assert_eq!(cancel, Ok((OnRefusal::Cancel, 3, "sales".to_owned())));
        for (more, fault) in [
            ("cancellations_per_hour = 3", "targets.calendly.cancellations_per_hour: is of no use without on_refusal"),
            ("on_refusal = 'ignore'", "targets.calendly.on_refusal: is not one of flag, cancel"),
            ("source = 'No Name'", "targets.calendly.source:"),
            ("account = 'x'", "targets.calendly.account: belongs to kind ="),
        ] {
            let found = read(more).expect_err("a fault");
            assert!(found.contains(fault), "{fault} in {found}");
        }
    }

    #[test]
    fn secrets_of_targets_that_are_read_again_count_wherever_they_are_used() {
        let read = |password: &str, secret: &str, url: &str| {
            let config: Config = config::read(&format!(
                "[targets.calendar]\nkind = 'caldav'\nbase_url = 'http://127.0.0.1:5232'\nusername = 'daybook'\n\
                 password = '{password}'\n\
                 [targets.partner]\nkind = 'webhook'\nurl = '{url}'\nallow_private = true\nsecrets = ['{secret}']\n\
                 [targets.team]\nkind = 'google-calendar'\ntoken = '{password}'\n",
            ))
            .expect("sound");
            config.parse_targets(&mut Faults::default())
        };
        let running = read("before", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "http://127.0.0.1:1/before");
        // As the lanes hold them.
        let held = running.clone();
        let fresh = read("after", "whsec_plJ3nmyCDGBKInavdOK15jsl72b7/0aX", "http://127.0.0.1:1/after");
        for (target, fresh) in running.iter().zip(&fresh) {
            target.renew(fresh);
        }
        let [calendar, partner, team] = &held[..] else { panic!("three targets") };
        let Protocol::CalDav { login } = &calendar.protocol else { panic!("a calendar") };
        assert_eq!(login.get().1.expose_secret(), "after");
        let Protocol::Webhook { secrets, .. } = &partner.protocol else { panic!("a webhook") };
        let Protocol::Webhook { secrets: new, .. } = &fresh[1].protocol else { panic!("a webhook") };
        assert!(std::sync::Arc::ptr_eq(&secrets.get(), &new.get()));
        assert_eq!(partner.base.get().path(), "/after");
        let Protocol::Api { credential, .. } = &team.protocol else { panic!("an API") };
        assert!(matches!(&*credential.get(), Credential::Bearer(token) if token.expose_secret() == "after"));
        // A password that is meant for another server is not sent to this one.
        let elsewhere: Config = config::read(
            "[targets.calendar]\nkind = 'caldav'\nbase_url = 'https://dav.example.com'\nusername = 'daybook'\npassword = 'elsewhere'",
        )
        .expect("sound");
        calendar.renew(&elsewhere.parse_targets(&mut Faults::default())[0]);
        assert_eq!(login.get().1.expose_secret(), "after");
        // What has become another kind of target is so from the next start.
        calendar.renew(partner);
        assert_eq!(login.get().1.expose_secret(), "after");
    }

    #[test]
    fn every_fault_of_every_target_is_reported_at_once_by_its_key() {
        let faults = faults(
            "[targets.calendar]\nkind = 'caldav'\nbase_url = 'ftp://dav'\nsecrets = ['x']\n\
             [targets.Partner]\nkind = 'webhook'\n\
             [targets.partner]\nkind = 'webhook'\nurl = 'http://10.0.0.1/hook'\nsecrets = ['hunter2']\n\
             [targets.partner.lane]\ntimeout = '29s'\nschedule = ['2s', '1s']\nbreaker_pause = '2m'\n",
        );
        for fault in [
            "targets.calendar.base_url: must begin with http",
            "targets.calendar.username: is required",
            "targets.calendar.password: is required",
            "targets.calendar.secrets: belongs to kind = \"webhook\"",
            "targets.Partner: the name has a character",
            "targets.partner.url: must begin with https",
            "targets.partner.url: names an address that is not public",
            "targets.partner.secrets.0: is not 'whsec_'",
            "targets.partner.lane.timeout: must be at most 25 s",
            "targets.partner.lane.schedule: delay number 2 is shorter",
            "targets.partner.lane.breaker_pause: must not be longer than targets.partner.lane.breaker_pause_max",
        ] {
            assert!(faults.contains(fault), "{fault} in {faults}");
        }
        assert!(!faults.contains("hunter2"));
    }

    #[test]
    fn a_setting_that_is_none_is_named_with_its_path() {
        assert!(faults("[targets.x]\nkind = 'webhook'\nsecret = 'y'").contains("targets.x.secret: is no setting"));
        assert!(
            faults("[targets.x]\nkind = 'smtp'")
                .contains("targets.x.kind: is not one of acuity, cal.com, caldav, calendly, described, google-calendar, hubspot, outlook, webhook, zendesk")
        );
        assert!(faults("[targets.x]\nurl = 'y'").contains("targets.x.kind: is required"));
        let lane = "[targets.x]\nkind = 'webhook'\n[targets.x.lane]\nconcurency = 2";
        assert!(faults(lane).contains("targets.x.lane.concurency: is no setting"));
        assert!(faults("[propagator]\nlease = '5s'").contains("propagator.lease: must be at least 10 s"));
    }
}
