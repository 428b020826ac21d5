//! The table that the README repeats.

use std::fmt::Write as _;

use anyhow::{Context, Result};

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// So many a second.
    PerSecond,
    /// Thousandths of a second.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Thousands of bytes, by two's power.
    Kilobytes,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Milliseconds => format!("{value:.1} ms"),
            Self::Seconds => format!("{value:.2} s"),
            Self::Kilobytes => format!("{value:.1} KiB"),
        }
    }
}

/// What is measured, against what, and what is wanted of it.
#[derive(Debug, Clone)]
pub struct Row {
    what: String,
    against: String,
    unit: Unit,
    wanted: String,
}

impl Row {
    /// `what` against `against`, of which `wanted` is expected.
    pub fn new(what: &str, against: &str, unit: Unit, wanted: &str) -> Self {
        Self { what: what.to_owned(), against: against.to_owned(), unit, wanted: wanted.to_owned() }
    }
}

/// The measurements of a run.
#[derive(Debug, Default)]
pub struct Report {
    turns: String,
    table: String,
}

impl Report {
    /// Adds figures that were measured turn by turn with others.
    pub fn pair(&mut self, row: &Row, ours: &[f64], theirs: &[f64]) {
        let Row { what, against, unit, wanted } = row;
        for (ours, theirs) in ours.iter().zip(theirs) {
            let _ = writeln!(self.turns, "{what}: {} against {} ({against})", unit.show(*ours), unit.show(*theirs));
        }
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        let ratio = format!("{:.2} ({})", median(&ratios), range(&ratios, |ratio| format!("{ratio:.2}")));
        let (ours, theirs) = (unit.show(median(ours)), unit.show(median(theirs)));
        let _ = writeln!(self.table, "| {what} | {ours} | {against} | {theirs} | {ratio} | {wanted} |");
    }

    /// Adds figures that stand for themselves.
    pub fn alone(&mut self, row: &Row, figures: &[f64]) {
        let Row { what, against, unit, wanted } = row;
        for figure in figures {
            let _ = writeln!(self.turns, "{what}: {}", unit.show(*figure));
        }
        let (middle, range) = (unit.show(median(figures)), range(figures, |figure| unit.show(figure)));
        let _ = writeln!(self.table, "| {what} | {middle} | {against} | | {range} | {wanted} |");
    }

    /// Adds a service's resident memory, now and at its highest.
    pub fn memory(&mut self, what: &str, pid: Option<i32>, wanted: &str) -> Result<()> {
        let pid = pid.with_context(|| format!("{what}: there is no process"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("a process's status")?;
        let megabytes = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let kilobytes = line.and_then(|line| line.split_whitespace().next()).and_then(|n| n.parse::<f64>().ok());
            kilobytes.map(|kilobytes| kilobytes * 1_024.0 / 1e6).with_context(|| format!("{field} of {what}"))
        };
        let (now, highest) = (megabytes("VmRSS:")?, megabytes("VmHWM:")?);
        let _ = writeln!(
            self.table,
            "| {what}, resident memory | {now:.0} MB | at its highest | {highest:.0} MB | | {wanted} |"
        );
        Ok(())
    }

    /// Prints the turns and the table, in Markdown.
    #[allow(clippy::print_stdout, reason = "the table is what this program is for")]
    pub fn print(&self) {
        println!("\nturn by turn:\n{}", self.turns);
        println!(
            "| measured | | against | | ratio or range, median (range) | wanted |\n|---|---|---|---|---|---|\n{}",
            self.table
        );
    }
}

fn range(values: &[f64], show: impl Fn(f64) -> String) -> String {
    let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
    format!("{} to {}", show(low), show(high))
}

/// The value in the middle.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The value that this share of them does not exceed.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of a list"
    )]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|share| percentile(&values, share)), [100.0, 198.0, 200.0]);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert!(median(&[]).is_nan());
    }
}
