//! The page of `daybook status`, and its JSON.

use daybook_domain::Timestamp;
use serde_json::{Value, json};

use super::report::{Report, Waits};
use crate::table;
use crate::text;

/// The page: what is wrong first, then everything.
pub fn page(report: &Report, all: bool) -> String {
    let mut page = format!("Daybook at {}\n\n", text::moment(report.at));
    let findings = report.findings();
    if findings.is_empty() {
        page.push_str("all is well\n");
    }
    for finding in &findings {
        page.push_str(&format!("! {finding}\n"));
    }
    let mut section = |head: &[&str], lines: Vec<Vec<String>>| {
        if !lines.is_empty() {
            page.push('\n');
            page.push_str(&table::draw(head, &lines));
        }
    };
    let ago = |time: Option<Timestamp>| {
        time.map_or_else(|| "-".to_owned(), |time| format!("{} ago", text::span(report.at.since(time))))
    };
    let number = |number: Option<i64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let log = report.log.as_ref().ok();
    if let Some(log) = log {
        let lines = log.groups.iter().map(|group| {
            let lag = group.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string());
            vec![group.service.to_owned(), group.members.to_string(), lag]
        });
        section(&["service", "processes", "lag"], lines.collect());
    }
    let partitions = report.partitions();
    let shown = partitions.iter().filter(|line| all || !matches!(line.waits_for, Waits::Idle));
    let lines = shown.map(|line| {
        vec![
            line.row.partition.to_string(),
            line.row.owner.clone(),
            line.row.epoch.to_string(),
            line.row.next_offset.to_string(),
            number(line.lag),
            line.oldest.map_or_else(|| "-".to_owned(), text::span),
            line.row.last_seq.to_string(),
            match (line.published, log) {
                (None, Some(_)) => "-".to_owned(),
                (published, _) => number(published),
            },
            line.waits_for.as_str().to_owned(),
        ]
    });
    let head = ["partition", "owner", "epoch", "next", "lag", "oldest", "decided", "published", "waits for"];
    section(&head, lines.collect());
    if let Ok(stored) = &report.store {
        let lines = stored.sources.iter().map(|source| {
            let last = log.and_then(|log| log.last_event.get(&source.source).copied());
            vec![
                source.source.clone(),
                ago(last),
                source.readings.to_string(),
                source.failing.to_string(),
                source.missing.to_string(),
                source.letters.to_string(),
                if source.paused { "paused" } else { "-" }.to_owned(),
            ]
        });
        let head = ["source", "last event", "readings", "failing", "missing", "dead letters", "by hand"];
        section(&head, lines.collect());
        let lines = stored.targets.iter().map(|target| {
            vec![
                target.target.clone(),
                target.due.to_string(),
                target.oldest.map_or_else(|| "-".to_owned(), |oldest| text::span(report.at.since(oldest))),
                target.parked.to_string(),
                target.differing.to_string(),
                if target.paused { "paused" } else { "-" }.to_owned(),
            ]
        });
        section(&["target", "due", "oldest", "given up", "differing", "by hand"], lines.collect());
        let open = text::count(usize::try_from(stored.open.compensations).unwrap_or(0), "compensation");
        page.push_str(&match stored.open.oldest {
            None => "\nno compensations are open\n".to_owned(),
            oldest @ Some(_) => format!("\n{open} open, the oldest {}\n", ago(oldest)),
        });
    }
    let idle = partitions.iter().filter(|line| matches!(line.waits_for, Waits::Idle)).count();
    if !all && idle > 0 {
        page.push_str(&format!(
            "{} of the arbiter with nothing to do (--all shows them)\n",
            text::count(idle, "partition")
        ));
    }
    page
}

/// The same for programs.
pub fn object(report: &Report) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let partitions = report.partitions();
    let partitions: Vec<Value> = partitions
        .iter()
        .map(|line| {
            json!({
                "partition": line.row.partition, "owner": line.row.owner, "epoch": line.row.epoch,
                "acquired_at": line.row.acquired_at.to_string(), "next_offset": line.row.next_offset,
                "decided_seq": line.row.last_seq, "published_seq": line.published, "lag": line.lag,
                "oldest_seconds": line.oldest.map(|oldest| oldest.as_secs_f64()), "waits_for": line.waits_for.as_str(),
            })
        })
        .collect();
    let stored = report.store.as_ref().ok();
    let log = report.log.as_ref().ok();
    let sources: Vec<Value> = stored
        .iter()
        .flat_map(|stored| &stored.sources)
        .map(|source| {
            json!({
                "source": source.source, "readings": source.readings, "failing": source.failing,
                "missing": source.missing, "dead_letters": source.letters, "paused": source.paused,
                "oldest_dead_letter_at": time(source.oldest_letter),
                "last_event_at": time(log.and_then(|log| log.last_event.get(&source.source).copied())),
            })
        })
        .collect();
    let targets: Vec<Value> = stored
        .iter()
        .flat_map(|stored| &stored.targets)
        .map(|target| {
            json!({
                "target": target.target, "due": target.due, "oldest_decided_at": time(target.oldest),
                "parked": target.parked, "differing": target.differing, "left_to_a_person": target.left, "paused": target.paused,
            })
        })
        .collect();
    let services: Vec<Value> = log
        .iter()
        .flat_map(|log| &log.groups)
        .map(|group| json!({"service": group.service, "group": group.name, "processes": group.members, "lag": group.lag}))
        .collect();
    let alerts = report.alerts.as_ref().and_then(|alerts| alerts.as_ref().ok());
    let alerts = alerts.map(|alerts| alerts.iter().map(|alert| alert.name.as_str()).collect::<Vec<_>>());
    json!({
        "at": report.at.to_string(),
        "findings": report.findings(),
        "postgres": report.store.as_ref().err().map_or("up", String::as_str),
        "kafka": report.log.as_ref().err().map_or("up", String::as_str),
        "services": services,
        "partitions": partitions,
        "sources": sources,
        "targets": targets,
        "dead_letters": log.map(|log| &log.letters),
        "compensations": stored.map(|stored| {
            json!({"open": stored.open.compensations, "oldest_opened_at": time(stored.open.oldest)})
        }),
        "alerts": alerts,
    })
}
