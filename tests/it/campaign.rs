//! Two thousand bookings made, moved and cancelled while everything that shows them misbehaves: vendors that answer otherwise than they
//! act, people and programs that lay hands on entries, a calendar server that is killed and whose files are edited, propagators
//! that are killed. Then quiet: what stands is shown, once, everywhere, and was never shown older after newer. `make soak` has twenty thousand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use daybook_stack::{Server, Service};
use daybook_tests::calendar::{Fault, Made, WriteFault};
use daybook_tests::generic::Appointment;
use daybook_tests::oracle::rest::{Shown, the_calendar_shows, the_receiver_believes};
use daybook_tests::people::{Person, next_number};
use daybook_tests::resources::Resource;
use daybook_tests::seed::{generator, seed};
use daybook_tests::sender::Webhook;
use daybook_tests::wait::{not_yet, wait_until};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::Value;

use crate::instance::{Instance, Rough, SOON, note, rough, soak};
use crate::mirrors::{HOUR, at, calendar, hour, resource, shown};

/// Bookings of one resource.
const EACH: usize = 50;
/// How often there is news of all resources.
const ROUNDS: usize = 10;
/// Bookings of one resource that begin in one round.
const NEW: usize = EACH / ROUNDS;

/// A resource, with what is to be said of it next.
struct Shop {
    resource: Resource,
    /// Those that stand, with the hour that is theirs.
    standing: Vec<(Appointment, i64)>,
    /// Where somebody has deleted entries, so that some were made twice for good reason.
    emptied: bool,
}

impl Shop {
    /// The news of one round: new bookings, and something else of some that stand.
    fn news(&mut self, round: usize, first: i64, random: &mut StdRng) -> Result<Vec<Value>> {
        let mut events = Vec::new();
        for (appointment, own) in std::mem::take(&mut self.standing) {
            match random.random_range(0..5) {
                0 => {
                    // Within hours of its own, so that it meets nobody.
                    let moved = own + 60 * random.random_range(1..20);
                    let (news, appointment) = appointment.rescheduled(at(moved), at(moved + HOUR));
                    events.push(news);
                    self.standing.push((appointment, own));
                }
                1 => events.push(appointment.cancelled()),
                _ => self.standing.push((appointment, own)),
            }
        }
        for number in 0..NEW {
            let own = first + 2 * HOUR * i64::try_from(round * NEW + number)?;
            let appointment = Appointment::new(&self.resource.alias, Person::invent(), at(own), at(own + HOUR));
            events.push(appointment.created());
            self.standing.push((appointment, own));
        }
        Ok(events)
    }

    /// What vendors, people and programs do to its calendars.
    fn misfortune(&mut self, random: &mut StdRng) {
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
        for target in ["google", "outlook"] {
            let hand = random.random_range(0..20);
            self.emptied |= hand == 0;
            calendar(&self.resource, target, |calendar| {
                for _ in 0..random.random_range(0..4) {
                    calendar.write_faults.extend(faults.choose(random));
                }
                if random.random_bool(0.2) {
                    calendar
                        .faults
                        .extend([Fault::Away, Fault::Half, Fault::Halved, Fault::TooMany(None)].choose(random));
                }
                match hand {
                    0 => calendar.meddle(true),
                    1 => calendar.meddle(false),
                    2 => calendar.drag(HOUR),
                    3 => calendar.copy(),
                    4 => calendar.restore(),
                    _ => {}
                }
            });
        }
    }
}

/// Somebody edits the files of the calendar server: deletes an entry, and writes into another.
fn edit_files(it: &Instance, path: &str, random: &mut StdRng) -> Result<()> {
    let folder = it.stack.layout().data().join("radicale/collection-root").join(path.trim_matches('/'));
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .with_context(|| format!("the files of {path}"))?
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|extension| extension == "ics"))
        .collect();
    files.sort();
    if let Some(file) = files.choose(random) {
        std::fs::remove_file(file)?;
    }
    if let Some(file) = files.choose(random).filter(|file| file.exists()) {
        let text = std::fs::read_to_string(file)?;
        std::fs::write(file, text.replace("SUMMARY:", "SUMMARY:Moved "))?;
    }
    Ok(())
}

#[test]
fn whatever_befalls_targets_and_propagators_what_stands_is_shown_once_everywhere_and_never_older() -> Result<()> {
    rough(Rough::Services, async |it| {
        let seed = seed("campaign");
        campaign(it, seed).await.with_context(|| format!("SEED={seed}"))
    })
}

