//! What is promised to others in writing, held against what runs, by tools that are not ours: the topics by AsyncAPI's own
//! parser, the API by Schemathesis.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use daybook_domain::SourceName;
use daybook_domain::topics::{self, DLQ_ARBITER, DLQ_NORMALIZER, DLQ_PROPAGATOR, Kept, OUTCOMES, REQUESTS};
use daybook_runtime::clock;
use daybook_runtime::kafka::{Outgoing, Record};
use daybook_tests::calendly::Invitee;
use daybook_tests::generic::Appointment;
use daybook_tests::people::Person;
use daybook_tests::resources::{Resource, yaml};
use daybook_tests::seed::seed;
use daybook_tests::sender::Webhook;
use daybook_tests::wait::{not_yet, wait_until};
use daybook_wire::{Headers, decode_request};
use serde_json::{Value, json};

use crate::instance::{Instance, SOON, note, shared, soak};
use crate::peers::{python, run};

const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn the_document_of_the_topics_names_each_as_it_is_made() -> Result<()> {
    let text = std::fs::read_to_string(document())?;
    let document: Value = serde_norway::from_str(&text).context("avro/asyncapi.yaml is no YAML")?;
    let channels = document["channels"].as_object().context("channels")?;
    let mut named = BTreeSet::new();
    for topic in topics::all(&["source".parse()?]) {
        let address = if topic.name.starts_with("raw.") { "raw.{source}" } else { topic.name.as_str() };
        let channel = channels.values().find(|channel| channel["address"] == address);
        let kafka = &channel.with_context(|| format!("{address} has no channel"))?["bindings"]["kafka"];
        ensure!(kafka["partitions"] == topic.partitions, "{address}: {} partitions", kafka["partitions"]);
        let kept = match topic.kept {
            Kept::For(span) => json!({"cleanup.policy": ["delete"], "retention.ms": millis(span)}),
            Kept::NewestOfKey { lag_max } => {
                json!({"cleanup.policy": ["compact"], "max.compaction.lag.ms": millis(lag_max)})
            }
        };
        ensure!(kafka["topicConfiguration"] == kept, "{address} keeps {}, not {kept}", kafka["topicConfiguration"]);
        named.insert(address.to_owned());
    }
    let others: Vec<&Value> = channels.values().map(|channel| &channel["address"]).collect();
    ensure!(others.len() == named.len(), "{others:?} are channels, and {named:?} are topics");
    Ok(())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[test]
fn every_record_of_every_topic_is_what_the_document_says_by_asyncapis_own_parser() -> Result<()> {
    shared(async |it| {
        let checker = it.stack.layout().dist();
        something_on_every_topic(it).await?;
        let sources = ["calendly", "generic"].map(|name| name.parse::<SourceName>());
        let sources: Vec<SourceName> = sources.into_iter().collect::<Result<_, _>>()?;
        let mut lines = String::new();
        for topic in topics::all(&sources) {
            for record in it.world.kafka.records(&topic.name).await? {
                if is_sound(it, &record).await {
                    writeln!(lines, "{}", line(&record))?;
                }
            }
        }
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.ndjson", it.name("records")));
        std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR"))?;
        std::fs::write(&file, lines)?;
        let said =
            run(Command::new("node").current_dir(node(&checker)?).arg("asyncapi.mjs").arg(document()).arg(&file));
        std::fs::remove_file(&file)?;
        let counts: BTreeMap<String, u64> = serde_json::from_str(&said?)?;
        let empty: Vec<&String> = counts.iter().filter(|(_, count)| **count == 0).map(|(address, _)| address).collect();
        ensure!(empty.is_empty(), "no record was read of {empty:?}");
        note(&format!("read by the AsyncAPI document: {counts:?}"));
        Ok(())
    })
}

/// What a test has put there to be unreadable is read by nobody, and is no part of the contract.
async fn is_sound(it: &Instance, record: &Record) -> bool {
    match (&*record.topic, &record.value) {
        (REQUESTS, Some(value)) => it.world.kafka.decode(value, decode_request).await.is_ok(),
        (REQUESTS, None) => false,
        (topic, _) if topic.starts_with("raw.") => record.headers.get("ce_id").is_some_and(|id| !id.is_empty()),
        _ => true,
    }
}

fn line(record: &Record) -> Value {
    let headers = record.headers.0.iter().map(|(name, value)| (name.clone(), STANDARD.encode(value).into()));
    json!({
        "topic": record.topic,
        "key": record.key.as_ref().map(|key| STANDARD.encode(key)),
        "value": record.value.as_ref().map(|value| STANDARD.encode(value)),
        "headers": headers.collect::<serde_json::Map<String, Value>>(),
    })
}

/// A booking that is shown everywhere, an event and a request that nobody can read, a calendar that is not there.
async fn something_on_every_topic(it: &Instance) -> Result<()> {
    let (resource, lost) = (Resource::new(it.name("contract")), Resource::new(it.name("lost")));
    it.world.load(std::slice::from_ref(&resource)).await?;
    let applied = it.world.daybook(&["resources", "apply", "-f", "-"], &yaml(std::slice::from_ref(&lost))).await?;
    ensure!(applied.success, "{}", applied.everything());
    let now = clock::now();
    let at = |hours: u32| (now.plus(HOUR * hours), now.plus(HOUR * (hours + 1)));
    let ((one, one_end), (two, two_end)) = (at(24), at(48));
    let visit = Appointment::new(&resource.alias, Person::invent(), one, one_end);
    let mut torn = visit.created();
    torn.as_object_mut().context("an object")?.remove("start");
    let invitee = Invitee::new(&resource.host, Person::invent(), two, two_end, now);
    let nowhere = Appointment::new(&lost.alias, Person::invent(), one, one_end);
    let events = [visit.created(), nowhere.created()];
    let sound = [Webhook::generic(it.name("sound"), &events), Webhook::calendly(&invitee.created())];
    for webhook in sound.iter().chain([&Webhook::generic(it.name("torn"), &[torn])]) {
        ensure!(it.world.sender.send(webhook).await?.status == 200, "not accepted");
    }
    let headers = Headers::new();
    let key = Some(resource.id.as_bytes());
    let value = Some(&b"nothing of ours"[..]);
    let unreadable = Outgoing { topic: REQUESTS, partition: None, key, value, headers: &headers };
    it.world.kafka.producer()?.send_and_wait(unreadable).await?;
    it.decided(&sound.iter().flat_map(Webhook::request_ids).collect::<Vec<_>>()).await?;
    it.delivered(&resource.id).await?;
    wait_until("a record on every topic", SOON, async || {
        for topic in [OUTCOMES, DLQ_NORMALIZER, DLQ_ARBITER, DLQ_PROPAGATOR] {
            let records = it.world.kafka.records(topic).await?;
            not_yet(!records.is_empty(), || format!("{topic} is empty"))?;
        }
        Ok(())
    })
    .await
}

/// Every example of the document, every boundary of a value, and so many random calls of each operation, right and wrong
/// ones, with a key that may do everything. What is looked at: no 5xx; only statuses, media types, headers and bodies that
/// the document has; no answer without a key, nor to a method that is not there; what does not fit the schema is refused.
/// One check is left out: that whatever fits the schema is accepted. No schema can say that `to` is after `from`.
#[test]
fn the_api_keeps_its_own_document_for_a_fuzzer_that_is_not_ours() -> Result<()> {
    shared(async |it| {
        let fuzzer = schemathesis(&it.stack.layout().dist())?;
        let resource = Resource::unseen(it.name("fuzzed"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let start = clock::now().plus(HOUR * 24);
        let visit = Appointment::new(&resource.alias, Person::invent(), start, start.plus(HOUR));
        let booked = Webhook::generic(it.name("fuzzed"), &[visit.created()]);
        ensure!(it.world.sender.send(&booked).await?.status == 200, "not accepted");
        let row = it.decided(&[booked.request_id(0)]).await?.remove(0);
        let booking = row.booking_id.context("it is booked")?;
        let program = it.world.caller("fuzzer", &["admin"]).await?;

        // Ids that nobody guesses: with them the calls get past the first look-up.
        let config = format!(
            "[[operations]]\ninclude-name = \"GET /v1/resources/{{id}}/availability\"\nparameters = {{ id = \"{}\" }}\n\
             [[operations]]\ninclude-name = \"GET /v1/bookings/{{id}}\"\nparameters = {{ id = \"{booking}\" }}\n",
            resource.id
        );
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.toml", it.name("schemathesis")));
        std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR"))?;
        std::fs::write(&file, config)?;
        let examples = if soak() { "500" } else { "25" };
        let seed = seed("the fuzzer").to_string();
        let mut command = Command::new(fuzzer);
        // It keeps what it has found beside where it was started.
        command.current_dir(env!("CARGO_TARGET_TMPDIR"));
        command.arg("--config-file").arg(&file).arg("run");
        command.arg(format!("{}/v1/openapi.json", it.world.endpoints.ingest_url));
        command.arg("--header").arg(format!("Authorization: Bearer {}", program.key()));
        command.args(["--checks", "all", "--exclude-checks", "positive_data_acceptance", "--continue-on-failure"]);
        command.args(["--max-examples", examples, "--seed", &seed, "--request-timeout", "30", "--no-color"]);
        let said = tokio::task::spawn_blocking(move || run(command.env("PYTHONUTF8", "1"))).await?;
        std::fs::remove_file(&file)?;
        let said = said?;
        let summary =
            said.lines().find(|line| line.contains(" generated, ")).context("it says how many calls it made")?;
        note(&format!("Schemathesis: {}", summary.trim()));
        Ok(())
    })
}

/// Schemathesis, installed once as it is pinned and kept with the other downloads.
fn schemathesis(downloads: &Path) -> Result<PathBuf> {
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/schemathesis.txt");
    Ok(python(downloads, "schemathesis-4.32.5", &pinned)?.with_file_name("schemathesis"))
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../avro/asyncapi.yaml")
}

/// AsyncAPI's parser, installed once from the lock file and kept with the other downloads.
fn node(downloads: &Path) -> Result<PathBuf> {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
    let home = downloads.join("asyncapi-parser-3.6.6");
    std::fs::create_dir_all(&home)?;
    let read = |directory: &Path, file: &str| std::fs::read(directory.join(file)).unwrap_or_default();
    let is_same = read(&home, "complete") == read(&contracts, "package-lock.json");
    for file in ["package.json", "package-lock.json", "asyncapi.mjs"] {
        std::fs::copy(contracts.join(file), home.join(file))?;
    }
    if !is_same {
        // Nothing that a package wants to run at its installation is run.
        run(Command::new("npm").current_dir(&home).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
        std::fs::copy(home.join("package-lock.json"), home.join("complete"))?;
    }
    Ok(home)
}
