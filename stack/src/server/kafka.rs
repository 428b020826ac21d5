//! Apache Kafka as one KRaft node: broker and controller in one JVM.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    path::PathBuf,
    process::Command,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    error::Error,
    http,
    install::{java, kafka_classpath, run},
    instance::Instance,
    part::Server,
    ports::Use,
    process::Launch,
    secrets::random_bytes,
};

const LOG4J: &str = "\
status = warn
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %c{1} %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
";

pub(super) fn format_storage(instance: &Instance) -> Result<(), Error> {
    if data(instance).join("meta.properties").exists() {
        return Ok(());
    }
    for (file, content) in files(instance) {
        fs::write(&file, content).map_err(Error::io("write", file))?;
    }
    let [(properties, _), (log4j, _)] = files(instance);
    let mut format = Command::new(java()?);
    format.args(["-XX:TieredStopAtLevel=1", &log4j_option(&log4j), "-cp", &kafka_classpath(&instance.layout)]);
    format.args(["kafka.tools.StorageTool", "format", "-t", &cluster_id(), "-c"]).arg(properties);
    run(&mut format, "").map(drop)
}

pub(super) fn launch(instance: &Instance) -> Result<Launch, Error> {
    let [(properties, _), (log4j, _)] = files(instance);
    let args = vec![
        "-Xmx384m".to_owned(),
        log4j_option(&log4j),
        "-cp".to_owned(),
        kafka_classpath(&instance.layout),
        "kafka.Kafka".to_owned(),
        properties.display().to_string(),
    ];
    let directory = instance.layout.data();
    Ok(Launch { program: java()?, args, env: BTreeMap::new(), directory, files: files(instance).into() })
}

pub(super) fn probe(instance: &Instance) -> Result<(), String> {
    ask(instance.port(Server::Kafka, Use::Main))
}

/// A metadata request that names a broker. A plain connect succeeds seconds before that: the port opens while the broker
/// is still fenced, and whoever asked then would be told that there is no broker at all.
fn ask(port: u16) -> Result<(), String> {
    let mut stream = http::connect(port)?;
    let failed = |error: std::io::Error| format!("no answer to a metadata request: {error}");
    stream.write_all(&metadata_request()).map_err(failed)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).map_err(failed)?;
    let size = u32::from_be_bytes(size);
    if !(12..=1024 * 1024).contains(&size) {
        return Err(format!("port {port} does not speak Kafka's protocol"));
    }
    let mut answer = vec![0; size as usize];
    stream.read_exact(&mut answer).map_err(failed)?;
    match brokers(&answer) {
        Some(0) => Err("the broker is still fenced".to_owned()),
        Some(_) => Ok(()),
        None => Err(format!("port {port} does not speak Kafka's protocol")),
    }
}

const CORRELATION: i32 = 0x0DA1_B00C;

/// Metadata (api 3) version 1 with an empty list of topics: brokers only. Request header version 1.
fn metadata_request() -> Vec<u8> {
    let client = b"stack";
    let mut body = Vec::new();
    body.extend(3i16.to_be_bytes());
    body.extend(1i16.to_be_bytes());
    body.extend(CORRELATION.to_be_bytes());
    body.extend((client.len() as i16).to_be_bytes());
    body.extend(client);
    body.extend(0i32.to_be_bytes());
    [(body.len() as u32).to_be_bytes().to_vec(), body].concat()
}

/// The answer begins with the correlation id and the number of brokers.
fn brokers(answer: &[u8]) -> Option<i32> {
    let field = |at: usize| Some(i32::from_be_bytes(answer.get(at..at + 4)?.try_into().ok()?));
    (field(0)? == CORRELATION).then(|| field(4)).flatten()
}

fn data(instance: &Instance) -> PathBuf {
    instance.layout.data().join("kafka")
}

fn files(instance: &Instance) -> [(PathBuf, String); 2] {
    let run = instance.layout.run();
    [(run.join("kafka.properties"), properties(instance)), (run.join("kafka-log4j2.properties"), LOG4J.to_owned())]
}

fn log4j_option(file: &std::path::Path) -> String {
    format!("-Dlog4j2.configurationFile=file:{}", file.display())
}

fn properties(instance: &Instance) -> String {
    let (broker, controller) = (instance.port(Server::Kafka, Use::Main), instance.port(Server::Kafka, Use::Admin));
    let data = data(instance);
    format!(
        "\
process.roles=broker,controller
node.id=1
# Static voters: the address is configuration, not data, so the instance can move to another port.
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={}
# Topics are made by `daybook topics apply`, with their settings.
auto.create.topics.enable=false
num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Fifty partitions would be made one by one when the first group joins.
offsets.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
# The controller dies with its broker and, started again, refuses it until the old session has run out.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# The default of 128 MB is a third of this heap.
log.cleaner.dedupe.buffer.size=33554432
",
        data.display()
    )
}

/// Sixteen random bytes as Kafka writes them: URL-safe base64. One that begins with a hyphen would read as an option.
fn cluster_id() -> String {
    let ids = std::iter::repeat_with(|| URL_SAFE_NO_PAD.encode(random_bytes::<16>()));
    ids.into_iter().find(|id| !id.starts_with('-')).expect("one in sixty-four begins with a hyphen")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fenced_broker_is_told_from_a_serving_one_and_from_a_stranger() {
        let answer = |brokers: i32| [CORRELATION.to_be_bytes(), brokers.to_be_bytes()].concat();
        assert_eq!(brokers(&answer(0)), Some(0));
        assert_eq!(brokers(&answer(1)), Some(1));
        assert_eq!(brokers(b"HTTP/1.1 400"), None);
        assert_eq!(brokers(b""), None);
    }

    #[test]
    fn the_request_says_its_own_length() {
        let request = metadata_request();
        assert_eq!(request.len() - 4, u32::from_be_bytes(request[..4].try_into().expect("four")) as usize);
    }
}
