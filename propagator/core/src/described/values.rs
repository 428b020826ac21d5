//! What stands for each word of a template.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use daybook_domain::{BookingId, ResourceId, Timestamp};
use daybook_format::Times;
use daybook_format::target::Filling;
use daybook_icalendar::content_line::clean;

use super::Place;
use crate::Visible;
use crate::mirror::{end, start, text_of};

/// The values of one request.
pub(super) struct Values<'a> {
    pub times: &'a Times,
    pub place: &'a Place,
    pub booking_id: BookingId,
    pub resource: &'a ResourceId,
    pub version: u64,
    pub id: Option<&'a str>,
    pub key: String,
    pub visible: Option<&'a Visible>,
}

impl Filling for Values<'_> {
    fn value(&self, word: &str) -> Option<String> {
        let some = |text: String| Some(text).filter(|text| !text.trim().is_empty());
        let part = |at: usize| some(self.place.address.split('/').nth(at)?.to_owned());
        match word {
            "booking" => return Some(self.booking_id.to_string()),
            "version" => return Some(self.version.to_string()),
            "resource" => return Some(self.resource.as_str().to_owned()),
            "id" => return self.id.map(str::to_owned),
            "address" => return some(self.place.address.clone()),
            "address_1" => return part(0),
            "address_2" => return part(1),
            "address_3" => return part(2),
            "account" => return some(self.place.account.clone()),
            "key" => return Some(self.key.clone()),
            _ => {}
        }
        let visible = self.visible?;
        let first = visible.attendees.first();
        let text = |text: Option<&String>| some(clean(text?).trim().to_owned());
        match word {
            "start" => Some(write(start(visible), self.times)),
            "end" => Some(write(end(visible), self.times)),
            "start_local" => Some(local(start(visible), visible)),
            "end_local" => Some(local(end(visible), visible)),
            "zone" => Some(zone(visible).name().to_owned()),
            "minutes" => Some(end(visible).since(start(visible)).as_secs().div_ceil(60).to_string()),
            "title" => text(visible.title.as_ref()),
            "name" => text(first?.name.as_ref()),
            "email" => text(first?.email.as_ref()),
            "phone" => text(first?.phone.as_ref()),
            "attendees" => some(text_of(visible)),
            _ => None,
        }
    }
}

fn write(time: Timestamp, times: &Times) -> String {
    match times {
        Times::Rfc3339 => time.to_string(),
        Times::UnixSeconds => (time.millis() / 1_000).to_string(),
        Times::UnixMilliseconds => time.millis().to_string(),
        Times::Pattern(pattern) => DateTime::<Utc>::from(time).format(pattern).to_string(),
    }
}

/// The resource's zone; UTC where none is known by that name.
fn zone(visible: &Visible) -> Tz {
    visible.resource_time_zone.as_deref().and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC)
}

fn local(time: Timestamp, visible: &Visible) -> String {
    DateTime::<Utc>::from(time).with_timezone(&zone(visible)).format("%Y-%m-%dT%H:%M:%S").to_string()
}
