//! What a caller is told when it does not get what it asked for: RFC 9457 problem details.
//!
//! Invariant: the `type` of a problem never changes its meaning, and one status stands behind each. A program goes by the
//! type, a person by the detail, and `errors` names every field that was wrong, with what would be right. Each type is a
//! path that this service also explains (`pages.rs`).

use std::fmt;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The media type of every problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

macro_rules! kinds {
    ($( $(#[doc = $meaning:literal])+ $kind:ident = $status:ident, $word:literal, $title:literal; )+) => {
        /// The kinds of problems. Their doc comments are what `/v1/problems/<word>` shows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemKind { $( $(#[doc = $meaning])+ $kind, )+ }

        impl ProblemKind {
            /// Every kind, for tables and tests.
            pub const ALL: &[Self] = &[$( Self::$kind, )+];

            /// The word for it, which is also the metric label.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$kind => $word, )+ }
            }

            /// A short text, the same for every problem of this kind.
            pub const fn title(self) -> &'static str {
                match self { $( Self::$kind => $title, )+ }
            }

            /// The status that it is answered with.
            pub const fn status(self) -> StatusCode {
                match self { $( Self::$kind => StatusCode::$status, )+ }
            }

            /// What it means, and what to do.
            pub const fn meaning(self) -> &'static str {
                match self { $( Self::$kind => concat!($($meaning, "\n"),+), )+ }
            }
        }
    };
}

kinds! {
    /// The body does not read, or a field of it is wrong, missing or not known. `errors` names each, with the fix. The
    /// same body will be refused again.
    InvalidBody = BAD_REQUEST, "invalid-body", "The body is not as it must be";
    /// The body holds a field that this operation does not have. `errors` names each, with the nearest known name.
    UnknownField = BAD_REQUEST, "unknown-field", "The body has a field that is not known";
    /// A part of the address, of the query or of a header is wrong. `errors` names each, with the fix.
    InvalidParameter = BAD_REQUEST, "invalid-parameter", "A parameter is not as it must be";
    /// The request needs an Idempotency-Key: without one, a repetition after a lost answer would book twice.
    IdempotencyKeyMissing = BAD_REQUEST, "idempotency-key-missing", "An Idempotency-Key is needed";
    /// No key, or none that counts: not known, revoked, expired. Send `Authorization: Bearer <key>`.
    Unauthorized = UNAUTHORIZED, "unauthorized", "A valid key is needed";
    /// The key is good and does not allow this. Whoever made it can make one with another scope.
    Forbidden = FORBIDDEN, "forbidden", "The key does not allow this";
    /// There is no such thing, or it is none that this key may know of.
    NotFound = NOT_FOUND, "not-found", "There is no such thing";
    /// This address has no such method. `Allow` names those that it has.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "Not by this method";
    /// The body took too long to arrive. Nothing was done; send it again.
    SlowBody = REQUEST_TIMEOUT, "slow-body", "The body did not arrive in time";
    /// Somebody else has the time. `conflict` names the interval, and `next_free` where there is room.
    Conflict = CONFLICT, "conflict", "The time is taken";
    /// A rule of the resource forbids it: its hours, notice or window. `next_free` says where there is room.
    Policy = CONFLICT, "policy", "A rule of the resource forbids it";
    /// The time has begun already.
    Past = CONFLICT, "past", "The time is past";
    /// The booking is in a state in which this cannot be done to it.
    InvalidTransition = CONFLICT, "invalid-transition", "The booking's state does not allow it";
    /// The resource still has what would be lost with it.
    ResourceInUse = CONFLICT, "resource-in-use", "The resource is in use";
    /// Another resource has an alias that this one wants: a name means one resource.
    AliasTaken = CONFLICT, "alias-taken", "An alias belongs to another resource";
    /// What you saw has changed since. Look again, and decide anew.
    StaleVersion = PRECONDITION_FAILED, "stale-version", "It has changed since you looked";
    /// The body is larger than this server takes.
    TooLarge = PAYLOAD_TOO_LARGE, "too-large", "The body is too large";
    /// Send the body as application/json in UTF-8, not compressed.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body's type is not taken";
    /// This Idempotency-Key was used before, for another request. Use a new key for a new request.
    IdempotencyMismatch = UNPROCESSABLE_ENTITY, "idempotency-mismatch", "The Idempotency-Key was used for another request";
    /// More requests than the key may make. `Retry-After` says when the next one will be taken.
    TooManyRequests = TOO_MANY_REQUESTS, "too-many-requests", "The key's rate is used up";
    /// A fault of ours, which is in our log. Whether it was done is not known; ask before you repeat it.
    Internal = INTERNAL_SERVER_ERROR, "internal", "A fault of ours";
    /// As many requests are being worked on as there is room for. Nothing was done; send it again.
    Busy = SERVICE_UNAVAILABLE, "busy", "Too much at once";
    /// Something that is needed for this is away. The detail says whether it may have been done all the same.
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "Something needed is away";
}

