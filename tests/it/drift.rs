//! What people and programs make of entries that Daybook has written: it is found when the calendar is read back, put right, and
//! after three times left to a person.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use daybook_tests::calendar::Calendar;
use daybook_tests::generic::Appointment;
use daybook_tests::people::{Person, next_number};
use daybook_tests::resources::Resource;
use daybook_tests::wait::{not_yet, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::brakes::daybook;
use crate::instance::{Instance, SOON, shared};
use crate::mirrors::{HOUR, at, calendar, hour, resource, said, shown, standing};

/// What somebody does in a calendar.
type Change = fn(&mut Calendar);

/// What differs of a resource, by target.
async fn differing(it: &Instance, resource: &str) -> Result<BTreeMap<String, Vec<Value>>> {
    let told = it.world.daybook(&["drift", "--resource", resource, "--json"], "").await?;
    ensure!(told.success, "{}", told.everything());
    let mut differing = BTreeMap::<String, Vec<Value>>::new();
    for line in told.out.lines() {
        let row: Value = serde_json::from_str(line)?;
        let target = row["target"].as_str().context("a target")?.to_owned();
        differing.entry(target).or_default().push(row);
    }
    Ok(differing)
}

/// Has a resource's calendars read back, and waits until that has happened.
pub async fn read_back(it: &Instance, resource: &Resource) -> Result<()> {
    let targets = resource.mirrors.len() + usize::from(resource.calendar.is_some());
    wait_until("every calendar to be known", SOON, async || {
        let known = it.world.store.readings_of(&resource.id).await?.len();
        not_yet(known == targets, || format!("{known} of {targets} are"))
    })
    .await?;
    daybook(it, &["drift", "--now", "--resource", &resource.id]).await?;
    wait_until("the calendars to be read back", SOON, async || {
        let readings = it.world.store.readings_of(&resource.id).await?;
        let read = readings.iter().filter(|(_, read)| *read).count();
        not_yet(read == targets, || format!("{read} of {targets} are"))
    })
    .await
}

async fn booked(it: &Instance, resource: &Resource, start: i64) -> Result<Appointment> {
    let appointment = Appointment::new(&resource.alias, Person::invent(), at(start), at(start + HOUR));
    said(it, appointment.created()).await?;
    wait_until("the booking", SOON, async || {
        let there = standing(it, &resource.id).await?.iter().any(|(_, known, _)| *known == start);
        not_yet(there, || "it is not there".to_owned())
    })
    .await?;
    it.delivered(&resource.id).await?;
    Ok(appointment)
}

/// A resource with calendars at both vendors and at a CalDAV server, none of which is read as a source.
fn mirrored(it: &Instance, of: &str) -> Resource {
    let plain = Resource::new(it.name(of));
    Resource { calendar: plain.calendar, read: None, ..resource(it.name(of)) }
}

/// Waits until the CalDAV calendar shows what stands, too.
async fn shown_everywhere(it: &Instance, resource: &Resource) -> Result<()> {
    shown(it, resource).await?;
    let path = resource.calendar.as_deref().context("a calendar")?;
    wait_until("the CalDAV calendar to show what stands", SOON, async || {
        let standing = standing(it, &resource.id).await?;
        let entries = it.world.calendars.entries(path).await?;
        let same = standing.len() == entries.len()
            && standing.iter().all(|(id, start, _)| {
                entries.get(id).is_some_and(|entry| entry.start == at(*start) && entry.summary != "Lunch")
            });
        not_yet(same, || format!("{} entries of {} bookings", entries.len(), standing.len()))
    })
    .await
}

#[test]
fn what_people_make_of_entries_is_put_right_when_the_calendar_is_read_back() -> Result<()> {
    shared(async |it| {
        let resource = mirrored(it, "drift");
        it.world.load(std::slice::from_ref(&resource)).await?;
        let appointment = booked(it, &resource, hour(30)).await?;
        booked(it, &resource, hour(40)).await?;
        shown_everywhere(it, &resource).await?;
        read_back(it, &resource).await?;
        ensure!(differing(it, &resource.id).await?.is_empty(), "nothing has happened yet");

        let path = resource.calendar.as_deref().context("a calendar")?;
        let names: Vec<String> =
            standing(it, &resource.id).await?.into_iter().map(|(id, ..)| format!("{id}.ics")).collect();
        let everywhere = |change: Change| {
            for target in ["google", "outlook"] {
                calendar(&resource, target, change);
            }
        };
        // Moved; called something else; deleted.
        let changes: [(&str, Change); 3] = [
            ("moved", |calendar| calendar.drag(HOUR)),
            ("edited", |calendar| calendar.meddle(false)),
            ("missing", |calendar| calendar.meddle(true)),
        ];
        for (kind, change) in changes {
            everywhere(change);
            for name in &names {
                match kind {
                    "moved" => {
                        it.world.calendars.edit(path, name, |text| text.replace("DTSTART:20", "DTSTART:19")).await?;
                    }
                    "edited" => {
                        let lunch = |line: &str| {
                            if line.starts_with("SUMMARY") { "SUMMARY:Lunch".to_owned() } else { line.to_owned() }
                        };
                        let edited = |text: &str| text.lines().map(lunch).collect::<Vec<_>>().join("\r\n") + "\r\n";
                        it.world.calendars.edit(path, name, edited).await?;
                    }
                    _ => it.world.calendars.delete(path, name).await?,
                }
            }
            read_back(it, &resource).await?;
            let found = differing(it, &resource.id).await?;
            for target in ["calendar", "google", "outlook"] {
                let rows = found.get(target).map_or(&[][..], Vec::as_slice);
                ensure!(rows.len() == 2 && rows.iter().all(|row| row["kind"] == kind), "{target}, {kind}: {rows:?}");
            }
            it.delivered(&resource.id).await?;
            shown_everywhere(it, &resource).await.with_context(|| format!("after they were {kind}"))?;
            // It has lasted.
            read_back(it, &resource).await?;
            ensure!(differing(it, &resource.id).await?.is_empty(), "{kind}: it is well and still listed");
        }

        // Copied by a program; and what was cancelled, taken back out of the bin.
        everywhere(Calendar::copy);
        read_back(it, &resource).await?;
        shown_everywhere(it, &resource).await.context("after they were copied")?;
        said(it, appointment.cancelled()).await?;
        wait_until("the cancellation", SOON, async || {
            not_yet(standing(it, &resource.id).await?.len() == 1, || "it still stands".to_owned())
        })
        .await?;
        it.delivered(&resource.id).await?;
        everywhere(Calendar::restore);
        read_back(it, &resource).await?;
        let found = differing(it, &resource.id).await?;
        ensure!(found.values().flatten().any(|row| row["kind"] == "extra"), "it is back: {found:?}");
        it.delivered(&resource.id).await?;
        read_back(it, &resource).await?;
        it.delivered(&resource.id).await?;
        shown_everywhere(it, &resource).await.context("after it was taken out of the bin")
    })
}

#[test]
fn a_repair_that_does_not_last_three_times_is_left_to_a_person_until_the_booking_changes() -> Result<()> {
    shared(async |it| {
        let resource = mirrored(it, "stubborn");
        it.world.load(std::slice::from_ref(&resource)).await?;
        let start = hour(50);
        let appointment = booked(it, &resource, start).await?;
        shown(it, &resource).await?;
        // The first reading, which nobody has asked for, is over.
        read_back(it, &resource).await?;
        for _ in 0..3 {
            calendar(&resource, "google", |calendar| calendar.meddle(true));
            read_back(it, &resource).await?;
            it.delivered(&resource.id).await?;
            shown(it, &resource).await?;
        }
        calendar(&resource, "google", |calendar| calendar.meddle(true));
        let wanted = "daybook_propagator_drift_stopped{target=\"google\"} ";
        read_back(it, &resource).await?;
        let found = differing(it, &resource.id).await?;
        let rows = found.get("google").map_or(&[][..], Vec::as_slice);
        ensure!(rows.len() == 1 && rows[0]["stopped"] == true && rows[0]["repairs"] == 3, "{rows:?}");
        ensure!(
            calendar(&resource, "google", |calendar| calendar.ours()).is_empty(),
            "it is left as the person wants it"
        );
        let page = daybook(it, &["drift", "google", "--resource", &resource.id]).await?;
        ensure!(page.contains("left to a person: put right 3 times, and it did not last"), "{page}");
        wait_until("the metric to say so", SOON, async || {
            let metrics = it.world.metrics().await;
            let (_, text) = metrics.into_iter().find(|(name, _)| *name == "propagator").context("a service")?;
            let text = text?;
            let stopped = text.lines().find_map(|line| line.strip_prefix(wanted)).map(str::to_owned);
            not_yet(stopped.as_deref().is_some_and(|stopped| stopped != "0"), || format!("{stopped:?}"))
        })
        .await?;

        let start = start + 10 * HOUR;
        let (news, _) = appointment.rescheduled(at(start), at(start + HOUR));
        said(it, news).await?;
        wait_until("the move", SOON, async || {
            let there = standing(it, &resource.id).await?.iter().all(|(_, known, _)| *known == start);
            not_yet(there, || "it is where it was".to_owned())
        })
        .await?;
        it.delivered(&resource.id).await?;
        shown(it, &resource).await?;
        read_back(it, &resource).await?;
        ensure!(differing(it, &resource.id).await?.is_empty(), "it is well and still listed");
        Ok(())
    })
}

/// A booking that is made through the API, at an hour: its id.
async fn asked(it: &Instance, resource: &Resource, start: i64) -> Result<String> {
    let scope = format!("request:{}", resource.id);
    let program = it.world.caller(&it.name("desk"), &[&scope]).await?;
    let body = json!({
        "operation": "book", "resource": resource.id, "start": at(start).to_string(), "end": at(start + HOUR).to_string(),
        "title": "Consultation", "attendees": [{"name": "Jane", "email": "jane@example.com"}],
    });
    let key = format!("drift-{}", next_number());
    let request = program.request(Method::POST, "/v1/requests").header("idempotency-key", key).json(&body);
    let made = daybook_tests::api::reply(request).await?.expect(201)?;
    let id = made.body.pointer("/decision/booking/booking_id").and_then(Value::as_str).context("an id")?;
    it.delivered(&resource.id).await?;
    Ok(id.to_owned())
}

/// What became of the requests about a resource that ask for another time.
async fn reschedules(it: &Instance, resource: &str) -> Result<Vec<String>> {
    let decisions = it.world.store.decisions_about(resource).await?;
    let asked = decisions.into_iter().filter(|decision| decision.operation == "reschedule");
    Ok(asked.map(|decision| decision.reason.unwrap_or(decision.outcome)).collect())
}

#[test]
fn where_a_person_drags_an_entry_its_booking_is_asked_to_be_and_the_entry_is_put_back_if_that_is_refused() -> Result<()>
{
    shared(async |it| {
        let resource = Resource { read: None, ..resource(it.name("dragged")) };
        it.world.load(std::slice::from_ref(&resource)).await?;
        let start = hour(90);
        let (first, _second) = (asked(it, &resource, start).await?, asked(it, &resource, start + 5 * HOUR).await?);
        shown(it, &resource).await?;
        read_back(it, &resource).await?;

        // Where it is free, the booking moves, at the other calendar too.
        calendar(&resource, "google", |calendar| calendar.drag_one(&first, 2 * HOUR));
        read_back(it, &resource).await?;
        wait_until("the booking to follow its entry", SOON, async || {
            let there = standing(it, &resource.id)
                .await?
                .iter()
                .any(|(id, known, _)| *id == first && *known == start + 2 * HOUR);
            not_yet(there, || "it is where it was".to_owned())
        })
        .await?;
        it.delivered(&resource.id).await?;
        shown(it, &resource).await?;
        ensure!(reschedules(it, &resource.id).await? == ["rescheduled"], "{:?}", reschedules(it, &resource.id).await?);

        // Where it is not, the entry is put back.
        calendar(&resource, "outlook", |calendar| calendar.drag_one(&first, 3 * HOUR));
        read_back(it, &resource).await?;
        wait_until("the refusal", SOON, async || {
            let told = reschedules(it, &resource.id).await?;
            not_yet(told.len() == 2, || format!("{told:?}"))
        })
        .await?;
        ensure!(reschedules(it, &resource.id).await? == ["rescheduled", "conflict"], "it is refused for what is there");
        shown(it, &resource).await.context("when it was refused")?;
        let there =
            standing(it, &resource.id).await?.iter().any(|(id, known, _)| *id == first && *known == start + 2 * HOUR);
        ensure!(there, "the booking stands where it was");

        // More at once than a person would move is nobody's wish.
        for number in 0..5 {
            asked(it, &resource, start + (10 + 2 * number) * HOUR).await?;
        }
        shown(it, &resource).await?;
        calendar(&resource, "google", |calendar| calendar.drag(HOUR));
        read_back(it, &resource).await?;
        it.delivered(&resource.id).await?;
        shown(it, &resource).await.context("when all were moved")?;
        ensure!(reschedules(it, &resource.id).await?.len() == 2, "{:?}", reschedules(it, &resource.id).await?);
        Ok(())
    })
}
