//! Who asks, and what that allows. A handler that takes a [`Caller`] has an authenticated one, or is not called.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use daybook_domain::{CallerName, ResourceId, SourceName, Timestamp};
use daybook_ingest_core::{KeyId, Resources, Scope};

use super::keys::{Found, Key, Keys};
use super::problem::{Problem, ProblemKind};
use super::rate::Standing;

/// The authenticated caller of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key that it has shown: for logs, metrics and its rate.
    pub key: KeyId,
    /// Who it is. What is remembered of a caller (its Idempotency-Keys, its requests) is remembered under this name, so
    /// that it finds it again after its key was changed.
    pub name: CallerName,
    shown: Arc<Key>,
}

impl Caller {
    /// The caller whose key these headers show.
    pub(super) fn identify(keys: &Keys, headers: &HeaderMap, now: Timestamp) -> Result<Self, Problem> {
        // Without a key there is something to compare all the same.
        match keys.find(bearer(headers).unwrap_or_default(), now) {
            Found::Key(shown) => Ok(Self { key: shown.id, name: shown.caller.clone(), shown }),
            Found::Nothing => Err(unauthorized()),
            Found::NotKnownYet => Err(Problem::new(
                ProblemKind::Unavailable,
                "The keys could not be read yet, so nobody can be let in. Nothing was done.",
            )),
        }
    }

    /// Whether it may ask for this resource's time.
    pub fn may_request(&self, resource: &ResourceId) -> bool {
        self.shown.scopes.may_request(resource)
    }

    /// Whether it may read this resource's bookings, people included.
    pub fn may_read(&self, resource: &ResourceId) -> bool {
        self.shown.scopes.may_read(resource)
    }

    /// Whether it may see where this resource is free: whoever may ask for its time, or read it.
    pub fn may_see_times(&self, resource: &ResourceId) -> bool {
        self.shown.scopes.may_see_times(resource)
    }

    /// The resources that it may read, for a query.
    pub fn readable(&self) -> Vec<Resources> {
        self.shown.scopes.readable()
    }

    /// One request more of its key.
    pub(super) fn ask(&self) -> Standing {
        self.shown.rate.ask()
    }

    /// The resources that it may see, for a query.
    pub fn visible(&self) -> Vec<Resources> {
        self.shown.scopes.visible()
    }

    /// What it may do, in the words of `daybook keys`.
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.shown.scopes.iter()
    }

    /// When its key ends.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.shown.expires_at
    }

    /// Whether it may do everything.
    pub fn is_admin(&self) -> bool {
        self.shown.scopes.is_admin()
    }

    /// Whether it may follow this source's events.
    pub fn speaks_for(&self, source: &SourceName) -> bool {
        self.shown.scopes.speaks_for(source)
    }
}

/// One text, whatever the cause: a stranger learns nothing of how close it came.
fn unauthorized() -> Problem {
    let challenge = HeaderValue::from_static("Bearer realm=\"daybook\"");
    Problem::new(ProblemKind::Unauthorized, "Send a key that is in force, as Authorization: Bearer <key>.")
        .header(WWW_AUTHENTICATE, challenge)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim_matches(' '))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The gate has put it there; a route outside the gate has no caller.
        parts.extensions.get::<Self>().cloned().ok_or_else(unauthorized)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_from_a_bearer_header_in_any_case_and_from_nothing_else() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of("Bearer dbk_1").as_deref(), Some("dbk_1"));
        assert_eq!(of("bearer  dbk_1 ").as_deref(), Some("dbk_1"));
        assert_eq!(of("Basic dbk_1"), None);
        assert_eq!(of("dbk_1"), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
