//! The schema registry: ids of our schemas, schemas of others' ids. Both are kept for ever, because an id never changes
//! its meaning: an outage of the registry stops nothing that is known.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use daybook_wire::Schema;
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_schema_by_id_and_type, is_compatible_schema, perform_sr_call, post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{SchemaType, SrCall, SuppliedSchema};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::config::Faults;
use crate::metrics::CommonMetrics;
use crate::retry::Advice;

/// How to reach the registry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryConfig {
    /// Base URL of its Confluent-compatible interface.
    pub url: String,
    /// User name, where it wants Basic authentication.
    #[serde(default)]
    pub username: Option<String>,
    /// Password beside it.
    #[serde(default)]
    pub password: Option<SecretString>,
}

impl RegistryConfig {
    /// Notes what is wrong with it.
    pub fn validate(&self, faults: &mut Faults) {
        let sound = self.url.starts_with("http://") || self.url.starts_with("https://");
        faults.require(sound, "registry.url", "must begin with http:// or https://");
    }
}

/// Why a schema is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry is away, or answers what may pass.
    #[error("the schema registry does not answer: {0}")]
    Away(String),
    /// The registry says no, for good.
    #[error("the schema registry refuses: {0}")]
    Refused(String),
    /// What it holds is no Avro schema.
    #[error("schema {id} is no Avro schema")]
    NotAvro {
        /// Its id.
        id: u32,
    },
}

impl RegistryError {
    /// What the caller does next.
    pub const fn advice(&self) -> Advice {
        match self {
            Self::Away(_) => Advice::Retry,
            Self::Refused(_) | Self::NotAvro { .. } => Advice::Stop,
        }
    }
}

/// A client of the registry. Cheap to clone; clones share what is known.
#[derive(Clone)]
pub struct Registry {
    settings: Arc<SrSettings>,
    url: String,
    http: reqwest::Client,
    schemas: Arc<RwLock<HashMap<u32, Arc<Schema>>>>,
    metrics: CommonMetrics,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registry({})", self.url)
    }
}

impl Registry {
    /// A client that has not called yet.
    pub fn new(config: &RegistryConfig, metrics: &CommonMetrics) -> Result<Self, RegistryError> {
        let mut builder = SrSettings::new_builder(config.url.trim_end_matches('/').to_owned());
        builder.set_timeout(Duration::from_secs(5));
        if let Some(user) = &config.username {
            let password = config.password.as_ref().map(ExposeSecret::expose_secret);
            builder.set_basic_authorization(user, password);
        }
        let settings = builder.build().map_err(|error| sort(&error))?;
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| RegistryError::Refused(error.to_string()))?;
        Ok(Self {
            settings: Arc::new(settings),
            url: config.url.trim_end_matches('/').to_owned(),
            http,
            schemas: Arc::default(),
            metrics: metrics.clone(),
        })
    }

    /// The id of a schema that `daybook schemas apply` has registered. Does not register it.
    pub async fn id_of(&self, subject: &str, text: &str) -> Result<u32, RegistryError> {
        let body = serde_json::json!({ "schema": text, "schemaType": "AVRO" }).to_string();
        let found = perform_sr_call(&self.settings, SrCall::PostForVersion(subject, &body)).await;
        let found = found.map_err(|error| self.note(&error))?;
        let missing = || RegistryError::Refused(format!("{subject} is not registered; run daybook schemas apply"));
        let id = found.id.ok_or_else(missing)?;
        // The registry has just said that this text has this id: reading our own records needs it no more.
        if let Ok(schema) = Schema::parse_str(text) {
            self.schemas.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(schema));
        }
        Ok(id)
    }

    /// The schema with this id.
    pub async fn schema(&self, id: u32) -> Result<Arc<Schema>, RegistryError> {
        if let Some(schema) = self.known(id) {
            return Ok(schema);
        }
        let found = get_schema_by_id_and_type(id, &self.settings, SchemaType::Avro).await;
        let found = found.map_err(|error| self.note(&error))?;
        let schema = Schema::parse_str(&found.schema).map_err(|_| RegistryError::NotAvro { id })?;
        let schema = Arc::new(schema);
        self.schemas.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&schema));
        Ok(schema)
    }

    /// The schema with this id, if it has been seen before.
    pub fn known(&self, id: u32) -> Option<Arc<Schema>> {
        self.schemas.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Registers a schema under full transitive compatibility, after asking whether it is compatible. Its id.
    pub async fn apply(&self, subject: &str, text: &str) -> Result<u32, RegistryError> {
        self.require_full_transitive(subject).await?;
        let schema = || SuppliedSchema::new(None, SchemaType::Avro, text.to_owned());
        match is_compatible_schema(&self.settings, subject.to_owned(), schema()).await {
            Ok(true) => {}
            Ok(false) => {
                return Err(RegistryError::Refused(format!(
                    "{subject} would break readers or writers of an earlier version; add fields only, with defaults"
                )));
            }
            Err(error) => match self.note(&error) {
                // A subject without a version yet: there is nothing to be compatible with.
                RegistryError::Refused(_) => {}
                error @ (RegistryError::Away(_) | RegistryError::NotAvro { .. }) => return Err(error),
            },
        }
        let registered = post_schema(&self.settings, subject.to_owned(), schema()).await;
        registered.map(|schema| schema.id).map_err(|error| self.note(&error))
    }

    async fn require_full_transitive(&self, subject: &str) -> Result<(), RegistryError> {
        let away = |error: reqwest::Error| RegistryError::Away(error.without_url().to_string());
        let answer = self
            .http
            .put(format!("{}/config/{subject}", self.url))
            .header("content-type", "application/vnd.schemaregistry.v1+json")
            .body(r#"{"compatibility":"FULL_TRANSITIVE"}"#)
            .send()
            .await
            .map_err(away)?;
        // Some registries know a subject's setting only once it has a version; the setting is repeated after that.
        if answer.status().is_success() || answer.status().as_u16() == 404 {
            return Ok(());
        }
        let status = answer.status();
        Err(if status.is_server_error() {
            RegistryError::Away(format!("setting the compatibility of {subject} answered {status}"))
        } else {
            RegistryError::Refused(format!("setting the compatibility of {subject} answered {status}"))
        })
    }

    fn note(&self, error: &SRCError) -> RegistryError {
        self.metrics.registry_errors_total.inc();
        sort(error)
    }
}

/// Only these answers are about what was asked: there is no such schema or subject (404), it is not compatible (409), it
/// is no schema (422). Anything else, a 500 or a 401 or half an answer, is about the registry, and passes: to take it for
/// a "no" would turn every request of that schema into a dead letter.
fn sort(error: &SRCError) -> RegistryError {
    let status = error.error.rsplit_once("with status ").and_then(|(_, rest)| rest.get(..3));
    match status {
        Some("404" | "409" | "422") => RegistryError::Refused(error.error.clone()),
        _ => RegistryError::Away(error.error.clone()),
    }
}
