//! The seven things that can be asked, one shape each. This page is their definition.
//!
//! | field | type | of | meaning |
//! |---|---|---|---|
//! | `operation` | string | all | `book`, `hold`, `confirm`, `release`, `reschedule`, `update` or `cancel` |
//! | `resource` | string | all | whose time: the resource's id, not an alias |
//! | `booking_id` | UUID | confirm, release, reschedule, update, cancel | which booking, by the id that it was answered with |
//! | `start`, `end` | time | book, hold, reschedule | from `start` up to, not including, `end`; at most 31 days |
//! | `time_zone` | IANA name | | the zone of local times; on what people see, also for display |
//! | `ttl` | span | hold | how long the time is kept, such as `10m`: `1s` to `24h` |
//! | `title` | string, ≤ 1,000 | | what people see. `update` needs it, or `null`; `confirm` may have it |
//! | `attendees` | array, ≤ 100 | | `{name, email, phone}`, each with an `email` or a `phone`, which is kept by E.164 if it has `+` or reads as one of the resource's region. With `title`, always |
//! | `expected_version` | integer ≥ 1 | | not on book and hold: ask only if the booking has this version |
//!
//! Where `title` and `attendees` are needed, or one of them is given on `confirm`, both must be: what people see is replaced
//! as a whole, and nobody is to lose attendees over a title.

use std::time::Duration;

use daybook_domain::{BookingId, Interval, Operation, OperationKind, ResourceId};
use serde_json::Value;

use crate::address::{Address, Person, Shown, email, phone};
use crate::fault::{Fault, FaultKind, nearest};
use crate::fields::{Fields, kind_of};
use crate::json;

/// Where calls come in, and so the name space of their ids: `ce_source` on `raw.api`.
pub const CALLS: &str = "/v1/requests";
/// The most attendees.
pub const ATTENDEES_MAX: usize = 100;
/// The longest interval: one that is longer is a mistyped year, and would block a resource for good.
pub const LENGTH_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// A hold shorter than this is over before its holder has heard of it.
const TTL_MIN: Duration = Duration::from_secs(1);

/// Every field, for descriptions and tests.
pub const FIELDS: [(OperationKind, &[&str]); 7] = [
    (OperationKind::Book, &["operation", "resource", "start", "end", "time_zone", "title", "attendees"]),
    (OperationKind::Hold, &["operation", "resource", "start", "end", "time_zone", "ttl", "title", "attendees"]),
    (
        OperationKind::Confirm,
        &["operation", "resource", "booking_id", "title", "attendees", "time_zone", "expected_version"],
    ),
    (OperationKind::Release, &["operation", "resource", "booking_id", "expected_version"]),
    (
        OperationKind::Reschedule,
        &["operation", "resource", "booking_id", "start", "end", "time_zone", "expected_version"],
    ),
    (
        OperationKind::Update,
        &["operation", "resource", "booking_id", "title", "attendees", "time_zone", "expected_version"],
    ),
    (OperationKind::Cancel, &["operation", "resource", "booking_id", "expected_version"]),
];

const ATTENDEE: &[&str] = &["name", "email", "phone"];

/// What was asked. Holds personal data: it has no `Debug`.
pub struct Asked {
    /// Whose time.
    pub resource: ResourceId,
    /// What is asked.
    pub ask: Ask,
    /// The version that the booking must have; none for whatever it has.
    pub expected_version: Option<u64>,
    /// The body as one text, the same for all bodies that say the same.
    pub canonical: String,
}

/// What is asked.
pub enum Ask {
    /// This booking is to exist.
    Book(Place),
    /// This time is to be kept for so long.
    Hold(Place, Duration),
    /// This hold is to become a booking, with something else to see if it says so.
    Confirm(BookingId, Option<Shown>),
    /// This hold is given up.
    Release(BookingId),
    /// This booking is to be at that time.
    Reschedule(BookingId, Interval),
    /// People are to see this of it.
    Update(BookingId, Shown),
    /// This booking is to be gone.
    Cancel(BookingId),
}

/// A booking that is to be.
pub struct Place {
    /// When.
    pub interval: Interval,
    /// What people are to see.
    pub shown: Shown,
}

