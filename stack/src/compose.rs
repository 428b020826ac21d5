//! The compose engine: `docker-compose.yml` with this instance's ports and secrets, on published loopback ports.
//!
//! The file alone orders the start (servers, then one `setup` container, then services). Readiness is asked from here,
//! by the same questions as natively, because `up --wait` takes a container that has done its work for a failed one.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    endpoints::Endpoints,
    engine::{Backend, Plan, Signal, Status},
    error::Error,
    install::{find, run},
    instance::Instance,
    layout::Layout,
    part::{Part, Server, Service},
    ports::{Use, uses},
    process::spawn_scrubbed,
    progress::Progress,
    secrets, server, service, tail, wait,
};

/// The images are pulled and the workspace compiled before this begins, so it is for starting alone.
const READY: Duration = Duration::from_secs(180);

pub(crate) struct Compose {
    instance: Instance,
    progress: Progress,
}

/// Whether a container engine can be used: it answers, and has compose.
pub(crate) fn answers() -> bool {
    let ask = |arguments: &[&str]| run(Command::new("docker").args(arguments), "").is_ok();
    find("docker").is_some() && ask(&["info"]) && ask(&["compose", "version"])
}

/// Ports as they were left, or well-known ones; a port that is taken shows when compose publishes it.
pub(crate) fn prepare(layout: Layout, progress: &Progress) -> Result<Instance, Error> {
    Instance::prepare(layout, |_, _| true, progress)
}

impl Compose {
    pub(crate) fn new(instance: Instance, progress: Progress) -> Compose {
        Compose { instance, progress }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let layout = &self.instance.layout;
        let mut command = Command::new("docker");
        let project = format!("daybook-{}", layout.instance());
        command.args(["compose", "--project-name", &project, "--env-file"]).arg(self.env_file());
        command.arg("-f").arg(layout.root().join("docker-compose.yml")).args(arguments).current_dir(layout.root());
        command
    }

    fn docker(&self, arguments: &[&str]) -> Result<String, Error> {
        run(&mut self.command(arguments), "")
    }

    /// Lets compose speak to the terminal itself: a build takes minutes and has its own display.
    fn docker_shown(&self, arguments: &[&str]) -> Result<(), Error> {
        let mut command = self.command(arguments);
        let mut child = spawn_scrubbed(command.stdin(Stdio::null()))?;
        let status = child.wait().map_err(|source| Error::Spawn { program: "docker".to_owned(), source })?;
        let command = format!("docker compose {}", arguments.join(" "));
        let failed = Error::Command { command, status: status.to_string(), tail: String::new() };
        if status.success() { Ok(()) } else { Err(failed) }
    }

    fn env_file(&self) -> PathBuf {
        self.instance.layout.run().join("compose.env")
    }

    /// What `docker-compose.yml` interpolates. Compose's own dialect has no `export`; the values are hexadecimal or base64
    /// and need no escape.
    fn variables(&self) -> String {
        let variables = variables(&self.instance);
        variables.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect()
    }

    fn probe(&self, part: Part) -> Result<(), String> {
        match part {
            Part::Server(Server::Postgres) => {
                let ask = ["exec", "-T", "postgres", "pg_isready", "-q", "-U", "postgres"];
                self.docker(&ask).map(drop).map_err(|_| "pg_isready says no".to_owned())
            }
            Part::Server(server) => server::probe(server, &self.instance),
            Part::Service(service, replica) => service::probe(service, replica, &self.instance),
        }
    }

    fn log_tail(&self, part: Part) -> String {
        tail::of_bytes(self.docker(&["logs", "--tail", "25", part_name(part)]).unwrap_or_default().as_bytes())
    }
}

