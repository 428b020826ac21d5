//! What a fetched state is called on its way: the types of the events that ingest makes itself.

use serde_json::{Value, json};

/// The state of a booking, as the vendor's API has answered.
pub const FETCHED: &str = "daybook.fetched";
/// There is no such booking at the vendor any more.
pub const GONE: &str = "daybook.gone";

/// What has changed in a calendar that was read again.
pub const POLLED: &str = "daybook.polled";

/// The body of [`GONE`]: which booking.
pub fn gone_body(id: &str) -> String {
    json!({ "id": id }).to_string()
}

/// Which booking such a body names; none if it is another.
pub fn gone_id(body: &Value) -> Option<&str> {
    body.get("id")?.as_str().filter(|id| !id.is_empty())
}