impl ProblemKind {
    /// Its `type`.
    pub fn uri(self) -> String {
        format!("/v1/problems/{}", self.as_str())
    }
}

/// A field that was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Which: `hours.mon[1]` in the body, or the name of a parameter or header.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub fix: String,
}

/// A problem, as it is sent. Kinds may add members of their own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// What kind of problem, for programs: `/v1/problems/<word>`, which also explains it.
    #[schema(example = "/v1/problems/invalid-body")]
    pub r#type: String,
    /// The same in a few words.
    pub title: String,
    /// The status of the answer.
    #[schema(example = 400)]
    pub status: u16,
    /// What happened this time, for people.
    pub detail: String,
    /// Every field that was wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
    /// What the kind adds.
    #[serde(flatten)]
    #[schema(additional_properties, value_type = std::collections::HashMap<String, Value>)]
    pub more: Map<String, Value>,
}

impl ProblemDocument {
    fn new(kind: ProblemKind, detail: String, errors: Vec<FieldError>, more: Map<String, Value>) -> Self {
        Self {
            r#type: kind.uri(),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            detail,
            errors,
            more,
        }
    }
}

/// When to come again after a 503: leader elections and failovers are over by then.
const RETRY_AFTER_SECONDS: u64 = 5;

/// A problem on its way out.
#[derive(Debug)]
pub struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ProblemKind,
    detail: String,
    errors: Vec<FieldError>,
    more: Map<String, Value>,
    headers: HeaderMap,
}

impl Problem {
    /// A problem of this kind; `detail` says what happened this time, and never repeats what the caller sent.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let inner =
            Inner { kind, detail: detail.into(), errors: Vec::new(), more: Map::new(), headers: HeaderMap::new() };
        let problem = Self(Box::new(inner));
        if kind.status() == StatusCode::SERVICE_UNAVAILABLE {
            problem.retry_after(RETRY_AFTER_SECONDS)
        } else {
            problem
        }
    }

    /// Adds a field that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        self.0.errors.push(FieldError { field: field.into(), problem: problem.into(), fix: fix.into() });
        self
    }

    /// Adds fields that are wrong.
    #[must_use]
    pub fn fields(mut self, errors: impl IntoIterator<Item = FieldError>) -> Self {
        self.0.errors.extend(errors);
        self
    }

    /// Adds a member of the kind's own.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.more.insert(name.to_owned(), value.into());
        self
    }

    /// Sets a header of the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Says when to come again.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Its kind.
    pub fn kind(&self) -> ProblemKind {
        self.0.kind
    }

    /// As it is sent, for an answer that holds it.
    pub fn document(&self) -> ProblemDocument {
        let Inner { kind, detail, errors, more, .. } = &*self.0;
        ProblemDocument::new(*kind, detail.clone(), errors.clone(), more.clone())
    }

    /// The fields that are wrong.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind.as_str(), self.0.detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = self.document();
        let Inner { kind, headers, .. } = *self.0;
        let mut response = (kind.status(), headers, Json(document)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        // For whoever counts answers; see `gate.rs`.
        response.extensions_mut().insert(kind);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn a_problem_says_what_is_wrong_with_which_field_and_what_would_be_right() {
        let problem = Problem::new(ProblemKind::InvalidBody, "the body has one fault")
            .field("start", "is a local time", "give an offset, or Z")
            .with("more", 7);
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        let body = to_bytes(response.into_body(), 10_000).await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let expected = serde_json::json!({
            "type": "/v1/problems/invalid-body", "title": "The body is not as it must be", "status": 400,
            "detail": "the body has one fault", "more": 7,
            "errors": [{"field": "start", "problem": "is a local time", "fix": "give an offset, or Z"}],
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn every_kind_has_a_word_of_its_own_and_whoever_is_to_come_again_is_told_when() {
        let words: BTreeSet<&str> = ProblemKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(words.len(), ProblemKind::ALL.len());
        for kind in ProblemKind::ALL {
            let response = Problem::new(*kind, "").into_response();
            let told = response.headers().contains_key(RETRY_AFTER);
            assert_eq!(told, kind.status() == StatusCode::SERVICE_UNAVAILABLE, "{kind:?}");
        }
    }
}
