//! The rate on a store that is full against the rate on one that is empty, for the same requests; and the memory there.

use std::time::Instant;

use anyhow::Result;
use daybook_stack::Service;

use crate::decisions::REQUESTS;
use crate::flat_store::{fill, make_resources};
use crate::installation::{Installation, RESOURCES};
use crate::limit::{self, Mix};
use crate::load::Over;
use crate::report::{Report, Row, Unit};
use crate::rows::Rows;

/// Bookings of each resource.
const OF_EACH: usize = 100;

/// Rates of one turn.
#[derive(Debug, Default)]
struct Rates {
    /// Over as many resources as the other rows have.
    few: Vec<f64>,
    /// Over all resources.
    all: Vec<f64>,
    /// What the machine can do in that minute.
    limit: Vec<f64>,
}

/// Measures, stores so many bookings, and measures again.
#[allow(clippy::print_stdout, reason = "minutes pass")]
pub fn measure(installation: &mut Installation, report: &mut Report, turns: usize, bookings: usize) -> Result<()> {
    let resources = bookings / OF_EACH;
    let rows = installation.rows()?;
    installation.without_arbiter(|it| {
        it.runtime.block_on(make_resources(&it.world.endpoints.postgres, RESOURCES..resources))
    })?;
    let empty = rates(installation, &rows, resources, 0..turns)?;
    println!("storing {bookings} bookings of {resources} resources; ten million take ten minutes and 8 GB or so");
    let began = Instant::now();
    let kept = installation.without_arbiter(|it| it.runtime.block_on(fill(&it.world.endpoints.postgres, OF_EACH)))?;
    println!("stored {} bookings and {} decisions in {} s", kept.bookings, kept.decisions, began.elapsed().as_secs());
    let full = rates(installation, &rows, resources, turns..2 * turns)?;

    let what = format!(
        "decisions over {resources} resources, {} bookings and {} decisions stored",
        kept.bookings, kept.decisions
    );
    let row = |against: &str, wanted| Row::new(&what, against, Unit::PerSecond, wanted);
    report.pair(&row("over 1,000 resources, store empty", "at least 0.85"), &full.all, &empty.few);
    report.pair(&row("over as many resources, store empty", ""), &full.all, &empty.all);
    // Minutes lie between the two, in which the machine may have become another.
    let drift = |(at, limit): (&f64, (&f64, &f64))| at * limit.0 / limit.1;
    let moved: Vec<f64> = empty.few.iter().zip(full.limit.iter().zip(&empty.limit)).map(drift).collect();
    report.pair(
        &row("over 1,000 resources, store empty, times what the limit has changed by since", ""),
        &full.all,
        &moved,
    );
    report.pair(&Row::new("the same over 1,000 of them", "store empty", Unit::PerSecond, ""), &full.few, &empty.few);
    let pid = installation.stack.service(Service::Arbiter).pid();
    report.memory(&format!("arbiter after {REQUESTS} decisions there"), pid, "under 300 MB")
}

fn rates(
    installation: &mut Installation,
    rows: &Rows,
    resources: usize,
    turns: std::ops::Range<usize>,
) -> Result<Rates> {
    // Does not count: after a restart caches are cold, and after a checkpoint every page is logged whole once.
    installation.decide(Over::first(resources), REQUESTS)?;
    let mut rates = Rates::default();
    for turn in turns {
        // Its own tables, which stay small.
        let limit = |it: &mut Installation| {
            it.runtime.block_on(limit::per_second(&it.world.endpoints.postgres, rows, Mix::Booked, turn))
        };
        rates.limit.push(installation.without_arbiter(limit)?);
        rates.few.push(installation.decide(Over::first(RESOURCES), REQUESTS)?);
        rates.all.push(installation.decide(Over::first(resources), REQUESTS)?);
    }
    Ok(rates)
}
