//! Each scheme that a description can have, against vectors computed apart from this code and against changed bytes.

use daybook_format::{Description, Written, shipped};
use proptest::prelude::*;

use super::*;

const SECRET: &str = "0123456789abcdef-0123456789abcdef";
const SIGNED: i64 = 1_700_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).expect("in range")
}

fn delivery(name: &str) -> Delivery {
    shipped(name).expect("shipped").delivery
}

fn described(delivery: &str) -> Delivery {
    let text = format!(
        "[delivery]\nkey = \"$.id\"\n{delivery}\n[events]\n[booking]\nid = \"$.id\"\nupdated_at = \"$.at\"\n\
         resources = [{{ names = [\"$.room\"] }}]\nstart = \"$.from\"\nend = \"$.to\"\n"
    );
    let written = Written::read(&text).expect("the shape");
    Description::new(&written).unwrap_or_else(|faults| panic!("{faults:?}")).delivery
}

fn judge(delivery: &Delivery, headers: &[(String, String)], body: &[u8], now: i64) -> Result<Authentic, Refusal> {
    let find = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    verify(find, body, delivery, &shared(delivery, &[SECRET]), at(now), Window::DESCRIBED)
}

fn shared(delivery: &Delivery, secrets: &[&str]) -> Shared {
    let secret = |text: &&str| SharedSecret::new(text, delivery).expect("a secret");
    let url = Some("https://www.example.com/webhook_uri".to_owned());
    Shared { secrets: secrets.iter().map(secret).collect(), url }
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

// printf '{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef-0123456789abcdef
const CAL: &str = "d3dfb9e5b7f113416f91198d4aadf864b00e7db8ce61efbc81abd64bb001270e";

#[test]
fn a_signature_over_the_body_is_what_cal_com_sends() {
    let cal = delivery("cal.com");
    assert_eq!(
        sign(&cal, &shared(&cal, &[SECRET]), at(SIGNED), br#"{"a":1}"#),
        headers(&[("x-cal-signature-256", CAL)])
    );
    let upper = headers(&[("x-cal-signature-256", &CAL.to_uppercase())]);
    assert!(judge(&cal, &upper, br#"{"a":1}"#, SIGNED).is_ok());
    // It has no time, so it counts for ever.
    assert!(judge(&cal, &upper, br#"{"a":1}"#, SIGNED + 100_000_000).is_ok());
}

#[test]
fn a_hook_of_cal_com_that_has_no_secret_is_refused() {
    let unsigned = headers(&[("x-cal-signature-256", "no-secret-provided")]);
    assert_eq!(judge(&delivery("cal.com"), &unsigned, b"{}", SIGNED), Err(Refusal::MalformedSignature));
    assert_eq!(judge(&delivery("cal.com"), &[], b"{}", SIGNED), Err(Refusal::MissingSignature));
}

// printf '2023-11-14T22:13:20Z{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef-0123456789abcdef -binary | base64
const ZENDESK: &str = "8XfKt5ZYEXs9pKwBJn7O4ur3ZXos5KfNc2642uYEXfw=";

#[test]
fn a_signature_over_time_and_body_is_what_zendesk_sends_and_counts_for_a_while() {
    let zendesk = delivery("zendesk");
    let sent = headers(&[
        ("x-zendesk-webhook-signature", ZENDESK),
        ("x-zendesk-webhook-signature-timestamp", "2023-11-14T22:13:20Z"),
        ("x-zendesk-webhook-invocation-id", "01HZINVOCATION"),
    ]);
    let verdict = judge(&zendesk, &sent, br#"{"a":1}"#, SIGNED).expect("authentic");
    assert_eq!(verdict.delivery_id(), Some("01HZINVOCATION"));
    assert_eq!(verdict.signed_at(), at(SIGNED));
    let later = i64::try_from(Window::DESCRIBED.past.as_secs()).expect("in range");
    assert!(judge(&zendesk, &sent, br#"{"a":1}"#, SIGNED + later).is_ok());
    assert_eq!(judge(&zendesk, &sent, br#"{"a":1}"#, SIGNED + later + 1), Err(Refusal::OutsideWindow));
    let mut moved = sent;
    moved[1].1 = "2023-11-14T22:13:21Z".to_owned();
    assert_eq!(judge(&zendesk, &moved, br#"{"a":1}"#, SIGNED), Err(Refusal::BadSignature));
    moved[1].1 = "yesterday".to_owned();
    assert_eq!(judge(&zendesk, &moved, br#"{"a":1}"#, SIGNED), Err(Refusal::MalformedSignature));
}

#[test]
fn a_signature_over_the_address_is_what_hubspot_sends_and_no_other_address_counts() {
    let hubspot = delivery("hubspot");
    let body = br#"{"example_field":"example_value"}"#;
    let shared = |url: &str| {
        let secret = SharedSecret::new("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", &hubspot).expect("a secret");
        Shared { secrets: vec![secret], url: Some(url.to_owned()) }
    };
    // HubSpot's formula, computed apart from this code.
    let sent = headers(&[
        ("x-hubspot-signature-v3", "rQEKkaNUiu+1qGF//O/pw4BCzstSqO1PyUnGICmf+7o="),
        ("x-hubspot-request-timestamp", "1700000000000"),
    ]);
    let find = |name: &str| sent.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let judge = |url: &str| verify(find, body, &hubspot, &shared(url), at(SIGNED), Window::DESCRIBED);
    assert!(judge("https://www.example.com/webhook_uri").is_ok());
    assert_eq!(judge("https://www.example.com/other"), Err(Refusal::BadSignature));
    // The signatures of its first two versions are no HMAC at all.
    let old = headers(&[("x-hubspot-signature", "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de")]);
    assert_eq!(self::judge(&hubspot, &old, body, SIGNED), Err(Refusal::MissingSignature));
}

#[test]
fn a_token_is_compared_whole_and_every_valid_one_counts() {
    let token = described("token = { header = \"X-Token\" }");
    let verdict = |value: &str| judge(&token, &headers(&[("x-token", value)]), b"{}", SIGNED);
    assert!(verdict(SECRET).is_ok());
    assert_eq!(verdict(&SECRET[1..]), Err(Refusal::BadSignature));
    assert_eq!(verdict(""), Err(Refusal::BadSignature));
    assert_eq!(judge(&token, &[], b"{}", SIGNED), Err(Refusal::MissingSignature));
    let both = shared(&token, &["the-secret-before-this-one", SECRET]);
    let both = verify(|_| Some(SECRET), b"{}", &token, &both, at(SIGNED), Window::DESCRIBED);
    assert!(both.is_ok());
}

#[test]
fn an_id_that_is_an_address_or_too_long_is_a_fault_of_the_request() {
    let token = described("token = { header = \"X-Token\" }\nid_header = \"X-Id\"");
    for id in ["", "a b", "jane@example.com", &"x".repeat(257)] {
        let sent = headers(&[("x-token", SECRET), ("x-id", id)]);
        assert_eq!(judge(&token, &sent, b"{}", SIGNED), Err(Refusal::MalformedId), "{id}");
    }
}

#[test]
fn a_secret_is_long_enough_written_as_described_and_never_shown() {
    let cal = delivery("cal.com");
    assert_eq!(SharedSecret::new("fifteen-bytes..", &cal).err(), Some(SharedSecretError::Short));
    let base64 =
        described("[delivery.signature]\nheader = \"S\"\nencoding = \"hex\"\nsigned = \"{body}\"\nsecret = \"base64\"");
    assert_eq!(SharedSecret::new("!", &base64).err(), Some(SharedSecretError::Encoding(Encoding::Base64)));
    let secret = SharedSecret::new("MDEyMzQ1Njc4OWFiY2RlZg==", &base64).expect("a secret");
    assert_eq!(secret.0, b"0123456789abcdef");
    assert_eq!(format!("{secret:?}"), "SharedSecret(…)");
}

/// Every scheme that a description can have: the hashes, the encodings, with a time and without.
fn schemes() -> Vec<Delivery> {
    let mut schemes = Vec::new();
    for hash in ["sha256", "sha512"] {
        for encoding in ["hex", "base64"] {
            for (signed, clock) in [
                ("{body}", ""),
                ("{timestamp}.{body}", "timestamp = { header = \"T\", unit = \"seconds\" }"),
                ("v0:{timestamp}:{body}", "timestamp = { header = \"T\", unit = \"milliseconds\" }"),
                ("{method}{url}{body}{timestamp}", "timestamp = { header = \"T\", unit = \"rfc3339\" }"),
            ] {
                schemes.push(described(&format!(
                    "[delivery.signature]\nheader = \"S\"\nprefix = \"v0=\"\nhash = \"{hash}\"\n\
                     encoding = \"{encoding}\"\nsigned = \"{signed}\"\n{clock}"
                )));
            }
        }
    }
    schemes
}

proptest! {
    #[test]
    fn what_was_signed_is_authentic_and_a_flipped_bit_never_is(
        body in prop::collection::vec(any::<u8>(), 1..200), bit in any::<prop::sample::Index>()
    ) {
        let mut forged = body.clone();
        let bit = bit.index(body.len() * 8);
        forged[bit / 8] ^= 1 << (bit % 8);
        for scheme in schemes() {
            let sent = sign(&scheme, &shared(&scheme, &[SECRET]), at(SIGNED), &body);
            prop_assert!(judge(&scheme, &sent, &body, SIGNED).is_ok());
            prop_assert_eq!(judge(&scheme, &sent, &forged, SIGNED), Err(Refusal::BadSignature));
        }
    }
}
