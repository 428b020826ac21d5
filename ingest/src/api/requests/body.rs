//! The bodies of `POST /v1/requests`, for the OpenAPI document only. What reads them is `daybook_ask`; a test holds both
//! together.

#![allow(dead_code, reason = "a description: nobody makes one of these")]

use serde::Deserialize;
use utoipa::ToSchema;

/// One of seven, told apart by `operation`.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum RequestBody {
    Book(Book),
    Hold(Hold),
    Confirm(Confirm),
    Release(Release),
    Reschedule(Reschedule),
    Update(Update),
    Cancel(Cancel),
}

/// The booking is to exist.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Book {
    pub operation: BookWord,
    /// The resource's id.
    #[schema(example = "room-7", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub resource: String,
    /// RFC 3339 with an offset or `Z`; or, beside `time_zone`, a local time `YYYY-MM-DDTHH:MM[:SS]`.
    #[schema(format = DateTime, example = "2027-03-04T09:00:00+01:00")]
    pub start: String,
    /// After `start`, at most 31 days; not included.
    #[schema(format = DateTime, example = "2027-03-04T09:30:00+01:00")]
    pub end: String,
    /// The IANA name of the zone of local times, and for display.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    /// What people see.
    #[schema(example = "First consultation", max_length = 1000)]
    pub title: Option<String>,
    /// Who attends besides the resource.
    #[schema(max_items = 100)]
    pub attendees: Option<Vec<AttendeeBody>>,
}

/// The time is to be kept for a while, and then given up unless it is confirmed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    pub operation: HoldWord,
    /// The resource's id.
    #[schema(example = "room-7", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub resource: String,
    /// As of `book`.
    #[schema(format = DateTime, example = "2027-03-04T09:00:00+01:00")]
    pub start: String,
    /// As of `book`.
    #[schema(format = DateTime, example = "2027-03-04T09:30:00+01:00")]
    pub end: String,
    /// How long it is kept: `1s` to `24h`.
    #[schema(example = "10m", pattern = "^[0-9]{1,4}m$")]
    pub ttl: String,
    /// As of `book`.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    /// What people see.
    #[schema(example = "First consultation", max_length = 1000)]
    pub title: Option<String>,
    /// Who attends besides the resource.
    #[schema(max_items = 100)]
    pub attendees: Option<Vec<AttendeeBody>>,
}

/// The hold is to become a booking.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    pub operation: ConfirmWord,
    /// The resource that the booking is on.
    #[schema(example = "room-7", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub resource: String,
    /// The booking's id.
    #[schema(format = "uuid")]
    pub booking_id: String,
    /// What people are to see from now on; with `attendees`, or not at all.
    #[schema(max_length = 1000)]
    pub title: Option<String>,
    /// Everybody who is to attend; with `title`, or not at all.
    #[schema(max_items = 100)]
    pub attendees: Option<Vec<AttendeeBody>>,
    /// The zone for display, with `title` and `attendees` only.
    pub time_zone: Option<String>,
    /// Only if the booking has this version.
    #[schema(minimum = 1)]
    pub expected_version: Option<u64>,
}

/// The hold is given up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub operation: ReleaseWord,
    /// The resource that the booking is on.
    #[schema(example = "room-7", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub resource: String,
    /// The booking's id.
    #[schema(format = "uuid")]
    pub booking_id: String,
    /// Only if the booking has this version.
    #[schema(minimum = 1)]
    pub expected_version: Option<u64>,
}

/// The booking is to be at another time of the same resource. Refused, it stands where it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reschedule {
    pub operation: RescheduleWord,
    /// The resource that the booking is on.
    #[schema(example = "room-7", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub resource: String,
    /// The booking's id.
    #[schema(format = "uuid")]
    pub booking_id: String,
    /// As of `book`.
    #[schema(format = DateTime, example = "2027-03-04T10:00:00+01:00")]
    pub start: String,
    /// As of `book`.
    #[schema(format = DateTime, example = "2027-03-04T10:30:00+01:00")]
    pub end: String,
    /// The zone of local times.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    /// Only if the booking has this version.
    #[schema(minimum = 1)]
    pub expected_version: Option<u64>,
}

/// People are to see this of the booking. It replaces all of what they saw, so both are needed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    pub operation: UpdateWord,
    /// The resource that the booking is on.
    #[schema(example = "room-7", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub resource: String,
    /// The booking's id.
    #[schema(format = "uuid")]
    pub booking_id: String,
    /// What it is to be called; null for nothing.
    #[schema(required = true, max_length = 1000)]
    pub title: Option<String>,
    /// Everybody who is to attend.
    #[schema(max_items = 100)]
    pub attendees: Vec<AttendeeBody>,
    /// The zone for display.
    pub time_zone: Option<String>,
    /// Only if the booking has this version.
    #[schema(minimum = 1)]
    pub expected_version: Option<u64>,
}

/// The booking, or the hold, is to be gone.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    pub operation: CancelWord,
    /// The resource that the booking is on.
    #[schema(example = "room-7", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub resource: String,
    /// The booking's id.
    #[schema(format = "uuid")]
    pub booking_id: String,
    /// Only if the booking has this version.
    #[schema(minimum = 1)]
    pub expected_version: Option<u64>,
}

/// Somebody who attends: with an `email`, a `phone`, or both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Attendee)]
pub struct AttendeeBody {
    /// What they are called.
    #[schema(example = "Jane Doe", max_length = 1000)]
    pub name: Option<String>,
    /// One address is one person, however it is typed.
    #[schema(example = "jane.doe@example.com", format = "email")]
    pub email: Option<String>,
    /// 5 to 20 digits. Kept by E.164 if it has a plus, or if it is one as it is dialled in the resource's `region`.
    #[schema(example = "+15550100")]
    pub phone: Option<String>,
}

macro_rules! word {
    ($($name:ident = $text:literal),+) => {
        $(
            #[derive(Deserialize, ToSchema)]
            pub enum $name {
                #[serde(rename = $text)]
                Word,
            }
        )+
    };
}

word!(
    BookWord = "book",
    HoldWord = "hold",
    ConfirmWord = "confirm",
    ReleaseWord = "release",
    RescheduleWord = "reschedule",
    UpdateWord = "update",
    CancelWord = "cancel"
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    #[test]
    fn the_description_has_the_fields_that_the_reader_takes() {
        let document = serde_json::to_value(crate::api::openapi()).expect("JSON");
        for (kind, fields) in daybook_ask::FIELDS {
            let mut name = kind.as_str().to_owned();
            name[..1].make_ascii_uppercase();
            let schema = &document["components"]["schemas"][&name];
            let described: BTreeSet<&str> =
                schema["properties"].as_object().expect("properties").keys().map(String::as_str).collect();
            assert_eq!(described, fields.iter().copied().collect(), "{name}");
            assert_eq!(schema["additionalProperties"], Value::Bool(false), "{name}");
        }
    }
}
