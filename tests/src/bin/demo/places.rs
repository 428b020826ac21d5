//! What lies where in the end, read back from there, and how to look at it oneself.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use daybook_domain::{Outcome, topics};
use daybook_stack::Stack;
use daybook_tests::caldav::Entry;
use daybook_tests::oracle::{DeadLetter, dead_letters};
use daybook_tests::receiver::Delivery;
use daybook_tests::wait::{not_yet, wait_until};
use daybook_tests::world::World;
use daybook_wire::LoggedDecision;
use uuid::Uuid;

use crate::page::{Cell, Page, Tone};
use crate::story::{ActTold, Fate, Story, Told};

/// How long the targets may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that was read back.
#[derive(Debug)]
pub struct Found {
    /// From `booking.decisions`: each of the run's decisions with its bytes, in order of its number.
    pub decisions: BTreeMap<Uuid, (Vec<u8>, LoggedDecision)>,
    /// From the calendar server, by resource.
    pub calendars: Vec<BTreeMap<String, Entry>>,
    /// From the receiver, about this run's bookings, in order of arrival.
    pub deliveries: Vec<Delivery>,
    /// From `dlq.normalizer`, with the number of the event.
    pub letters: Vec<(usize, DeadLetter)>,
    /// Records on `raw.calendly` of the booking that nobody signed for.
    pub forged_records: usize,
    /// For each event that was to be decided: how many decisions there are, after everything it was sent as has been
    /// looked at.
    pub times_decided: BTreeMap<usize, usize>,
    /// Each booking's newest version and status in the store.
    pub standing: BTreeMap<Uuid, (i64, String)>,
}

impl Found {
    /// Waits until nothing is on its way any more, and reads.
    pub async fn gather(world: &World, story: &Story, told: &Told) -> Result<Self> {
        for resource in &story.resources {
            wait_until("the targets to hear of every booking", PATIENCE, async || {
                let waiting = world.store.undelivered(Some(&resource.id)).await?;
                not_yet(waiting == 0, || format!("{waiting} deliveries of {} are on their way", resource.id))
            })
            .await?;
        }
        let mut calendars = Vec::new();
        let mut standing = BTreeMap::new();
        for resource in &story.resources {
            let path = resource.calendar.as_deref().unwrap_or_default();
            calendars.push(world.calendars.entries(path).await?);
            for row in world.store.bookings_of(&resource.id).await? {
                standing.insert(row.booking_id, (row.version, row.status));
            }
        }
        let report = world.received().await?;
        let ours = |delivery: &Delivery| delivery.booking_id.parse().is_ok_and(|id: Uuid| standing.contains_key(&id));
        let mut letters = Vec::new();
        for act in told.acts.iter().filter(|act| matches!(act.fate, Fate::DeadLetter(_))) {
            let found = wait_until("the dead letter", PATIENCE, async || {
                let found = dead_letters(world, &act.event_id).await?;
                not_yet(!found.is_empty(), || "there is none".to_owned())?;
                Ok(found)
            });
            letters.extend(found.await?.into_iter().map(|letter| (act.number, letter)));
        }
        let raw = world.kafka.records(&topics::raw(&"calendly".parse()?)).await?;
        let forged = raw.iter().filter(|record| record.key.as_deref() == Some(story.unsigned_uri.as_bytes())).count();
        ensure!(!raw.is_empty(), "raw.calendly is empty, and what was accepted should lie there");
        Ok(Self {
            decisions: decisions(world, told).await?,
            calendars,
            deliveries: report.log.into_iter().filter(ours).collect(),
            letters,
            forged_records: forged,
            times_decided: times_decided(world, story).await?,
            standing,
        })
    }

