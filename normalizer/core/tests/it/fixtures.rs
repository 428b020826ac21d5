//! Every `fixtures/<vendor>/*.json` comes to what stands in the `.txt` beside it. After a change that is meant:
//! `UPDATE_EXPECT=1 cargo test -p daybook-normalizer-core`, and read the difference.

use daybook_domain::SourceKind;
use std::fs;
use std::path::{Path, PathBuf};

use daybook_normalizer_core::Item;
use expect_test::expect_file;

use crate::world::{normalize, render};

pub fn payloads(kind: SourceKind) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind.to_string());
    let files = fs::read_dir(folder).expect("the fixtures").map(|entry| entry.expect("an entry").path());
    let mut payloads: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    payloads.sort();
    payloads
}

fn check(kind: SourceKind) {
    for payload in payloads(kind) {
        let body = fs::read(&payload).expect("a fixture");
        let text = render(kind, &normalize(kind, &body));
        expect_file![payload.with_extension("txt")].assert_eq(&text);
    }
}

#[test]
fn each_calendly_payload_comes_to_what_stands_beside_it() {
    check(SourceKind::Calendly);
}

#[test]
fn each_generic_payload_comes_to_what_stands_beside_it() {
    check(SourceKind::Generic);
}

#[test]
fn each_body_of_the_api_comes_to_what_stands_beside_it() {
    check(SourceKind::Api);
}

#[test]
fn the_examples_in_the_generic_formats_definition_are_accepted() {
    let source = include_str!("../../src/generic.rs");
    let doc: Vec<_> = source.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let doc = doc.join("\n");
    let examples: Vec<_> = doc.split("```json").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        let normalized = normalize(SourceKind::Generic, example.as_bytes());
        assert!(normalized.items.iter().all(|item| matches!(item, Item::Request(_))), "{normalized:?}");
        assert!(normalized.drift.is_empty());
    }
}
