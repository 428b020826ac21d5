//! The table that the README repeats.

use std::fmt::Write as _;

use anyhow::{Context, Result};

/// What is measured, and against what.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    what: &'static str,
    against: &'static str,
}

impl Row {
    /// `what` against `against`.
    pub const fn new(what: &'static str, against: &'static str) -> Self {
        Self { what, against }
    }
}

/// The measurements of a run.
#[derive(Debug, Default)]
pub struct Report {
    turns: String,
    rates: String,
    memory: String,
}

impl Report {
    /// Adds a pair of rates that were measured turn by turn.
    pub fn pair(&mut self, row: Row, turns: &[(f64, f64)]) {
        for (ours, theirs) in turns {
            let _ = writeln!(self.turns, "{}: {ours:.0}/s against {theirs:.0}/s", row.what);
        }
        let ours = median(turns.iter().map(|(ours, _)| *ours));
        let theirs = median(turns.iter().map(|(_, theirs)| *theirs));
        let ratios: Vec<f64> = turns.iter().map(|(ours, theirs)| ours / theirs).collect();
        let (low, high) = ratios.iter().fold((f64::MAX, 0.0_f64), |(low, high), r| (low.min(*r), high.max(*r)));
        let ratio = median(ratios.iter().copied());
        let _ = writeln!(
            self.rates,
            "| {} | {ours:.0}/s | {} | {theirs:.0}/s | {ratio:.2} ({low:.2} to {high:.2}) |",
            row.what, row.against
        );
    }

    /// Adds a service's resident memory, now and at its highest.
    pub fn memory(&mut self, service: &str, pid: Option<i32>) -> Result<()> {
        let pid = pid.with_context(|| format!("{service} has no process"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("a process's status")?;
        let megabytes = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let kilobytes = line.and_then(|line| line.split_whitespace().next()).and_then(|n| n.parse::<f64>().ok());
            kilobytes.map(|kilobytes| kilobytes / 1024.0).with_context(|| format!("{field} of {service}"))
        };
        let _ =
            writeln!(self.memory, "| {service} | {:.0} MiB | {:.0} MiB |", megabytes("VmRSS:")?, megabytes("VmHWM:")?);
        Ok(())
    }

    /// Prints the tables, in Markdown.
    #[allow(clippy::print_stdout, reason = "the table is what this program is for")]
    pub fn print(&self) {
        println!("\nturn by turn:\n{}", self.turns);
        println!(
            "\n| measured | rate | against | rate | ratio, median (range) |\n|---|---|---|---|---|\n{}",
            self.rates
        );
        println!("| service | resident | highest |\n|---|---|---|\n{}", self.memory);
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
