//! A small language for stories: what sources say about one resource, line by line, and what was decided of it.
//!
//! A line is `<minute> [<source>:] <what> [<option>…]`; the minute is the log's time. The source is `calendly` unless said;
//! names are what a source calls its bookings; spans are minutes, `60-90`. What is said: `book a 60-90`,
//! `hold a 60-90 ttl=5`, `confirm a`, `release a`, `move a b 60-90` (what was `a` is to become `b`), `update a`, `cancel a`,
//! `replace a` (cancelled, a replacement follows), `busy a 60-90`, `redact a`, `expire a 15`, `define`.
//! Options: `v=3` the source's version (else the number of the line), `title=2`, `with=7` an attendee (else nobody),
//! `tag=x`, `mark=a` (bears the mark of that booking of calendly's; `mark=google/a` of that one), `from=room/a`, `asked` (nobody was promised it), `imported` (it was there before anybody looked),
//! `sourced=3` (the source's clock), `expect=1` (the booking's version), `at=4` (the resource's version), and for `define`
//! `wait=15 capacity=2 before=5 after=10 notice=30 window=600 weekdays=9-17`. The source `api` says what callers of the API
//! say: names no versions, and what exists by its id.

use std::fmt::Write;
use std::time::Duration;

use chrono::Weekday;
use daybook_domain::{
    Attendee, Basis, BookingId, BookingKind, BookingState, CancelKind, Claim, ContactId, Content, ContentDigest,
    Decision, Elsewhere, Expected, Hours, Identity, Interval, Operation, Request, RequestId, ResourceId, Rules, Sight,
    SourceName, SourceVersion, Standing, Subject, Tag, Timestamp,
};
use expect_test::Expect;

use crate::{State, step};

/// 2026-03-03T11:00:00Z, a Tuesday, noon in Berlin; a story's minutes are counted from here.
const NOON: i64 = 1_772_535_600_000_000;
const MINUTE: i64 = 60_000_000;

pub fn source(name: &str) -> SourceName {
    name.parse().expect("a name")
}

pub fn resource() -> ResourceId {
    "anna".parse().expect("a name")
}

pub fn minute(minute: i64) -> Timestamp {
    Timestamp::from_micros(NOON + minute * MINUTE).expect("in range")
}

fn minutes(text: &str) -> Duration {
    Duration::from_secs(60 * text.parse::<u64>().expect("minutes"))
}

pub fn interval((start, end): (i64, i64)) -> Interval {
    Interval::new(minute(start), minute(end)).expect("an interval")
}

fn span(text: &str) -> Interval {
    let (from, to) = text.split_once('-').expect("a span");
    interval((from.parse().expect("minutes"), to.parse().expect("minutes")))
}

/// The id of the booking that calendly called so first.
pub fn id(name: &str) -> BookingId {
    BookingId::derive(&source("calendly"), name, &resource())
}

/// The same, or that of another source's, as `google/a`.
fn marked(name: &str) -> BookingId {
    match name.split_once('/') {
        Some((of, name)) => BookingId::derive(&source(of), name, &resource()),
        None => id(name),
    }
}

