//! Standard Webhooks: headers `webhook-id`, `webhook-timestamp`, `webhook-signature`. The door of every system that has
//! no vendor scheme of its own.
//!
//! Source: the Standard Webhooks specification 1.0. The signature itself is `daybook_wire::standard_webhooks`; here are
//! the headers and the window. `webhook-id` is the same for every attempt at one message, so it is the event's id.

use daybook_domain::Timestamp;
use daybook_wire::standard_webhooks::{self, Secret};

use crate::authentic::{Authentic, Refusal, Window, delivery_id, unix_seconds};

/// The message's id.
pub const ID: &str = "webhook-id";
/// When it was signed, Unix seconds.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The signatures, separated by blanks.
pub const SIGNATURE: &str = "webhook-signature";

/// Longer than eight signatures of a rotation; it bounds the work that an unsigned request can cause.
const SIGNATURE_LENGTH_MAX: usize = 512;

/// Judges one delivery. `headers` finds a header by its lower-case name. The signature is checked before the window, so
/// that [`Refusal::OutsideWindow`] is only ever said of what the sender did sign.
pub fn verify<'h>(
    headers: impl Fn(&str) -> Option<&'h str>,
    body: &[u8],
    secrets: &[Secret],
    now: Timestamp,
    window: Window,
) -> Result<Authentic, Refusal> {
    let header = |name| headers(name).ok_or(Refusal::MissingSignature);
    let (id, timestamp, signatures) = (header(ID)?, header(TIMESTAMP)?, header(SIGNATURE)?);
    let id = delivery_id(id)?;
    let signed_at = unix_seconds(timestamp).ok_or(Refusal::MalformedSignature)?;
    if signatures.len() > SIGNATURE_LENGTH_MAX || !signatures.split(' ').any(|part| part.starts_with("v1,")) {
        return Err(Refusal::MalformedSignature);
    }
    if !standard_webhooks::verify(secrets, id, timestamp, body, signatures) {
        return Err(Refusal::BadSignature);
    }
    if !window.contains(signed_at, now) {
        return Err(Refusal::OutsideWindow);
    }
    Ok(Authentic::new(signed_at, Some(id.to_owned())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: i64 = 1_614_265_330;

    fn secret() -> Secret {
        SECRET.parse().expect("a secret")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).expect("in range")
    }

    fn judge(
        id: Option<&str>,
        timestamp: Option<&str>,
        signature: Option<&str>,
        body: &[u8],
        now: i64,
    ) -> Result<Authentic, Refusal> {
        let find = |name: &str| match name {
            ID => id,
            TIMESTAMP => timestamp,
            SIGNATURE => signature,
            _ => None,
        };
        verify(find, body, &[secret()], at(now), Window::STANDARD_WEBHOOKS)
    }

    #[test]
    fn the_specifications_own_vector_is_authentic_and_names_its_delivery() {
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let verdict = judge(Some("msg_p5jXN8AQM9LWM0D4loKWxJek"), Some("1614265330"), Some(signature), BODY, SIGNED)
            .expect("authentic");
        assert_eq!(verdict.delivery_id(), Some("msg_p5jXN8AQM9LWM0D4loKWxJek"));
        assert_eq!(verdict.signed_at(), at(SIGNED));
    }

    #[test]
    fn each_header_must_be_there_and_must_read() {
        let signature = standard_webhooks::sign(&[secret()], "m", SIGNED, BODY);
        let (id, time, sign) = (Some("m"), Some("1614265330"), Some(signature.as_str()));
        assert_eq!(judge(None, time, sign, BODY, SIGNED), Err(Refusal::MissingSignature));
        assert_eq!(judge(id, None, sign, BODY, SIGNED), Err(Refusal::MissingSignature));
        assert_eq!(judge(id, time, None, BODY, SIGNED), Err(Refusal::MissingSignature));
        assert_eq!(judge(id, Some("soon"), sign, BODY, SIGNED), Err(Refusal::MalformedSignature));
        assert_eq!(judge(id, time, Some("v1a,abc"), BODY, SIGNED), Err(Refusal::MalformedSignature));
        assert_eq!(judge(id, time, Some("v1,AAAA"), BODY, SIGNED), Err(Refusal::BadSignature));
        let flood = ["v1,AAAA"; 100].join(" ");
        assert_eq!(judge(id, time, Some(&flood), BODY, SIGNED), Err(Refusal::MalformedSignature));
    }

    #[test]
    fn an_id_that_is_too_long_or_not_visible_ascii_or_an_address_is_a_fault_of_the_request() {
        for id in ["", "a b", "jane@example.com", "a\u{7f}", "ä", &"x".repeat(257)] {
            let signature = standard_webhooks::sign(&[secret()], id, SIGNED, BODY);
            let verdict = judge(Some(id), Some("1614265330"), Some(&signature), BODY, SIGNED);
            assert_eq!(verdict, Err(Refusal::MalformedId));
            assert_eq!(Refusal::MalformedId.status(), 400);
        }
        let id = "x".repeat(256);
        let signature = standard_webhooks::sign(&[secret()], &id, SIGNED, BODY);
        assert!(judge(Some(&id), Some("1614265330"), Some(&signature), BODY, SIGNED).is_ok());
    }

    #[test]
    fn a_signature_counts_for_5_minutes_both_ways() {
        let signature = standard_webhooks::sign(&[secret()], "m", SIGNED, BODY);
        for (now, refusal) in [
            (SIGNED - 300, None),
            (SIGNED - 301, Some(Refusal::OutsideWindow)),
            (SIGNED + 300, None),
            (SIGNED + 301, Some(Refusal::OutsideWindow)),
        ] {
            assert_eq!(judge(Some("m"), Some("1614265330"), Some(&signature), BODY, now).err(), refusal, "at {now}");
        }
    }

    proptest! {
        #[test]
        fn a_flipped_bit_in_the_body_never_verifies(body in prop::collection::vec(any::<u8>(), 1..200), bit in any::<prop::sample::Index>()) {
            let signature = standard_webhooks::sign(&[secret()], "m", SIGNED, &body);
            let mut forged = body.clone();
            let bit = bit.index(body.len() * 8);
            forged[bit / 8] ^= 1 << (bit % 8);
            let judge = |body: &[u8]| judge(Some("m"), Some("1614265330"), Some(&signature), body, SIGNED);
            prop_assert!(judge(&body).is_ok());
            prop_assert_eq!(judge(&forged), Err(Refusal::BadSignature));
        }

        #[test]
        fn another_id_or_time_never_verifies(id in "[!-?A-~]{1,40}", seconds in 1_614_265_030i64..1_614_265_630) {
            prop_assume!(id != "m" || seconds != SIGNED);
            let signature = standard_webhooks::sign(&[secret()], "m", SIGNED, BODY);
            let verdict = judge(Some(&id), Some(&seconds.to_string()), Some(&signature), BODY, SIGNED);
            prop_assert_eq!(verdict, Err(Refusal::BadSignature));
        }
    }
}
