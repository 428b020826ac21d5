//! `daybook dlq`: what could not be handled, why, and once more.

mod discard;
mod letter;
mod list;
mod replay;
mod show;

pub use discard::{Discard, discard};
pub use list::{List, list};
pub use replay::{Replay, replay};
pub use show::{Show, show};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use daybook_domain::Timestamp;
use daybook_runtime::kafka::{Record, read_all, read_one};
use daybook_runtime::registry::Registry;

use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::note;
use crate::store::{self, HandledRow, Place};
pub use letter::Queue;
use letter::{Letter, LetterId};

/// How long a broker may be silent.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Which letters of a queue something is done about.
#[derive(Debug, clap::Args)]
pub struct Chosen {
    /// The queue.
    #[arg(value_enum)]
    queue: Queue,
    /// The letters, as the list names them.
    #[arg(value_name = "PARTITION:OFFSET", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<LetterId>,
    /// Every letter of the queue that nobody has handled.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    only: Only,
}

/// Which of all letters.
#[derive(Debug, clap::Args)]
pub struct Only {
    /// Of all letters, only those with this reason, such as unknown_resource.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Of all letters, only events of this source.
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Of all letters, only deliveries to this target.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Of all letters, only those that came at this time or later.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Of all letters, only those that came before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

impl Only {
    /// Whether a letter is one of those that were asked for.
    fn matches(&self, letter: &Letter) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        is(&self.reason, Some(letter.reason()))
            && is(&self.source, letter.source())
            && is(&self.target, letter.delivery().map(|failure| failure.target.as_str()))
            && self.since.is_none_or(|since| letter.record.timestamp >= since)
            && self.until.is_none_or(|until| letter.record.timestamp < until)
    }

    const fn is_everything(&self) -> bool {
        let Self { reason, source, target, since, until } = self;
        reason.is_none() && source.is_none() && target.is_none() && since.is_none() && until.is_none()
    }
}

/// The letters that were chosen; of all, those that nobody has handled.
async fn chosen(args: &Chosen, config: &Config) -> Result<Vec<Letter>, Failure> {
    if args.all {
        let mut letters = letters(args.queue, true, config).await?;
        letters.retain(|letter| args.only.matches(letter));
        let handled = handled(config).await;
        letters.retain(|letter| !handled.contains_key(&letter.place()));
        return Ok(letters);
    }
    if !args.only.is_everything() {
        return Err(Failure::input(
            "--reason, --source, --target, --since and --until choose among --all; leave them out, or the ids",
        ));
    }
    let mut letters = Vec::with_capacity(args.ids.len());
    for id in args.ids.iter().collect::<BTreeSet<_>>() {
        letters.push(letter(args.queue, *id, config).await?);
    }
    Ok(letters)
}

/// What was done about letters. Without the store, nothing is known of it, and everything is shown: Kafka has the letters.
async fn handled(config: &Config) -> BTreeMap<Place, HandledRow> {
    let asked = async {
        store::handled(&connect::store(config)?)
            .await
            .map_err(|error| Role::Reader.explain("see what was handled", &error))
    };
    asked.await.unwrap_or_else(|failure| {
        note(format_args!("{failure}; letters that somebody has handled are among these"));
        BTreeMap::new()
    })
}

/// Every letter of a queue, in the order of arrival. Bodies are kept only where somebody wants them.
pub async fn letters(queue: Queue, bodies: bool, config: &Config) -> Result<Vec<Letter>, Failure> {
    let kafka = config.kafka.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut records: Vec<Record> = Vec::new();
        read_all(&kafka, queue.topic(), TIMEOUT, |mut record| {
            if !bodies && queue != Queue::Propagator {
                record.value = None;
            }
            records.push(record);
        })
        .map(|()| records)
    });
    let records = reading.await.map_err(|error| Failure::new("cannot read the dead letters", error))?;
    let mut records = records.map_err(|error| connect::explain_tail(error, config))?;
    records.sort_by_key(|record| (record.timestamp, record.partition, record.offset));
    let registry = connect::registry(config)?;
    let mut letters = Vec::with_capacity(records.len());
    for record in records {
        letters.push(open(queue, record, &registry).await);
    }
    Ok(letters)
}

/// One letter.
async fn letter(queue: Queue, id: LetterId, config: &Config) -> Result<Letter, Failure> {
    let kafka = config.kafka.clone();
    let reading =
        tokio::task::spawn_blocking(move || read_one(&kafka, queue.topic(), id.partition, id.offset, TIMEOUT));
    let record = reading.await.map_err(|error| Failure::new("cannot read the dead letter", error))?;
    let record = record.map_err(|error| connect::explain_tail(error, config))?;
    let Some(record) = record else {
        return Err(Failure::plain(format!("{} has no letter {id}", queue.topic()))
            .next("Kafka forgets dead letters after 30 days; daybook dlq list shows those that are kept"));
    };
    Ok(open(queue, record, &connect::registry(config)?).await)
}

async fn open(queue: Queue, record: Record, registry: &Registry) -> Letter {
    let failure = match queue {
        Queue::Normalizer | Queue::Arbiter => None,
        Queue::Propagator => Some(letter::failure(record.value.as_deref().unwrap_or_default(), registry).await),
    };
    Letter { queue, record, failure }
}