/// A line, taken apart.
struct Line<'a> {
    nth: usize,
    now: i64,
    source: SourceName,
    words: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Line<'a> {
    fn read(nth: usize, line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let now = words.next().and_then(|word| word.parse().ok()).expect("a line begins with its minute");
        let mut words: Vec<&str> = words.collect();
        let speaker = words.first().and_then(|word| word.strip_suffix(':'));
        let source = source(speaker.unwrap_or("calendly"));
        if speaker.is_some() {
            words.remove(0);
        }
        let (options, words): (Vec<&str>, Vec<&str>) =
            words.into_iter().partition(|word| word.contains('=') || ["asked", "imported"].contains(word));
        let options = options.into_iter().map(|option| option.split_once('=').unwrap_or((option, ""))).collect();
        Self { nth, now, source, words, options }
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(option, _)| *option == name).map(|(_, value)| *value)
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.option(name).map(|text| text.parse().ok().expect("a number"))
    }

    fn is_api(&self) -> bool {
        self.source == SourceName::api()
    }

    /// What the source calls it. A caller of the API knows of what exists no more than its id.
    fn identity(&self, name: &str) -> Identity {
        let is_new = matches!(self.words.first(), Some(&"book" | &"hold"));
        if self.is_api() && !is_new {
            return Identity::new(&self.source, self.booking_id(name).to_string());
        }
        Identity::new(&self.source, name)
    }

    /// The id of the booking of that name: the source's own, or that of the source before the slash.
    fn booking_id(&self, name: &str) -> BookingId {
        let (source, name) =
            name.split_once('/').map_or((self.source.clone(), name), |(other, name)| (source(other), name));
        BookingId::derive(&source, name, &resource())
    }

    fn version(&self) -> SourceVersion {
        if self.is_api() {
            return SourceVersion { sequence: 0, updated_at: Timestamp::EPOCH };
        }
        let v = self.number("v").unwrap_or(1 + i64::try_from(self.nth).expect("a short story"));
        SourceVersion { sequence: 0, updated_at: Timestamp::from_micros(v).expect("in range") }
    }

    fn content(&self) -> Content {
        let title: u8 = self.number("title").unwrap_or(0);
        let contact = self.option("with").map(contact);
        let attendee = |contact_id| Attendee { contact_id, name: None, email: None, phone: None };
        let digest = [title, contact.as_ref().map_or(0, |contact| contact.as_str().as_bytes()[31])];
        Content {
            title: Some(format!("title {title}")),
            attendees: contact.into_iter().map(attendee).collect(),
            source_time_zone: None,
            digest: ContentDigest(std::array::from_fn(|at| digest[at % 2])),
        }
    }

    fn claim(&self, name: &str, at: &str, content: Option<Content>) -> Claim {
        let from = self.option("from").map(|from| {
            let (resource, name) = from.split_once('/').expect("resource/name");
            let resource: ResourceId = resource.parse().expect("a name");
            Elsewhere { booking_id: BookingId::derive(&self.source, name, &resource), resource }
        });
        Claim {
            booking_id: self.booking_id(name),
            identity: self.identity(name),
            version: self.version(),
            interval: span(at),
            contacts: if content.is_none() { self.option("with").map(contact).into_iter().collect() } else { vec![] },
            content,
            tags: self.option("tag").map(|tag| Tag::derive("ical", tag)).into_iter().collect(),
            mark: self.option("mark").map(marked),
            moved_from: from,
        }
    }

    fn subject(&self, name: &str) -> Subject {
        Subject { booking_id: self.booking_id(name), identity: self.identity(name), version: self.version() }
    }

    fn rules(&self) -> Rules {
        let mut rules = Rules::new("Europe/Berlin".to_owned());
        let time = |name: &str| self.option(name).map(minutes);
        rules.replacement_wait = time("wait").unwrap_or(rules.replacement_wait);
        rules.capacity = self.number("capacity").unwrap_or(1);
        rules.buffer_before = time("before").unwrap_or_default();
        rules.buffer_after = time("after").unwrap_or_default();
        rules.notice = time("notice").unwrap_or_default();
        rules.window = time("window");
        rules.retired = self.option("retired").is_some();
        if let Some((from, to)) = self.option("weekdays").and_then(|hours| hours.split_once('-')) {
            let at = |text: &str| 60 * text.parse::<u16>().expect("an hour");
            let days = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];
            rules.hours = days.map(|day| Hours { day, from: at(from), to: at(to) }).to_vec();
        }
        rules
    }

    fn operation(&self) -> Operation {
        match *self.words.as_slice() {
            ["book", name, at] => Operation::Book(self.claim(name, at, Some(self.content()))),
            ["hold", name, at] => Operation::Hold {
                claim: self.claim(name, at, Some(self.content())),
                ttl: self.option("ttl").map(minutes).expect("ttl="),
            },
            ["confirm", name] => {
                let content = self.option("title").map(|_| self.content());
                Operation::Confirm { subject: self.subject(name), content }
            }
            ["release", name] => Operation::Release { subject: self.subject(name), moved_to: None },
            ["move", previous, name, at] => Operation::Reschedule {
                previous: self.identity(previous),
                claim: self.claim(name, at, Some(self.content())),
            },
            ["update", name] => Operation::Update { subject: self.subject(name), content: self.content() },
            ["cancel", name] => self.cancel(name, CancelKind::Plain),
            ["replace", name] => self.cancel(name, CancelKind::AwaitingReplacement),
            ["busy", name, at] => Operation::Observe(self.claim(name, at, None)),
            ["redact", name] => Operation::Redact { booking_id: self.subject(name).booking_id },
            ["expire", name, deadline] => Operation::Expire {
                booking_id: self.subject(name).booking_id,
                deadline: minute(deadline.parse().expect("a minute")),
            },
            ["define"] => Operation::Define(self.rules()),
            ref words => panic!("no such thing to say: {words:?}"),
        }
    }

    fn cancel(&self, name: &str, kind: CancelKind) -> Operation {
        Operation::Cancel { subject: self.subject(name), interval: None, kind }
    }
}

pub fn contact(nth: &str) -> ContactId {
    ContactId::from_bytes([nth.parse().expect("a small number"); 16])
}

/// The request that the normalizer makes of a line; `nth` tells deliveries apart.
pub fn request(nth: usize, line: &str) -> (Timestamp, Request) {
    let line = Line::read(nth, line);
    let request = Request {
        request_id: RequestId::derive("story", &nth.to_string(), 0),
        resource: resource(),
        source: line.source.clone(),
        event_id: nth.to_string(),
        basis: match (line.option("asked"), line.option("imported")) {
            (Some(_), _) => Basis::Asked,
            (None, Some(_)) => Basis::Imported,
            (None, None) => Basis::Promised,
        },
        expected: Expected { booking_version: line.number("expect"), resource_version: line.number("at") },
        digest: None,
        sourced_at: line.number("sourced").map(minute),
        received_at: minute(line.now),
        operation: line.operation(),
    };
    (minute(line.now), request)
}

