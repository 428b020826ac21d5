//! Bookings shown in tools with APIs, described ones and HubSpot: what is decided is what stands there, once, whatever they answer.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use daybook_domain::Timestamp;
use daybook_runtime::clock;
use daybook_stack::Service;
use daybook_tests::calendly::Invitee;
use daybook_tests::generic::Appointment;
use daybook_tests::people::Person;
use daybook_tests::resources::Resource;
use daybook_tests::seed::{generator, seed};
use daybook_tests::sender::Webhook;
use daybook_tests::tool::{Fault, Made, Tool};
use daybook_tests::wait::{not_yet, wait_until};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use crate::instance::{Instance, Rough, SHARED_NAME, SOON, TOOL_ADDRESSES, note, rough, shared, soak, tools};
use crate::mirrors::{HOUR, at, hour, said, standing};

/// A resource that is shown in each of these.
fn resource(id: String, targets: &[&str]) -> Resource {
    let shown = TOOL_ADDRESSES.iter().filter(|(target, _)| targets.contains(target));
    let mirrors = shown.map(|(target, address)| (*target, (*address).to_owned())).collect();
    Resource { mirrors, ..Resource::unseen(id) }
}

fn all() -> Vec<&'static str> {
    TOOL_ADDRESSES.iter().map(|(target, _)| *target).collect()
}

fn tool<T>(installation: &str, target: &str, change: impl FnOnce(&mut Tool) -> T) -> T {
    tools(target).tool(installation, change)
}

/// Waits until a tool has what stands of a resource, each once: of those bookings, by when each starts.
async fn shown(
    it: &Instance,
    installation: &str,
    resource: &Resource,
    target: &str,
    known: &BTreeSet<String>,
) -> Result<()> {
    wait_until("the tool to have what stands", 2 * SOON, async || {
        let standing = standing(it, &resource.id).await?;
        let wanted: BTreeSet<(String, i64)> = standing.into_iter().map(|(id, start, _)| (id, start)).collect();
        let entries: Vec<(String, i64)> = tool(installation, target, |tool| {
            let ours = tool.standing().into_iter().filter(|(booking, _, _)| known.contains(booking));
            ours.map(|(booking, start, _)| (booking, start.millis() / 1_000)).collect()
        });
        let shown: BTreeSet<(String, i64)> = entries.iter().cloned().collect();
        not_yet(shown == wanted && shown.len() == entries.len(), || {
            format!(
                "{target}: {} entries, of which {} are of {} that stand",
                entries.len(),
                shown.intersection(&wanted).count(),
                wanted.len()
            )
        })
    })
    .await
}

/// The ids of every booking of a resource, whether it stands or not.
async fn bookings(it: &Instance, resource: &str) -> Result<BTreeSet<String>> {
    let rows = it.world.store.bookings_of(resource).await?;
    Ok(rows.into_iter().map(|row| row.booking_id.to_string()).collect())
}

#[test]
fn a_booking_is_made_moved_and_cancelled_in_every_tool() -> Result<()> {
    shared(async |it| {
        let resource = resource(it.name("tooled"), &all());
        it.world.load(std::slice::from_ref(&resource)).await?;
        let start = hour(30);
        let appointment = Appointment::new(&resource.alias, Person::invent(), at(start), at(start + HOUR));
        said(it, appointment.created()).await?;
        wait_until("the booking", SOON, async || {
            not_yet(standing(it, &resource.id).await?.len() == 1, || "it is not there".to_owned())
        })
        .await?;
        let known = bookings(it, &resource.id).await?;
        for target in all() {
            shown(it, SHARED_NAME, &resource, target, &known).await.context("when it was made")?;
        }
        let (news, appointment) = appointment.rescheduled(at(start + 10 * HOUR), at(start + 11 * HOUR));
        said(it, news).await?;
        wait_until("the move", SOON, async || {
            let moved = standing(it, &resource.id).await?.iter().all(|(_, now, _)| *now == start + 10 * HOUR);
            not_yet(moved, || "it is where it was".to_owned())
        })
        .await?;
        for target in all() {
            shown(it, SHARED_NAME, &resource, target, &known).await.context("when it was moved")?;
        }
        said(it, appointment.cancelled()).await?;
        wait_until("the cancellation", SOON, async || {
            not_yet(standing(it, &resource.id).await?.is_empty(), || "it still stands".to_owned())
        })
        .await?;
        for target in all() {
            shown(it, SHARED_NAME, &resource, target, &known).await.context("when it was cancelled")?;
            let made: Vec<Made> = tool(SHARED_NAME, target, |tool| {
                tool.applied.iter().filter(|it| known.contains(&it.booking)).map(|it| it.made).collect()
            });
            ensure!(made == [Made::Created, Made::Changed, Made::Ended], "{target}: {made:?}");
        }
        Ok(())
    })
}

