//! What a person has made of an entry, as a request: the booking is to be where they have put it.
//!
//! It is asked as callers of the API ask, and decided like every request: granted, the booking moves, everywhere; refused, because the
//! time is taken, a rule forbids it, or another system speaks for the booking, the entry is put back. Only a move is asked for: what an
//! entry says and whether it is there are Daybook's, and a deletion may as well be a program's.

use daybook_domain::{BookingId, Interval, RequestId, ResourceId, TargetName, Timestamp};
use daybook_wire::{Call, SourceEvent};
use serde_json::json;
use uuid::Uuid;

use crate::{Difference, Drift, Field, Visible};

/// More entries of one calendar that have moved at once are no person's doing: a program's, or a vendor's that has taken one zone for
/// another. None of them is asked for.
pub const EDITS_MAX: usize = 5;

/// The name space of edits: a UUID drawn once, never to be changed.
const EDITS: Uuid = Uuid::from_u128(0x2c8d_70e5_19f3_5b46_a1d8_6e05_93bc_7f24);

/// An entry that a person has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    booking_id: BookingId,
    resource: ResourceId,
    target: TargetName,
    /// Of the booking, as the entry showed it.
    version: u64,
    /// Where it is now.
    interval: Interval,
    /// The entry's tag, so that the same move again is another one.
    seen: Option<String>,
}

impl Edit {
    /// What a difference asks for; nothing, unless it is an entry of the version that should be shown, at another time.
    pub fn of(wanted: &Visible, difference: &Difference, target: &TargetName) -> Option<Self> {
        let altered = [Field::Mark, Field::Version, Field::Nature];
        let plain = difference.drift == Drift::Moved && !difference.fields.iter().any(|field| altered.contains(field));
        Some(Self {
            booking_id: wanted.booking_id,
            resource: wanted.resource.clone(),
            target: target.clone(),
            version: wanted.version,
            interval: difference.shown.filter(|_| plain)?,
            seen: difference.seen.clone(),
        })
    }

    fn source(&self) -> String {
        format!("/targets/{}", self.target)
    }

    /// The same for the same edit, whoever finds it and how often.
    fn event_id(&self) -> String {
        let (start, end) = (self.interval.start(), self.interval.end());
        let parts = [self.booking_id.to_string(), self.version.to_string(), start.to_string(), end.to_string()];
        let name = parts.join(" ") + " " + self.seen.as_deref().unwrap_or_default();
        Uuid::new_v5(&EDITS, name.as_bytes()).to_string()
    }

    /// The id under which it is decided.
    pub fn request_id(&self) -> RequestId {
        RequestId::derive(&self.source(), &self.event_id(), 0)
    }

    /// The key of its record: what is asked of one resource keeps its order.
    pub fn key(&self) -> &str {
        self.resource.as_str()
    }

    /// What is asked.
    pub fn body(&self) -> Vec<u8> {
        let body = json!({
            "operation": "reschedule",
            "resource": self.resource.as_str(),
            "booking_id": self.booking_id.to_string(),
            "start": self.interval.start().to_string(),
            "end": self.interval.end().to_string(),
            "expected_version": self.version,
        });
        body.to_string().into_bytes()
    }

    /// What goes with it.
    pub fn event(&self, now: Timestamp) -> SourceEvent {
        SourceEvent {
            id: self.event_id(),
            source: self.source(),
            kind: "reschedule".to_owned(),
            subject: None,
            time: None,
            content_type: "application/json".to_owned(),
            received_at: now,
            traceparent: None,
            call: Call::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::tests::{HOUR, NINE, at, booking};
    use crate::{Action, Fields, Known, plan};

    fn wanted() -> Visible {
        match plan(&booking(3, Some(NINE)), Fields::default(), &Known::Nothing) {
            Action::Put(visible) => visible,
            other @ (Action::Remove(_) | Action::NothingToShow | Action::UpToDate) => {
                panic!("not to be shown: {other:?}")
            }
        }
    }

    fn moved(fields: &[Field]) -> Difference {
        let shown = Interval::new(at(NINE + HOUR), at(NINE + 3 * HOUR)).ok();
        Difference { drift: Drift::Moved, shown, fields: fields.to_vec(), seen: Some("\"7\"".to_owned()) }
    }

    fn edit(difference: &Difference) -> Option<Edit> {
        Edit::of(&wanted(), difference, &"google".parse().expect("a name"))
    }

    #[test]
    fn an_entry_at_another_time_asks_for_that_time_of_the_version_that_it_shows() {
        let edit = edit(&moved(&[Field::Time, Field::Title])).expect("an edit");
        let body: serde_json::Value = serde_json::from_slice(&edit.body()).expect("JSON");
        assert_eq!(
            body,
            json!({
                "operation": "reschedule", "resource": "anna", "booking_id": "4acc2233-7ebf-5ca1-aa36-48892920231a",
                "start": "2026-03-04T10:00:00Z", "end": "2026-03-04T12:00:00Z", "expected_version": 3,
            })
        );
        let event = edit.event(at(NINE));
        assert_eq!((event.source.as_str(), event.kind.as_str()), ("/targets/google", "reschedule"));
        assert_eq!(edit.request_id(), RequestId::derive(&event.source, &event.id, 0), "it is decided under that id");
    }

    #[test]
    fn the_same_edit_is_the_same_request_and_the_same_move_again_another_one() {
        let first = edit(&moved(&[Field::Time])).expect("an edit");
        assert_eq!(edit(&moved(&[Field::Time])).map(|edit| edit.request_id()), Some(first.request_id()));
        let again = Difference { seen: Some("\"9\"".to_owned()), ..moved(&[Field::Time]) };
        assert_ne!(edit(&again).map(|edit| edit.request_id()), Some(first.request_id()));
    }

    #[test]
    fn nothing_is_asked_of_an_entry_that_is_older_or_unmarked_or_gone_or_says_something_else() {
        for field in [Field::Mark, Field::Version, Field::Nature] {
            assert_eq!(edit(&moved(&[Field::Time, field])), None, "{field:?}");
        }
        assert_eq!(edit(&Difference::MISSING), None);
        assert_eq!(edit(&Difference { drift: Drift::Edited, ..moved(&[Field::Title]) }), None);
        assert_eq!(edit(&Difference { shown: None, ..moved(&[Field::Time]) }), None);
    }
}
