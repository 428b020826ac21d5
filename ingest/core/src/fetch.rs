//! Deliveries that only say that something has changed: which states are to be fetched, where from, and what the answers mean.
//!
//! Owns: "the state that was asked for last is the newest": a fetched state is an event of its own, whose version is when
//! it was asked for, by the clock of whoever asked; and "a 200 is read, not believed": it must be the booking that was asked for.
//! Absent on purpose: the calls themselves, clocks and randomness.

pub mod calendly;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use daybook_domain::{SourceName, Timestamp};
use daybook_format::{
    Description, ESCAPED, FETCHED, Fetch, Format, GONE, IMPORTED, LISTED, Meaning, Media, TOLD, Type, as_written, form,
    gone_body, listed_ids,
};
use daybook_wire::{Call, RetryAfter, SourceEvent, is_attribute};
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use crate::event::{RawRecord, is_name, made_id};
use crate::media::JSON;
use crate::poll::backoff;

/// Events of a delivery that are looked at; the normalizer refuses more.
const EVENTS_MAX: usize = 100;
/// The longest wait that a vendor can ask for. Whoever asks for more is asked again, and says so again.
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// The longest wait between two tries, before chance makes it shorter.
const DELAY_MAX: Duration = Duration::from_secs(60);

/// How the states of a source's bookings are fetched.
#[derive(Debug, Clone)]
pub enum How {
    /// As its format describes it: one answer is the state of one booking.
    Described(Arc<Description>),
    /// Calendly's events, each with its invitees.
    Calendly,
}

/// A state that was fetched, as it goes on.
#[derive(Clone, PartialEq, Eq)]
pub struct State {
    /// The booking, as the source calls it: the key of the record.
    pub key: String,
    /// The type of the event.
    pub kind: String,
    /// What is said.
    pub body: Vec<u8>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({}, {} bytes)", self.kind, self.body.len())
    }
}

impl How {
    /// How those of a format are; none of one whose states are not fetched.
    pub fn of(format: &Format) -> Option<Self> {
        match format {
            Format::Calendly => Some(Self::Calendly),
            Format::Described(description) if description.fetch.is_some() => {
                Some(Self::Described(Arc::clone(description)))
            }
            Format::Described(_)
            | Format::GoogleCalendar
            | Format::Outlook
            | Format::CalDav
            | Format::IcsFeed
            | Format::Generic
            | Format::Api => None,
        }
    }

    /// The bookings that a raw event says are to be fetched, in its order, each once. None of an event that is a state itself, and
    /// none of one that does not read: the normalizer says what is wrong with it.
    pub fn wanted(&self, event: &SourceEvent, body: &[u8]) -> Vec<String> {
        if !is_attribute(&event.id) {
            return Vec::new();
        }
        let kind = event.kind.as_str();
        match self {
            _ if kind == LISTED => {
                let Ok(body) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
                each_once(listed_ids(&body).filter_map(|id| self.named(id)))
            }
            Self::Described(description) if !matches!(kind, FETCHED | GONE) => changed(description, event, body),
            Self::Calendly if kind == TOLD => {
                let Ok(body) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
                each_once(calendly::only_told(&body).and_then(|uri| self.named(uri)).into_iter())
            }
            Self::Described(_) | Self::Calendly => Vec::new(),
        }
    }

    fn named(&self, id: &str) -> Option<String> {
        match self {
            Self::Described(_) => Some(id.to_owned()),
            Self::Calendly => calendly::name(id).map(str::to_owned),
        }
    }
}

/// Those that can be asked for, each once.
fn each_once(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    // No escape keeps a path from being folded where a segment is only dots.
    let sound = |id: &String| is_name(id) && id != "." && id != "..";
    ids.filter(|id| sound(id) && seen.insert(id.clone())).collect()
}

