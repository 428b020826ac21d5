//! What a booking is and where it stands, as decisions and canonical bookings both say it.

use daybook_domain::{BookingKind, Interval, Rules, Standing};
use serde::{Deserialize, Serialize};

use super::{optional_interval, required, time};
use crate::WireError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "BookingKind", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum KindRecord {
    Unknown,
    Booking,
    Busy,
}

impl From<BookingKind> for KindRecord {
    fn from(kind: BookingKind) -> Self {
        match kind {
            BookingKind::Booking => Self::Booking,
            BookingKind::Busy => Self::Busy,
        }
    }
}

impl KindRecord {
    pub fn read(self) -> Result<BookingKind, WireError> {
        match self {
            Self::Booking => Ok(BookingKind::Booking),
            Self::Busy => Ok(BookingKind::Busy),
            Self::Unknown => Err(WireError::field("kind", "is UNKNOWN to this version")),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "BookingStatus", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum StatusRecord {
    Unknown,
    Confirmed,
    Awaiting,
    Cancelled,
    Held,
}

/// The fields over which both records spread a [`Standing`].
pub(crate) struct StandingFields {
    pub status: StatusRecord,
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub awaiting_until: Option<i64>,
    pub held_until: Option<i64>,
}

impl From<&Standing> for StandingFields {
    fn from(standing: &Standing) -> Self {
        let interval = standing.interval();
        let (status, awaiting_until, held_until) = match standing {
            Standing::Held { until, .. } => (StatusRecord::Held, None, Some(until.micros())),
            Standing::Confirmed(_) => (StatusRecord::Confirmed, None, None),
            Standing::Awaiting { until, .. } => (StatusRecord::Awaiting, Some(until.micros()), None),
            Standing::Cancelled { .. } => (StatusRecord::Cancelled, None, None),
        };
        Self {
            status,
            start_time: interval.map(|interval| interval.start().micros()),
            end_time: interval.map(|interval| interval.end().micros()),
            awaiting_until,
            held_until,
        }
    }
}

impl StandingFields {
    pub fn read(&self) -> Result<Standing, WireError> {
        let interval: Option<Interval> = optional_interval(self.start_time, self.end_time)?;
        Ok(match self.status {
            StatusRecord::Held => Standing::Held {
                interval: required("start_time", interval)?,
                until: time("held_until", required("held_until", self.held_until)?)?,
            },
            StatusRecord::Confirmed => Standing::Confirmed(required("start_time", interval)?),
            StatusRecord::Awaiting => Standing::Awaiting {
                interval: required("start_time", interval)?,
                until: time("awaiting_until", required("awaiting_until", self.awaiting_until)?)?,
            },
            StatusRecord::Cancelled => Standing::Cancelled { last: interval },
            StatusRecord::Unknown => return Err(WireError::field("status", "is UNKNOWN to this version")),
        })
    }
}

/// A unit of a resource: there are at most as many as its capacity can be.
pub(crate) fn read_unit(unit: i32) -> Result<u16, WireError> {
    u16::try_from(unit)
        .ok()
        .filter(|unit| *unit < Rules::CAPACITY_MAX)
        .ok_or_else(|| WireError::field("unit", format!("must be 0 to {}", Rules::CAPACITY_MAX - 1)))
}
