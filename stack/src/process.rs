//! Processes that outlive the command that started them, and how they are found again.
//!
//! Each has a pid file with its pid, its start time in clock ticks since boot, the boot's id, and a fingerprint of what
//! was started. All of pid, start time and boot must match before a signal is sent: a pid alone is reused.
//!
//! Every process gets a group of its own, so that Ctrl-C in the terminal that ran `make up` does not reach it.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    fs::{self, OpenOptions},
    hash::{Hash, Hasher},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    error::Error,
    part::{Part, Server},
    secrets, wait,
};

/// How long the system may take to bury a process after SIGKILL.
const BURIAL: Duration = Duration::from_secs(10);

/// One process, as nobody else can be it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: i32,
    start: u64,
    boot: String,
}

/// What to start.
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) directory: PathBuf,
    /// The files that the process reads at its start, written just before it: path and content.
    pub(crate) files: Vec<(PathBuf, String)>,
}

/// Starts, finds and stops the processes of one instance.
pub(crate) struct Supervisor {
    run: PathBuf,
    log: PathBuf,
    /// Those that this very process started and therefore has to reap, each with its log's length at that time.
    children: Mutex<BTreeMap<Part, (Child, u64)>>,
}

impl Supervisor {
    pub(crate) fn new(run: PathBuf, log: PathBuf) -> Supervisor {
        Supervisor { run, log, children: Mutex::default() }
    }

    pub(crate) fn log_file(&self, part: Part) -> PathBuf {
        self.log.join(format!("{part}.log"))
    }

    /// Every part with a pid file, running or not.
    pub(crate) fn known(&self) -> Vec<Part> {
        let entries = fs::read_dir(&self.run).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut parts: Vec<Part> = names.filter_map(|name| name.strip_suffix(".pid")?.parse().ok()).collect();
        parts.sort();
        parts
    }

    /// The part's process, if it lives.
    pub(crate) fn running(&self, part: Part) -> Option<Identity> {
        self.reap(part);
        let (identity, _) = self.recorded(part)?;
        identity.lives().then_some(identity)
    }

    /// Whether the part runs exactly what `launch` would start.
    pub(crate) fn runs(&self, part: Part, launch: &Launch) -> bool {
        self.running(part).is_some() && self.recorded(part).is_some_and(|(_, print)| print == launch.fingerprint())
    }

    /// How the part ended, if this process started it and it did.
    pub(crate) fn ended(&self, part: Part) -> Option<ExitStatus> {
        self.children().get_mut(&part).and_then(|(child, _)| child.try_wait().ok().flatten())
    }

    /// Where in the part's log its last start begins.
    pub(crate) fn log_start(&self, part: Part) -> u64 {
        self.children().get(&part).map_or(0, |(_, start)| *start)
    }