fn changed(description: &Description, event: &SourceEvent, body: &[u8]) -> Vec<String> {
    if description.fetch.is_none() {
        return Vec::new();
    }
    let read = match Media::of(&event.content_type) {
        Media::Form => form(body).ok(),
        Media::Json | Media::Calendar => serde_json::from_slice::<Value>(body).ok(),
    };
    let Some(body) = read else { return Vec::new() };
    let events = match &description.events.items {
        Some(items) => items.all(&body).0,
        None => vec![&body],
    };
    each_once(events.into_iter().take(EVENTS_MAX).filter(|event| is_changed(description, event)).filter_map(|event| {
        // A fraction is no id: the normalizer refuses it.
        let found = Some(description.booking.id.first(event)?.0).filter(|found| !found.is_f64())?;
        as_written(found)
    }))
}

fn is_changed(description: &Description, event: &Value) -> bool {
    let events = &description.events;
    let about = events.only.as_ref().is_none_or(|only| only.holds(event));
    let changed = match &events.types {
        None => true,
        Some((finding, meanings)) => {
            let kind = finding.first(event).and_then(|(kind, _)| kind.as_str());
            kind.and_then(|kind| meanings.get(kind)) == Some(&Type::Means(Meaning::Changed))
        }
    };
    about && changed
}

/// Where the state of a booking is.
pub fn address(fetch: &Fetch, base: Option<&str>, id: &str) -> String {
    let base = base.map_or(fetch.base.as_str(), |base| base.trim_end_matches('/'));
    let (before, after) = &fetch.path;
    format!("{base}{before}{}{after}", utf8_percent_encode(id, ESCAPED))
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is the state of the booking.
    State,
    /// There is no such booking any more.
    Gone,
    /// Ask again, after so long if the vendor says so.
    Later(Option<Duration>),
    /// The credentials do not count: somebody has to see to it, and until then nothing is answered.
    Denied,
    /// This one will never be answered otherwise.
    Never,
}

/// Judges an answer about a booking. `retry_after` is the header of that name.
pub fn judge(
    description: &Description,
    id: &str,
    status: u16,
    retry_after: Option<&str>,
    now: Timestamp,
    body: &[u8],
) -> Answer {
    let gone = description.fetch.as_ref().map_or(&[][..], |fetch| &fetch.gone);
    answered(is_of(description, id, body), gone, status, retry_after, now, body)
}

/// Judges an answer; `good` if it is what was asked for, should its status say that it is one at all.
pub fn answered(
    good: bool,
    gone: &[u16],
    status: u16,
    retry_after: Option<&str>,
    now: Timestamp,
    body: &[u8],
) -> Answer {
    let gone = gone.contains(&status);
    match status {
        200..=299 if good => Answer::State,
        // An error in a 200, or somebody else's booking.
        200..=299 => Answer::Later(None),
        // A page of something in between is nobody's word that a booking is gone.
        _ if gone && is_object(body) => Answer::Gone,
        _ if gone => Answer::Later(None),
        401 => Answer::Denied,
        _ if passes(status) => Answer::Later(told_wait(retry_after, now)),
        _ => Answer::Never,
    }
}

/// Whether what an answer of this status says may be otherwise later. 403 may be about this one alone, or a limit that has another
/// name.
pub(crate) const fn passes(status: u16) -> bool {
    matches!(status, 403 | 408 | 423 | 425 | 429 | 500..=599)
}

/// How long a vendor asks us to wait, as far as it can.
pub(crate) fn told_wait(retry_after: Option<&str>, now: Timestamp) -> Option<Duration> {
    retry_after.and_then(RetryAfter::parse).map(|after| after.from(now).min(WAIT_MAX))
}

fn is_of(description: &Description, id: &str, body: &[u8]) -> bool {
    let Ok(state) = serde_json::from_slice::<Value>(body) else { return false };
    description.booking.id.first(&state).and_then(|(found, _)| as_written(found)).is_some_and(|found| found == id)
}

fn is_object(body: &[u8]) -> bool {
    matches!(serde_json::from_slice::<Value>(body), Ok(Value::Object(_)))
}

