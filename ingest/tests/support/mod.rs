//! A door with a broker behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use daybook_domain::{SourceName, topics};
use daybook_ingest::{ApiConfig, Config, IngestConfig, SourceConfig, start};
use daybook_runtime::admin::AdminConfig;
use daybook_runtime::clock;
use daybook_runtime::kafka::{KafkaConfig, Record, read_all};
use daybook_runtime::postgres::PostgresConfig;
use daybook_runtime::registry::RegistryConfig;
use daybook_runtime::service::Service;
use daybook_runtime::telemetry::{LogConfig, LogFormat};
use daybook_wire::standard_webhooks;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use reqwest::RequestBuilder;
use tokio::net::TcpStream;

pub const GENERIC_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const GENERIC_SECRET_OLD: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl72b7/0aX";

pub struct Door {
    pub address: SocketAddr,
    pub http: reqwest::Client,
    pub service: Service,
    kafka: KafkaConfig,
    mock: MockCluster<'static, DefaultProducerContext>,
}

impl Door {
    pub async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mock = MockCluster::new(1).expect("a mock cluster");
        for source in ["calendly", "generic", "acuity"] {
            let source: SourceName = source.parse().expect("a name");
            mock.create_topic(&topics::raw(&source), 3, 1).expect("a topic");
        }
        mock.create_topic(topics::DLQ_NORMALIZER, 3, 1).expect("a topic");
        daybook_runtime::tls::install();
        let kafka = KafkaConfig { brokers: mock.bootstrap_servers(), security: None, options: BTreeMap::new() };
        let mut config = config(kafka.clone());
        change(&mut config);
        let service = Service::new("ingest").expect("a service");
        let address = start(config, &service).await.expect("a door");
        let door = Self { address, http: reqwest::Client::new(), service, kafka, mock };
        door.until("ready", || door.service.health.readiness().0).await;
        door
    }

    pub fn url(&self, source: &str) -> String {
        format!("http://{}/webhooks/{source}", self.address)
    }

    pub fn post(&self, source: &str) -> RequestBuilder {
        self.http.post(self.url(source)).header("content-type", "application/json")
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    /// What is on a source's topic now.
    pub fn records(&self, source: &str) -> Vec<Record> {
        self.topic(&topics::raw(&source.parse::<SourceName>().expect("a name")))
    }

    /// What is on a topic now.
    pub fn topic(&self, topic: &str) -> Vec<Record> {
        let mut records = Vec::new();
        read_all(&self.kafka, topic, Duration::from_secs(20), |record| records.push(record)).expect("reads");
        records
    }

    pub fn broker_down(&self) {
        self.mock.broker_down(1).expect("down");
    }

    pub fn broker_up(&self) {
        self.mock.broker_up(1).expect("up");
    }

    pub fn webhooks(&self, source: &str, outcome: &str) -> u64 {
        self.metric("daybook_ingest_webhooks_total", &[("source", source), ("outcome", outcome)]) as u64
    }

    /// The value of a counter or gauge with these labels; 0 if there is none.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = daybook_runtime::metrics::render(&self.service.registry).expect("renders");
        let fits = |line: &&str| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']));
            rest.is_some() && labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")))
        };
        let value = text.lines().find(fits).and_then(|line| line.rsplit(' ').next()?.parse().ok());
        value.unwrap_or(0.0)
    }

    /// Waits until `holds`.
    pub async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let wait = async {
            let mut looks = tokio::time::interval(Duration::from_millis(10));
            while !holds() {
                looks.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
    }
}

fn config(kafka: KafkaConfig) -> Config {
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let source = |kind: &str, secrets: &[&str]| SourceConfig {
        kind: kind.to_owned(),
        description: None,
        secrets: secrets.iter().map(|secret| (*secret).into()).collect(),
        public_url: None,
        api: None,
        window_past: None,
        window_future: None,
        poll: None,
        feeds: Default::default(),
    };
    Config {
        kafka,
        // Nobody listens at either: webhooks need neither.
        postgres: PostgresConfig {
            url: "postgres://daybook_ingest@127.0.0.1:1/daybook".to_owned(),
            password: None,
            connections: 1,
        },
        registry: RegistryConfig { url: "http://127.0.0.1:1".to_owned(), username: None, password: None },
        admin: AdminConfig { listen: any },
        log: LogConfig { format: LogFormat::Text, filter: "info".to_owned() },
        ingest: IngestConfig {
            listen: any,
            body_max_bytes: 1024 * 1024,
            in_flight_max: 64,
            connections_max: 128,
            header_timeout: Duration::from_secs(2),
            body_timeout: Duration::from_secs(2),
            acknowledge_timeout: Duration::from_secs(10),
        },
        api: ApiConfig {
            in_flight_max: 32,
            waiting_max: 16,
            wait_default: Duration::from_secs(1),
            wait_max: Duration::from_secs(2),
            body_max_bytes: 65_536,
            rate_per_second: NonZeroU32::new(50).expect("above zero"),
            rate_burst: NonZeroU32::new(200).expect("above zero"),
        },
        sources: BTreeMap::from([
            ("calendly".to_owned(), source("calendly", &["a-signing-key-of-calendly"])),
            ("generic".to_owned(), source("generic", &[GENERIC_SECRET, GENERIC_SECRET_OLD])),
        ]),
    }
}

/// A delivery to the generic source, signed now.
pub fn generic(door: &Door, id: &str, body: &[u8]) -> RequestBuilder {
    signed_by(door, GENERIC_SECRET, id, body)
}

pub fn signed_by(door: &Door, secret: &str, id: &str, body: &[u8]) -> RequestBuilder {
    let (timestamp, signature) = standard(secret, id, body);
    door.post("generic")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature)
        .body(body.to_vec())
}

/// The same as header lines.
pub fn standard_headers(secret: &str, id: &str, body: &[u8]) -> String {
    let (timestamp, signature) = standard(secret, id, body);
    format!("webhook-id: {id}\r\nwebhook-timestamp: {timestamp}\r\nwebhook-signature: {signature}\r\n")
}

fn standard(secret: &str, id: &str, body: &[u8]) -> (i64, String) {
    let timestamp = clock::now().millis() / 1_000;
    (timestamp, standard_webhooks::sign(&[secret.parse().expect("a secret")], id, timestamp, body))
}
