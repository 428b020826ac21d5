//! Prometheus and its `promtool`, which judge the alerts: the distribution's package, unpacked and not installed. Installed, it
//! would start a server that listens on every address of a machine that asked for none.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    apt::as_root,
    command::{find, run},
};
use crate::{error::Error, layout::Layout, progress::Progress};

/// What of it is used.
const PROGRAMS: [&str; 2] = ["prometheus", "promtool"];

/// Where `prometheus` or `promtool` is: unpacked by us below `dist`, or on the machine.
pub fn program(name: &str, dist: &Path) -> Option<PathBuf> {
    let ours = dist.join("prometheus/usr/bin").join(name);
    if ours.is_file() { Some(ours) } else { find(name) }
}

/// Unpacks it, unless it is there.
pub(super) fn install(layout: &Layout, progress: &Progress) -> Result<(), Error> {
    let dist = layout.dist();
    if PROGRAMS.iter().all(|name| program(name, &dist).is_some()) {
        return Ok(());
    }
    let absent = |what: &str| Error::Missing { what: what.to_owned(), fix: "install prometheus by hand".to_owned() };
    progress.say("install", "prometheus: judges the alerts, and fires them in a test");
    let apt = find("apt-get").ok_or_else(|| absent("apt-get"))?;
    run(&mut as_root(&apt, &["-q", "update"]).map_err(absent)?, "")?;
    let unfinished = dist.join("prometheus.unfinished");
    let failed = |error: std::io::Error| absent(&format!("room for it ({error})"));
    let _ = fs::remove_dir_all(&unfinished);
    fs::create_dir_all(&unfinished).map_err(failed)?;
    run(Command::new(&apt).args(["-q", "download", "prometheus"]).current_dir(&unfinished), "")?;
    let mut files = fs::read_dir(&unfinished).map_err(failed)?.filter_map(Result::ok).map(|entry| entry.path());
    let package = files.find(|path| path.extension().is_some_and(|it| it == "deb"));
    let package = package.ok_or_else(|| absent("the package prometheus"))?;
    run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&unfinished), "")?;
    fs::remove_file(&package).map_err(failed)?;
    fs::rename(&unfinished, dist.join("prometheus")).map_err(failed)
}
