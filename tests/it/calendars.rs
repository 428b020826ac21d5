//! Calendars that are read, through the whole pipeline: what is decided is what is in them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use daybook_domain::Timestamp;
use daybook_runtime::clock;
use daybook_stack::Service;
use daybook_tests::calendar::{Calendar, Fault};
use daybook_tests::calendly::Invitee;
use daybook_tests::people::Person;
use daybook_tests::resources::Resource;
use daybook_tests::seed::{generator, seed};
use daybook_tests::sender::Webhook;
use daybook_tests::wait::{not_yet, wait_until};
use rand::RngExt as _;

use crate::arbiters::blocking;
use crate::instance::{Instance, Rough, SOON, rough, shared, vendor};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Midnight, so many days from now, in seconds.
fn midnight(days: i64) -> i64 {
    (clock::now().millis() / 1_000 / DAY + days) * DAY
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000).expect("a time")
}

/// What happens in the calendar of a resource.
fn calendar<T>(resource: &Resource, change: impl FnOnce(&mut Calendar) -> T) -> T {
    let (source, name) = resource.read.as_ref().expect("its calendar is read");
    vendor(source).calendar(name, change)
}

const SOURCES: [&str; 2] = ["google", "outlook"];

/// The time of a resource that is taken, by what its vendor calls it.
async fn taken(it: &Instance, resource: &str) -> Result<BTreeMap<String, (i64, i64)>> {
    let rows = it.world.store.bookings_of(resource).await?;
    let busy = rows.into_iter().filter(|row| row.kind == "busy" && row.is_live()).map(|row| {
        let name = row.source_ids.last().and_then(|id| id.rsplit_once('/')).context("a name")?.1.to_owned();
        let (start, end) = row.start_time.zip(row.end_time).context("its time")?;
        Ok((name, (start.timestamp(), end.timestamp())))
    });
    busy.collect()
}

/// Waits until the time that is taken is what the calendar shows.
async fn same(it: &Instance, resource: &Resource) -> Result<()> {
    wait_until("the calendar to be what is decided", SOON, async || {
        let (taken, shown) = (taken(it, &resource.id).await?, calendar(resource, |calendar| calendar.busy()));
        not_yet(taken == shown, || format!("{taken:?} is taken, {shown:?} is shown"))
    })
    .await
}

async fn outcomes(it: &Instance, resource: &str) -> Result<Vec<String>> {
    let decisions = it.world.store.decisions_about(resource).await?;
    Ok(decisions.into_iter().map(|decision| decision.outcome).filter(|outcome| outcome != "defined").collect())
}

#[test]
fn what_is_in_a_calendar_is_taken_and_a_series_is_its_instances() -> Result<()> {
    shared(async |it| {
        for source in SOURCES {
            let resource = Resource::observed(it.name("calendar"), source);
            taken_and_freed(it, &resource).await.context(source)?;
        }
        Ok(())
    })
}

async fn taken_and_freed(it: &Instance, resource: &Resource) -> Result<()> {
    let edit = |change: &dyn Fn(&mut Calendar)| calendar(resource, |calendar| change(calendar));
    edit(&|calendar| {
        calendar.put("before", midnight(2), midnight(2) + HOUR);
        calendar.series("daily", midnight(3), midnight(3) + HOUR, 5);
    });
    it.world.load(std::slice::from_ref(resource)).await?;
    same(it, resource).await?;
    edit(&|calendar| {
        calendar.put("before", midnight(2) + 2 * HOUR, midnight(2) + 3 * HOUR);
        calendar.put("after", midnight(9), midnight(9) + HOUR);
        calendar.except("daily", 1, None);
        calendar.except("daily", 2, Some(2 * HOUR));
    });
    same(it, resource).await?;
    edit(&|calendar| {
        calendar.free("after", true);
        calendar.delete("before");
        calendar.series("daily", midnight(3) + HOUR, midnight(3) + 2 * HOUR, 2);
    });
    same(it, resource).await?;
    edit(&|calendar| calendar.delete("daily"));
    same(it, resource).await?;
    ensure!(taken(it, &resource.id).await?.is_empty(), "something is still taken");
    Ok(())
}

#[test]
fn whatever_happens_in_a_calendar_and_however_it_is_answered_what_is_decided_is_what_is_there() -> Result<()> {
    shared(async |it| {
        let seed = seed("edits of calendars");
        let edited = SOURCES.map(|source| edited(it, source, seed));
        futures::future::try_join_all(edited).await.with_context(|| format!("SEED={seed}"))?;
        Ok(())
    })
}

