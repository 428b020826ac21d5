//! Helm, which lints and renders the chart in a test: built from its own sources, as Go's proxy has them under this version.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::command::{find, run};
use crate::{error::Error, layout::Layout, progress::Progress};

const VERSION: &str = "v3.16.4";

/// Where it is: built by us below `dist`, or on the machine.
pub fn program(dist: &Path) -> Option<PathBuf> {
    let ours = dist.join(format!("helm-{VERSION}/helm"));
    if ours.is_file() { Some(ours) } else { find("helm") }
}

/// Builds it, unless it is there.
pub(super) fn install(layout: &Layout, progress: &Progress) -> Result<(), Error> {
    let dist = layout.dist();
    if program(&dist).is_some() {
        return Ok(());
    }
    let absent = |what: &str| Error::Missing { what: what.to_owned(), fix: "install helm by hand".to_owned() };
    let usual = PathBuf::from("/usr/local/go/bin/go");
    let go = find("go").or_else(|| usual.is_file().then_some(usual)).ok_or_else(|| absent("go, which builds helm,"))?;
    progress.say("install", format!("helm {VERSION}: renders the chart in a test; it is built, for some minutes"));
    let failed = |error: std::io::Error| absent(&format!("room for it ({error})"));
    let unfinished = dist.join("helm.unfinished");
    let _ = fs::remove_dir_all(&unfinished);
    fs::create_dir_all(&unfinished).map_err(failed)?;
    let package = format!("helm.sh/helm/v3/cmd/helm@{VERSION}");
    run(Command::new(go).args(["install", &package]).env("GOBIN", &unfinished).env("GOFLAGS", "-p=2"), "")?;
    fs::rename(&unfinished, dist.join(format!("helm-{VERSION}"))).map_err(failed)
}
