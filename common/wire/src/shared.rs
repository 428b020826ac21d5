//! Sub-records that several schemas share, and the conversions of single fields.

use daybook_domain::{Attendee, ContactId, ContentDigest, Interval, Rules, SourceVersion, Timestamp};
use serde::{Deserialize, Serialize};

use crate::WireError;

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
#[serde(rename = "ResourceRules")]
pub(crate) struct RulesRecord {
    pub display_time_zone: String,
    pub replacement_wait_ms: i64,
}

impl From<&Rules> for RulesRecord {
    fn from(rules: &Rules) -> Self {
        Self {
            display_time_zone: rules.display_time_zone.clone(),
            replacement_wait_ms: i64::try_from(rules.replacement_wait.as_millis()).unwrap_or(i64::MAX),
        }
    }
}

impl RulesRecord {
    pub fn read(self) -> Result<Rules, WireError> {
        let wait = u64::try_from(self.replacement_wait_ms)
            .map_err(|_| WireError::field("rules.replacement_wait_ms", "must not be negative"))?;
        Ok(Rules {
            display_time_zone: self.display_time_zone,
            replacement_wait: std::time::Duration::from_millis(wait),
        })
    }
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
    let mut bytes = [0; 16];
    hex::decode_to_slice(text, &mut bytes).map_err(|error| WireError::field(field, error))?;
    Ok(ContentDigest(bytes))
}

pub(crate) fn contacts(field: &'static str, texts: &[String]) -> Result<Vec<ContactId>, WireError> {
    texts.iter().map(|text| parse(field, text)).collect()
}
