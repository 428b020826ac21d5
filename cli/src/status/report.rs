//! What the parts of an installation say of themselves, and what of it somebody has to look at.

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_domain::{Timestamp, topics};

use crate::store::{OpenRow, PartitionRow, SourceRow, TargetRow};
use crate::text;

/// How old something may get that is on its way: the alerts' limits.
const DECIDING_MAX: Duration = Duration::from_secs(60);
const SHOWING_MAX: Duration = Duration::from_secs(5 * 60);
const COMPENSATION_MAX: Duration = Duration::from_secs(60 * 60);

/// What one part says, or why it says nothing.
pub type Part<T> = Result<T, String>;

/// Everything that was asked, at one moment.
#[derive(Debug)]
pub struct Report {
    pub at: Timestamp,
    pub store: Part<Stored>,
    pub log: Part<Logged>,
    /// Alerts that fire, by Prometheus; none if it was not asked.
    pub alerts: Option<Part<Vec<Alert>>>,
}

/// What PostgreSQL says.
#[derive(Debug, Default)]
pub struct Stored {
    pub partitions: Vec<PartitionRow>,
    /// Where the partitions that have something to do stood a moment later.
    pub later: BTreeMap<i32, i64>,
    pub targets: Vec<TargetRow>,
    pub sources: Vec<SourceRow>,
    pub open: OpenRow,
}

/// What Kafka says.
#[derive(Debug, Default)]
pub struct Logged {
    pub groups: Vec<Group>,
    /// One past the last request, by partition.
    pub requests: BTreeMap<i32, i64>,
    /// When the first request came that is not decided, by partition.
    pub waiting_since: BTreeMap<i32, Timestamp>,
    /// The last decision that is published, by partition.
    pub published: BTreeMap<i32, i64>,
    /// When each source's last event came.
    pub last_event: BTreeMap<String, Timestamp>,
    /// Events of each source that the normalizer has not finished.
    pub source_lag: BTreeMap<String, i64>,
    /// Records in each dead letter queue.
    pub letters: BTreeMap<String, i64>,
}

/// Those who work on a topic together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Which service.
    pub service: &'static str,
    pub name: String,
    pub members: usize,
    /// Records that they have not finished; none for who keeps its place in PostgreSQL.
    pub lag: Option<i64>,
}

/// An alert that fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub name: String,
    pub labels: String,
}

/// One partition, by both.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    pub row: &'a PartitionRow,
    /// Requests that are not decided; none without Kafka.
    pub lag: Option<i64>,
    pub oldest: Option<Duration>,
    pub published: Option<i64>,
    pub waits_for: Waits,
}

/// What a partition waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// Nothing is to be done.
    Idle,
    /// It is being worked on.
    Deciding,
    /// There is something to do, and nothing was done.
    Owner,
    /// What was decided is to be published.
    Publishing,
    /// Kafka does not say.
    Unknown,
}

impl Waits {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "nothing",
            Self::Deciding => "its turn: it is moving",
            Self::Owner => "its owner: it does not move",
            Self::Publishing => "Kafka, to publish",
            Self::Unknown => "not known",
        }
    }
}

