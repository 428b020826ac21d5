//! Decisions about one resource, which everybody wants, against decisions about many; and how a row's lock fares there.

use anyhow::Result;

use crate::baseline;
use crate::flat_store::make_resources;
use crate::installation::{Installation, RESOURCES};
use crate::load::Over;
use crate::report::{Report, Row, Unit};

/// Requests in one turn about one resource: four years of it, every hour.
const REQUESTS: usize = 50_000;
/// The resource of the first turn. Each turn has one of its own: the arbiter is stopped between turns, and would otherwise
/// begin each by loading all that those before have booked.
const FIRST: usize = RESOURCES + 1;

/// Measures both, each against its own spread.
pub fn measure(installation: &mut Installation, report: &mut Report, turns: usize) -> Result<()> {
    let rows = installation.rows()?;
    let all = Over::first(RESOURCES);
    installation.without_arbiter(|it| {
        it.runtime.block_on(make_resources(&it.world.endpoints.postgres, FIRST..FIRST + turns))
    })?;
    let (mut hot, mut spread, mut locked_hot, mut locked_spread) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for turn in 0..turns {
        hot.push(installation.decide(Over { first: FIRST + turn, count: 1 }, REQUESTS)?);
        spread.push(installation.decide(all, REQUESTS)?);
        installation.without_arbiter(|it| {
            // Another resource than any of the spread, and other turns than those of the spread's own part.
            let (one, turn) = (Over { first: RESOURCES, count: 1 }, turn + baseline::TURNS);
            locked_hot.push(baseline::per_second(&it.world.endpoints.postgres, &rows, one, turn)?);
            locked_spread.push(baseline::per_second(&it.world.endpoints.postgres, &rows, all, turn)?);
            Ok(())
        })?;
    }
    let row = |what: &str, against: &str, wanted| Row::new(what, against, Unit::PerSecond, wanted);
    report.pair(&row("decisions about one resource", "decisions over 1,000", "at least 0.7"), &hot, &spread);
    report.pair(&row("pgbench on one resource", "pgbench over 1,000", ""), &locked_hot, &locked_spread);
    report.pair(&row("decisions about one resource", "pgbench on one resource", ""), &hot, &locked_hot);
    Ok(())
}
