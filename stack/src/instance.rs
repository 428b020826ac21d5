//! What an instance has chosen for itself and keeps: its ports and its secrets; and the lock that lets one command at a
//! time change it.

use std::{
    fs::{self, File, OpenOptions},
    path::PathBuf,
};

use crate::{
    endpoints::Endpoints,
    error::Error,
    layout::Layout,
    part::Part,
    ports::{Ports, Use, uses},
    progress::Progress,
    secrets::Secrets,
};

/// An instance that has been brought up at least once.
#[derive(Clone)]
pub(crate) struct Instance {
    pub(crate) layout: Layout,
    pub(crate) ports: Ports,
    pub(crate) secrets: Secrets,
}

impl Instance {
    /// The instance with every port chosen and every secret made. `keeps` says whether the part can still
    /// have the port it had.
    pub(crate) fn prepare(
        layout: Layout,
        keeps: impl Fn(Part, u16) -> bool,
        progress: &Progress,
    ) -> Result<Instance, Error> {
        layout.create()?;
        // Two instances that choose at the same time would choose the same.
        let _choosing = Lock::take_ports(&layout, progress)?;
        let mut ports = Ports::load(&layout.run().join("ports"), &others(&layout))?;
        for part in Part::all() {
            for usage in uses(part) {
                let before = ports.get(part, *usage);
                let port = ports.choose(part, *usage, layout.is_default(), |port| keeps(part, port));
                if let Some(before) = before.filter(|before| *before != port) {
                    progress.say(part, format_args!("port {before} is now used by somebody else; moved to {port}"));
                }
            }
        }
        ports.save()?;
        let secrets = Secrets::load_or_create(&layout.run().join("secrets.env"))?;
        Ok(Instance { layout, ports, secrets })
    }

    /// The instance as it was left.
    pub(crate) fn load(layout: Layout) -> Result<Instance, Error> {
        let file = layout.run().join("ports");
        if !file.exists() {
            return Err(Error::NoInstance { instance: layout.instance().to_owned() });
        }
        let ports = Ports::load(&file, &others(&layout))?;
        let secrets = Secrets::load_or_create(&layout.run().join("secrets.env"))?;
        Ok(Instance { layout, ports, secrets })
    }

    pub(crate) fn port(&self, part: impl Into<Part>, usage: Use) -> u16 {
        let part = part.into();
        self.ports.get(part, usage).unwrap_or_else(|| panic!("prepare() chose a port for {part}"))
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        Endpoints::of(self)
    }
}

/// Held while a command changes the instance; for a test instance, as long as the test lives.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the lock is the open file")] File);

impl Lock {
    pub(crate) fn take(layout: &Layout, progress: &Progress) -> Result<Lock, Error> {
        fs::create_dir_all(layout.home()).map_err(Error::io("create", layout.home()))?;
        lock_file(layout.home().join("lock"), "another command is at work on this instance; waiting for it", progress)
    }

    /// For the downloads, which all instances share.
    pub(crate) fn take_dist(layout: &Layout, progress: &Progress) -> Result<Lock, Error> {
        fs::create_dir_all(layout.dist()).map_err(Error::io("create", layout.dist()))?;
        lock_file(layout.dist().join("lock"), "another command is installing; waiting for it", progress)
    }

    fn take_ports(layout: &Layout, progress: &Progress) -> Result<Lock, Error> {
        lock_file(layout.dist().join("ports.lock"), "another instance is choosing its ports; waiting for it", progress)
    }
}

fn lock_file(path: PathBuf, waiting: &str, progress: &Progress) -> Result<Lock, Error> {
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(Error::io("open", &path))?;
    if file.try_lock().is_err() {
        progress.say("stack", waiting);
        file.lock().map_err(Error::io("lock", path))?;
    }
    Ok(Lock(file))
}

/// The port files of all other instances.
fn others(layout: &Layout) -> Vec<PathBuf> {
    let entries = fs::read_dir(layout.instances()).into_iter().flatten().flatten();
    let homes = entries.map(|entry| entry.path()).chain(layout.instances().parent().map(PathBuf::from));
    homes.filter(|home| home != layout.home()).map(|home| home.join("run/ports")).collect()
}
