//! Calendars whose vendor says when something has changed in them: Google's channels and Microsoft's subscriptions. What comes
//! says no more than that, and is a reason to read the calendar now.
//!
//! A channel's id names its calendar by a pseudonym and is our own; with it goes a proof, an HMAC of it by a secret of the
//! source's, which the vendor sends back with each ping. So a ping can be judged by whoever receives it, and nobody who does not
//! know the secret can make us read anything.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::str::FromStr;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::authentic::Refusal;

/// Shorter secrets can be tried out.
const SECRET_LENGTH_MIN: usize = 16;
/// Elements of one delivery that are looked at.
const ELEMENTS_MAX: usize = 1_000;
/// The longest token of a handshake that is given back.
const HANDSHAKE_MAX: usize = 4_096;
/// How a proof is told from what it proves, in the one field that Microsoft has for both.
const SEPARATOR: char = '.';

/// Why a text is no secret of pings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is shorter than 16 bytes; draw a longer one")]
pub struct PingSecretError;

/// A secret that proves channels. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct PingSecret(Vec<u8>);

impl std::fmt::Debug for PingSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PingSecret(…)")
    }
}

impl FromStr for PingSecret {
    type Err = PingSecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() < SECRET_LENGTH_MIN { Err(PingSecretError) } else { Ok(Self(text.as_bytes().to_vec())) }
    }
}

/// What a ping says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// The pseudonym of the calendar.
    pub calendar: Uuid,
    /// Of it.
    pub news: News,
}

/// What is said of a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Something has changed in it.
    Changed,
    /// Pings were lost: all of it should be looked at.
    Missed,
    /// Its channel is no more, or will soon be.
    Ended,
}

/// The id of a new channel of a calendar, at most 64 characters. `nonce` is random.
pub fn channel(calendar: Uuid, nonce: u64) -> String {
    format!("{}-{nonce:016x}", calendar.simple())
}

/// The proof that a channel is ours.
pub fn proof(secret: &PingSecret, channel: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("HMAC takes a key of any length");
    mac.update(b"daybook channel ");
    mac.update(channel.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Both in one text, at most 128 characters: what Microsoft gives back as `clientState`.
pub fn client_state(secret: &PingSecret, channel: &str) -> String {
    format!("{channel}{SEPARATOR}{}", proof(secret, channel))
}

/// A ping of Google's, which is all in its headers.
pub fn google<'h>(headers: impl Fn(&str) -> Option<&'h str>, secrets: &[PingSecret]) -> Result<Ping, Refusal> {
    let channel = headers("x-goog-channel-id").ok_or(Refusal::MissingSignature)?;
    let proof = headers("x-goog-channel-token").ok_or(Refusal::MissingSignature)?;
    let calendar = proven(channel, proof, secrets)?;
    // `sync` is the first of a channel, and may come before we know that there is one; reading then is no harm.
    Ok(Ping { calendar, news: News::Changed })
}

/// The pings of a delivery of Microsoft's: those that are proven. It may bear others, of subscriptions that are not ours.
pub fn graph(body: &[u8], secrets: &[PingSecret]) -> Result<Vec<Ping>, Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Refusal::MalformedSignature)?;
    let elements = body.get("value").and_then(Value::as_array).ok_or(Refusal::MalformedSignature)?;
    let ping = |element: &Value| {
        let state = element.get("clientState").and_then(Value::as_str).ok_or(Refusal::MissingSignature)?;
        let (channel, proof) = state.split_once(SEPARATOR).ok_or(Refusal::MalformedSignature)?;
        let news = match element.get("lifecycleEvent").and_then(Value::as_str) {
            None => News::Changed,
            Some("missed") => News::Missed,
            Some(_) => News::Ended,
        };
        Ok(Ping { calendar: proven(channel, proof, secrets)?, news })
    };
    let (mut pings, mut refusal) = (Vec::new(), Refusal::MissingSignature);
    for element in elements.iter().take(ELEMENTS_MAX) {
        match ping(element) {
            Ok(ping) => pings.push(ping),
            Err(found) => refusal = found,
        }
    }
    if pings.is_empty() { Err(refusal) } else { Ok(pings) }
}