async fn campaign(it: &Instance, seed: u64) -> Result<()> {
    let mut random = generator(seed, 11);
    let bookings = if soak() { 20_000 } else { 2_000 };
    let mut shops: Vec<Shop> = (0..bookings / EACH)
        .map(|_| {
            let plain = Resource::new(it.name("campaign"));
            let resource = Resource {
                calendar: plain.calendar,
                partner: true,
                read: None,
                open: true,
                ..resource(it.name("campaign"))
            };
            Shop { resource, standing: Vec::new(), emptied: false }
        })
        .collect();
    let resources: Vec<Resource> = shops.iter().map(|shop| shop.resource.clone()).collect();
    it.world.load(&resources).await?;
    let (first, began) = (hour(48), Instant::now());
    for round in 0..ROUNDS {
        for shop in &mut shops {
            let events = shop.news(round, first, &mut random)?;
            let answer = it.world.sender.send(&Webhook::generic(format!("msg-{}", next_number()), &events)).await?;
            ensure!(answer.acknowledged(), "the door answered {}", answer.status);
            shop.misfortune(&mut random);
        }
        match round % 5 {
            1 | 3 => {
                it.stack.service(Service::Propagator).kill9()?;
                it.stack.service(Service::Propagator).start_ready()?;
            }
            2 => {
                it.stack.server(Server::Radicale).kill9()?;
                it.stack.server(Server::Radicale).start_ready()?;
            }
            4 => {
                for shop in shops.sample(&mut random, 4).map(|shop| shop.resource.calendar.clone()).collect::<Vec<_>>()
                {
                    edit_files(it, shop.as_deref().context("a calendar")?, &mut random)?;
                }
            }
            _ => {}
        }
    }
    // Quiet.
    for shop in &shops {
        for target in ["google", "outlook"] {
            calendar(&shop.resource, target, |calendar| {
                calendar.write_faults.clear();
                calendar.faults.clear();
            });
        }
    }
    let said = began.elapsed();
    let ids: BTreeSet<&str> = resources.iter().map(|resource| resource.id.as_str()).collect();
    settled(it, &resources).await?;
    // What was done by hand is found, and put right; then everything is well.
    let mut found = BTreeMap::new();
    wait_until("every calendar to be read back and well", 10 * SOON, async || {
        read_back(it, &resources).await?;
        settled(it, &resources).await?;
        let now = differing(it, &ids).await?;
        let kinds = now.iter().map(|row| row["kind"].as_str().unwrap_or_default().to_owned());
        kinds.for_each(|kind| *found.entry(kind).or_insert(0) += 1);
        not_yet(now.is_empty(), || format!("{} entries differ, such as {:?}", now.len(), now.first()))
    })
    .await?;
    note(&format!(
        "{bookings} bookings at four targets: said in {:.0} s, settled and well after {:.0} s; found by reading back: {found:?}",
        said.as_secs_f64(),
        began.elapsed().as_secs_f64()
    ));
    judged(it, &shops, &ids).await
}

/// Waits until nothing is on its way any more.
async fn settled(it: &Instance, resources: &[Resource]) -> Result<()> {
    for resource in resources {
        wait_until("the targets to hear of it", 10 * SOON, async || {
            let waiting = it.world.store.undelivered(Some(&resource.id)).await?;
            not_yet(waiting == 0, || format!("{waiting} deliveries are on their way"))
        })
        .await?;
    }
    Ok(())
}

/// Has every calendar read back.
async fn read_back(it: &Instance, resources: &[Resource]) -> Result<()> {
    for target in ["calendar", "google", "outlook"] {
        let ran = it.world.daybook(&["drift", target, "--now"], "").await?;
        ensure!(ran.success, "{}", ran.everything());
    }
    for resource in resources {
        wait_until("the calendars to be read back", 10 * SOON, async || {
            let readings = it.world.store.readings_of(&resource.id).await?;
            let read = readings.iter().filter(|(_, read)| *read).count();
            not_yet(read == 3, || format!("{read} of 3 are"))
        })
        .await?;
    }
    Ok(())
}

async fn differing(it: &Instance, ids: &BTreeSet<&str>) -> Result<Vec<Value>> {
    let told = it.world.daybook(&["drift", "--json"], "").await?;
    ensure!(told.success, "{}", told.everything());
    let rows = told.out.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().filter(|row| row["resource_id"].as_str().is_some_and(|id| ids.contains(id))).collect())
}

async fn judged(it: &Instance, shops: &[Shop], ids: &BTreeSet<&str>) -> Result<()> {
    let (mut entries, mut rows) = (0, Vec::new());
    let targets = it.world.store.targets().await?;
    for Shop { resource, emptied, .. } in shops {
        shown(it, resource).await?;
        for target in ["google", "outlook"] {
            let mut last = BTreeMap::<String, (u64, usize)>::new();
            for applied in calendar(resource, target, |calendar| calendar.applied.clone()) {
                // A copy that somebody has made may be of an older version when it is taken away.
                if applied.made == Made::Removed {
                    continue;
                }
                let (version, created) = last.entry(applied.booking).or_default();
                ensure!(applied.version >= *version, "{target}: version {} after {version}", applied.version);
                *version = applied.version;
                *created += usize::from(applied.made == Made::Created);
                ensure!(*created <= 1 || *emptied, "{target}: a booking was made twice");
            }
            entries += calendar(resource, target, |calendar| calendar.ours().len());
        }
        let own = it.world.store.bookings_of(&resource.id).await?;
        let path = resource.calendar.as_deref().context("a calendar")?;
        let held = it.world.calendars.entries(path).await?;
        entries += held.len();
        let target = targets.iter().find(|target| target.target == "calendar" && target.resource_id == resource.id);
        let wrong = the_calendar_shows(target.context("its target")?, &own, &held);
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        rows.extend(own);
    }
    let ours: Vec<_> = targets.into_iter().filter(|target| ids.contains(target.resource_id.as_str())).collect();
    let report = it.world.received().await?;
    let wrong = the_receiver_believes(&ours, &rows, &Shown::of(&report));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    // One message has one id, whatever became of it; so a version is told once, however often it was sent.
    let mut told = BTreeMap::<(&str, u64), &str>::new();
    let bookings: BTreeSet<String> = rows.iter().map(|row| row.booking_id.to_string()).collect();
    for delivery in report.log.iter().filter(|delivery| bookings.contains(&delivery.booking_id)) {
        let id = told.entry((&delivery.booking_id, delivery.version)).or_insert(&delivery.id);
        ensure!(*id == delivery.id, "two messages tell of version {} of {}", delivery.version, delivery.booking_id);
    }
    note(&format!("{entries} entries in calendars, {} messages", told.len()));
    Ok(())
}
