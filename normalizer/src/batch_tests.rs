//! What comes of a batch: what is sent, what is finished, what waits.

use std::time::Duration;

use daybook_domain::{BookingId, SourceName};
use daybook_format::Format;
use daybook_normalizer_core::{ContactKey, Fate, Known, KnownBooking, RejectReason};
use daybook_runtime::kafka::RECORD_BYTES_MAX;
use daybook_wire::{Call, Headers, SourceEvent, header};

use super::*;
use crate::aside::Patience;
use crate::error::Reason;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const BOOKED: &str = r#"{"type":"booking.created","id":"4711","version":1,"resource":"Room 7",
    "start":"2026-03-04T09:00:00Z","end":"2026-03-04T09:30:00Z"}"#;
const NO_END: &str = r#"{"type":"booking.created","id":"4712","version":1,"resource":"Room 7",
    "start":"2026-03-04T09:00:00Z"}"#;
const CANCELLED: &str = r#"{"type":"booking.cancelled","id":"4713","version":2}"#;
const MOVED: &str = r#"{"type":"booking.rescheduled","id":"4714","version":2,"resource":"Room 8",
    "start":"2026-03-04T09:00:00Z","end":"2026-03-04T09:30:00Z"}"#;

fn source() -> SourceName {
    "shop".parse().expect("a name")
}

fn record(offset: i64, events: &[&str]) -> Record {
    let event = SourceEvent {
        id: format!("msg-{offset}"),
        source: "/webhooks/shop".to_owned(),
        kind: String::new(),
        subject: None,
        time: None,
        content_type: "application/json".to_owned(),
        received_at: Timestamp::EPOCH,
        traceparent: Some(TRACE.to_owned()),
        call: Call::default(),
    };
    Record {
        topic: "raw.shop".into(),
        partition: 3,
        offset,
        timestamp: Timestamp::EPOCH,
        key: Some(b"4711".to_vec()),
        value: Some(format!(r#"{{"events":[{}]}}"#, events.join(",")).into_bytes()),
        headers: event.headers(),
    }
}

/// A worker without its I/O.
struct Bench {
    aside: Aside<Event>,
    known: Known,
    now: Instant,
}

impl Bench {
    fn new(tries: u32) -> Self {
        let patience = Patience { tries, first_delay: Duration::from_secs(2), events_max: 10 };
        let mut known = Known::default();
        known.aliases.insert("Room 7".to_owned(), "room-7".parse().expect("a name"));
        Self { aside: Aside::new(patience), known, now: Instant::now() }
    }

    fn look(&mut self, fresh: Vec<Record>) -> Batch {
        let key = ContactKey::new(&[7; 32]).expect("long enough");
        let mut batch = Batch::default();
        let mut events = self.aside.take_due(self.now, 10);
        for record in fresh {
            match Event::open(&Format::Generic, &source(), record, Timestamp::EPOCH) {
                Ok(event) => events.push(event),
                Err(dead) => batch.bury(&dead.0, dead.1, Timestamp::EPOCH),
            }
        }
        for mut event in events {
            let came = event.finish(&self.known, &key, 9);
            batch.take(event, came, &mut self.aside, self.now);
        }
        batch
    }

    /// The same once everything that waits is due.
    fn look_later(&mut self) -> Batch {
        self.now += Duration::from_secs(60);
        self.look(Vec::new())
    }
}

fn reasons(batch: &Batch) -> Vec<&'static str> {
    batch.tallies.iter().flat_map(|tally| &tally.verdicts).map(|verdict| verdict.reason.as_str()).collect()
}

fn operations(batch: &Batch) -> Vec<&'static str> {
    batch.tallies.iter().flat_map(|tally| &tally.operations).map(|operation| operation.as_str()).collect()
}

#[test]
fn a_request_goes_to_its_resources_key_with_its_events_headers() {
    let batch = Bench::new(5).look(vec![record(0, &[BOOKED])]);
    let [request] = &batch.outbound[..] else { panic!("one request: {batch:?}") };
    let sent = request.as_sent();
    assert_eq!((sent.topic, sent.key), ("booking.requests", Some(&b"room-7"[..])));
    assert_eq!(sent.value.map(|value| &value[..5]), Some(&[0, 0, 0, 0, 9][..]));
    for (name, value) in [
        (header::CE_ID, "msg-0"),
        (header::CE_SOURCE, "/webhooks/shop"),
        (header::TRACEPARENT, TRACE),
        (header::RECEIVED_AT, "1970-01-01T00:00:00Z"),
    ] {
        assert_eq!(sent.headers.get(name), Some(value));
    }
    assert_eq!((batch.finished, batch.tallies[0].result), (vec![0], Some(EventResult::Normalized)));
}

#[test]
fn a_traceparent_that_is_none_is_not_passed_on() {
    let mut record = record(0, &[BOOKED]);
    record.headers.set(header::TRACEPARENT, "jane@example.com");
    let batch = Bench::new(5).look(vec![record]);
    assert_eq!(batch.outbound[0].as_sent().headers.get(header::TRACEPARENT), None);
}

#[test]
fn a_bad_item_is_a_dead_letter_and_its_good_sibling_passes() {
    let batch = Bench::new(5).look(vec![record(0, &[BOOKED, NO_END])]);
    assert_eq!((operations(&batch), reasons(&batch)), (vec!["book"], vec!["missing_field"]));
    assert_eq!((batch.finished, batch.tallies[0].result), (vec![0], Some(EventResult::Partly)));
}

