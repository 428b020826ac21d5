//! What can go wrong: with one request, and at the start.

use std::io;
use std::net::SocketAddr;

use axum::Json;
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use daybook_ingest_core::Refusal;
use daybook_runtime::kafka::KafkaError;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::prometheus;
use daybook_runtime::registry::RegistryError;
use serde::Serialize;

use crate::body::BodyFault;
use crate::source::SourceFaults;

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The door's address is taken, or not ours.
    #[error("cannot listen on {listen}, set by ingest.listen")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// librdkafka takes one of the options for wrong.
    #[error("cannot make a producer")]
    Producer(#[from] KafkaError),
    /// Somebody configured sources in code, past the check.
    #[error(transparent)]
    Sources(#[from] SourceFaults),
    /// The store's address does not read.
    #[error("cannot use postgres.url")]
    Store(#[from] StoreError),
    /// The schema registry's address does not read.
    #[error("cannot use registry.url")]
    Registry(#[from] RegistryError),
    /// The process has no TLS provider, or the system's authorities cannot be read.
    #[error("cannot make an HTTP client")]
    Client(#[from] reqwest::Error),
    /// Started twice on one registry.
    #[error("cannot register metrics")]
    Metrics(#[from] prometheus::Error),
}

/// Why a request was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No such page.
    NoSuchPage,
    /// No source of this name.
    UnknownSource,
    /// Only POST.
    MethodNotAllowed,
    /// Not JSON in UTF-8.
    UnsupportedMediaType,
    /// The body is over the limit.
    TooLarge,
    /// The body did not come in time.
    SlowBody,
    /// The body broke off.
    BrokenBody,
    /// The signature does not do.
    Refused(Refusal),
    /// As many requests are being worked on as there may be.
    Busy,
    /// Kafka did not acknowledge it in time, or is known to be away.
    KafkaUnavailable,
    /// Kafka will never take it: a right or a limit is set wrongly.
    KafkaRefused,
    /// The client can send no more; the process ends.
    KafkaDead,
    /// The store has not taken word of a change in a calendar.
    StoreUnavailable,
}

/// RFC 9457. The type is `about:blank`: the status says it all.
#[derive(Serialize)]
struct Problem {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'static str,
}

/// When to come again: Kafka's leader elections are over by then.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

impl Failure {
    /// The word for it, which is also the metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchPage => "no_such_page",
            Self::UnknownSource => "unknown_source",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::TooLarge => "too_large",
            Self::SlowBody => "slow_body",
            Self::BrokenBody => "broken_body",
            Self::Refused(refusal) => refusal.as_str(),
            Self::Busy => "busy",
            Self::KafkaUnavailable => "kafka_unavailable",
            Self::KafkaRefused => "kafka_refused",
            Self::KafkaDead => "kafka_dead",
            Self::StoreUnavailable => "store_unavailable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::NoSuchPage | Self::UnknownSource => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::Refused(refusal) => StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::UNAUTHORIZED),
            Self::Busy | Self::KafkaUnavailable | Self::KafkaRefused | Self::KafkaDead | Self::StoreUnavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    const fn detail(self) -> &'static str {
        match self {
            Self::NoSuchPage => "There is nothing here; webhooks go to /webhooks/{source}.",
            Self::UnknownSource => "No source of this name is configured.",
            Self::MethodNotAllowed => "Send webhooks by POST.",
            Self::UnsupportedMediaType => "Send the body as application/json, in UTF-8, not compressed.",
            Self::TooLarge => "The body is larger than this server takes.",
            Self::SlowBody => "The body did not arrive in time; send it again.",
            Self::BrokenBody => "The body broke off; send it again.",
            Self::Refused(Refusal::MalformedId) => "The delivery id must be 1 to 256 characters of visible ASCII.",
            // One text for all four: a stranger learns nothing of how far a forgery came.
            Self::Refused(
                Refusal::MissingSignature
                | Refusal::MalformedSignature
                | Refusal::BadSignature
                | Refusal::OutsideWindow,
            ) => "Sign the request, now, with a secret that is configured for this source.",
            Self::Busy | Self::KafkaUnavailable | Self::KafkaRefused | Self::KafkaDead | Self::StoreUnavailable => {
                "The event was not accepted and is not kept; send it again."
            }
        }
    }
}

impl From<BodyFault> for Failure {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge => Self::TooLarge,
            BodyFault::Slow => Self::SlowBody,
            BodyFault::Broken => Self::BrokenBody,
            BodyFault::NoRoom => Self::Busy,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.detail(),
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::Busy | Self::KafkaUnavailable | Self::KafkaRefused | Self::KafkaDead | Self::StoreUnavailable => {
                headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
            }
            Self::MethodNotAllowed => {
                headers.insert(ALLOW, HeaderValue::from_static("POST"));
            }
            Self::UnsupportedMediaType => {
                headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            }
            // RFC 9110 §11.6.1: a 401 names a scheme.
            Self::Refused(_) if status == StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Webhook-Signature"));
            }
            Self::Refused(_)
            | Self::NoSuchPage
            | Self::UnknownSource
            | Self::TooLarge
            | Self::SlowBody
            | Self::BrokenBody => {}
        }
        response
    }
}
