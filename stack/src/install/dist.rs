//! Downloads: Kafka and the registry through Maven, Radicale through pip; and where the installed things are.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::command::{find, run};
use crate::{error::Error, layout::Layout, part::Server, progress::Progress};

/// The oldest PostgreSQL the migrations are written for.
const POSTGRES_MIN: u32 = 15;
/// Kafka 4 brokers need Java 17.
const JAVA_MIN: u32 = 17;
const KAFKA_POM: &str = include_str!("../../kafka-pom.xml");
const REGISTRY: &str = "io.apicurio:apicurio-registry-app:2.5.11.Final:tar.gz:all";
const RADICALE: &str = include_str!("../../radicale.txt");

/// One directory below `dist/`, complete when it holds its own recipe.
pub(super) struct Download {
    pub name: &'static str,
    pub recipe: &'static str,
    pub what: &'static str,
}

const KAFKA: Download =
    Download { name: "kafka-4.1.1", recipe: KAFKA_POM, what: "Apache Kafka 4.1.1 from Maven Central, 54 MB" };
const APICURIO: Download =
    Download { name: "apicurio-2.5.11", recipe: REGISTRY, what: "Apicurio Registry 2.5.11 from Maven Central, 140 MB" };
const CALDAV: Download = Download { name: "radicale-3.9.0", recipe: RADICALE, what: "Radicale 3.9.0 from PyPI, 2 MB" };

impl Download {
    fn home(&self, layout: &Layout) -> PathBuf {
        layout.dist().join(self.name)
    }

    fn is_complete(&self, layout: &Layout) -> bool {
        self.file(&layout.dist(), "complete").is_some()
    }

    /// A file of it, if all of it is there.
    pub fn file(&self, dist: &Path, file: &str) -> Option<PathBuf> {
        let home = dist.join(self.name);
        let complete = fs::read_to_string(home.join("complete")).is_ok_and(|recipe| recipe == self.recipe);
        Some(home.join(file)).filter(|file| complete && file.is_file())
    }

