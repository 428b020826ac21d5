//! How an event of Calendly's is fetched: the event, then its invitees, page by page. Each invitee is a booking, and goes on as the
//! webhook about it would have said it.
//!
//! Source: Calendly's API reference, `GET /scheduled_events/{uuid}` and `/scheduled_events/{uuid}/invitees`. There is no version
//! in its paths.
//! Only what is read is kept: no questions and answers, no tracking, no links by which a customer acts.

use daybook_format::ESCAPED;
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value, json};

use super::State;

/// Where the API is, if the settings do not say otherwise.
pub const BASE: &str = "https://api.calendly.com";
/// Pages of invitees that are followed: more than any group event has.
pub const PAGES_MAX: usize = 50;

const EVENTS: &str = "/scheduled_events/";
/// The longest name of an event.
const UUID_LENGTH_MAX: usize = 64;

const KEPT_OF_EVENT: [&str; 10] = [
    "calendar_event",
    "created_at",
    "end_time",
    "event_guests",
    "event_memberships",
    "name",
    "start_time",
    "status",
    "updated_at",
    "uri",
];
const KEPT_OF_INVITEE: [&str; 15] = [
    "created_at",
    "email",
    "event",
    "first_name",
    "last_name",
    "name",
    "new_invitee",
    "old_invitee",
    "rescheduled",
    "status",
    "text_reminder_number",
    "timezone",
    "updated_at",
    "uri",
    "cancellation",
];

/// The name of the event in its URI, or in that of one of its invitees. It leads nowhere else.
pub fn name(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once(EVENTS)?;
    let name = rest.split('/').next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    ((1..=UUID_LENGTH_MAX).contains(&name.len()) && name.bytes().all(plain)).then_some(name)
}

/// The event that a delivery speaks of without saying anything of it: the shape of before 2023.
pub fn only_told(body: &Value) -> Option<&str> {
    let payload = body.get("payload")?;
    // One that is something else than an object is a fault, and whoever reads it says so.
    let scheduled = payload.get("scheduled_event").is_some_and(|event| !event.is_null());
    let kind = body.get("event").and_then(Value::as_str);
    // A cancellation needs no more than its booking's name.
    let created = kind == Some("invitee.created");
    payload.get("event").and_then(Value::as_str).filter(|uri| created && !scheduled && name(uri).is_some())
}

/// The path of the event.
pub fn event_path(name: &str) -> String {
    format!("{EVENTS}{name}")
}

/// The path of a page of its invitees.
pub fn invitees_path(name: &str, page: Option<&str>) -> String {
    let page = page.map_or_else(String::new, |page| format!("&page_token={}", utf8_percent_encode(page, ESCAPED)));
    format!("{EVENTS}{name}/invitees?count=100{page}")
}

/// The event of an answer, if it is the one that was asked for.
pub fn event(wanted: &str, body: &[u8]) -> Option<Value> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let event = body.get_mut("resource")?.take();
    (event.get("uri").and_then(Value::as_str).and_then(name) == Some(wanted)).then_some(event)
}

/// The invitees of an answer, and the page after it; none if one of them is of another event.
pub fn invitees(wanted: &str, body: &[u8]) -> Option<(Vec<Value>, Option<String>)> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let next = body.pointer("/pagination/next_page_token").and_then(Value::as_str).map(str::to_owned);
    let Value::Array(invitees) = body.get_mut("collection")?.take() else { return None };
    let of = |invitee: &Value| invitee.get("uri").and_then(Value::as_str).and_then(name) == Some(wanted);
    invitees.iter().all(of).then_some((invitees, next))
}

/// What the webhooks about these invitees would say now.
pub fn states(event: &Value, invitees: &[Value]) -> Vec<State> {
    let stamp = |of: &Value| of.get("updated_at").and_then(Value::as_str).map(str::to_owned);
    let time = |text: &String| text.parse::<daybook_domain::Timestamp>().ok();
    let states = invitees.iter().filter_map(|invitee| {
        let uri = invitee.get("uri").and_then(Value::as_str)?;
        let cancelled = invitee.get("status").and_then(Value::as_str) == Some("canceled");
        let kind = if cancelled { "invitee.canceled" } else { "invitee.created" };
        let mut payload = kept(invitee, &KEPT_OF_INVITEE);
        payload.insert("scheduled_event".to_owned(), Value::Object(kept(event, &KEPT_OF_EVENT)));
        // What has changed of the event has changed for each of them.
        let newest = [stamp(invitee), stamp(event)].into_iter().flatten().max_by_key(time);
        if let Some(newest) = newest {
            payload.insert("updated_at".to_owned(), Value::String(newest));
        }
        let body = json!({ "event": kind, "payload": payload }).to_string().into_bytes();
        Some(State { key: uri.to_owned(), kind: kind.to_owned(), body })
    });
    states.collect()
}

