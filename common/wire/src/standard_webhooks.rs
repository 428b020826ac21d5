//! The Standard Webhooks signature: HMAC-SHA256 over `id.timestamp.body`, base64, `v1,` before it.
//!
//! Source: the Standard Webhooks specification 1.0 ("Signature scheme"). Pure: the time and the secrets are arguments.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The prefix of a secret as text.
const SECRET_PREFIX: &str = "whsec_";

/// Why a text is not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not 'whsec_' followed by the base64 of 24 to 64 bytes")]
pub struct SecretError;

/// A shared secret, 24 to 64 bytes. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl std::str::FromStr for Secret {
    type Err = SecretError;
    fn from_str(text: &str) -> Result<Self, SecretError> {
        let bytes = STANDARD.decode(text.strip_prefix(SECRET_PREFIX).ok_or(SecretError)?).map_err(|_| SecretError)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(SecretError) }
    }
}

fn mac(secret: &Secret, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("HMAC takes a key of any length");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}

/// The value of `webhook-signature`: one `v1,…` per secret, separated by blanks, so that a receiver that knows only
/// the old or only the new secret of a rotation accepts it.
pub fn sign(secrets: &[Secret], id: &str, timestamp_seconds: i64, body: &[u8]) -> String {
    let timestamp = timestamp_seconds.to_string();
    let signatures = secrets
        .iter()
        .map(|secret| format!("v1,{}", STANDARD.encode(mac(secret, id, &timestamp, body).finalize().into_bytes())));
    signatures.collect::<Vec<_>>().join(" ")
}

/// Whether some signature in the header was made with some secret. Constant time per comparison; `timestamp` is the
/// header's text, as signed.
pub fn verify(secrets: &[Secret], id: &str, timestamp: &str, body: &[u8], signatures: &str) -> bool {
    let candidates: Vec<Vec<u8>> = signatures
        .split(' ')
        .filter_map(|signature| signature.strip_prefix("v1,"))
        .filter_map(|encoded| STANDARD.decode(encoded).ok())
        .collect();
    secrets.iter().any(|secret| {
        candidates.iter().any(|candidate| mac(secret, id, timestamp, body).verify_slice(candidate).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn secret(text: &str) -> Secret {
        text.parse().expect("a secret")
    }

    #[test]
    fn the_specifications_own_vector_is_reproduced() {
        let signature = sign(&[secret(SECRET)], ID, 1_614_265_330, BODY);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn either_secret_of_a_rotation_verifies() {
        let (old, new) = (secret(SECRET), secret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
        let signature = sign(&[old.clone(), new.clone()], ID, 1, BODY);
        assert!(verify(&[old], ID, "1", BODY, &signature));
        assert!(verify(&[new], ID, "1", BODY, &signature));
    }

    #[test]
    fn another_secret_id_time_or_body_does_not_verify() {
        let signature = sign(&[secret(SECRET)], ID, 1, BODY);
        let known = [secret(SECRET)];
        assert!(verify(&known, ID, "1", BODY, &signature));
        assert!(!verify(&[secret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")], ID, "1", BODY, &signature));
        assert!(!verify(&known, "msg_other", "1", BODY, &signature));
        assert!(!verify(&known, ID, "2", BODY, &signature));
        assert!(!verify(&known, ID, "1", b"{}", &signature));
        assert!(!verify(&known, ID, "1", BODY, "v1,"));
        assert!(!verify(&known, ID, "1", BODY, "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert!(!verify(&[], ID, "1", BODY, &signature));
    }

    #[test]
    fn a_secret_that_is_too_short_or_not_marked_is_refused() {
        assert!("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse::<Secret>().is_err());
        assert!("whsec_c2hvcnQ=".parse::<Secret>().is_err());
    }
}
