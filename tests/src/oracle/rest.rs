//! The laws of rest: when nothing is on its way, every place tells the story of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, BookingKind, Elsewhere, RequestId, Standing, Timestamp};
use daybook_runtime::kafka::Record;
use daybook_wire::CanonicalBooking;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::caldav::Entry;
use crate::oracle::log::Log;
use crate::receiver::Report;
use crate::store::{BookingRow, DecisionRow, DeliveryRow, PartitionRow, TargetRow};

/// `decision` holds what the topic holds, byte for byte.
pub fn the_table_is_the_log(rows: &[DecisionRow], log: &Log) -> Vec<String> {
    let mut broken = Vec::new();
    let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
    for row in rows {
        *counts.entry(row.partition).or_default() += 1;
        let at = usize::try_from(row.seq - 1).unwrap_or(usize::MAX);
        let place = format!("partition {}, seq {}", row.partition, row.seq);
        match log.partition(row.partition).get(at) {
            None => broken.push(format!("{place} is in the store and not on the topic")),
            Some(entry) if entry.value != row.record => broken.push(format!("{place}: the stored bytes are others")),
            Some(entry) if entry.logged.decision.request_id.uuid() != row.request_id => {
                broken.push(format!("{place}: the column request_id is not the record's"));
            }
            Some(_) => {}
        }
    }
    let total: usize = log.entries().count();
    if total != rows.len() {
        broken.push(format!("the topic has {total} decisions and the store {}", rows.len()));
    }
    broken
}

/// Each partition's row stands behind its last decision.
pub fn partitions_stand_at_the_end(rows: &[PartitionRow], log: &Log) -> Vec<String> {
    let mut broken = Vec::new();
    for row in rows {
        let entries = log.partition(row.partition);
        let next = i64::try_from(entries.len()).unwrap_or(i64::MAX) + 1;
        if row.next_seq != next {
            broken.push(format!("partition {} stands at seq {} and the log at {next}", row.partition, row.next_seq));
        }
        let hash: [u8; 32] = entries.last().map_or([0; 32], |entry| Sha256::digest(&entry.value).into());
        if row.chain != hash {
            broken.push(format!("partition {}: the chain's head is not the hash of the last decision", row.partition));
        }
    }
    broken
}

/// The bookings in the store are what the decisions add up to.
pub fn the_store_is_the_fold(rows: &[BookingRow], log: &Log) -> Vec<String> {
    let mut fold = log.fold();
    let mut broken = Vec::new();
    for row in rows {
        let Some((resource, state)) = fold.remove(&BookingId::from_uuid(row.booking_id)) else {
            broken.push(format!("booking {} is in the store and in no decision", row.booking_id));
            continue;
        };
        let stored = Stated::of_row(row);
        let decided = Stated {
            kind: kind(state.kind),
            status: status(&state.standing),
            interval: times(&state.standing),
            unit: state.unit,
            version: state.version,
            moved: moved(state.moved_from.as_ref(), state.moved_to.as_ref()),
        };
        if stored != decided || row.resource_id != resource.as_str() {
            broken.push(format!("booking {}: the store says {stored:?}, the log {decided:?}", row.booking_id));
        }
    }
    broken.extend(fold.keys().map(|id| format!("booking {id} is decided and not in the store")));
    broken
}

/// Every decision answers a request that is on the topic (or a record on it that could not be read), or ends a wait
/// whose deadline an earlier decision set.
pub fn nothing_is_invented(log: &Log, requests: impl Iterator<Item = RequestId>) -> Vec<String> {
    let known: BTreeSet<RequestId> = requests.chain(log.deadlines()).collect();
    let invented = log.entries().filter(|entry| !known.contains(&entry.logged.decision.request_id));
    invented.map(|entry| format!("{} is decided and was never asked", entry.logged.decision.request_id)).collect()
}

/// The newest state of each booking, merged as the recipe says: only when the version rises.
pub fn newest<'a>(states: impl Iterator<Item = &'a CanonicalBooking>) -> BTreeMap<Uuid, &'a CanonicalBooking> {
    let mut newest: BTreeMap<Uuid, &CanonicalBooking> = BTreeMap::new();
    for state in states {
        let known = newest.entry(state.booking_id.uuid()).or_insert(state);
        if state.version > known.version {
            *known = state;
        }
    }
    newest
}

