//! What of Outlook's events must be seen alike by whoever reads a calendar (ingest) and whoever reads an event of it (the
//! normalizer). The fields are those of Microsoft Graph's `event` resource, version 1.0.

use serde_json::Value;

/// Whether the event takes the time of the calendar's owner. Not where it was cancelled by its organizer, declined, removed, or
/// is of no length, nor where its owner shows as free, or as working elsewhere, meanwhile.
pub fn takes_time(event: &Value) -> bool {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str);
    let stands = event.get("@removed").is_none() && event.get("isCancelled").and_then(Value::as_bool) != Some(true);
    let taken = !matches!(text("/showAs"), Some("free" | "workingElsewhere"));
    let long = event.get("start") != event.get("end");
    stands && taken && long && text("/responseStatus/response") != Some("declined")
}

/// Whether it is the rule of a series. The occurrences of the series are what takes time, and come on their own.
pub fn is_series(event: &Value) -> bool {
    event.get("type").and_then(Value::as_str) == Some("seriesMaster")
}

/// The name space of its event ids, which is Calendly's word for it.
pub const SYSTEM: &str = "outlook";

/// The transaction by which an event says that Daybook has written it: the booking's id, and the version that it was made for.
pub fn transaction(booking_id: &str, version: u64) -> String {
    format!("daybook:{booking_id}:{version}")
}

/// The booking of such a transaction; none of anybody else's.
pub fn mark(event: &Value) -> Option<&str> {
    let transaction = event.get("transactionId").and_then(Value::as_str)?;
    transaction.strip_prefix("daybook:")?.split_once(':').map(|(booking_id, _)| booking_id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_takes_time_unless_its_owner_is_free_meanwhile() {
        let event = |changes: Value| {
            let mut event = json!({"id": "e1", "start": {"dateTime": "2026-03-04T09:00:00"}, "end": {"dateTime": "2026-03-04T10:00:00"}});
            event.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
            event
        };
        for busy in ["busy", "tentative", "oof", "unknown"] {
            assert!(takes_time(&event(json!({"showAs": busy, "isCancelled": false}))), "{busy}");
        }
        assert!(takes_time(&event(json!({"responseStatus": {"response": "notResponded"}}))));
        for free in [
            json!({"showAs": "free"}),
            json!({"showAs": "workingElsewhere"}),
            json!({"isCancelled": true}),
            json!({"@removed": {"reason": "deleted"}}),
            json!({"responseStatus": {"response": "declined"}}),
            json!({"end": {"dateTime": "2026-03-04T09:00:00"}}),
        ] {
            assert!(!takes_time(&event(free.clone())), "{free}");
        }
    }

    #[test]
    fn a_series_is_known_by_its_type() {
        assert!(is_series(&json!({"type": "seriesMaster"})));
        assert!(!is_series(&json!({"type": "occurrence", "seriesMasterId": "e1"})));
    }
}
