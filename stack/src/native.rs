//! The native engine: every part a process of this machine, on loopback.
//!
//! `up` does as much as it can side by side: the servers start while cargo compiles. A part that already runs exactly
//! what it should, and answers, is left alone, so a second `up` takes a second.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal as UnixSignal;

use crate::{
    cargo,
    endpoints::Endpoints,
    engine::{Backend, Plan, Signal, Status},
    error::Error,
    install::{self, Purpose, run},
    instance::Instance,
    part::{Part, Server},
    ports::{Use, can_bind, uses},
    process::{Launch, Supervisor},
    progress::Progress,
    server, service, tail, wait,
};

/// How long a part may take to become ready. Seconds in fact; a cold machine that compiles beside it is slower.
const READY: Duration = Duration::from_secs(180);

/// How long a port may take to come free after its process was killed, before another is chosen.
const RELEASE: Duration = Duration::from_secs(2);

/// The instance's own key of the API, which comes by standard input. Its rate is no limit to a test.
const KEY: [&str; 11] =
    ["keys", "create", "local", "--scope", "admin", "--rate", "100000", "--by", "stack", "--key-file", "-"];

pub(crate) struct Native {
    instance: Mutex<Instance>,
    supervisor: Supervisor,
    bin_dir: PathBuf,
    /// Variables that a test sets for a part's next start.
    extra: Mutex<BTreeMap<Part, BTreeMap<String, String>>>,
    progress: Progress,
}

impl Native {
    pub(crate) fn new(instance: Instance, bin_dir: PathBuf, progress: Progress) -> Native {
        let supervisor = Supervisor::new(instance.layout.run(), instance.layout.log());
        Native { instance: Mutex::new(instance), supervisor, bin_dir, extra: Mutex::default(), progress }
    }

    fn instance(&self) -> MutexGuard<'_, Instance> {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy to read from, so that no thread waits for another's probe.
    fn snapshot(&self) -> Instance {
        self.instance().clone()
    }

    fn launch(&self, part: Part) -> Result<Launch, Error> {
        let instance = self.snapshot();
        match part {
            Part::Server(server) => server::launch(server, &instance),
            Part::Service(service, replica) => {
                let extra = self.extra.lock().unwrap_or_else(PoisonError::into_inner).get(&part).cloned();
                service::launch(service, replica, &instance, &self.bin_dir, &extra.unwrap_or_default())
            }
        }
    }

    fn probe(&self, part: Part) -> Result<(), String> {
        let instance = self.snapshot();
        match part {
            Part::Server(server) => server::probe(server, &instance),
            Part::Service(service, replica) => service::probe(service, replica, &instance),
        }
    }

    /// The part running, with today's configuration, and ready.
    fn ensure(&self, part: Part) -> Result<(), Error> {
        if let Part::Server(server) = part {
            install::download(server, &self.snapshot().layout, &self.progress)?;
        }
        let began = self.progress.seconds();
        if let Part::Server(server) = part {
            server::prepare(server, &self.snapshot())?;
        }
        let launch = self.launch(part)?;
        if self.supervisor.runs(part, &launch) && self.probe(part).is_ok() {
            return Ok(());
        }
        if self.supervisor.running(part).is_some() {
            self.progress.say(part, "runs, but does not answer or is outdated; starting it again");
            self.supervisor.stop(part)?;
        }
        self.spawn(part, &launch)?;
        self.wait_ready(part, READY)?;
        if let Part::Server(server) = part {
            server::introduce(server, &self.snapshot())?;
        }
        let took = self.progress.seconds() - began;
        self.progress.say(part, format_args!("ready on {} after {took:.1} s", self.address(part)));
        Ok(())
    }

    fn spawn(&self, part: Part, launch: &Launch) -> Result<(), Error> {
        if let Part::Server(server) = part {
            server::clear_way(server, &self.snapshot())?;
        }
        self.supervisor.start(part, launch).map(drop)
    }