#[test]
fn whatever_tools_answer_and_whenever_propagators_die_what_stands_is_there_once() -> Result<()> {
    rough(Rough::Services, async |it| {
        let seed = seed("tools");
        campaign(it, seed).await.with_context(|| format!("SEED={seed}"))
    })
}

/// Bookings of one resource for each tool, made, moved forward and cancelled while its answers go wrong, its reads are late and
/// propagators die; then quiet, and what stands is what is there.
async fn campaign(it: &Instance, seed: u64) -> Result<()> {
    let installation = Rough::Services.name();
    let mut random = generator(seed, 11);
    let resources: Vec<(&str, Resource)> =
        all().into_iter().map(|target| (target, resource(it.name("rough-tool"), &[target]))).collect();
    let loaded: Vec<Resource> = resources.iter().map(|(_, resource)| resource.clone()).collect();
    it.world.load(&loaded).await?;
    let rounds = if soak() { 80 } else { 5 };
    let (first, mut appointments) = (hour(48), Vec::new());
    let mut count = 0;
    for round in 0..rounds {
        for (_, resource) in &resources {
            for number in 0..2 {
                let start = first + HOUR * (6 * round + 3 * number);
                let appointment = Appointment::new(&resource.alias, Person::invent(), at(start), at(start + HOUR));
                said(it, appointment.created()).await?;
                appointments.push((appointment, start));
                count += 1;
            }
        }
        for (appointment, start) in std::mem::take(&mut appointments) {
            match random.random_range(0..5) {
                0 | 1 => {
                    // Later, each time, and within hours of its own, so that it meets nobody.
                    let moved = start + 60 * random.random_range(1..15);
                    if moved % (3 * HOUR) > HOUR + 3_000 {
                        appointments.push((appointment, start));
                        continue;
                    }
                    let (news, appointment) = appointment.rescheduled(at(moved), at(moved + HOUR));
                    said(it, news).await?;
                    appointments.push((appointment, moved));
                }
                2 => said(it, appointment.cancelled()).await?,
                _ => appointments.push((appointment, start)),
            }
        }
        for (target, _) in &resources {
            tool(installation, target, |tool| {
                for _ in 0..random.random_range(0..5) {
                    tool.faults.extend(Fault::ALL.choose(&mut random));
                }
                tool.reads_away = random.random_range(0..2);
                tool.stale = random.random_range(0..8_000);
            });
        }
        if round % 2 == 1 {
            it.stack.service(Service::Propagator).kill9()?;
            it.stack.service(Service::Propagator).start_ready()?;
        }
    }
    for (target, _) in &resources {
        tool(installation, target, |tool| tool.faults.clear());
    }
    for (target, resource) in &resources {
        let known = bookings(it, &resource.id).await?;
        it.delivered(&resource.id).await?;
        shown(it, installation, resource, target, &known).await?;
        let (applied, doubled) = tool(installation, target, |tool| (tool.applied.clone(), tool.doubled.clone()));
        ensure!(doubled.is_empty(), "{target}: {} bookings stood twice", doubled.len());
        let mut last = BTreeMap::<String, (Timestamp, usize)>::new();
        for applied in applied.into_iter().filter(|applied| known.contains(&applied.booking)) {
            let (start, created) = last.entry(applied.booking).or_insert((applied.start, 0));
            ensure!(applied.start >= *start, "{target}: an older version after a newer one");
            *start = applied.start;
            *created += usize::from(applied.made == Made::Created);
            ensure!(*created <= 1, "{target}: a booking was made twice");
        }
    }
    note(&format!("{count} bookings in {} tools, {rounds} rounds, seed {seed}", resources.len()));
    Ok(())
}

