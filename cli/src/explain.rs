//! `daybook explain`: what the normalizer would make of a payload. Needs neither Kafka nor PostgreSQL.

use std::fmt::Write as _;
use std::path::PathBuf;

use daybook_ask::CALLS;
use daybook_domain::{
    Basis, BookingId, CancelKind, Claim, Content, Expected, Identity, Operation, Request, ResourceId, SourceName,
    SourceVersion, Subject, Timestamp,
};
use daybook_format::{DESCRIBED, FETCHED, Format, FormatFault, Media, Written};
use daybook_normalizer_core::{
    ContactKey, IgnoredReason, Item, Known, Normalized, Parsed, RawEvent, Reject, normalize, parse,
};
use daybook_runtime::clock;
use daybook_wire::{Call, SourceEvent};
use secrecy::ExposeSecret;

use crate::config::Config;
use crate::failure::Failure;
use crate::input;
use crate::out::Out;
use crate::resources;
use crate::text;
use crate::words;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The source that sent it.
    #[arg(long, value_name = "SOURCE")]
    source: SourceName,
    /// The payload; `-` for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Which vendor's payload it is: calendly, generic, google-calendar, outlook, caldav, ics-feed, acuity, cal.com, hubspot or zendesk. Without
    /// this, as the settings say for the source.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// What the payload is like: a file with what would stand in the settings under `sources.<name>.description`.
    #[arg(long, value_name = "FILE", conflicts_with = "kind")]
    description: Option<PathBuf>,
    /// It is no delivery, but a state as the vendor's API answers with it.
    #[arg(long)]
    fetched: bool,
    /// The calendar that it is of, where calendars are read (google-calendar, outlook, caldav, ics-feed). Without this, whoever is
    /// marked as self in it.
    #[arg(long, value_name = "CALENDAR")]
    calendar: Option<String>,
    /// An alias of this source, and the resource it means; may be repeated.
    #[arg(long, value_name = "TEXT=RESOURCE", value_parser = alias)]
    alias: Vec<(String, ResourceId)>,
    /// Take the aliases and regions from a file as `daybook resources apply` reads it.
    #[arg(long, value_name = "FILE")]
    resources: Option<PathBuf>,
    /// The sender's delivery id (`ce_id`), which the request ids are derived from.
    #[arg(long, value_name = "ID", default_value = "explained")]
    event_id: String,
}

fn alias(text: &str) -> Result<(String, ResourceId), String> {
    // The resource has no `=`; a URL may.
    let (alias, resource) = text.rsplit_once('=').ok_or("write ALIAS=RESOURCE")?;
    let resource = resource.parse().map_err(|error| format!("the resource's name {error}"))?;
    Ok((daybook_domain::normal_alias(alias), resource))
}

/// Prints what would come of a payload.
pub fn run(args: &Explain, config: &Config, out: &Out) -> Result<(), Failure> {
    let format = format(args, config)?;
    let (key, stands_in) = contact_key(config)?;
    let body = input::read(&args.file)?;
    let event = SourceEvent {
        id: args.event_id.clone(),
        source: if matches!(format, Format::Api) {
            CALLS.to_owned()
        } else if format.has_calendars() {
            format!("/polled/{}", args.source)
        } else {
            format!("/webhooks/{}", args.source)
        },
        kind: if args.fetched { FETCHED.to_owned() } else { String::new() },
        subject: args.calendar.clone(),
        time: None,
        content_type: if args.fetched { Media::Json } else { format.media() }.content_type().to_owned(),
        received_at: clock::now(),
        traceparent: None,
        call: Call::default(),
    };
    let parsed = parse(&format, RawEvent { source: &args.source, event: &event, body: &body });
    let mut known = Known::default();
    known.aliases.extend(args.alias.iter().cloned());
    if let Some(file) = &args.resources {
        for definition in resources::load(file)? {
            known.regions.extend(definition.region.map(|region| (definition.id.clone(), region)));
            let aliases = definition.aliases.into_keys().filter(|(source, _)| *source == args.source);
            known.aliases.extend(aliases.map(|(_, alias)| (alias, definition.id.clone())));
        }
    }
    let asked = args.alias.is_empty() && args.resources.is_none();
    let normalized = normalize(&parsed, &known, &key);
    out.text(page(&parsed, &normalized, asked))?;
    if stands_in {
        out.line("\nnormalizer.contact_key is not set: contact ids and digests differ from the installation's")?;
    }
    Ok(())
}

