//! A reader that is not ours, by the recipe that the README gives: Python, Avro by the registry, two tables in SQLite.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use daybook_domain::topics;
use daybook_runtime::clock;
use daybook_runtime::kafka::{Outgoing, Record};
use daybook_stack::Service;
use daybook_tests::calendly::Invitee;
use daybook_tests::generic::Appointment;
use daybook_tests::oracle::{judge, settle};
use daybook_tests::people::Person;
use daybook_tests::resources::Resource;
use daybook_tests::sender::Webhook;
use serde_json::Value;

use crate::instance::{Instance, Rough, rough};

const HOUR: Duration = Duration::from_secs(60 * 60);
const PATIENCE: Duration = Duration::from_secs(60);
/// What the recipe needs, in the versions that it was tried with.
const PACKAGES: [&str; 2] = ["confluent-kafka==2.16.1", "fastavro==1.13.1"];

#[test]
fn a_python_reader_that_follows_the_recipe_has_the_tables_of_the_store_through_repeats_skips_and_cancellations()
-> Result<()> {
    rough(Rough::Services, async |it| {
        let reader = Reader::new(it)?;
        let resource = Resource::new(it.name("reader"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let now = clock::now();
        let at = |hours: u32| (now.plus(HOUR * hours), now.plus(HOUR * (hours + 1)));
        let ((one, one_end), (two, two_end), (three, three_end)) = (at(24), at(48), at(72));
        let invitee = Invitee::new(&resource.host, Person::invent(), one, one_end, now);
        let visit = Appointment::new(&resource.alias, Person::invent(), two, two_end);
        let rival = Appointment::new(&resource.alias, Person::invent(), two, two_end);
        let mut sent = vec![
            Webhook::calendly(&invitee.created()),
            Webhook::generic(it.name("visit"), &[visit.created(), rival.created()]),
        ];
        send(it, &sent).await?;
        settle(&it.world, &sent, PATIENCE).await?;
        let first = reader.read()?;
        ensure!(first["repeats"] == 0 || first["decisions"].as_i64() > Some(0), "{first}");
        agree(it, &reader).await?;

        // A crash of the publisher looks like this to a reader: the same bytes, once more.
        let again = repeat(it, &resource).await?;
        // And a busy batch like this: two changes of a booking, of which only the last state is told.
        let arbiter = it.stack.service(Service::Arbiter);
        arbiter.stop()?;
        let (moved, after) = visit.rescheduled(three, three_end);
        let skipped = Webhook::generic(it.name("skipped"), &[moved, after.cancelled()]);
        let cancelled = Webhook::calendly(&invitee.canceled(now.plus(HOUR)));
        send(it, &[skipped.clone(), cancelled.clone()]).await?;
        arbiter.start_ready()?;
        sent.extend([skipped, cancelled]);
        settle(&it.world, &sent, PATIENCE).await?;
        judge(&it.world, &sent).await?;

        let second = reader.read()?;
        ensure!(second["repeats"].as_u64() >= Some(again.decisions), "of {} repeats: {second}", again.decisions);
        ensure!(second["older states"].as_u64() >= Some(again.states), "of {} older states: {second}", again.states);
        ensure!(second["skipped versions"].as_u64() >= Some(1), "no version was skipped: {second}");
        let statuses = agree(it, &reader).await?;
        ensure!(statuses.get("CANCELLED") >= Some(&2), "{statuses:?}");

        let fresh = Reader::new(it)?;
        fresh.read()?;
        agree(it, &fresh).await.context("a reader that begins today")?;
        Ok(())
    })
}

async fn send(it: &Instance, webhooks: &[Webhook]) -> Result<()> {
    for webhook in webhooks {
        ensure!(it.world.sender.send(webhook).await?.status == 200, "not accepted");
    }
    Ok(())
}

/// How many records were told once more.
struct Again {
    decisions: u64,
    states: u64,
}

/// Appends the resource's records to both topics once more, byte for byte, where they lie.
async fn repeat(it: &Instance, resource: &Resource) -> Result<Again> {
    let producer = it.world.kafka.producer()?;
    let ours = |record: &Record| record.key.as_deref() == Some(resource.id.as_bytes());
    let decisions: Vec<Record> = it.world.kafka.records(topics::DECISIONS).await?.into_iter().filter(ours).collect();
    let states = it.world.kafka.canonical().await?.into_iter();
    let states: Vec<Record> =
        states.filter(|(_, booking)| booking.resource.as_str() == resource.id).map(|(record, _)| record).collect();
    for record in decisions.iter().chain(&states) {
        let outgoing = Outgoing {
            topic: &record.topic,
            partition: Some(record.partition),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
        };
        producer.send_and_wait(outgoing).await?;
    }
    let again = Again { decisions: decisions.len() as u64, states: states.len() as u64 };
    ensure!(again.decisions >= 4 && again.states >= 2, "there is nothing to repeat");
    Ok(again)
}

/// Both tables are those of the store. How many bookings have each status.
async fn agree(it: &Instance, reader: &Reader) -> Result<BTreeMap<String, usize>> {
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, false);
    let status = |status: &str| match status {
        "awaiting" => "AWAITING".to_owned(),
        other => other.to_uppercase(),
    };
    let mut stored: Vec<Vec<Value>> = Vec::new();
    for row in it.world.store.bookings().await? {
        let people = row.attendee_details.as_array().context("a list of attendees")?;
        let emails: Vec<Value> = people.iter().map(|person| person["email"].clone()).collect();
        stored.push(vec![
            row.booking_id.to_string().into(),
            row.version.into(),
            status(&row.status).into(),
            row.resource_id.into(),
            row.start_time.map(time).into(),
            row.end_time.map(time).into(),
            row.title.into(),
            Value::from(emails).to_string().replace("\",\"", "\", \"").into(),
            row.source_system.into(),
        ]);
    }
    let current = reader.table("SELECT * FROM current ORDER BY booking_id")?;
    ensure!(!stored.is_empty() && current == stored, "current is {}", difference(&current, &stored));

    let mut stored: Vec<Vec<Value>> = Vec::new();
    for row in it.world.store.decisions().await? {
        stored.push(vec![
            row.partition.into(),
            row.seq.into(),
            time(row.decided_at).into(),
            row.request_id.to_string().into(),
            row.resource_id.into(),
            row.outcome.to_uppercase().into(),
            row.reason.map(|reason| reason.to_uppercase()).into(),
        ]);
    }
    let sql = "SELECT partition, seq, decided_at, request_id, resource_id, outcome, reason FROM history \
               ORDER BY partition, seq";
    let history = reader.table(sql)?;
    ensure!(history == stored, "history is {}", difference(&history, &stored));
    let unnamed = reader.table("SELECT * FROM history WHERE reason = 'CONFLICT' AND winner IS NULL")?;
    ensure!(unnamed.is_empty(), "{unnamed:?}");

    let mut statuses = BTreeMap::new();
    for row in &current {
        *statuses.entry(row[2].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    Ok(statuses)
}

fn difference(found: &[Vec<Value>], wanted: &[Vec<Value>]) -> String {
    let rows = found.iter().zip(wanted).find(|(found, wanted)| found != wanted);
    format!("{} rows and must be {}; the first that differ: {rows:?}", found.len(), wanted.len())
}

/// The recipe, with a Python of its own.
struct Reader {
    python: PathBuf,
    database: PathBuf,
    brokers: String,
    registry: String,
}

impl Reader {
    fn new(it: &Instance) -> Result<Self> {
        let database = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.sqlite", it.name("reader")));
        std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR"))?;
        Ok(Self {
            python: python(&it.stack.layout().dist())?,
            database,
            brokers: it.world.endpoints.kafka_brokers.clone(),
            registry: it.world.endpoints.registry_url.clone(),
        })
    }

    /// Runs the recipe to the end of the topics. What it says it did.
    fn read(&self) -> Result<Value> {
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("reader/daybook_reader.py");
        let mut command = Command::new(&self.python);
        command.arg(recipe).args(["--brokers", &self.brokers, "--registry", &self.registry, "--until-end"]);
        let out = run(command.arg(&self.database))?;
        serde_json::from_str(&out).with_context(|| format!("the recipe said: {out}"))
    }

    /// A question to its database.
    fn table(&self, sql: &str) -> Result<Vec<Vec<Value>>> {
        let ask = "import json, sqlite3, sys\n\
                   print(json.dumps(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()))";
        let out = run(Command::new(&self.python).args(["-c", ask]).arg(&self.database).arg(sql))?;
        Ok(serde_json::from_str(&out)?)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.database);
    }
}

/// A Python with the recipe's packages, made once and kept with the other downloads.
pub fn python(downloads: &Path) -> Result<PathBuf> {
    let home = downloads.join(format!("reader-{}", PACKAGES.join("-").replace("==", "-")));
    let (python, complete) = (home.join("bin/python"), home.join("complete"));
    if !complete.exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(&python).args(install).args(PACKAGES))?;
        std::fs::write(complete, "")?;
    }
    Ok(python)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{:?} ended with {}: {said}", command.get_program(), output.status);
    Ok(String::from_utf8(output.stdout)?)
}