#[test]
fn a_token_that_is_taken_back_stops_the_lane_and_gives_nothing_up() -> Result<()> {
    rough(Rough::Services, async |it| {
        let resource = resource(it.name("revoked"), &["planner"]);
        it.world.load(std::slice::from_ref(&resource)).await?;
        let before = turned_away(it).await;
        tools("planner").revoke(true);
        let start = hour(60);
        let appointment = Appointment::new(&resource.alias, Person::invent(), at(start), at(start + HOUR));
        said(it, appointment.created()).await?;
        let paused = wait_until("somebody to be turned away", SOON, async || {
            not_yet(turned_away(it).await > before, || "nobody is turned away".to_owned())
        })
        .await;
        tools("planner").revoke(false);
        paused?;
        it.delivered(&resource.id).await?;
        let known = bookings(it, &resource.id).await?;
        shown(it, Rough::Services.name(), &resource, "planner", &known).await
    })
}

/// The event of an invitee.
fn event_of(invitee: &Invitee) -> String {
    invitee.uri().split('/').nth(4).unwrap_or_default().to_owned()
}

/// A customer books at Calendly, which tells of it; as Calendly has it.
async fn booked_at_calendly(it: &Instance, installation: &str, resource: &Resource, start: i64) -> Result<Invitee> {
    let invitee = Invitee::new(&resource.host, Person::invent(), at(start), at(start + HOUR), clock::now());
    tool(installation, "calendly", |tool| {
        // What it tells of, it shows.
        tool.book(clock::now().millis() - 60_000, &event_of(&invitee), at(start), at(start + HOUR));
    });
    let webhook = Webhook::calendly(&invitee.created());
    ensure!(it.world.sender.send(&webhook).await?.acknowledged(), "it was not taken");
    it.decided(&[webhook.request_id(0)]).await?;
    Ok(invitee)
}

/// How many of these events were called off at Calendly.
fn called_off(installation: &str, invitees: &[Invitee]) -> usize {
    let events: BTreeSet<String> = invitees.iter().map(event_of).collect();
    tool(installation, "calendly", |tool| {
        let ended = tool.applied.iter().filter(|it| it.made == Made::Ended && events.contains(&it.booking));
        ended.count()
    })
}

#[test]
fn what_calendly_has_booked_is_called_off_there_when_it_is_cancelled_or_refused_and_too_many_refusals_stop_it()
-> Result<()> {
    shared(async |it| {
        let resource =
            Resource { mirrors: vec![("calendly", "here".to_owned())], ..Resource::unseen(it.name("called-off")) };
        it.world.load(std::slice::from_ref(&resource)).await?;
        let start = hour(30);
        let granted = booked_at_calendly(it, SHARED_NAME, &resource, start).await?;
        // Refused, one after the other: the time is taken. Three are called off, and the fourth stops the target.
        let mut refused = Vec::new();
        for _ in 0..5 {
            refused.push(booked_at_calendly(it, SHARED_NAME, &resource, start).await?);
        }
        let stopped = "daybook_propagator_compensations_stopped{source=\"calendly\"} 1";
        said_by(it, stopped).await?;
        ensure!(called_off(SHARED_NAME, &refused) == 3, "{} were called off", called_off(SHARED_NAME, &refused));
        let paused = it.world.daybook(&["paused"], "").await?.everything();
        ensure!(paused.contains("would be called off within an hour"), "{paused}");

        let listed = it.world.daybook(&["compensations", "--resource", &resource.id], "").await?.everything();
        ensure!(listed.matches("called off by Daybook").count() == 3, "{listed}");

        // What is cancelled, and stands at Calendly all the same, waits, too, until somebody lets it go on.
        let cancelled = Webhook::calendly(&granted.canceled(clock::now()));
        ensure!(it.world.sender.send(&cancelled).await?.acknowledged(), "it was not taken");
        wait_until("the cancellation", SOON, async || {
            not_yet(standing(it, &resource.id).await?.is_empty(), || "it stands".to_owned())
        })
        .await?;
        let resumed = it.world.daybook(&["resume", "target", "calendly"], "").await?;
        ensure!(resumed.success, "{}", resumed.everything());
        wait_until("the rest to be called off", SOON, async || {
            let (refused, granted) =
                (called_off(SHARED_NAME, &refused), called_off(SHARED_NAME, std::slice::from_ref(&granted)));
            not_yet((refused, granted) == (5, 1), || format!("{refused} that were refused, {granted} that was granted"))
        })
        .await?;
        said_by(it, &stopped.replace("} 1", "} 0")).await
    })
}