async fn edited(it: &Instance, source: &'static str, seed: u64) -> Result<()> {
    let mut random = generator(seed, source.len() as u64);
    let resource = Resource::observed(it.name("edited"), source);
    calendar(&resource, |calendar| calendar.put("e0", midnight(2), midnight(2) + HOUR));
    it.world.load(std::slice::from_ref(&resource)).await?;
    same(it, &resource).await?;
    for _ in 0..25 {
        let (number, hour, day) = (random.random_range(0..8), random.random_range(0..200), random.random_range(0..6));
        let (id, start) = (format!("e{number}"), midnight(3) + hour * HOUR);
        let choice = random.random_range(0..8);
        let asked = calendar(&resource, |calendar| {
            match choice {
                0..=2 => calendar.put(&id, start, start + HOUR / 2),
                3 => calendar.series(&id, start, start + HOUR / 2, day + 1),
                4 => calendar.except(&id, day, (hour % 2 == 0).then_some(hour * 60)),
                5 => calendar.free(&id, hour % 2 == 0),
                _ => calendar.delete(&id),
            }
            // No more than it gets over soon: it waits longer after each.
            calendar.faults.clear();
            for _ in 0..random.random_range(0..3) {
                let faults = [
                    Fault::TooMany(None),
                    Fault::TooMany(Some(1)),
                    Fault::Quota,
                    Fault::Away,
                    Fault::Page,
                    Fault::Expired,
                    Fault::Empty,
                    Fault::Error,
                    Fault::Halved,
                    Fault::Half,
                    Fault::Nothing,
                    Fault::Replayed,
                ];
                calendar.faults.push_back(faults[random.random_range(0..faults.len())]);
            }
            calendar.asked
        });
        // The next edit comes while it is being read.
        wait_until("the calendar to be asked for", SOON, async || {
            not_yet(calendar(&resource, |calendar| calendar.asked) > asked, || "nobody has asked".to_owned())
        })
        .await?;
    }
    calendar(&resource, |calendar| calendar.faults.clear());
    same(it, &resource).await
}

#[test]
fn an_appointment_of_calendly_that_is_also_in_the_hosts_calendar_is_one_booking_in_either_order() -> Result<()> {
    shared(async |it| {
        for calendar_first in [false, true] {
            let resource = Resource::observed(it.name("shadowed"), SOURCES[usize::from(calendar_first)]);
            calendar(&resource, |_| {});
            it.world.load(std::slice::from_ref(&resource)).await?;
            let person = Person::invent();
            let send = async |payload: &serde_json::Value| {
                let webhook = Webhook::calendly(payload);
                ensure!(it.world.sender.send(&webhook).await?.status == 200, "not taken");
                it.decided(&[webhook.request_id(0)]).await
            };
            let show = |id: &str, start: i64| {
                calendar(&resource, |calendar| {
                    calendar.put(id, start, start + HOUR);
                    calendar.attend(id, &person.email);
                });
            };
            let decided = async |count: usize| {
                wait_until("the decisions", SOON, async || {
                    let outcomes = outcomes(it, &resource.id).await?;
                    not_yet(outcomes.len() >= count, || format!("{outcomes:?}"))
                })
                .await
            };
            let start = midnight(4);
            let first = Invitee::new(&resource.host, person.clone(), at(start), at(start + HOUR), clock::now());
            if calendar_first {
                show("one", start);
                decided(1).await?;
                send(&first.created()).await?;
            } else {
                send(&first.created()).await?;
                show("one", start);
                decided(2).await?;
            }
            // Calendly's new event has a new entry, and the old one goes.
            let moved = midnight(5);
            let (half, second) = first.moved(at(moved), at(moved + HOUR), clock::now());
            calendar(&resource, |calendar| calendar.delete("one"));
            if calendar_first {
                show("two", moved);
                decided(4).await?;
                send(&half).await?;
                send(&second.created()).await?;
            } else {
                send(&half).await?;
                send(&second.created()).await?;
                show("two", moved);
                decided(6).await?;
            }
            calendar(&resource, |calendar| calendar.delete("two"));
            send(&second.canceled(clock::now())).await?;
            decided(if calendar_first { 7 } else { 8 }).await?;

            let outcomes = outcomes(it, &resource.id).await?;
            ensure!(!outcomes.iter().any(|outcome| outcome == "flagged" || outcome == "rejected"), "{outcomes:?}");
            let rows = it.world.store.bookings_of(&resource.id).await?;
            let bookings: Vec<_> = rows.iter().filter(|row| row.kind == "booking").collect();
            ensure!(bookings.len() == 1, "{} bookings of one appointment: {outcomes:?}", bookings.len());
            wait_until("everything to be over", SOON, async || {
                let rows = it.world.store.bookings_of(&resource.id).await?;
                not_yet(!rows.iter().any(|row| row.is_live()), || format!("{rows:?}"))
            })
            .await?;
        }
        Ok(())
    })
}

