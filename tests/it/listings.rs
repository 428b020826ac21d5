//! Bookings that are listed, through the whole pipeline: what no delivery has told of is decided as well.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use daybook_domain::topics::raw;
use daybook_domain::{RequestId, Timestamp};
use daybook_runtime::clock;
use daybook_runtime::kafka::Outgoing;
use daybook_stack::{Service, Unit};
use daybook_tests::desk::{Booked, Fault};
use daybook_tests::generic::Appointment;
use daybook_tests::people::Person;
use daybook_tests::resources::Resource;
use daybook_tests::seed::{generator, seed};
use daybook_tests::sender::Webhook;
use daybook_tests::store::DecisionRow;
use daybook_tests::wait::{not_yet, wait_until};
use daybook_wire::{Call, SourceEvent};
use rand::RngExt as _;

use crate::arbiters::blocking;
use crate::instance::{CONSENT, Instance, SOON, desk, shared};

const HOUR: i64 = 3_600;
const SOURCES: [&str; 4] = ["acuity", "calendly", "crm", "site"];

/// So many hours behind tomorrow's midnight.
fn hour(hours: i64) -> Timestamp {
    let midnight = (clock::now().millis() / 1_000 / (24 * HOUR) + 2) * 24 * HOUR;
    Timestamp::from_millis((midnight + hours * HOUR) * 1_000).expect("a time")
}

fn book(source: &str, resource: &Resource, at: i64) -> Booked {
    desk(source).book(&resource.host, resource.number, hour(at), hour(at + 1))
}

/// The bookings of a resource that stand.
async fn decided(it: &Instance, resource: &Resource) -> Result<BTreeMap<Timestamp, Timestamp>> {
    let rows = it.world.store.bookings_of(&resource.id).await?;
    let live = rows.into_iter().filter(|row| row.kind == "booking" && row.is_live()).map(|row| {
        let (start, end) = row.start_time.zip(row.end_time).context("its time")?;
        Ok((Timestamp::try_from(start)?, Timestamp::try_from(end)?))
    });
    live.collect()
}

/// Waits until they are those of the tool.
async fn same(it: &Instance, source: &str, resource: &Resource) -> Result<()> {
    wait_until("what is booked to be what is decided", SOON, async || {
        let (decided, booked) = (decided(it, resource).await?, desk(source).standing(&resource.host));
        not_yet(decided == booked, || format!("{source}: {} are decided, {} are booked", decided.len(), booked.len()))
    })
    .await
}

async fn missed(it: &Instance, source: &str) -> Result<f64> {
    let metrics = it.world.metrics().await;
    let (_, text) = metrics.into_iter().find(|(name, _)| *name == "ingest").context("ingest")?;
    let line = format!("daybook_ingest_missed_webhook_total{{source=\"{source}\"}} ");
    let value = text?.lines().find_map(|it| it.strip_prefix(&line)?.parse().ok());
    Ok(value.unwrap_or(0.0))
}

#[test]
fn a_booking_that_no_webhook_told_of_is_made_moved_and_cancelled_all_the_same_and_is_counted() -> Result<()> {
    shared(async |it| {
        let each = SOURCES.map(async |source| {
            let resource = Resource::unseen(it.name("untold"));
            it.world.load(std::slice::from_ref(&resource)).await?;
            let before = missed(it, source).await?;
            let [first, second] = [1, 5].map(|at| book(source, &resource, at));
            same(it, source, &resource).await?;
            let moved = desk(source).reschedule(&first.id, hour(3), hour(4));
            same(it, source, &resource).await?;
            desk(source).cancel(&second.id);
            same(it, source, &resource).await?;
            desk(source).cancel(&moved.id);
            same(it, source, &resource).await?;
            ensure!(decided(it, &resource).await?.is_empty());
            wait_until("what was missed is counted", SOON, async || {
                let now = missed(it, source).await?;
                not_yet(now >= before + 4.0, || format!("{source}: {before} before, {now} now"))
            })
            .await
        });
        futures::future::try_join_all(each).await.map(drop)
    })
}

#[test]
fn whatever_is_booked_and_however_the_tool_answers_what_is_decided_is_what_is_booked() -> Result<()> {
    shared(async |it| {
        let seed = seed("edits of bookings");
        let edited = SOURCES.map(|source| edited(it, source, seed));
        futures::future::try_join_all(edited).await.with_context(|| format!("SEED={seed}")).map(drop)
    })
}

