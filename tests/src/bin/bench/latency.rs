//! How long a request waits for its decision: from the broker's stamp on the request (LogAppendTime, whole milliseconds
//! rounded down, so up to one is added) to the decision in a consumer's hands. Against the floor, which is taken alike.

use std::collections::HashMap;

use anyhow::{Context, Result};
use daybook_domain::topics;
use daybook_wire::decode_decision;

use crate::decisions;
use crate::floor::Floor;
use crate::installation::{Installation, RESOURCES};
use crate::load::{Over, send_steadily};
use crate::report::{Report, Row, Unit, median, percentile};
use crate::topic::{Reader, ends};

/// How long requests come, in seconds.
const SPAN: f64 = 12.0;
/// How long after the first one they count, in milliseconds: by then the consumer has found its partitions.
const SETTLING: i64 = 2_000;
/// Of the rate at which requests are decided when they come as fast as they can.
const SHARES: [(&str, f64); 2] = [("a tenth", 0.1), ("half", 0.5)];

/// Measures both shares of the spread rate. Takes that rate first, if nobody has.
pub fn measure(installation: &mut Installation, report: &mut Report, turns: usize, spread: Option<f64>) -> Result<()> {
    let spread = match spread {
        Some(spread) => spread,
        None => {
            let rates: Result<Vec<f64>> = (0..turns).map(|_| decisions::rate(installation)).collect();
            median(&rates?)
        }
    };
    let floor = Floor::prepare(installation)?;
    let mut floors = Vec::new();
    let mut ours = SHARES.map(|_| Vec::new());
    for turn in 0..turns {
        for ((_, share), ours) in SHARES.iter().zip(&mut ours) {
            ours.push(waits(installation, spread * share)?);
        }
        floors.push(floor.waits(installation, turn)?);
    }
    for ((name, share), ours) in SHARES.iter().zip(&ours) {
        for (point, at) in [("p50", 0.5), ("p99", 0.99)] {
            let what = format!("request to decision at {name} of that rate ({:.0}/s), {point}", spread * share);
            let against = format!("floor: produce, one commit, produce; one at a time, {point}");
            let of = |waits: &[Vec<f64>]| waits.iter().map(|waits| percentile(waits, at)).collect::<Vec<_>>();
            report.pair(&Row::new(&what, &against, Unit::Milliseconds, ""), &of(ours), &of(&floors));
        }
    }
    Ok(())
}

/// How long each request waited, in milliseconds.
fn waits(installation: &mut Installation, per_second: f64) -> Result<Vec<f64>> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "thousands")]
    let count = (per_second * SPAN) as usize;
    let requests = installation.load.requests(count, Over::first(RESOURCES))?;
    let before = ends(&installation.world, topics::REQUESTS)?;
    let decisions = Reader::from_now(&installation.world, topics::DECISIONS)?;
    let producer = installation.load.producer().clone();
    let sending = installation.runtime.spawn(send_steadily(producer, requests, per_second));
    let decided = decisions.take(count)?;
    installation.runtime.block_on(sending)??;
    let requests = Reader::from(&installation.world, topics::REQUESTS, &before)?.take(count)?;
    let stamps: HashMap<(i32, i64), i64> =
        requests.iter().map(|seen| ((seen.partition, seen.offset), seen.stamp)).collect();
    let counts_from = stamps.values().min().copied().unwrap_or_default() + SETTLING;
    let mut waits = Vec::with_capacity(count);
    for seen in decided {
        let kafka = &installation.world.kafka;
        let decision = installation.runtime.block_on(kafka.decode(&seen.value, decode_decision))?;
        let stamp = *stamps.get(&(decision.partition, decision.offset)).context("a decision of something else")?;
        if stamp >= counts_from {
            waits.push(seen.since(stamp));
        }
    }
    Ok(waits)
}