impl Ask {
    /// Which of the seven.
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Book(_) => OperationKind::Book,
            Self::Hold(..) => OperationKind::Hold,
            Self::Confirm(..) => OperationKind::Confirm,
            Self::Release(_) => OperationKind::Release,
            Self::Reschedule(..) => OperationKind::Reschedule,
            Self::Update(..) => OperationKind::Update,
            Self::Cancel(_) => OperationKind::Cancel,
        }
    }

    /// Whether it makes something that was not there: asked twice, it would be made twice.
    pub const fn creates(&self) -> bool {
        matches!(self, Self::Book(_) | Self::Hold(..))
    }

    /// The booking that it is about, where there is one already.
    pub const fn booking(&self) -> Option<BookingId> {
        match self {
            Self::Book(_) | Self::Hold(..) => None,
            Self::Confirm(id, _)
            | Self::Release(id)
            | Self::Reschedule(id, _)
            | Self::Update(id, _)
            | Self::Cancel(id) => Some(*id),
        }
    }
}

impl Asked {
    /// Reads a body, or says everything that is wrong with it.
    pub fn read(body: &[u8]) -> Result<Self, Vec<Fault>> {
        let whole = |problem: String, fix: &str| {
            let field = "(body)".to_owned();
            vec![Fault { kind: FaultKind::Unreadable, field, problem, fix: fix.to_owned() }]
        };
        let value = json::read(body).map_err(|error| whole(error.to_string(), "send one JSON object in UTF-8"))?;
        let Value::Object(map) = &value else {
            return Err(whole(format!("is {}", kind_of(&value)), "send one JSON object"));
        };
        let mut fields = Fields::new(map, String::new());
        let asked = operation(&mut fields).and_then(|(kind, known)| {
            let all: Vec<&'static str> = FIELDS.iter().flat_map(|(_, fields)| fields.iter().copied()).collect();
            fields.only(known, &all, kind.as_str());
            read(kind, &mut fields)
        });
        match asked {
            Some((resource, ask, expected_version)) if fields.faults.is_empty() => {
                Ok(Self { resource, ask, expected_version, canonical: json::canonical(&value) })
            }
            Some(_) | None => Err(fields.faults),
        }
    }
}

fn operation(fields: &mut Fields<'_>) -> Option<(OperationKind, &'static [&'static str])> {
    const FIX: &str = "give book, hold, confirm, release, reschedule, update or cancel";
    let value = fields.need("operation", FIX)?;
    let text = fields.text("operation", value, FIX)?;
    let found = FIELDS.iter().find(|(kind, _)| kind.as_str() == text);
    if found.is_none() {
        let near = nearest(text, FIELDS.iter().map(|(kind, _)| kind.as_str()));
        let fix = near.map_or_else(|| FIX.to_owned(), |near| format!("did you mean {near}?"));
        fields.fault(FaultKind::Value, "operation", "is none that there is", fix);
    }
    found.copied()
}

/// None if something is wrong, which is among the faults then.
fn read(kind: OperationKind, fields: &mut Fields<'_>) -> Option<(ResourceId, Ask, Option<u64>)> {
    const RESOURCE: &str = "give a resource's id: 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit";
    let resource = fields.need("resource", RESOURCE).and_then(|value| fields.parsed("resource", value, RESOURCE));
    let ask = match kind {
        OperationKind::Book => place(fields).map(Ask::Book),
        OperationKind::Hold => {
            let (place, ttl) = (place(fields), fields.span("ttl", TTL_MIN, Operation::HOLD_MAX));
            place.zip(ttl).map(|(place, ttl)| Ask::Hold(place, ttl))
        }
        OperationKind::Confirm => {
            let (id, shown) = (booking(fields), shown(fields, Needed::WithTheOther));
            id.map(|id| Ask::Confirm(id, shown))
        }
        OperationKind::Release => booking(fields).map(Ask::Release),
        OperationKind::Reschedule => {
            let (id, zone) = (booking(fields), fields.zone());
            id.zip(interval(fields, zone)).map(|(id, interval)| Ask::Reschedule(id, interval))
        }
        OperationKind::Update => {
            let (id, shown) = (booking(fields), shown(fields, Needed::Both));
            id.zip(shown).map(|(id, shown)| Ask::Update(id, shown))
        }
        OperationKind::Cancel => booking(fields).map(Ask::Cancel),
        OperationKind::Observe
        | OperationKind::Define
        | OperationKind::Redact
        | OperationKind::Expire
        | OperationKind::Unknown => None,
    };
    let expected = fields.count("expected_version");
    Some((resource?, ask?, expected))
}

fn booking(fields: &mut Fields<'_>) -> Option<BookingId> {
    const FIX: &str = "give the booking's id, the UUID that it was answered with";
    let value = fields.need("booking_id", FIX)?;
    fields.parsed("booking_id", value, FIX)
}

fn place(fields: &mut Fields<'_>) -> Option<Place> {
    let zone = fields.zone();
    let (interval, shown) = (interval(fields, zone), seen(fields, zone.0.map(|zone| zone.name().to_owned())));
    interval.map(|interval| Place { interval, shown })
}

fn interval(fields: &mut Fields<'_>, zone: (Option<chrono_tz::Tz>, bool)) -> Option<Interval> {
    let (start, end) = (fields.time("start", zone), fields.time("end", zone));
    let (start, end) = (start?, end?);
    let Ok(interval) = Interval::new(start, end) else {
        fields.fault(FaultKind::Time, "end", "is not after start", "give an end that is later");
        return None;
    };
    if interval.length() > LENGTH_MAX {
        fields.fault(FaultKind::Time, "end", "is more than 31 days after start", "is the date right?");
        return None;
    }
    Some(interval)
}

/// Whether what people see must be told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needed {
    /// Title and attendees, if only to say that there are none.
    Both,
    /// Neither, or both.
    WithTheOther,
}