fn format(args: &Explain, config: &Config) -> Result<Format, Failure> {
    let source = &args.source;
    if let Some(file) = &args.description {
        let text = String::from_utf8_lossy(&input::read(file)?).into_owned();
        let named = |problem: String| Failure::input(format!("{}: {problem}", file.display()));
        let written = Written::read(&text).map_err(named)?;
        return Format::new(DESCRIBED, Some(&written)).map_err(|faults| named(all(&faults)));
    }
    format_of(source, args.kind.as_deref(), config)
}

/// What a source sends: as somebody says, else as the settings do, else as its name is called.
pub fn format_of(source: &SourceName, told: Option<&str>, config: &Config) -> Result<Format, Failure> {
    if let Some(kind) = told {
        return Format::new(kind, None).map_err(|faults| Failure::input(format!("--kind: {}", all(&faults))));
    }
    if *source == SourceName::api() {
        return Ok(Format::Api);
    }
    let told = config.sources.get(source.as_str());
    if let Some(kind) = told.and_then(|told| told.kind.as_deref()) {
        let format = Format::new(kind, told.and_then(|told| told.description.as_ref()));
        return format.map_err(|faults| Failure::input(format!("sources.{source}: {}", all(&faults))));
    }
    Format::new(source.as_str(), None).map_err(|_| {
        Failure::input(format!(
            "the settings do not say what {source} sends; say it by --kind, such as calendly or generic, or set sources.{source}.kind"
        ))
    })
}