#[test]
fn a_dead_letter_is_the_record_as_it_came_with_the_reason() {
    let original = record(5, &[NO_END]);
    let batch = Bench::new(5).look(vec![original.clone()]);
    let sent = batch.outbound[0].as_sent();
    assert_eq!(sent.topic, "dlq.normalizer");
    assert_eq!((sent.key, sent.value), (original.key.as_deref(), original.value.as_deref()));
    assert_eq!(sent.headers.clone().without_dead_letter(), original.headers);
    for (name, value) in [
        (header::DLQ_REASON, "missing_field"),
        (header::DLQ_ITEM, "0"),
        (header::DLQ_ATTEMPTS, "1"),
        (header::ERROR_TOPIC, "raw.shop"),
        (header::ERROR_PARTITION, "3"),
        (header::ERROR_OFFSET, "5"),
        (header::ERROR_STAGE, "normalizer"),
    ] {
        assert_eq!(sent.headers.get(name), Some(value), "{name}");
    }
    assert!(sent.headers.get(header::ERROR_MESSAGE).is_some_and(|text| text.starts_with("events[0].end: ")));
}

#[test]
fn a_record_without_a_value_an_id_or_a_source_is_a_dead_letter_that_names_it() {
    let mut tombstone = record(0, &[]);
    tombstone.value = None;
    let mut without_id = record(1, &[BOOKED]);
    without_id.headers = Headers(without_id.headers.0.into_iter().filter(|(name, _)| name != header::CE_ID).collect());
    let mut without_source = record(2, &[BOOKED]);
    without_source.headers.set(header::CE_SOURCE, "");
    let batch = Bench::new(5).look(vec![tombstone, without_id, without_source, record(3, &[BOOKED])]);
    assert_eq!(reasons(&batch), ["empty_value", "missing_header", "missing_header"]);
    let fields: Vec<_> = batch.tallies.iter().flat_map(|tally| &tally.verdicts).map(|verdict| &verdict.field).collect();
    assert_eq!(fields, ["(value)", "ce_id", "ce_source"]);
    assert_eq!((operations(&batch), batch.finished), (vec!["book"], vec![0, 1, 2, 3]));
}

#[test]
fn a_value_that_is_too_large_to_send_on_is_left_where_it_came_from() {
    let mut large = record(0, &[]);
    large.value = Some(vec![b' '; RECORD_BYTES_MAX]);
    let batch = Bench::new(5).look(vec![large]);
    let sent = batch.outbound[0].as_sent();
    assert_eq!(sent.value, None);
    assert!(sent.headers.get(header::ERROR_MESSAGE).is_some_and(|text| text.contains("too large")));
    assert_eq!(batch.finished, [0]);
}

#[test]
fn an_event_whose_booking_is_not_known_yet_waits_while_its_sibling_and_later_records_pass() {
    let mut bench = Bench::new(5);
    let batch = bench.look(vec![record(0, &[CANCELLED, BOOKED, NO_END]), record(1, &[BOOKED])]);
    assert_eq!((operations(&batch), reasons(&batch)), (vec!["book", "book"], vec!["missing_field"]));
    assert_eq!(batch.finished, [1], "the position must not pass it");

    let booking = KnownBooking {
        resource: "room-7".parse().expect("a name"),
        booking_id: BookingId::derive(&source(), "4713", &"room-7".parse().expect("a name")),
        fate: Fate::Stands,
    };
    bench.known.bookings.insert("4713".to_owned(), vec![booking]);
    let batch = bench.look_later();
    assert_eq!((operations(&batch), reasons(&batch)), (vec!["cancel"], vec![]), "only what was not there before");
    assert_eq!((batch.finished, batch.tallies[0].result), (vec![0], Some(EventResult::Partly)));
}

#[test]
fn what_turns_out_to_be_a_move_while_a_sibling_waits_is_not_sent_twice() {
    let mut bench = Bench::new(5);
    let room = || "room-7".parse().expect("a name");
    bench.known.aliases.insert("Room 8".to_owned(), "room-8".parse().expect("a name"));
    let batch = bench.look(vec![record(0, &[MOVED, CANCELLED])]);
    assert_eq!((operations(&batch), batch.finished), (vec!["reschedule"], vec![]));

    for name in ["4713", "4714"] {
        let booking_id = BookingId::derive(&source(), name, &room());
        let booking = KnownBooking { resource: room(), booking_id, fate: Fate::Stands };
        bench.known.bookings.insert(name.to_owned(), vec![booking]);
    }
    let batch = bench.look_later();
    assert_eq!((operations(&batch), batch.finished), (vec!["cancel"], vec![0]), "its id is the same");
}

#[test]
fn an_event_whose_booking_never_becomes_known_is_a_dead_letter_after_its_last_try() {
    let mut bench = Bench::new(3);
    assert!(bench.look(vec![record(0, &[CANCELLED])]).outbound.is_empty());
    assert!(bench.look_later().outbound.is_empty());
    let batch = bench.look_later();
    assert_eq!(reasons(&batch), ["unknown_booking"]);
    assert_eq!(batch.tallies[0].verdicts[0].reason, Reason::Reject(RejectReason::UnknownBooking));
    assert_eq!(batch.outbound[0].as_sent().headers.get(header::DLQ_ATTEMPTS), Some("3"));
    assert_eq!((batch.finished, bench.aside.len()), (vec![0], 0));
}
