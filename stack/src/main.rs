//! `stack`: brings up and takes down what Daybook needs around it. `make up`, `down`, `clean`, `status`, `demo` and
//! `test` are thin doors to this program; everything it does is in the library.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use daybook_stack::{Engine, Layout, Part, Progress, Purpose, Stack, Status, Until, install};

/// The Daybook stack: Kafka, schema registry, PostgreSQL, CalDAV and the services, on loopback.
#[derive(Parser)]
#[command(name = "stack")]
struct Arguments {
    /// Which instance; others run beside the default one, on other ports.
    #[arg(long, global = true, default_value = "default")]
    instance: String,
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start what is not running yet, and wait until everything is ready.
    Up(Up),
    /// Stop what `up` started. The data stays.
    Down,
    /// Stop it and remove its data, logs and choices. Downloads stay.
    Clean,
    /// Show each part: where it listens, its process, whether it is ready. Fails when one is not.
    Status,
    /// Show a part's log.
    Logs {
        /// kafka, registry, postgres, radicale, ingest, normalizer, arbiter, propagator, receiver.
        part: Part,
        /// Go on as it grows.
        #[arg(short, long)]
        follow: bool,
    },
    /// Print the addresses, for a shell to evaluate.
    Env,
    /// Install what is missing (packages, Kafka, the registry, Radicale), and start nothing.
    Install {
        /// Not what only compiling needs.
        #[arg(long)]
        no_build: bool,
        /// And what only tests need: Node.js.
        #[arg(long)]
        tests: bool,
    },
    /// Bring the instance down once standard input ends; tests start this.
    #[command(hide = true)]
    Guard,
}

#[derive(clap::Args)]
struct Up {
    /// Containers or processes; without this, containers where an engine answers.
    #[arg(long, value_enum, default_value_t = EngineName::Auto)]
    engine: EngineName,
    /// How far to go.
    #[arg(long, value_enum, default_value_t = UntilName::Services)]
    until: UntilName,
    /// Short for `--until servers`.
    #[arg(long, conflicts_with = "until")]
    servers_only: bool,
    /// Take the binaries as they are.
    #[arg(long)]
    no_build: bool,
    /// Take the binaries from this directory, as they are.
    #[arg(long)]
    bin_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum EngineName {
    Auto,
    Native,
    Compose,
}

#[derive(Clone, Copy, ValueEnum)]
enum UntilName {
    Servers,
    Setup,
    Services,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "stack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (layout, progress) = (Layout::find(&arguments.instance)?, Progress::new(false));
    match arguments.command {
        Verb::Up(wanted) => up(&arguments.instance, wanted, &progress)?,
        Verb::Down => Stack::down(&layout, &progress)?,
        Verb::Clean => Stack::clean(&layout, &progress)?,
        Verb::Status => return status(&Stack::attach(&arguments.instance)?),
        Verb::Logs { part, follow } => Stack::attach(&arguments.instance)?.show_log(part, follow)?,
        Verb::Env => {
            let file = layout.env_file();
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("no {}; run `stack up`", file.display()))?;
            io::stdout().write_all(text.as_bytes())?;
        }
        Verb::Install { no_build, tests } => install(&layout, Purpose { build: !no_build, tests }, &progress)?,
        Verb::Guard => daybook_stack::guard(&layout)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn up(instance: &str, wanted: Up, progress: &Progress) -> anyhow::Result<()> {
    let until = if wanted.servers_only { UntilName::Servers } else { wanted.until };
    let until = match until {
        UntilName::Servers => Until::Servers,
        UntilName::Setup => Until::Setup,
        UntilName::Services => Until::Services,
    };
    let engine = match wanted.engine {
        EngineName::Auto => Engine::Auto,
        EngineName::Native => Engine::Native,
        EngineName::Compose => Engine::Compose,
    };
    let build = until != Until::Servers && !wanted.no_build && wanted.bin_dir.is_none();
    let mut builder = Stack::builder().instance(instance).engine(engine).until(until).build(build);
    if let Some(directory) = wanted.bin_dir {
        builder = builder.bin_dir(directory);
    }
    let stack = builder.up()?;
    let endpoints = stack.endpoints();
    progress.say("stack", format_args!("up; addresses are in {}", stack.layout().env_file().display()));
    let mut out = io::stdout().lock();
    writeln!(out, "  kafka      {}", endpoints.kafka_brokers)?;
    writeln!(out, "  registry   {}", endpoints.registry_url)?;
    writeln!(out, "  postgres   . {} && psql \"$DAYBOOK_POSTGRES_URL\"", stack.layout().env_file().display())?;
    writeln!(out, "  calendar   {}", endpoints.caldav_url)?;
    if until == Until::Services {
        writeln!(out, "  ingest     {}", endpoints.ingest_url)?;
        writeln!(out, "  receiver   {}", endpoints.receiver_url)?;
        writeln!(out, "  metrics    {}/metrics and the other services': `make status`", endpoints.admin.ingest)?;
    }
    Ok(())
}

fn status(stack: &Stack) -> anyhow::Result<ExitCode> {
    let rows = stack.status();
    let width = rows.iter().map(|row| row.address.len()).max().unwrap_or(0);
    let mut out = io::stdout().lock();
    writeln!(out, "{:<12} {:<width$} {:>8}  READY", "PART", "ADDRESS", "PID")?;
    for Status { part, address, pid, running: _, ready } in &rows {
        let pid = pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let ready = ready.as_ref().map_or_else(|why| format!("no: {why}"), |()| "yes".to_owned());
        writeln!(out, "{part:<12} {address:<width$} {pid:>8}  {ready}")?;
    }
    let all = rows.iter().all(|row| row.ready.is_ok());
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