#[test]
fn whatever_calendly_answers_what_is_cancelled_or_refused_is_called_off_there_once_and_nothing_else_is() -> Result<()> {
    rough(Rough::Services, async |it| {
        let seed = seed("calendly");
        cancellations(it, seed).await.with_context(|| format!("SEED={seed}"))
    })
}

async fn cancellations(it: &Instance, seed: u64) -> Result<()> {
    let installation = Rough::Services.name();
    let mut random = generator(seed, 13);
    let mirrors = vec![("calendly", "here".to_owned())];
    let resource = Resource { mirrors, ..Resource::unseen(it.name("rough-calendly")) };
    it.world.load(std::slice::from_ref(&resource)).await?;
    let first = hour(48);
    let (mut standing, mut gone) = (Vec::new(), Vec::new());
    for round in 0..if soak() { 40 } else { 4 } {
        for number in 0..3 {
            standing.push(booked_at_calendly(it, installation, &resource, first + HOUR * (3 * round + number)).await?);
        }
        let faults: Vec<Fault> =
            (0..random.random_range(0..5)).filter_map(|_| Fault::ALL.choose(&mut random)).copied().collect();
        tool(installation, "calendly", |tool| {
            tool.faults.extend(faults);
            tool.reads_away = random.random_range(0..2);
            tool.stale = random.random_range(0..4_000);
        });
        for _ in 0..2 {
            let invitee = standing.swap_remove(random.random_range(0..standing.len()));
            let webhook = Webhook::calendly(&invitee.canceled(clock::now()));
            ensure!(it.world.sender.send(&webhook).await?.acknowledged(), "it was not taken");
            gone.push(invitee);
        }
        if round == 1 {
            // Two are refused, because the first hour is taken again, or was never free.
            let taken = standing[0].start.millis() / 1_000;
            for _ in 0..2 {
                gone.push(booked_at_calendly(it, installation, &resource, taken).await?);
            }
        }
        if round % 2 == 1 {
            it.stack.service(Service::Propagator).kill9()?;
            it.stack.service(Service::Propagator).start_ready()?;
        }
    }
    tool(installation, "calendly", |tool| tool.faults.clear());
    it.delivered(&resource.id).await?;
    wait_until("everything to be called off", 2 * SOON, async || {
        let off = called_off(installation, &gone);
        not_yet(off == gone.len(), || format!("{off} of {} are", gone.len()))
    })
    .await?;
    ensure!(called_off(installation, &standing) == 0, "{} stand no more", called_off(installation, &standing));
    note(&format!("{} invitees of {} called off, seed {seed}", gone.len(), gone.len() + standing.len()));
    Ok(())
}

/// Waits until the propagator's metrics say so.
async fn said_by(it: &Instance, line: &str) -> Result<()> {
    wait_until(line, SOON, async || {
        let mut texts = it.world.metrics().await.into_iter().filter_map(|(_, text)| text.ok());
        not_yet(texts.any(|text| text.lines().any(|known| known == line)), || "it says something else".to_owned())
    })
    .await
}

/// How often somebody was turned away by Cal.com.
async fn turned_away(it: &Instance) -> f64 {
    let wanted = ["attempts_total", "\"cal.com\"", "\"unauthorized\""];
    let metrics = it.world.metrics().await.into_iter().filter_map(|(_, text)| text.ok());
    let lines: Vec<String> = metrics.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let found = lines.into_iter().filter(|line| wanted.iter().all(|word| line.contains(word)));
    found.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
