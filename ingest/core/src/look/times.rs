//! Where is a resource free: the questions of `availability` and `freebusy`.

use std::time::Duration;

use daybook_ask::{Fault, LENGTH_MAX};
use daybook_domain::{BookingId, Interval, ResourceId, Timestamp};

use super::fields::{Fields, SPAN, TIME};

/// How long a window may be: a year, as the longest claim.
pub const WINDOW_MAX: Duration = Interval::CLAIM_MAX;
/// How many starts a search may try, over all its resources: some milliseconds of work, half a megabyte of answer.
pub const STARTS_MAX: u128 = 5_000;
/// How many resources one question may be about.
pub const RESOURCES_MAX: usize = 100;
/// The shortest slot and the smallest step.
const LEAST: Duration = Duration::from_secs(1);

const ID: &str = "give a resource's id: 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit";
const BOOKING: &str = "give a booking's id, as bookings show it";

/// One resource's free slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Slots lie inside.
    pub window: Interval,
    /// How long they are.
    pub duration: Duration,
    /// How far apart their starts are, counted from the window's.
    pub granularity: Duration,
    /// The booking that is to move there.
    pub moving: Option<BookingId>,
}

/// Many resources' free slots, and when they are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeBusy {
    /// Whose, in the order of the question, each once.
    pub resources: Vec<ResourceId>,
    /// Of when.
    pub window: Interval,
    /// How long slots are and how far apart they begin; none if nobody asks for slots.
    pub slots: Option<(Duration, Duration)>,
}

impl Times {
    /// From the query.
    pub fn read(mut fields: Fields) -> Result<Self, Vec<Fault>> {
        fields.require("duration", SPAN);
        let window = window(&mut fields);
        let moving = fields.one("moving", BOOKING);
        let slots = slots(&mut fields, window, 1);
        match (fields.finish(), window, slots) {
            (faults, Some(window), Some((duration, granularity))) if faults.is_empty() => {
                Ok(Self { window, duration, granularity, moving })
            }
            (faults, _, _) => Err(faults),
        }
    }
}

impl FreeBusy {
    /// From the body.
    pub fn read(mut fields: Fields) -> Result<Self, Vec<Fault>> {
        let window = window(&mut fields);
        let mut resources: Vec<ResourceId> = Vec::new();
        for resource in fields.list("resources", ID) {
            if !resources.contains(&resource) {
                resources.push(resource);
            }
        }
        if resources.is_empty() || resources.len() > RESOURCES_MAX {
            fields.fault("resources", "names none, or too many", format!("give a list of 1 to {RESOURCES_MAX} ids"));
        }
        let slots = slots(&mut fields, window, resources.len());
        match (fields.finish(), window) {
            (faults, Some(window)) if faults.is_empty() => Ok(Self { resources, window, slots }),
            (faults, _) => Err(faults),
        }
    }
}

fn window(fields: &mut Fields) -> Option<Interval> {
    fields.require("from", TIME);
    fields.require("to", TIME);
    let zone = fields.zone();
    let (from, to) = (fields.time("from", zone), fields.time("to", zone));
    let (from, to): (Timestamp, Timestamp) = (from?, to?);
    let Ok(window) = Interval::new(from, to) else {
        fields.fault("to", "is not after from", "give a later time");
        return None;
    };
    if window.length() > WINDOW_MAX {
        fields.fault("to", "is more than 366 days after from", "ask for a shorter time, several times");
        return None;
    }
    Some(window)
}

/// How long slots are, and how far apart they begin: as far as they are long, unless it is said.
fn slots(fields: &mut Fields, window: Option<Interval>, resources: usize) -> Option<(Duration, Duration)> {
    let duration = fields.span("duration", LEAST, LENGTH_MAX);
    let granularity = fields.span("granularity", LEAST, WINDOW_MAX);
    let duration = duration?;
    let granularity = granularity.unwrap_or(duration);
    let starts = window.map_or(0, |window| window.length().as_micros().div_ceil(granularity.as_micros()));
    if starts * resources as u128 > STARTS_MAX {
        let fix = format!(
            "{STARTS_MAX} starts may be tried at once: ask for a shorter time, a coarser one, or fewer resources"
        );
        fields.fault("granularity", "is too fine for so long a time", fix);
    }
    Some((duration, granularity))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Fields {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Fields::of_query(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    fn told(faults: Vec<Fault>) -> String {
        faults.into_iter().map(|fault| format!("{} {}; ", fault.field, fault.problem)).collect()
    }

    #[test]
    fn slots_are_as_far_apart_as_they_are_long_unless_it_is_said() {
        let ask = |more: &str| {
            Times::read(query(&format!("from=2027-03-04T00:00:00Z&to=2027-03-05T00:00:00Z&duration=1h{more}")))
        };
        let hour = Duration::from_secs(60 * 60);
        let times = ask("").expect("a question");
        assert_eq!((times.duration, times.granularity, times.moving), (hour, hour, None));
        assert_eq!(ask("&granularity=15m").expect("a question").granularity, hour / 4);
        let id = "0f8fad5b-d9cb-569f-a165-70867728950e";
        assert_eq!(ask(&format!("&moving={id}")).expect("a question").moving, Some(id.parse().expect("an id")));
        assert_eq!(
            told(ask("&granularity=10s").expect_err("too fine")),
            "granularity is too fine for so long a time; "
        );
    }

    #[test]
    fn whatever_is_missing_reversed_or_too_long_is_told_at_once() {
        assert_eq!(
            told(Times::read(query("")).expect_err("empty")),
            "duration is missing and is required here; from is missing and is required here; to is missing and is required here; "
        );
        let reversed = "from=2027-03-04T00:00:00Z&to=2027-03-04T00:00:00Z&duration=0s&moving=mine";
        let told_of = told(Times::read(query(reversed)).expect_err("reversed"));
        assert!(told_of.contains("to is not after from") && told_of.contains("duration is out of bounds"), "{told_of}");
        assert!(told_of.contains("moving "), "{told_of}");
        let long = "from=2027-03-04T00:00:00Z&to=2029-03-04T00:00:00Z&duration=1h";
        assert!(told(Times::read(query(long)).expect_err("long")).contains("more than 366 days"));
    }

    #[test]
    fn many_resources_are_asked_for_once_each_and_within_bounds() {
        let body = |resources: serde_json::Value| {
            let body = serde_json::json!({"from": "2027-03-04T00:00:00Z", "to": "2027-03-05T00:00:00Z",
                "resources": resources, "duration": "1h"});
            let serde_json::Value::Object(object) = body else { unreachable!("it is an object") };
            FreeBusy::read(Fields::of_object(object))
        };
        let asked = body(serde_json::json!(["anna", "bea", "anna"])).expect("a question");
        assert_eq!(asked.resources.iter().map(ResourceId::as_str).collect::<Vec<_>>(), ["anna", "bea"]);
        assert!(body(serde_json::json!([])).is_err());
        let many: Vec<String> = (0..101).map(|nth| format!("room-{nth}")).collect();
        assert!(
            told(body(serde_json::json!(many)).expect_err("too many")).contains("resources names none, or too many")
        );
        assert!(told(body(serde_json::json!(["Anna"])).expect_err("no id")).contains("resources[0] has a character"));
    }
}
