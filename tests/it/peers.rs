//! Programs that are not ours, installed once as they are pinned, and kept with the other downloads.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A Python with what `pinned` lists, all of it: nothing else is looked for.
pub fn python(downloads: &Path, name: &str, pinned: &Path) -> Result<PathBuf> {
    let home = downloads.join(name);
    let complete = home.join("complete");
    if std::fs::read(&complete).unwrap_or_default() != std::fs::read(pinned)? {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        let mut pip = Command::new(home.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"]).arg(pinned);
        run(&mut pip)?;
        std::fs::copy(pinned, complete)?;
    }
    Ok(home.join("bin/python"))
}

/// The Python that has the calendar programs of `peers/requirements.txt`. One test at a time installs them.
pub fn calendars(downloads: &Path) -> Result<PathBuf> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/requirements.txt");
    python(downloads, "calendar-peers", &pinned)
}

/// Runs it to its end; what it has said.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{:?} ended with {}:\n{said}{wrong}", command.get_program(), output.status);
    Ok(said.into_owned())
}