impl Backend for Compose {
    fn up(&self, plan: &Plan) -> Result<(), Error> {
        secrets::write_private(&self.env_file(), &self.variables())?;
        self.endpoints().write(&self.instance.layout)?;
        self.progress.say("compose", "building the image and starting the containers");
        let mut arguments = vec!["up", "--detach", "--build"];
        let parts: Vec<Part> = plan.servers().map(Part::from).chain(plan.services()).collect();
        arguments.extend(parts.iter().map(|part| part_name(*part)));
        if plan.sets_up() {
            arguments.push("setup");
        }
        // One is enough for a machine, and it has no port of an instance's own.
        if plan.services().next().is_some() && self.instance.layout.is_default() {
            arguments.push("prometheus");
        }
        self.docker_shown(&arguments)?;
        parts.into_iter().try_for_each(|part| {
            self.wait_ready(part, READY)?;
            self.progress.say(part, format_args!("ready on {}", self.status(part).address));
            Ok(())
        })
    }

    /// Volumes stay; `clean` removes them with the rest of the instance's data.
    fn down(&self) -> Result<(), Error> {
        self.docker_shown(&["down", "--remove-orphans"])
    }

    fn clean(&self) -> Result<(), Error> {
        self.docker_shown(&["down", "--remove-orphans", "--volumes"])
    }

    fn start(&self, part: Part) -> Result<(), Error> {
        self.docker(&["up", "--detach", "--no-deps", part_name(part)]).map(drop)
    }

    fn stop(&self, part: Part) -> Result<(), Error> {
        self.docker(&["stop", part_name(part)]).map(drop)
    }

    fn signal(&self, part: Part, signal: Signal) -> Result<(), Error> {
        let name = part_name(part);
        let arguments = match signal {
            Signal::Term => vec!["kill", "--signal", "SIGTERM", name],
            Signal::Kill => vec!["kill", name],
            Signal::Pause => vec!["pause", name],
            Signal::Resume => vec!["unpause", name],
        };
        self.docker(&arguments).map(drop)
    }

    fn wait_ready(&self, part: Part, limit: Duration) -> Result<(), Error> {
        let mut why = String::new();
        let ready = wait::until(limit, || self.probe(part).map_err(|reason| why = reason).ok());
        ready.ok_or_else(|| Error::NotReady {
            part: part.to_string(),
            seconds: limit.as_secs(),
            why,
            log: self.log_file(part),
            tail: self.log_tail(part),
        })
    }

    fn is_running(&self, part: Part) -> bool {
        let ask = ["ps", "--status", "running", "--quiet", part_name(part)];
        self.docker(&ask).is_ok_and(|ids| !ids.trim().is_empty())
    }

    fn set_env(&self, _part: Part, _name: &str, _value: &str) -> Result<(), Error> {
        Err(Error::Unsupported { what: "another environment for one part", engine: "compose", instead: "native" })
    }

    fn keep(&self, _server: Server, _name: &str) -> Result<(), Error> {
        Err(Error::Unsupported { what: "a copy of a server's data", engine: "compose", instead: "native" })
    }

    fn put_back(&self, server: Server, name: &str) -> Result<(), Error> {
        self.keep(server, name)
    }

    fn status(&self, part: Part) -> Status {
        let ports = uses(part).iter().filter(|usage| is_published(part, **usage));
        let address = ports.map(|usage| format!("127.0.0.1:{}", self.instance.port(part, *usage)));
        let address = address.collect::<Vec<_>>().join(" ");
        let running = self.is_running(part);
        let ready = if running { self.probe(part) } else { Err("not running".to_owned()) };
        Status { part, address, pid: None, running, ready }
    }

    fn parts(&self) -> Vec<Part> {
        Part::all()
    }

    fn endpoints(&self) -> Endpoints {
        self.instance.endpoints()
    }

