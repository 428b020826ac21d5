//! A stack that is up: what tests and the `stack` program hold in their hands.

use std::{fs, path::PathBuf, sync::Arc};

use crate::{
    builder::Builder,
    cargo::default_bin_dir,
    endpoints::Endpoints,
    engine::{Backend, Engine, Status},
    error::Error,
    guard::Guard,
    instance::{Instance, Lock},
    layout::Layout,
    part::{Part, Server, Service},
    progress::Progress,
    unit::Unit,
};

/// A stack. One that was built as ephemeral goes down with this value; any other stays up.
pub struct Stack {
    backend: Arc<dyn Backend>,
    layout: Layout,
    engine: Engine,
    progress: Progress,
    /// For an ephemeral stack: its guard, and the lock that keeps others off the instance.
    held: Option<(Guard, Lock)>,
}

impl Stack {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        layout: Layout,
        engine: Engine,
        progress: Progress,
        held: Option<(Guard, Lock)>,
    ) -> Stack {
        Stack { backend, layout, engine, progress, held }
    }

    /// Everything, in the default instance.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The instance that somebody else has brought up. Nothing is started, and nothing ends with this value.
    pub fn attach(instance: &str) -> Result<Stack, Error> {
        let (layout, progress) = (Layout::find(instance)?, Progress::new(false));
        Stack::attach_quietly(layout, progress)
    }

    fn attach_quietly(layout: Layout, progress: Progress) -> Result<Stack, Error> {
        let engine = Engine::Auto.resolve(&layout);
        let instance = Instance::load(layout.clone())?;
        let backend = engine.backend(instance, default_bin_dir(layout.root()), progress.clone());
        Ok(Stack { backend, layout, engine, progress, held: None })
    }

    /// Where everything is.
    pub fn endpoints(&self) -> Endpoints {
        self.backend.endpoints()
    }

    /// The directory with one log a part.
    pub fn log_dir(&self) -> PathBuf {
        self.layout.log()
    }

    /// Where this instance keeps its things.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The engine that runs it.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// A server, to stop, kill, pause and start.
    pub fn server(&self, server: Server) -> Unit {
        self.unit(server)
    }

    /// A service's first process.
    pub fn service(&self, service: Service) -> Unit {
        self.unit(service)
    }

    /// A service's further process, with its own operators' port and log; [`Unit::start`] starts it. Native only.
    pub fn replica(&self, service: Service, replica: u8) -> Unit {
        self.unit(Part::Service(service, replica))
    }

    fn unit(&self, part: impl Into<Part>) -> Unit {
        Unit { backend: Arc::clone(&self.backend), part: part.into() }
    }

    /// How every part does, asked at the same time.
    pub fn status(&self) -> Vec<Status> {
        std::thread::scope(|scope| {
            let parts = self.backend.parts();
            let asked: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || self.backend.status(part))).collect();
            asked.into_iter().map(|thread| thread.join().expect("a probe does not panic")).collect()
        })
    }

    /// Shows a part's log on the terminal.
    pub fn show_log(&self, part: Part, follow: bool) -> Result<(), Error> {
        self.backend.logs(part, follow)
    }

    /// Stops what `up` started, and nothing else. The data stays.
    pub fn down(layout: &Layout, progress: &Progress) -> Result<(), Error> {
        let _lock = Lock::take(layout, progress)?;
        match Stack::attach_quietly(layout.clone(), progress.clone()) {
            Ok(stack) => stack.backend.down(),
            // Never up, so nothing to stop.
            Err(Error::NoInstance { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Stops what `up` started and removes the instance's data, logs and choices. Downloads stay.
    pub fn clean(layout: &Layout, progress: &Progress) -> Result<(), Error> {
        let _lock = Lock::take(layout, progress)?;
        clean_locked(layout, progress)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let Some((guard, _lock)) = self.held.take() else { return };
        let result = self.backend.clean().and_then(|()| remove(&[self.layout.data(), self.layout.run()]));
        if let Err(error) = result.and_then(|()| remove_file(&self.layout)) {
            self.progress.say("stack", format_args!("could not be brought down: {}", error.chain()));
        }
        guard.dismiss();
    }
}

/// The guard's last act: as [`Stack`]'s drop, by a process that did not start the stack.
pub(crate) fn bring_down_ephemeral(layout: &Layout, progress: &Progress) -> Result<(), Error> {
    let _lock = Lock::take(layout, progress)?;
    match Stack::attach_quietly(layout.clone(), progress.clone()) {
        Ok(stack) => stack.backend.clean()?,
        Err(Error::NoInstance { .. }) => {}
        Err(error) => return Err(error),
    }
    remove(&[layout.data(), layout.run()]).and_then(|()| remove_file(layout))
}

pub(crate) fn clean_locked(layout: &Layout, progress: &Progress) -> Result<(), Error> {
    match Stack::attach_quietly(layout.clone(), progress.clone()) {
        Ok(stack) => stack.backend.clean()?,
        Err(Error::NoInstance { .. } | Error::Damaged { .. }) => {}
        Err(error) => return Err(error),
    }
    remove(&[layout.data(), layout.log(), layout.run()])?;
    remove_file(layout)
}

fn remove(directories: &[PathBuf]) -> Result<(), Error> {
    directories
        .iter()
        .filter(|directory| directory.exists())
        .try_for_each(|directory| fs::remove_dir_all(directory).map_err(Error::io("remove", directory)))
}

fn remove_file(layout: &Layout) -> Result<(), Error> {
    let file = layout.env_file();
    if file.exists() { fs::remove_file(&file).map_err(Error::io("remove", file)) } else { Ok(()) }
}
