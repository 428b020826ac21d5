//! What the native stack needs on the machine, installed where it is missing.
//!
//! Invariant: what is there is not touched and not mentioned; a second run installs nothing and says nothing. Downloads
//! appear in `dist/` under their version and only once they are complete.

use std::sync::{Mutex, PoisonError};

mod apt;
mod command;
mod dist;
mod helm;
mod prometheus;

pub(crate) use self::{
    command::{find, run},
    dist::{java, kafka_classpath, postgres_bin, python, registry_home},
};
pub use self::{helm::program as helm, prometheus::program as prometheus};
use crate::{error::Error, instance::Lock, layout::Layout, part::Server, progress::Progress};

/// What for, besides running the stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purpose {
    /// The workspace will be compiled here too.
    pub build: bool,
    /// Its tests will be run here, tools that are not ours among them.
    pub tests: bool,
}

/// Installs what is missing.
pub fn install(layout: &Layout, purpose: Purpose, progress: &Progress) -> Result<(), Error> {
    packages(layout, purpose, progress)?;
    Server::ALL.into_iter().try_for_each(|server| download(server, layout, progress))
}

/// The distribution's packages.
pub(crate) fn packages(layout: &Layout, purpose: Purpose, progress: &Progress) -> Result<(), Error> {
    let _lock = Lock::take_dist(layout, progress)?;
    apt::install(layout, purpose, progress)?;
    if purpose.tests {
        prometheus::install(layout, progress)?;
        helm::install(layout, progress)?;
    }
    Ok(())
}

/// What one server is made of.
pub(crate) fn download(server: Server, layout: &Layout, progress: &Progress) -> Result<(), Error> {
    /// One download at a time, also among our own threads: Maven's local repository does not take two writers, and the
    /// network is the limit anyway.
    static ONE: Mutex<()> = Mutex::new(());
    if dist::has(server, layout) {
        return Ok(());
    }
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _lock = Lock::take_dist(layout, progress)?;
    dist::install(server, layout, progress)
}
