//! The life of a service, the same for all four: arguments, configuration, logs, administrative port, work, drain.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use prometheus::Registry;

use crate::admin::{self, AdminConfig, Health};
use crate::args::ServiceArgs;
use crate::config::{self, Origin, Tree};
use crate::lifecycle::Lifecycle;
use crate::metrics::CommonMetrics;
use crate::telemetry::{self, LogConfig};
use crate::tls;

/// How long tasks may take to stop. Below the 30 s that Kubernetes grants by default.
const DRAIN: Duration = Duration::from_secs(25);

/// A service's configuration, as far as its life needs it.
pub trait ServiceConfig: Tree + fmt::Debug {
    /// How to log.
    fn log(&self) -> &LogConfig;
    /// Where the administrative port is.
    fn admin(&self) -> &AdminConfig;
}

/// What a service's parts share.
#[derive(Debug, Clone)]
pub struct Service {
    /// Shutdown and tasks.
    pub life: Lifecycle,
    /// Who beats, and who waits for what.
    pub health: Health,
    /// Where metrics are registered.
    pub registry: Registry,
    /// The metrics that every service has.
    pub metrics: CommonMetrics,
    /// Where its settings come from.
    pub origin: Origin,
}

impl Service {
    /// The shared parts of a service of this name.
    pub fn new(name: &str) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let metrics = CommonMetrics::of(name, &registry)?;
        Ok(Self { life: Lifecycle::new(), health: Health::new(), registry, metrics, origin: Origin::default() })
    }
}

/// Runs a service to its end. `start` sets its tasks going and comes back. Exit codes: 0 for a stop that was asked for,
/// 1 for a fatal error, 2 for a faulty configuration.
pub fn main<C: ServiceConfig>(
    name: &'static str,
    start: impl AsyncFnOnce(C, &Service) -> Result<(), Box<dyn Error + Send + Sync>>,
) -> ExitCode {
    let args = ServiceArgs::parse();
    let origin = Origin { file: args.config, secrets: args.secrets };
    let config: C = match config::load(&origin) {
        Ok(config) => config,
        Err(faults) => {
            say(&faults);
            return ExitCode::from(2);
        }
    };
    if args.print_config {
        say(&format_args!("{config:#?}"));
    }
    if args.check_config {
        say(&"the configuration is sound");
    }
    if args.print_config || args.check_config {
        return ExitCode::SUCCESS;
    }
    telemetry::init(config.log());
    tls::install();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format_args!("cannot start the asynchronous runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(name, config, origin, start));
    // A thread that hangs in a library's call must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(3));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = &*error, service = name, "ended by a fatal error");
            ExitCode::FAILURE
        }
    }
}

async fn run<C: ServiceConfig>(
    name: &'static str,
    config: C,
    origin: Origin,
    start: impl AsyncFnOnce(C, &Service) -> Result<(), Box<dyn Error + Send + Sync>>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let service = Service { origin, ..Service::new(name)? };
    let shutdown = service.life.shutdown().clone();
    let (address, server) =
        admin::serve(config.admin(), service.registry.clone(), service.health.clone(), shutdown).await?;
    service.life.spawn("admin port", server);
    tracing::info!(service = name, admin = %address, version = env!("CARGO_PKG_VERSION"), "started");
    start(config, &service).await?;
    service.life.wait(DRAIN).await.map_err(Into::into)
}

/// To the person at the terminal, before there are logs.
#[allow(clippy::print_stderr, reason = "there are no logs yet, and this is for the person who started it")]
fn say(text: &dyn fmt::Display) {
    eprintln!("{text}");
}