/// `booking.canonical` ends with what the store holds.
pub fn canonical_is_the_store(newest: &BTreeMap<Uuid, &CanonicalBooking>, rows: &[BookingRow]) -> Vec<String> {
    let mut broken = Vec::new();
    for row in rows {
        let Some(state) = newest.get(&row.booking_id) else {
            broken.push(format!("booking {} is not on booking.canonical", row.booking_id));
            continue;
        };
        let published = Stated {
            kind: kind(state.kind),
            status: status(&state.standing),
            interval: times(&state.standing),
            unit: state.unit,
            version: state.version,
            moved: moved(state.moved_from.as_ref(), state.moved_to.as_ref()),
        };
        let stored = Stated::of_row(row);
        if published != stored || state.title != row.title || state.source_ids != row.source_ids {
            broken.push(format!(
                "booking {}: booking.canonical ends with {published:?}, the store with {stored:?}",
                row.booking_id
            ));
        }
    }
    if newest.len() > rows.len() {
        broken.push(format!("booking.canonical has {} bookings and the store {}", newest.len(), rows.len()));
    }
    broken
}

/// A state's key is its booking.
pub fn is_keyed(record: &Record, state: &CanonicalBooking) -> Option<String> {
    let key = record.key.as_deref().unwrap_or_default();
    (key != state.booking_id.to_string().as_bytes())
        .then(|| format!("{record:?} has another key than its booking {}", state.booking_id))
}

/// A calendar shows the bookings of its resource that are confirmed, and nothing else.
pub fn the_calendar_shows(target: &TargetRow, rows: &[BookingRow], held: &BTreeMap<String, Entry>) -> Vec<String> {
    let resource = &target.resource_id;
    let mut broken = Vec::new();
    let mut left: BTreeMap<&str, &Entry> = held.iter().map(|(uid, entry)| (uid.as_str(), entry)).collect();
    for row in rows.iter().filter(|row| row.resource_id == *resource && row.is_shown()) {
        let uid = row.booking_id.to_string();
        let Some(entry) = left.remove(uid.as_str()) else {
            broken.push(format!("{resource}'s calendar lacks booking {uid}"));
            continue;
        };
        let sees = |field: &str| target.fields.iter().any(|listed| listed == field);
        let title = row.title.clone().filter(|_| sees("title")).unwrap_or_else(|| "Busy".to_owned());
        let wanted = (row.start_time.map(whole), row.end_time.map(whole_up), u64::try_from(row.version).ok(), title);
        let shown = (Some(entry.start), Some(entry.end), entry.version, entry.summary.clone());
        if wanted != shown {
            broken.push(format!("{resource}'s calendar shows {uid} as {shown:?} and it is {wanted:?}"));
        }
        if entry.description.is_some() && !sees("attendees") {
            broken.push(format!("{resource}'s calendar shows who attends {uid}, and may not"));
        }
    }
    broken
        .extend(left.keys().map(|uid| format!("{resource}'s calendar shows {uid}, which is none that it is to show")));
    broken
}

/// What a receiver of webhooks has made of them.
#[derive(Debug, Clone)]
pub struct Shown {
    bookings: BTreeMap<String, (u64, String)>,
    faults: Vec<String>,
}

impl Shown {
    /// Of a report.
    pub fn of(report: &Report) -> Self {
        let mut faults = Vec::new();
        for delivery in report.log.iter().filter(|delivery| delivery.regression) {
            let (version, booking) = (delivery.version, &delivery.booking_id);
            faults.push(format!("the receiver was told version {version} of {booking} after a newer one"));
        }
        if report.bad_signatures > 0 {
            faults.push(format!("the receiver saw {} bad signatures", report.bad_signatures));
        }
        let of = |(id, booking): (&String, &crate::receiver::Booking)| {
            (id.clone(), (booking.version, booking.status.clone()))
        };
        Self { bookings: report.bookings.iter().map(of).collect(), faults }
    }
}

