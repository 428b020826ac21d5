//! `daybook pause`, `resume`, `freeze`, `thaw`, `paused`: what is stopped by hand, by whom, and why.

use clap::{Args, Subcommand};
use daybook_domain::{SourceName, TargetName};
use daybook_runtime::clock;
use serde_json::json;

use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::{Out, note};
use crate::person::{sound, who};
use crate::store::{self, BrakeRow};
use crate::table;
use crate::text;

/// What is stopped, or goes on.
#[derive(Debug, Clone, Subcommand)]
pub enum What {
    /// What is told to a target.
    Target {
        /// Its name.
        #[arg(value_name = "TARGET")]
        name: TargetName,
    },
    /// What a source's API is asked: its calendars, and the states that its deliveries speak of. What it sends by itself is kept.
    Source {
        /// Its name.
        #[arg(value_name = "SOURCE")]
        name: SourceName,
    },
}

impl What {
    fn key(&self) -> (&'static str, &str) {
        match self {
            Self::Target { name } => ("target", name.as_str()),
            Self::Source { name } => ("source", name.as_str()),
        }
    }
}

/// See [`crate::args`].
#[derive(Debug, Args)]
pub struct Pause {
    /// What is stopped.
    #[command(subcommand)]
    what: What,
    /// Why, for whoever asks later. Must be given.
    #[arg(long, value_name = "TEXT", global = true, default_value = "", hide_default_value = true)]
    reason: String,
    /// Who does it; without this, the user of this machine.
    #[arg(long, value_name = "NAME", global = true)]
    by: Option<String>,
}

/// See [`crate::args`].
#[derive(Debug, Args)]
pub struct Resume {
    /// What goes on.
    #[command(subcommand)]
    what: What,
}

/// See [`crate::args`].
#[derive(Debug, Args)]
pub struct Freeze {
    /// Why, for whoever asks later.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who does it; without this, the user of this machine.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// See [`crate::args`].
#[derive(Debug, Args)]
pub struct Paused {
    /// One JSON object a line, for programs.
    #[arg(long)]
    json: bool,
}

/// Nothing of all targets has a name.
const ALL: (&str, &str) = ("all", "");

/// Stops one thing.
pub async fn pause(args: &Pause, config: &Config, out: &Out) -> Result<(), Failure> {
    let key = args.what.key();
    let (kind, name) = key;
    if !put(key, &args.reason, args.by.as_deref(), config).await? {
        note(format_args!(
            "no resource knows a {kind} {name}: is it spelt as in the settings? It is paused all the same"
        ));
    }
    out.line(format_args!("{kind} {name} is paused within five seconds; daybook resume {kind} {name} ends it"))
}

/// Stops whatever is told to any target.
pub async fn freeze(args: &Freeze, config: &Config, out: &Out) -> Result<(), Failure> {
    let _ = put(ALL, &args.reason, args.by.as_deref(), config).await?;
    out.line("no target is told anything from within five seconds on; daybook thaw ends it")
}

/// Lets one thing go on.
pub async fn resume(args: &Resume, config: &Config, out: &Out) -> Result<(), Failure> {
    let (kind, name) = args.what.key();
    if release((kind, name), config).await? {
        return out.line(format_args!("{kind} {name} goes on within five seconds"));
    }
    Err(Failure::plain(format!("{kind} {name} is not paused")).next("daybook paused lists what is"))
}

/// Lets targets be told again.
pub async fn thaw(config: &Config, out: &Out) -> Result<(), Failure> {
    if release(ALL, config).await? {
        return out.line("targets are told again within five seconds, but for those that are paused by themselves");
    }
    Err(Failure::plain("nothing is frozen").next("daybook paused lists what is paused"))
}

/// Lists what is stopped.
pub async fn paused(args: &Paused, config: &Config, out: &Out) -> Result<(), Failure> {
    let pool = connect::store(config)?;
    let rows = store::brakes(&pool).await.map_err(|error| Role::Reader.explain("read what is paused", &error))?;
    if args.json {
        return rows.iter().try_for_each(|row| out.line(object(row)));
    }
    if rows.is_empty() {
        return out.line("nothing is paused");
    }
    let now = clock::now();
    let lines: Vec<_> = rows
        .iter()
        .map(|row| {
            let what = if row.kind == "all" { "every target".to_owned() } else { format!("{} {}", row.kind, row.name) };
            vec![what, format!("{} ago", text::span(now.since(row.since))), row.who.clone(), row.reason.clone()]
        })
        .collect();
    out.text(table::draw(&["paused", "since", "by", "reason"], &lines))
}

/// Whether what is stopped is known to anybody.
async fn put(key: (&str, &str), reason: &str, by: Option<&str>, config: &Config) -> Result<bool, Failure> {
    let (reason, who) = (sound("--reason", reason)?, who(by)?);
    let pool = connect::store(config)?;
    let put = async {
        store::put_brake(&pool, key, &who, reason).await?;
        store::is_known(&pool, key).await
    };
    put.await.map_err(|error| Role::Ingest.explain("pause it", &error))
}

async fn release(key: (&str, &str), config: &Config) -> Result<bool, Failure> {
    let pool = connect::store(config)?;
    store::release_brake(&pool, key).await.map_err(|error| Role::Ingest.explain("let it go on", &error))
}

fn object(row: &BrakeRow) -> serde_json::Value {
    json!({"kind": row.kind, "name": row.name, "since": row.since.to_string(), "by": row.who, "reason": row.reason})
}
