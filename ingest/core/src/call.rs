//! What a call of the API is called, and what its headers ask: the same call makes the same event, however often it comes.
//!
//! Owns: the name of a call (its caller's and its Idempotency-Key's), the proof that an id of a request was given to a
//! caller, and the fingerprint by which the same key with another body is noticed. Keys are written by programs and may
//! hold anything, so they are nowhere kept: what is kept is their hash.

use std::fmt;
use std::time::Duration;

use daybook_ask::{Asked, CALLS};
use daybook_domain::{CallerName, RequestDigest, RequestId, SourceName, Timestamp};
use daybook_wire::{Call as CallHeaders, SourceEvent};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::event::RawRecord;
use crate::media::JSON;
use crate::trace::TraceParent;

/// The longest Idempotency-Key.
const KEY_LENGTH_MAX: usize = 255;
/// How much of a proof stands in an id: one guess in 2^48 is right, and a guess shows what no other id shows: that a
/// request is still waited for.
const PROOF_LENGTH: usize = 6;

/// What a caller calls a request, so that a repetition is known for one. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

/// Not an Idempotency-Key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 255 visible ASCII characters")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// From a header: as it stands, or quoted, as the draft of the IETF has it.
    pub fn parse(header: &str) -> Result<Self, IdempotencyKeyError> {
        let text = header.trim();
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=KEY_LENGTH_MAX).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdempotencyKeyError)
        }
    }

    /// For a call that bears none: nobody can repeat it.
    pub fn random(bits: u128) -> Self {
        Self(format!("{bits:032x}"))
    }
}

/// A secret that all processes of ingest share. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct CallSecret([u8; 32]);

impl fmt::Debug for CallSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallSecret(…)")
    }
}

impl CallSecret {
    /// From 32 random bytes; none if it is not that many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    fn code(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// A call by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    caller: CallerName,
    event_id: String,
}

impl Call {
    /// The call that this caller makes under this key.
    pub fn new(caller: &CallerName, key: &IdempotencyKey) -> Self {
        let hash = hex::encode(&Sha256::digest(key.0.as_bytes())[..16]);
        Self { caller: caller.clone(), event_id: format!("{caller}/{hash}") }
    }

    /// The request that it makes.
    pub fn request_id(&self) -> RequestId {
        RequestId::derive(CALLS, &self.event_id, 0)
    }

    /// The id that its caller is given.
    pub fn name(&self, secret: &CallSecret) -> RequestName {
        let request_id = self.request_id();
        RequestName { request_id, proof: Some(proof(secret, &self.caller, request_id)) }
    }

    /// What goes to `raw.api` beside the bytes. The key is the resource: what is asked of one keeps its order.
    pub fn raw_record(
        &self,
        asked: &Asked,
        condition: Option<u64>,
        digest: RequestDigest,
        received_at: Timestamp,
        traceparent: Option<TraceParent>,
    ) -> RawRecord {
        RawRecord {
            key: asked.resource.to_string(),
            event: SourceEvent {
                id: self.event_id.clone(),
                source: CALLS.to_owned(),
                kind: asked.ask.kind().as_str().to_owned(),
                subject: None,
                time: None,
                content_type: JSON.to_owned(),
                received_at,
                traceparent: traceparent.map(|trace| trace.to_string()),
                call: CallHeaders { digest: Some(digest), resource_version: condition },
            },
        }
    }
}

/// The fingerprint of all that was asked: bodies that say the same have the same one.
pub fn digest(secret: &CallSecret, asked: &Asked, condition: Option<u64>) -> RequestDigest {
    let condition = condition.map(u64::to_be_bytes);
    let condition: &[u8] = condition.as_ref().map_or(&[], |bytes| bytes);
    let code = secret.code(&[b"asked", asked.canonical.as_bytes(), condition]);
    RequestDigest(std::array::from_fn(|at| code[at]))
}

fn proof(secret: &CallSecret, caller: &CallerName, request_id: RequestId) -> [u8; PROOF_LENGTH] {
    let code = secret.code(&[b"name", caller.as_str().as_bytes(), request_id.uuid().as_bytes()]);
    std::array::from_fn(|at| code[at])
}

