//! Bookings shown in calendars at Google and Microsoft, which ingest reads at the same time: what is decided is what is shown, once,
//! and what Daybook has written itself is nobody's news.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use daybook_domain::Timestamp;
use daybook_runtime::clock;
use daybook_stack::Service;
use daybook_tests::calendar::{Calendar, Fault, Made, WriteFault};
use daybook_tests::generic::Appointment;
use daybook_tests::people::{Person, mark, next_number};
use daybook_tests::resources::Resource;
use daybook_tests::seed::{generator, seed};
use daybook_tests::sender::Webhook;
use daybook_tests::wait::{not_yet, wait_until};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use crate::instance::{Instance, Rough, SOON, rough, shared, vendor};

pub const HOUR: i64 = 3_600;
const TARGETS: [&str; 2] = ["google", "outlook"];

/// The whole hour, so many from now, in seconds.
pub fn hour(hours: i64) -> i64 {
    (clock::now().millis() / 1_000 / HOUR + hours) * HOUR
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000).expect("a time")
}

/// A resource with a calendar at each vendor, which is read there and written to.
pub fn resource(id: String) -> Resource {
    let mailbox = format!("{id}.{}@office.example", mark());
    for target in TARGETS {
        vendor(target).calendar(&mailbox, |_| ());
    }
    let mirrors = TARGETS.map(|target| (target, mailbox.clone())).into();
    // One of the two reads it, too.
    Resource { read: Some(("google", mailbox)), mirrors, ..Resource::unseen(id) }
}

pub fn calendar<T>(resource: &Resource, target: &str, change: impl FnOnce(&mut Calendar) -> T) -> T {
    let (_, name) = resource.mirrors.iter().find(|(known, _)| *known == target).expect("it is mirrored there");
    vendor(target).calendar(name, change)
}

/// The bookings of a resource that stand: their ids, from when until when.
pub async fn standing(it: &Instance, resource: &str) -> Result<BTreeSet<(String, i64, i64)>> {
    let rows = it.world.store.bookings_of(resource).await?;
    let live = rows.into_iter().filter(|row| row.kind == "booking" && row.is_live());
    live.map(|row| {
        let (start, end) = row.start_time.zip(row.end_time).context("its time")?;
        Ok((row.booking_id.to_string(), start.timestamp(), end.timestamp()))
    })
    .collect()
}

/// Waits until both calendars show what stands, each once.
pub async fn shown(it: &Instance, resource: &Resource) -> Result<()> {
    for target in TARGETS {
        shown_at(it, resource, target).await?;
    }
    Ok(())
}

/// Waits until one of them does.
pub async fn shown_at(it: &Instance, resource: &Resource, target: &str) -> Result<()> {
    wait_until("the calendar to show what stands", 2 * SOON, async || {
        let standing = standing(it, &resource.id).await?;
        let entries = calendar(resource, target, |calendar| calendar.ours());
        let shown: BTreeSet<_> =
            entries.iter().map(|(booking, _, start, end)| (booking.clone(), *start, *end)).collect();
        not_yet(shown == standing && shown.len() == entries.len(), || {
            format!(
                "{target}: {} entries, of which {} are of {} bookings that stand",
                entries.len(),
                shown.intersection(&standing).count(),
                standing.len()
            )
        })
    })
    .await
}

pub async fn said(it: &Instance, event: serde_json::Value) -> Result<()> {
    let answer = it.world.sender.send(&Webhook::generic(format!("msg-{}", next_number()), &[event])).await?;
    ensure!(answer.acknowledged(), "the door answered {}", answer.status);
    Ok(())
}

/// What became of a resource's requests, but for those that define it.
async fn outcomes(it: &Instance, resource: &str) -> Result<BTreeMap<String, usize>> {
    let decisions = it.world.store.decisions_about(resource).await?;
    let mut counts = BTreeMap::new();
    for decision in decisions.into_iter().filter(|decision| decision.outcome != "defined") {
        *counts.entry(decision.outcome).or_default() += 1;
    }
    Ok(counts)
}

