//! Events normalized, in this process and on one core: what the normalizer's pure half costs beside reading the JSON alone.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_domain::{SourceName, Timestamp};
use daybook_format::{FETCHED, Format, POLLED};
use daybook_normalizer_core::{ContactKey, Item, Known, RawEvent, normalize, parse};
use daybook_wire::{Call, SourceEvent};
use serde_json::Value;

use crate::report::{Report, Row, Unit};

/// How long each side of a turn works.
const SPAN: Duration = Duration::from_secs(2);

/// What a vendor sends, and the alias in it.
struct Sample {
    kind: &'static str,
    told: &'static str,
    body: &'static [u8],
    alias: &'static str,
    wanted: &'static str,
}

macro_rules! fixture {
    ($path:literal) => {
        include_bytes!(concat!("../../../../normalizer/core/tests/fixtures/", $path))
    };
}

const SAMPLES: [Sample; 8] = [
    Sample {
        kind: "calendly",
        told: "",
        body: fixture!("calendly/created.json"),
        alias: "https://api.calendly.com/users/ANNA000000000001",
        wanted: "30,000/s",
    },
    Sample { kind: "generic", told: "", body: fixture!("generic/created.json"), alias: "Room 7", wanted: "" },
    Sample {
        kind: "cal.com",
        told: "",
        body: fixture!("cal-com/created.json"),
        alias: "anna@clinic.example",
        wanted: "",
    },
    Sample {
        kind: "zendesk",
        told: "",
        body: fixture!("zendesk/created.json"),
        alias: "anna@clinic.example",
        wanted: "",
    },
    Sample { kind: "acuity", told: FETCHED, body: fixture!("acuity/created.json"), alias: "4038206", wanted: "" },
    Sample { kind: "hubspot", told: FETCHED, body: fixture!("hubspot/created.json"), alias: "1134", wanted: "" },
    Sample {
        kind: "google-calendar",
        told: POLLED,
        body: fixture!("google/created.json"),
        alias: "anna@clinic.example",
        wanted: "",
    },
    Sample {
        kind: "outlook",
        told: POLLED,
        body: fixture!("outlook/created.json"),
        alias: "anna@clinic.example",
        wanted: "",
    },
];

/// Measures each vendor's against reading its JSON.
pub fn measure(report: &mut Report, turns: usize) -> Result<()> {
    let key = ContactKey::new(&[7; 32])?;
    for sample in &SAMPLES {
        let format = Format::new(sample.kind, None).ok().context("a format")?;
        let source: SourceName = "bench".parse()?;
        let known = Known { aliases: BTreeMap::from([(sample.alias.to_owned(), "anna".parse()?)]), ..Known::default() };
        let mut event = SourceEvent {
            id: String::new(),
            source: "/webhooks/bench".to_owned(),
            kind: sample.told.to_owned(),
            subject: Some("anna@clinic.example".to_owned()),
            time: None,
            content_type: "application/json".to_owned(),
            received_at: Timestamp::EPOCH,
            traceparent: None,
            call: Call::default(),
        };
        let mut one = |number: u64| {
            event.id = format!("event-{number}");
            let parsed = parse(&format, RawEvent { source: &source, event: &event, body: sample.body });
            normalize(&parsed, &known, &key)
        };
        let made = one(0).items.iter().filter(|item| matches!(item, Item::Request(_))).count();
        ensure!(made == 1, "{} makes {made} requests and not one", sample.kind);
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..turns {
            bare.push(per_second(|_| drop(black_box(serde_json::from_slice::<Value>(black_box(sample.body))))));
            ours.push(per_second(|number| drop(black_box(one(number)))));
        }
        let what = format!("{} events of {} bytes normalized, one core", sample.kind, sample.body.len());
        report.pair(&Row::new(&what, "reading the JSON alone", Unit::PerSecond, sample.wanted), &ours, &bare);
    }
    Ok(())
}

fn per_second(mut work: impl FnMut(u64)) -> f64 {
    let began = Instant::now();
    let mut done = 0_u64;
    while began.elapsed() < SPAN {
        for _ in 0..100 {
            work(done);
            done += 1;
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of a few seconds")]
    let done = done as f64;
    done / began.elapsed().as_secs_f64()
}