/// The id of a request as a caller has it: the pipeline's own id, and behind it, as a sixth group, the proof that this
/// caller was given it. So whoever asks can be told that its request is still waited for, by any process, without a note
/// of it anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestName {
    request_id: RequestId,
    proof: Option<[u8; PROOF_LENGTH]>,
}

impl RequestName {
    /// Reads an id, with its proof or without; none if it is no id.
    pub fn parse(text: &str) -> Option<Self> {
        // 36 characters of a UUID with hyphens, which has one spelling here.
        let (id, rest) = text.split_at_checked(36)?;
        let request_id = RequestId::from_uuid(Uuid::try_parse(id).ok()?);
        let proof = match rest.strip_prefix('-') {
            None if rest.is_empty() => None,
            None => return None,
            Some(digits) => {
                let mut bytes = [0; PROOF_LENGTH];
                hex::decode_to_slice(digits, &mut bytes).ok()?;
                Some(bytes)
            }
        };
        let name = Self { request_id, proof };
        (name.to_string() == text).then_some(name)
    }

    /// The pipeline's id.
    pub const fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// Whether it proves that this caller was given it.
    pub fn is_of(&self, secret: &CallSecret, caller: &CallerName) -> bool {
        self.proof.is_some_and(|given| given.ct_eq(&proof(secret, caller, self.request_id)).into())
    }
}

impl fmt::Display for RequestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request_id.fmt(f)?;
        self.proof.map_or(Ok(()), |proof| write!(f, "-{}", hex::encode(proof)))
    }
}

/// How long a caller wants its answer held back for the decision: `Prefer: wait=N` or `respond-async` (RFC 7240), in any of
/// several headers. What does not read is ignored, as that standard wants.
pub fn preferred_wait<'h>(headers: impl IntoIterator<Item = &'h str>, default: Duration, max: Duration) -> Duration {
    let mut wait = None;
    for preference in headers.into_iter().flat_map(|header| header.split(',')) {
        let preference = preference.split(';').next().unwrap_or_default().trim();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        let value = value.trim().trim_matches('"');
        // The first of a name counts (RFC 7240, section 2).
        if name.trim().eq_ignore_ascii_case("wait") {
            wait = wait.or(value.parse().ok().map(Duration::from_secs));
        } else if name.trim().eq_ignore_ascii_case("respond-async") {
            wait = wait.or(Some(Duration::ZERO));
        }
    }
    wait.unwrap_or(default).min(max)
}

/// Not the token of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no version token of one resource")]
pub struct ConditionError;

/// The version that the resource must have: `If-Match` with the token that an answer has shown as `ETag`, `"12"`. None for
/// `*`, which any resource fits.
pub fn condition(if_match: &str) -> Result<Option<u64>, ConditionError> {
    let text = if_match.trim();
    if text == "*" {
        return Ok(None);
    }
    let digits = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or(ConditionError)?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().map(Some).map_err(|_| ConditionError) } else { Err(ConditionError) }
}

/// The token of a version.
pub fn token(version: u64) -> String {
    format!("\"{version}\"")
}

