//! Radicale, a CalDAV server with one user. Calendars are made by whoever uses them (MKCALENDAR).

use std::{collections::BTreeMap, path::PathBuf};

use crate::{http, install::python, instance::Instance, part::Server, ports::Use, process::Launch};

pub(super) fn launch(instance: &Instance) -> Launch {
    let run = instance.layout.run();
    let (config, users) = (run.join("radicale.conf"), run.join("radicale.htpasswd"));
    let args = ["-m", "radicale", "--config"].map(str::to_owned).into_iter().chain([config.display().to_string()]);
    let port = instance.port(Server::Radicale, Use::Main);
    let text = format!(
        "\
[server]
hosts = 127.0.0.1:{port}
# Eight by default; a test asks from more threads than that.
max_connections = 64

[auth]
type = htpasswd
htpasswd_filename = {}
htpasswd_encryption = plain

[rights]
type = owner_only

[storage]
filesystem_folder = {}

[web]
type = none
",
        users.display(),
        data(instance).display()
    );
    let files = vec![(config, text), (users, format!("daybook:{}\n", instance.secrets.caldav))];
    let env = BTreeMap::from([("PYTHONUNBUFFERED".to_owned(), "1".to_owned())]);
    let directory = instance.layout.data();
    Launch { program: python(&instance.layout), args: args.collect(), env, directory, files }
}

/// It has no health page; that it answers in HTTP at all, even "who are you?", is its word that it serves.
pub(super) fn probe(instance: &Instance) -> Result<(), String> {
    match http::get(instance.port(Server::Radicale, Use::Main), "/")? {
        (status, _) if status < 500 => Ok(()),
        (status, _) => Err(format!("GET / answered {status}")),
    }
}

fn data(instance: &Instance) -> PathBuf {
    instance.layout.data().join("radicale")
}
