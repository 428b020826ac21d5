//! `daybook status`: the whole installation on one page, what is wrong with it first.
//!
//! Each part is asked by itself and says itself that it does not answer: the page is for the night in which one of them is away.
//! Absent on purpose: how a process is inside, which its own `/readyz` and `/metrics` say.

mod ask;
mod page;
mod report;

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_runtime::clock;
use daybook_runtime::postgres::StoreError;
use serde::Deserialize;
use sqlx::PgPool;

pub(crate) use self::report::Logged;
use self::report::{Alert, Part, Report, Stored};
use crate::config::Config;
use crate::connect;
use crate::decode::Decoder;
use crate::failure::Failure;
use crate::out::Out;
use crate::store;

/// How long a partition that has something to do is given to do some of it.
const MOVES_WITHIN: Duration = Duration::from_secs(2);
/// How long one of them may take to say anything. Whoever asks is awake at three in the morning.
const PATIENCE: Duration = Duration::from_secs(20);

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Status {
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
    /// Show the partitions that have nothing to do, too.
    #[arg(long)]
    all: bool,
    /// Where Prometheus is, to say which alerts fire.
    #[arg(long, value_name = "URL")]
    prometheus: Option<reqwest::Url>,
}

/// Prints it. Fails if a server does not answer, after saying all that the others say.
pub async fn run(args: &Status, config: &Config, out: &Out) -> Result<(), Failure> {
    let report = look(args, config).await?;
    if args.json {
        out.line(page::object(&report))?;
    } else {
        out.text(page::page(&report, args.all))?;
    }
    match (&report.store, &report.log) {
        (Ok(_), Ok(_)) => Ok(()),
        (Err(_), Ok(_)) => Err(Failure::plain("PostgreSQL does not answer; the page has what Kafka says")),
        (Ok(_), Err(_)) => Err(Failure::plain("Kafka does not answer; the page has what PostgreSQL says")),
        (Err(_), Err(_)) => Err(Failure::plain("neither PostgreSQL nor Kafka answers")
            .next("are kafka.brokers and postgres.url right, and reached from here?")),
    }
}

async fn look(args: &Status, config: &Config) -> Result<Report, Failure> {
    let pool = connect::store(config)?;
    let at = clock::now();
    let mut stored = in_time(async { stored(&pool).await.map_err(|error| error.to_string()) }).await;
    let positions = match &stored {
        Ok(stored) => stored.partitions.iter().map(|row| (row.partition, row.next_offset)).collect(),
        Err(_) => BTreeMap::new(),
    };
    let log = in_time(logged(config, positions)).await;
    let alerts = match &args.prometheus {
        Some(url) => Some(in_time(alerts(url)).await),
        None => None,
    };
    if let (Ok(stored), Ok(log)) = (&mut stored, &log)
        && !log.waiting_since.is_empty()
    {
        tokio::time::sleep(MOVES_WITHIN).await;
        // What cannot be told is not claimed: a partition that nobody can be asked about does not move.
        let later = store::partitions(&pool).await.unwrap_or_default();
        stored.later = later.into_iter().map(|row| (row.partition, row.next_offset)).collect();
    }
    Ok(Report { at, store: stored, log, alerts })
}

pub(crate) async fn in_time<T>(asked: impl Future<Output = Part<T>>) -> Part<T> {
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err("it is silent".to_owned()))
}

async fn stored(pool: &PgPool) -> Result<Stored, StoreError> {
    Ok(Stored {
        partitions: store::partitions(pool).await?,
        later: BTreeMap::new(),
        targets: store::targets(pool).await?,
        sources: store::sources(pool).await?,
        open: store::open(pool).await?,
    })
}

pub(crate) async fn logged(config: &Config, positions: BTreeMap<i32, i64>) -> Part<Logged> {
    let kafka = config.kafka.clone();
    let asked = tokio::task::spawn_blocking(move || ask::kafka(&kafka, &positions)).await;
    let asked = asked.map_err(|_| "asking it failed".to_owned())?;
    let (mut log, last) = asked.map_err(|error| text(&error))?;
    let mut decoder = Decoder::new(config).map_err(|error| error.to_string())?;
    for (partition, record) in last {
        // One that cannot be read is not known, and `daybook audit verify` says why.
        if let Ok(decision) = decoder.read(&record.value.unwrap_or_default()).await {
            log.published.insert(partition, decision.seq);
        }
    }
    Ok(log)
}

/// An error, with what is behind it.
fn text(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

#[derive(Deserialize)]
struct Answer {
    data: Alerts,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<Firing>,
}

#[derive(Deserialize)]
struct Firing {
    state: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

async fn alerts(url: &reqwest::Url) -> Part<Vec<Alert>> {
    let asked = async {
        let address = format!("{}/api/v1/alerts", url.as_str().trim_end_matches('/'));
        reqwest::get(address).await?.error_for_status()?.json::<Answer>().await
    };
    let answer = asked.await.map_err(|error| text(&error.without_url()))?;
    let firing = answer.data.alerts.into_iter().filter(|alert| alert.state == "firing");
    Ok(firing.map(alert).collect())
}

fn alert(mut firing: Firing) -> Alert {
    let name = firing.labels.remove("alertname").unwrap_or_default();
    firing.labels.remove("severity");
    let labels = firing.labels.iter().map(|(label, value)| format!(" {label}={value}")).collect();
    Alert { name, labels }
}

#[cfg(test)]
mod tests;
