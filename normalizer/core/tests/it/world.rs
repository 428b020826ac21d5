//! What the tests' Daybook knows, and how what came of an event is written down.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use daybook_domain::{
    Basis, BookingId, Claim, Content, Elsewhere, Operation, Request, RequestDigest, ResourceId, SourceName, Subject,
};
use daybook_format::{FETCHED, Format, POLLED};
use daybook_normalizer_core::{ContactKey, Fate, Item, Known, KnownBooking, Normalized, Parsed, RawEvent};
use daybook_wire::{Call, SourceEvent};

/// A source of the tests, and the folder of its fixtures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Calendly,
    Generic,
    Api,
    CalCom,
    Zendesk,
    /// States that were fetched.
    Acuity,
    /// The same.
    Hubspot,
    /// What has changed in calendars.
    Google,
    /// The same.
    Outlook,
    /// The same, as iCalendar.
    Icalendar,
}

impl Kind {
    pub const ALL: [Self; 10] = [
        Self::Calendly,
        Self::Generic,
        Self::Api,
        Self::CalCom,
        Self::Zendesk,
        Self::Acuity,
        Self::Hubspot,
        Self::Google,
        Self::Outlook,
        Self::Icalendar,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Calendly => "calendly",
            Self::Generic => "generic",
            Self::Api => "api",
            Self::CalCom => "cal-com",
            Self::Zendesk => "zendesk",
            Self::Acuity => "acuity",
            Self::Hubspot => "hubspot",
            Self::Google => "google",
            Self::Outlook => "outlook",
            Self::Icalendar => "icalendar",
        }
    }

    /// Its format, judged once: thousands of cases are read by it.
    pub fn format(self) -> &'static Format {
        static FORMATS: LazyLock<[Format; 10]> = LazyLock::new(|| {
            Kind::ALL.map(|kind| match kind {
                Kind::Api => Format::Api,
                Kind::CalCom => Format::new("cal.com", None).expect("shipped"),
                Kind::Google => Format::GoogleCalendar,
                Kind::Outlook => Format::Outlook,
                Kind::Icalendar => Format::CalDav,
                Kind::Calendly | Kind::Generic | Kind::Zendesk | Kind::Acuity | Kind::Hubspot => {
                    Format::new(kind.name(), None).expect("a format")
                }
            })
        });
        let at = Self::ALL.iter().position(|kind| *kind == self).expect("all are there");
        &FORMATS[at]
    }
}

pub fn source(kind: Kind) -> SourceName {
    kind.name().parse().expect("a name")
}

pub fn resource(name: &str) -> ResourceId {
    name.parse().expect("a name")
}

pub fn key() -> ContactKey {
    ContactKey::new(&[7; 32]).expect("32 bytes")
}

pub fn event(kind: Kind) -> SourceEvent {
    SourceEvent {
        id: "evt-1".to_owned(),
        source: format!("/webhooks/{}", kind.name()),
        kind: match kind {
            Kind::Calendly | Kind::Generic | Kind::Api | Kind::CalCom | Kind::Zendesk => String::new(),
            Kind::Acuity | Kind::Hubspot => FETCHED.to_owned(),
            Kind::Google | Kind::Outlook | Kind::Icalendar => POLLED.to_owned(),
        },
        subject: matches!(kind, Kind::Google | Kind::Outlook | Kind::Icalendar)
            .then(|| "anna@clinic.example".to_owned()),
        time: None,
        content_type: "application/json".to_owned(),
        received_at: "2026-05-04T07:12:12Z".parse().expect("a time"),
        traceparent: None,
        call: match kind {
            Kind::Calendly
            | Kind::Generic
            | Kind::CalCom
            | Kind::Zendesk
            | Kind::Acuity
            | Kind::Hubspot
            | Kind::Google
            | Kind::Outlook
            | Kind::Icalendar => Call::default(),
            Kind::Api => Call { digest: Some(RequestDigest([5; 16])), resource_version: Some(7) },
        },
    }
}

pub fn parse(kind: Kind, body: &[u8]) -> Parsed {
    daybook_normalizer_core::parse(kind.format(), RawEvent { source: &source(kind), event: &event(kind), body })
}

pub fn normalize(kind: Kind, body: &[u8]) -> Normalized {
    daybook_normalizer_core::normalize(&parse(kind, body), &known(kind), &key())
}

