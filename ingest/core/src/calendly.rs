//! Calendly's signature: `Calendly-Webhook-Signature: t=<unix seconds>,v1=<hex>`, where `v1` is the HMAC-SHA256 of
//! `<t>.<raw body>` under the subscription's signing key.
//!
//! Source: Calendly's developer documentation, "Webhook signatures". Two things it leaves open are taken generously:
//! several `v1` entries are accepted (one per key, should Calendly rotate that way), and entries with other names are
//! passed over, so that a later scheme can stand beside this one.

use daybook_domain::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::authentic::{Authentic, Refusal, Window, unix_seconds};

/// The header, in lower case.
pub const SIGNATURE: &str = "calendly-webhook-signature";

/// More entries than any rotation needs; it bounds the work that an unsigned request can cause.
const SIGNATURES_MAX: usize = 8;
/// Shorter keys can be guessed. Calendly draws its own longer; a subscription may also be created with a chosen one.
const KEY_LENGTH_MIN: usize = 16;

/// Why a text is not a signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is shorter than 16 bytes; take the signing key of the webhook subscription")]
pub struct SigningKeyError;

/// The signing key of a webhook subscription. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl std::str::FromStr for SigningKey {
    type Err = SigningKeyError;
    fn from_str(text: &str) -> Result<Self, SigningKeyError> {
        if text.len() < KEY_LENGTH_MIN { Err(SigningKeyError) } else { Ok(Self(text.as_bytes().to_vec())) }
    }
}

/// Judges one delivery. `headers` finds a header by its lower-case name. The signature is checked before the window,
/// so that [`Refusal::OutsideWindow`] is only ever said of what Calendly did sign.
pub fn verify<'h>(
    headers: impl Fn(&str) -> Option<&'h str>,
    body: &[u8],
    keys: &[SigningKey],
    now: Timestamp,
    window: Window,
) -> Result<Authentic, Refusal> {
    let header = headers(SIGNATURE).ok_or(Refusal::MissingSignature)?;
    let signature = Signature::read(header).ok_or(Refusal::MalformedSignature)?;
    let authentic = keys.iter().any(|key| {
        let mac = mac(key, signature.timestamp, body);
        signature.candidates.iter().any(|candidate| mac.clone().verify_slice(candidate).is_ok())
    });
    if !authentic {
        return Err(Refusal::BadSignature);
    }
    if !window.contains(signature.signed_at, now) {
        return Err(Refusal::OutsideWindow);
    }
    Ok(Authentic::new(signature.signed_at, None))
}

/// The header's value for these bytes: what Calendly would send. For demos and tests.
pub fn sign(key: &SigningKey, signed_at: Timestamp, body: &[u8]) -> String {
    let seconds = (signed_at.millis() / 1_000).to_string();
    let code = mac(key, &seconds, body).finalize().into_bytes();
    format!("t={seconds},v1={}", hex::encode(code))
}

fn mac(key: &SigningKey, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("HMAC takes a key of any length");
    for part in [timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}

struct Signature<'h> {
    timestamp: &'h str,
    signed_at: Timestamp,
    candidates: Vec<[u8; 32]>,
}

impl<'h> Signature<'h> {
    /// One `t`, and 1 to 8 `v1` of 64 hexadecimal digits.
    fn read(header: &'h str) -> Option<Self> {
        let mut timestamp = None;
        let mut candidates = Vec::new();
        for entry in header.split(',') {
            match entry.trim().split_once('=')? {
                ("t", _) if timestamp.is_some() => return None,
                ("t", value) => timestamp = Some(value),
                ("v1", _) if candidates.len() == SIGNATURES_MAX => return None,
                ("v1", value) => {
                    let mut code = [0; 32];
                    hex::decode_to_slice(value, &mut code).ok()?;
                    candidates.push(code);
                }
                _ => {}
            }
        }
        let timestamp = timestamp?;
        let signed_at = unix_seconds(timestamp)?;
        if candidates.is_empty() { None } else { Some(Self { timestamp, signed_at, candidates }) }
    }
}

#[cfg(test)]
mod tests;
