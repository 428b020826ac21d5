//! Carrying a plan out: rules through the log, by the arbiter; regions, aliases and targets in the store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use daybook_domain::{Request, SourceName, topics};
use daybook_resources::{Definition, Fault, store};
use daybook_runtime::clock;
use daybook_runtime::kafka::Outgoing;
use daybook_wire::{Headers, SCHEMAS, encode_request, frame};
use sqlx::PgPool;
use tokio::time::Instant;

use super::plan::{self, Change, RulesChange};
use crate::config::Config;
use crate::connect;
use crate::failure::Failure;
use crate::input;
use crate::out::{Out, note};
use daybook_resources::nearest::hint;

/// How often the store is asked for a decision.
const POLL: Duration = Duration::from_millis(100);

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Apply {
    /// The file (YAML); `-` for standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// How long to wait for the arbiter.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// Makes the resources what the file says.
pub async fn run(args: &Apply, config: &Config, out: &Out) -> Result<(), Failure> {
    let definitions = load(&args.file)?;
    note_unknown_sources(&definitions, config);
    let pool = connect::store(config)?;
    let role = connect::Role::Ingest;
    let ids: Vec<String> = definitions.iter().map(|definition| definition.id.to_string()).collect();
    let stored = store::resources(&pool, &ids).await.map_err(|error| role.explain("read the resources", &error))?;
    let aliases: Vec<(String, String)> = definitions
        .iter()
        .flat_map(|definition| definition.aliases.keys().map(|(source, alias)| (source.to_string(), alias.clone())))
        .collect();
    let owners =
        store::alias_owners(&pool, &aliases).await.map_err(|error| role.explain("read the aliases", &error))?;
    refuse(&args.file, &plan::conflicts(&definitions, &owners))?;
    let changes = plan::plan(&definitions, &stored);
    out.text(plan::render(&changes))?;
    let besides =
        store::resources_besides(&pool, &ids).await.map_err(|error| role.explain("count the resources", &error))?;
    if besides > 0 {
        out.line(format_args!("\n{besides} more in the store are not in the file and stay as they are"))?;
    }
    let open: Vec<&Change<'_>> = changes.iter().filter(|change| !change.is_empty()).collect();
    if open.is_empty() {
        return out.line("\nnothing to do");
    }
    if args.dry_run {
        return out.line("\ndry run: nothing was changed");
    }
    define(&open, config, &pool, args.timeout).await?;
    let definitions: Vec<&Definition> = open.iter().map(|change| change.definition).collect();
    store::replace_besides_rules(&pool, &definitions)
        .await
        .map_err(|error| role.explain("write regions, aliases and targets (none were changed)", &error))?;
    out.line("\ndone")
}

/// Reads a file, or fails with everything that is wrong with it.
pub fn load(path: &Path) -> Result<Vec<Definition>, Failure> {
    let bytes = input::read(path)?;
    let text =
        String::from_utf8(bytes).map_err(|_| Failure::input(format!("{}: is not UTF-8 text", path.display())))?;
    match daybook_resources::read(&text) {
        Ok(definitions) => Ok(definitions),
        Err(faults) => refuse(path, &faults).map(|()| Vec::new()),
    }
}

fn refuse(path: &Path, faults: &[Fault]) -> Result<(), Failure> {
    if faults.is_empty() {
        return Ok(());
    }
    let lines: String = faults.iter().map(|fault| format!("\n  - {fault}")).collect();
    Err(Failure::input(format!("{} has {} fault(s), and nothing was changed:{lines}", path.display(), faults.len())))
}

/// A source may be set up later, or its settings may not be at hand here; but a slip should show.
fn note_unknown_sources(definitions: &[Definition], config: &Config) {
    let known = || config.sources.keys().map(String::as_str);
    for definition in definitions.iter().filter(|_| !config.sources.is_empty()) {
        let mut sources: Vec<&SourceName> = definition.aliases.keys().map(|(source, _)| source).collect();
        sources.dedup();
        for source in sources.into_iter().filter(|source| !known().any(|known| known == source.as_str())) {
            let hint = hint(source.as_str(), known());
            note(format_args!(
                "note: {} has aliases at {source}, which is no source of these settings{hint}",
                definition.id
            ));
        }
    }
}

/// Sends a `define` for every resource whose rules change, and waits until all are decided.
async fn define(changes: &[&Change<'_>], config: &Config, pool: &PgPool, timeout: Duration) -> Result<(), Failure> {
    let mut waiting = Vec::new();
    for change in changes.iter().filter(|change| change.rules != RulesChange::None) {
        waiting.push(request(change, pool).await?);
    }
    if waiting.is_empty() {
        return Ok(());
    }
    send(&waiting, config).await?;
    let deadline = Instant::now() + timeout;
    for request in &waiting {
        wait(request, pool, deadline, timeout).await?;
    }
    Ok(())
}

/// The request for a change.
async fn request(change: &Change<'_>, pool: &PgPool) -> Result<Request, Failure> {
    let Definition { id, rules, .. } = change.definition;
    let version = match &change.rules {
        RulesChange::None | RulesChange::New => 0,
        RulesChange::From { version, .. } => *version,
    };
    let request = store::open_request(pool, id, rules, version, clock::now()).await;
    request.map_err(|error| connect::Role::Ingest.explain("read decisions", &error))
}

async fn send(requests: &[Request], config: &Config) -> Result<(), Failure> {
    let registry = connect::registry(config)?;
    let (subject, schema) = SCHEMAS[0];
    let id = registry.id_of(subject, schema).await.map_err(|error| {
        Failure::new(format!("cannot get the id of {subject}"), error).next(format!(
            "is the registry up at {} (registry.url), and was daybook schemas apply run?",
            config.registry.url
        ))
    })?;
    let producer = connect::producer(config)?;
    let headers = Headers::new();
    for request in requests {
        let value = frame(id, &encode_request(request));
        let outgoing = Outgoing {
            topic: topics::REQUESTS,
            partition: None,
            key: Some(request.resource.as_str().as_bytes()),
            value: Some(&value),
            headers: &headers,
        };
        producer.send_and_wait(outgoing).await.map_err(|error| {
            Failure::new(format!("cannot send the definition of {}", request.resource), error).next(format!(
                "is a broker up at {} (kafka.brokers)? Running it again sends the same request",
                config.kafka.brokers
            ))
        })?;
    }
    Ok(())
}

async fn wait(request: &Request, pool: &PgPool, deadline: Instant, timeout: Duration) -> Result<(), Failure> {
    loop {
        let decided = store::decided(pool, request.request_id).await;
        match decided.map_err(|error| connect::Role::Ingest.explain("read decisions", &error))? {
            Some((outcome, reason)) if outcome == "rejected" => {
                let reason = reason.unwrap_or_default();
                return Err(Failure::plain(format!("the arbiter refused the rules of {}: {reason}", request.resource))
                    .next(format!("no region, alias or target was changed; request {}", request.request_id)));
            }
            Some(_) => return Ok(()),
            None if Instant::now() >= deadline => {
                let timeout = humantime::format_duration(timeout);
                return Err(Failure::plain(format!(
                    "the arbiter has not decided the rules of {} within {timeout}",
                    request.resource
                ))
                .next(
                    "is daybook-arbiter running and ready? The request is kept and will be decided; no alias or target \
                     was changed: run the same command again",
                ));
            }
            None => tokio::time::sleep(POLL).await,
        }
    }
}
