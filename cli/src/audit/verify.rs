//! `daybook audit verify`: walks the chain of every partition, in the store and on the topic, and holds one against the
//! other. The laws are in `chain`; here is only what brings the values.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use daybook_domain::topics::{self, PARTITIONS};
use daybook_wire::LoggedDecision;
use sqlx::PgPool;

use super::chain::{Count, Hash, Head, Value, Walk};
use super::columns::disagreements;
use super::progress::Progress;
use super::stream::{self, Records};
use crate::config::Config;
use crate::connect::{self, Role};
use crate::decode::Decoder;
use crate::failure::Failure;
use crate::out::{Out, note};
use crate::store::{self, HeadRow};
use crate::table;
use crate::text;

/// Decisions that are looked at together: a few megabytes.
const PAGE: usize = 1_000;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Only this partition; may be given several times.
    #[arg(long = "partition", value_name = "N", value_parser = clap::value_parser!(i32).range(0..i64::from(PARTITIONS)))]
    partitions: Vec<i32>,
    /// Only what PostgreSQL has.
    #[arg(long, conflicts_with = "topic_only")]
    store_only: bool,
    /// Only what Kafka has.
    #[arg(long)]
    topic_only: bool,
}

/// What was found of one partition.
struct Found {
    partition: i32,
    store: Option<Count>,
    topic: Option<Count>,
    /// Stored decisions that the topic does not have yet.
    behind: i64,
}

impl Found {
    fn breaks(&self) -> u64 {
        self.store.iter().chain(&self.topic).map(|count| count.breaks).sum()
    }

    fn is_empty(&self) -> bool {
        let nothing = |count: &Count| count.values == 0 && count.repeats == 0;
        self.breaks() == 0 && self.store.iter().chain(&self.topic).all(nothing)
    }
}

/// Walks the chains.
pub async fn verify(args: &Verify, config: &Config, out: &Out) -> Result<(), Failure> {
    let partitions = super::partitions(&args.partitions);
    // The topic's ends first: whatever lies before them was committed before the store is asked.
    let spans =
        if args.store_only { BTreeMap::new() } else { stream::bounds(config, topics::DECISIONS, &partitions).await? };
    let pool = connect::store(config)?;
    let heads = if args.topic_only {
        Vec::new()
    } else {
        store::heads(&pool, &partitions).await.map_err(|error| read(&error))?
    };
    let heads: BTreeMap<i32, HeadRow> = heads.into_iter().map(|head| (head.partition, head)).collect();
    let mut auditor = Auditor { config, pool, decoder: Decoder::new(config)?, out: *out };
    let mut found = Vec::new();
    for partition in partitions {
        found.push(auditor.partition(partition, heads.get(&partition), spans.get(&partition).copied()).await?);
    }
    if auditor.decoder.guessed() {
        note("The schema registry did not answer; the decisions were read by this version's own schema.");
    }
    conclude(&found, out)
}

fn read(error: &daybook_runtime::postgres::StoreError) -> Failure {
    Role::Reader.explain("read the decisions", error)
}

struct Auditor<'a> {
    config: &'a Config,
    pool: PgPool,
    decoder: Decoder,
    out: Out,
}

