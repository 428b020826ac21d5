//! The brakes that a person pulls at three in the morning: what is paused is told nothing, by whatever process, until it is resumed;
//! deciding goes on, and what waited is made good with the newest state alone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use daybook_stack::Service;
use daybook_tests::calendar::Made;
use daybook_tests::generic::Appointment;
use daybook_tests::people::Person;
use daybook_tests::resources::Resource;
use daybook_tests::wait::{not_yet, wait_until};

use crate::instance::{Instance, Rough, SOON, rough};
use crate::mirrors::{HOUR, at, calendar, hour, resource, said, shown, shown_at, standing};

/// How long a test waits for a brake: the promise is five seconds on a machine that is not busy with twenty stacks.
const BRAKING: Duration = Duration::from_secs(15);

/// Runs the command line; its output, if it ended well.
pub async fn daybook(it: &Instance, arguments: &[&str]) -> Result<String> {
    let ran = it.world.daybook(arguments, "").await?;
    ensure!(ran.success, "{}", ran.everything());
    Ok(ran.everything())
}

/// Waits until a service's gauge says so.
async fn gauge(it: &Instance, service: &str, line: &str) -> Result<()> {
    wait_until(line, BRAKING, async || {
        let metrics = it.world.metrics().await;
        let (_, text) = metrics.into_iter().find(|(name, _)| *name == service).context("a service")?;
        let text = text?;
        not_yet(text.lines().any(|known| known == line), || "it says something else".to_owned())
    })
    .await
}

fn applied(resource: &Resource, target: &str) -> Vec<Made> {
    calendar(resource, target, |calendar| calendar.applied.iter().map(|applied| applied.made).collect())
}

async fn booked(it: &Instance, resource: &Resource, start: i64, many: usize) -> Result<Appointment> {
    let appointment = Appointment::new(&resource.alias, Person::invent(), at(start), at(start + HOUR));
    said(it, appointment.created()).await?;
    wait_until("the booking", SOON, async || {
        let found = standing(it, &resource.id).await?.len();
        not_yet(found == many, || format!("there are {found} of {many}"))
    })
    .await?;
    Ok(appointment)
}

#[test]
fn a_target_that_is_paused_is_told_nothing_until_it_is_resumed_and_then_the_newest_state_alone() -> Result<()> {
    rough(Rough::Services, async |it| {
        let resource = resource(it.name("paused"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let start = hour(30);
        let mut first = booked(it, &resource, start, 1).await?;
        shown(it, &resource).await?;

        let without = it.world.daybook(&["pause", "target", "google"], "").await?;
        ensure!(!without.success && without.everything().contains("--reason"), "{}", without.everything());
        let said_by = ["pause", "target", "google", "--reason", "it doubles what it is told", "--by", "night shift"];
        let told = daybook(it, &said_by).await?;
        ensure!(told.contains("daybook resume target google") && !told.contains("is it spelt"), "{told}");
        gauge(it, "propagator", "daybook_propagator_targets_paused{target=\"google\"} 1").await?;
        let paused = daybook(it, &["paused"]).await?;
        ensure!(paused.contains("night shift") && paused.contains("it doubles what it is told"), "{paused}");

        // Deciding goes on, and so does the other target; a propagator that starts anew knows of it.
        booked(it, &resource, start + 3 * HOUR, 2).await?;
        for step in 1..=3 {
            let moved = start + step * 600;
            let (news, appointment) = first.rescheduled(at(moved), at(moved + HOUR));
            said(it, news).await?;
            first = appointment;
            wait_until("the move", SOON, async || {
                let there = standing(it, &resource.id).await?.iter().any(|(_, start, _)| *start == moved);
                not_yet(there, || "it is where it was".to_owned())
            })
            .await?;
            if step == 2 {
                it.stack.service(Service::Propagator).kill9()?;
                it.stack.service(Service::Propagator).start_ready()?;
            }
        }
        shown_at(it, &resource, "outlook").await?;
        ensure!(applied(&resource, "google") == [Made::Created], "{:?}", applied(&resource, "google"));

        daybook(it, &["resume", "target", "google"]).await?;
        shown(it, &resource).await?;
        // One booking was moved three times meanwhile.
        let changed = applied(&resource, "google").into_iter().filter(|made| *made == Made::Changed).count();
        ensure!(changed == 1, "it was told {changed} states of one booking");
        gauge(it, "propagator", "daybook_propagator_targets_paused{target=\"google\"} 0").await?;
        let again = it.world.daybook(&["resume", "target", "google"], "").await?;
        ensure!(!again.success && again.everything().contains("daybook paused"), "{}", again.everything());
        ensure!(daybook(it, &["paused"]).await?.contains("nothing is paused"));
        Ok(())
    })
}

#[test]
fn a_freeze_stops_every_target_and_a_paused_source_is_asked_nothing_while_what_it_sends_is_kept() -> Result<()> {
    rough(Rough::Services, async |it| {
        let resource = resource(it.name("frozen"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        booked(it, &resource, hour(30), 1).await?;
        shown(it, &resource).await?;

        daybook(it, &["freeze", "--reason", "bookings are doubled everywhere"]).await?;
        gauge(it, "propagator", "daybook_propagator_targets_paused{target=\"outlook\"} 1").await?;
        gauge(it, "propagator", "daybook_propagator_targets_paused{target=\"partner\"} 1").await?;
        daybook(it, &["pause", "source", "google", "--reason", "we are throttled"]).await?;
        gauge(it, "ingest", "daybook_ingest_sources_paused{source=\"google\"} 1").await?;
        let asked = || calendar(&resource, "google", |calendar| calendar.asked);
        let before = asked();
        // Nothing is told while it is decided; and nothing is asked though a person writes into the calendar.
        let appointment = booked(it, &resource, hour(40), 2).await?;
        said(it, appointment.cancelled()).await?;
        wait_until("the cancellation", SOON, async || {
            let found = standing(it, &resource.id).await?.len();
            not_yet(found == 1, || format!("there are {found}"))
        })
        .await?;
        booked(it, &resource, hour(44), 2).await?;
        ensure!(asked() == before, "it was asked {} times while it was paused", asked() - before);
        for target in ["google", "outlook"] {
            ensure!(applied(&resource, target) == [Made::Created], "{target}: {:?}", applied(&resource, target));
        }
        let typo = daybook(it, &["pause", "target", "gogle", "--reason", "a slip"]).await?;
        ensure!(typo.contains("is it spelt"), "{typo}");
        daybook(it, &["resume", "target", "gogle"]).await?;

        daybook(it, &["thaw"]).await?;
        shown(it, &resource).await?;
        for target in ["google", "outlook"] {
            // What was made and cancelled in between was never told.
            let made = applied(&resource, target);
            ensure!(made == [Made::Created, Made::Created], "{target}: {made:?}");
        }
        daybook(it, &["resume", "source", "google"]).await?;
        let resumed = asked();
        wait_until("the calendar to be read again", SOON, async || {
            not_yet(asked() > resumed, || "nobody has asked".to_owned())
        })
        .await
    })
}
