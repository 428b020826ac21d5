//! Which part listens where. Chosen once for an instance and kept in `run/ports`, so that `down` and `up` again keep
//! every address that somebody has written down.
//!
//! Free ports are taken from *below* the kernel's ephemeral range. A server that is stopped for a while would otherwise
//! find its port in use by some client's outgoing connection, and a client that retries a closed ephemeral port on
//! loopback can even connect to itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use crate::{
    error::Error,
    part::{Part, Server, Service},
    secrets::random_bytes,
};

/// What a part uses a port for. Most have one; Kafka's controller and ingest's operators have a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// What clients speak to.
    Main,
    /// `/metrics`, `/livez`, `/readyz`; for Kafka its controller.
    Admin,
}

/// The chosen ports of one instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ports {
    file: PathBuf,
    chosen: BTreeMap<String, u16>,
    /// What other instances have chosen: theirs even while they are down.
    foreign: BTreeSet<u16>,
}

impl Ports {
    pub(crate) fn load(file: &Path, others: &[PathBuf]) -> Result<Ports, Error> {
        let foreign = others.iter().filter_map(|other| read(other).ok()).flat_map(BTreeMap::into_values).collect();
        Ok(Ports { file: file.to_owned(), chosen: read(file)?, foreign })
    }

    pub(crate) fn get(&self, part: Part, usage: Use) -> Option<u16> {
        self.chosen.get(&key(part, usage)).copied()
    }

    /// The port of this part, chosen now if it has none yet. `keep` says whether a port already chosen is still ours to
    /// use. A well-known port is taken where `prefer` and free.
    pub(crate) fn choose(&mut self, part: Part, usage: Use, prefer: bool, keep: impl Fn(u16) -> bool) -> u16 {
        if let Some(port) = self.get(part, usage).filter(|port| keep(*port)) {
            return port;
        }
        let well_known = well_known(part, usage).filter(|port| prefer && self.is_free(*port));
        let port = well_known.unwrap_or_else(|| self.any_free());
        self.chosen.insert(key(part, usage), port);
        port
    }

    pub(crate) fn save(&self) -> Result<(), Error> {
        let text: String = self.chosen.iter().map(|(name, port)| format!("{name}={port}\n")).collect();
        fs::write(&self.file, text).map_err(Error::io("write", &self.file))
    }

    fn is_free(&self, port: u16) -> bool {
        !self.foreign.contains(&port) && !self.chosen.values().any(|taken| *taken == port) && can_bind(port)
    }

    fn any_free(&self) -> u16 {
        let end = ephemeral_start();
        let start = (end / 2).max(1024);
        loop {
            let random = u16::from_be_bytes(random_bytes());
            let port = start + random % (end - start);
            if self.is_free(port) {
                return port;
            }
        }
    }
}

/// Whether nobody listens on this loopback port now.
pub(crate) fn can_bind(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The uses a part has for ports.
pub(crate) fn uses(part: Part) -> &'static [Use] {
    match part {
        Part::Server(Server::Registry | Server::Postgres | Server::Radicale) => &[Use::Main],
        Part::Service(Service::Receiver, _) => &[Use::Main],
        Part::Service(Service::Ingest, _) | Part::Server(Server::Kafka) => &[Use::Main, Use::Admin],
        Part::Service(Service::Normalizer | Service::Arbiter | Service::Propagator, _) => &[Use::Admin],
    }
}

fn well_known(part: Part, usage: Use) -> Option<u16> {
    let port = match (part, usage) {
        (Part::Server(Server::Kafka), Use::Main) => 9092,
        (Part::Server(Server::Kafka), Use::Admin) => 9093,
        (Part::Server(Server::Registry), _) => 8081,
        (Part::Server(Server::Postgres), _) => 5432,
        (Part::Server(Server::Radicale), _) => 5232,
        (Part::Service(Service::Ingest, 1), Use::Main) => 8080,
        (Part::Service(Service::Ingest, 1), Use::Admin) => 9401,
        (Part::Service(Service::Normalizer, 1), _) => 9402,
        (Part::Service(Service::Arbiter, 1), _) => 9403,
        (Part::Service(Service::Propagator, 1), _) => 9404,
        (Part::Service(Service::Receiver, 1), _) => 8090,
        (Part::Service(_, _), _) => return None,
    };
    Some(port)
}

fn key(part: Part, usage: Use) -> String {
    match usage {
        Use::Main => part.to_string(),
        Use::Admin => format!("{part}.admin"),
    }
}

fn ephemeral_start() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let start = range.split_whitespace().next().and_then(|start| start.parse().ok());
    start.filter(|start| *start > 4096).unwrap_or(32768)
}

fn read(file: &Path) -> Result<BTreeMap<String, u16>, Error> {
    if !file.exists() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(file).map_err(Error::io("read", file))?;
    let parse = |line: &str| Some((line.split_once('=')?.0.to_owned(), line.split_once('=')?.1.parse().ok()?));
    text.lines()
        .map(|line| parse(line).ok_or_else(|| Error::Damaged { path: file.to_owned(), why: format!("`{line}`") }))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    const KAFKA: Part = Part::Server(Server::Kafka);

    #[test]
    fn a_port_once_chosen_is_chosen_again_after_a_restart() {
        let directory = env::temp_dir().join(format!("daybook-ports-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("temp dir");
        let file = directory.join("ports");
        let mut first = Ports::load(&file, &[]).expect("no file yet");
        let port = first.choose(KAFKA, Use::Main, false, |_| true);
        first.save().expect("save");
        let mut second = Ports::load(&file, &[]).expect("load");
        assert_eq!(second.choose(KAFKA, Use::Main, true, |_| true), port);
        let mut neighbour = Ports::load(&directory.join("other"), &[file]).expect("load");
        assert!(!neighbour.is_free(port), "a neighbour's port is taken even while it is down");
        assert_ne!(neighbour.choose(KAFKA, Use::Main, false, |_| true), port);
        fs::remove_dir_all(directory).expect("remove");
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_taken() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let taken = listener.local_addr().expect("address").port();
        let mut ports = Ports { chosen: BTreeMap::from([("kafka".to_owned(), taken)]), ..Ports::default() };
        assert!(!ports.is_free(taken));
        assert_ne!(ports.choose(KAFKA, Use::Main, false, can_bind), taken);
    }

    #[test]
    fn free_ports_lie_below_the_ephemeral_range_and_differ() {
        let mut ports = Ports::default();
        let chosen: BTreeSet<u16> =
            Part::all().iter().map(|part| ports.choose(*part, uses(*part)[0], false, |_| true)).collect();
        assert_eq!(chosen.len(), Part::all().len());
        assert!(chosen.iter().all(|port| *port < ephemeral_start()));
    }

    #[test]
    fn a_damaged_file_is_named() {
        let file = env::temp_dir().join(format!("daybook-ports-bad-{}", std::process::id()));
        fs::write(&file, "kafka=ninety\n").expect("write");
        let error = Ports::load(&file, &[]).expect_err("not a number").to_string();
        fs::remove_file(&file).expect("remove");
        assert!(error.contains("kafka=ninety") && error.contains("make clean"), "{error}");
    }
}
