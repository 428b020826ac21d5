//! What everybody writes first, driven by pgbench: one transaction a request, which locks the resource's row, looks for
//! an overlap, and writes the rows that a decision of ours writes.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use daybook_stack::PostgresUrls;

use crate::load::{APART, Over};
use crate::rows::Rows;

/// How long pgbench runs, in seconds.
const SECONDS: u32 = 8;
/// Turns that one part may take.
pub const TURNS: usize = 9;
/// Slots that one turn may take of a resource.
const SLOTS: usize = 50_000;

/// Pessimistic transactions per second, over these resources, with 16 clients. They do the requests of [`crate::load`],
/// in that order, each taking its share.
pub fn per_second(postgres: &PostgresUrls, rows: &Rows, over: Over, turn: usize) -> Result<f64> {
    let path = std::env::temp_dir().join(format!("daybook-bench-{}.sql", std::process::id()));
    std::fs::write(&path, script(rows, over, turn))?;
    let seconds = SECONDS.to_string();
    let output = Command::new(pgbench())
        .args(["--no-vacuum", "--client=16", "--jobs=2", "--protocol=prepared", "--define=n=0"])
        .args(["--time", &seconds, "--file"])
        .arg(&path)
        .arg(&postgres.owner)
        // A plan that was made while the table was small must not read it whole when it has grown; the arbiter's
        // sessions have the same.
        .env("PGOPTIONS", "-c enable_seqscan=off -c jit=off")
        .output()
        .context("pgbench")?;
    std::fs::remove_file(&path)?;
    ensure!(output.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench's tps")?;
    line.split_whitespace().next().context("a number")?.parse().context("a number")
}

fn script(rows: &Rows, over: Over, turn: usize) -> String {
    let Over { first, count } = over;
    // Spread and hot turns write to the same tables.
    let number = (2 * turn + usize::from(count == 1)) * 100_000_000;
    let slot = turn * SLOTS;
    let from = format!(
        "FROM (SELECT {number} + :k::bigint AS g, :r::integer AS r,
             timestamptz '2030-01-01 00:30+00' + :s::integer * interval '1 hour' AS t) AS q"
    );
    let lines = [
        "\\set k :n * 16 + :client_id".to_owned(),
        "\\set n :n + 1".to_owned(),
        format!("\\set m case when :k % 10 < 7 then :k when :k >= {APART} then :k - {APART} else :k - 5 end"),
        "\\set w :m / 10 * 7 + :m % 10".to_owned(),
        format!("\\set r {first} + :w % {count}"),
        format!("\\set s {slot} + :w / {count}"),
        "BEGIN;".to_owned(),
        "SELECT resource_no FROM bench.resource WHERE resource_no = :r FOR UPDATE;".to_owned(),
        format!("{} \\gset", rows.overlapping(&from).replace('\n', " ")),
        "\\if :taken".to_owned(),
        rows.refuse(&from).iter().map(|statement| format!("{statement};\n")).collect::<String>(),
        "\\else".to_owned(),
        format!("{};\n{};", rows.book(&from), rows.confirm(&from)),
        "\\endif".to_owned(),
        "COMMIT;\n".to_owned(),
    ];
    lines.join("\n")
}

/// `pgbench` where Debian's packages put it, or on the path.
fn pgbench() -> std::path::PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin/pgbench")).filter(|p| p.exists()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| "pgbench".into())
}