/// Anna and Bert are entered (Bert by e-mail address only), Carl's alias was removed, and some bookings are there; one
/// has moved from Anna to Bert, or from the room to Anna.
pub fn known(kind: Kind) -> Known {
    use Fate::{Gone, Moved, Stands};
    let (aliases, bookings): (&[_], &[_]) = match kind {
        Kind::Calendly => (
            &[
                ("https://api.calendly.com/users/ANNA000000000001", "anna"),
                ("anna@clinic.example", "anna"),
                ("bert@clinic.example", "bert"),
            ],
            &[
                ("https://api.calendly.com/scheduled_events/EVT0/invitees/OLD", "first-name-of-old", "anna", Stands),
                ("https://api.calendly.com/scheduled_events/EVT7/invitees/KNOWN_ON_CARL", "on-carl", "carl", Stands),
                (
                    "https://api.calendly.com/scheduled_events/EVT8/invitees/KNOWN_ON_ANNA_AND_CARL",
                    "both",
                    "carl",
                    Stands,
                ),
                (
                    "https://api.calendly.com/scheduled_events/EVT8/invitees/KNOWN_ON_ANNA_AND_CARL",
                    "both",
                    "anna",
                    Stands,
                ),
                ("https://api.calendly.com/scheduled_events/EVT9/invitees/MOVED", "first-name-of-moved", "anna", Moved),
                (
                    "https://api.calendly.com/scheduled_events/EVT9/invitees/MOVED",
                    "first-name-of-moved",
                    "bert",
                    Stands,
                ),
            ],
        ),
        Kind::Generic => (
            &[("Room 7", "room-7"), ("room7@clinic.example", "room-7"), ("desk-anna", "anna"), ("desk-bert", "bert")],
            &[
                ("4711", "first-name-of-4711", "room-7", Stands),
                ("both", "both", "room-7", Stands),
                ("both", "both", "anna", Stands),
                ("moved", "first-name-of-moved", "room-7", Moved),
                ("moved", "first-name-of-moved", "anna", Stands),
                ("gone", "first-name-of-gone", "room-7", Gone),
                ("busy-1", "first-name-of-busy", "room-7", Stands),
            ],
        ),
        Kind::Api => (&[], &[]),
        Kind::CalCom => (
            &[("anna@clinic.example", "anna"), ("bert", "bert")],
            &[("uid-known", "first-name-of-old", "anna", Stands), ("uid-both", "both", "carl", Stands)],
        ),
        Kind::Zendesk => (&[("anna@clinic.example", "anna")], &[("4711", "first-name-of-4711", "anna", Stands)]),
        Kind::Acuity => (&[("4038206", "room-7")], &[("399", "first-name-of-4711", "room-7", Stands)]),
        Kind::Hubspot => (&[("1134", "anna"), ("1135", "bert")], &[("512", "first-name-of-4711", "anna", Stands)]),
        Kind::Google | Kind::Outlook | Kind::Icalendar => {
            (&[("anna@clinic.example", "anna")], &[("anna@clinic.example/known", "first-name-of-busy", "anna", Stands)])
        }
    };
    let aliases = aliases.iter().map(|(alias, name)| ((*alias).to_owned(), resource(name))).collect();
    let mut known = Known { aliases, ..Known::default() };
    for (name, first_name, on, fate) in bookings {
        let booking =
            KnownBooking { resource: resource(on), booking_id: booking_id(kind, first_name, on), fate: *fate };
        known.bookings.entry((*name).to_owned()).or_default().push(booking);
    }
    known
}

pub fn booking_id(kind: Kind, name: &str, on: &str) -> BookingId {
    BookingId::derive(&source(kind), name, &resource(on))
}

/// Everything that matters of it, for a person to check. The fixtures' people are invented.
pub fn render(kind: Kind, normalized: &Normalized) -> String {
    let mut text = String::new();
    for item in &normalized.items {
        match item {
            Item::Request(request) => self::request(&mut text, kind, request),
            Item::Ignored(reason) => {
                let _ = writeln!(text, "ignored {}", reason.as_str());
            }
            Item::Reject(reject) => {
                let item = reject.item.map_or("-".to_owned(), |item| item.to_string());
                let _ = writeln!(text, "reject {} item {item}\n  {reject}", reject.reason.as_str());
            }
            Item::Unplaced(reject) => {
                let item = reject.item.map_or("-".to_owned(), |item| item.to_string());
                let _ = writeln!(text, "unplaced, then {} item {item}\n  {reject}", reject.reason.as_str());
            }
        }
    }
    if !normalized.drift.is_empty() {
        let _ = writeln!(text, "drift {}", normalized.drift.iter().cloned().collect::<Vec<_>>().join(", "));
    }
    text
}

fn request(text: &mut String, kind: Kind, request: &Request) {
    let _ = writeln!(text, "request {}", request.operation.kind().as_str());
    let _ = writeln!(text, "  request_id  {}", request.request_id);
    let _ = writeln!(text, "  resource    {}", request.resource);
    let _ = match request.basis {
        Basis::Promised => Ok(()),
        Basis::Asked => writeln!(text, "  basis       asked"),
        Basis::Imported => writeln!(text, "  basis       imported"),
    };
    if let Some(version) = request.expected.booking_version {
        let _ = writeln!(text, "  expected    version {version} of the booking");
    }
    if let Some(version) = request.expected.resource_version {
        let _ = writeln!(text, "  expected    version {version} of the resource");
    }
    if let Some(digest) = request.digest {
        let _ = writeln!(text, "  asked       {}", hexadecimal(digest.0));
    }
    let sourced = request.sourced_at.map_or("-".to_owned(), |time| time.to_string());
    let _ = writeln!(text, "  sourced_at  {sourced}");
    operation(text, kind, &request.operation);
}

