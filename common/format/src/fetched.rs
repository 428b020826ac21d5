//! What a fetched state is called on its way: the types of the events that ingest makes itself.

use serde_json::{Value, json};

/// The state of a booking, as the vendor's API has answered.
pub const FETCHED: &str = "daybook.fetched";
/// There is no such booking at the vendor any more.
pub const GONE: &str = "daybook.gone";

/// What has changed in a calendar that was read again.
pub const POLLED: &str = "daybook.polled";

/// A delivery that says too little to be read: the state of its booking is fetched.
pub const TOLD: &str = "daybook.told";

/// The vendor lists bookings that are new to us, or other than we knew them: which, and nothing more.
pub const LISTED: &str = "daybook.listed";

/// Where events say that they come from whose bookings were there before anybody looked; the source's name comes after it.
pub const IMPORTED: &str = "/imported/";

/// The body of [`GONE`]: which booking.
pub fn gone_body(id: &str) -> String {
    json!({ "id": id }).to_string()
}

/// Which booking such a body names; none if it is another.
pub fn gone_id(body: &Value) -> Option<&str> {
    body.get("id")?.as_str().filter(|id| !id.is_empty())
}

/// The body of [`LISTED`]: which bookings, and whether they were there before anybody looked, so that nobody had to tell of them.
pub fn listed_body(ids: &[&str], first: bool) -> String {
    json!({ "ids": ids, "first": first }).to_string()
}

/// Which bookings such a body names.
pub fn listed_ids(body: &Value) -> impl Iterator<Item = &str> {
    body.get("ids").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether they were there before anybody looked.
pub fn listed_first(body: &Value) -> bool {
    body.get("first").and_then(Value::as_bool) == Some(true)
}