/// A resource with one unit, no buffers, and fifteen minutes to wait for a replacement.
pub fn defined() -> State {
    let mut state = State::new(resource());
    tell(&mut state, 0, "0 define wait=15");
    state
}

/// Decides one line and what has lapsed before it, applies it, and proves the invariants.
pub fn tell(state: &mut State, nth: usize, line: &str) -> Vec<Decision> {
    let (now, request) = request(nth, line);
    let mut again = state.clone();
    let decisions = step(state, now, &request).expect("nothing is missing");
    assert_eq!(step(&mut again, now, &request).as_ref(), Ok(&decisions), "the same twice");
    assert_eq!(again, *state, "the same twice");
    state.check().expect("the invariants hold");
    decisions
}

/// Tells a story from a defined resource on, and compares what was decided, and what stands at the end.
#[allow(clippy::needless_pass_by_value, reason = "expectations are written where they are used up")]
pub fn check(lines: &str, expected: Expect) {
    expected.assert_eq(&story(lines));
}

fn story(lines: &str) -> String {
    let mut state = defined();
    let mut text = String::new();
    for (nth, line) in lines.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let decisions = tell(&mut state, nth + 1, line);
        let told: Vec<String> = decisions.iter().map(|decision| told(&state, decision)).collect();
        let told = if told.is_empty() { "(too early)".to_owned() } else { told.join(", then ") };
        writeln!(text, "{line} => {told}").expect("a string takes all");
    }
    text.push_str("--\n");
    for booking in state.bookings() {
        text.push_str(&standing(booking));
    }
    writeln!(text, "resource version {}", state.version()).expect("a string takes all");
    text
}

/// What sources call a booking.
fn label(booking: &BookingState) -> String {
    let is_called = |key, source: &SourceName, name: &char| Identity::new(source, name.to_string()).key() == key;
    let called = |key, source: &SourceName| ('a'..='z').find(|name| is_called(key, source, name)).unwrap_or('?');
    booking.keys.iter().map(|key| called(*key, &booking.source)).collect()
}

pub fn shown(interval: Interval) -> String {
    let at = |time: Timestamp| (time.micros() - NOON) / MINUTE;
    format!("{}-{}", at(interval.start()), at(interval.end()))
}

fn told(state: &State, decision: &Decision) -> String {
    let mut text = decision.outcome.as_str().to_owned();
    if let Some(reason) = decision.outcome.reason() {
        write!(text, " {reason}").expect("a string takes all");
    }
    if let Some(rule) = decision.outcome.rule() {
        write!(text, " {}", rule.as_str()).expect("a string takes all");
    }
    if let Some(winner) = decision.outcome.winner() {
        let who = state.booking(winner.booking_id).map(label).unwrap_or_default();
        write!(text, " with {} {}", who, shown(winner.interval)).expect("a string takes all");
    }
    if !decision.next_free.is_empty() {
        let free: Vec<_> = decision.next_free.iter().copied().map(shown).collect();
        write!(text, "; free {}", free.join(" ")).expect("a string takes all");
    }
    text
}

fn standing(booking: &BookingState) -> String {
    let at = |time: Timestamp| (time.micros() - NOON) / MINUTE;
    let mut text = label(booking);
    let kind = if booking.kind == BookingKind::Busy { " busy" } else { "" };
    let stands = match booking.standing {
        Standing::Held { interval, until } => format!("held {} until {}", shown(interval), at(until)),
        Standing::Confirmed(interval) => format!("confirmed {}", shown(interval)),
        Standing::Awaiting { interval, until } => format!("awaiting {} until {}", shown(interval), at(until)),
        Standing::Cancelled { last: Some(interval) } => format!("cancelled {}", shown(interval)),
        Standing::Cancelled { last: None } => "cancelled unseen".to_owned(),
    };
    write!(text, "{kind} {stands} version {}", booking.version).expect("a string takes all");
    if booking.unit > 0 {
        write!(text, " unit {}", booking.unit).expect("a string takes all");
    }
    for shadow in &booking.shadows {
        let sight = match shadow.sight {
            Sight::Along => "along".to_owned(),
            Sight::Away(interval) => format!("away {}", shown(interval)),
            Sight::Gone => "gone".to_owned(),
        };
        write!(text, ", {} {sight}", shadow.source).expect("a string takes all");
    }
    if let Some(from) = &booking.moved_from {
        write!(text, ", from {}", from.resource).expect("a string takes all");
    }
    if let Some(to) = &booking.moved_to {
        write!(text, ", to {}", to.resource).expect("a string takes all");
    }
    text.push('\n');
    text
}
