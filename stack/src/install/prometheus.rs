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
    dist::Download,
};
use crate::{error::Error, layout::Layout, progress::Progress};

const PROMETHEUS: Download = Download {
    name: "prometheus",
    recipe: "the package of the distribution",
    what: "prometheus: judges the alerts, and fires them in a test",
};
/// What of it is used.
const PROGRAMS: [&str; 2] = ["prometheus", "promtool"];

/// Where `prometheus` or `promtool` is: unpacked by us below `dist`, or on the machine.
pub fn program(name: &str, dist: &Path) -> Option<PathBuf> {
    PROMETHEUS.file(dist, &format!("usr/bin/{name}")).or_else(|| find(name))
}

/// Unpacks it, unless it is there.
pub(super) fn install(layout: &Layout, progress: &Progress) -> Result<(), Error> {
    if PROGRAMS.iter().all(|name| program(name, &layout.dist()).is_some()) {
        return Ok(());
    }
    let absent = |what: &str| Error::Missing { what: what.to_owned(), fix: "install prometheus by hand".to_owned() };
    let apt = find("apt-get").ok_or_else(|| absent("apt-get"))?;
    PROMETHEUS.make(layout, progress, |home| {
        run(&mut as_root(&apt, &["-q", "update"]).map_err(absent)?, "")?;
        run(Command::new(&apt).args(["-q", "download", "prometheus"]).current_dir(home), "")?;
        let mut files = fs::read_dir(home).map_err(Error::io("read", home))?.filter_map(Result::ok);
        let package = files.find(|file| file.path().extension().is_some_and(|it| it == "deb"));
        let package = package.ok_or_else(|| absent("the package prometheus"))?.path();
        run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(home), "")?;
        fs::remove_file(&package).map_err(Error::io("remove", &package))
    })
}