    pub fn make(
        &self,
        layout: &Layout,
        progress: &Progress,
        make: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<(), Error> {
        progress.say("install", self.what);
        let home = self.home(layout);
        if home.exists() {
            fs::remove_dir_all(&home).map_err(Error::io("remove", &home))?;
        }
        fs::create_dir_all(&home).map_err(Error::io("create", &home))?;
        make(&home)?;
        fs::write(home.join("complete"), self.recipe).map_err(Error::io("write", &home))
    }
}

/// Whether everything that this server is made of has been downloaded; PostgreSQL is a package.
pub(super) fn has(server: Server, layout: &Layout) -> bool {
    match server {
        Server::Kafka => KAFKA.is_complete(layout),
        Server::Registry => APICURIO.is_complete(layout),
        Server::Postgres => true,
        // A virtual environment whose Python was upgraded away is as good as none.
        Server::Radicale => CALDAV.is_complete(layout) && python(layout).exists(),
    }
}

pub(super) fn install(server: Server, layout: &Layout, progress: &Progress) -> Result<(), Error> {
    if has(server, layout) {
        return Ok(());
    }
    match server {
        Server::Kafka => KAFKA.make(layout, progress, kafka),
        Server::Registry => APICURIO.make(layout, progress, registry),
        Server::Postgres => Ok(()),
        Server::Radicale => CALDAV.make(layout, progress, radicale),
    }
}

fn kafka(home: &Path) -> Result<(), Error> {
    fs::write(home.join("pom.xml"), KAFKA_POM).map_err(Error::io("write", home))?;
    let output = format!("-DoutputDirectory={}", home.join("libs").display());
    maven(home, &["dependency:copy-dependencies", "-DincludeScope=runtime", &output])
}

fn registry(home: &Path) -> Result<(), Error> {
    let archive = home.join("archive");
    let (artifact, output) = (format!("-Dartifact={REGISTRY}"), format!("-DoutputDirectory={}", archive.display()));
    maven(home, &["dependency:copy", &artifact, &output])?;
    let file = entries(&archive).into_iter().find(|path| path.extension().is_some_and(|kind| kind == "gz"));
    let file = file.ok_or_else(|| missing("the registry's archive", "Maven said it was there; run again"))?;
    run(Command::new("tar").arg("-xzf").arg(file).arg("-C").arg(home), "")?;
    fs::remove_dir_all(&archive).map_err(Error::io("remove", archive))
}

fn radicale(home: &Path) -> Result<(), Error> {
    let python = find("python3").ok_or_else(|| missing("python3", "install python3-venv"))?;
    run(Command::new(python).args(["-m", "venv"]).arg(home), "")?;
    let requirements = home.join("requirements.txt");
    fs::write(&requirements, RADICALE).map_err(Error::io("write", &requirements))?;
    let mut pip = Command::new(home.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"]).arg(requirements);
    run(&mut pip, "").map(drop)
}

/// `-cp` for anything of Kafka's; Java itself expands the star.
pub(crate) fn kafka_classpath(layout: &Layout) -> String {
    KAFKA.home(layout).join("libs/*").display().to_string()
}

/// The directory that the registry's runner jar starts in.
pub(crate) fn registry_home(layout: &Layout) -> (PathBuf, String) {
    (APICURIO.home(layout), "apicurio-registry-app-2.5.11.Final-runner.jar".to_owned())
}

/// The Python that has Radicale.
pub(crate) fn python(layout: &Layout) -> PathBuf {
    CALDAV.home(layout).join("bin/python")
}

/// A Java that is new enough: JAVA_HOME's, then PATH's, then any that the distribution installed.
pub(crate) fn java() -> Result<PathBuf, Error> {
    let home = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let installed = entries(Path::new("/usr/lib/jvm")).into_iter().map(|home| home.join("bin/java"));
    let candidates = home.into_iter().chain(find("java")).chain(installed);
    candidates
        .filter(|java| java.exists())
        .find(|java| java_version(java).is_some_and(|version| version >= JAVA_MIN))
        .ok_or_else(|| missing("Java 17 or newer", "install openjdk-17-jre-headless, or set JAVA_HOME"))
}

/// The `bin` of a PostgreSQL: the newest that will do, or just `major`, which made the data that is there.
pub(crate) fn postgres_bin(major: Option<u32>) -> Result<PathBuf, Error> {
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut found: Vec<(u32, PathBuf)> = entries(Path::new("/usr/lib/postgresql"))
        .into_iter()
        .filter_map(|path| Some((version(&path)?, path.join("bin"))))
        .filter(|(version, bin)| {
            *version >= POSTGRES_MIN && bin.join("postgres").exists() && bin.join("initdb").exists()
        })
        .filter(|(version, _)| {
            Path::new(&format!("/usr/share/postgresql/{version}/extension/btree_gist.control")).exists()
        })
        .filter(|(version, _)| major.is_none_or(|major| major == *version))
        .collect();
    found.sort();
    let (what, fix) = match major {
        None => ("PostgreSQL 15 or newer".to_owned(), "install postgresql".to_owned()),
        Some(major) => (
            format!("PostgreSQL {major}, which made the data of this instance,"),
            format!("install postgresql-{major}, or give the data up with `make clean`"),
        ),
    };
    found.pop().map(|(_, bin)| bin).ok_or(Error::Missing { what, fix })
}

fn maven(directory: &Path, arguments: &[&str]) -> Result<(), Error> {
    let mvn = find("mvn").ok_or_else(|| missing("mvn", "install maven"))?;
    let mut command = Command::new(mvn);
    command.args(["--quiet", "--batch-mode", "--no-transfer-progress"]).args(arguments).current_dir(directory);
    run(&mut command, "").map(drop)
}

/// Read from the `release` file beside it, because starting a JVM to ask takes longer than everything else here.
fn java_version(java: &Path) -> Option<u32> {
    let real = java.canonicalize().ok()?;
    let release = fs::read_to_string(real.parent()?.parent()?.join("release")).ok()?;
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
    version.split(['.', '"', '-', '_']).next()?.parse().ok()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn missing(what: &str, fix: &str) -> Error {
    Error::Missing { what: what.to_owned(), fix: fix.to_owned() }
}