    /// The decisions and every place, as tables.
    pub fn show(&self, page: &mut Page, story: &Story, told: &Told) {
        page.heading("What was decided, and why");
        let rows: Vec<Vec<Cell>> = told.acts.iter().map(|act| self.decided(story, told, act)).collect();
        page.table(&["#", "resource", "decision", "took", "why"], &rows);

        page.heading(&format!("What the calendars hold now ({})", story.day.format("%A, %-d %B %Y")));
        let mut rows = Vec::new();
        for (at, held) in self.calendars.iter().enumerate() {
            let resource = &story.resources[at];
            let mut entries: Vec<&Entry> = held.values().collect();
            entries.sort_by_key(|entry| entry.start);
            for entry in entries {
                let act = told.acts_of(&entry.uid).pop();
                let who = entry.description.as_deref().unwrap_or("(busy time is all that this calendar may know)");
                rows.push(vec![
                    format!("{} ({})", story.names[at], resource.time_zone).into(),
                    story.span(at, entry.start, entry.end).into(),
                    entry.summary.clone().into(),
                    who.into(),
                    act.map_or_else(|| "?".to_owned(), |act| act.number.to_string()).into(),
                ]);
            }
        }
        page.table(&["calendar", "time there", "entry", "who", "#"], &rows);

        page.heading("What the partner's webhook receiver got");
        let rows: Vec<Vec<Cell>> = self.deliveries.iter().map(|delivery| self.delivered(told, delivery)).collect();
        page.table(&["message", "booking", "version", "status", "#"], &rows);

        page.heading("What lies in dlq.normalizer");
        let letters = self.letters.iter().map(|(number, letter)| {
            let reason = Cell::new(Tone::Firm, letter.reason.replace('_', " "));
            vec![number.to_string().into(), reason, letter.message.clone().into()]
        });
        page.table(&["#", "reason", "what is wrong"], &letters.collect::<Vec<_>>());
    }

    fn decided(&self, story: &Story, told: &Told, act: &ActTold) -> Vec<Cell> {
        let number = act.number.to_string().into();
        let Some(row) = &act.decision else {
            let why = match act.fate {
                Fate::TurnedAway => "turned away at the door: nothing was kept",
                Fate::DeadLetter(_) | Fate::Decided(..) => "could not be read: see the dead letters",
            };
            return vec![number, "-".into(), Cell::new(Tone::Faint, "none"), "-".into(), why.into()];
        };
        let reason = row.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let tone = if row.outcome == "rejected" { Tone::Firm } else { Tone::Good };
        let after = (row.committed_at - received(self, row.request_id).unwrap_or(row.committed_at)).num_milliseconds();
        let outcome = format!("{}{}", row.outcome, reason).replace('_', " ");
        vec![
            number,
            story.name_of(&row.resource_id).into(),
            Cell::new(tone, outcome),
            format!("{after} ms").into(),
            self.why(story, told, act, row.request_id).into(),
        ]
    }

    fn why(&self, story: &Story, told: &Told, act: &ActTold, request: Uuid) -> String {
        let Some((_, logged)) = self.decisions.get(&request) else { return "not on the topic".to_owned() };
        let decision = &logged.decision;
        match &decision.outcome {
            Outcome::Confirmed if act.times > 1 => "the time was free; twice more is still one booking".to_owned(),
            Outcome::Confirmed => "the time was free".to_owned(),
            Outcome::Rescheduled => "the new time was free; the old one is free now, and not before".to_owned(),
            Outcome::AwaitingReplacement => "the old time is kept until the new one is granted".to_owned(),
            Outcome::Cancelled => "asked for by whoever booked it".to_owned(),
            Outcome::Rejected(_) => match decision.outcome.winner() {
                Some(winner) => {
                    let resource =
                        story.resources.iter().position(|resource| resource.id == decision.resource.as_str());
                    let span = resource
                        .map_or_else(String::new, |at| story.span(at, winner.interval.start(), winner.interval.end()));
                    let holder = told.acts_of(&winner.booking_id.to_string()).pop();
                    let holder = holder.map_or_else(String::new, |act| format!(" by the booking of #{}", act.number));
                    format!("{span} is taken{holder}")
                }
                None => "it names no winner".to_owned(),
            },
            Outcome::Held
            | Outcome::Updated
            | Outcome::Expired
            | Outcome::Observed
            | Outcome::Moved
            | Outcome::Defined
            | Outcome::Redacted
            | Outcome::Flagged(_)
            | Outcome::Unchanged(_) => "not expected here".to_owned(),
        }
    }

    fn delivered(&self, told: &Told, delivery: &Delivery) -> Vec<Cell> {
        let version = usize::try_from(delivery.version).unwrap_or(0);
        let act = told.acts_of(&delivery.booking_id).get(version.wrapping_sub(1)).copied();
        let oddity = match (delivery.duplicate, delivery.regression) {
            (_, true) => " (older than one before it)",
            (true, false) => " (again)",
            (false, false) => "",
        };
        vec![
            delivery.r#type.clone().into(),
            short(&delivery.booking_id).into(),
            delivery.version.to_string().into(),
            Cell::new(if oddity.is_empty() { Tone::Good } else { Tone::Odd }, format!("{}{oddity}", delivery.status)),
            act.map_or_else(|| "?".to_owned(), |act| act.number.to_string()).into(),
        ]
    }
}

