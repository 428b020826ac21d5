//! The least that a decision can wait: a loop that reads a record, commits a booking and its decision in one statement,
//! and produces a record. One at a time, on an idle machine. For the API there is one more topic before it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use daybook_domain::topics::{Kept, Topic};
use daybook_runtime::kafka::{Outgoing, Producer, ProducerSpec, TopicsConfig, apply_topics};
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::prometheus::Registry;
use daybook_wire::Headers;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::runtime::Handle;

use crate::installation::Installation;
use crate::topic::Reader;

const RAW: &str = "bench.floor.raw";
const IN: &str = "bench.floor.in";
const OUT: &str = "bench.floor.out";
/// Records in one turn.
const ROUNDS: usize = 1_100;
/// Of which the first do not count: connections are made, and statements prepared.
const SETTLING: usize = 100;
/// As the arbiter's, and without its wait for more.
const AT_ONCE: ProducerSpec = ProducerSpec { linger: Duration::ZERO, ..ProducerSpec::LOG };
/// What a request and a decision have.
const VALUE: [u8; 400] = [7; 400];
/// A resource that nobody else has.
const RESOURCE: usize = 20_000;

/// The loop's topics and its statement.
#[derive(Debug)]
pub struct Floor {
    sql: String,
}

impl Floor {
    /// Makes the topics.
    pub fn prepare(installation: &mut Installation) -> Result<Self> {
        let topic = |name: &str| Topic {
            name: name.to_owned(),
            partitions: 1,
            kept: Kept::For(Duration::from_secs(3_600)),
            broker_time: true,
            schema: None,
        };
        let (kafka, config) = (&installation.world.kafka, TopicsConfig { replication: 1, min_insync_replicas: 1 });
        installation.runtime.block_on(apply_topics(kafka.config(), &config, &[topic(RAW), topic(IN), topic(OUT)]))?;
        let rows = installation.rows()?;
        let from = format!(
            "FROM (SELECT $1::bigint AS g, {RESOURCE} AS r,
                 timestamptz '2030-01-01 00:30+00' + $1::bigint * interval '1 hour' AS t) AS q"
        );
        Ok(Self { sql: format!("WITH booked AS ({}) {}", rows.book(&from), rows.confirm(&from)) })
    }

    /// How long each record waited, in milliseconds.
    pub fn waits(&self, installation: &Installation, turn: usize) -> Result<Vec<f64>> {
        let (world, runtime) = (&installation.world, installation.runtime.handle().clone());
        let (input, output) = (Reader::from_now(world, IN)?, Reader::from_now(world, OUT)?);
        let pool = PgPoolOptions::new().max_connections(1).connect(&world.endpoints.postgres.owner);
        let stage = Stage {
            pool: runtime.block_on(pool)?,
            producer: Producer::start(world.kafka.config(), AT_ONCE, &CommonMetrics::of("bench", &Registry::new())?)?,
            sql: self.sql.clone(),
            first: i64::try_from(turn * ROUNDS)?,
            runtime: runtime.clone(),
        };
        let stage = std::thread::spawn(move || stage.run(&input));
        let mut read = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            runtime.block_on(produce(installation.load.producer(), IN))?;
            read.push(output.next()?);
        }
        let stamps = stage.join().ok().context("the loop panicked")??;
        Ok(read.iter().zip(stamps).skip(SETTLING).map(|(seen, stamp)| seen.since(stamp)).collect())
    }
}

impl Floor {
    /// How long each record took through one more topic before that, in milliseconds: from the moment at which it was
    /// produced to the one at which what came of it was read.
    pub fn chain(&self, installation: &Installation, turn: usize) -> Result<Vec<f64>> {
        let (world, runtime) = (&installation.world, installation.runtime.handle().clone());
        let (raw, input, output) =
            (Reader::from_now(world, RAW)?, Reader::from_now(world, IN)?, Reader::from_now(world, OUT)?);
        let pool = PgPoolOptions::new().max_connections(1).connect(&world.endpoints.postgres.owner);
        let producer = || -> Result<Producer> {
            let metrics = CommonMetrics::of("bench", &Registry::new())?;
            Ok(Producer::start(world.kafka.config(), AT_ONCE, &metrics)?)
        };
        let stage = Stage {
            pool: runtime.block_on(pool)?,
            producer: producer()?,
            sql: self.sql.clone(),
            // Rows that the other measurement has not written.
            first: i64::try_from((100 + turn) * ROUNDS)?,
            runtime: runtime.clone(),
        };
        let (onward, handle) = (producer()?, runtime.clone());
        let passing = std::thread::spawn(move || -> Result<()> {
            for _ in 0..ROUNDS {
                raw.next()?;
                handle.block_on(produce(&onward, IN))?;
            }
            Ok(())
        });
        let stage = std::thread::spawn(move || stage.run(&input));
        let mut waits = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let began = Instant::now();
            runtime.block_on(produce(installation.load.producer(), RAW))?;
            output.next()?;
            waits.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        passing.join().ok().context("the first loop panicked")??;
        stage.join().ok().context("the loop panicked")??;
        Ok(waits.split_off(SETTLING))
    }
}

struct Stage {
    pool: PgPool,
    producer: Producer,
    sql: String,
    first: i64,
    runtime: Handle,
}

impl Stage {
    /// The stamps of the records that it read.
    fn run(&self, input: &Reader) -> Result<Vec<i64>> {
        let round = |n: usize| {
            let seen = input.next()?;
            self.runtime.block_on(async {
                let number = self.first + i64::try_from(n)?;
                sqlx::query(AssertSqlSafe(self.sql.clone())).bind(number).execute(&self.pool).await?;
                produce(&self.producer, OUT).await
            })?;
            Ok(seen.stamp)
        };
        (0..ROUNDS).map(round).collect()
    }
}

async fn produce(producer: &Producer, topic: &str) -> Result<()> {
    let headers = Headers::new();
    let outgoing = Outgoing { topic, partition: Some(0), key: None, value: Some(&VALUE), headers: &headers };
    producer.send_and_wait(outgoing).await?;
    Ok(())
}
