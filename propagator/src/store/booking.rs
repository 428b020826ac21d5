//! A booking's row, as the propagator reads it. The arbiter writes it; what it never should hold is named, not trusted.

use chrono::{DateTime, Utc};
use daybook_domain::{Attendee, BookingId, BookingKind, Interval, ResourceId, Standing, Tag, Timestamp};
use daybook_propagator_core::BookingView;
use serde::Deserialize;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

#[derive(FromRow)]
pub(super) struct BookingRow {
    kind: String,
    status: String,
    start_time: Option<DateTime<Utc>>,
    end_time: Option<DateTime<Utc>>,
    awaiting_until: Option<DateTime<Utc>>,
    held_until: Option<DateTime<Utc>>,
    version: i64,
    decided_at: DateTime<Utc>,
    title: Option<String>,
    attendee_details: Json<Vec<Person>>,
    source_time_zone: Option<String>,
    display_time_zone: Option<String>,
    tags: Vec<Uuid>,
}

#[derive(Deserialize)]
struct Person {
    contact_id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    phone: Option<String>,
}

impl BookingRow {
    pub fn view(self, booking_id: BookingId, resource: &ResourceId) -> Result<BookingView, &'static str> {
        let interval = match (self.start_time, self.end_time) {
            (Some(start), Some(end)) => {
                let (start, end) = (time("start_time", start)?, time("end_time", end)?);
                Some(Interval::new(start, end).map_err(|_| "end_time")?)
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err("end_time"),
        };
        let kind = match self.kind.as_str() {
            "booking" => BookingKind::Booking,
            "busy" => BookingKind::Busy,
            _ => return Err("kind"),
        };
        let standing = match self.status.as_str() {
            "held" => Standing::Held {
                interval: interval.ok_or("start_time")?,
                until: time("held_until", self.held_until.ok_or("held_until")?)?,
            },
            "confirmed" => Standing::Confirmed(interval.ok_or("start_time")?),
            "awaiting" => Standing::Awaiting {
                interval: interval.ok_or("start_time")?,
                until: time("awaiting_until", self.awaiting_until.ok_or("awaiting_until")?)?,
            },
            "cancelled" => Standing::Cancelled { last: interval },
            _ => return Err("status"),
        };
        let attendees = self.attendee_details.0.into_iter().map(|person| {
            let Person { contact_id, name, email, phone } = person;
            let contact_id = contact_id.parse().map_err(|_| "attendee_details")?;
            Ok::<_, &'static str>(Attendee { contact_id, name, email, phone })
        });
        Ok(BookingView {
            booking_id,
            resource: resource.clone(),
            kind,
            standing,
            version: u64::try_from(self.version).map_err(|_| "version")?,
            decided_at: time("decided_at", self.decided_at)?,
            resource_time_zone: self.display_time_zone,
            source_time_zone: self.source_time_zone,
            title: self.title,
            attendees: attendees.collect::<Result<_, _>>()?,
            tags: self.tags.into_iter().map(Tag::from_uuid).collect(),
        })
    }
}

fn time(column: &'static str, time: DateTime<Utc>) -> Result<Timestamp, &'static str> {
    Timestamp::try_from(time).map_err(|_| column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: &str) -> BookingRow {
        let at = |text: &str| text.parse::<DateTime<Utc>>().ok();
        BookingRow {
            kind: "booking".to_owned(),
            status: status.to_owned(),
            start_time: at("2026-03-04T09:00:00Z"),
            end_time: at("2026-03-04T09:30:00Z"),
            awaiting_until: None,
            held_until: None,
            version: 1,
            decided_at: DateTime::UNIX_EPOCH,
            title: None,
            attendee_details: Json(Vec::new()),
            source_time_zone: None,
            display_time_zone: None,
            tags: Vec::new(),
        }
    }

    fn view(row: BookingRow) -> Result<BookingView, &'static str> {
        row.view(BookingId::from_uuid(Uuid::nil()), &"anna".parse().expect("a name"))
    }

    #[test]
    fn a_row_that_holds_what_it_never_should_is_named_by_its_column() {
        assert!(view(row("confirmed")).is_ok());
        assert_eq!(view(row("maybe")), Err("status"));
        assert_eq!(view(BookingRow { kind: "maybe".to_owned(), ..row("confirmed") }), Err("kind"));
        assert_eq!(view(row("awaiting")), Err("awaiting_until"));
        assert_eq!(view(row("held")), Err("held_until"));
        assert_eq!(view(BookingRow { end_time: None, ..row("confirmed") }), Err("end_time"));
        let reversed = row("confirmed").start_time;
        assert_eq!(view(BookingRow { end_time: reversed, ..row("cancelled") }), Err("end_time"));
        let person = Person { contact_id: "jane".to_owned(), name: None, email: None, phone: None };
        assert_eq!(
            view(BookingRow { attendee_details: Json(vec![person]), ..row("confirmed") }),
            Err("attendee_details")
        );
    }
}