impl Auditor<'_> {
    async fn partition(
        &mut self,
        partition: i32,
        head: Option<&HeadRow>,
        span: Option<(i64, i64)>,
    ) -> Result<Found, Failure> {
        let store = match head {
            Some(head) => Some(self.store(head).await?),
            None => None,
        };
        let topic = match span {
            Some(span) => Some(self.topic(partition, span, head).await?),
            None => None,
        };
        let committed = head.and_then(|head| head.head.as_ref()).map_or(0, |(_, next_seq, _)| next_seq - 1);
        let published = topic.as_ref().and_then(|count| count.last).unwrap_or(0);
        let behind = if topic.is_some() { (committed - published).max(0) } else { 0 };
        Ok(Found { partition, store, topic, behind })
    }

    async fn store(&mut self, row: &HeadRow) -> Result<Count, Failure> {
        let mut walk = Walk::of_store(row.partition);
        let head = row.head.as_ref().map(|(_, next_seq, chain)| Head { next_seq: *next_seq, chain: chain.clone() });
        let until = head.as_ref().map_or(i64::MAX, |head| head.next_seq);
        let expected = row.last.unwrap_or(0).saturating_sub(row.first.unwrap_or(0));
        let mut progress = Progress::new(format!("partition {}, store", row.partition), expected);
        let mut after = (i64::MIN, DateTime::<Utc>::UNIX_EPOCH);
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        loop {
            let page = store::links(&self.pool, row.partition, after, until, limit).await;
            let page = page.map_err(|error| read(&error))?;
            for link in &page {
                let logged = match self.decode(&link.record).await {
                    Ok(logged) => Some(logged),
                    Err(why) => {
                        walk.broken(Some(link.seq), None, why);
                        None
                    }
                };
                walk.step(&Value { seq: link.seq, offset: None, bytes: &link.record, logged: logged.as_ref() });
                for what in logged.iter().flat_map(|logged| disagreements(link, logged)) {
                    walk.broken(Some(link.seq), None, what);
                }
            }
            self.tell(&mut walk)?;
            progress.done(walk.count().values);
            match page.last() {
                Some(last) if page.len() == PAGE => after = (last.seq, last.decided_at),
                Some(_) | None => break,
            }
        }
        walk.end(head.as_ref(), row.last);
        self.finish(&mut walk)
    }

    async fn topic(&mut self, partition: i32, span: (i64, i64), head: Option<&HeadRow>) -> Result<Count, Failure> {
        let mut walk = Walk::of_topic(partition, span.0 == 0);
        let mut progress = Progress::new(format!("partition {partition}, topic"), span.1 - span.0);
        let mut records = Records::open(self.config, topics::DECISIONS, partition, span);
        let mut page: Vec<(i64, i64, Hash)> = Vec::with_capacity(PAGE);
        while let Some(record) = records.next(self.config).await? {
            let offset = Some(record.offset);
            let bytes = record.value.as_deref().unwrap_or_default();
            let logged = match self.decode(bytes).await {
                Ok(logged) => logged,
                Err(why) => {
                    walk.broken(None, offset, why);
                    continue;
                }
            };
            let hash = walk.step(&Value { seq: logged.seq, offset, bytes, logged: Some(&logged) });
            if logged.partition != partition {
                walk.broken(Some(logged.seq), offset, format!("says that it is of partition {}", logged.partition));
            }
            if record.key.as_deref() != Some(logged.decision.resource.as_str().as_bytes()) {
                walk.broken(Some(logged.seq), offset, "has another key than its resource");
            }
            page.push((logged.seq, record.offset, hash));
            if page.len() == PAGE {
                self.compare(&mut walk, partition, &page, head).await?;
                page.clear();
                progress.done(walk.count().values);
            }
        }
        self.compare(&mut walk, partition, &page, head).await?;
        self.finish(&mut walk)
    }

    async fn compare(
        &self,
        walk: &mut Walk,
        partition: i32,
        page: &[(i64, i64, Hash)],
        head: Option<&HeadRow>,
    ) -> Result<(), Failure> {
        if let (Some(head), false) = (head, page.is_empty()) {
            let seqs: Vec<i64> = page.iter().map(|(seq, ..)| *seq).collect();
            let stored = store::hashes(&self.pool, partition, &seqs).await.map_err(|error| read(&error))?;
            walk.compare(page, &stored, head.first);
        }
        self.tell(walk)
    }

    /// What bytes say, or why nobody can tell.
    async fn decode(&mut self, bytes: &[u8]) -> Result<LoggedDecision, String> {
        self.decoder.read(bytes).await.map_err(|failure| super::first_line(&failure))
    }

    fn tell(&self, walk: &mut Walk) -> Result<(), Failure> {
        walk.take_breaks().into_iter().try_for_each(|broken| self.out.line(format_args!("BREAK  {broken}")))
    }

    fn finish(&self, walk: &mut Walk) -> Result<Count, Failure> {
        self.tell(walk)?;
        if walk.untold() > 0 {
            self.out.line(format_args!("BREAK  and {} more of the same chain", walk.untold()))?;
        }
        Ok(walk.count().clone())
    }
}

