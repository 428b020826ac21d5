//! What the vendors' files share.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::Timestamp;
use daybook_wire::RetryAfter;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Answer, Item, Setback};
use crate::event::NAME_LENGTH_MAX;

/// The items of a page, and how many have an id that cannot be taken. None if one is no event, which makes the page none.
pub(super) fn items(values: Vec<Value>, item: impl Fn(Value) -> Option<Item>) -> Option<(Vec<Item>, usize)> {
    values.into_iter().map(item).collect::<Option<Vec<_>>>().map(taken)
}

/// The items whose ids can be taken, and how many others there are.
pub(super) fn taken(mut items: Vec<Item>) -> (Vec<Item>, usize) {
    let all = items.len();
    items.retain(|item| is_name(&item.id) && item.series.as_deref().is_none_or(is_name));
    let skipped = all - items.len();
    (items, skipped)
}

/// Whether the store takes it, too: one event that it refuses would stop all of its calendar.
fn is_name(id: &str) -> bool {
    id.chars().count() <= NAME_LENGTH_MAX && !id.chars().any(char::is_control)
}

/// The longest wait that a vendor can ask for.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// An answer that can be used for nothing, and when to ask again, if the header `Retry-After` says so.
pub(super) fn later(retry_after: Option<&str>, now: Timestamp) -> Answer {
    let wait = retry_after.and_then(RetryAfter::parse).map(|after| after.from(now).min(WAIT_MAX));
    Answer::Setback(Setback::Later(wait))
}

/// RFC 3339 in whole seconds.
pub(super) fn second(time: Timestamp) -> String {
    Timestamp::from_millis(time.millis() / 1_000 * 1_000).unwrap_or(time).to_string()
}

/// iCalendar's way to write an instant: `20260304T090000Z`.
pub(super) fn basic(time: Timestamp) -> String {
    DateTime::<Utc>::from(time).format("%Y%m%dT%H%M%SZ").to_string()
}

/// The fingerprint of an object, whatever order its fields came in, without those that change by themselves.
pub(super) fn hash(body: &Value, volatile: &[&str]) -> [u8; 32] {
    let fields = body.as_object().into_iter().flatten();
    let steady: BTreeMap<_, _> = fields.filter(|(name, _)| !volatile.contains(&name.as_str())).collect();
    Sha256::digest(serde_json::to_vec(&steady).unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::State;

    #[test]
    fn an_event_whose_id_no_store_takes_is_passed_over_and_its_siblings_are_not() {
        let item = |id: &str, series: Option<&str>| Item {
            id: id.to_owned(),
            series: series.map(str::to_owned),
            state: State::Busy,
            span: None,
            days: false,
            stamp: None,
            hash: [0; 32],
            body: Value::Null,
        };
        let long = "x".repeat(NAME_LENGTH_MAX + 1);
        let items =
            vec![item("a", None), item("b\0", None), item("c", Some("s\0")), item(&long, None), item("d", Some("s"))];
        let (taken, skipped) = taken(items);
        let taken: Vec<_> = taken.iter().map(|item| item.id.as_str()).collect();
        assert_eq!((&*taken, skipped), (&["a", "d"][..], 3));
    }
}