/// Where all calls go.
pub fn topic() -> String {
    daybook_domain::topics::raw(&SourceName::api())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str =
        r#"{"operation": "cancel", "resource": "a", "booking_id": "4acc2233-7ebf-5ca1-aa36-48892920231a"}"#;

    fn asked(body: &str) -> Asked {
        Asked::read(body.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    fn secret(byte: u8) -> CallSecret {
        CallSecret::new(&[byte; 32]).expect("32 bytes")
    }

    fn call(caller: &str, key: &str) -> Call {
        Call::new(&caller.parse().expect("a name"), &IdempotencyKey::parse(key).expect("a key"))
    }

    #[test]
    fn the_same_call_makes_the_same_request_and_a_callers_keys_are_its_own() {
        assert_eq!(call("crm", "k-1"), call("crm", "\"k-1\""));
        let ids: std::collections::BTreeSet<_> =
            [call("crm", "k-1"), call("crm", "k-2"), call("shop", "k-1")].iter().map(Call::request_id).collect();
        assert_eq!(ids.len(), 3);
    }

    #[test]
    fn a_name_is_pinned_because_a_repetition_may_come_a_month_later() {
        let name = call("crm", "k-1").name(&secret(7)).to_string();
        assert_eq!(name, PINNED);
    }

    const PINNED: &str = "f54aa208-8e0e-571a-8e79-92713e825dc0-5208ff3d72f7";

    #[test]
    fn a_record_is_named_by_the_call_keyed_by_the_resource_and_holds_no_key() {
        let record = call("crm", "jane@example.com").raw_record(
            &asked(BODY),
            Some(12),
            RequestDigest([7; 16]),
            Timestamp::EPOCH,
            None,
        );
        assert_eq!((record.key.as_str(), record.event.kind.as_str()), ("a", "cancel"));
        assert_eq!(
            RequestId::derive(&record.event.source, &record.event.id, 0),
            call("crm", "jane@example.com").request_id()
        );
        assert_eq!(record.event.call.resource_version, Some(12));
        assert!(record.event.id.starts_with("crm/") && !record.event.id.contains("jane"));
    }

    #[test]
    fn a_name_proves_who_was_given_it_and_reads_back() {
        let name = call("crm", "k-1").name(&secret(7));
        let read = RequestName::parse(&name.to_string()).expect("a name");
        assert_eq!(read, name);
        let (crm, shop) = ("crm".parse().expect("a name"), "shop".parse().expect("a name"));
        assert!(read.is_of(&secret(7), &crm));
        assert!(!read.is_of(&secret(7), &shop) && !read.is_of(&secret(8), &crm));
        let bare = RequestName::parse(&name.request_id().to_string()).expect("an id");
        assert!(!bare.is_of(&secret(7), &crm));
        let text = name.to_string();
        for wrong in ["", "k-1", &text[..40], &text.to_uppercase(), &format!("{text}0"), &text.replace('-', "")] {
            assert_eq!(RequestName::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_fingerprint_tells_bodies_apart_and_not_spellings() {
        let of = |body: &str, condition| digest(&secret(7), &asked(body), condition);
        assert_eq!(of(BODY, None), of(&BODY.replace(": ", ":"), None));
        assert_ne!(of(BODY, None), of(&BODY.replace("\"a\"", "\"b\""), None));
        assert_ne!(of(BODY, None), of(BODY, Some(0)));
        assert_ne!(of(BODY, None), digest(&secret(8), &asked(BODY), None));
    }

    #[test]
    fn a_key_is_visible_ascii_and_never_shown() {
        for text in ["", "\"\"", "a b", "ä", "a\u{7f}", &"x".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(text), Err(IdempotencyKeyError), "{text}");
        }
        assert!(IdempotencyKey::parse(&"x".repeat(255)).is_ok());
        assert_eq!(format!("{:?}", IdempotencyKey::random(7)), "IdempotencyKey(…)");
        assert_eq!(IdempotencyKey::parse(&IdempotencyKey::random(7).0), Ok(IdempotencyKey::random(7)));
    }

    #[test]
    fn a_preference_is_bounded_and_what_does_not_read_is_ignored() {
        let wait = |headers: &[&str]| {
            preferred_wait(headers.iter().copied(), Duration::from_secs(5), Duration::from_secs(20)).as_secs()
        };
        assert_eq!(wait(&[]), 5);
        assert_eq!(wait(&["wait=2"]), 2);
        assert_eq!(wait(&["return=minimal, WAIT = \"3\"; x=y"]), 3);
        assert_eq!(wait(&["return=minimal", "wait=100"]), 20);
        assert_eq!(wait(&["wait=1", "wait=2"]), 1);
        assert_eq!(wait(&["respond-async, wait=10"]), 0);
        assert_eq!(wait(&["wait=soon"]), 5);
    }

    #[test]
    fn a_condition_is_one_strong_token() {
        assert_eq!(condition(&token(12)), Ok(Some(12)));
        assert_eq!(condition(" * "), Ok(None));
        for text in ["12", "W/\"12\"", "\"\"", "\"a\"", "\"1\", \"2\"", "\"+1\"", "\"99999999999999999999\""] {
            assert_eq!(condition(text), Err(ConditionError), "{text}");
        }
    }
}
