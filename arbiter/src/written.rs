//! Touched bookings as the statements take them. Made when a batch is decided, which may be while another one is committed,
//! rather than between two statements, while PostgreSQL waits.

use std::fmt;

use daybook_domain::{BookingKind, BookingState, Interval};
use daybook_rows::BookingColumns;
use daybook_runtime::postgres::StoreError;
use uuid::Uuid;

use crate::batch::Touched;

/// Each touched booking once, by what becomes of its slot; rows are a JSON array. Personal data: its `Debug` shows none.
#[derive(Default)]
pub struct Written {
    /// Known bookings that take no slot any more.
    pub freed: Option<String>,
    /// Known bookings that take another slot than they had: they give theirs up before anybody takes one.
    pub moved: Vec<Uuid>,
    /// Known bookings that take a slot.
    pub changed: Option<String>,
    /// Bookings that the store does not have.
    pub new: Option<String>,
}

impl Written {
    /// Of these bookings.
    pub fn of(bookings: &[Touched]) -> Result<Self, StoreError> {
        let (mut freed, mut moved, mut changed, mut new) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for Touched { row, before } in bookings {
            let columns = BookingColumns::from(row);
            let takes = slot(&row.state);
            match before {
                None => new.push(columns),
                Some(_) if takes.is_none() => freed.push(columns),
                Some(before) => {
                    if slot(before).is_some_and(|had| Some(had) != takes) {
                        moved.push(before.booking_id.uuid());
                    }
                    changed.push(columns);
                }
            }
        }
        Ok(Self { freed: json(&freed)?, moved, changed: json(&changed)?, new: json(&new)? })
    }
}

fn json(rows: &[BookingColumns]) -> Result<Option<String>, StoreError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_string(rows);
    json.map(Some).map_err(|_| StoreError::Corrupt("a booking that cannot be written as JSON".to_owned()))
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

/// What the constraint sees of a booking.
fn slot(state: &BookingState) -> Option<(Interval, u16)> {
    match state.kind {
        BookingKind::Booking => state.standing.live().map(|interval| (interval, state.unit)),
        BookingKind::Busy => None,
    }
}
