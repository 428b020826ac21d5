//! `daybook`: the command line for the people who run Daybook and answer for it.
//!
//! In: arguments, the settings of one installation, files. Out: text for a person, and an exit code: 0 done, 1 failed,
//! 2 faulty input or settings. One command is one file; what is pure (checking a file, wording a page, drawing a table)
//! is apart from what asks Kafka or PostgreSQL, and SQL is in `store.rs`.
//! Absent on purpose: deciding anything. A change of a resource's rules is a request like any other; only its aliases
//! and targets, which no decision reads, are written directly, who may call the API, and how a compensation was settled. `audit replay` decides
//! once more what was decided, to compare, and keeps nothing of it.

mod aliases;
mod args;
mod audit;
mod booking;
mod brakes;
mod compensations;
mod config;
mod conflicts;
mod connect;
mod decisions;
mod decode;
mod dlq;
mod drift;
mod explain;
mod failure;
mod healthcheck;
mod input;
mod keys;
mod migrate;
mod out;
mod person;
mod resources;
#[cfg(test)]
mod sample;
mod schemas;
mod sources;
mod status;
mod store;
mod sync;
mod table;
mod text;
mod topics;
mod whatif;
mod why;
mod words;

use std::process::ExitCode;

use clap::Parser;
use daybook_runtime::config::{Origin, load};

use args::{
    Aliases, Args, Audit, Booking, Command, Compensation, Decisions, Dlq, Keys, Resources, Schemas, Sources, Topics,
};
use config::Config;
use failure::Failure;
use out::Out;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out::complain(&failure);
            failure.code()
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    daybook_runtime::tls::install();
    let config: Config = load(&Origin { file: args.config.clone(), ..Origin::default() }).map_err(Failure::Settings)?;
    daybook_runtime::telemetry::init(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("cannot start", error))?;
    let done = runtime.block_on(dispatch(args.command, &config, &Out));
    // A thread that still waits for a broker must not keep the person waiting.
    runtime.shutdown_background();
    done
}

async fn dispatch(command: Command, config: &Config, out: &Out) -> Result<(), Failure> {
    match command {
        Command::Migrate => migrate::run(config, out).await,
        Command::Topics(Topics::Apply) => topics::apply(config, out).await,
        Command::Schemas(Schemas::Apply) => schemas::apply(config, out).await,
        Command::Resources(Resources::Apply(args)) => resources::run(&args, config, out).await,
        Command::Aliases(Aliases::Unmatched(args)) => aliases::unmatched(&args, config, out).await,
        Command::Sync(args) => sync::run(&args, config, out).await,
        Command::Pause(args) => brakes::pause(&args, config, out).await,
        Command::Resume(args) => brakes::resume(&args, config, out).await,
        Command::Freeze(args) => brakes::freeze(&args, config, out).await,
        Command::Thaw => brakes::thaw(config, out).await,
        Command::Paused(args) => brakes::paused(&args, config, out).await,
        Command::Status(args) => status::run(&args, config, out).await,
        Command::Whatif(args) => whatif::run(&args, config, out),
        Command::Sources(Sources::Status(args)) => sources::status(&args, config, out).await,
        Command::Keys(Keys::Create(args)) => keys::create(&args, config, out).await,
        Command::Keys(Keys::List(args)) => keys::list(&args, config, out).await,
        Command::Keys(Keys::Revoke(args)) => keys::revoke(&args, config, out).await,
        Command::Booking(Booking::Show(args)) => booking::show(&args, config, out).await,
        Command::Decisions(Decisions::Tail(args)) => decisions::tail(&args, config, out).await,
        Command::Why(args) => why::run(&args, config, out).await,
        Command::Audit(Audit::Verify(args)) => audit::verify(&args, config, out).await,
        Command::Audit(Audit::Replay(args)) => audit::replay(&args, config, out).await,
        Command::Conflicts(args) => conflicts::run(&args, config, out).await,
        Command::Drift(args) => drift::run(&args, config, out).await,
        Command::Compensations(args) => match &args.command {
            None => compensations::list(&args.list, config, out).await,
            Some(Compensation::Close(args)) => compensations::close(args, config, out).await,
        },
        Command::Dlq(Dlq::List(args)) => dlq::list(&args, config, out).await,
        Command::Dlq(Dlq::Show(args)) => dlq::show(&args, config, out).await,
        Command::Dlq(Dlq::Replay(args)) => dlq::replay(&args, config, out).await,
        Command::Dlq(Dlq::Discard(args)) => dlq::discard(&args, config, out).await,
        Command::Explain(args) => explain::run(&args, config, out),
        Command::Healthcheck { url } => healthcheck::run(&url, out).await,
    }
}
