//! Which stack to bring up, said piece by piece; everything has a default.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::{
    cargo::default_bin_dir,
    engine::{Engine, Plan},
    error::Error,
    guard::Guard,
    instance::Lock,
    layout::{DEFAULT, Layout},
    part::{Part, Server, Service},
    progress::Progress,
    stack::{Stack, clean_locked},
};

/// How far `up` goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// The servers answer; nothing of ours has touched them.
    Servers,
    /// Tables, topics and schemas are in place too.
    Setup,
    /// The services are ready too.
    #[default]
    Services,
}

/// Describes a stack to bring up.
#[derive(Clone, Debug)]
pub struct Builder {
    instance: String,
    engine: Engine,
    parts: Vec<Part>,
    until: Until,
    build: bool,
    bin_dir: Option<PathBuf>,
    ephemeral: bool,
    quiet: bool,
    env: BTreeMap<Part, Vec<(String, String)>>,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        Builder {
            instance: DEFAULT.to_owned(),
            engine: Engine::Auto,
            parts: Part::all(),
            until: Until::Services,
            build: false,
            bin_dir: None,
            ephemeral: false,
            quiet: false,
            env: BTreeMap::new(),
        }
    }

    /// Which instance; a name of its own lets a stack run beside the one of `make up`.
    pub fn instance(mut self, name: impl Into<String>) -> Builder {
        self.instance = name.into();
        self
    }

    /// Which engine runs it.
    pub fn engine(mut self, engine: Engine) -> Builder {
        self.engine = engine;
        self
    }

    /// Only these servers; all without this call.
    pub fn servers(mut self, servers: impl IntoIterator<Item = Server>) -> Builder {
        self.parts.retain(|part| matches!(part, Part::Service(_, _)));
        self.parts.extend(servers.into_iter().map(Part::from));
        self
    }

    /// Only these services; all without this call.
    pub fn services(mut self, services: impl IntoIterator<Item = Service>) -> Builder {
        self.parts.retain(|part| matches!(part, Part::Server(_)));
        self.parts.extend(services.into_iter().map(Part::from));
        self
    }

    /// How far to go.
    pub fn until(mut self, until: Until) -> Builder {
        self.until = until;
        self
    }

    /// Whether to run `cargo build` first. Off without this call: `make test` has built.
    pub fn build(mut self, build: bool) -> Builder {
        self.build = build;
        self
    }

    /// Where the binaries are; beside this program without this call.
    pub fn bin_dir(mut self, directory: impl Into<PathBuf>) -> Builder {
        self.bin_dir = Some(directory.into());
        self
    }

    /// Begin empty, and leave no process and no data behind when the [`Stack`] is dropped or this process ends, however
    /// it ends. The logs stay until the instance is next brought up.
    pub fn ephemeral(mut self) -> Builder {
        self.ephemeral = true;
        self
    }

    /// Print nothing.
    pub fn quiet(mut self, quiet: bool) -> Builder {
        self.quiet = quiet;
        self
    }

    /// One variable more in a service's environment (its configuration: `DAYBOOK__LOG__FILTER`).
    pub fn env(mut self, part: impl Into<Part>, name: impl Into<String>, value: impl Into<String>) -> Builder {
        self.env.entry(part.into()).or_default().push((name.into(), value.into()));
        self
    }

    /// Brings it up; back when everything asked for is ready.
    pub fn up(self) -> Result<Stack, Error> {
        let progress = Progress::new(self.quiet);
        let layout = Layout::find(&self.instance)?;
        let bin_dir = self.bin_dir.clone().unwrap_or_else(|| default_bin_dir(layout.root()));
        let lock = Lock::take(&layout, &progress)?;
        if self.ephemeral {
            clean_locked(&layout, &progress)?;
        }
        let engine = self.engine.resolve(&layout);
        let instance = engine.prepare(layout.clone(), &progress)?;
        engine.record(&layout)?;
        let backend = engine.backend(instance, bin_dir.clone(), progress.clone());
        let held = if self.ephemeral { Some((Guard::start(&layout, &bin_dir)?, lock)) } else { None };
        for (part, variables) in &self.env {
            variables.iter().try_for_each(|(name, value)| backend.set_env(*part, name, value))?;
        }
        // Made before anything starts, so that a failure drops it, which brings down what had started.
        let stack = Stack::new(Arc::clone(&backend), layout, engine, progress, held);
        backend.up(&Plan { parts: self.parts, until: self.until, build: self.build })?;
        Ok(stack)
    }
}
