//! What of Google Calendar's events must be seen alike by whoever reads a calendar (ingest) and whoever reads an event of it
//! (the normalizer). The fields are those of the API's `Event` resource, version 3.

use serde_json::Value;

/// The types of events that are no appointments.
const NO_APPOINTMENTS: [&str; 3] = ["birthday", "focusTime", "workingLocation"];

/// Whether the event takes the time of the calendar's owner. Not where it was cancelled or declined, where its owner shows
/// as free meanwhile, where it is of no length, or where it only says where they work and on what.
pub fn takes_time(event: &Value) -> bool {
    let text = |field: &str| event.get(field).and_then(Value::as_str);
    let stands = text("status") != Some("cancelled");
    let opaque = text("transparency") != Some("transparent");
    let appointment = text("eventType").is_none_or(|kind| !NO_APPOINTMENTS.contains(&kind));
    let long = event.get("start") != event.get("end");
    stands && opaque && appointment && long && !is_declined(event)
}

/// Whether the calendar's owner has declined it.
fn is_declined(event: &Value) -> bool {
    let attendees = event.get("attendees").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let owner = |attendee: &&Value| attendee.get("self").and_then(Value::as_bool) == Some(true);
    let answer = |attendee: &Value| attendee.get("responseStatus").and_then(Value::as_str) == Some("declined");
    attendees.iter().find(owner).is_some_and(answer)
}

/// Whether it is the rule of a series. The instances of the series are what takes time, and come on their own.
pub fn is_series(event: &Value) -> bool {
    event.get("recurrence").is_some_and(|rules| !rules.is_null())
}

/// The name space of its event ids, which is Calendly's word for it.
pub const SYSTEM: &str = "google";
/// The private extended property by which an entry says that Daybook has written it: the booking's id.
pub const MARK: &str = "daybook_booking_id";
/// The one by which it says at which version it is.
pub const MARK_VERSION: &str = "daybook_version";
/// The one that every entry of Daybook's has, to list them by: [`MARKED`].
pub const MARK_OF_ALL: &str = "daybook";
/// What it says.
pub const MARKED: &str = "1";
/// The reasons of a 403 that pass.
pub const QUOTAS: [&str; 4] = ["dailyLimitExceeded", "quotaExceeded", "rateLimitExceeded", "userRateLimitExceeded"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_takes_time_unless_its_owner_is_free_meanwhile() {
        let event = |changes: Value| {
            let mut event = json!({"id": "e1", "status": "confirmed", "start": {"date": "2026-03-04"}, "end": {"date": "2026-03-05"}});
            event.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
            event
        };
        let answers = |answer: &str| json!({"attendees": [{"email": "a@example.com", "responseStatus": "declined"}, {"email": "b@example.com", "self": true, "responseStatus": answer}]});
        for busy in [
            json!({}),
            json!({"status": "tentative"}),
            json!({"transparency": "opaque"}),
            json!({"eventType": "outOfOffice"}),
            json!({"eventType": "fromGmail"}),
            json!({"attendees": null}),
            answers("accepted"),
            answers("needsAction"),
        ] {
            assert!(takes_time(&event(busy.clone())), "{busy}");
        }
        for free in [
            json!({"status": "cancelled"}),
            json!({"transparency": "transparent"}),
            json!({"eventType": "workingLocation"}),
            json!({"end": {"date": "2026-03-04"}}),
            answers("declined"),
        ] {
            assert!(!takes_time(&event(free.clone())), "{free}");
        }
        assert!(!takes_time(&json!({"id": "e1", "status": "cancelled"})));
    }

    #[test]
    fn a_series_is_known_by_its_rules() {
        assert!(is_series(&json!({"recurrence": ["RRULE:FREQ=DAILY"]})));
        assert!(!is_series(&json!({"recurringEventId": "e1"})));
        assert!(!is_series(&json!({"recurrence": null})));
    }
}
