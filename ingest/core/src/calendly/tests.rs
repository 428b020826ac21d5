//! Calendly's signature: what verifies, and everything that must not.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const BODY: &[u8] = br#"{"event":"invitee.created","payload":{}}"#;

fn key(text: &str) -> SigningKey {
    text.parse().expect("long enough")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).expect("in range")
}

/// What `verify` says of a header, with one key, at the time of signing.
fn judge(header: Option<&str>, body: &[u8]) -> Result<Authentic, Refusal> {
    let keys = [key("one-signing-key-of-calendly")];
    verify(|name| header.filter(|_| name == SIGNATURE), body, &keys, at(1_000_000), Window::CALENDLY)
}

fn signed(body: &[u8]) -> String {
    sign(&key("one-signing-key-of-calendly"), at(1_000_000), body)
}

#[test]
fn the_signature_is_the_documented_hmac() {
    // printf '1000000.{}' | openssl dgst -sha256 -hmac one-signing-key-of-calendly
    assert_eq!(signed(b"{}"), format!("t=1000000,v1={VECTOR}"));
}

const VECTOR: &str = "3316f50fd5a5dabc12fcb7375f5c5ad2268683e66e84cfe30851d23d70a046fc";

#[test]
fn a_signed_delivery_is_authentic_and_has_no_delivery_id() {
    let authentic = judge(Some(&signed(BODY)), BODY).expect("authentic");
    assert_eq!(authentic.signed_at(), at(1_000_000));
    assert_eq!(authentic.delivery_id(), None);
}

#[test]
fn either_key_of_a_rotation_is_accepted_and_no_other() {
    let (old, new) = (key("the-old-signing-key"), key("the-new-signing-key"));
    let header = sign(&old, at(5), BODY);
    let judge = |keys: &[SigningKey]| verify(|_| Some(&header), BODY, keys, at(5), Window::CALENDLY).err();
    assert_eq!(judge(&[new.clone(), old.clone()]), None);
    assert_eq!(judge(&[old]), None);
    assert_eq!(judge(&[new]), Some(Refusal::BadSignature));
    assert_eq!(judge(&[]), Some(Refusal::BadSignature));
}

#[test]
fn one_right_signature_among_several_is_enough() {
    let other = "0".repeat(64);
    let header = signed(BODY).replace(",v1=", &format!(",v0=whatever,v1={other},v1="));
    assert!(judge(Some(&header), BODY).is_ok());
    assert!(judge(Some(&header.replace(',', ", ")), BODY).is_ok());
}

#[test]
fn a_header_that_is_missing_or_does_not_read_is_refused_by_name() {
    assert_eq!(judge(None, BODY), Err(Refusal::MissingSignature));
    let code = "0".repeat(64);
    for header in [
        String::new(),
        "t=1000000".to_owned(),
        format!("v1={code}"),
        format!("t=now,v1={code}"),
        format!("t=1,t=2,v1={code}"),
        "t=1000000,v1=xyz".to_owned(),
        "t=1000000,v1=".to_owned(),
        format!("t=1000000,{}", vec![format!("v1={code}"); 9].join(",")),
    ] {
        assert_eq!(judge(Some(&header), BODY), Err(Refusal::MalformedSignature), "{header}");
    }
}

#[test]
fn a_signature_counts_for_24_hours_back_and_5_minutes_ahead() {
    let keys = [key("one-signing-key-of-calendly")];
    let header = signed(BODY);
    for (now, refusal) in [
        (1_000_000 - 300, None),
        (1_000_000 - 301, Some(Refusal::OutsideWindow)),
        (1_000_000 + 86_400, None),
        (1_000_000 + 86_401, Some(Refusal::OutsideWindow)),
    ] {
        let verdict = verify(|_| Some(&header), BODY, &keys, at(now), Window::CALENDLY);
        assert_eq!(verdict.err(), refusal, "at {now}");
    }
    let narrow = Window { past: Duration::from_secs(180), future: Duration::ZERO };
    assert_eq!(verify(|_| Some(&header), BODY, &keys, at(1_000_181), narrow), Err(Refusal::OutsideWindow));
}

#[test]
fn an_old_forgery_is_called_a_forgery_not_old() {
    let header = format!("t=1,v1={}", "0".repeat(64));
    assert_eq!(judge(Some(&header), BODY), Err(Refusal::BadSignature));
}

#[test]
fn a_short_key_is_refused_and_a_key_never_shows() {
    assert!("too-short".parse::<SigningKey>().is_err());
    assert_eq!(format!("{:?}", key("one-signing-key-of-calendly")), "SigningKey(…)");
}

proptest! {
    #[test]
    fn a_flipped_bit_in_the_body_never_verifies(body in prop::collection::vec(any::<u8>(), 1..200), bit in any::<prop::sample::Index>()) {
        let header = signed(&body);
        let mut forged = body.clone();
        let bit = bit.index(body.len() * 8);
        forged[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(judge(Some(&header), &body).is_ok());
        prop_assert_eq!(judge(Some(&header), &forged), Err(Refusal::BadSignature));
    }

    #[test]
    fn a_changed_character_in_the_header_never_verifies(at in any::<prop::sample::Index>(), to in "[ -~]") {
        let header = signed(BODY);
        let at = at.index(header.len());
        let mut forged = header.clone();
        forged.replace_range(at..=at, &to);
        // An upper-case hexadecimal digit is the same digit, so it is the same signature.
        prop_assume!(forged.to_lowercase() != header);
        prop_assert!(judge(Some(&forged), BODY).is_err());
    }

    #[test]
    fn no_header_makes_it_panic(header in ".{0,300}") {
        prop_assert!(judge(Some(&header), BODY).is_err());
    }
}
