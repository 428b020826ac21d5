//! `daybook audit replay`: decides every request that is kept once more, and holds the decisions against the stored
//! ones. The fold is in `fold`; here is only what brings requests and rows together.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use daybook_domain::topics::{self, PARTITIONS};
use sqlx::PgPool;

use super::compare::{Difference, Stored};
use super::fold::{Count, Fold};
use super::progress::Progress;
use super::requests::Reader;
use super::stream::{self, Records};
use crate::config::Config;
use crate::connect::{self, Role};
use crate::decode::Decoder;
use crate::failure::Failure;
use crate::out::{Out, note};
use crate::store::{self, LinkRow};
use crate::table;
use crate::text;

/// Rows that are read together.
const PAGE: usize = 1_000;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// Only this partition; may be given several times.
    #[arg(long = "partition", value_name = "N", value_parser = clap::value_parser!(i32).range(0..i64::from(PARTITIONS)))]
    partitions: Vec<i32>,
}

/// How far one partition came.
struct Replayed {
    partition: i32,
    count: Count,
    difference: Option<Difference>,
    /// Why there was nothing, or not everything, to go by.
    remark: Option<String>,
}

/// Decides again.
pub async fn replay(args: &Replay, config: &Config, out: &Out) -> Result<(), Failure> {
    let partitions = super::partitions(&args.partitions);
    let pool = connect::store(config)?;
    let heads = store::heads(&pool, &partitions).await.map_err(|error| read(&error))?;
    let spans = stream::bounds(config, topics::REQUESTS, &partitions).await?;
    let requests = Reader::new(config)?;
    let mut decoder = Decoder::new(config)?;
    let mut done = Vec::new();
    for head in heads {
        let Some((next_offset, next_seq, _)) = head.head else { continue };
        let (begin, end) = spans.get(&head.partition).copied().unwrap_or_default();
        let rows = Rows {
            pool: &pool,
            decoder: &mut decoder,
            partition: head.partition,
            after: (i64::MIN, DateTime::<Utc>::UNIX_EPOCH),
            until: next_seq,
            ended: false,
            read: VecDeque::new(),
        };
        let span = Span { begin, end: end.min(next_offset), next_seq };
        let replayed = partition(head.partition, span, rows, &requests, config).await?;
        if let Some(difference) = &replayed.difference {
            tell(head.partition, difference, out)?;
        }
        done.push(replayed);
    }
    if decoder.guessed() {
        note("The schema registry did not answer; the decisions were read by this version's own schema.");
    }
    conclude(&done, out)
}

fn read(error: &daybook_runtime::postgres::StoreError) -> Failure {
    Role::Reader.explain("read the decisions", error)
}

/// Which requests are decided again, and where that must lead.
#[derive(Debug, Clone, Copy)]
struct Span {
    begin: i64,
    end: i64,
    next_seq: i64,
}

async fn partition(
    partition: i32,
    span: Span,
    mut rows: Rows<'_>,
    requests: &Reader,
    config: &Config,
) -> Result<Replayed, Failure> {
    let mut fold = Fold::new(partition);
    let mut remark = None;
    let difference = match prepare(&mut fold, span, &mut rows, &mut remark).await? {
        Ok(()) => decide(&mut fold, span, &mut rows, requests, config).await?,
        Err(difference) => Some(difference),
    };
    Ok(Replayed { partition, count: fold.count().clone(), difference, remark })
}

/// Brings the fold to where the first kept request finds it.
async fn prepare(
    fold: &mut Fold,
    span: Span,
    rows: &mut Rows<'_>,
    remark: &mut Option<String>,
) -> Result<Result<(), Difference>, Failure> {
    if span.begin == 0 {
        return Ok(Ok(()));
    }
    rows.reach(i64::MIN).await?;
    if let Some(first) = rows.read.front().filter(|first| first.seq > 1) {
        *remark = Some(format!("the table begins at seq {}: what was decided before is not known", first.seq));
        fold.begin_at(first);
    }
    loop {
        rows.reach(i64::MIN).await?;
        match rows.read.pop_front_if(|row| row.offset < span.begin) {
            None => return Ok(Ok(())),
            Some(row) => {
                if let Err(difference) = fold.before(&row) {
                    return Ok(Err(difference));
                }
            }
        }
    }
}

async fn decide(
    fold: &mut Fold,
    span: Span,
    rows: &mut Rows<'_>,
    requests: &Reader,
    config: &Config,
) -> Result<Option<Difference>, Failure> {
    let mut progress = Progress::new(format!("partition {}, requests", rows.partition), span.end - span.begin);
    let mut records = Records::open(config, topics::REQUESTS, rows.partition, (span.begin, span.end));
    while let Some(record) = records.next(config).await? {
        rows.reach(record.offset).await?;
        let said = requests.read(&record).await?;
        if let Err(difference) = fold.record(&said.asked(&record), &mut rows.read) {
            return Ok(Some(difference));
        }
        progress.done(fold.count().requests);
    }
    rows.reach(i64::MIN).await?;
    Ok(fold.end(&rows.read, span.next_seq).err())
}

