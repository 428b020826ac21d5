//! A PostgreSQL cluster of our own, with the distribution's binaries, on TCP only (a socket's path may be too long for
//! one deep in somebody's home).
//!
//! PostgreSQL refuses to run as root. Started by root, it runs as the distribution's `postgres` user.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::unistd::{Uid, User};

use crate::{
    error::Error,
    install::{postgres_bin, run},
    instance::Instance,
    part::Server,
    ports::Use,
    process::{Identity, Launch, working_in},
    secrets, wait,
};

/// How long a killed server's children may take to notice.
const BURIAL: Duration = Duration::from_secs(10);

pub(super) fn make_cluster(instance: &Instance) -> Result<(), Error> {
    let data = data(instance);
    if data.join("PG_VERSION").exists() {
        return Ok(());
    }
    if data.exists() {
        // initdb was interrupted: without PG_VERSION no server has ever run on it.
        fs::remove_dir_all(&data).map_err(Error::io("remove", &data))?;
    }
    fs::create_dir_all(&data).map_err(Error::io("create", &data))?;
    fs::set_permissions(&data, Permissions::from_mode(0o700)).map_err(Error::io("change", &data))?;
    let password = instance.layout.data().join("postgres.password");
    secrets::write_private(&password, &instance.secrets.postgres_superuser)?;
    if let Some(user) = other_user()? {
        for path in [&data, &password] {
            chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(Error::io("change", path))?;
        }
    }
    let [program, args @ ..] = &prefixed(&data, &postgres_bin(None)?.join("initdb"))?[..] else { return Ok(()) };
    let mut initdb = Command::new(program);
    initdb.args(args).arg("-D").arg(&data).arg(format!("--pwfile={}", password.display())).current_dir(&data);
    initdb.args(["-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256", "--no-sync"]);
    let made = run(&mut initdb, "");
    fs::remove_file(&password).map_err(Error::io("remove", &password))?;
    made.map(drop)
}

/// After a SIGKILL the server's children need a moment to notice, and its lock file names a pid that PostgreSQL takes for
/// alive for as long as nobody has reaped the zombie; in a container whose first process reaps nothing, that is for ever.
pub(super) fn bury_predecessor(instance: &Instance) -> Result<(), Error> {
    let data = data(instance);
    let lock = data.join("postmaster.pid");
    let pid = || fs::read_to_string(&lock).ok()?.lines().next()?.trim().parse().ok();
    let Some(pid) = pid() else { return Ok(()) };
    let buried = || (Identity::of(pid).is_none() && working_in(&data).is_empty()).then_some(());
    match wait::until(BURIAL, buried) {
        Some(()) => fs::remove_file(&lock).map_err(Error::io("remove", &lock)),
        // Somebody lives there still; PostgreSQL refuses to start beside it and says so.
        None => Ok(()),
    }
}

pub(super) fn launch(instance: &Instance) -> Result<Launch, Error> {
    let data = data(instance);
    let mut args = prefixed(&data, &bin(instance)?.join("postgres"))?;
    let program = PathBuf::from(args.remove(0));
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={}", instance.port(Server::Postgres, Use::Main)),
        "unix_socket_directories=".to_owned(),
        "max_connections=200".to_owned(),
        // As README.md says for real: with the defaults a store of millions of bookings is read through 128 MB, and a
        // gigabyte of log makes a checkpoint, after which every page is logged whole once more.
        "shared_buffers=512MB".to_owned(),
        "max_wal_size=8GB".to_owned(),
        "checkpoint_timeout=15min".to_owned(),
        "wal_compression=lz4".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        "log_line_prefix=%m [%p] %u ".to_owned(),
        // Rows hold personal data; a failing statement's parameters and a violated key's values stay out of the log.
        "log_parameter_max_length_on_error=0".to_owned(),
        "log_error_verbosity=terse".to_owned(),
    ];
    args.extend(["-D".to_owned(), data.display().to_string()]);
    args.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    Ok(Launch { program, args, env: BTreeMap::new(), directory: data, files: Vec::new() })
}

pub(super) fn probe(instance: &Instance) -> Result<(), String> {
    let port = instance.port(Server::Postgres, Use::Main).to_string();
    let bin = bin(instance).map_err(|error| error.to_string())?;
    let mut ready = Command::new(bin.join("pg_isready"));
    ready.args(["-h", "127.0.0.1", "-t", "2", "-p", &port]);
    run(&mut ready, "").map(drop).map_err(|_| format!("pg_isready says no on port {port}"))
}

/// The database and its owner, who makes everything else by `daybook migrate`. The owner is no superuser: `btree_gist`
/// is a trusted extension, and the roles it makes are its own.
pub(super) fn make_owner(instance: &Instance) -> Result<(), Error> {
    let password = &instance.secrets.postgres_owner;
    let script = format!(
        r"SELECT 'CREATE ROLE daybook_owner' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'daybook_owner') \gexec
ALTER ROLE daybook_owner LOGIN CREATEROLE PASSWORD '{password}';
SELECT 'CREATE DATABASE daybook OWNER daybook_owner' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'daybook') \gexec
"
    );
    let mut psql = Command::new(bin(instance)?.join("psql"));
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres", "-d", "postgres", "-f", "-"]);
    psql.args(["-p", &instance.port(Server::Postgres, Use::Main).to_string()]);
    run(psql.env("PGPASSWORD", &instance.secrets.postgres_superuser), &script).map(drop)
}

fn data(instance: &Instance) -> PathBuf {
    instance.layout.data().join("postgres")
}

/// Of the version that made the data, where there is data.
fn bin(instance: &Instance) -> Result<PathBuf, Error> {
    let version = fs::read_to_string(data(instance).join("PG_VERSION")).ok();
    postgres_bin(version.and_then(|version| version.trim().parse().ok()))
}

/// The user that PostgreSQL runs as, if it cannot be ours.
fn other_user() -> Result<Option<User>, Error> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let user = User::from_name("postgres").ok().flatten();
    user.map(Some).ok_or_else(|| Error::Missing {
        what: "the user `postgres`".to_owned(),
        fix: "PostgreSQL does not run as root; the package `postgresql` makes that user".to_owned(),
    })
}

/// The command line that runs `program` as a user that PostgreSQL accepts. `setpriv` replaces itself by it, so the pid is
/// the server's.
fn prefixed(data: &Path, program: &Path) -> Result<Vec<String>, Error> {
    let program = program.display().to_string();
    let Some(user) = other_user()? else { return Ok(vec![program]) };
    let (uid, gid) = (format!("--reuid={}", user.uid), format!("--regid={}", user.gid));
    let mut command: Vec<String> = ["setpriv", &uid, &gid, "--init-groups"].map(str::to_owned).into();
    let mut reach = Command::new("setpriv");
    if run(reach.args([&uid, &gid, "--init-groups", "test", "-x"]).arg(data), "").is_err() {
        // The workspace lies below a directory that only root may enter, such as /root. The server may then pass through
        // it; it stays an ordinary user in all else that PostgreSQL checks.
        command.extend(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"].map(str::to_owned));
    }
    command.push(program);
    Ok(command)
}
