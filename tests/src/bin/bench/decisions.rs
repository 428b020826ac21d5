//! Decisions, from the requests topic to the decisions topic: a thousand resources, three in ten requests refused.
//! Done is when the last decision was read from its topic, which is after it was committed.

use anyhow::Result;
use daybook_stack::Service;

use crate::installation::{Installation, RESOURCES};
use crate::limit::Mix;
use crate::load::Over;
use crate::report::{Report, Row, Unit, median};
use crate::{baseline, limit};

/// Requests in one turn.
pub const REQUESTS: usize = 100_000;

/// Measures it against whoever does the same without us; the median of our rates.
pub fn measure(installation: &mut Installation, report: &mut Report, turns: usize) -> Result<f64> {
    let rows = installation.rows()?;
    let (mut ours, mut locked, mut booked, mut contended) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for turn in 0..turns {
        ours.push(installation.decide(Over::first(RESOURCES), REQUESTS)?);
        if turn + 1 == turns {
            installation.memory(report, Service::Arbiter, "")?;
        }
        installation.without_arbiter(|it| {
            locked.push(baseline::per_second(&it.world.endpoints.postgres, &rows, Over::first(RESOURCES), turn)?);
            booked.push(it.runtime.block_on(limit::per_second(
                &it.world.endpoints.postgres,
                &rows,
                Mix::Booked,
                turn,
            ))?);
            contended.push(it.runtime.block_on(limit::per_second(
                &it.world.endpoints.postgres,
                &rows,
                Mix::Contended,
                turn,
            ))?);
            Ok(())
        })?;
    }
    let what = "decisions over 1,000 resources, 30 % conflicts, until read from their topic";
    let row = |against: &str, wanted| Row::new(what, against, Unit::PerSecond, wanted);
    report.pair(
        &row("pgbench, the same rows: lock the resource, look, write; 16 clients", "at least 3"),
        &ours,
        &locked,
    );
    report.pair(
        &row("limit: batches of 1,000, booking and decision each, one connection", "at least 0.6"),
        &ours,
        &booked,
    );
    report.pair(&row("limit: the same, 30 % of them refusals", ""), &ours, &contended);
    Ok(median(&ours))
}

/// The rate over many resources, for whoever needs one and has none.
pub fn rate(installation: &mut Installation) -> Result<f64> {
    installation.decide(Over::first(RESOURCES), REQUESTS)
}
