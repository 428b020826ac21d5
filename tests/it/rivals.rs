//! Two customers of two systems, one slot, the same instant.

use anyhow::{Context, Result, ensure};
use daybook_domain::{Outcome, Rejection};
use daybook_runtime::clock;
use daybook_tests::calendly::Invitee;
use daybook_tests::generic::Appointment;
use daybook_tests::people::Person;
use daybook_tests::resources::Resource;
use daybook_tests::sender::Webhook;
use daybook_wire::decode_decision;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::instance::{note, shared};

const SLOTS: u32 = 200;
/// Rivals at the same time. More would only queue at the door.
const AT_ONCE: usize = 16;

#[test]
fn of_two_events_for_one_slot_at_the_same_instant_one_always_wins_and_the_loser_is_told_who() -> Result<()> {
    shared(async |it| {
        let resources: Vec<Resource> = (0..4).map(|at| Resource::unseen(it.name(&format!("rivals-{at}")))).collect();
        it.world.load(&resources).await?;
        let now = clock::now();
        let hour = std::time::Duration::from_secs(60 * 60);
        let pairs: Vec<(Webhook, Webhook)> = (0..SLOTS)
            .map(|slot| {
                let resource = &resources[slot as usize % resources.len()];
                let start = now.plus(hour * (24 + slot));
                // The rival's event is another one: it begins later and overlaps.
                let (late, end) = (start.plus(hour / 4), start.plus(hour));
                let one = Invitee::new(&resource.host, Person::invent(), start, end, now);
                let other = Appointment::new(&resource.alias, Person::invent(), late, end);
                let message = it.name(&format!("rival-{slot}"));
                (Webhook::calendly(&one.created()), Webhook::generic(message, &[other.created()]))
            })
            .collect();

        let answers: Vec<_> = stream::iter(&pairs)
            .map(async |(one, other)| {
                let (one, other) = futures::join!(it.world.sender.send(one), it.world.sender.send(other));
                anyhow::Ok((one?, other?))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        ensure!(answers.iter().all(|(one, other)| one.acknowledged() && other.acknowledged()), "{answers:?}");

        let requests: Vec<_> = pairs.iter().flat_map(|(one, other)| [one.request_id(0), other.request_id(0)]).collect();
        let rows = it.decided(&requests).await?;
        ensure!(rows.len() == requests.len(), "{} decisions of {} requests", rows.len(), requests.len());
        let mut calendly = 0;
        for (slot, (one, other)) in pairs.iter().enumerate() {
            let row = |webhook: &Webhook| {
                let id = webhook.request_id(0).uuid();
                rows.iter().find(|row| row.request_id == id).context("it is decided")
            };
            let (one, other) = (row(one)?, row(other)?);
            let (winner, loser) = match (one.outcome.as_str(), other.outcome.as_str()) {
                ("confirmed", "rejected") => (one, other),
                ("rejected", "confirmed") => (other, one),
                both => anyhow::bail!("slot {slot} was decided {both:?}"),
            };
            calendly += u32::from(winner.source == "calendly");
            let won = it.world.kafka.decode(&winner.record, decode_decision).await?.decision;
            let lost = it.world.kafka.decode(&loser.record, decode_decision).await?.decision;
            let booking = won.booking.context("a winner has a booking")?;
            let Outcome::Rejected(Rejection::Conflict(named)) = lost.outcome else {
                anyhow::bail!("slot {slot}: the loser's decision is {:?}", lost.outcome);
            };
            ensure!(
                named.booking_id == booking.booking_id && Some(named.interval) == booking.standing.interval(),
                "slot {slot}: the loser is told of {named:?}, and the winner is {booking:?}"
            );
        }
        let mut live = 0;
        for resource in &resources {
            live += it.world.store.bookings_of(&resource.id).await?.iter().filter(|row| row.is_live()).count();
        }
        ensure!(live == SLOTS as usize, "{live} live bookings in {SLOTS} slots");
        note(&format!("Calendly won {calendly} of {SLOTS} slots"));
        Ok(())
    })
}
