//! A running installation, as whoever uses it sees it: the door, the store, Kafka, the calendars, the command line.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use daybook_stack::Endpoints;

use crate::caldav::Calendars;
use crate::kafka::Kafka;
use crate::receiver::Report;
use crate::sender::Sender;
use crate::store::Store;

/// Clients of everything. Cheap to clone.
#[derive(Debug, Clone)]
pub struct World {
    /// Where everything is.
    pub endpoints: Endpoints,
    /// For whatever has no client of its own here.
    pub http: reqwest::Client,
    /// The vendors.
    pub sender: Sender,
    /// PostgreSQL, as a reader.
    pub store: Store,
    /// Kafka and the schema registry.
    pub kafka: Kafka,
    /// Radicale.
    pub calendars: Calendars,
    bin_dir: PathBuf,
}

/// How a run of the command line ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Whether it ended with 0.
    pub success: bool,
    /// What it ended with.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Ran {
    /// Both outputs, for a message.
    pub fn everything(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

impl World {
    /// Clients for these addresses. Nothing is connected yet.
    pub fn new(endpoints: Endpoints) -> Result<Self> {
        daybook_runtime::tls::install();
        // A connection of its own for each request: a pooled one may be dead without anybody's fault when the other
        // side was just killed, and the answer would be lost here and not there.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).connect_timeout(Duration::from_secs(10));
        let http = http.build().context("an HTTP client")?;
        Ok(Self {
            sender: Sender::new(
                &http,
                &endpoints.ingest_url,
                &endpoints.calendly_secret,
                &endpoints.generic_secret,
                &endpoints.site_secret,
            )?,
            store: Store::new(&endpoints.postgres.reader)?,
            kafka: Kafka::new(&endpoints.kafka_brokers, &endpoints.registry_url)?,
            calendars: Calendars::new(&http, &endpoints.caldav_url, &endpoints.caldav_user, &endpoints.caldav_password),
            bin_dir: bin_dir()?,
            http,
            endpoints,
        })
    }

    /// Runs `daybook` with these arguments and this standard input.
    pub async fn daybook(&self, arguments: &[&str], input: &str) -> Result<Ran> {
        let mut command = Command::new(self.bin_dir.join("daybook"));
        command.args(arguments);
        // Only this installation's settings: whoever runs this may have sourced another's.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DAYBOOK")) {
            command.env_remove(name);
        }
        command.envs(self.endpoints.variables());
        let input = input.to_owned();
        tokio::task::spawn_blocking(move || run(command, &input)).await.context("running daybook")?
    }

    /// Where `daybook` and the services are.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// What the webhook receiver has received.
    pub async fn received(&self) -> Result<Report> {
        let answer = self.http.get(format!("{}/received", self.endpoints.receiver_url)).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// The text of `/metrics` of every service that answers, by name.
    pub async fn metrics(&self) -> Vec<(&'static str, Result<String>)> {
        let admin = &self.endpoints.admin;
        let services = [
            ("ingest", &admin.ingest),
            ("normalizer", &admin.normalizer),
            ("arbiter", &admin.arbiter),
            ("propagator", &admin.propagator),
        ];
        let mut texts = Vec::new();
        for (name, url) in services {
            texts.push((name, self.text(&format!("{url}/metrics")).await));
        }
        texts
    }

    async fn text(&self, url: &str) -> Result<String> {
        let answer = self.http.get(url).timeout(Duration::from_secs(10)).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }
}

fn run(mut command: Command, input: &str) -> Result<Ran> {
    let program = Path::new(command.get_program()).display().to_string();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
    let mut stdin = child.stdin.take().context("it has a standard input")?;
    // It may end before it has read all of it; its exit code says why.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output()?;
    Ok(Ran {
        success: output.status.success(),
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The directory of the binaries: this one's own, or the one above it for a test.
fn bin_dir() -> Result<PathBuf> {
    let program = std::env::current_exe().context("the path of this program")?;
    let directory = program.parent().context("it lies in a directory")?;
    let above = if directory.ends_with("deps") { directory.parent().unwrap_or(directory) } else { directory };
    ensure!(above.join("daybook").exists(), "there is no daybook beside {}: cargo build --bins", above.display());
    Ok(above.to_owned())
}
