//! What the headers of a call ask.

use std::time::Duration;

use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, HeaderName};
use daybook_ingest_core::{IdempotencyKey, condition, preferred_wait};
use daybook_wire::header::TRACEPARENT;

use crate::api::{ApiConfig, Problem, ProblemKind};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What the headers of a call ask.
#[derive(Debug)]
pub struct CallHeaders {
    /// What the caller calls it.
    pub key: Option<IdempotencyKey>,
    /// The version that the resource must have.
    pub condition: Option<u64>,
    /// How long the answer may be held back.
    pub wait: Duration,
    /// The trace that it continues.
    pub traceparent: Option<String>,
}

impl CallHeaders {
    /// Reads them, or says everything that is wrong with them.
    pub fn read(headers: &HeaderMap, needs_key: bool, config: &ApiConfig) -> Result<Self, Problem> {
        const KEY: &str = "Idempotency-Key";
        const NEW: &str = "1 to 255 visible ASCII characters, new for every request, such as a random UUID";
        let mut problem = Problem::new(ProblemKind::InvalidParameter, "A header is not as it must be.");
        let key = match one(headers, &IDEMPOTENCY_KEY) {
            Ok(Some(text)) => IdempotencyKey::parse(text).map(Some).map_err(|error| (KEY, error.to_string(), NEW)),
            Ok(None) => Ok(None),
            Err(why) => Err((KEY, why.to_owned(), NEW)),
        };
        let token = "the ETag of an answer about this resource, as it stands there";
        let condition = match one(headers, &IF_MATCH) {
            Ok(Some(text)) => condition(text).map_err(|error| ("If-Match", error.to_string(), token)),
            Ok(None) => Ok(None),
            Err(why) => Err(("If-Match", why.to_owned(), token)),
        };
        let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let wait = preferred_wait(preferences, config.wait_default, config.wait_max);
        let traceparent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()).map(str::to_owned);
        match (key, condition) {
            (Ok(None), _) if needs_key => {
                let detail = "Without an Idempotency-Key, a repetition after a lost answer would book twice.";
                Err(Problem::new(ProblemKind::IdempotencyKeyMissing, detail).field(KEY, "is missing", NEW))
            }
            (Ok(key), Ok(condition)) => Ok(Self { key, condition, wait, traceparent }),
            (key, condition) => {
                for (name, why, fix) in [key.err(), condition.err()].into_iter().flatten() {
                    problem = problem.field(name, why, fix);
                }
                Err(problem)
            }
        }
    }
}

fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, &'static str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err("is there several times");
    }
    first.map(|value| value.to_str().map_err(|_| "is not ASCII")).transpose()
}