fn conclude(found: &[Found], out: &Out) -> Result<(), Failure> {
    let breaks: u64 = found.iter().map(Found::breaks).sum();
    if breaks > 0 {
        out.line("")?;
    }
    out.text(render(found))?;
    if breaks > 0 {
        let places = text::count(usize::try_from(breaks).unwrap_or(usize::MAX), "place");
        return Err(Failure::plain(format!("the audit trail is broken in {places}")).next(
            "nothing was changed; keep both copies as they are, and see \"Prove what was decided\" in the README",
        ));
    }
    let both = found.iter().all(|found| found.store.is_some() && found.topic.is_some());
    let copies = if both { ", and both copies are the same" } else { "" };
    out.line(format_args!("\nsound: every decision follows from the one before it{copies}"))
}

fn render(found: &[Found]) -> String {
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let counts = |count: &Option<Count>| match count {
        Some(count) => vec![count.values.to_string(), number(count.first), number(count.last)],
        None => vec!["-".to_owned(); 3],
    };
    let (empty, full): (Vec<&Found>, Vec<&Found>) = found.iter().partition(|found| found.is_empty());
    let rows: Vec<Vec<String>> = full
        .iter()
        .map(|found| {
            let repeats = found.topic.as_ref().map_or(0, |count| count.repeats);
            let mut row = vec![found.partition.to_string()];
            row.extend(counts(&found.store));
            row.extend(counts(&found.topic));
            row.extend([repeats.to_string(), found.behind.to_string(), found.breaks().to_string()]);
            row
        })
        .collect();
    let head =
        ["partition", "stored", "first", "last", "on topic", "first", "last", "repeats", "not yet there", "breaks"];
    let mut text = table::draw(&head, &rows);
    if !empty.is_empty() {
        text.push_str(&format!("no decision on {}\n", text::count(empty.len(), "partition")));
    }
    let topics = || found.iter().filter_map(|found| found.topic.as_ref());
    let older: u64 = topics().map(|count| count.before_the_store).sum();
    if older > 0 {
        text.push_str(&format!("on the topic, older than what the store keeps, and held against nothing: {older}\n"));
    }
    let unheld: u64 = topics().map(|count| count.not_compared).sum();
    if unheld > 0 {
        text.push_str(&format!("repeats on the topic, too far from their first, and not compared with it: {unheld}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_partition_that_holds_something() {
        let count = Count { values: 12, first: Some(1), last: Some(12), ..Count::default() };
        let topic =
            Count { values: 9, first: Some(3), last: Some(11), repeats: 2, before_the_store: 1, ..Count::default() };
        let broken = Count { breaks: 1, ..count.clone() };
        let found = |partition, store, topic, behind| Found { partition, store, topic, behind };
        let all = [
            found(0, Some(count), Some(topic), 1),
            found(1, Some(Count::default()), None, 0),
            found(2, Some(broken), None, 0),
        ];
        expect![[r#"
            PARTITION  STORED  FIRST  LAST  ON TOPIC  FIRST  LAST  REPEATS  NOT YET THERE  BREAKS
            0          12      1      12    9         3      11    2        1              0
            2          12      1      12    -         -      -     0        0              1
            no decision on 1 partition
            on the topic, older than what the store keeps, and held against nothing: 1
        "#]]
        .assert_eq(&render(&all));
    }
}