    /// Tables and roles, topics, schemas: three subcommands of our own command line, which do not need each other. A key
    /// of the API goes into its table.
    fn set_up(&self) -> Result<(), Error> {
        let program = self.bin_dir.join("daybook");
        if !program.exists() {
            return Err(Error::NoBinary { path: program });
        }
        let endpoints = self.endpoints();
        let work = |arguments: &[&str], input: &str| {
            let mut command = Command::new(&program);
            command.args(arguments).envs(endpoints.setup_variables()).current_dir(self.snapshot().layout.root());
            run(&mut command, input)
        };
        let store = || Ok(work(&["migrate"], "")? + &work(&KEY, &endpoints.api_key)?);
        let done = thread::scope(|scope| {
            let running = [
                scope.spawn(store),
                scope.spawn(|| work(&["topics", "apply"], "")),
                scope.spawn(|| work(&["schemas", "apply"], "")),
            ];
            Error::all(running.into_iter().map(joined))
        })?;
        let log = self.snapshot().layout.log().join("setup.log");
        fs::write(&log, done.concat()).map_err(Error::io("write", log))?;
        self.progress.say("setup", "tables, topics, schemas and a key of the API are in place");
        Ok(())
    }

    fn stop_said(&self, part: Part) -> Result<(), Error> {
        let ran = self.supervisor.running(part).is_some();
        let insisted = self.supervisor.stop(part)?;
        match (ran, insisted) {
            (true, true) => self.progress.say(part, "killed, because it did not stop when asked"),
            (true, false) => self.progress.say(part, "stopped"),
            (false, _) => {}
        }
        Ok(())
    }

    fn stopped(&self, server: Server, done: &'static str) -> Result<(), Error> {
        match self.supervisor.running(server.into()) {
            Some(_) => Err(Error::Running { part: server.name().to_owned(), done }),
            None => Ok(()),
        }
    }

    fn address(&self, part: Part) -> String {
        let instance = self.instance();
        let ports = uses(part).iter().filter_map(|usage| instance.ports.get(part, *usage));
        ports.map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(" ")
    }
}

impl Backend for Native {
    fn up(&self, plan: &Plan) -> Result<(), Error> {
        let layout = self.snapshot().layout;
        let progress = &self.progress;
        install::packages(&layout, Purpose { build: plan.build, tests: false }, progress)?;
        thread::scope(|scope| {
            let built = plan.build.then(|| scope.spawn(|| cargo::build(layout.root(), progress)));
            let starting: Vec<_> =
                plan.servers().map(|server| scope.spawn(move || self.ensure(server.into()))).collect();
            Error::all(starting.into_iter().chain(built).map(joined))
        })?;
        self.endpoints().write(&layout)?;
        if plan.sets_up() {
            self.set_up()?;
        }
        thread::scope(|scope| {
            let starting: Vec<_> = plan.services().map(|part| scope.spawn(move || self.ensure(part))).collect();
            Error::all(starting.into_iter().map(joined)).map(drop)
        })
    }

    fn down(&self) -> Result<(), Error> {
        let known = self.supervisor.known();
        let waves = (0..=2).map(|wave| known.iter().copied().filter(move |part| part.stop_wave() == wave));
        // Every wave is tried, even after one that failed: what can be stopped is stopped.
        let results: Vec<Result<(), Error>> = waves
            .flat_map(|wave| {
                thread::scope(|scope| {
                    let stopping: Vec<_> = wave.map(|part| scope.spawn(move || self.stop_said(part))).collect();
                    stopping.into_iter().map(joined).collect::<Vec<_>>()
                })
            })
            .collect();
        Error::all(results).map(drop)
    }

    fn clean(&self) -> Result<(), Error> {
        self.down()
    }

    fn start(&self, part: Part) -> Result<(), Error> {
        if self.supervisor.running(part).is_some() {
            return Ok(());
        }
        {
            let mut instance = self.instance();
            for usage in uses(part) {
                instance.ports.choose(part, *usage, false, |_| true);
            }
            instance.ports.save()?;
        }
        if let Part::Server(server) = part {
            server::prepare(server, &self.snapshot())?;
        }
        self.spawn(part, &self.launch(part)?)
    }

    fn stop(&self, part: Part) -> Result<(), Error> {
        self.supervisor.stop(part).map(drop)
    }

    fn signal(&self, part: Part, signal: Signal) -> Result<(), Error> {
        match signal {
            Signal::Kill => self.supervisor.kill(part),
            Signal::Term => self.supervisor.signal(part, UnixSignal::SIGTERM),
            Signal::Pause => self.supervisor.pause(part),
            Signal::Resume => self.supervisor.signal(part, UnixSignal::SIGCONT),
        }
    }