    fn admin_url(&self, part: Part) -> Option<String> {
        let port = self.instance.ports.get(part, Use::Admin);
        port.filter(|_| matches!(part, Part::Service(_, _))).map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// Containers' logs are the engine's; this names where to ask, for a message.
    fn log_file(&self, part: Part) -> PathBuf {
        PathBuf::from(format!(
            "`docker compose --project-name daybook-{} logs {part}`",
            self.instance.layout.instance()
        ))
    }

    fn logs(&self, part: Part, follow: bool) -> Result<(), Error> {
        let mut arguments = vec!["logs", part_name(part)];
        if follow {
            arguments.insert(1, "--follow");
        }
        self.docker_shown(&arguments)
    }
}

fn variables(instance: &Instance) -> BTreeMap<String, String> {
    let secrets = &instance.secrets;
    let mut variables = BTreeMap::from([
        ("DAYBOOK_POSTGRES_SUPERUSER_PASSWORD".to_owned(), secrets.postgres_superuser.clone()),
        ("DAYBOOK_POSTGRES_OWNER_PASSWORD".to_owned(), secrets.postgres_owner.clone()),
        ("DAYBOOK_POSTGRES_ARBITER_PASSWORD".to_owned(), secrets.postgres_arbiter.clone()),
        ("DAYBOOK_POSTGRES_INGEST_PASSWORD".to_owned(), secrets.postgres_ingest.clone()),
        ("DAYBOOK_POSTGRES_PROPAGATOR_PASSWORD".to_owned(), secrets.postgres_propagator.clone()),
        ("DAYBOOK_POSTGRES_READER_PASSWORD".to_owned(), secrets.postgres_reader.clone()),
        ("DAYBOOK_POSTGRES_REGISTRY_PASSWORD".to_owned(), secrets.postgres_registry.clone()),
        ("DAYBOOK_CALDAV_PASSWORD".to_owned(), secrets.caldav.clone()),
        ("DAYBOOK_CALENDLY_SECRET".to_owned(), secrets.calendly.clone()),
        ("DAYBOOK_GENERIC_SECRET".to_owned(), secrets.generic.clone()),
        ("DAYBOOK_SITE_SECRET".to_owned(), secrets.site.clone()),
        ("DAYBOOK_PARTNER_SECRET".to_owned(), secrets.partner.clone()),
        ("DAYBOOK_API_KEY".to_owned(), secrets.api_key.clone()),
        ("DAYBOOK_CONTACT_KEY".to_owned(), secrets.contact_key.clone()),
    ]);
    for part in Part::all() {
        for usage in uses(part).iter().filter(|usage| is_published(part, **usage)) {
            let suffix = if *usage == Use::Admin { "_ADMIN_PORT" } else { "_PORT" };
            let name = format!("DAYBOOK_{}{suffix}", part.to_string().to_uppercase());
            variables.insert(name, instance.port(part, *usage).to_string());
        }
    }
    variables
}

/// The controller listens inside its container only.
fn is_published(part: Part, usage: Use) -> bool {
    !(part == Part::Server(Server::Kafka) && usage == Use::Admin)
}

const fn part_name(part: Part) -> &'static str {
    match part {
        Part::Server(server) => server.name(),
        Part::Service(service, _) => Service::name(service),
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path, process};

    use super::*;

    #[test]
    fn every_variable_of_the_compose_file_is_given() {
        let root = env::temp_dir().join(format!("daybook-compose-{}", process::id()));
        let layout = Layout::new(&root, "default").expect("layout");
        let instance = prepare(layout, &Progress::new(true)).expect("prepare");
        let given = variables(&instance);
        fs::remove_dir_all(root).expect("remove");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker-compose.yml");
        let text = fs::read_to_string(file).expect("docker-compose.yml");
        let wanted = text.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap_or_default());
        let missing: Vec<&str> = wanted.filter(|name| !given.contains_key(*name)).collect();
        let watching = ["DAYBOOK_PROMETHEUS_PORT", "DAYBOOK_GRAFANA_PORT"];
        assert_eq!(missing, watching, "the profile `monitoring` alone has defaults and no chooser");
        assert!(given.values().all(|value| !value.contains(['\'', '$', '\\'])), "nothing needs an escape");
    }
}
