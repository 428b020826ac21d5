//! One process of a stack, to hurt and to heal. What tests of failure do is here.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    engine::{Backend, Signal},
    error::Error,
    part::{Part, Server},
    wait,
};

/// How long [`Unit::wait_ready`] waits.
const READY: Duration = Duration::from_secs(180);

/// One process of a stack. It can be cloned and sent to other threads; all calls block.
#[derive(Clone)]
pub struct Unit {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) part: Part,
}

impl Unit {
    /// Which part this is.
    pub fn part(&self) -> Part {
        self.part
    }

    /// Starts it if it does not run, and does not wait for it.
    pub fn start(&self) -> Result<(), Error> {
        self.backend.start(self.part)
    }

    /// Starts a further process of the same service and gives its handle, which is not ready yet.
    pub fn start_another(&self, replica: u8) -> Result<Unit, Error> {
        let Part::Service(service, _) = self.part else {
            return Err(Error::Unsupported { what: "a second server", engine: "either", instead: "another instance" });
        };
        let unit = Unit { backend: Arc::clone(&self.backend), part: Part::Service(service, replica) };
        unit.start()?;
        Ok(unit)
    }

    /// Starts it and waits until it is ready.
    pub fn start_ready(&self) -> Result<(), Error> {
        self.start()?;
        self.wait_ready()
    }

    /// Asks it to end and waits; insists after its time to drain.
    pub fn stop(&self) -> Result<(), Error> {
        self.backend.stop(self.part)
    }

    /// Stops it in order and starts it again, ready.
    pub fn restart(&self) -> Result<(), Error> {
        self.stop()?;
        self.start_ready()
    }

    /// SIGKILL; back when it and its children are gone.
    pub fn kill9(&self) -> Result<(), Error> {
        self.backend.signal(self.part, Signal::Kill)
    }

    /// SIGTERM, without waiting.
    pub fn term(&self) -> Result<(), Error> {
        self.backend.signal(self.part, Signal::Term)
    }

    /// SIGSTOP: alive, holding its connections, doing nothing. Back when that is so.
    pub fn pause(&self) -> Result<(), Error> {
        self.backend.signal(self.part, Signal::Pause)
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<(), Error> {
        self.backend.signal(self.part, Signal::Resume)
    }

    /// Copies what this server keeps, under a name. It must not run. Native only, and not for the registry, whose data is
    /// no directory.
    pub fn keep(&self, name: &str) -> Result<(), Error> {
        self.backend.keep(self.server()?, name)
    }

    /// Puts that copy in the place of what it keeps now, as a restored backup does. It must not run. Native only.
    pub fn put_back(&self, name: &str) -> Result<(), Error> {
        self.backend.put_back(self.server()?, name)
    }

    fn server(&self) -> Result<Server, Error> {
        match self.part {
            Part::Server(server) => Ok(server),
            Part::Service(..) => {
                Err(Error::Unsupported { what: "a copy of a service", engine: "either", instead: "a server's" })
            }
        }
    }

    /// Waits until it does its work; fails at once when it has ended, with the end of its log.
    pub fn wait_ready(&self) -> Result<(), Error> {
        self.backend.wait_ready(self.part, READY)
    }

    /// Waits until it has ended by itself (after [`Unit::term`], or by a failpoint); false when it has not.
    pub fn wait_exit(&self, limit: Duration) -> bool {
        wait::until(limit, || (!self.is_running()).then_some(())).is_some()
    }

    /// Whether its process lives, even if paused.
    pub fn is_running(&self) -> bool {
        self.backend.is_running(self.part)
    }

    /// Whether it runs and answers now; the error says what is amiss.
    pub fn ready(&self) -> Result<(), String> {
        self.backend.status(self.part).ready
    }

    /// Its process id, where it is a process of this machine and runs.
    pub fn pid(&self) -> Option<i32> {
        self.backend.status(self.part).pid
    }

    /// Sets a variable for its next start.
    pub fn set_env(&self, name: &str, value: &str) -> Result<(), Error> {
        self.backend.set_env(self.part, name, value)
    }

    /// `http://host:port` of `/metrics`, `/livez` and `/readyz`; the receiver and the servers have none.
    pub fn admin_url(&self) -> Option<String> {
        self.backend.admin_url(self.part)
    }

    /// Its log.
    pub fn log_file(&self) -> PathBuf {
        self.backend.log_file(self.part)
    }
}
