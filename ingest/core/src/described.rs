//! Sources whose format is described: their signatures, or the secret that they send instead.
//!
//! A signature is an HMAC over the raw bytes, and over its time where the description says so; every secret that is valid
//! today is tried, and each comparison takes the same time wherever it differs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use daybook_domain::Timestamp;
use daybook_format::{Delivery, Encoding, Hash, Part, Proof, Signature, Unit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

use crate::authentic::{Authentic, Refusal, Window, delivery_id, unix_seconds};

/// Shorter secrets can be tried out. A vendor that makes them makes longer ones.
const SECRET_LENGTH_MIN: usize = 16;
/// Longer than any time that a header has; it bounds what is hashed for an unsigned request.
const CLOCK_LENGTH_MAX: usize = 64;

/// Why a text is not the secret of a described source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SharedSecretError {
    /// Too few bytes.
    #[error("is shorter than 16 bytes; draw a longer one")]
    Short,
    /// Not written as the description says.
    #[error("is not written as delivery.signature.secret says: {0}")]
    Encoding(Encoding),
}

/// A secret that a described source signs with, or sends. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct SharedSecret(Vec<u8>);

impl std::fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedSecret(…)")
    }
}

impl SharedSecret {
    /// The secret of this text, written as the description of these deliveries says.
    pub fn new(text: &str, delivery: &Delivery) -> Result<Self, SharedSecretError> {
        let encoding = match &delivery.proof {
            Proof::Signature(signature) => signature.secret,
            Proof::Token(_) => Encoding::Text,
        };
        let bytes = decode(encoding, text).ok_or(SharedSecretError::Encoding(encoding))?;
        if bytes.len() < SECRET_LENGTH_MIN { Err(SharedSecretError::Short) } else { Ok(Self(bytes)) }
    }
}

/// What both sides of a described source know.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The secrets that are valid today.
    pub secrets: Vec<SharedSecret>,
    /// The address that the source was given, where its signatures are made over it.
    pub url: Option<String>,
}

/// Judges one delivery. `headers` finds a header by its lower-case name. The signature is checked before the window, so
/// that [`Refusal::OutsideWindow`] is only ever said of what the sender did sign.
pub fn verify<'h>(
    headers: impl Fn(&str) -> Option<&'h str>,
    body: &[u8],
    delivery: &Delivery,
    shared: &Shared,
    now: Timestamp,
    window: Window,
) -> Result<Authentic, Refusal> {
    let signed_at = match &delivery.proof {
        Proof::Signature(signature) => signed(&headers, body, signature, shared)?.unwrap_or(now),
        Proof::Token(header) => {
            let token = headers(header).ok_or(Refusal::MissingSignature)?.as_bytes();
            // Every secret is looked at, so that the time tells nothing of which it was.
            let known = shared.secrets.iter().filter(|secret| secret.0.ct_eq(token).into()).count();
            if known == 0 {
                return Err(Refusal::BadSignature);
            }
            now
        }
    };
    if !window.contains(signed_at, now) {
        return Err(Refusal::OutsideWindow);
    }
    let id = match delivery.id_header.as_deref().and_then(&headers) {
        Some(id) => Some(delivery_id(id)?.to_owned()),
        None => None,
    };
    Ok(Authentic::new(signed_at, id))
}

