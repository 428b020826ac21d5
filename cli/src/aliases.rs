//! `daybook aliases unmatched`: names in dead letters that no resource has, ready to be entered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use daybook_domain::{SourceName, Timestamp};
use daybook_format::Format;
use daybook_normalizer_core::{RawEvent, RejectReason, parse};
use daybook_runtime::kafka::Record;
use daybook_wire::{SourceEvent, header};

use crate::config::Config;
use crate::connect::{self, Role};
use crate::dlq::{self, Queue};
use crate::explain;
use crate::failure::Failure;
use crate::out::Out;
use crate::store;
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Unmatched {
    /// Only names at this source.
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceName>,
}

/// The names of one place, the most trustworthy first, and how often it occurs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    letters: usize,
    last: Option<Timestamp>,
}

/// By source, and by all the names of a place.
type Places = BTreeMap<SourceName, BTreeMap<Vec<String>, Seen>>;

/// Prints them.
pub async fn unmatched(args: &Unmatched, config: &Config, out: &Out) -> Result<(), Failure> {
    let letters = dlq::letters(Queue::Normalizer, true, config).await?;
    let wanted = letters.into_iter().filter(|letter| letter.reason() == RejectReason::UnknownResource.as_str());
    let mut places = Places::new();
    let mut formats = BTreeMap::new();
    for letter in wanted {
        let Some(source) = letter.source().and_then(|source| source.parse::<SourceName>().ok()) else { continue };
        if args.source.as_ref().is_some_and(|only| *only != source) {
            continue;
        }
        let format = match formats.get(&source) {
            Some(format) => format,
            None => {
                let format = explain::format_of(&source, None, config)?;
                formats.entry(source.clone()).or_insert(format)
            }
        };
        note(&mut places, &source, format, &letter.record);
    }
    let pool = connect::store(config)?;
    let mut cured = 0;
    for (source, seen) in &mut places {
        let names: BTreeSet<&str> = seen.keys().flatten().map(String::as_str).collect();
        let known = store::known_aliases(&pool, source.as_str(), &names.into_iter().collect::<Vec<_>>()).await;
        let known = known.map_err(|error| Role::Reader.explain("read the aliases", &error))?;
        seen.retain(|names, seen| {
            let open = !names.iter().any(|name| known.contains(name));
            cured += if open { 0 } else { seen.letters };
            open
        });
    }
    places.retain(|_, seen| !seen.is_empty());
    out.text(page(&places, cured))
}

/// Adds the places that a letter names.
fn note(places: &mut Places, source: &SourceName, format: &Format, record: &Record) {
    let Ok(event) = SourceEvent::from_headers(&record.headers, record.timestamp) else { return };
    let body = record.value.as_deref().unwrap_or_default();
    let parsed = parse(format, RawEvent { source, event: &event, body });
    // A letter is about one item of its event; the places of the others may have passed.
    let item = record.headers.get(header::DLQ_ITEM).and_then(|item| item.parse::<usize>().ok());
    for (number, names) in parsed.named() {
        if item.is_none_or(|item| item == number) {
            let seen = places.entry(source.clone()).or_default().entry(names.to_vec()).or_default();
            seen.letters += 1;
            seen.last = seen.last.max(Some(record.timestamp));
        }
    }
}

fn page(places: &Places, cured: usize) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    for (source, seen) in places {
        let mut by_count: Vec<_> = seen.iter().collect();
        by_count.sort_by_key(|(names, seen)| (std::cmp::Reverse(seen.letters), *names));
        for (names, seen) in by_count {
            // JSON's quoting is also YAML's.
            let quoted: Vec<_> = names.iter().map(|name| serde_json::Value::from(name.as_str()).to_string()).collect();
            let last = seen.last.map_or_else(String::new, |last| format!(", last {}", text::stamp(last)));
            let _ = writeln!(page, "  - id: # whoever this is: {}{last}", text::count(seen.letters, "letter"));
            let _ = writeln!(page, "    aliases: {{{source}: [{}]}}", quoted.join(", "));
        }
    }
    if page.is_empty() {
        page.push_str("no dead letter names anybody whom no resource is\n");
    } else {
        page.push_str(
            "\nenter each below the resource that it means, or a new one, in resources.yaml; then daybook resources apply, and\n",
        );
        page.push_str("daybook dlq replay normalizer --all --reason unknown_resource\n");
    }
    if cured > 0 {
        let _ = writeln!(page, "{} would pass now: replay them", text::count(cured, "letter"));
    }
    page
}

#[cfg(test)]
mod tests {
    use daybook_wire::{DeadLetter, Headers};
    use expect_test::expect;
    use serde_json::json;

    use super::*;
    use crate::sample::at;

    fn letter(resource: &str, item: usize) -> Record {
        let mut headers = Headers::new();
        headers.set(header::CE_ID, "evt-1");
        headers.set(header::CE_SOURCE, "/webhooks/shop");
        let letter = DeadLetter {
            topic: "raw.shop".to_owned(),
            partition: 0,
            offset: 1,
            stage: "normalizer",
            reason: "unknown_resource",
            message: String::new(),
            item: Some(item),
            attempts: 1,
            first_failed_at: at("2026-03-01T08:00:02Z"),
        };
        let event = |resource: &str| {
            json!({"type": "booking.created", "id": "1", "version": 1, "resource": resource,
                "start": "2026-03-04T09:00:00Z", "end": "2026-03-04T10:00:00Z"})
        };
        Record {
            topic: "dlq.normalizer".into(),
            partition: 0,
            offset: 7,
            timestamp: at("2026-03-01T08:00:03Z"),
            key: None,
            value: Some(json!({"events": [event("Room \"9\""), event(resource)]}).to_string().into_bytes()),
            headers: letter.onto(headers),
        }
    }

    #[test]
    fn a_name_is_counted_for_the_item_that_the_letter_is_about_and_is_ready_to_be_entered() {
        let (source, format) = ("shop".parse().expect("a name"), Format::Generic);
        let mut places = Places::new();
        for record in [letter("Room 7", 1), letter("Room 7", 1), letter("Room 8", 1), letter("Room 8", 0)] {
            note(&mut places, &source, &format, &record);
        }
        expect![[r#"
              - id: # whoever this is: 2 letters, last 2026-03-01T08:00:03.000Z
                aliases: {shop: ["Room 7"]}
              - id: # whoever this is: 1 letter, last 2026-03-01T08:00:03.000Z
                aliases: {shop: ["Room \"9\""]}
              - id: # whoever this is: 1 letter, last 2026-03-01T08:00:03.000Z
                aliases: {shop: ["Room 8"]}

            enter each below the resource that it means, or a new one, in resources.yaml; then daybook resources apply, and
            daybook dlq replay normalizer --all --reason unknown_resource
            2 letters would pass now: replay them
        "#]].assert_eq(&page(&places, 2));
        expect![[r#"
            no dead letter names anybody whom no resource is
        "#]]
        .assert_eq(&page(&Places::new(), 0));
    }
}
