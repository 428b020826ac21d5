//! One resource, one partition, whoever produces.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use daybook_domain::topics::{Kept, PARTITIONS, Topic, partition_of};
use daybook_runtime::kafka::{Outgoing, TopicsConfig, apply_topics};
use daybook_stack::Server;
use daybook_tests::seed::{generator, seed, word};
use daybook_wire::Headers;
use rand::RngExt as _;

use crate::instance::{Instance, shared};

#[test]
fn kafkas_own_java_producer_and_ours_put_each_resource_on_the_same_partition() -> Result<()> {
    shared(async |it| {
        let mut random = generator(seed("the keys"), 0);
        let mut keys: BTreeSet<String> = (0..300)
            .map(|_| {
                let length = random.random_range(1..=40);
                word(&mut random, length)
            })
            .collect();
        // Every remainder of the length by four, the alphabet's marks, and a booking's id.
        keys.extend(
            ["a", "ab", "abc", "abcd", "room-7", "eu.berlin_2", "46d747f0-1668-5420-8639-f34c91b6ccdd"]
                .map(str::to_owned),
        );
        ensure!(keys.len() >= 200, "only {} keys", keys.len());

        let topic = Topic {
            name: it.name("it.partitioner"),
            partitions: PARTITIONS,
            kept: Kept::For(Duration::from_secs(60 * 60)),
            broker_time: false,
            schema: None,
        };
        let config = TopicsConfig { replication: 1, min_insync_replicas: 1 };
        apply_topics(it.world.kafka.config(), &config, std::slice::from_ref(&topic)).await?;

        let producer = it.world.kafka.producer()?;
        for key in &keys {
            let record = Outgoing {
                topic: &topic.name,
                partition: None,
                key: Some(key.as_bytes()),
                value: Some(b"ours"),
                headers: &Headers::new(),
            };
            producer.send_and_wait(record).await?;
        }
        let (java, topic_name) = (console_producer(it, &topic.name)?, topic.name.clone());
        let lines: String = keys.iter().map(|key| format!("{key}\tjava\n")).collect();
        tokio::task::spawn_blocking(move || produce(java, &lines)).await?.with_context(|| topic_name)?;

        let mut places: BTreeMap<String, Vec<(i32, Vec<u8>)>> = BTreeMap::new();
        for record in it.world.kafka.records(&topic.name).await? {
            let key = String::from_utf8(record.key.unwrap_or_default())?;
            places.entry(key).or_default().push((record.partition, record.value.unwrap_or_default()));
        }
        let mut used = BTreeSet::new();
        for key in &keys {
            let found = places.get(key).with_context(|| format!("{key} is not there"))?;
            let [(one, ours), (other, java)] = &found[..] else {
                anyhow::bail!("{key} is there {} times", found.len());
            };
            ensure!(ours != java, "{key} is there twice from one producer");
            let wanted = partition_of(key.as_bytes(), PARTITIONS);
            ensure!(one == other && *one == wanted, "{key} is on {one} and {other}, and belongs on {wanted}");
            used.insert(*one);
        }
        ensure!(used.len() > 12, "all keys are on {} partitions, which proves little", used.len());
        Ok(())
    })
}

/// Kafka's console producer, run by the Java that runs the broker, with the broker's own classes.
fn console_producer(it: &Instance, topic: &str) -> Result<Command> {
    let pid = it.stack.server(Server::Kafka).pid().context("the broker runs")?;
    let java = std::fs::read_link(format!("/proc/{pid}/exe")).context("the broker's Java")?;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).context("the broker's command line")?;
    let arguments: Vec<&str> = std::str::from_utf8(&line)?.split('\0').collect();
    let at = arguments.iter().position(|argument| *argument == "-cp").context("the broker has a class path")?;
    let classes = arguments.get(at + 1).context("the class path")?;
    let mut command = Command::new(java);
    command.args(["-XX:TieredStopAtLevel=1", "-cp", classes, "org.apache.kafka.tools.ConsoleProducer"]);
    command.args(["--bootstrap-server", &it.world.endpoints.kafka_brokers, "--topic", topic]);
    command.args(["--property", "parse.key=true"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

fn produce(mut command: Command, lines: &str) -> Result<()> {
    let mut child = command.spawn().context("Java starts")?;
    child.stdin.take().context("a standard input")?.write_all(lines.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the Java producer ended with {}: {said}", output.status);
    Ok(())
}