async fn edited(it: &Instance, source: &'static str, seed: u64) -> Result<()> {
    let mut random = generator(seed, 7 + source.len() as u64);
    // A booking that was moved, and its replacement moved or cancelled before anybody looked, waits for that replacement in vain.
    let replacement_wait = Some("3s".to_owned());
    let resource = Resource { replacement_wait, ..Resource::unseen(it.name("booked")) };
    it.world.load(std::slice::from_ref(&resource)).await?;
    // No two want one slot: that is another test's matter.
    let mut slot = 0;
    for _ in 0..5 {
        for _ in 0..random.random_range(1..6) {
            slot += 1;
            let standing = desk(source).ids(&resource.host);
            let one = (!standing.is_empty()).then(|| &standing[random.random_range(0..standing.len())]);
            match (random.random_range(0..4), one) {
                (0 | 1, _) | (_, None) => drop(book(source, &resource, slot)),
                (2, Some(id)) => drop(desk(source).reschedule(id, hour(slot), hour(slot + 1))),
                (_, Some(id)) => drop(desk(source).cancel(id)),
            }
        }
        // Others ask this tool, too, so what goes wrong may go wrong for them.
        let faults = random.random_range(0..5);
        desk(source).faults((0..faults).map(|_| Fault::ALL[random.random_range(0..Fault::ALL.len())]));
        if random.random_range(0..2) == 0 {
            same(it, source, &resource).await?;
        }
    }
    same(it, source, &resource).await
}

#[test]
fn what_was_cancelled_long_ago_and_never_known_here_is_not_asked_for_one_by_one() -> Result<()> {
    shared(async |it| {
        // More than anybody believes to be gone in a row: they would hold up everything else of the source.
        let resource = Resource::unseen(it.name("archive"));
        let crm = desk("crm");
        let archive = |at: i64| crm.archive(&resource.host, resource.number, hour(100 + at), hour(101 + at)).id;
        let old: Vec<String> = (0..30).map(archive).collect();
        it.world.load(std::slice::from_ref(&resource)).await?;
        let booked = book("crm", &resource, 1);
        same(it, "crm", &resource).await?;
        // What was archived is listed together with them.
        crm.cancel(&booked.id);
        same(it, "crm", &resource).await?;
        let asked = old.iter().filter(|id| crm.was_asked(id)).count();
        ensure!(asked == 0, "{asked} of {} were asked for", old.len());
        ensure!(crm.was_asked(&booked.id));
        Ok(())
    })
}

