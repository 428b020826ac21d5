//! A scheduler that nobody has coded for, through the whole pipeline: its description is all that Daybook has of it.

use std::time::Duration;

use anyhow::{Result, ensure};
use daybook_runtime::clock;
use daybook_tests::calcom::SiteBooking;
use daybook_tests::people::Person;
use daybook_tests::resources::Resource;
use daybook_tests::sender::{Webhook, read};

use crate::instance::{Instance, shared};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Sends it and waits until it is decided: the outcome, and which booking it is about.
async fn decided(it: &Instance, payload: &serde_json::Value) -> Result<(String, Option<uuid::Uuid>)> {
    let webhook = Webhook::site(payload);
    let answer = it.world.sender.send(&webhook).await?;
    ensure!(answer.status == 200, "answered {}", answer.status);
    let mut decisions = it.decided(&[webhook.request_id(0)]).await?;
    let decision = decisions.remove(0);
    Ok((decision.outcome, decision.booking_id))
}

#[test]
fn a_booking_of_a_described_site_is_made_moved_asked_to_move_moved_again_and_cancelled_as_one() -> Result<()> {
    shared(async |it| {
        let resource = Resource::new(it.name("described"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let now = clock::now();
        let at = |hours: u32| (now.plus(HOUR * hours), now.plus(HOUR * hours + HOUR / 2));
        let (start, end) = at(24);
        let first = SiteBooking::new(&resource.host, Person::invent(), start, end, now);
        let (outcome, booking) = decided(it, &first.delivery("BOOKING_CREATED")).await?;
        ensure!(outcome == "confirmed", "made: {outcome}");

        let (start, end) = at(30);
        let second = first.moved(start, end, now.plus(HOUR));
        let (outcome, moved) = decided(it, &second.delivery("BOOKING_RESCHEDULED")).await?;
        ensure!(outcome == "rescheduled" && moved == booking, "moved: {outcome}");

        let (outcome, asked) = decided(it, &second.cancelled(now.plus(HOUR * 2), true)).await?;
        ensure!(outcome == "awaiting_replacement" && asked == booking, "asked to move: {outcome}");
        let (start, end) = at(36);
        let third = second.moved(start, end, now.plus(HOUR * 3));
        let (outcome, chosen) = decided(it, &third.delivery("BOOKING_CREATED")).await?;
        ensure!(outcome == "rescheduled" && chosen == booking, "moved again: {outcome}");
        it.delivered(&resource.id).await?;
        let calendar = resource.calendar.as_deref().unwrap_or_default();
        ensure!(it.world.calendars.entries(calendar).await?.len() == 1, "not one entry in the calendar");

        let (outcome, gone) = decided(it, &third.cancelled(now.plus(HOUR * 4), false)).await?;
        ensure!(outcome == "cancelled" && gone == booking, "cancelled: {outcome}");
        it.delivered(&resource.id).await?;
        ensure!(it.world.calendars.entries(calendar).await?.is_empty(), "the calendar still shows it");
        Ok(())
    })
}

#[test]
fn a_described_site_that_signs_nothing_is_turned_away_and_what_it_repeats_is_one_event() -> Result<()> {
    shared(async |it| {
        let resource = Resource::unseen(it.name("described-door"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let now = clock::now();
        let (start, end) = (now.plus(HOUR * 24), now.plus(HOUR * 25));
        let booking = SiteBooking::new(&resource.host, Person::invent(), start, end, now);
        let webhook = Webhook::site(&booking.delivery("BOOKING_CREATED"));
        let unsigned = it.world.sender.unsigned(&webhook);
        ensure!(read(unsigned).await?.status == 401, "an unsigned delivery was taken");
        let none = it.world.sender.unsigned(&webhook).header("x-cal-signature-256", "no-secret-provided");
        ensure!(read(none).await?.status == 401, "a webhook without a secret was taken");

        for _ in 0..2 {
            ensure!(it.world.sender.send(&webhook).await?.status == 200, "a sound delivery was refused");
        }
        // Its record lies behind both on the same partition, so once it is decided, they are.
        let mut later = booking.clone();
        later.created_at = now.plus(HOUR);
        later.title.push_str(", changed");
        let (outcome, _) = decided(it, &later.delivery("BOOKING_CREATED")).await?;
        ensure!(outcome == "updated", "what lies behind was {outcome}");
        let decisions = it.world.store.decisions_of(&[webhook.request_id(0)]).await?;
        ensure!(decisions.len() == 1 && decisions[0].outcome == "confirmed", "{} decisions", decisions.len());
        let about = it.world.store.decisions_about(&resource.id).await?;
        ensure!(about.len() == 3, "{} decisions about the resource, its own among them", about.len());
        Ok(())
    })
}