#[test]
fn a_calendar_that_is_not_shared_holds_up_no_other_and_one_that_becomes_somebody_elses_is_theirs() -> Result<()> {
    shared(async |it| {
        for source in SOURCES {
            given_away(it, source).await.context(source)?;
        }
        Ok(())
    })
}

async fn given_away(it: &Instance, source: &'static str) -> Result<()> {
    let mut anna = Resource::observed(it.name("anna"), source);
    let hidden = Resource::observed(it.name("hidden"), source);
    let mut bert = Resource::unseen(it.name("bert"));
    calendar(&anna, |calendar| calendar.put("one", midnight(2), midnight(2) + HOUR));
    it.world.load(&[anna.clone(), hidden.clone(), bert.clone()]).await?;
    same(it, &anna).await?;
    wait_until("the hidden calendar to be refused twice", SOON, async || {
        let (source, name) = hidden.read.as_ref().context("it is read")?;
        not_yet(vendor(source).refused(name) > 1, || "nobody has asked for it".to_owned())
    })
    .await?;

    // The calendar is Bert's now: what was taken of Anna's time is free.
    bert.read = anna.read.take();
    it.world.load(&[anna.clone(), bert.clone()]).await?;
    same(it, &bert).await?;
    wait_until("Anna to be free", SOON, async || {
        let taken = taken(it, &anna.id).await?;
        not_yet(taken.is_empty(), || format!("{taken:?}"))
    })
    .await?;

    // And then nobody's.
    bert.read = None;
    it.world.load(std::slice::from_ref(&bert)).await?;
    wait_until("Bert to be free", SOON, async || {
        let taken = taken(it, &bert.id).await?;
        not_yet(taken.is_empty(), || format!("{taken:?}"))
    })
    .await
}

#[test]
fn a_calendar_that_is_cleared_is_believed_after_a_while_and_not_at_once() -> Result<()> {
    shared(async |it| {
        let resource = Resource::observed(it.name("cleared"), "google");
        calendar(&resource, |calendar| {
            for number in 0..30 {
                calendar.put(
                    &format!("e{number}"),
                    midnight(2) + number * HOUR,
                    midnight(2) + number * HOUR + HOUR / 2,
                );
            }
        });
        it.world.load(std::slice::from_ref(&resource)).await?;
        same(it, &resource).await?;
        calendar(&resource, |calendar| (0..30).for_each(|number| calendar.delete(&format!("e{number}"))));
        let (_, name) = resource.read.as_ref().context("it is read")?;
        wait_until("them to be held", SOON, async || {
            let held: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM polled_event WHERE calendar = $1 AND missing_since IS NOT NULL",
            )
            .bind(name)
            .fetch_one(it.world.store.pool())
            .await?;
            not_yet(held == 30, || format!("{held} are held"))
        })
        .await?;
        ensure!(taken(it, &resource.id).await?.len() == 30, "some were believed to be gone at once");
        same(it, &resource).await?;

        // A person may know better, and need not wait. (Its feed is listed in full at once, and again.)
        let ran = it.world.daybook(&["sync", "google", "--resource", &resource.id, "--full", "--believe"], "").await?;
        ensure!(ran.success && ran.out.contains("1 calendar will be read next"), "{}", ran.everything());
        let ran = it.world.daybook(&["sync", "google", "--resource", "nobody-at-all"], "").await?;
        ensure!(ran.code == Some(1), "{}", ran.everything());
        let ran = it.world.daybook(&["sources", "status", "google"], "").await?;
        ensure!(
            ran.success && ran.out.contains(&resource.id) && !ran.out.contains("office.example"),
            "{}",
            ran.everything()
        );
        Ok(())
    })
}