fn all(faults: &[FormatFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The installation's key, or one that stands in for it.
pub fn contact_key(config: &Config) -> Result<(ContactKey, bool), Failure> {
    let told = config.normalizer.contact_key.as_ref();
    let bytes = told.map_or(&[0; 32][..], |key| key.expose_secret().as_bytes());
    let key = ContactKey::new(bytes).map_err(|error| Failure::input(format!("normalizer.contact_key {error}")))?;
    Ok((key, told.is_none()))
}

fn page(parsed: &Parsed, normalized: &Normalized, ask: bool) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    for (number, item) in normalized.items.iter().enumerate() {
        let _ = match item {
            Item::Request(request) => write!(page, "item {number}: {}", requested(request)),
            Item::Ignored(reason) => writeln!(page, "item {number}: PASSED OVER: {}", ignored(*reason)),
            Item::Reject(reject) => write!(page, "item {number}: {}", rejected("DEAD LETTER", reject)),
            Item::Unplaced(reject) => {
                let text = rejected("TRIED AGAIN for a while, then a DEAD LETTER", reject);
                write!(page, "item {number}: {text}")
            }
        };
    }
    if !normalized.drift.is_empty() {
        page.push_str("\nfields that this version does not know (counted, otherwise ignored):\n");
        for field in &normalized.drift {
            let _ = writeln!(page, "  {field}");
        }
    }
    let questions = parsed.questions();
    if ask && !questions.aliases.is_empty() {
        page.push_str("\nwould be looked up; give --alias TEXT=RESOURCE or --resources FILE to answer:\n");
        for alias in &questions.aliases {
            let _ = writeln!(page, "  {alias}");
        }
    }
    page
}

fn requested(request: &Request) -> String {
    let operation = request.operation.kind().as_str();
    let mut page = format!("REQUEST {operation} on {}\n", request.resource);
    let mut fact = |name: &str, value: String| {
        let _ = writeln!(page, "     {name:<15} {value}");
    };
    match &request.operation {
        Operation::Book(it) | Operation::Observe(it) => claim(&mut fact, it),
        Operation::Hold { claim: it, ttl } => {
            fact("for", text::span(*ttl));
            claim(&mut fact, it);
        }
        Operation::Confirm { subject: it, content } => {
            fact("shown", shown(content.as_ref()));
            subject(&mut fact, it);
        }
        Operation::Release { subject: it, moved_to } => {
            if let Some(to) = moved_to {
                fact("replaced by", words::elsewhere(to));
            }
            subject(&mut fact, it);
        }
        Operation::Reschedule { previous, claim: it } => {
            fact("instead of", format!("{} (pseudonym)", previous.key()));
            claim(&mut fact, it);
        }
        Operation::Update { subject: it, content } => {
            fact("shown", shown(Some(content)));
            subject(&mut fact, it);
        }
        Operation::Cancel { subject: it, interval, kind } => {
            fact(
                "interval",
                interval.map_or_else(|| "not given".to_owned(), |interval| text::interval(interval, None)),
            );
            fact(
                "replacement",
                match kind {
                    CancelKind::Plain => "none: the slot is free at once".to_owned(),
                    CancelKind::AwaitingReplacement => "announced: the slot is kept for it".to_owned(),
                },
            );
            subject(&mut fact, it);
        }
        Operation::Redact { booking_id } | Operation::Expire { booking_id, .. } => {
            fact("booking", booking_id.to_string());
        }
        Operation::Define(_) => {}
    }
    let Expected { booking_version, resource_version } = request.expected;
    for (name, version) in [("only version", booking_version), ("only resource", resource_version)] {
        if let Some(version) = version {
            fact(name, version.to_string());
        }
    }
    if request.basis == Basis::Asked {
        fact("promised", "to nobody yet".to_owned());
    }
    fact("request", request.request_id.to_string());
    let happened = request.sourced_at.map_or_else(|| "not given".to_owned(), text::moment);
    fact("source's clock", happened);
    page
}

fn claim(fact: &mut impl FnMut(&str, String), claim: &Claim) {
    let Claim { booking_id, identity, version, interval, content, contacts, tags, mark, moved_from } = claim;
    fact("interval", text::interval(*interval, None));
    fact("shown", shown(content.as_ref()));
    if !contacts.is_empty() {
        fact("attendees", text::count(contacts.len(), "pseudonym"));
    }
    if !tags.is_empty() {
        fact("known as", text::count(tags.len(), "pseudonym"));
    }
    if let Some(booking_id) = mark {
        fact("written by", format!("Daybook itself, for booking {booking_id}"));
    }
    if let Some(from) = moved_from {
        fact("replaces", words::elsewhere(from));
    }
    named(fact, *booking_id, identity, *version);
}

fn subject(fact: &mut impl FnMut(&str, String), subject: &Subject) {
    named(fact, subject.booking_id, &subject.identity, subject.version);
}

fn named(fact: &mut impl FnMut(&str, String), booking_id: BookingId, identity: &Identity, version: SourceVersion) {
    fact("booking", booking_id.to_string());
    fact("identity", format!("{} (pseudonym)", identity.key()));
    fact("version", versioned(version));
}

/// What people would see, without showing it.
fn shown(content: Option<&Content>) -> String {
    match content {
        None => "as it was".to_owned(),
        Some(Content { title, attendees, source_time_zone, digest: _ }) => format!(
            "{}, {}{}",
            if title.is_some() { "a title" } else { "no title" },
            text::count(attendees.len(), "attendee"),
            source_time_zone.as_ref().map_or_else(String::new, |zone| format!(", in {zone}")),
        ),
    }
}

/// A source that numbers its states need not stamp them, and the other way round.
fn versioned(version: SourceVersion) -> String {
    match (version.sequence, version.updated_at) {
        (sequence, Timestamp::EPOCH) => format!("number {sequence}"),
        (0, time) => format!("of {}", text::moment(time)),
        (sequence, time) => format!("number {sequence} of {}", text::moment(time)),
    }
}

fn rejected(fate: &str, reject: &Reject) -> String {
    format!("{fate}: {}\n     {reject}\n", reject.reason.as_str())
}

fn ignored(reason: IgnoredReason) -> &'static str {
    match reason {
        IgnoredReason::Empty => "a page without events",
        IgnoredReason::EventType => "a type of event that is not about bookings",
        IgnoredReason::Fetched => {
            "it only says that something has changed; the state is fetched, and is an event of its own"
        }
        IgnoredReason::Series => "the rule of a series; its instances are events of their own",
        IgnoredReason::SameResource => "another item of the event is about the same booking of the same resource",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::sample::at;

    fn check(body: &str, aliases: &[&str], page: &Expect) {
        let source: SourceName = "generic".parse().expect("a name");
        let event = SourceEvent {
            id: "evt-1".to_owned(),
            source: "/webhooks/generic".to_owned(),
            kind: String::new(),
            subject: None,
            time: None,
            content_type: "application/json".to_owned(),
            received_at: at("2026-03-01T08:00:01Z"),
            traceparent: None,
            call: Call::default(),
        };
        let parsed = parse(&Format::Generic, RawEvent { source: &source, event: &event, body: body.as_bytes() });
        let aliases = aliases.iter().map(|text| alias(text).expect("sound")).collect::<BTreeMap<_, _>>();
        let ask = aliases.is_empty();
        let known = Known { aliases, ..Known::default() };
        let key = ContactKey::new(&[7; 32]).expect("32 bytes");
        page.assert_eq(&super::page(&parsed, &normalize(&parsed, &known, &key), ask));
    }

    const BODY: &str = r#"{"events": [
        {"type": "booking.created", "id": "4711", "version": 1, "resource": "room-7", "color": "red",
         "start": "2026-03-04T10:00", "end": "2026-03-04T10:30", "time_zone": "Europe/Berlin", "title": "Secret",
         "attendees": [{"name": "Jane Doe", "email": "jane.doe@example.com"}]},
        {"type": "booking.created", "id": "4712", "version": 1, "resource": "room-7", "start": "2026-03-04T10:00:00Z"},
        {"type": "booking.cancelled", "id": "4713", "version": 2},
        {"type": "booking.cancelled", "id": "4714", "version": 2, "resource": "room-7", "replacement_follows": true}
    ]}"#;

    #[test]
    fn every_item_gets_its_request_or_its_reason_and_no_name_is_shown() {
        check(
            BODY,
            &["room-7=small-room"],
            &expect![[r#"
                item 0: REQUEST book on small-room
                     interval        Wed 4 Mar 2026 09:00 to 09:30 UTC
                     shown           a title, 1 attendee, in Europe/Berlin
                     booking         78ad4c24-733e-5047-b3b1-b776e2e68355
                     identity        ce736b88-e9f4-57b8-b489-686e7b163bb3 (pseudonym)
                     version         number 1
                     request         6d5231b0-90fb-5257-ac1a-b9a477e02e0c
                     source's clock  not given
                item 1: DEAD LETTER: missing_field
                     events[1].end: is missing and is required here
                item 2: TRIED AGAIN for a while, then a DEAD LETTER: unknown_booking
                     events[2]: names no resource, and no booking is known under its id; replay once the booking is there
                item 3: REQUEST cancel on small-room
                     interval        not given
                     replacement     announced: the slot is kept for it
                     booking         3028db6c-731a-54a3-83c8-b5c60a64e9c7
                     identity        db17204d-1162-5209-a285-b604d64dbf07 (pseudonym)
                     version         number 2
                     request         2597f007-8067-5f4d-b396-c362ba8395dc
                     source's clock  not given

                fields that this version does not know (counted, otherwise ignored):
                  events[].color
            "#]],
        );
    }

    #[test]
    fn without_answers_the_questions_are_shown() {
        check(
            BODY,
            &[],
            &expect![[r#"
                item 0: DEAD LETTER: unknown_resource
                     events[0].resource: no resource has this alias at this source; add it to the resource's aliases, then replay
                item 1: DEAD LETTER: missing_field
                     events[1].end: is missing and is required here
                item 2: TRIED AGAIN for a while, then a DEAD LETTER: unknown_booking
                     events[2]: names no resource, and no booking is known under its id; replay once the booking is there
                item 3: DEAD LETTER: unknown_resource
                     events[3].resource: no resource has this alias at this source; add it to the resource's aliases, then replay

                fields that this version does not know (counted, otherwise ignored):
                  events[].color

                would be looked up; give --alias TEXT=RESOURCE or --resources FILE to answer:
                  room-7
            "#]],
        );
    }

    #[test]
    fn what_is_no_json_is_said_to_be_none() {
        check(
            "{",
            &[],
            &expect![[r#"
                item 0: DEAD LETTER: invalid_json
                     (body): ends too early, at line 1, column 1
            "#]],
        );
    }
}