#[test]
fn a_webhook_of_calendlys_that_only_names_its_event_has_it_fetched() -> Result<()> {
    shared(async |it| {
        let resource = Resource::unseen(it.name("old-shape"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let booked = book("calendly", &resource, 7);
        let webhook = Webhook::calendly(&booked.told_of_old());
        it.world.sender.send(&webhook).await?;
        same(it, "calendly", &resource).await?;
        // What was told is no dead letter, because what it told of came; of an event that is not there, it is one.
        let letters = async || {
            let ran = it.world.daybook(&["dlq", "list", "--queue", "normalizer", "--source", "calendly"], "").await?;
            ensure!(ran.success, "{}", ran.everything());
            anyhow::Ok(ran.out)
        };
        ensure!(!letters().await?.contains(webhook.event_id()));
        let mut nowhere = booked.told_of_old();
        nowhere["payload"]["event"] = format!("https://api.calendly.com/scheduled_events/{}-NOT", booked.id).into();
        let lost = Webhook::calendly(&nowhere);
        it.world.sender.send(&lost).await?;
        wait_until("its dead letter", SOON, async || {
            let letters = letters().await?;
            not_yet(letters.contains(lost.event_id()), || letters.clone())
        })
        .await
    })
}

#[test]
fn a_refresh_token_that_counts_once_is_used_once_by_all_processes_and_outlives_them_sealed() -> Result<()> {
    shared(async |it| {
        let acuity = desk("acuity");
        let resource = Resource::unseen(it.name("consent"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let ingest = it.stack.service(Service::Ingest);
        // Another process asks beside the first, and one that is started later goes on with what they have left in the store.
        for at in [1, 5] {
            let another = blocking(&ingest, |ingest| ingest.start_another(7)).await?;
            blocking(&another, Unit::wait_ready).await?;
            book("acuity", &resource, at);
            same(it, "acuity", &resource).await?;
            let (before, _) = acuity.refreshed(CONSENT);
            ensure!(before > 0, "nobody has asked for a token");
            wait_until("the token to be refreshed twice", SOON, async || {
                let (now, _) = acuity.refreshed(CONSENT);
                not_yet(now >= before + 2, || format!("{before} times before, {now} now"))
            })
            .await?;
            blocking(&another, Unit::stop).await?;
        }
        let (_, reused) = acuity.refreshed(CONSENT);
        ensure!(reused == 0, "{reused} times somebody came with a token that had been used");
        let owner = sqlx::PgPool::connect(&it.world.endpoints.postgres.owner).await?;
        let rows: Vec<String> =
            sqlx::query_scalar("SELECT account_token::text FROM account_token").fetch_all(&owner).await?;
        owner.close().await;
        ensure!(rows.len() == 1, "the store has {} of them", rows.len());
        let hidden = hex::encode(CONSENT.as_bytes());
        ensure!(!rows[0].contains(CONSENT) && !rows[0].contains(&hidden), "a token lies in the store as it is");
        Ok(())
    })
}

#[test]
fn an_account_has_one_budget_whoever_asks_and_its_use_is_shown() -> Result<()> {
    shared(async |it| {
        let pool = sqlx::PgPool::connect(&it.world.endpoints.postgres.ingest).await?;
        let source = it.name("budget");
        let turn = async |most: &str| -> Result<Option<f64>> {
            let taken = sqlx::query_scalar("SELECT take_turn($1, interval '10 seconds', $2::text::interval)");
            Ok(taken.bind(&source).bind(most).fetch_one(&pool).await?)
        };
        // Four at once: each has a turn of its own, ten seconds behind another.
        let turns = futures::future::join_all((0..4).map(|_| turn("1 day"))).await;
        let mut waits = turns.into_iter().map(|wait| wait?.context("a turn")).collect::<Result<Vec<f64>>>()?;
        waits.sort_by(f64::total_cmp);
        for (nth, wait) in waits.iter().enumerate() {
            let due = 10.0 * nth as f64;
            ensure!(*wait <= due && *wait > due - 5.0, "the {nth}th waits {wait} s");
        }
        ensure!(turn("20 seconds").await?.is_none(), "a turn was taken that is too far off");
        let ran = it.world.daybook(&["sources", "status", &source, "--json"], "").await?;
        ensure!(ran.success, "{}", ran.everything());
        let line: serde_json::Value = serde_json::from_str(ran.out.lines().next().context("a line")?)?;
        ensure!(line["source"] == source.as_str() && line["calls_a_minute_max"] == 6.0, "{line}");
        let shown: i32 = sqlx::query_scalar("SELECT minute_turns + before_turns FROM polled_account WHERE source = $1")
            .bind(&source)
            .fetch_one(&pool)
            .await?;
        ensure!(shown == 4, "{shown} turns were counted");
        Ok(())
    })
}

#[test]
fn of_two_that_overlapped_before_anybody_looked_the_second_is_flagged_and_nothing_is_to_be_undone() -> Result<()> {
    shared(async |it| {
        let resource = Resource::unseen(it.name("imported"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let producer = it.world.kafka.producer()?;
        let visit = |from: i64| Appointment::new(&resource.alias, Person::invent(), hour(from), hour(from + 2));
        let (first, second) = (visit(1), visit(2));
        let take_in = async |made: &Appointment, source: &str| -> Result<DecisionRow> {
            let webhook = Webhook::generic(it.name("import"), &[made.created()]);
            let event = SourceEvent {
                id: webhook.event_id().to_owned(),
                source: source.to_owned(),
                kind: String::new(),
                subject: None,
                time: None,
                content_type: "application/json".to_owned(),
                received_at: clock::now(),
                traceparent: None,
                call: Call::default(),
            };
            let headers = event.headers();
            let (topic, key) = (raw(&"generic".parse()?), Some(resource.id.as_bytes()));
            let value = Some(&webhook.body[..]);
            producer.send_and_wait(Outgoing { topic: &topic, partition: None, key, value, headers: &headers }).await?;
            let mut rows = it.decided(&[RequestId::derive(source, &event.id, 0)]).await?;
            Ok(rows.remove(0))
        };
        let row = take_in(&first, "/imported/generic").await?;
        ensure!(row.outcome == "confirmed", "the first is {}", row.outcome);
        let row = take_in(&second, "/imported/generic").await?;
        ensure!(row.outcome == "flagged", "the second is {}", row.outcome);
        // Both sides are there for a person to see, and nobody is asked to undo anything.
        let id = row.booking_id.context("a booking")?.to_string();
        let why = it.world.daybook(&["why", &id], "").await?;
        ensure!(why.success && why.out.contains("TO BE SETTLED: taken elsewhere"), "{}", why.everything());
        let both = it.world.daybook(&["conflicts", "--resource", &resource.id], "").await?;
        ensure!(both.success && both.out.contains(&id) && both.out.contains("1 conflict;"), "{}", both.everything());
        let open = it.world.daybook(&["compensations", "--resource", &resource.id], "").await?;
        ensure!(open.success && !open.out.contains(&resource.id), "{}", open.everything());
        // What comes later is refused as ever, by whichever of the two has the time.
        let row = take_in(&visit(3), "/fetched/generic").await?;
        ensure!(row.outcome == "rejected", "the third is {}", row.outcome);
        let open = it.world.daybook(&["compensations", "--resource", &resource.id], "").await?;
        ensure!(open.success && open.out.contains("promised"), "{}", open.everything());
        Ok(())
    })
}