fn kept(object: &Value, names: &[&str]) -> Map<String, Value> {
    let fields = object.as_object().into_iter().flatten().filter(|(name, _)| names.contains(&name.as_str()));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "https://api.calendly.com/scheduled_events/GBGBDCAADAEDCRZ2";

    fn invitee(name: &str, status: &str, updated_at: &str) -> Value {
        json!({ "uri": format!("{EVENT}/invitees/{name}"), "email": "mara@example.org", "status": status,
                "updated_at": updated_at, "questions_and_answers": [{"answer": "her knee"}] })
    }

    #[test]
    fn an_event_is_named_by_its_own_uri_and_by_its_invitees_and_by_nothing_else() {
        assert_eq!(name(EVENT), Some("GBGBDCAADAEDCRZ2"));
        assert_eq!(name(&format!("{EVENT}/invitees/1")), Some("GBGBDCAADAEDCRZ2"));
        for uri in
            ["", "GBGBDCAADAEDCRZ2", "https://a/scheduled_events/", "/scheduled_events/..%2F", "/scheduled_events/."]
        {
            assert_eq!(name(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_delivery_of_before_2023_only_tells_of_its_event() {
        let delivery = |kind: &str, payload: Value| json!({ "event": kind, "payload": payload });
        let old = json!({ "event": EVENT, "uri": format!("{EVENT}/invitees/1") });
        assert_eq!(only_told(&delivery("invitee.created", old.clone())), Some(EVENT));
        assert_eq!(only_told(&delivery("invitee.canceled", old)), None);
        let new = json!({ "event": EVENT, "scheduled_event": { "uri": EVENT } });
        assert_eq!(only_told(&delivery("invitee.created", new)), None);
        assert_eq!(only_told(&delivery("invitee.created", json!({ "event": "https://elsewhere" }))), None);
        let nothing = json!({ "event": EVENT, "scheduled_event": null });
        assert_eq!(only_told(&delivery("invitee.created", nothing)), Some(EVENT));
        let wrong = json!({ "event": EVENT, "scheduled_event": "tomorrow" });
        assert_eq!(only_told(&delivery("invitee.created", wrong)), None);
    }

    #[test]
    fn an_answer_counts_only_if_it_is_about_the_event_that_was_asked_for() {
        let answer = |uri: &str| json!({ "resource": { "uri": uri } }).to_string();
        assert!(event("GBGBDCAADAEDCRZ2", answer(EVENT).as_bytes()).is_some());
        assert!(event("OTHER", answer(EVENT).as_bytes()).is_none());
        assert!(event("GBGBDCAADAEDCRZ2", br#"{"message": "internal"}"#).is_none());
        let page = json!({ "collection": [invitee("1", "active", "x")], "pagination": { "next_page_token": "t" } });
        let (found, next) = invitees("GBGBDCAADAEDCRZ2", page.to_string().as_bytes()).expect("a page");
        assert_eq!((found.len(), next.as_deref()), (1, Some("t")));
        assert!(invitees("OTHER", page.to_string().as_bytes()).is_none());
        assert!(invitees("OTHER", b"{}").is_none());
    }

    #[test]
    fn each_invitee_is_said_as_its_webhook_would_and_is_as_new_as_the_newer_of_both() {
        let event =
            json!({ "uri": EVENT, "updated_at": "2026-03-01T09:00:00.000000Z", "meeting_notes_plain": "secret" });
        let both = [
            invitee("1", "active", "2026-03-01T08:00:00.000000Z"),
            invitee("2", "canceled", "2026-03-01T10:00:00.000000Z"),
        ];
        let states = states(&event, &both);
        let said: Vec<Value> = states.iter().map(|state| serde_json::from_slice(&state.body).expect("JSON")).collect();
        assert_eq!((said[0]["event"].as_str(), states[0].kind.as_str()), (Some("invitee.created"), "invitee.created"));
        assert_eq!(said[0]["payload"]["updated_at"], "2026-03-01T09:00:00.000000Z");
        assert_eq!(said[1]["payload"]["updated_at"], "2026-03-01T10:00:00.000000Z");
        assert_eq!(states[1].kind, "invitee.canceled");
        assert_eq!(states[1].key, format!("{EVENT}/invitees/2"));
        let text = format!("{said:?}");
        assert!(!text.contains("knee") && !text.contains("secret"), "{text}");
    }
}
