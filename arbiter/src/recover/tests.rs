//! What the topic has beyond the store: taken as input where it was a verdict, and compared byte for byte.

use arbiter_core::partition::Position;
use daybook_domain::{RequestId, Timestamp};

use super::*;
use crate::batch::{Pause, Ruling};

fn unreadable(offset: i64) -> Entry {
    let resource = Some("anna".parse().expect("a name"));
    let content = Content::Unreadable(resource, Unreadable::Frame);
    Entry { offset, timestamp: Timestamp::EPOCH, traceparent: None, content }
}

fn ruled(entries: &[Entry], position: &Position) -> Ruled {
    ruled_with(entries, position, &BTreeMap::new())
}

fn ruled_with(entries: &[Entry], position: &Position, verdicts: &BTreeMap<i64, Rejection>) -> Ruled {
    let mut ruling = Ruling::new(position, entries, BTreeSet::new(), verdicts, 1);
    assert!(matches!(ruling.go_on(&mut BTreeMap::new(), usize::MAX), Pause::Done), "nothing is missing");
    ruling.finish()
}

fn again(ruled: &Ruled) -> Again {
    let published: PublishedDecisions = ruled
        .decisions
        .iter()
        .map(|(_, it)| (it.logged.seq, Published { logged: it.logged.clone(), bytes: it.bytes.clone() }))
        .collect();
    Again { last: published.keys().next_back().copied().unwrap_or_default(), published }
}

fn request(offset: i64) -> Entry {
    let operation = daybook_domain::Operation::Redact { booking_id: BookingId::from_uuid(uuid::Uuid::nil()) };
    let request = daybook_domain::Request {
        request_id: RequestId::derive("test", &offset.to_string(), 0),
        resource: "anna".parse().expect("a name"),
        source: "api".parse().expect("a name"),
        event_id: offset.to_string(),
        basis: daybook_domain::Basis::Asked,
        expected: daybook_domain::Expected::default(),
        digest: None,
        sourced_at: None,
        received_at: Timestamp::EPOCH,
        operation,
    };
    Entry { content: Content::Request(Box::new(request)), ..unreadable(offset) }
}

#[test]
fn the_same_bytes_pass_other_bytes_and_gaps_do_not_and_what_is_new_does() {
    let start = Position::start(0);
    let entries = [request(0), request(1)];
    let first = ruled(&entries, &start);
    assert!(again(&first).compare(&ruled(&entries, &start)).is_ok());
    let more = ruled(&[request(0), request(1), request(2)], &start);
    assert!(again(&first).compare(&more).is_ok());
    let other = ruled(&[request(0), request(7)], &start);
    assert!(matches!(again(&first).compare(&other), Err(Error::Disagreement(_))));
    let mut gap = again(&first);
    gap.published.remove(&1);
    assert!(matches!(gap.compare(&ruled(&entries, &start)), Err(Error::Disagreement(_))));
}

#[test]
fn a_record_that_was_unreadable_then_is_unreadable_again() {
    let start = Position::start(0);
    let first = ruled(&[unreadable(0)], &start);
    let mut entries = [request(0)];
    let again = again(&first);
    again.unread(&mut entries);
    assert!(again.compare(&ruled(&entries, &start)).is_ok());
}

#[test]
fn a_verdict_that_was_published_is_taken_as_input() {
    let start = Position::start(0);
    let verdicts = BTreeMap::from([(0, Rejection::ConflictByStore)]);
    let first = ruled_with(&[request(0)], &start, &verdicts);
    let mut again = again(&first);
    assert_eq!(again.verdicts(&[request(0), request(1)]), verdicts);
    assert_eq!((again.last(), again.done_below(2), again.verdicts(&[request(0)]).len()), (1, 1, 0));
}
