//! The last word of an arbiter that was frozen between its commit and the publication.

use anyhow::{Context, Result, ensure};
use daybook_domain::{BookingId, Operation, Rules, topics};
use daybook_stack::Unit;
use daybook_tests::proxy::Fault;
use daybook_tests::requests::{Asker, Visit, define, minutes};
use daybook_tests::seed::unique_word;
use daybook_tests::wait::{not_yet, wait_until};
use daybook_wire::decode_booking;

use crate::arbiters::{Arbiters, PATIENCE, arbiters, blocking, freeze};
use crate::instance::note;

const VISITS: u64 = 10;

#[test]
fn an_arbiter_thawed_after_its_successor_published_newer_states_does_not_have_the_last_word() -> Result<()> {
    arbiters(async |it| {
        let word = unique_word();
        let resource = format!("thaw-{word}").parse()?;
        let asker = Asker::new(&it.world).await?;
        let visits: Vec<Visit> = (0..VISITS).map(|at| Visit::new(&resource, format!("{word}-{at}"))).collect();
        let mut first = vec![define(&resource, format!("{word}-rules"), Rules::new("Europe/Berlin".to_owned()))];
        first.extend(visits.iter().zip(0..).map(|(visit, at)| {
            visit.asks(format!("{}-1", visit.id), Operation::Book(visit.claim(1, minutes(60 * at, 60))))
        }));
        it.ask(&asker, &first).await?;
        let updates = |version: i64| {
            let update = |visit: &Visit| {
                let operation = Operation::Update { subject: visit.subject(version), content: visit.content(version) };
                visit.asks(format!("{}-{version}", visit.id), operation)
            };
            visits.iter().map(update).collect::<Vec<_>>()
        };

        let frozen = it.owner_of(&resource).await?;
        let (deed, failure) = freeze(&frozen.unit);
        let sprung = frozen.proxy.arm(1, Fault::AfterCommit(deed));
        let receipts = asker.ask(&updates(2)).await?;
        wait_until("the owner to be frozen between commit and publish", PATIENCE, async || {
            not_yet(sprung.is_so(), || "it is not".to_owned())
        })
        .await?;
        ensure!(failure.lock().is_ok_and(|failure| failure.is_none()), "it was not frozen");
        let committed = committed(it, &visits).await?;
        ensure!(!committed.is_empty(), "what was committed was not the update");
        ensure!(versions(it, &committed).await? == vec![vec![1]; committed.len()], "it was published all the same");

        it.taken_over(frozen.unit.pid()).await?;
        it.decided(&receipts).await?;
        it.ask(&asker, &updates(3)).await?;
        wait_until("the successor to publish newer states", PATIENCE, async || {
            let shown = versions(it, &committed).await?;
            not_yet(shown.iter().all(|versions| versions.last() == Some(&3)), || format!("{shown:?}"))
        })
        .await?;
        blocking(&frozen.unit, Unit::resume).await?;
        it.at_work(frozen).await?;
        wait_until("the thawed arbiter to have its word", PATIENCE, async || {
            let shown = versions(it, &committed).await?;
            let spoke = |versions: &Vec<u64>| versions.windows(2).any(|pair| pair == [3, 2]);
            not_yet(shown.iter().any(spoke), || format!("{shown:?}"))
        })
        .await?;
        let (_, summary) = it.judge().await?;
        let shown = versions(it, &committed).await?;
        ensure!(shown.iter().all(|versions| versions.last() == Some(&3)), "the last word was an older one: {shown:?}");
        note(&format!("booking.canonical had these versions, in this order: {shown:?}; {summary:?}"));
        Ok(())
    })
}

/// The visits whose second version is in the store.
async fn committed(it: &Arbiters, visits: &[Visit]) -> Result<Vec<BookingId>> {
    let resource = visits.first().context("there are visits")?.resource.as_str();
    let rows = it.world.store.bookings_of(resource).await?;
    Ok(rows.iter().filter(|row| row.version == 2).map(|row| BookingId::from_uuid(row.booking_id)).collect())
}

/// What `booking.canonical` says of each booking, in order.
async fn versions(it: &Arbiters, bookings: &[BookingId]) -> Result<Vec<Vec<u64>>> {
    let mut versions = vec![Vec::new(); bookings.len()];
    for record in it.world.kafka.records(topics::CANONICAL).await? {
        let key = std::str::from_utf8(record.key.as_deref().unwrap_or_default())?;
        if let Some(at) = bookings.iter().position(|id| id.to_string() == key) {
            let value = record.value.as_deref().context("a tombstone")?;
            versions[at].push(it.world.kafka.decode(value, decode_booking).await?.version);
        }
    }
    Ok(versions)
}