/// How long to wait before the try after this one (the first is 0): exponential, with full jitter. `chance` is from 0 to 1.
pub fn delay(tries: u32, told: Option<Duration>, chance: f64) -> Duration {
    told.unwrap_or_else(|| backoff(tries, Duration::from_secs(1), DELAY_MAX, None, chance))
}

/// Where the record of a delivery is, on the topic of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// Why a state is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// A delivery told of it.
    Told,
    /// A listing found it, and a delivery should have told of it.
    Listed,
    /// It was there before anybody looked.
    There,
}

/// That there is no such booking any more.
pub fn gone_state(id: &str) -> State {
    State { key: id.to_owned(), kind: GONE.to_owned(), body: gone_body(id).into_bytes() }
}

/// The state of a booking, as its format describes it.
pub fn fetched_state(id: &str, body: Vec<u8>) -> State {
    State { key: id.to_owned(), kind: FETCHED.to_owned(), body }
}

/// The event of a fetched state, or of there being none any more. The same answer to the same record is the same event. By
/// the record and not by the id of the delivery, which may be that of its bytes: a vendor whose deliveries say nothing but
/// that something has changed says it in the same bytes every time, and a booking may go back to where it was.
/// Whoever finds it knows by its source why it was fetched.
pub fn record(
    source: &SourceName,
    at: Told,
    state: &State,
    because: Because,
    asked_at: Timestamp,
    traceparent: Option<String>,
) -> RawRecord {
    let (partition, offset) = (at.partition.to_be_bytes(), at.offset.to_be_bytes());
    let event_id = made_id(&[source.as_str().as_bytes(), &partition, &offset, state.key.as_bytes(), &state.body]);
    RawRecord {
        key: state.key.clone(),
        event: SourceEvent {
            id: event_id,
            source: match because {
                Because::Told => format!("/fetched/{source}"),
                Because::Listed => listed_source(source),
                Because::There => format!("{IMPORTED}{source}"),
            },
            kind: state.kind.clone(),
            subject: None,
            time: Some(asked_at),
            content_type: JSON.to_owned(),
            received_at: asked_at,
            traceparent,
            call: Call::default(),
        },
    }
}

/// Where events say that they come from that no delivery told of.
pub fn listed_source(source: &SourceName) -> String {
    format!("/listed/{source}")
}

/// What is kept of an answer: the fields that the description names. The rest may be anything that people wrote.
pub fn kept(fetch: &Fetch, body: Vec<u8>) -> Vec<u8> {
    if fetch.keep.is_empty() {
        return body;
    }
    match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Object(mut fields)) => {
            fields.retain(|name, _| fetch.keep.contains(name));
            Value::Object(fields).to_string().into_bytes()
        }
        Ok(_) | Err(_) => body,
    }
}

#[cfg(test)]
mod tests {
    use daybook_format::shipped;

    use super::*;

    const FORM: &str = Media::Form.content_type();

    fn event(kind: &str, content_type: &str) -> SourceEvent {
        SourceEvent {
            id: "evt-1".to_owned(),
            source: "/webhooks/shop".to_owned(),
            kind: kind.to_owned(),
            subject: None,
            time: None,
            content_type: content_type.to_owned(),
            received_at: Timestamp::EPOCH,
            traceparent: None,
            call: Call::default(),
        }
    }

    fn described(name: &str) -> Description {
        shipped(name).expect("shipped")
    }

    fn wanted(description: &Description, event: &SourceEvent, body: &[u8]) -> Vec<String> {
        How::Described(Arc::new(description.clone())).wanted(event, body)
    }

    #[test]
    fn a_form_of_acuity_names_one_appointment_and_an_order_none() {
        let acuity = described("acuity");
        let ids = |body: &str| wanted(&acuity, &event("changed", FORM), body.as_bytes());
        for action in ["scheduled", "appointment.scheduled", "changed", "canceled", "rescheduled"] {
            let body = format!("action={action}&id=399&calendarID=4&appointmentTypeID=1");
            assert_eq!(ids(&body), ["399"], "{action}");
        }
        assert_eq!(ids("action=order.completed&id=7"), [""; 0]);
        assert_eq!(ids("id=7"), [""; 0]);
        assert_eq!(ids("action=%FF&id=7"), [""; 0]);
    }

