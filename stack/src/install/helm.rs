//! Helm, which lints and renders the chart in a test: built from its own sources, as Go's proxy has them under this version.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    command::{find, run},
    dist::Download,
};
use crate::{error::Error, layout::Layout, progress::Progress};

const HELM: Download = Download {
    name: "helm-3.16.4",
    recipe: "helm.sh/helm/v3/cmd/helm@v3.16.4",
    what: "helm 3.16.4: renders the chart in a test; it is built, for some minutes",
};

/// Where it is: built by us below `dist`, or on the machine.
pub fn program(dist: &Path) -> Option<PathBuf> {
    HELM.file(dist, "helm").or_else(|| find("helm"))
}

/// Builds it, unless it is there.
pub(super) fn install(layout: &Layout, progress: &Progress) -> Result<(), Error> {
    if program(&layout.dist()).is_some() {
        return Ok(());
    }
    let usual = PathBuf::from("/usr/local/go/bin/go");
    let go = find("go").or_else(|| usual.is_file().then_some(usual)).ok_or_else(|| Error::Missing {
        what: "go, which builds helm,".to_owned(),
        fix: "install helm by hand".to_owned(),
    })?;
    HELM.make(layout, progress, |home| {
        let mut build = Command::new(go);
        build.args(["install", HELM.recipe]).env("GOBIN", home).env("GOFLAGS", "-p=2");
        run(&mut build, "").map(drop)
    })
}