    /// Starts the part, appending its output to its log.
    pub(crate) fn start(&self, part: Part, launch: &Launch) -> Result<Identity, Error> {
        for (file, content) in &launch.files {
            if let Some(directory) = file.parent() {
                fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
            }
            // Some hold a password, so all are for their owner alone.
            secrets::write_private(file, content)?;
        }
        let path = self.log_file(part);
        let log = OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io("open", &path))?;
        let log_start = log.metadata().map_or(0, |meta| meta.len());
        let error_log = log.try_clone().map_err(Error::io("open", &path))?;
        let mut command = Command::new(&launch.program);
        command.args(&launch.args).envs(&launch.env).current_dir(&launch.directory).process_group(0);
        command.stdin(Stdio::null()).stdout(log).stderr(error_log);
        let mut child = spawn_scrubbed(&mut command)?;
        let identity = Identity::of(child.id().cast_signed());
        let Some(identity) = identity.filter(|_| !matches!(child.try_wait(), Ok(Some(_)))) else {
            // Gone already; the caller's wait reports it with the log.
            let pid = child.id().cast_signed();
            self.children().insert(part, (child, log_start));
            return Ok(Identity { pid, start: 0, boot: String::new() });
        };
        let Identity { pid, start, boot } = &identity;
        let file = self.pid_file(part);
        let text = format!("{pid} {start} {boot} {}\n", launch.fingerprint());
        fs::write(&file, text).map_err(Error::io("write", file))?;
        self.children().insert(part, (child, log_start));
        Ok(identity)
    }

    /// Asks the part to end, waits, then insists. Says whether it had to insist; a part that is not running is fine.
    pub(crate) fn stop(&self, part: Part) -> Result<bool, Error> {
        let mut insisted = false;
        if let Some(identity) = self.running(part) {
            send(&identity, stop_signal(part));
            // A stopped process takes no signal but this one.
            send(&identity, Signal::SIGCONT);
            let ended = wait::until(stop_patience(part), || self.running(part).is_none().then_some(()));
            if ended.is_none() {
                insisted = true;
                self.kill(part)?;
            }
        }
        self.forget(part);
        Ok(insisted)
    }

    /// SIGKILL, and only back when the process and its children are gone (PostgreSQL's hold its shared memory).
    pub(crate) fn kill(&self, part: Part) -> Result<(), Error> {
        let Some(identity) = self.running(part) else { return Ok(()) };
        let orphans = descendants(identity.pid);
        send(&identity, Signal::SIGKILL);
        // This very process: somebody may have started another by now.
        let buried = || {
            self.reap(part);
            (!identity.lives()).then_some(())
        };
        wait::until(BURIAL, buried).ok_or(Error::Unstoppable { part: part.to_string(), pid: identity.pid })?;
        for orphan in orphans {
            let gone = || (!orphan.lives()).then_some(());
            if wait::until(Duration::from_secs(3), gone).is_none() {
                send(&orphan, Signal::SIGKILL);
                wait::until(BURIAL, gone).ok_or(Error::Unstoppable { part: part.to_string(), pid: orphan.pid })?;
            }
        }
        Ok(())
    }

    /// SIGSTOP, and only back when every thread stands still: until then one may finish what it is at.
    pub(crate) fn pause(&self, part: Part) -> Result<(), Error> {
        let pid = self.running(part).map_or(0, |identity| identity.pid);
        self.signal(part, Signal::SIGSTOP)?;
        let gone = || Error::NotRunning { part: part.to_string(), signal: Signal::SIGSTOP.as_str() };
        wait::until(BURIAL, || is_paused(pid).then_some(())).ok_or_else(gone)
    }

    /// Sends one signal, and does not wait.
    pub(crate) fn signal(&self, part: Part, signal: Signal) -> Result<(), Error> {
        let identity = self.running(part).filter(|identity| send(identity, signal));
        identity.map(drop).ok_or(Error::NotRunning { part: part.to_string(), signal: signal.as_str() })
    }

    /// Drops the pid file of a part that has ended.
    fn forget(&self, part: Part) {
        let _ = fs::remove_file(self.pid_file(part));
        self.children().remove(&part);
    }

    fn pid_file(&self, part: Part) -> PathBuf {
        self.run.join(format!("{part}.pid"))
    }

    fn recorded(&self, part: Part) -> Option<(Identity, String)> {
        parse_pid_file(&fs::read_to_string(self.pid_file(part)).ok()?)
    }

    fn reap(&self, part: Part) {
        let _ = self.ended(part);
    }

    fn children(&self) -> MutexGuard<'_, BTreeMap<Part, (Child, u64)>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Launch {
    /// Changes when the program, its arguments, its environment or its configuration do. The hash is stable for one
    /// build of this tool; after another, a part is at worst started again.
    fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        let Launch { program, args, env, directory, files } = self;
        let built = fs::metadata(program).ok().map(|file| {
            let modified = file.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            (file.len(), modified)
        });
        (program, built, args, env, directory, files).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

impl Identity {
    /// The process that has this pid now.
    pub(crate) fn of(pid: i32) -> Option<Identity> {
        let stat = Stat::read(pid)?;
        (!stat.is_dead(pid)).then(|| Identity { pid, start: stat.start, boot: boot_id() })
    }

