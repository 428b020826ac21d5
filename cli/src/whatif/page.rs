//! What came of a trial, for a person.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono_tz::Tz;
use daybook_domain::{BookingKind, Decision, Interval, Outcome, Rejection, SourceName};

use daybook_normalizer_core::RejectReason;

use super::trial::Trial;
use crate::text;
use crate::words;

/// How much of each kind is told; more is counted.
const SHOWN_MAX: usize = 50;

/// The page.
pub fn page(trial: &Trial) -> String {
    let mut page = String::new();
    let payloads: usize = trial.payloads.values().sum();
    let each = trial.payloads.iter().map(|(source, count)| format!("{source} {count}"));
    // Writing to a string cannot fail.
    let _ = writeln!(page, "{} ({})", text::count(payloads, "payload"), each.collect::<Vec<_>>().join(", "));
    let _ = writeln!(
        page,
        "{}, {} passed over, {}",
        text::count(trial.decisions.len(), "decision"),
        trial.passed_over,
        text::count(trial.rejects.len(), "dead letter")
    );
    for (outcome, count) in outcomes(&trial.decisions) {
        let _ = writeln!(page, "  {count:>6}  {outcome}");
    }
    let head = page.len();
    let kind = |wanted: Kind| trial.decisions.iter().filter(move |decision| Kind::of(decision) == Some(wanted));
    for (head, wanted) in [
        ("DOUBLE BOOKINGS: two have promised one time", Kind::Double),
        ("TAKEN TWICE: a calendar shows time as taken that is booked", Kind::Flagged),
        ("REFUSED for another reason", Kind::Refused),
    ] {
        section(&mut page, head, kind(wanted).map(|decision| told(decision, trial)).collect());
    }
    section(&mut page, "NOT READ", rejects(trial));
    unmapped(&mut page, trial);
    if page.len() == head {
        page.push_str("\nnothing is booked twice, refused, or left over\n");
    }
    page
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Double,
    Flagged,
    Refused,
}

impl Kind {
    fn of(decision: &Decision) -> Option<Self> {
        match &decision.outcome {
            Outcome::Rejected(Rejection::Conflict(_)) => Some(Self::Double),
            Outcome::Flagged(_) => Some(Self::Flagged),
            Outcome::Rejected(_) => Some(Self::Refused),
            Outcome::Confirmed
            | Outcome::Held
            | Outcome::Rescheduled
            | Outcome::Updated
            | Outcome::Cancelled
            | Outcome::AwaitingReplacement
            | Outcome::Expired
            | Outcome::Observed
            | Outcome::Moved
            | Outcome::Defined
            | Outcome::Redacted
            | Outcome::Unchanged(_) => None,
        }
    }
}

fn outcomes(decisions: &[Decision]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for decision in decisions {
        *counted.entry(words::outcome(&decision.outcome)).or_default() += 1;
    }
    counted
}

fn section(page: &mut String, head: &str, told: Vec<String>) {
    if told.is_empty() {
        return;
    }
    let _ = writeln!(page, "\n{head} ({})", told.len());
    let more = told.len().saturating_sub(SHOWN_MAX);
    for text in told.into_iter().take(SHOWN_MAX) {
        let _ = writeln!(page, "  {}", text.replace('\n', "\n  "));
    }
    if more > 0 {
        let _ = writeln!(page, "  and {more} more");
    }
}

fn told(decision: &Decision, trial: &Trial) -> String {
    let zone: Option<Tz> = trial.zones.get(&decision.resource).copied();
    let at = |interval: Interval| text::interval(interval, zone);
    let wanted = decision.wanted.as_ref().map(|wanted| wanted.interval);
    let booking = decision.booking.as_ref().filter(|booking| booking.kind == BookingKind::Busy);
    let asked = wanted.or_else(|| booking.and_then(|booking| booking.standing.interval()));
    let mut text = format!("{}  {}", decision.resource, asked.map_or_else(|| "an unknown time".to_owned(), at));
    match decision.outcome.winner() {
        Some(winner) => {
            let verb = if matches!(decision.outcome, Outcome::Flagged(_)) { "shows it as taken" } else { "wants it" };
            let _ = write!(text, "\n  {} {verb}; {} has {}", decision.source, winner.source, at(winner.interval));
        }
        None => {
            let _ = write!(
                text,
                "\n  {} {}: {}",
                decision.source,
                decision.operation.as_str(),
                words::outcome(&decision.outcome)
            );
        }
    }
    if let Some(free) = decision.next_free.first() {
        let _ = write!(text, "\n  free instead: {}", at(*free));
    }
    text
}

fn rejects(trial: &Trial) -> Vec<String> {
    let mut by_reason: BTreeMap<(&SourceName, String), (usize, &str)> = BTreeMap::new();
    // Names that no resource has are told apart.
    let told = trial.rejects.iter().filter(|(_, _, reject)| reject.reason != RejectReason::UnknownResource);
    for (source, at, reject) in told {
        let what = format!("{}: {reject}", reject.reason.as_str());
        by_reason.entry((source, what)).or_insert((0, at)).0 += 1;
    }
    let line = |((source, what), (count, first)): ((&SourceName, String), (usize, &str))| {
        format!("{source}  {}, first in {first}\n  {what}", text::count(count, "time"))
    };
    by_reason.into_iter().map(line).collect()
}

/// Names that no resource has, ready to be pasted below resources.
fn unmapped(page: &mut String, trial: &Trial) {
    if trial.unmapped.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "\nNOBODY'S: names that no resource has ({}); enter each with whoever it means",
        trial.unmapped.len()
    );
    let mut by_count: Vec<_> = trial.unmapped.iter().collect();
    by_count.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    for ((source, alias), count) in by_count.into_iter().take(SHOWN_MAX) {
        // JSON's quoting is also YAML's.
        let quoted = serde_json::Value::from(alias.as_str());
        let _ = writeln!(page, "    {source}: [{quoted}]   # {}", text::count(*count, "payload"));
    }
    let more = trial.unmapped.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        let _ = writeln!(page, "    # and {more} more");
    }
}
