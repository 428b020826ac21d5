//! Builds our binaries, beside the servers' start. Cargo's hundreds of lines become one every ten seconds, unless it
//! fails.

use std::{
    collections::VecDeque,
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{error::Error, process::spawn_scrubbed, progress::Progress, tail};

const REPORT: Duration = Duration::from_secs(10);

/// `cargo build` of every binary of the workspace, in the profile that `make test` uses too.
pub(crate) fn build(root: &Path, progress: &Progress) -> Result<(), Error> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--workspace", "--bins", "--color", "never"]).current_dir(root);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // What `cargo run` told us about ourselves would make build scripts believe that something has changed.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|own| name.starts_with(own)) {
            command.env_remove(name);
        }
    }
    let mut child = spawn_scrubbed(&mut command)?;
    let (mut compiled, mut said, mut last) = (0, Instant::now(), VecDeque::new());
    for line in BufReader::new(child.stderr.take().expect("stderr is piped")).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        if let Some(unit) = line.trim_start().strip_prefix("Compiling ") {
            compiled += 1;
            if said.elapsed() >= REPORT {
                let name = unit.split(" (").next().unwrap_or(unit);
                progress.say("cargo", format_args!("compiling {name}, number {compiled}"));
                said = Instant::now();
            }
        } else {
            last.push_back(line);
            if last.len() > 200 {
                last.pop_front();
            }
        }
    }
    let status = child.wait().map_err(|source| Error::Spawn { program: "cargo".to_owned(), source })?;
    if !status.success() {
        let command = "cargo build --workspace --bins".to_owned();
        let output = Vec::from(last).join("\n");
        return Err(Error::Command {
            command,
            status: status.to_string(),
            tail: format!(":{}", tail::of_bytes(output.as_bytes())),
        });
    }
    if compiled > 0 {
        progress.say("cargo", format_args!("built; {compiled} crates were not fresh"));
    }
    Ok(())
}

/// Where the binaries are that belong to this program: beside it, whatever the profile or target directory.
pub(crate) fn default_bin_dir(root: &Path) -> PathBuf {
    let beside = env::current_exe().ok().and_then(|exe| {
        let directory = exe.parent()?;
        // Test binaries lie one level deeper.
        let directory = if directory.ends_with("deps") { directory.parent()? } else { directory };
        directory.join("stack").exists().then(|| directory.to_owned())
    });
    beside.unwrap_or_else(|| root.join("target/debug"))
}