fn proven(channel: &str, given: &str, secrets: &[PingSecret]) -> Result<Uuid, Refusal> {
    // Every secret is looked at, so that the time tells nothing of which it was.
    let ours = |secret: &&PingSecret| -> bool { proof(secret, channel).as_bytes().ct_eq(given.as_bytes()).into() };
    if secrets.iter().filter(ours).count() == 0 {
        return Err(Refusal::BadSignature);
    }
    let (calendar, _) = channel.split_once('-').ok_or(Refusal::MalformedSignature)?;
    calendar.parse().map_err(|_| Refusal::MalformedSignature)
}

/// The token that Microsoft wants back before it believes that an address is ours: as plain text, decoded.
pub fn handshake(query: &str) -> Option<String> {
    let (_, token) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "validationToken")?;
    (token.len() <= HANDSHAKE_MAX && !token.chars().any(char::is_control)).then(|| token.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CALENDAR: Uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);

    fn secret(text: &str) -> PingSecret {
        text.parse().expect("a secret")
    }

    fn googles(channel: Option<&str>, token: Option<&str>, secrets: &[PingSecret]) -> Result<Ping, Refusal> {
        let headers = |name: &str| match name {
            "x-goog-channel-id" => channel,
            "x-goog-channel-token" => token,
            _ => None,
        };
        google(headers, secrets)
    }

    #[test]
    fn a_ping_of_googles_counts_with_the_proof_of_its_own_channel_by_any_secret_in_force() {
        let (old, new) = (secret("the-old-secret-of-16"), secret("the-new-secret-of-16"));
        let channel = channel(CALENDAR, 7);
        assert!(channel.len() <= 64);
        let token = proof(&old, &channel);
        let both = [new.clone(), old];
        assert_eq!(googles(Some(&channel), Some(&token), &both), Ok(Ping { calendar: CALENDAR, news: News::Changed }));
        assert_eq!(googles(Some(&channel), Some(&token), &[new]), Err(Refusal::BadSignature));
        let other = super::channel(CALENDAR, 8);
        assert_eq!(googles(Some(&other), Some(&token), &both), Err(Refusal::BadSignature));
        assert_eq!(googles(None, Some(&token), &both), Err(Refusal::MissingSignature));
        assert_eq!(googles(Some(&channel), None, &both), Err(Refusal::MissingSignature));
    }

    #[test]
    fn of_a_delivery_of_microsofts_those_count_that_are_proven_and_without_any_it_is_refused() {
        let secrets = [secret("a-secret-of-16-bytes")];
        let state = client_state(&secrets[0], &channel(CALENDAR, 1));
        assert!(state.len() <= 128);
        let pings = |elements: Value| graph(json!({ "value": elements }).to_string().as_bytes(), &secrets);
        let ping = |news| Ping { calendar: CALENDAR, news };
        let found = pings(json!([
            {"clientState": null, "changeType": "updated"},
            {"clientState": state, "changeType": "updated", "resource": "Users/x/Events/y"},
            {"clientState": state, "lifecycleEvent": "missed"},
            {"clientState": state, "lifecycleEvent": "subscriptionRemoved"},
            {"clientState": state, "lifecycleEvent": "reauthorizationRequired"},
            {"clientState": "somebody-elses"},
        ]));
        let all = vec![ping(News::Changed), ping(News::Missed), ping(News::Ended), ping(News::Ended)];
        assert_eq!(found, Ok(all));
        assert_eq!(pings(json!([{"clientState": null}])), Err(Refusal::MissingSignature));
        assert_eq!(pings(json!([{"clientState": "a.b"}])), Err(Refusal::BadSignature));
        assert_eq!(pings(json!([])), Err(Refusal::MissingSignature));
        assert_eq!(graph(b"<html>", &secrets), Err(Refusal::MalformedSignature));
    }

    #[test]
    fn the_token_of_a_handshake_is_given_back_decoded_and_nothing_else_is() {
        assert_eq!(handshake("validationToken=Validation%3A%20a%2Bb").as_deref(), Some("Validation: a+b"));
        for none in ["", "x=1", "validationToken=a%0d%0ab", &format!("validationToken={}", "x".repeat(5_000))] {
            assert_eq!(handshake(none), None, "{none}");
        }
    }

    #[test]
    fn a_secret_that_can_be_tried_out_is_none() {
        assert_eq!("short".parse::<PingSecret>().err(), Some(PingSecretError));
    }
}
