//! Where a page of bookings ended: what the next one begins after.
//!
//! To a caller it is a text without meaning, and good only with the filter that it came from.

use std::fmt;
use std::str::FromStr;

use daybook_domain::{BookingId, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The place of a booking in the order of all: by start, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The last booking's start.
    pub start: Timestamp,
    /// Its id.
    pub booking: BookingId,
    /// Of the filter that it belongs to.
    pub filter: [u8; 4],
}

/// Not one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no cursor of ours")]
pub struct NoCursor;

impl Cursor {
    /// What tells filters apart.
    pub fn fingerprint(filter: &str) -> [u8; 4] {
        let hash = Sha256::digest(filter.as_bytes());
        std::array::from_fn(|at| hash[at])
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 28];
        bytes[..4].copy_from_slice(&self.filter);
        bytes[4..12].copy_from_slice(&self.start.micros().to_be_bytes());
        bytes[12..].copy_from_slice(self.booking.uuid().as_bytes());
        f.write_str(&hex::encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;
    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let mut bytes = [0; 28];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NoCursor)?;
        let (filter, rest) = bytes.split_first_chunk().ok_or(NoCursor)?;
        let (start, booking) = rest.split_first_chunk().ok_or(NoCursor)?;
        let start = Timestamp::from_micros(i64::from_be_bytes(*start)).map_err(|_| NoCursor)?;
        let booking = Uuid::from_slice(booking).map_err(|_| NoCursor)?;
        Ok(Self { start, booking: BookingId::from_uuid(booking), filter: *filter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_anything_else_is_none() {
        let start: Timestamp = "2027-03-04T09:00:00.000001Z".parse().expect("a time");
        let booking = BookingId::from_uuid(Uuid::from_u128(7));
        let cursor = Cursor { start, booking, filter: Cursor::fingerprint("resource=anna") };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_ne!(Cursor::fingerprint("resource=anna"), Cursor::fingerprint("resource=bea"));
        for text in ["", "7", "page-2", &"ff".repeat(28)] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