/// When ingest took the event in, by the decision's own record.
fn received(found: &Found, request: Uuid) -> Option<chrono::DateTime<chrono::Utc>> {
    found.decisions.get(&request).map(|(_, logged)| logged.decision.received_at.into())
}

/// This run's decisions on the topic. They follow the store within moments.
async fn decisions(world: &World, told: &Told) -> Result<BTreeMap<Uuid, (Vec<u8>, LoggedDecision)>> {
    let ours: Vec<Uuid> = told.acts.iter().filter_map(|act| act.decision.as_ref()).map(|row| row.request_id).collect();
    wait_until("the decisions on the topic", PATIENCE, async || {
        let mut found = BTreeMap::new();
        for (record, logged) in world.kafka.decisions().await? {
            let id = logged.decision.request_id.uuid();
            if ours.contains(&id) {
                found.insert(id, (record.value.unwrap_or_default(), logged));
            }
        }
        not_yet(found.len() == ours.len(), || format!("{} of {} are there", found.len(), ours.len()))?;
        Ok(found)
    })
    .await
}

/// How often each event was decided, once every time that it was sent has come to the arbiter and been passed.
async fn times_decided(world: &World, story: &Story) -> Result<BTreeMap<usize, usize>> {
    let acts = story.acts.iter().filter(|act| matches!(act.fate, Fate::Decided(..)));
    let mut times = BTreeMap::new();
    for act in acts {
        let request = act.webhook.request_id(0);
        wait_until("every delivery to come to the arbiter", PATIENCE, async || {
            let records = world.kafka.requests().await?.into_iter();
            let ours = records.filter(|(_, found)| found.as_ref().is_some_and(|found| found.request_id == request));
            let places: Vec<(i32, i64)> = ours.map(|(record, _)| (record.partition, record.offset)).collect();
            not_yet(places.len() >= act.times, || format!("{} of {} are there", places.len(), act.times))?;
            let rows = world.store.partitions().await?;
            let passed = |(partition, offset): &(i32, i64)| {
                rows.iter().any(|row| row.partition == *partition && row.next_offset > *offset)
            };
            not_yet(places.iter().all(passed), || "not all of them are decided".to_owned())
        })
        .await?;
        times.insert(act.number, world.store.decisions_of(&[request]).await?.len());
    }
    Ok(times)
}

/// Enough of an id for a person.
pub fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// Where to look, and what to try.
pub fn addresses(page: &mut Page, world: &World, stack: &Stack, story: &Story, told: &Told) {
    let endpoints = &world.endpoints;
    let here = std::env::current_dir().unwrap_or_default();
    let file = stack.layout().env_file();
    let file = file.strip_prefix(&here).unwrap_or(&file).display().to_string();
    let calendar = story.resources[0].calendar.as_deref().unwrap_or_default();
    page.heading("Where to look (the stack stays up; make down stops it)");
    let row = |name: &str, text: String| vec![name.into(), text.into()];
    page.table(
        &["what", "where"],
        &[
            row("ingest", format!("{}/webhooks/calendly, /webhooks/generic", endpoints.ingest_url)),
            row("metrics of ingest", format!("{}/metrics", endpoints.admin.ingest)),
            row("        normalizer", format!("{}/metrics", endpoints.admin.normalizer)),
            row("        arbiter", format!("{}/metrics", endpoints.admin.arbiter)),
            row("        propagator", format!("{}/metrics", endpoints.admin.propagator)),
            row(
                "Anna's calendar",
                format!("{}{calendar} (user {}, CalDAV)", endpoints.caldav_url, endpoints.caldav_user),
            ),
            row("receiver", format!("{}/received", endpoints.receiver_url)),
            row("Kafka", endpoints.kafka_brokers.clone()),
            row("schema registry", endpoints.registry_url.clone()),
            row("PostgreSQL", format!(". {file} && psql \"$DAYBOOK_POSTGRES_URL\"")),
        ],
    );
    let booking = told.acts.first().and_then(|act| act.decision.as_ref()?.booking_id);
    let refused = story.wanted.first().map(|wanted| wanted.start.to_string()).unwrap_or_default();
    page.heading(&format!("What to try next (after . {file})"));
    page.line(&format!("  target/debug/daybook why {}", booking.map(|id| id.to_string()).unwrap_or_default()));
    page.line(&format!("  target/debug/daybook why {} {refused}", story.resources[0].id));
    page.line("  target/debug/daybook dlq list");
    page.line("");
}
