//! Touched bookings as the statements take them. Made when a batch is decided, which may be while another one is committed,
//! rather than between two statements, while PostgreSQL waits.

use std::fmt;

use daybook_domain::{BookingKind, BookingState, Interval};
use daybook_rows::BookingColumns;
use uuid::Uuid;

use crate::batch::Touched;

/// Each touched booking once, by what becomes of its slot. Personal data: its `Debug` shows none.
#[derive(Default)]
pub struct Written {
    /// Known bookings that take no slot any more.
    pub freed: Vec<BookingColumns>,
    /// Known bookings that take another slot than they had: they give theirs up before anybody takes one.
    pub moved: Vec<Uuid>,
    /// Known bookings that take a slot.
    pub changed: Vec<BookingColumns>,
    /// Bookings that the store does not have.
    pub new: Vec<BookingColumns>,
}

impl Written {
    /// Of these bookings.
    pub fn of(bookings: &[Touched]) -> Self {
        let mut written = Self::default();
        for Touched { row, before } in bookings {
            let columns = BookingColumns::from(row);
            let takes = slot(&row.state);
            match before {
                None => written.new.push(columns),
                Some(_) if takes.is_none() => written.freed.push(columns),
                Some(before) => {
                    if slot(before).is_some_and(|had| Some(had) != takes) {
                        written.moved.push(before.booking_id.uuid());
                    }
                    written.changed.push(columns);
                }
            }
        }
        written
    }
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
