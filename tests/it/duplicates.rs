//! One delivery, many times at once.

use anyhow::{Result, ensure};
use daybook_runtime::clock;
use daybook_tests::calendly::Invitee;
use daybook_tests::generic::Appointment;
use daybook_tests::people::Person;
use daybook_tests::resources::Resource;
use daybook_tests::sender::Webhook;
use futures::future::try_join_all;

use crate::instance::{Instance, shared};

const TIMES: usize = 50;
const HOUR: std::time::Duration = std::time::Duration::from_secs(60 * 60);

#[test]
fn one_calendly_delivery_fifty_times_at_once_is_one_booking_and_one_calendar_entry() -> Result<()> {
    shared(async |it| {
        let resource = Resource::new(it.name("duplicates"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let now = clock::now();
        let (start, end) = (now.plus(HOUR * 24), now.plus(HOUR * 25));
        let mut invitee = Invitee::new(&resource.host, Person::invent(), start, end, now);
        let same = Webhook::calendly(&invitee.created());
        // The same invitee, later: its record lies behind all of them on the same partition, so once it is decided, they are.
        invitee.title.push_str(", second visit");
        invitee.updated_at = now.plus(HOUR);
        let behind = Webhook::calendly(&invitee.created());
        once(it, &resource, &same, &behind, &invitee.title).await
    })
}

#[test]
fn one_generic_delivery_fifty_times_at_once_is_one_booking_and_one_calendar_entry() -> Result<()> {
    shared(async |it| {
        let resource = Resource::new(it.name("duplicates"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let now = clock::now();
        let mut visit = Appointment::new(&resource.alias, Person::invent(), now.plus(HOUR * 24), now.plus(HOUR * 25));
        let same = Webhook::generic(it.name("same"), &[visit.created()]);
        visit.title.push_str(", second visit");
        visit.version = 2;
        let behind = Webhook::generic(it.name("behind"), &[visit.created()]);
        once(it, &resource, &same, &behind, &visit.title).await
    })
}

async fn once(it: &Instance, resource: &Resource, same: &Webhook, behind: &Webhook, title: &str) -> Result<()> {
    let answers = try_join_all((0..TIMES).map(|_| it.world.sender.send(same))).await?;
    let accepted = answers.iter().filter(|answer| answer.status == 200).count();
    ensure!(accepted == TIMES, "{accepted} of {TIMES} were answered 200: {answers:?}");
    ensure!(it.world.sender.send(behind).await?.status == 200, "the event behind them was not accepted");

    let later = it.decided(&[behind.request_id(0)]).await?;
    ensure!(later[0].outcome == "updated", "the event behind them was {}", later[0].outcome);
    let rows = it.world.store.decisions_of(&[same.request_id(0)]).await?;
    ensure!(rows.len() == 1, "{} decisions of one delivery", rows.len());
    ensure!(rows[0].outcome == "confirmed", "it was {}", rows[0].outcome);
    // The resource's own, this one, and the one behind.
    let about = it.world.store.decisions_about(&resource.id).await?;
    ensure!(about.len() == 3, "{} decisions about the resource", about.len());

    let bookings = it.world.store.bookings_of(&resource.id).await?;
    ensure!(bookings.len() == 1 && bookings[0].is_live(), "{} bookings", bookings.len());
    it.delivered(&resource.id).await?;
    let entries = it.world.calendars.entries(resource.calendar.as_deref().unwrap_or_default()).await?;
    let shown: Vec<_> = entries.values().map(|entry| (entry.uid.clone(), entry.summary.as_str())).collect();
    ensure!(shown == [(bookings[0].booking_id.to_string(), title)], "the calendar holds {} entries", shown.len());
    let report = it.world.received().await?;
    let id = bookings[0].booking_id.to_string();
    let told = report.log.iter().filter(|delivery| delivery.booking_id == id && !delivery.duplicate);
    let versions: Vec<u64> = told.map(|delivery| delivery.version).collect();
    ensure!(versions == [1, 2] || versions == [2], "the receiver was told versions {versions:?}");
    Ok(())
}