/// The receiver knows every booking that is to be shown of the resources it hears of, in its newest version, and was
/// never told an older one after a newer. Of a booking that was over before it was told, it need not know; nor of what
/// became of one after it was told that it is over.
pub fn the_receiver_believes(targets: &[TargetRow], rows: &[BookingRow], shown: &Shown) -> Vec<String> {
    let mut broken = shown.faults.clone();
    let heard: BTreeSet<&str> =
        targets.iter().filter(|target| target.target == "partner").map(|target| target.resource_id.as_str()).collect();
    for row in rows {
        let id = row.booking_id;
        match (shown.bookings.get(&id.to_string()), heard.contains(row.resource_id.as_str())) {
            (Some(_), false) => broken.push(format!("the receiver knows {id}, which is not its to know")),
            (None, true) if row.is_shown() => broken.push(format!("the receiver does not know {id}")),
            (Some((version, status)), true) => {
                let newest = u64::try_from(row.version).unwrap_or(u64::MAX);
                let is_newest = *version == newest || (*version < newest && !row.is_shown());
                if !is_newest || status != told_status(row) {
                    let (wanted, is) = (row.version, told_status(row));
                    broken.push(format!("the receiver believes {id} {status} at {version}; it is {is} at {wanted}"));
                }
            }
            (None, _) => {}
        }
    }
    broken
}

/// What a receiver is told of where a booking stands.
fn told_status(row: &BookingRow) -> &'static str {
    match (row.is_shown(), row.status.as_str()) {
        (true, "awaiting") => "awaiting_replacement",
        (true, _) => "confirmed",
        (false, _) => "cancelled",
    }
}

/// Nothing waits, and what was settled is published.
pub fn is_settled(row: &DeliveryRow) -> Option<String> {
    let place = format!("{} at {}", row.booking_id, row.target);
    if let Some(reason) = &row.parked_reason {
        return Some(format!("{place} is parked: {reason}"));
    }
    (row.applied_version < row.desired_version)
        .then(|| format!("{place} is at version {} of {}", row.applied_version, row.desired_version))
}

/// What can be said of a booking in every place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stated {
    kind: &'static str,
    status: &'static str,
    interval: Option<(Timestamp, Timestamp)>,
    unit: u16,
    version: u64,
    /// The bookings on other resources that it replaced and that replaced it.
    moved: (Option<Uuid>, Option<Uuid>),
}

impl Stated {
    fn of_row(row: &BookingRow) -> Self {
        let time = |time: DateTime<Utc>| Timestamp::try_from(time).unwrap_or(Timestamp::MAX);
        let word = |words: &[&'static str], text: &str| words.iter().copied().find(|word| *word == text);
        Self {
            kind: word(&["booking", "busy"], &row.kind).unwrap_or("unknown"),
            status: word(&["held", "confirmed", "awaiting", "cancelled"], &row.status).unwrap_or("unknown"),
            interval: row.start_time.map(time).zip(row.end_time.map(time)),
            unit: u16::try_from(row.unit).unwrap_or(u16::MAX),
            version: u64::try_from(row.version).unwrap_or(u64::MAX),
            moved: (row.moved_from_booking, row.moved_to_booking),
        }
    }
}

const fn kind(kind: BookingKind) -> &'static str {
    match kind {
        BookingKind::Booking => "booking",
        BookingKind::Busy => "busy",
    }
}

const fn status(standing: &Standing) -> &'static str {
    match standing {
        Standing::Held { .. } => "held",
        Standing::Confirmed(_) => "confirmed",
        Standing::Awaiting { .. } => "awaiting",
        Standing::Cancelled { .. } => "cancelled",
    }
}

fn times(standing: &Standing) -> Option<(Timestamp, Timestamp)> {
    standing.interval().map(|interval| (interval.start(), interval.end()))
}

fn moved(from: Option<&Elsewhere>, to: Option<&Elsewhere>) -> (Option<Uuid>, Option<Uuid>) {
    let id = |elsewhere: &Elsewhere| elsewhere.booking_id.uuid();
    (from.map(id), to.map(id))
}

/// iCalendar knows whole seconds: a start is rounded down.
fn whole(time: DateTime<Utc>) -> Timestamp {
    Timestamp::from_millis(time.timestamp() * 1_000).unwrap_or(Timestamp::MAX)
}

/// And an end up.
fn whole_up(time: DateTime<Utc>) -> Timestamp {
    let rest = time.timestamp_subsec_micros();
    whole(time).plus(Duration::from_secs(u64::from(rest > 0)))
}

#[cfg(test)]
mod tests;