fn shown(fields: &mut Fields<'_>, needed: Needed) -> Option<Shown> {
    let given = |name| fields.has(name);
    let (title, attendees) = (given("title"), given("attendees"));
    let (zone, _) = fields.zone();
    if needed == Needed::WithTheOther && !title && !attendees {
        if zone.is_some() {
            let why = "stands alone; it is the zone of what people see";
            fields.fault(FaultKind::Missing, "time_zone", why, "give title and attendees with it, or leave it out");
        }
        return None;
    }
    let why = "is missing; title and attendees are replaced together";
    if !title {
        fields.fault(FaultKind::Missing, "title", why, "give the title that is to stand, or null for none");
    }
    if !attendees {
        fields.fault(FaultKind::Missing, "attendees", why, "give everybody who is to attend, or [] for nobody");
    }
    Some(seen(fields, zone.map(|zone| zone.name().to_owned())))
}

fn seen(fields: &mut Fields<'_>, time_zone: Option<String>) -> Shown {
    Shown { title: fields.label("title"), people: people(fields), time_zone }
}

fn people(fields: &mut Fields<'_>) -> Vec<Person> {
    const FIX: &str = "give an array of {name, email, phone}";
    let Some(value) = fields.get("attendees") else { return Vec::new() };
    let Value::Array(items) = value else {
        fields.fault(FaultKind::Type, "attendees", format!("is {}; it must be an array", kind_of(value)), FIX);
        return Vec::new();
    };
    if items.len() > ATTENDEES_MAX {
        let problem = format!("has more than {ATTENDEES_MAX} entries");
        fields.fault(FaultKind::TooMany, "attendees", problem, "leave some out");
        return Vec::new();
    }
    let mut people = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let name = format!("attendees[{at}]");
        let Value::Object(map) = item else {
            fields.fault(FaultKind::Type, &name, format!("is {}; it must be an object", kind_of(item)), FIX);
            continue;
        };
        let mut one = Fields::new(map, format!("{name}."));
        people.extend(person(&mut one));
        fields.faults.append(&mut one.faults);
    }
    people
}

fn person(fields: &mut Fields<'_>) -> Option<Person> {
    const EMAIL: &str = "give an address such as name@host";
    const PHONE: &str = "give 5 to 20 digits, such as +15550100";
    fields.only(ATTENDEE, &[], "an attendee");
    let name = fields.label("name");
    let mut address = |field: &str, read: fn(&str) -> Option<String>, fix: &str| {
        let value = fields.get(field)?;
        let text = fields.text(field, value, fix)?;
        let address = read(text);
        if address.is_none() {
            fields.fault(FaultKind::Value, field, "is no address of this kind", fix);
        }
        address
    };
    let (by_email, by_phone) = (address("email", email, EMAIL), address("phone", phone, PHONE));
    let address = match (by_email, by_phone) {
        (Some(email), phone) => Address::Email { email, phone },
        (None, Some(phone)) => Address::Phone(phone),
        (None, None) => {
            if fields.get("email").is_none() && fields.get("phone").is_none() {
                let problem = "is missing, and so is phone; one of them must say who it is";
                fields.fault(FaultKind::Missing, "email", problem, EMAIL);
            }
            return None;
        }
    };
    Some(Person { name, address })
}

#[cfg(test)]
mod tests;