#[test]
fn what_was_sent_and_could_not_be_written_down_is_freed_when_it_goes() -> Result<()> {
    shared(async |it| {
        let resource = Resource::observed(it.name("unkept"), "google");
        let (_, name) = resource.read.clone().context("it is read")?;
        calendar(&resource, |calendar| calendar.put("one", midnight(2), midnight(2) + HOUR));
        it.world.load(std::slice::from_ref(&resource)).await?;
        same(it, &resource).await?;
        // From now on no round of this calendar can be kept: the store gives up between Kafka's word and ours.
        let owner = sqlx::PgPool::connect(&it.world.endpoints.postgres.owner).await?;
        let refuse = format!(
            "CREATE FUNCTION refuse_unkept() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '53000'; END $$;
             CREATE TRIGGER refuse_unkept BEFORE UPDATE ON polled_calendar FOR EACH ROW
                WHEN (NEW.calendar = '{name}' AND NEW.began_at <> OLD.began_at) EXECUTE FUNCTION refuse_unkept()"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(refuse)).execute(&owner).await?;
        calendar(&resource, |calendar| {
            calendar.put("two", midnight(3), midnight(3) + HOUR);
            calendar.put("one", midnight(4), midnight(4) + HOUR);
        });
        same(it, &resource).await?;
        // One goes, and the other is again what was known of it.
        calendar(&resource, |calendar| {
            calendar.delete("two");
            calendar.put("one", midnight(2), midnight(2) + HOUR);
        });
        let allow = "DROP TRIGGER refuse_unkept ON polled_calendar; DROP FUNCTION refuse_unkept()";
        sqlx::raw_sql(allow).execute(&owner).await?;
        same(it, &resource).await
    })
}

#[test]
fn a_vendor_that_says_that_something_has_changed_is_asked_at_once_and_nobody_else_is_believed() -> Result<()> {
    shared(async |it| {
        for source in SOURCES {
            prompted(it, source).await.context(source)?;
        }
        Ok(())
    })
}

async fn prompted(it: &Instance, source: &'static str) -> Result<()> {
    let resource = Resource::observed(it.name("prompted"), source);
    let (_, name) = resource.read.clone().context("it is read")?;
    calendar(&resource, |calendar| calendar.put("one", midnight(2), midnight(2) + HOUR));
    it.world.load(std::slice::from_ref(&resource)).await?;
    same(it, &resource).await?;
    wait_until("a channel", SOON, async || {
        not_yet(!vendor(source).channels(&name).is_empty(), || "none is asked for".to_owned())
    })
    .await?;
    // As if it had been read just now, and its interval were an hour.
    let owner = sqlx::PgPool::connect(&it.world.endpoints.postgres.owner).await?;
    let put_off = "UPDATE polled_calendar SET next_at = now() + interval '1 hour', full_at = now() + interval '1 hour' \
                   WHERE calendar = $1 AND leased_until < now()";
    wait_until("nobody to be reading it", SOON, async || {
        let done = sqlx::query(put_off).bind(&name).execute(&owner).await?.rows_affected();
        not_yet(done == 1, || "it is being read".to_owned())
    })
    .await?;
    calendar(&resource, |calendar| calendar.put("two", midnight(3), midnight(3) + HOUR));

    let forged = it.world.http.post(format!("{}/webhooks/{source}", it.world.endpoints.ingest_url));
    let forged = forged.header("x-goog-channel-id", "c").header("x-goog-channel-token", "t");
    let forged = forged.json(&serde_json::json!({"value": [{"clientState": "c.t"}]})).send().await?;
    ensure!(forged.status() == 401, "a forged word of a change was answered {}", forged.status());

    let answers = vendor(source).ping(&it.world.http, &name, None).await?;
    ensure!(answers == [202], "answered {answers:?}");
    same(it, &resource).await?;

    // A channel that is taken away is asked for again.
    if source == "outlook" {
        let before = vendor(source).channels(&name)[0].id.clone();
        vendor(source).ping(&it.world.http, &name, Some("subscriptionRemoved")).await?;
        wait_until("another channel", SOON, async || {
            let channels = vendor(source).channels(&name);
            let another = channels.iter().any(|channel| channel.id != before);
            not_yet(another && channels.len() == 1, || format!("{} channels", channels.len()))
        })
        .await?;
    }
    Ok(())
}

#[test]
fn a_reader_of_calendars_that_is_killed_is_followed_by_the_next_and_nothing_is_lost() -> Result<()> {
    rough(Rough::Services, async |it| {
        let resources: Vec<_> = (0..6)
            .map(|number| Resource::observed(it.name(&format!("killed-{number}")), SOURCES[number % 2]))
            .collect();
        for resource in &resources {
            calendar(resource, |calendar| {
                for number in 0..60 {
                    let start = midnight(2) + number * HOUR;
                    calendar.put(&format!("e{number}"), start, start + HOUR / 2);
                }
            });
        }
        it.world.load(&resources).await?;
        let ingest = it.stack.service(Service::Ingest);
        let asked = || calendar(&resources[0], |calendar| calendar.asked);
        let before = asked();
        wait_until("it to be reading", SOON, async || not_yet(asked() > before, || "nobody asks".to_owned())).await?;
        blocking(&ingest, |unit| unit.kill9()).await?;
        for resource in &resources {
            calendar(resource, |calendar| {
                calendar.put("e0", midnight(10), midnight(10) + HOUR);
                calendar.delete("e20");
            });
        }
        blocking(&ingest, |unit| unit.start_ready()).await?;
        for resource in &resources {
            same(it, resource).await?;
        }
        Ok(())
    })
}
