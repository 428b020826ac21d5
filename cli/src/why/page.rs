//! The page: what happened, who has the time and by which rule, what is still open. Pure.
//!
//! Written for somebody who answers a customer and has never seen the code. No personal data: ids, times and reasons.

mod open;

use std::fmt::Write as _;
use std::time::Duration;

use chrono_tz::Tz;
use daybook_domain::{BookingId, BookingKind, Elsewhere, Interval, Outcome, ResourceId, Sight, Standing, Timestamp};
use daybook_rows::BookingRow;
use daybook_wire::LoggedDecision;

use crate::store::{AttemptRow, CompensationRow, DeliveryRow};
use crate::text;
use crate::words;

/// A decision, and when it was written down.
pub struct Sighting {
    pub logged: LoggedDecision,
    pub committed_at: Timestamp,
}

/// A booking as it stands, with its way to each target.
pub struct Known {
    pub booking: BookingRow,
    pub deliveries: Vec<DeliveryRow>,
}

/// Everything that a page is written from.
pub struct Facts {
    /// The zone in which the resource's times are shown.
    pub zone: Option<Tz>,
    pub bookings: Vec<Known>,
    /// In the order of the decisions.
    pub sightings: Vec<Sighting>,
    /// What was promised and refused, oldest first.
    pub compensations: Vec<CompensationRow>,
}

impl Sighting {
    /// The booking it was about.
    pub fn booking(&self) -> Option<BookingId> {
        self.logged.decision.booking.as_ref().map(|booking| booking.booking_id)
    }

    /// Whether the booking it was about, or a shadow of it, covered this moment after it.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.logged.decision.booking.as_ref().is_some_and(|booking| {
            booking.standing.interval().into_iter().chain(booking.away()).any(|interval| contains(interval, at))
        })
    }

    /// Whether it refused something that wanted this moment, or found something over a booking that covered it.
    pub fn was_refused(&self, at: Timestamp) -> bool {
        let decision = &self.logged.decision;
        let winner = decision.outcome.winner().map(|winner| winner.interval);
        let wanted = decision.wanted.as_ref().map(|wanted| wanted.interval);
        winner.into_iter().chain(wanted).any(|interval| contains(interval, at))
    }

    /// The version that it made; none if it changed nothing that targets show.
    fn made(&self) -> Option<i64> {
        match self.logged.decision.outcome {
            Outcome::Confirmed
            | Outcome::Rescheduled
            | Outcome::Updated
            | Outcome::Cancelled
            | Outcome::AwaitingReplacement
            | Outcome::Moved
            | Outcome::Redacted => {
                self.logged.decision.booking.as_ref().and_then(|booking| i64::try_from(booking.version).ok())
            }
            Outcome::Held
            | Outcome::Expired
            | Outcome::Observed
            | Outcome::Flagged(_)
            | Outcome::Defined
            | Outcome::Rejected(_)
            | Outcome::Unchanged(_) => None,
        }
    }
}

fn contains(interval: Interval, at: Timestamp) -> bool {
    interval.start() <= at && at < interval.end()
}

/// The page of one booking.
pub fn booking(facts: &Facts) -> String {
    let mut page = String::new();
    for known in &facts.bookings {
        line(&mut page, 0, &format!("Booking {}", known.booking.state.booking_id));
        line(&mut page, 1, &stands(&known.booking, facts.zone));
        line(&mut page, 1, &format!("of {}, known from {}", known.booking.resource, known.booking.state.source));
        for further in further(&known.booking, facts.zone) {
            line(&mut page, 1, &further);
        }
    }
    if let (true, Some(refused)) = (facts.bookings.is_empty(), facts.compensations.first()) {
        line(&mut page, 0, &format!("Booking {}", refused.booking_id));
        line(&mut page, 1, &format!("of {}, known from {}: refused, and never made", refused.resource, refused.source));
    }
    history(&mut page, "What happened, in order", facts);
    rules(&mut page, facts);
    open::section(&mut page, facts);
    page
}

