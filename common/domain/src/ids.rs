//! Ids. Every one is derived from what it names (RFC 9562, UUID version 5), never random, so that the same event seen
//! twice, on any machine, is the same event.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::{ResourceId, SourceName, Timestamp};

/// The name space of every id below: a UUID drawn once, never to be changed.
const ROOT: Uuid = Uuid::from_u128(0x9d4b_6a2e_0c5f_5b7a_8f21_d0e3_a4c6_1b58);

/// Derives an id from parts. The parts are length-prefixed, so `("ab", "c")` and `("a", "bc")` differ.
fn derive(kind: &str, parts: &[&str]) -> Uuid {
    let mut name = Vec::with_capacity(64);
    for part in std::iter::once(&kind).chain(parts) {
        name.extend_from_slice(&(part.len() as u64).to_be_bytes());
        name.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&ROOT, &name)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that was derived elsewhere and has come back from the wire or the store.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::try_parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

id! {
    /// One claim on a resource's time, as the normalizer made it.
    RequestId
}
id! {
    /// The row that results from granted requests.
    BookingId
}
id! {
    /// The pseudonym of a source's booking identity: safe in the year-long decision log, where the identity itself
    /// (a CalDAV UID may hold an e-mail address) is not.
    SourceKey
}

id! {
    /// The pseudonym of what an appointment is called across systems: an iCalendar UID, a calendar entry's id.
    Tag
}

impl Tag {
    /// The tag of `id` in the name space `space`, such as `ical` or `google`. An instance of a series has an id of its
    /// own there, or instances would be taken for each other.
    pub fn derive(space: &str, id: &str) -> Self {
        Self(derive("tag", &[space, id]))
    }
}

impl RequestId {
    /// The id of the request that ends the wait of `booking` at `deadline`, whoever sends it.
    pub fn of_expiry(booking: BookingId, deadline: Timestamp) -> Self {
        Self::derive("daybook/expire", &format!("{booking}:{}", deadline.micros()), 0)
    }

    /// The id of what follows for `booking` from the decision on `cause`: a release, or a confirmation that it stands.
    pub fn of_follow_up(cause: Self, booking: BookingId) -> Self {
        Self::derive("daybook/follow-up", &format!("{cause}:{booking}"), 0)
    }

    /// The id of item `item` of the event that `ce_source` delivered as `ce_id`.
    pub fn derive(ce_source: &str, ce_id: &str, item: usize) -> Self {
        Self(derive("request", &[ce_source, ce_id, &item.to_string()]))
    }

    /// The id under which the arbiter decides a record that could not be read.
    pub fn derive_from_coordinates(topic: &str, partition: i32, offset: i64) -> Self {
        Self(derive("record", &[topic, &partition.to_string(), &offset.to_string()]))
    }
}

impl BookingId {
    /// The id of the booking that `source` knows as `source_booking_id`, on one resource.
    pub fn derive(source: &SourceName, source_booking_id: &str, resource: &ResourceId) -> Self {
        Self(derive("booking", &[source.as_str(), source_booking_id, resource.as_str()]))
    }
}

impl SourceKey {
    /// The pseudonym of `source_booking_id` at `source`.
    pub fn derive(source: &SourceName, source_booking_id: &str) -> Self {
        Self(derive("source-booking", &[source.as_str(), source_booking_id]))
    }
}

/// What a source calls one of its bookings. Its `Debug` shows the pseudonym only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    key: SourceKey,
    id: String,
}

impl Identity {
    /// The identity `id` at `source`.
    pub fn new(source: &SourceName, id: impl Into<String>) -> Self {
        let id = id.into();
        Self { key: SourceKey::derive(source, &id), id }
    }

    /// An identity of which only the pseudonym is at hand: the decision log has no more. Its text is empty.
    pub const fn pseudonym(key: SourceKey) -> Self {
        Self { key, id: String::new() }
    }

    /// The pseudonym, which is what decisions are made on.
    pub const fn key(&self) -> SourceKey {
        self.key
    }

    /// The source's own text. Personal data in some systems; never logged.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.key)
    }
}

/// The pseudonym of a person: a keyed HMAC of the normalized e-mail address or phone number, 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactId(String);

impl ContactId {
    /// From the first 16 bytes of the HMAC.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes).simple().to_string())
    }

    /// The pseudonym as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContactId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(|uuid| Self(uuid.simple().to_string()))
    }
}

impl fmt::Display for ContactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_pinned_for_ever() {
        // A change here would give every booking in every store a second id.
        let source: SourceName = "calendly".parse().expect("a name");
        let resource: ResourceId = "anna".parse().expect("a name");
        let pinned = [
            RequestId::derive("/webhooks/calendly", "evt-1", 0).to_string(),
            BookingId::derive(&source, "inv-1", &resource).to_string(),
            SourceKey::derive(&source, "inv-1").to_string(),
            RequestId::derive_from_coordinates("booking.requests", 3, 17).to_string(),
        ];
        assert_eq!(pinned, PINNED);
    }

    const PINNED: [&str; 4] = [
        "46d747f0-1668-5420-8639-f34c91b6ccdd",
        "4acc2233-7ebf-5ca1-aa36-48892920231a",
        "7330a991-12f8-5cf6-84e1-0d76ec13deeb",
        "a2956e07-b9d1-5883-8fbd-426c51b6751f",
    ];

    #[test]
    fn parts_cannot_run_into_each_other() {
        assert_ne!(RequestId::derive("ab", "c", 0), RequestId::derive("a", "bc", 0));
    }

    #[test]
    fn the_debug_text_of_an_identity_hides_what_the_source_called_it() {
        let source: SourceName = "ics".parse().expect("a name");
        assert!(!format!("{:?}", Identity::new(&source, "jane@example.com")).contains("jane"));
    }
}