#[test]
fn a_booking_is_one_entry_in_each_calendar_until_it_is_cancelled_and_reading_it_back_decides_nothing() -> Result<()> {
    shared(async |it| {
        let resource = resource(it.name("mirrored"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let start = hour(30);
        let appointment = Appointment::new(&resource.alias, Person::invent(), at(start), at(start + HOUR));
        said(it, appointment.created()).await?;
        wait_until("the booking", SOON, async || {
            not_yet(standing(it, &resource.id).await?.len() == 1, || "it is not there".to_owned())
        })
        .await?;
        shown(it, &resource).await.context("when it was made")?;
        let start = start + 10 * HOUR;
        let (news, appointment) = appointment.rescheduled(at(start), at(start + HOUR));
        said(it, news).await?;
        wait_until("the move", SOON, async || {
            let moved = standing(it, &resource.id).await?.iter().all(|(_, now, _)| *now == start);
            not_yet(moved, || "it is where it was".to_owned())
        })
        .await?;
        shown(it, &resource).await.context("when it was moved")?;
        // The calendar is read after that, and what it shows is our own.
        let asked = calendar(&resource, "google", |calendar| calendar.asked);
        wait_until("the calendar to be read again", SOON, async || {
            let now = calendar(&resource, "google", |calendar| calendar.asked);
            not_yet(now > asked + 8, || format!("it was asked {} times", now - asked))
        })
        .await?;
        let decided = outcomes(it, &resource.id).await?;
        ensure!(!decided.contains_key("flagged"), "our own entry is called a conflict: {decided:?}");
        said(it, appointment.cancelled()).await?;
        wait_until("the cancellation", SOON, async || {
            not_yet(standing(it, &resource.id).await?.is_empty(), || "it still stands".to_owned())
        })
        .await?;
        shown(it, &resource).await.context("when it was cancelled")?;
        for target in TARGETS {
            let made: Vec<Made> =
                calendar(&resource, target, |calendar| calendar.applied.iter().map(|applied| applied.made).collect());
            ensure!(made == [Made::Created, Made::Changed, Made::Removed], "{target}: {made:?}");
        }
        Ok(())
    })
}

#[test]
fn what_a_vendor_has_put_into_the_calendar_itself_is_the_entry_of_all_who_meet_there_until_the_last_cancels()
-> Result<()> {
    shared(async |it| {
        let resource = Resource { capacity: 2, ..resource(it.name("adopted")) };
        it.world.load(std::slice::from_ref(&resource)).await?;
        let start = hour(70);
        let id = format!("vendors{}", next_number());
        calendar(&resource, "google", |calendar| calendar.vendors(&id, start, start + HOUR, "guest@example.com"));
        let mut both = Vec::new();
        for _ in 0..2 {
            let appointment = Appointment::new(&resource.alias, Person::invent(), at(start), at(start + HOUR));
            let mut created = appointment.created();
            created["external_ids"] = serde_json::json!({"system": "google", "id": id});
            said(it, created).await?;
            both.push(appointment);
        }
        wait_until("both bookings", SOON, async || {
            let found = standing(it, &resource.id).await?.len();
            not_yet(found == 2, || format!("there are {found}"))
        })
        .await?;
        it.delivered(&resource.id).await?;
        shown_at(it, &resource, "outlook").await?;
        let there = |others: usize| {
            let (ours, found) = calendar(&resource, "google", |calendar| (calendar.ours(), calendar.others()));
            ensure!(ours.is_empty(), "an entry of ours was made beside the vendor's");
            ensure!(found.len() == others, "{} entries of the vendor's", found.len());
            Ok(())
        };
        there(1).context("when it was booked")?;
        // Moved past Daybook: put back, and nothing else of it touched.
        calendar(&resource, "google", |calendar| calendar.put(&id, start + HOUR, start + 2 * HOUR));
        crate::drift::read_back(it, &resource).await?;
        it.delivered(&resource.id).await?;
        let found = calendar(&resource, "google", |calendar| calendar.others());
        ensure!(found == [(id.clone(), start, start + HOUR)], "it is not put back");
        for (left, appointment) in [(1, &both[0]), (0, &both[1])] {
            said(it, appointment.cancelled()).await?;
            wait_until("the cancellation", SOON, async || {
                let found = standing(it, &resource.id).await?.len();
                not_yet(found == left, || format!("there are {found}"))
            })
            .await?;
            it.delivered(&resource.id).await?;
            there(left).with_context(|| format!("when {left} were left"))?;
        }
        let written = calendar(&resource, "google", |calendar| calendar.adopted.clone());
        ensure!(written == [(id.clone(), Made::Changed), (id, Made::Removed)], "{written:?}");
        Ok(())
    })
}

#[test]
fn whatever_the_vendors_answer_and_whenever_propagators_die_what_stands_is_shown_once() -> Result<()> {
    rough(Rough::Services, async |it| {
        let seed = seed("mirrors");
        misbehaved(it, seed).await.with_context(|| format!("SEED={seed}"))
    })
}

async fn misbehaved(it: &Instance, seed: u64) -> Result<()> {
    let mut random = generator(seed, 7);
    let resources: Vec<Resource> = (0..4).map(|_| resource(it.name("rough"))).collect();
    it.world.load(&resources).await?;
    let (first, mut appointments) = (hour(48), Vec::new());
    for round in 0..6 {
        for (number, resource) in resources.iter().enumerate() {
            let start = first + HOUR * (12 * round + 2 * i64::try_from(number)?);
            let appointment = Appointment::new(&resource.alias, Person::invent(), at(start), at(start + HOUR));
            said(it, appointment.created()).await?;
            appointments.push((appointment, start));
        }
        for (appointment, start) in std::mem::take(&mut appointments) {
            match random.random_range(0..4) {
                0 => {
                    // Within hours of its own, so that it meets nobody.
                    let moved = start + 60 * random.random_range(1..20);
                    let (news, appointment) = appointment.rescheduled(at(moved), at(moved + HOUR));
                    said(it, news).await?;
                    appointments.push((appointment, start));
                }
                1 => said(it, appointment.cancelled()).await?,
                _ => appointments.push((appointment, start)),
            }
        }
        for resource in &resources {
            for target in TARGETS {
                calendar(resource, target, |calendar| {
                    let faults = [
                        WriteFault::Away,
                        WriteFault::Done500,
                        WriteFault::DoneLost,
                        WriteFault::Lost,
                        WriteFault::TooMany(None),
                        WriteFault::TooMany(Some(1)),
                        WriteFault::NoEffect,
                        WriteFault::Denied,
                    ];
                    for _ in 0..random.random_range(0..4) {
                        calendar.write_faults.extend(faults.choose(&mut random));
                    }
                    if random.random_bool(0.3) {
                        calendar.faults.push_back(Fault::Away);
                    }
                });
            }
        }
        if round % 2 == 1 {
            it.stack.service(Service::Propagator).kill9()?;
            it.stack.service(Service::Propagator).start_ready()?;
        }
    }
    // Quiet.
    for resource in &resources {
        for target in TARGETS {
            calendar(resource, target, |calendar| {
                calendar.write_faults.clear();
                calendar.faults.clear();
            });
        }
    }
    for resource in &resources {
        it.delivered(&resource.id).await?;
        shown(it, resource).await?;
        let decided = outcomes(it, &resource.id).await?;
        ensure!(!decided.contains_key("flagged"), "our own entries are called conflicts: {decided:?}");
        for target in TARGETS {
            let mut last = BTreeMap::<String, (u64, usize)>::new();
            for applied in calendar(resource, target, |calendar| calendar.applied.clone()) {
                let (version, created) = last.entry(applied.booking).or_default();
                ensure!(applied.version >= *version, "{target}: version {} after {version}", applied.version);
                *version = applied.version;
                *created += usize::from(applied.made == Made::Created);
                ensure!(*created <= 1, "{target}: a booking was made twice");
            }
        }
    }
    Ok(())
}