/// The page of a resource at a moment.
pub fn slot(facts: &Facts, resource: &ResourceId, at: Timestamp) -> String {
    let mut page = String::new();
    line(&mut page, 0, &format!("{resource} at {}", text::instant(at, facts.zone)));
    head(&mut page, "Who has this time");
    let holders = facts.bookings.iter().map(|known| &known.booking).filter(|booking| holds(booking, at));
    let mut held = false;
    for booking in holders {
        held = true;
        line(&mut page, 1, &format!("booking {} of {}", booking.state.booking_id, booking.state.source));
        line(&mut page, 2, &stands(booking, facts.zone));
    }
    for (booking, shadow) in strays(facts, at) {
        held = true;
        let (id, source) = (booking.state.booking_id, &booking.state.source);
        line(&mut page, 1, &format!("booking {id} of {source} is shown here by {shadow}"));
        line(&mut page, 2, &format!("it stands elsewhere: {}", stands(booking, facts.zone)));
    }
    if !held {
        line(&mut page, 1, "nobody: it is free as far as Daybook knows");
    }
    if facts.sightings.is_empty() {
        line(&mut page, 1, "nothing was ever decided about it; an event that could not be read would be in");
        line(&mut page, 1, "the dead letters: daybook dlq list");
        return page;
    }
    history(&mut page, "What was asked for it, in order", facts);
    rules(&mut page, facts);
    open::section(&mut page, facts);
    page
}

fn holds(booking: &BookingRow, at: Timestamp) -> bool {
    booking.state.standing.live().is_some_and(|interval| contains(interval, at))
}

/// Live bookings that another source shows at this moment, where they are not, each with that source.
fn strays(facts: &Facts, at: Timestamp) -> impl Iterator<Item = (&BookingRow, &str)> {
    let bookings = facts.bookings.iter().map(|known| &known.booking);
    let live = bookings.filter(|booking| booking.state.standing.live().is_some());
    live.flat_map(move |booking| {
        let here = booking.state.shadows.iter().filter(move |shadow| match shadow.sight {
            Sight::Away(interval) => contains(interval, at),
            Sight::Along | Sight::Gone => false,
        });
        here.map(move |shadow| (booking, shadow.source.as_str()))
    })
}

/// How a booking stands, in a sentence.
pub fn stands(booking: &BookingRow, zone: Option<Tz>) -> String {
    let state = &booking.state;
    let when = state.standing.interval().map_or_else(|| "time not known".to_owned(), |it| text::interval(it, zone));
    let version = state.version;
    match (state.standing, state.kind) {
        (Standing::Awaiting { until, .. }, _) => {
            let until = text::moment(until);
            format!("cancelled, replacement announced (version {version}): keeps {when} until {until}")
        }
        (Standing::Held { until, .. }, _) => {
            format!("held (version {version}): keeps {when} until {}, unless it is confirmed", text::moment(until))
        }
        (Standing::Confirmed(_), BookingKind::Busy) => format!("taken elsewhere (version {version}): {when}"),
        (Standing::Cancelled { .. }, _) if state.moved_to.is_some() => {
            format!("moved to another resource (version {version}): had {when}")
        }
        (standing, _) => format!("{} (version {version}): {when}", standing.as_str()),
    }
}

/// What a booking has to do with other resources and other sources, a line each.
pub fn further(booking: &BookingRow, zone: Option<Tz>) -> Vec<String> {
    let state = &booking.state;
    let moved = |lead: &str, other: &Option<Elsewhere>| {
        other.as_ref().map(|other| format!("{lead} booking {} of {}", other.booking_id, other.resource))
    };
    let mut lines: Vec<String> = moved("replaced", &state.moved_from).into_iter().collect();
    lines.extend(moved("replaced by", &state.moved_to));
    lines.extend(state.shadows.iter().map(|shadow| {
        let source = &shadow.source;
        match shadow.sight {
            Sight::Away(interval) => {
                format!("{source} shows it elsewhere, and blocks that time: {}", text::interval(interval, zone))
            }
            Sight::Gone => format!("{source} showed it and shows it no more"),
            Sight::Along => format!("{source} shows it too"),
        }
    }));
    lines
}