/// A partition's rows, a page at a time.
struct Rows<'a> {
    pool: &'a PgPool,
    decoder: &'a mut Decoder,
    partition: i32,
    after: (i64, DateTime<Utc>),
    until: i64,
    ended: bool,
    /// Those that wait to be explained by a request.
    read: VecDeque<Stored>,
}

impl Rows<'_> {
    /// Reads on until a row lies beyond this offset, or the table ends.
    async fn reach(&mut self, offset: i64) -> Result<(), Failure> {
        while !self.ended && self.read.back().is_none_or(|row| row.offset <= offset) {
            let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
            let page = store::links(self.pool, self.partition, self.after, self.until, limit).await;
            let page = page.map_err(|error| read(&error))?;
            self.ended = page.len() < PAGE;
            if let Some(last) = page.last() {
                self.after = (last.seq, last.decided_at);
            }
            for row in page {
                let row = self.stored(row).await;
                self.read.push_back(row);
            }
        }
        Ok(())
    }

    async fn stored(&mut self, row: LinkRow) -> Stored {
        let logged = self.decoder.read(&row.record).await.map_err(|failure| super::first_line(&failure));
        let own_schema = self.decoder.is_own(&row.record);
        Stored { seq: row.seq, offset: row.offset, bytes: row.record, logged, own_schema }
    }
}

fn tell(partition: i32, difference: &Difference, out: &Out) -> Result<(), Failure> {
    let Difference { seq, offset, what, fields } = difference;
    out.line(format_args!("DIFFERENCE  partition {partition}, seq {seq}, offset {offset}: {what}"))?;
    fields.iter().try_for_each(|field| out.line(format_args!("  {field}")))
}

fn conclude(done: &[Replayed], out: &Out) -> Result<(), Failure> {
    let different = done.iter().filter(|replayed| replayed.difference.is_some()).count();
    if different > 0 {
        out.line("")?;
    }
    out.text(render(done))?;
    if different > 0 {
        return Err(Failure::plain(format!(
            "{} would not be decided so again",
            text::count(different, "partition")
        ))
        .next("the first difference of each is told; what follows it was not compared. daybook audit verify says whether the stored decisions are still those that were made"));
    }
    out.line("\nthe same requests give the same decisions")
}

fn render(done: &[Replayed]) -> String {
    let (empty, full): (Vec<&Replayed>, Vec<&Replayed>) =
        done.iter().partition(|replayed| replayed.difference.is_none() && replayed.count == Count::default());
    let rows: Vec<Vec<String>> = full
        .iter()
        .map(|replayed| {
            let Count { requests, same, same_in_other_bytes, by_another_version, verdicts, repeats, before } =
                replayed.count;
            let mut numbers = vec![replayed.partition.to_string()];
            numbers.extend(
                [requests, same, same_in_other_bytes, by_another_version, verdicts, repeats, before]
                    .map(|number| number.to_string()),
            );
            numbers.push(replayed.difference.as_ref().map_or_else(|| "-".to_owned(), |it| format!("seq {}", it.seq)));
            numbers
        })
        .collect();
    let head = [
        "partition",
        "requests",
        "same",
        "same, other schema",
        "by another version",
        "verdicts",
        "repeats",
        "before",
        "first difference",
    ];
    let mut text = table::draw(&head, &rows);
    if !empty.is_empty() {
        text.push_str(&format!("nothing to decide on {}\n", text::count(empty.len(), "partition")));
    }
    for replayed in done {
        if let Some(remark) = &replayed.remark {
            text.push_str(&format!("partition {}: {remark}\n", replayed.partition));
        }
    }
    let others: u64 = done.iter().map(|replayed| replayed.count.by_another_version).sum();
    if others > 0 {
        text.push_str(&format!(
            "{others} were decided by another version than {}, and taken as given\n",
            arbiter_core::core_version()
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_table_counts_apart_what_was_compared_and_what_was_taken_as_given() {
        let count = Count { requests: 10, same: 8, verdicts: 1, repeats: 2, ..Count::default() };
        let difference =
            Difference { seq: 9, offset: 11, what: "the decision is another".to_owned(), fields: Vec::new() };
        let replayed = |partition, difference, remark| Replayed { partition, count: count.clone(), difference, remark };
        expect![[r#"
            PARTITION  REQUESTS  SAME  SAME, OTHER SCHEMA  BY ANOTHER VERSION  VERDICTS  REPEATS  BEFORE  FIRST DIFFERENCE
            0          10        8     0                   0                   1         2        0       -
            3          10        8     0                   0                   1         2        0       seq 9
            nothing to decide on 1 partition
            partition 0: the table begins at seq 7: what was decided before is not known
        "#]].assert_eq(&render(&[
            replayed(0, None, Some("the table begins at seq 7: what was decided before is not known".to_owned())),
            replayed(3, Some(difference), None),
            Replayed { partition: 4, count: Count::default(), difference: None, remark: None },
        ]));
    }
}
