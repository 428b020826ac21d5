//! Secrets at rest: AES-256-GCM (NIST SP 800-38D), each for the one account that it is of.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::SecretString;

/// A key that seals. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct SealKey(LessSafeKey);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not 32 bytes in base64; take the output of `openssl rand -base64 32`")]
pub struct SealKeyError;

impl std::str::FromStr for SealKey {
    type Err = SealKeyError;
    fn from_str(text: &str) -> Result<Self, SealKeyError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| SealKeyError)?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealKeyError)?;
        Ok(Self(LessSafeKey::new(key)))
    }
}

impl SealKey {
    /// Seals a secret of an account. `nonce` is random: it must never be used with the same key again.
    pub fn seal(&self, account: &str, secret: &str, nonce: [u8; NONCE_LEN]) -> Vec<u8> {
        let mut text = secret.as_bytes().to_vec();
        let aad = Aad::from(account.as_bytes());
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .expect("a token is far below the 64 GiB that one message may have");
        [&nonce[..], &text].concat()
    }

    /// Opens what was sealed for this account, with this key.
    pub fn open(&self, account: &str, sealed: &[u8]) -> Option<SecretString> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let secret = self.0.open_in_place(nonce, Aad::from(account.as_bytes()), &mut text).ok()?;
        std::str::from_utf8(secret).ok().map(SecretString::from)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const KEY: &str = "Kw4a2Sx0bLq3nJv1yTz5cQ7mUe9pRk8oHf6gDi0sBtA=";

    #[test]
    fn what_is_sealed_is_opened_for_its_account_with_its_key_and_in_no_other_way() {
        let key: SealKey = KEY.parse().expect("a key");
        let sealed = key.seal("calendly", "a-refresh-token", [7; NONCE_LEN]);
        let text = String::from_utf8_lossy(&sealed).into_owned();
        assert!(!text.contains("refresh"), "it can be read");
        let opened = key.open("calendly", &sealed).expect("opens");
        assert_eq!(opened.expose_secret(), "a-refresh-token");
        assert!(key.open("acuity", &sealed).is_none());
        let other: SealKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().expect("a key");
        assert!(other.open("calendly", &sealed).is_none());
        for cut in [0, 5, NONCE_LEN, sealed.len() - 1] {
            assert!(key.open("calendly", &sealed[..cut]).is_none());
        }
        let mut changed = sealed;
        changed[NONCE_LEN] ^= 1;
        assert!(key.open("calendly", &changed).is_none());
    }

    #[test]
    fn a_key_is_32_bytes_and_shown_to_nobody() {
        for text in ["", "short", "AAAA", &KEY[..40]] {
            assert_eq!(text.parse::<SealKey>().err(), Some(SealKeyError), "{text}");
        }
        assert_eq!(format!("{:?}", KEY.parse::<SealKey>().expect("a key")), "SealKey(…)");
    }
}
