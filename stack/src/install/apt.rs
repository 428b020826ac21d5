//! Distribution packages: each wanted for a reason, and only where the thing itself is missing.

use std::{collections::BTreeSet, path::Path, process::Command};

use nix::unistd::Uid;

use super::{
    Purpose,
    command::{find, run},
    dist,
};
use crate::{error::Error, layout::Layout, part::Server, progress::Progress};

/// What AsyncAPI's parser is written for.
const NODE_MIN: u32 = 18;

/// Something the stack needs, and the package that brings it.
struct Need {
    why: &'static str,
    /// The first one that the distribution has is taken.
    packages: &'static [&'static str],
    met: bool,
}

pub(super) fn install(layout: &Layout, purpose: Purpose, progress: &Progress) -> Result<(), Error> {
    let missing = |purpose| needs(layout, purpose).into_iter().filter(|need| !need.met).collect::<Vec<_>>();
    let wanted = missing(purpose);
    if wanted.is_empty() {
        return Ok(());
    }
    let all: Vec<&str> = wanted.iter().map(|need| need.packages[0]).collect();
    let by_hand = format!("install {} by hand", all.join(", "));
    let absent = |what: &str, fix: String| Error::Missing { what: what.to_owned(), fix };
    let apt = find("apt-get").ok_or_else(|| absent("apt-get", by_hand.clone()))?;
    progress.say("install", "apt-get update");
    run(&mut as_root(&apt, &["-q", "update"]).map_err(|what| absent(what, by_hand.clone()))?, "")?;

    let mut packages = BTreeSet::new();
    for need in &wanted {
        let package = need.packages.iter().find(|package| is_known(package));
        let package =
            package.ok_or_else(|| absent(need.packages[0], format!("the distribution does not have it; {by_hand}")))?;
        progress.say("install", format_args!("{package}: {}", need.why));
        packages.insert(*package);
    }
    let no_cluster = NoCluster::declare(packages.contains("postgresql"));
    let arguments: Vec<&str> = ["-q", "install", "-y", "--no-install-recommends"].into_iter().chain(packages).collect();
    let result = run(&mut as_root(&apt, &arguments).map_err(|what| absent(what, by_hand.clone()))?, "");
    drop(no_cluster);
    result?;

    match missing(purpose).first() {
        None => Ok(()),
        Some(need) => Err(absent(need.packages[0], format!("its package is installed but `{}` is not met", need.why))),
    }
}

fn needs(layout: &Layout, purpose: Purpose) -> Vec<Need> {
    let mut needs = vec![
        Need {
            why: "Java 17 or newer runs Kafka and the schema registry",
            packages: &["openjdk-17-jre-headless", "openjdk-21-jre-headless", "openjdk-25-jre-headless"],
            met: dist::java().is_ok(),
        },
        Need {
            why: "the canonical store, version 15 or newer with btree_gist",
            packages: &["postgresql"],
            met: dist::postgres_bin(None).is_ok(),
        },
    ];
    if !dist::has(Server::Kafka, layout) || !dist::has(Server::Registry, layout) {
        let why = "downloads Kafka and the schema registry";
        needs.push(Need { why, packages: &["maven"], met: find("mvn").is_some() });
    }
    if !dist::has(Server::Radicale, layout) {
        let script = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))";
        let met = find("python3").is_some_and(|python| run(Command::new(python).args(["-c", script]), "").is_ok());
        needs.push(Need { why: "runs Radicale, the CalDAV server", packages: &["python3-venv"], met });
    }
    if purpose.build {
        let any = |names: &[&str]| names.iter().any(|name| find(name).is_some());
        let header =
            |name: &str| ["/usr/include", "/usr/local/include"].iter().any(|at| Path::new(at).join(name).exists());
        let why = "compiles librdkafka, the Kafka client that the services link";
        needs.extend([
            Need { why, packages: &["g++"], met: any(&["g++", "c++"]) && any(&["gcc", "cc"]) },
            Need { why, packages: &["make"], met: any(&["make"]) },
            Need { why, packages: &["pkg-config"], met: any(&["pkg-config"]) },
            Need { why, packages: &["libssl-dev"], met: header("openssl/ssl.h") },
            Need { why, packages: &["zlib1g-dev"], met: header("zlib.h") },
            Need {
                why: "writes to Kafka in the README's words, for a test: a client that is not ours",
                packages: &["kcat"],
                met: any(&["kcat"]),
            },
        ]);
    }
    if purpose.tests {
        let why = "runs AsyncAPI's own parser, 18 or newer";
        needs.push(Need { why, packages: &["nodejs"], met: node().is_some_and(|major| major >= NODE_MIN) });
        let why = "installs AsyncAPI's own parser";
        needs.push(Need { why, packages: &["npm"], met: find("npm").is_some() });
    }
    needs
}

/// The major version of Node.js, if it is there.
fn node() -> Option<u32> {
    let version = run(Command::new(find("node")?).arg("--version"), "").ok()?;
    version.trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

fn is_known(package: &str) -> bool {
    let policy = run(Command::new("apt-cache").args(["policy", package]).env("LC_ALL", "C"), "").unwrap_or_default();
    policy.lines().any(|line| line.trim().starts_with("Candidate:") && !line.ends_with("(none)"))
}

/// As root directly, else through sudo where that asks for no password: nobody sits at the other end of its prompt.
pub(super) fn as_root(program: &Path, arguments: &[&str]) -> Result<Command, &'static str> {
    let mut command = if Uid::effective().is_root() {
        Command::new(program)
    } else {
        let mut sudo = Command::new(find("sudo").ok_or("sudo (packages can be installed by root only)")?);
        sudo.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive"]).arg(program);
        sudo
    };
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}

/// While this lives, Debian's postgresql package makes and starts no server of its own: it would take port 5432 and
/// stay for ever, on a machine that asked for neither.
struct NoCluster(Option<String>);

impl NoCluster {
    fn declare(wanted: bool) -> NoCluster {
        let directory = "/etc/postgresql-common/createcluster.d";
        let file = format!("{directory}/daybook-stack.conf");
        let script = format!("mkdir -p {directory} && echo 'create_main_cluster = false' > {file}");
        let written = wanted && shell_as_root(&script);
        NoCluster(written.then_some(file))
    }
}

impl Drop for NoCluster {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            shell_as_root(&format!("rm -f {file}"));
        }
    }
}

/// Whether a line of shell, run as root, succeeded.
fn shell_as_root(script: &str) -> bool {
    as_root(Path::new("/bin/sh"), &["-c", script]).is_ok_and(|mut command| run(&mut command, "").is_ok())
}