impl Report {
    /// The partitions.
    pub fn partitions(&self) -> Vec<Line<'_>> {
        let Ok(stored) = &self.store else { return Vec::new() };
        stored.partitions.iter().map(|row| self.partition(stored, row)).collect()
    }

    fn partition<'a>(&self, stored: &Stored, row: &'a PartitionRow) -> Line<'a> {
        let Ok(log) = &self.log else {
            return Line { row, lag: None, oldest: None, published: None, waits_for: Waits::Unknown };
        };
        let end = log.requests.get(&row.partition).copied().unwrap_or(row.next_offset);
        let lag = (end - row.next_offset).max(0);
        let moved = stored.later.get(&row.partition).is_some_and(|later| *later > row.next_offset);
        let published = log.published.get(&row.partition).copied();
        let waits_for = match (lag, moved) {
            (0, _) if published.unwrap_or(row.last_seq) < row.last_seq => Waits::Publishing,
            (0, _) => Waits::Idle,
            (_, true) => Waits::Deciding,
            (_, false) => Waits::Owner,
        };
        let since = log.waiting_since.get(&row.partition).filter(|_| lag > 0);
        Line { row, lag: Some(lag), oldest: since.map(|since| self.at.since(*since)), published, waits_for }
    }

    /// What somebody has to look at, each with what to do next; the worst first.
    pub fn findings(&self) -> Vec<String> {
        let mut found = Vec::new();
        match &self.store {
            Err(why) => found.push(format!(
                "PostgreSQL does not answer ({why}): nothing is decided until it does. Webhooks are kept meanwhile"
            )),
            Ok(stored) => self.stored(stored, &mut found),
        }
        match &self.log {
            Err(why) => found.push(format!(
                "Kafka does not answer ({why}): nothing is taken in, and senders are told to come again"
            )),
            Ok(log) => self.logged(log, &mut found),
        }
        match &self.alerts {
            Some(Err(why)) => found.push(format!("Prometheus does not answer ({why}): no alert can fire")),
            Some(Ok(alerts)) => {
                found.extend(alerts.iter().map(|alert| format!("the alert {} fires{}", alert.name, alert.labels)));
            }
            None => {}
        }
        found
    }

    fn stored(&self, stored: &Stored, found: &mut Vec<String>) {
        let still =
            |line: &Line<'_>| line.waits_for == Waits::Owner && line.oldest.is_none_or(|oldest| oldest > DECIDING_MAX);
        let lines = self.partitions();
        let names: Vec<String> =
            lines.iter().filter(|line| still(line)).map(|line| line.row.partition.to_string()).collect();
        if !names.is_empty() {
            found.push(format!(
                "{} of the arbiter {} not move: {}; its owners' logs and daybook_arbiter_partitions_stopped say why",
                if names.len() == 1 { "a partition" } else { "partitions" },
                if names.len() == 1 { "does" } else { "do" },
                names.join(", ")
            ));
        }
        for target in &stored.targets {
            let name = &target.target;
            if target.paused {
                found.push(format!("target {name} is stopped by hand, {} wait: daybook paused", target.due));
            } else if let Some(age) = target.oldest.map(|oldest| self.at.since(oldest)).filter(|age| *age > SHOWING_MAX)
            {
                let count = text::count(usize::try_from(target.due).unwrap_or(0), "booking");
                found.push(format!(
                    "target {name} is behind by {}, {count} wait: daybook_propagator_lane_state says whether it answers",
                    text::span(age)
                ));
            }
            if target.parked > 0 {
                found.push(format!(
                    "target {name} was given up for {} of its bookings: daybook dlq list --queue propagator",
                    target.parked
                ));
            }
            if target.left > 0 {
                let left = text::count(usize::try_from(target.left).unwrap_or(0), "difference");
                found.push(format!("{left} at target {name} left to a person: daybook drift {name}"));
            }
        }
        for source in &stored.sources {
            let name = &source.source;
            if source.paused {
                found.push(format!("source {name} is stopped by hand: daybook paused"));
            }
            if source.failing > 0 {
                found.push(format!(
                    "{} of {} readings of {name} come to nothing: daybook sources status {name}",
                    source.failing, source.readings
                ));
            }
            if source.missing > 0 {
                found.push(format!(
                    "{} events of {name} are missing at once and held: daybook sources status {name}",
                    source.missing
                ));
            }
            if source.letters > 0 {
                found.push(format!(
                    "{} events of {name} could not be read: daybook dlq list --queue normalizer --source {name}",
                    source.letters
                ));
            }
        }
        let OpenRow { compensations, oldest } = &stored.open;
        if let Some(age) = oldest.map(|oldest| self.at.since(oldest)).filter(|age| *age > COMPENSATION_MAX) {
            found.push(format!(
                "{compensations} promised and refused, the oldest for {}: daybook compensations",
                text::span(age)
            ));
        }
    }

    fn logged(&self, log: &Logged, found: &mut Vec<String>) {
        for group in &log.groups {
            if group.members == 0 {
                found.push(format!("no {} is running, or none reaches Kafka", group.service));
            }
        }
        let arbiter = log.letters.get(topics::DLQ_ARBITER).copied().unwrap_or(0);
        if arbiter > 0 {
            found.push(format!("{arbiter} requests could not be decided: daybook dlq list --queue arbiter"));
        }
    }
}