fn history(page: &mut String, title: &str, facts: &Facts) {
    head(page, title);
    if facts.sightings.is_empty() {
        line(page, 1, "the decisions are no longer kept");
    }
    let many = facts.bookings.len() > 1;
    for (number, sighting) in facts.sightings.iter().enumerate() {
        let decision = &sighting.logged.decision;
        let asked = words::asked(decision);
        let began = decision.sourced_at.unwrap_or(decision.received_at);
        line(page, 1, &format!("{}. {}  {asked}", number + 1, text::moment(began)));
        line(page, 3, &words::answered(decision, facts.zone));
        for more in words::more(decision, facts.zone) {
            line(page, 3, &more);
        }
        if let (true, Some(id)) = (many, sighting.booking()) {
            line(page, 3, &format!("booking {id}"));
        }
        line(page, 3, &delays(sighting));
        for shown in shown(sighting, facts) {
            line(page, 3, &shown);
        }
        let place = format!("{}/{}", sighting.logged.partition, sighting.logged.seq);
        line(page, 3, &format!("request {}, decision {place}", decision.request_id));
    }
}

/// From the source's clock to ours, step by step. Clocks of different machines may disagree a little.
fn delays(sighting: &Sighting) -> String {
    let decision = &sighting.logged.decision;
    let received = match decision.sourced_at {
        Some(sourced) => format!("received {} after its source's clock", text::delay(sourced, decision.received_at)),
        None => format!("received {} (its source gave no time)", text::moment(decision.received_at)),
    };
    let decided = text::delay(decision.received_at, decision.decided_at);
    let committed = text::delay(decision.decided_at, sighting.committed_at);
    format!("{received}, decided {decided}, written down {committed}")
}

/// When each target showed the version that a decision made, counted from the decision.
fn shown(sighting: &Sighting, facts: &Facts) -> Vec<String> {
    let (Some(version), Some(id)) = (sighting.made(), sighting.booking()) else { return Vec::new() };
    let known = facts.bookings.iter().filter(|known| known.booking.state.booking_id == id);
    let deliveries = known.flat_map(|known| &known.deliveries);
    deliveries
        .map(|delivery| {
            let target = &delivery.target;
            match settled(delivery, version) {
                Settled::At(at) => {
                    format!("shown at {target} {}", text::delay(sighting.logged.decision.decided_at, at))
                }
                Settled::Skipped => {
                    format!("never shown at {target}: version {} came before it was", delivery.applied_version)
                }
                Settled::Not => format!("not shown at {target} yet"),
            }
        })
        .collect()
}

enum Settled {
    At(Timestamp),
    Skipped,
    Not,
}

fn settled(delivery: &DeliveryRow, version: i64) -> Settled {
    if let (true, Some(at)) = (delivery.applied_version == version, delivery.applied_at) {
        return Settled::At(at);
    }
    let call = delivery.attempts.iter().find(|attempt| attempt.version == version && is_success(attempt));
    match call {
        Some(call) => Settled::At(call.at.plus(Duration::from_millis(u64::try_from(call.duration_ms).unwrap_or(0)))),
        None if delivery.applied_version > version => Settled::Skipped,
        None => Settled::Not,
    }
}

/// The words of the propagator's verdicts for "the target shows what it should".
fn is_success(attempt: &AttemptRow) -> bool {
    matches!(attempt.result.as_str(), "applied" | "gone" | "removed" | "nothing_to_show")
}

fn rules(page: &mut String, facts: &Facts) {
    let mut rules: Vec<&str> =
        facts.sightings.iter().filter_map(|sighting| words::rule(&sighting.logged.decision.outcome)).collect();
    rules.sort_unstable();
    rules.dedup();
    if rules.is_empty() {
        return;
    }
    head(page, "By which rule");
    for rule in rules {
        line(page, 1, rule);
    }
}

fn head(page: &mut String, title: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "\n{title}");
}

fn line(page: &mut String, depth: usize, text: &str) {
    let _ = writeln!(page, "{:indent$}{text}", "", indent = depth * 2);
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
