//! What runs the parts: containers or plain processes. The rest of the crate does not know which.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    builder::Until,
    compose::{self, Compose},
    endpoints::Endpoints,
    error::Error,
    instance::Instance,
    layout::Layout,
    native::{self, Native},
    part::{Part, Server},
    progress::Progress,
};

/// Which engine runs the stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The one that brought this instance up; for a new one containers where an engine answers, else processes.
    #[default]
    Auto,
    /// Processes of this machine.
    Native,
    /// Docker Compose.
    Compose,
}

/// How a part does.
#[derive(Clone, Debug)]
pub struct Status {
    /// Which part.
    pub part: Part,
    /// `host:port` of what it listens on, its main address first.
    pub address: String,
    /// Its process, where it is a process of this machine.
    pub pid: Option<i32>,
    /// Whether it runs at all.
    pub running: bool,
    /// Whether it answers as it should; the error says what is amiss.
    pub ready: Result<(), String>,
}

/// What `up` is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) parts: Vec<Part>,
    pub(crate) until: Until,
    pub(crate) build: bool,
}

impl Plan {
    pub(crate) fn servers(&self) -> impl Iterator<Item = Server> {
        self.parts.iter().filter_map(|part| match part {
            Part::Server(server) => Some(*server),
            Part::Service(_, _) => None,
        })
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = Part> {
        let wanted = self.until == Until::Services;
        self.parts.iter().copied().filter(move |part| wanted && matches!(part, Part::Service(_, _)))
    }

    /// Whether topics, schemas and tables are made: a stack that lacks one of their servers is somebody's own business.
    pub(crate) fn sets_up(&self) -> bool {
        let has = |server| self.parts.contains(&Part::Server(server));
        self.until != Until::Servers && has(Server::Kafka) && has(Server::Registry) && has(Server::Postgres)
    }
}

/// A signal by what it is for. Compose knows no numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Term,
    Kill,
    Pause,
    Resume,
}

/// Runs the parts of one instance.
pub(crate) trait Backend: Send + Sync {
    fn up(&self, plan: &Plan) -> Result<(), Error>;
    fn down(&self) -> Result<(), Error>;
    /// Down, and what the parts kept outside the instance's directory removed. The caller removes that.
    fn clean(&self) -> Result<(), Error>;
    fn start(&self, part: Part) -> Result<(), Error>;
    fn stop(&self, part: Part) -> Result<(), Error>;
    fn signal(&self, part: Part, signal: Signal) -> Result<(), Error>;
    fn wait_ready(&self, part: Part, limit: Duration) -> Result<(), Error>;
    fn is_running(&self, part: Part) -> bool;
    fn set_env(&self, part: Part, name: &str, value: &str) -> Result<(), Error>;
    fn status(&self, part: Part) -> Status;
    /// Copies what a stopped server keeps, under a name.
    fn keep(&self, server: Server, name: &str) -> Result<(), Error>;
    /// Puts that copy in the place of what the stopped server keeps now.
    fn put_back(&self, server: Server, name: &str) -> Result<(), Error>;
    /// Parts that run, or should.
    fn parts(&self) -> Vec<Part>;
    fn endpoints(&self) -> Endpoints;
    fn admin_url(&self, part: Part) -> Option<String>;
    fn log_file(&self, part: Part) -> PathBuf;
    /// Shows a part's log on the terminal.
    fn logs(&self, part: Part, follow: bool) -> Result<(), Error>;
}

impl Engine {
    /// The engine for this instance, never [`Engine::Auto`]; an instance stays with the one that brought it up.
    pub(crate) fn resolve(self, layout: &Layout) -> Engine {
        let recorded = fs::read_to_string(layout.run().join("engine")).unwrap_or_default();
        match (self, recorded.trim()) {
            (Engine::Native, _) | (Engine::Auto, "native") => Engine::Native,
            (Engine::Compose, _) | (Engine::Auto, "compose") => Engine::Compose,
            (Engine::Auto, _) if compose::answers() => Engine::Compose,
            (Engine::Auto, _) => Engine::Native,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Engine::Auto => "auto",
            Engine::Native => "native",
            Engine::Compose => "compose",
        }
    }

    pub(crate) fn record(self, layout: &Layout) -> Result<(), Error> {
        let file = layout.run().join("engine");
        fs::write(&file, self.name()).map_err(Error::io("write", file))
    }

    /// The instance, prepared for this engine's `up`.
    pub(crate) fn prepare(self, layout: Layout, progress: &Progress) -> Result<Instance, Error> {
        match self {
            Engine::Compose => compose::prepare(layout, progress),
            Engine::Auto | Engine::Native => native::prepare(layout, progress),
        }
    }

    pub(crate) fn backend(self, instance: Instance, bin_dir: PathBuf, progress: Progress) -> Arc<dyn Backend> {
        match self {
            Engine::Compose => Arc::new(Compose::new(instance, progress)),
            Engine::Auto | Engine::Native => Arc::new(Native::new(instance, bin_dir, progress)),
        }
    }
}