fn operation(text: &mut String, kind: Kind, operation: &Operation) {
    match operation {
        Operation::Book(claim) | Operation::Observe(claim) => self::claim(text, kind, claim),
        Operation::Reschedule { previous, claim } => {
            let _ = writeln!(text, "  previous    {}", previous.id());
            self::claim(text, kind, claim);
        }
        Operation::Update { subject, content } => {
            self::subject(text, kind, subject);
            self::content(text, content);
        }
        Operation::Cancel { subject, interval, kind: cancel } => {
            self::subject(text, kind, subject);
            let _ = match interval {
                Some(interval) => writeln!(text, "  interval    {} .. {}", interval.start(), interval.end()),
                None => writeln!(text, "  interval    -"),
            };
            let _ = writeln!(text, "  kind        {cancel:?}");
        }
        Operation::Hold { claim, ttl } => {
            let _ = writeln!(text, "  ttl         {} s", ttl.as_secs());
            self::claim(text, kind, claim);
        }
        Operation::Confirm { subject, content } => {
            self::subject(text, kind, subject);
            match content {
                Some(content) => self::content(text, content),
                None => {
                    let _ = writeln!(text, "  content     as it was");
                }
            }
        }
        Operation::Release { subject, .. } => self::subject(text, kind, subject),
        Operation::Define(_) | Operation::Redact { .. } | Operation::Expire { .. } => panic!("no source asks for this"),
    }
}

fn subject(text: &mut String, kind: Kind, subject: &Subject) {
    let Subject { booking_id, identity, version } = subject;
    let _ = writeln!(text, "  identity    {}", identity.id());
    let _ = writeln!(text, "  booking_id  {}", named(kind, *booking_id, identity.id()));
    let _ = writeln!(text, "  version     {} {}", version.sequence, version.updated_at);
}

fn claim(text: &mut String, kind: Kind, claim: &Claim) {
    let _ = writeln!(text, "  identity    {}", claim.identity.id());
    let _ = writeln!(text, "  booking_id  {}", named(kind, claim.booking_id, claim.identity.id()));
    let _ = writeln!(text, "  version     {} {}", claim.version.sequence, claim.version.updated_at);
    let _ = writeln!(text, "  interval    {} .. {}", claim.interval.start(), claim.interval.end());
    if let Some(Elsewhere { resource, booking_id }) = &claim.moved_from {
        let _ = writeln!(text, "  moved_from  {resource}: {}", named(kind, *booking_id, claim.identity.id()));
    }
    for tag in &claim.tags {
        let _ = writeln!(text, "  tag         {tag}");
    }
    if let Some(mark) = claim.mark {
        let _ = writeln!(text, "  mark        {mark}");
    }
    for contact in &claim.contacts {
        let _ = writeln!(text, "  contact     {contact}");
    }
    match &claim.content {
        Some(content) => self::content(text, content),
        None => {
            let _ = writeln!(text, "  content     as it was");
        }
    }
}

fn content(text: &mut String, content: &Content) {
    let Content { title, attendees, source_time_zone, digest } = content;
    let show = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
    let _ = writeln!(text, "  title       {}", show(title));
    let _ = writeln!(text, "  zone        {}", show(source_time_zone));
    for who in attendees {
        let parts = [show(&who.name), show(&who.email), show(&who.phone)].join(" | ");
        let _ = writeln!(text, "  attendee    {} {parts}", who.contact_id);
    }
    let _ = writeln!(text, "  digest      {}", hexadecimal(digest.0));
}

fn hexadecimal(bytes: [u8; 16]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What bookings were first called that are called something else now.
const FIRST_NAMES: [&str; 7] = [
    "first-name-of-old",
    "on-carl",
    "both",
    "first-name-of-4711",
    "first-name-of-moved",
    "first-name-of-gone",
    "first-name-of-busy",
];

/// A booking id, and what it was derived from: the identity in hand, or one that was known.
fn named(kind: Kind, id: BookingId, identity: &str) -> String {
    let mut names: BTreeMap<BookingId, String> = BTreeMap::new();
    for on in ["anna", "bert", "carl", "room-7"] {
        for name in FIRST_NAMES {
            names.insert(booking_id(kind, name, on), format!("known ({name} on {on})"));
        }
        names.insert(booking_id(kind, identity, on), format!("{id}, new on {on}"));
    }
    names.get(&id).cloned().unwrap_or("derived from something else".to_owned())
}
