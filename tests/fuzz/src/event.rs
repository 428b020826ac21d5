//! The normalizer over events.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use daybook_domain::{BookingId, RequestDigest, ResourceId, SourceName};
use daybook_format::{FETCHED, Format, Media, POLLED};
use daybook_normalizer_core::{
    ContactKey, Fate, Item, Known, KnownBooking, Normalized, Parsed, Questions, RawEvent, normalize, parse,
};
use daybook_wire::{Call, SourceEvent, decode_request, encode_request, request_codec};

/// Shorter ones may be in our own words, such as `name@host`.
const ADDRESS_LENGTH_MIN: usize = 12;

/// A format of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Calendly's webhooks.
    Calendly,
    /// Our own, for everybody.
    Generic,
    /// What our API has taken in.
    Api,
    /// Described, and delivered in full.
    CalCom,
    /// The same.
    Zendesk,
    /// Described, and fetched.
    Acuity,
    /// The same.
    Hubspot,
    /// Changes in a calendar of Google's.
    Google,
    /// Changes in a calendar of Outlook's.
    Outlook,
    /// Changes in a calendar of iCalendar.
    Icalendar,
}

impl Kind {
    /// All of them.
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

    /// Its name, which is that of the folder of its fixtures, too.
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

    fn format(self) -> &'static Format {
        static FORMATS: LazyLock<[Format; 10]> = LazyLock::new(|| {
            Kind::ALL.map(|kind| match kind {
                Kind::Api => Format::Api,
                Kind::CalCom => Format::new("cal.com", None).expect("shipped"),
                Kind::Google => Format::GoogleCalendar,
                Kind::Outlook => Format::Outlook,
                Kind::Icalendar => Format::CalDav,
                Kind::Calendly | Kind::Generic | Kind::Zendesk | Kind::Acuity | Kind::Hubspot => {
                    Format::new(kind.name(), None).expect("shipped")
                }
            })
        });
        &FORMATS[Self::ALL.iter().position(|kind| *kind == self).expect("all are there")]
    }

    fn event(self) -> SourceEvent {
        let (kind, calendar) = match self {
            Self::Calendly | Self::Generic | Self::Api | Self::CalCom | Self::Zendesk => ("", None),
            Self::Acuity | Self::Hubspot => (FETCHED, None),
            Self::Google | Self::Outlook | Self::Icalendar => (POLLED, Some("anna@clinic.example".to_owned())),
        };
        let digest = (self == Self::Api).then_some(RequestDigest([5; 16]));
        // What is fetched is JSON, whatever the deliveries are.
        let media = if kind == FETCHED { Media::Json } else { self.format().media() };
        SourceEvent {
            id: "evt-1".to_owned(),
            source: format!("/fuzzed/{}", self.name()),
            kind: kind.to_owned(),
            subject: calendar,
            time: None,
            content_type: media.content_type().to_owned(),
            received_at: "2026-05-04T07:12:12Z".parse().expect("a time"),
            traceparent: None,
            call: Call { digest, resource_version: None },
        }
    }
}

/// Reads `body` as an event.
pub(crate) fn check(kind: Kind, body: &[u8]) {
    let source: SourceName = kind.name().parse().expect("a name");
    let event = kind.event();
    let raw = RawEvent { source: &source, event: &event, body };
    let (parsed, again) = (parse(kind.format(), raw), parse(kind.format(), raw));
    let known = answers(&source, &parsed.questions());
    let normalized = finish(&parsed, &known);
    assert_eq!(normalized, finish(&again, &known), "the same event came to something else");
    // With nothing known, too: the store may be new.
    for normalized in [&normalized, &finish(&parsed, &Known::default())] {
        assert!(!normalized.items.is_empty(), "an event came to nothing");
        assert!(normalized.drift.len() <= 32 && normalized.drift.iter().all(|path| path.len() <= 128));
        normalized.items.iter().for_each(check_wire);
        check_texts(normalized, body);
    }
}

fn finish(parsed: &Parsed, known: &Known) -> Normalized {
    static KEY: LazyLock<ContactKey> = LazyLock::new(|| ContactKey::new(&[7; 32]).expect("32 bytes"));
    normalize(parsed, known, &KEY)
}

/// Whoever is asked for is Anna, who is in Germany, or nobody, and every other booking is known, on her or on Bert.
fn answers(source: &SourceName, questions: &Questions) -> Known {
    let [anna, bert] = ["anna", "bert"].map(|name| name.parse::<ResourceId>().expect("a name"));
    let aliases = questions.aliases.iter().filter(|alias| !alias.len().is_multiple_of(5));
    let bookings = questions.bookings.iter().filter(|id| id.len().is_multiple_of(2));
    let booking = |id: &String| {
        let resource = if id.len().is_multiple_of(4) { anna.clone() } else { bert.clone() };
        let booking_id = BookingId::derive(source, id, &resource);
        (id.clone(), vec![KnownBooking { resource, booking_id, fate: Fate::Stands }])
    };
    Known {
        aliases: aliases.map(|alias| (alias.clone(), anna.clone())).collect(),
        bookings: bookings.map(booking).collect::<BTreeMap<_, _>>(),
        regions: BTreeMap::from([(anna.clone(), "DE".parse().expect("a region"))]),
    }
}

fn check_wire(item: &Item) {
    if let Item::Request(request) = item {
        let read = decode_request(request_codec().schema(), &encode_request(request)).expect("what was written reads");
        assert!(read == **request, "a request is not what was written of it");
    }
}

/// No address of the payload is in what logs, headers and metrics get to see.
fn check_texts(normalized: &Normalized, body: &[u8]) {
    let mut told: Vec<String> = normalized.drift.iter().cloned().collect();
    for item in &normalized.items {
        match item {
            Item::Reject(reject) | Item::Unplaced(reject) => told.push(format!("{reject} {reject:?}")),
            Item::Request(_) | Item::Ignored(_) => {}
        }
    }
    let told = told.join(" ").to_lowercase();
    if !told.contains('@') {
        return;
    }
    let text = String::from_utf8_lossy(body).to_lowercase();
    let words = text.split(|character: char| !(character.is_alphanumeric() || "@.-_+".contains(character)));
    for address in words.filter(|word| word.len() >= ADDRESS_LENGTH_MIN && word.contains('@')) {
        assert!(!told.contains(address), "an error text has an address of the payload");
    }
}