    fn lives(&self) -> bool {
        Identity::of(self.pid).as_ref() == Some(self)
    }
}

/// The fields of `/proc/<pid>/stat` that matter here (proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: i32,
    start: u64,
}

impl Stat {
    fn read(pid: i32) -> Option<Stat> {
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The second field is the program's name in parentheses and may itself hold spaces and parentheses, so the fields
    /// are counted from the last one: state is field 3, ppid 4, starttime 22.
    fn parse(text: &str) -> Option<Stat> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let state = fields.first()?.chars().next()?;
        Some(Stat { state, parent: fields.get(1)?.parse().ok()?, start: fields.get(19)?.parse().ok()? })
    }

    /// A zombie has ended and only waits for its parent to look, unless it is only the first thread that has: until the
    /// last one is gone, a killed JVM still holds its ports and files.
    fn is_dead(&self, pid: i32) -> bool {
        let threads = || fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
        matches!(self.state, 'Z' | 'X') && threads() <= 1
    }
}

/// Runs `command` without the `DAYBOOK…` variables of whoever called us (they may have sourced an env file); those that
/// the command sets itself stay.
pub(crate) fn spawn_scrubbed(command: &mut Command) -> Result<Child, Error> {
    let own: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DAYBOOK")) {
        if !own.contains(&name) {
            command.env_remove(name);
        }
    }
    let program = || Path::new(command.get_program()).display().to_string();
    let name = program();
    command.spawn().map_err(|source| Error::Spawn { program: name, source })
}

/// PostgreSQL's SIGTERM waits for its clients to leave; its SIGINT is the orderly shutdown.
const fn stop_signal(part: Part) -> Signal {
    match part {
        Part::Server(Server::Postgres) => Signal::SIGINT,
        Part::Server(Server::Kafka | Server::Registry | Server::Radicale) | Part::Service(_, _) => Signal::SIGTERM,
    }
}

/// Services give their work 25 s to drain; Kafka writes its snapshot, PostgreSQL its checkpoint.
const fn stop_patience(part: Part) -> Duration {
    match part {
        Part::Server(Server::Kafka | Server::Postgres) | Part::Service(_, _) => Duration::from_secs(30),
        Part::Server(Server::Registry | Server::Radicale) => Duration::from_secs(10),
    }
}

/// Whether the signal was sent: the process may just have ended.
fn send(identity: &Identity, signal: Signal) -> bool {
    identity.lives() && kill(Pid::from_raw(identity.pid), signal).is_ok()
}

/// Every process that works in this directory.
pub(crate) fn working_in(directory: &Path) -> Vec<Identity> {
    let here = |pid: &i32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == directory);
    pids().filter(here).filter_map(Identity::of).collect()
}

/// Whether every thread of the process is stopped.
fn is_paused(pid: i32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let stat = |path: PathBuf| Stat::parse(&fs::read_to_string(path.join("stat")).ok()?);
    let states: Vec<Option<Stat>> = threads.flatten().map(|thread| stat(thread.path())).collect();
    !states.is_empty() && states.iter().flatten().all(|stat| stat.state == 'T')
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn descendants(pid: i32) -> Vec<Identity> {
    let parents: BTreeMap<i32, i32> = pids().filter_map(|pid| Some((pid, Stat::read(pid)?.parent))).collect();
    let is_below = |candidate: i32| {
        let mut above = parents.get(&candidate);
        while let Some(parent) = above {
            if *parent == pid {
                return true;
            }
            above = parents.get(parent);
        }
        false
    };
    parents.keys().filter(|candidate| is_below(**candidate)).filter_map(|pid| Identity::of(*pid)).collect()
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn parse_pid_file(text: &str) -> Option<(Identity, String)> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [pid, start, boot, fingerprint] = fields[..] else { return None };
    let identity = Identity { pid: pid.parse().ok()?, start: start.parse().ok()?, boot: boot.to_owned() };
    Some((identity, fingerprint.to_owned()))
}

#[cfg(test)]
mod tests;