/// When an authentic signature was made, if it says so.
fn signed<'h>(
    headers: &impl Fn(&str) -> Option<&'h str>,
    body: &[u8],
    signature: &Signature,
    shared: &Shared,
) -> Result<Option<Timestamp>, Refusal> {
    let header = |name: &str| headers(name).ok_or(Refusal::MissingSignature);
    let text = header(&signature.header)?.trim().strip_prefix(&signature.prefix).ok_or(Refusal::MalformedSignature)?;
    let code = decode(signature.encoding, text).ok_or(Refusal::MalformedSignature)?;
    let (clock, signed_at) = match &signature.clock {
        Some(clock) => {
            let text = header(&clock.header)?.trim();
            (text, Some(time(clock.unit, text).ok_or(Refusal::MalformedSignature)?))
        }
        None => ("", None),
    };
    let pieces = pieces(signature, clock, body, shared);
    let signs = |secret: &SharedSecret| match signature.hash {
        Hash::Sha256 => mac::<Hmac<Sha256>>(secret, &pieces).verify_slice(&code).is_ok(),
        Hash::Sha512 => mac::<Hmac<Sha512>>(secret, &pieces).verify_slice(&code).is_ok(),
    };
    if shared.secrets.iter().any(signs) { Ok(signed_at) } else { Err(Refusal::BadSignature) }
}

/// What is signed, piece by piece.
fn pieces<'p>(signature: &'p Signature, clock: &'p str, body: &'p [u8], shared: &'p Shared) -> Vec<&'p [u8]> {
    let piece = |part: &'p Part| match part {
        Part::Body => body,
        Part::Timestamp => clock.as_bytes(),
        // The door takes nothing else.
        Part::Method => b"POST",
        Part::Url => shared.url.as_deref().unwrap_or_default().as_bytes(),
        Part::Text(text) => text.as_bytes(),
    };
    signature.parts.iter().map(piece).collect()
}

fn mac<M: Mac + KeyInit>(secret: &SharedSecret, pieces: &[&[u8]]) -> M {
    let mut mac = <M as KeyInit>::new_from_slice(&secret.0).expect("HMAC takes a key of any length");
    for piece in pieces {
        mac.update(piece);
    }
    mac
}

fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => hex::decode(text).ok(),
        Encoding::Base64 => BASE64.decode(text).ok(),
        Encoding::Text => Some(text.as_bytes().to_vec()),
    }
}

fn time(unit: Unit, text: &str) -> Option<Timestamp> {
    if text.len() > CLOCK_LENGTH_MAX {
        return None;
    }
    match unit {
        Unit::Seconds => unix_seconds(text),
        Unit::Milliseconds => {
            let digits = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            let millis: i64 = if digits { text.parse().ok()? } else { return None };
            Timestamp::from_micros(millis.checked_mul(1_000)?).ok()
        }
        Unit::Rfc3339 => text.parse().ok(),
    }
}

/// The headers of these bytes: what the source would send, with its first secret. For demos and tests.
pub fn sign(delivery: &Delivery, shared: &Shared, signed_at: Timestamp, body: &[u8]) -> Vec<(String, String)> {
    let Some(secret) = shared.secrets.first() else { return Vec::new() };
    let signature = match &delivery.proof {
        Proof::Signature(signature) => signature,
        Proof::Token(header) => {
            return vec![(header.clone(), String::from_utf8_lossy(&secret.0).into_owned())];
        }
    };
    let clock = signature.clock.as_ref().map_or_else(String::new, |clock| match clock.unit {
        Unit::Seconds => (signed_at.millis() / 1_000).to_string(),
        Unit::Milliseconds => signed_at.millis().to_string(),
        Unit::Rfc3339 => signed_at.to_string(),
    });
    let pieces = pieces(signature, &clock, body, shared);
    let code = match signature.hash {
        Hash::Sha256 => mac::<Hmac<Sha256>>(secret, &pieces).finalize().into_bytes().to_vec(),
        Hash::Sha512 => mac::<Hmac<Sha512>>(secret, &pieces).finalize().into_bytes().to_vec(),
    };
    let code = if signature.encoding == Encoding::Hex { hex::encode(code) } else { BASE64.encode(code) };
    let header = (signature.header.clone(), format!("{}{code}", signature.prefix));
    let clock = signature.clock.as_ref().map(|it| (it.header.clone(), clock.clone()));
    std::iter::once(header).chain(clock).collect()
}

#[cfg(test)]
mod tests;
