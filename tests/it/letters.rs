//! A delivery that its target will never take: what a person can do about its dead letter, and what a newer version does.

use anyhow::{Context, Result, ensure};
use daybook_tests::generic::Appointment;
use daybook_tests::people::{Person, mark};
use daybook_tests::resources::Resource;
use daybook_tests::wait::{not_yet, wait_until};

use crate::instance::{Instance, SOON, shared};
use crate::mirrors::{HOUR, at, hour, said};

/// The line of the list that has a version of a booking at Google, if it is there.
async fn listed(it: &Instance, booking: &str, version: u64, more: &[&str]) -> Result<Option<String>> {
    let list = [&["dlq", "list", "--queue", "propagator", "--target", "google"], more].concat();
    let ran = it.world.daybook(&list, "").await?;
    ensure!(ran.success, "{}", ran.everything());
    let words = format!("version {version} of booking {booking}");
    let about = |line: &&str| line.contains(&words);
    Ok(ran.out.lines().find(about).map(str::to_owned))
}

async fn letter(it: &Instance, booking: &str, version: u64) -> Result<String> {
    let line = wait_until("the dead letter", SOON, async || {
        let line = listed(it, booking, version, &[]).await?;
        not_yet(line.is_some(), || "there is none".to_owned())?;
        line.context("a line")
    });
    line.await?.split_whitespace().nth(1).map(str::to_owned).context("its place")
}

async fn rests_as(it: &Instance, booking: &str) -> Result<Option<String>> {
    let reason =
        sqlx::query_scalar("SELECT parked_reason FROM delivery WHERE booking_id = $1::uuid AND target = 'google'");
    Ok(reason.bind(booking).fetch_one(it.world.store.pool()).await?)
}

#[test]
fn a_delivery_that_is_discarded_rests_until_a_newer_version_and_an_older_letter_is_not_replayed() -> Result<()> {
    shared(async |it| {
        // Nobody at Google has this calendar.
        let nobody = format!("nobody-{}@office.example", mark());
        let resource = Resource { mirrors: [("google", nobody)].into(), ..Resource::unseen(it.name("letters")) };
        it.world.load(std::slice::from_ref(&resource)).await?;
        let start = hour(30);
        let appointment = Appointment::new(&resource.alias, Person::invent(), at(start), at(start + HOUR));
        said(it, appointment.created()).await?;
        let booking = wait_until("the booking", SOON, async || {
            let rows = it.world.store.bookings_of(&resource.id).await?;
            not_yet(!rows.is_empty(), || "it is not there".to_owned())?;
            Ok(rows[0].booking_id.to_string())
        });
        let booking = booking.await?;
        let first = letter(it, &booking, 1).await?;

        let without = it.world.daybook(&["dlq", "discard", "propagator", &first], "").await?;
        ensure!(without.code == Some(2) && without.everything().contains("--because"), "{}", without.everything());
        let discard = ["dlq", "discard", "propagator", &first, "--because", "they have left", "--by", "night shift"];
        let dry = it.world.daybook(&[&discard[..], &["--dry-run"]].concat(), "").await?;
        ensure!(dry.success && dry.out.contains("would be discarded"), "{}", dry.everything());
        ensure!(rests_as(it, &booking).await?.as_deref() != Some("discarded"), "a dry run has done it");
        let ran = it.world.daybook(&discard, "").await?;
        ensure!(ran.success && ran.out.contains("keeps what it shows"), "{}", ran.everything());
        ensure!(rests_as(it, &booking).await?.as_deref() == Some("discarded"));
        ensure!(listed(it, &booking, 1, &[]).await?.is_none(), "it is still listed");
        ensure!(listed(it, &booking, 1, &["--all"]).await?.is_none(), "a handled one shows who handled it");

        // A newer version is tried, and has a letter of its own.
        let (moved, _) = appointment.rescheduled(at(start + HOUR), at(start + 2 * HOUR));
        said(it, moved).await?;
        letter(it, &booking, 2).await?;
        ensure!(rests_as(it, &booking).await?.as_deref() != Some("discarded"));
        let old = it.world.daybook(&["dlq", "replay", "propagator", &first], "").await?;
        ensure!(old.code == Some(1) && old.everything().contains("superseded"), "{}", old.everything());
        Ok(())
    })
}
