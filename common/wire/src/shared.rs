//! Sub-records that several schemas share, and the conversions of single fields.

use daybook_domain::{Attendee, ContentDigest, Elsewhere, Interval, RequestDigest, SourceVersion, Timestamp};
use serde::{Deserialize, Serialize};

use crate::WireError;

mod operation;
mod rules;
mod standing;

pub(crate) use operation::{BasisRecord, OperationRecord};
pub(crate) use rules::RulesRecord;
#[cfg(test)]
pub(crate) use rules::WeekdayRecord;
pub(crate) use standing::{KindRecord, StandingFields, StatusRecord, read_unit};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename = "SourceVersion")]
pub(crate) struct SourceVersionRecord {
    pub sequence: i64,
    pub updated_at: i64,
}

impl From<SourceVersion> for SourceVersionRecord {
    fn from(version: SourceVersion) -> Self {
        Self { sequence: version.sequence, updated_at: version.updated_at.micros() }
    }
}

impl SourceVersionRecord {
    pub fn read(&self) -> Result<SourceVersion, WireError> {
        Ok(SourceVersion { sequence: self.sequence, updated_at: time("source_version.updated_at", self.updated_at)? })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Attendee")]
pub(crate) struct AttendeeRecord {
    pub contact_id: String,
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

impl From<&Attendee> for AttendeeRecord {
    fn from(attendee: &Attendee) -> Self {
        Self {
            contact_id: attendee.contact_id.to_string(),
            name: attendee.name.clone(),
            email: attendee.email.clone(),
            phone: attendee.phone.clone(),
        }
    }
}

impl AttendeeRecord {
    pub fn read(self) -> Result<Attendee, WireError> {
        Ok(Attendee {
            contact_id: parse("attendees.contact_id", &self.contact_id)?,
            name: self.name,
            email: self.email,
            phone: self.phone,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename = "Elsewhere")]
pub(crate) struct ElsewhereRecord {
    pub resource_id: String,
    pub booking_id: String,
}

impl From<&Elsewhere> for ElsewhereRecord {
    fn from(elsewhere: &Elsewhere) -> Self {
        Self { resource_id: elsewhere.resource.to_string(), booking_id: elsewhere.booking_id.to_string() }
    }
}

impl ElsewhereRecord {
    /// `field` is where it stands: both of its texts are named by it.
    pub fn read(&self, field: &'static str) -> Result<Elsewhere, WireError> {
        Ok(Elsewhere { resource: parse(field, &self.resource_id)?, booking_id: parse(field, &self.booking_id)? })
    }
}

pub(crate) fn elsewhere(field: &'static str, record: Option<&ElsewhereRecord>) -> Result<Option<Elsewhere>, WireError> {
    record.map(|record| record.read(field)).transpose()
}

/// Versions count changes, one at a time from zero: they do not reach 2^63.
pub(crate) fn count(version: u64) -> i64 {
    i64::try_from(version).expect("a version counts changes and stays far below 2^63")
}

pub(crate) fn read_count(field: &'static str, version: i64) -> Result<u64, WireError> {
    u64::try_from(version).map_err(|_| WireError::field(field, "must not be negative"))
}

pub(crate) fn time(field: &'static str, micros: i64) -> Result<Timestamp, WireError> {
    Timestamp::from_micros(micros).map_err(|error| WireError::field(field, error))
}

pub(crate) fn optional_time(field: &'static str, micros: Option<i64>) -> Result<Option<Timestamp>, WireError> {
    micros.map(|micros| time(field, micros)).transpose()
}

pub(crate) fn optional_interval(start: Option<i64>, end: Option<i64>) -> Result<Option<Interval>, WireError> {
    match (optional_time("start_time", start)?, optional_time("end_time", end)?) {
        (Some(start), Some(end)) => {
            Interval::new(start, end).map(Some).map_err(|error| WireError::field("end_time", error))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(WireError::field("end_time", "must stand beside start_time")),
        (None, Some(_)) => Err(WireError::field("start_time", "must stand beside end_time")),
    }
}

pub(crate) fn parse<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, WireError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| WireError::field(field, error))
}

pub(crate) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, WireError> {
    value.ok_or_else(|| WireError::field(field, "is required by this operation"))
}

pub(crate) fn digest_text(digest: ContentDigest) -> String {
    hex::encode(digest.0)
}

pub(crate) fn digest(field: &'static str, text: &str) -> Result<ContentDigest, WireError> {
    bytes(field, text).map(ContentDigest)
}

pub(crate) fn request_digest_text(digest: RequestDigest) -> String {
    hex::encode(digest.0)
}

pub(crate) fn request_digest(text: Option<&str>) -> Result<Option<RequestDigest>, WireError> {
    text.map(|text| bytes("request_digest", text).map(RequestDigest)).transpose()
}

fn bytes(field: &'static str, text: &str) -> Result<[u8; 16], WireError> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(text, &mut bytes).map_err(|error| WireError::field(field, error))?;
    Ok(bytes)
}

/// Texts that each parse as one value.
pub(crate) fn list<T: std::str::FromStr>(field: &'static str, texts: &[String]) -> Result<Vec<T>, WireError>
where
    T::Err: std::fmt::Display,
{
    texts.iter().map(|text| parse(field, text)).collect()
}

pub(crate) fn texts<T: std::fmt::Display>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}
