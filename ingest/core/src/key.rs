//! The key with which a program or a person calls the API: `dbk_<id>_<secret>`, 16 and 64 hexadecimal digits.
//!
//! Invariant: a secret is kept nowhere. What is kept is its SHA-256, which is enough for 32 random bytes: nobody can
//! guess through them, so nothing slow is needed. The id is no secret; it stands in logs, metrics and lists. The prefix
//! lets scanners of repositories find a key that was checked in.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How every key begins.
const PREFIX: &str = "dbk_";

/// The public half of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Why a text is not the id of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the id of a key: 16 hexadecimal digits, as daybook keys list shows them")]
pub struct KeyIdError;

impl FromStr for KeyId {
    type Err = KeyIdError;
    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        digits(text).map(Self).ok_or(KeyIdError)
    }
}

/// What is kept of a secret.
#[derive(Debug, Clone, Copy)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of no secret that anybody knows: what is compared with where there is no key, so that it takes as long.
    pub const NOBODYS: Self = Self([0; 32]);

    /// A digest that has come back from the store; none if it is not 32 bytes long.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().map(Self).ok()
    }

    /// The bytes to keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are of the same secret. Takes the same time wherever they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// A whole key, as its holder has it. Its `Debug` shows the id only.
#[derive(Clone)]
pub struct PlainKey {
    id: KeyId,
    secret: [u8; 32],
}

impl PlainKey {
    /// A key of these random bytes.
    pub const fn new(id: [u8; 8], secret: [u8; 32]) -> Self {
        Self { id: KeyId(id), secret }
    }

    /// A key as text; none if the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        Some(Self { id: KeyId(digits(id)?), secret: digits(secret)? })
    }

    /// Its public half.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What to keep of it, and to compare with what was kept.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(self.secret).into())
    }

    /// The text that its holder is given, once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, hex::encode(self.secret))
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainKey({}, …)", self.id)
    }
}

/// Lower-case digits only, so that a key has one spelling.
fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; N];
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_as_it_was_shown_and_only_so() {
        let key = PlainKey::new([0xab; 8], [7; 32]);
        let text = key.reveal();
        assert_eq!(text, format!("dbk_{}_{}", "ab".repeat(8), "07".repeat(32)));
        let again = PlainKey::parse(&text).expect("a key");
        assert_eq!(again.id(), key.id());
        assert!(again.digest().matches(&key.digest()));
        let short = &text[..text.len() - 1];
        for wrong in ["", "dbk_", short, &text.to_uppercase(), &format!("{text}0"), &text.replace("dbk", "key")] {
            assert!(PlainKey::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn another_secret_does_not_match_and_no_secret_is_printed() {
        let (one, other) = (PlainKey::new([1; 8], [7; 32]), PlainKey::new([1; 8], [8; 32]));
        assert!(!one.digest().matches(&other.digest()));
        assert_eq!(format!("{one:?}"), "PlainKey(0101010101010101, …)");
    }

    #[test]
    fn the_digest_is_pinned_because_stores_hold_it() {
        let digest = hex::encode(PlainKey::new([0; 8], [0; 32]).digest().as_bytes());
        assert_eq!(digest, "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925");
    }
}
