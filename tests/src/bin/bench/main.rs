//! `bench`: what Daybook costs, as ratios against bare Kafka and bare PostgreSQL on the same machine in the same run.
//!
//! Each figure is the median of some turns, and each pair is measured turn by turn (A, B, A, B, …) within a minute, so
//! that a machine whose speed drifts moves both sides; `flat`, which cannot, says so. Whole services of the release
//! build, real servers, everything on this machine: the load generator's share is in the figures, and the reader's.
//!
//! `bench decisions latency` measures these parts alone; without names it measures all.

mod api;
mod baseline;
mod decisions;
mod feed;
mod flat;
mod flat_store;
mod floor;
mod hot;
mod installation;
mod kafka;
mod latency;
mod limit;
mod load;
mod normalize;
mod report;
mod rows;
mod takeover;
mod topic;
mod webhooks;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use installation::Installation;
use report::Report;

/// Measures what Daybook costs, against bare Kafka and bare PostgreSQL.
#[derive(Debug, Parser)]
struct Args {
    /// What to measure; all of it without this.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Bookings that `flat` stores; a hundred for each resource.
    #[arg(long, value_name = "BOOKINGS", default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(100_000..))]
    flat: u32,
    /// How often each pair is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    turns: u8,
}

/// A part that can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Webhooks acknowledged, and the memory of each service after that.
    Webhooks,
    /// Events normalized in this process, by vendor.
    Normalize,
    /// A published calendar of 50,000 events read, and the memory of that.
    Feed,
    /// From a caller's request to its 201, and the memory of those who wait.
    Api,
    /// Decisions over many resources.
    Decisions,
    /// Decisions about one resource.
    Hot,
    /// From a request to its decision.
    Latency,
    /// From the end of one arbiter to the first decision of the next.
    Takeover,
    /// Decisions on a store that is full.
    Flat,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let parts = if args.parts.is_empty() { Part::value_variants() } else { &args.parts };
    let wanted = |part| parts.contains(&part);
    let turns = usize::from(args.turns);
    let mut report = Report::default();
    if wanted(Part::Webhooks) {
        webhooks::measure(&mut report, turns)?;
    }
    if wanted(Part::Normalize) {
        normalize::measure(&mut report, turns)?;
    }
    if wanted(Part::Feed) {
        feed::measure(&mut report)?;
    }
    if wanted(Part::Api) {
        api::measure(&mut report, turns)?;
    }
    if [Part::Decisions, Part::Hot, Part::Latency, Part::Takeover].into_iter().any(wanted) {
        let mut installation = Installation::arbiter()?;
        let mut spread = None;
        if wanted(Part::Decisions) {
            spread = Some(decisions::measure(&mut installation, &mut report, turns)?);
        }
        if wanted(Part::Hot) {
            hot::measure(&mut installation, &mut report, turns)?;
        }
        if wanted(Part::Latency) {
            latency::measure(&mut installation, &mut report, turns, spread)?;
        }
        if wanted(Part::Takeover) {
            takeover::measure(&mut installation, &mut report, turns)?;
        }
    }
    if wanted(Part::Flat) {
        // On a stack of its own, which is empty.
        flat::measure(&mut Installation::arbiter()?, &mut report, turns, usize::try_from(args.flat)?)?;
    }
    report.print();
    Ok(())
}