    fn wait_ready(&self, part: Part, limit: Duration) -> Result<(), Error> {
        let log = self.supervisor.log_file(part);
        let tail = || tail::of_file(&log, self.supervisor.log_start(part));
        let mut why = String::new();
        let outcome = wait::until(limit, || {
            if self.supervisor.running(part).is_none() {
                let status =
                    self.supervisor.ended(part).map_or("no longer there".to_owned(), |status| status.to_string());
                return Some(Err(Error::Ended { part: part.to_string(), status, log: log.clone(), tail: tail() }));
            }
            match self.probe(part) {
                Ok(()) => Some(Ok(())),
                Err(reason) => {
                    why = reason;
                    None
                }
            }
        });
        outcome.unwrap_or_else(|| {
            let (part, seconds) = (part.to_string(), limit.as_secs());
            Err(Error::NotReady { part, seconds, why, tail: tail(), log: log.clone() })
        })
    }

    fn is_running(&self, part: Part) -> bool {
        self.supervisor.running(part).is_some()
    }

    fn set_env(&self, part: Part, name: &str, value: &str) -> Result<(), Error> {
        let mut extra = self.extra.lock().unwrap_or_else(PoisonError::into_inner);
        extra.entry(part).or_default().insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn keep(&self, server: Server, name: &str) -> Result<(), Error> {
        self.stopped(server, "copied")?;
        let layout = self.snapshot().layout;
        replace(&server::data(server, &layout), &server::copy(server, &layout, name))
    }

    fn put_back(&self, server: Server, name: &str) -> Result<(), Error> {
        self.stopped(server, "replaced")?;
        let layout = self.snapshot().layout;
        replace(&server::copy(server, &layout, name), &server::data(server, &layout))
    }

    fn status(&self, part: Part) -> Status {
        let pid = self.supervisor.running(part).map(|identity| identity.pid);
        let ready = match pid {
            Some(_) => self.probe(part),
            None => Err("not running".to_owned()),
        };
        Status { part, address: self.address(part), pid, running: pid.is_some(), ready }
    }

    fn parts(&self) -> Vec<Part> {
        let mut parts = Part::all();
        parts.extend(self.supervisor.known());
        parts.sort();
        parts.dedup();
        parts
    }

    fn endpoints(&self) -> Endpoints {
        self.instance().endpoints()
    }

    fn admin_url(&self, part: Part) -> Option<String> {
        let port = self.instance().ports.get(part, Use::Admin);
        port.filter(|_| matches!(part, Part::Service(_, _))).map(|port| format!("http://127.0.0.1:{port}"))
    }

    fn log_file(&self, part: Part) -> PathBuf {
        self.supervisor.log_file(part)
    }

    fn logs(&self, part: Part, follow: bool) -> Result<(), Error> {
        let log = self.log_file(part);
        let mut tail = Command::new("tail");
        tail.args(if follow { ["-n", "50", "-F"].as_slice() } else { ["-n", "+1"].as_slice() }).arg(&log);
        let status = tail.status().map_err(|source| Error::Spawn { program: "tail".to_owned(), source })?;
        let command = format!("tail {}", log.display());
        let failed = Error::Command { command, status: status.to_string(), tail: String::new() };
        if status.success() { Ok(()) } else { Err(failed) }
    }
}

/// The port of a part that runs now is its own; any other must still be free.
pub(crate) fn prepare(layout: crate::layout::Layout, progress: &Progress) -> Result<Instance, Error> {
    let supervisor = Supervisor::new(layout.run(), layout.log());
    let keeps = |part, port| {
        supervisor.running(part).is_some() || wait::until(RELEASE, || can_bind(port).then_some(())).is_some()
    };
    Instance::prepare(layout, keeps, progress)
}

/// One directory in the place of another, with owners and rights: PostgreSQL refuses data that is not its own.
fn replace(from: &Path, to: &Path) -> Result<(), Error> {
    if to.exists() {
        fs::remove_dir_all(to).map_err(Error::io("remove", to))?;
    }
    run(Command::new("cp").arg("-a").arg(from).arg(to), "").map(drop)
}

/// A panic on one of these threads is a fault of ours, and goes on as one.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
