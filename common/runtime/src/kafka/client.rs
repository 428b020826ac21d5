//! Connection settings, and librdkafka's options with the reason for each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rdkafka::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::config::Faults;

/// How to reach the brokers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// TLS and SASL; plain text without it.
    #[serde(default)]
    pub security: Option<SecurityConfig>,
    /// Further librdkafka options, by librdkafka's names. One that Daybook sets itself is refused: it has a reason.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// TLS, and SASL if there is a user name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityConfig {
    /// The authority that signed the brokers' certificates, PEM; the system's authorities without it.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Our certificate, PEM, where the brokers want one.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// Its key, PEM.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// The SASL mechanism; no SASL without it.
    #[serde(default)]
    pub sasl_mechanism: Option<SaslMechanism>,
    /// SASL user name.
    #[serde(default)]
    pub username: Option<String>,
    /// SASL password.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// Whether to use TLS. Turn off only where something else encrypts.
    #[serde(default = "yes")]
    pub tls: bool,
}

const fn yes() -> bool {
    true
}

/// How SASL proves who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum SaslMechanism {
    /// Salted challenge, SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Salted challenge, SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// The password as it is; only under TLS.
    #[serde(rename = "PLAIN")]
    Plain,
}

impl SaslMechanism {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::Plain => "PLAIN",
        }
    }
}

/// Options that Daybook sets, of whatever client. An override of one would silently break a promise.
const OURS: [&str; 18] = [
    "bootstrap.servers",
    "security.protocol",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "partition.assignment.strategy",
    "group.protocol",
    "group.instance.id",
    "auto.offset.reset",
    "isolation.level",
    "acks",
    "enable.idempotence",
    "partitioner",
    "message.max.bytes",
    "allow.auto.create.topics",
];

impl KafkaConfig {
    /// Notes what is wrong with it.
    pub fn validate(&self, faults: &mut Faults) {
        faults.require(!self.brokers.trim().is_empty(), "kafka.brokers", "names no broker; give host:port");
        for option in self.options.keys().filter(|option| OURS.contains(&option.as_str())) {
            faults.add(&format!("kafka.options.{option}"), "is set by Daybook and cannot be overridden");
        }
        let Some(security) = &self.security else { return };
        let (user, password) = (security.username.is_some(), security.password.is_some());
        if security.sasl_mechanism.is_some() {
            faults.require(user, "kafka.security.username", "is required beside kafka.security.sasl_mechanism");
            faults.require(password, "kafka.security.password", "is required beside kafka.security.sasl_mechanism");
        } else {
            faults.require(!user, "kafka.security.username", "needs kafka.security.sasl_mechanism beside it");
        }
        let plain = security.sasl_mechanism == Some(SaslMechanism::Plain);
        faults.require(
            security.tls || !plain,
            "kafka.security.tls",
            "must be on with SASL PLAIN: it sends the password",
        );
        let pair = security.certificate_file.is_some() == security.key_file.is_some();
        faults.require(pair, "kafka.security.key_file", "and kafka.security.certificate_file go together");
    }

    /// A client's options: how to connect, then the caller's overrides.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers);
        // A broker that is back is used again within a second; the default backs off to ten.
        client.set("reconnect.backoff.max.ms", "1000");
        // A topic that is missing is a fault of the installation; never make one with the broker's defaults.
        client.set("allow.auto.create.topics", "false");
        // Kubernetes and cloud load balancers drop idle connections silently; probe them.
        client.set("socket.keepalive.enable", "true");
        if let Some(security) = &self.security {
            let sasl = security.sasl_mechanism;
            client.set(
                "security.protocol",
                match (security.tls, sasl.is_some()) {
                    (true, true) => "sasl_ssl",
                    (true, false) => "ssl",
                    (false, true) => "sasl_plaintext",
                    (false, false) => "plaintext",
                },
            );
            let files = [
                ("ssl.ca.location", &security.ca_file),
                ("ssl.certificate.location", &security.certificate_file),
                ("ssl.key.location", &security.key_file),
            ];
            for (option, file) in files {
                if let Some(file) = file {
                    client.set(option, file.to_string_lossy());
                }
            }
            if let Some(mechanism) = sasl {
                client.set("sasl.mechanisms", mechanism.as_str());
                client.set("sasl.username", security.username.as_deref().unwrap_or_default());
                let password = security.password.as_ref().map_or("", |password| password.expose_secret());
                client.set("sasl.password", password);
            }
        }
        for (option, value) in &self.options {
            client.set(option, value);
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_of_an_option_that_carries_a_promise_is_refused() {
        let config = KafkaConfig {
            brokers: "localhost:9092".to_owned(),
            security: None,
            options: [("acks".to_owned(), "1".to_owned()), ("linger.ms".to_owned(), "3".to_owned())].into(),
        };
        let mut faults = Faults::default();
        config.validate(&mut faults);
        assert!(faults.to_string().contains("kafka.options.acks"));
        assert!(!faults.to_string().contains("linger"));
    }

    #[test]
    fn a_password_is_withheld_from_debug_and_sent_to_the_client() {
        let security = SecurityConfig {
            ca_file: None,
            certificate_file: None,
            key_file: None,
            sasl_mechanism: Some(SaslMechanism::ScramSha512),
            username: Some("daybook".to_owned()),
            password: Some("hunter2".into()),
            tls: true,
        };
        let config = KafkaConfig { brokers: "b:1".to_owned(), security: Some(security), options: BTreeMap::new() };
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.client().get("sasl.password"), Some("hunter2"));
        assert_eq!(config.client().get("security.protocol"), Some("sasl_ssl"));
    }
}
