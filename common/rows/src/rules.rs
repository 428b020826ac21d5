//! The columns of `resource`: a resource's rules as `define` has set them last.

use std::time::Duration;

use daybook_domain::{Hours, ResourceId, Rules};
use daybook_runtime::postgres::StoreError;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

/// The columns that [`RulesColumns`] reads, of a table that goes by `r`.
pub const RULES_COLUMNS: &str = "r.resource_id, r.version, r.display_time_zone, r.replacement_wait_ms, r.capacity, \
    r.buffer_before_ms, r.buffer_after_ms, r.notice_ms, r.window_ms, r.hours, r.retired";

/// One row of `resource`: its rules.
#[derive(Debug, sqlx::FromRow)]
pub struct RulesColumns {
    resource_id: String,
    version: i64,
    display_time_zone: String,
    replacement_wait_ms: i64,
    capacity: i32,
    buffer_before_ms: i64,
    buffer_after_ms: i64,
    notice_ms: i64,
    window_ms: Option<i64>,
    hours: Json<Vec<HoursColumn>>,
    retired: bool,
}

/// A stretch of `resource.hours`.
#[derive(Debug, Serialize, Deserialize)]
pub struct HoursColumn {
    day: String,
    from_minute: u16,
    to_minute: u16,
}

impl From<&Hours> for HoursColumn {
    fn from(hours: &Hours) -> Self {
        let day = match hours.day {
            chrono::Weekday::Mon => "MONDAY",
            chrono::Weekday::Tue => "TUESDAY",
            chrono::Weekday::Wed => "WEDNESDAY",
            chrono::Weekday::Thu => "THURSDAY",
            chrono::Weekday::Fri => "FRIDAY",
            chrono::Weekday::Sat => "SATURDAY",
            chrono::Weekday::Sun => "SUNDAY",
        };
        Self { day: day.to_owned(), from_minute: hours.from, to_minute: hours.to }
    }
}

impl RulesColumns {
    /// Whose they are, the resource's version, and the rules.
    pub fn read(self) -> Result<(ResourceId, u64, Rules), StoreError> {
        let bad = || StoreError::Corrupt("resource".to_owned());
        let span = |millis: i64| u64::try_from(millis).map(Duration::from_millis).map_err(|_| bad());
        let hours = self.hours.0.iter().map(|hours| {
            let day = hours.day.parse().map_err(|_| bad())?;
            Ok(Hours { day, from: hours.from_minute, to: hours.to_minute })
        });
        let rules = Rules {
            display_time_zone: self.display_time_zone,
            replacement_wait: span(self.replacement_wait_ms)?,
            capacity: u16::try_from(self.capacity).map_err(|_| bad())?,
            buffer_before: span(self.buffer_before_ms)?,
            buffer_after: span(self.buffer_after_ms)?,
            notice: span(self.notice_ms)?,
            window: self.window_ms.map(span).transpose()?,
            hours: hours.collect::<Result<_, StoreError>>()?,
            retired: self.retired,
        };
        Ok((self.resource_id.parse().map_err(|_| bad())?, u64::try_from(self.version).map_err(|_| bad())?, rules))
    }
}
