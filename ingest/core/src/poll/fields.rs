//! What the vendors' files share.

use std::collections::BTreeMap;

use daybook_domain::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The longest id of an event that is taken.
pub(super) const ID_LENGTH_MAX: usize = 1_024;

/// RFC 3339 in whole seconds.
pub(super) fn second(time: Timestamp) -> String {
    Timestamp::from_millis(time.millis() / 1_000 * 1_000).unwrap_or(time).to_string()
}

/// The fingerprint of an object, whatever order its fields came in, without those that change by themselves.
pub(super) fn hash(body: &Value, volatile: &[&str]) -> [u8; 32] {
    let fields = body.as_object().into_iter().flatten();
    let steady: BTreeMap<_, _> = fields.filter(|(name, _)| !volatile.contains(&name.as_str())).collect();
    Sha256::digest(serde_json::to_vec(&steady).unwrap_or_default()).into()
}
