//! Where an instance keeps its things. Everything lies below `target/stack/`, so `git` never sees it.
//!
//! `target/stack/dist/` holds the downloads that all instances share. The default instance lives in `target/stack/`
//! itself, every other in `target/stack/instances/<name>/`; both have `data/`, `log/`, `run/` and the file `env`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{error::Error, part::Part};

/// The name of the instance that `make up` starts.
pub(crate) const DEFAULT: &str = "default";

/// The paths of one instance.
#[derive(Clone, Debug)]
pub struct Layout {
    instance: String,
    root: PathBuf,
    home: PathBuf,
}

impl Layout {
    /// The layout of `instance` in the workspace that contains the current directory.
    pub fn find(instance: &str) -> Result<Layout, Error> {
        Layout::new(&workspace(), instance)
    }

    pub(crate) fn new(root: &Path, instance: &str) -> Result<Layout, Error> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if instance.is_empty() || instance.len() > 40 || !instance.chars().all(fits) {
            return Err(Error::BadInstance { name: instance.to_owned() });
        }
        let base = root.join("target/stack");
        let home = if instance == DEFAULT { base } else { base.join("instances").join(instance) };
        Ok(Layout { instance: instance.to_owned(), root: root.to_owned(), home })
    }

    /// The instance's name.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Whether this is the instance of `make up`, which prefers the well-known ports.
    pub fn is_default(&self) -> bool {
        self.instance == DEFAULT
    }

    /// The workspace.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What was downloaded, shared by all instances.
    pub fn dist(&self) -> PathBuf {
        self.root.join("target/stack/dist")
    }

    /// The directory above all instances but the default one.
    pub(crate) fn instances(&self) -> PathBuf {
        self.root.join("target/stack/instances")
    }

    /// What the servers keep; survives `down`, not `clean`.
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// One log file a part, appended to by every start.
    pub fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// Pid files, chosen ports, secrets and generated configuration.
    pub fn run(&self) -> PathBuf {
        self.home.join("run")
    }

    /// The directory of a service's secrets, a file for each: read again when one changes.
    pub fn secrets(&self, part: Part) -> PathBuf {
        self.run().join(format!("{part}.secrets"))
    }

    /// The shell-sourceable file of addresses.
    pub fn env_file(&self) -> PathBuf {
        self.home.join("env")
    }

    /// The instance's own directory. The lock lies here, because `clean` removes all the others.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn create(&self) -> Result<(), Error> {
        for directory in [self.data(), self.log(), self.run(), self.dist()] {
            fs::create_dir_all(&directory).map_err(Error::io("create", directory))?;
        }
        Ok(())
    }
}

/// The nearest directory upwards that is this workspace; tests run in their package's directory, people anywhere in it.
fn workspace() -> PathBuf {
    let is_workspace = |path: &&Path| path.join("stack/Cargo.toml").is_file() && path.join("Cargo.toml").is_file();
    let compiled_in = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a package lies in the workspace");
    let here = env::current_dir().unwrap_or_default();
    here.ancestors().find(is_workspace).unwrap_or(compiled_in).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_share_downloads_and_nothing_else() {
        let root = Path::new("/w");
        let (default, other) = (Layout::new(root, DEFAULT).expect("default"), Layout::new(root, "test-1").expect("ok"));
        assert_eq!(default.dist(), other.dist());
        assert_eq!(default.env_file(), Path::new("/w/target/stack/env"));
        assert_eq!(other.data(), Path::new("/w/target/stack/instances/test-1/data"));
        assert!(other.run() != default.run() && other.log() != default.log());
    }

    #[test]
    fn a_name_that_could_leave_the_directory_is_refused() {
        for name in ["", "..", "a/b", "A", "ä", &"x".repeat(41)] {
            assert!(Layout::new(Path::new("/w"), name).is_err(), "{name}");
        }
    }
}