    #[test]
    fn a_batch_of_hubspot_names_each_meeting_once_and_nothing_else() {
        let hubspot = described("hubspot");
        let element = |kind: &str, of: &str, id: u64| serde_json::json!({"subscriptionType": kind, "objectTypeId": of, "objectId": id, "occurredAt": 1});
        let batch = serde_json::json!([
            element("object.propertyChange", "0-47", 512),
            element("object.creation", "0-47", 512),
            element("object.creation", "0-1", 9),
            element("object.associationChange", "0-47", 10),
            element("object.deletion", "0-47", 11),
            {"subscriptionType": "contact.creation", "objectId": 12},
        ]);
        let told = event("object.creation", JSON);
        assert_eq!(wanted(&hubspot, &told, batch.to_string().as_bytes()), ["512", "11"]);
        // What was fetched is not fetched again.
        assert_eq!(wanted(&hubspot, &event(FETCHED, JSON), batch.to_string().as_bytes()), [""; 0]);
        assert_eq!(wanted(&described("cal.com"), &told, batch.to_string().as_bytes()), [""; 0]);
    }

    #[test]
    fn an_id_cannot_lead_anywhere_else() {
        let fetch = described("acuity").fetch.expect("fetched");
        assert_eq!(address(&fetch, None, "399"), "https://acuityscheduling.com/api/v1/appointments/399");
        let odd = address(&fetch, Some("http://127.0.0.1:1/"), "../me?x=1#é");
        assert_eq!(odd, "http://127.0.0.1:1/api/v1/appointments/..%2Fme%3Fx%3D1%23%C3%A9");
    }

    #[test]
    fn a_200_counts_only_if_it_is_the_booking_that_was_asked_for() {
        let acuity = described("acuity");
        let judge = |status, body: &str| judge(&acuity, "399", status, None, Timestamp::EPOCH, body.as_bytes());
        assert_eq!(judge(200, r#"{"id": 399}"#), Answer::State);
        assert_eq!(judge(200, r#"{"id": "399"}"#), Answer::State);
        for body in [r#"{"id": 400}"#, r#"{"status_code": 429, "error": "too many"}"#, "", "<html>", "[]"] {
            assert_eq!(judge(200, body), Answer::Later(None), "{body}");
        }
    }

    #[test]
    fn each_answer_asks_for_what_it_can_be_helped_by() {
        let acuity = described("acuity");
        let judge = |status, wait: Option<&str>| judge(&acuity, "399", status, wait, Timestamp::EPOCH, b"");
        for status in [404, 410] {
            assert_eq!(super::judge(&acuity, "399", status, None, Timestamp::EPOCH, b"{}"), Answer::Gone);
            // Whoever stands in between may not know the vendor's addresses.
            assert_eq!(super::judge(&acuity, "399", status, None, Timestamp::EPOCH, b"<html>"), Answer::Later(None));
        }
        assert_eq!(judge(401, None), Answer::Denied);
        for status in [403, 408, 423, 429, 500, 503] {
            assert_eq!(judge(status, None), Answer::Later(None));
        }
        for status in [301, 302, 304, 400, 405, 422] {
            assert_eq!(judge(status, None), Answer::Never);
        }
        assert_eq!(judge(429, Some("7")), Answer::Later(Some(Duration::from_secs(7))));
        assert_eq!(judge(503, Some("Thu, 01 Jan 1970 00:01:00 GMT")), Answer::Later(Some(Duration::from_secs(60))));
        assert_eq!(judge(429, Some("99999999999999999999999")), Answer::Later(Some(WAIT_MAX)));
        assert_eq!(judge(429, Some("soon")), Answer::Later(None));
    }

    #[test]
    fn waits_grow_to_a_minute_and_chance_spreads_them() {
        assert_eq!(delay(0, None, 1.0), Duration::from_secs(1));
        assert_eq!(delay(3, None, 0.5), Duration::from_secs(4));
        assert_eq!(delay(40, None, 1.0), DELAY_MAX);
        assert_eq!(delay(40, None, 0.0), Duration::ZERO);
        assert_eq!(delay(0, Some(Duration::from_secs(7)), 0.0), Duration::from_secs(7));
    }

    #[test]
    fn the_same_answer_to_the_same_record_is_the_same_event_and_a_booking_can_go_back_to_where_it_was() {
        let source: SourceName = "shop".parse().expect("a name");
        let id = |offset, state: Option<&[u8]>, at| {
            let state = state.map_or_else(|| gone_state("399"), |body| fetched_state("399", body.to_vec()));
            record(&source, Told { partition: 2, offset }, &state, Because::Told, at, None).event.id
        };
        let later = Timestamp::EPOCH.plus(Duration::from_secs(1));
        assert_eq!(id(7, Some(b"{}"), Timestamp::EPOCH), id(7, Some(b"{}"), later));
        assert_ne!(id(7, Some(b"{}"), Timestamp::EPOCH), id(7, Some(b"{ }"), Timestamp::EPOCH));
        assert_ne!(id(7, Some(b"{}"), Timestamp::EPOCH), id(7, None, Timestamp::EPOCH));
        // The same bytes were delivered again, and the same state was found again.
        assert_ne!(id(7, Some(b"{}"), Timestamp::EPOCH), id(9, Some(b"{}"), Timestamp::EPOCH));
        let state = gone_state("399");
        let record = record(&source, Told { partition: 2, offset: 7 }, &state, Because::Told, later, None);
        assert_eq!((record.event.kind.as_str(), record.event.source.as_str()), (GONE, "/fetched/shop"));
        assert_eq!((record.key.as_str(), state.body.as_slice()), ("399", &br#"{"id":"399"}"#[..]));
        assert_eq!(record.event.received_at, later);
        let of = |because| super::record(&source, Told { partition: 2, offset: 7 }, &state, because, later, None).event;
        assert_eq!(of(Because::Listed).source, "/listed/shop");
        assert_eq!(of(Because::There).source, "/imported/shop");
    }

    #[test]
    fn what_people_wrote_for_the_vendor_alone_goes_no_further() {
        let fetch = described("acuity").fetch.expect("fetched");
        let answer = br#"{"id": 399, "notes": "her knee", "formsText": "x", "email": "mara@example.org"}"#;
        assert_eq!(kept(&fetch, answer.to_vec()), br#"{"email":"mara@example.org","id":399}"#);
    }

    #[test]
    fn an_event_whose_id_may_be_an_address_is_left_to_be_refused() {
        let told = SourceEvent { id: "jane@example.com/1".to_owned(), ..event("changed", FORM) };
        assert_eq!(wanted(&described("acuity"), &told, b"action=changed&id=1"), [""; 0]);
        for id in [".", ".."] {
            let body = format!("action=changed&id={id}");
            assert_eq!(wanted(&described("acuity"), &event("changed", FORM), body.as_bytes()), [""; 0]);
        }
    }

    #[test]
    fn what_is_listed_is_fetched_and_of_calendly_its_event() {
        let listed = event(LISTED, JSON);
        let body = br#"{"ids":["399","399","..","","400"]}"#;
        assert_eq!(wanted(&described("acuity"), &listed, body), ["399", "400"]);
        assert_eq!(wanted(&described("cal.com"), &listed, body), ["399", "400"]);
        let uri = br#"{"ids":["https://api.calendly.com/scheduled_events/ABC","https://elsewhere/ABC"]}"#;
        assert_eq!(How::Calendly.wanted(&listed, uri), ["ABC"]);
        let told =
            br#"{"event":"invitee.created","payload":{"event":"https://api.calendly.com/scheduled_events/DEF"}}"#;
        assert_eq!(How::Calendly.wanted(&event(TOLD, JSON), told), ["DEF"]);
        // What says it under a type of its own says more than that.
        assert_eq!(How::Calendly.wanted(&event("invitee.created", JSON), told), [""; 0]);
    }
}
