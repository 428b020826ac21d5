//! What is offered is granted, unless a rival was faster: many programs look, choose and ask at once, and the log says of
//! every refusal whether anybody could have known it when they looked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use daybook_domain::{Interval, Timestamp};
use daybook_runtime::clock;
use daybook_tests::api::{Program, Reply, reply};
use daybook_tests::generic::Appointment;
use daybook_tests::people::{Person, mark, marked};
use daybook_tests::seed::{generator, seed};
use daybook_tests::sender::Webhook;
use daybook_wire::decode_decision;
use futures::future::try_join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};
use reqwest::Method;
use serde_json::{Value, json};

use crate::instance::{Instance, note, shared, soak};

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Programs at once, and how often each of them looks and asks.
const PROGRAMS: u64 = 12;

/// Rooms of each kind, so that none is full at once.
const OF_EACH: usize = 3;

/// A resource: its rules, and what of them the judge needs.
struct Room {
    rules: &'static str,
    capacity: usize,
    /// Between two bookings.
    between: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);

/// One for each rule that can forbid what a look a moment before has offered.
const ROOMS: [Room; 4] = [
    Room { rules: "    capacity: 2\n    buffer_before: 5m\n", capacity: 2, between: MINUTE.saturating_mul(5) },
    Room { rules: "    notice: 1h\n    buffer_after: 10m\n", capacity: 1, between: MINUTE.saturating_mul(10) },
    Room { rules: "    window: 4h\n", capacity: 1, between: Duration::ZERO },
    Room {
        rules: "    hours: [\"mon-sun 00:00-24:00\"]\n    notice: 30m\n    window: 6h\n",
        capacity: 1,
        between: Duration::ZERO,
    },
];

#[derive(Debug, Default)]
struct Tally {
    granted: u64,
    rivals: u64,
    stale: u64,
    nothing_free: u64,
}

/// What a program saw, what it asked for, and what it was told.
struct Refused {
    /// Which of the rooms.
    room: usize,
    /// The version that it looked at, and when.
    seen: u64,
    as_of: Timestamp,
    wanted: Interval,
    reply: Reply,
}

#[test]
fn what_is_offered_is_refused_only_where_a_real_rival_was_faster() -> Result<()> {
    shared(async |it| {
        let word = it.name("offers");
        let rooms: Vec<String> = (0..ROOMS.len() * OF_EACH).map(|at| format!("{word}-{at}")).collect();
        for (room, Room { rules, .. }) in rooms.iter().zip(ROOMS.iter().cycle()) {
            let file = format!(
                "resources:\n  - id: {room}\n    time_zone: Europe/Berlin\n    aliases: {{ generic: [\"{room} {}\"] }}\n{rules}",
                mark()
            );
            let ran = it.world.daybook(&["resources", "apply", "-f", "-"], &file).await?;
            ensure!(ran.success, "{}", ran.everything());
        }
        let program = it.world.caller("offers", &[&format!("request:{word}*"), &format!("read:{word}*")]).await?;
        let seed = seed("the programs");
        let rounds = if soak() { 400 } else { 25 };
        let asked = try_join_all((0..PROGRAMS).map(|nth| {
            let (program, rooms) = (&program, &rooms);
            async move {
                let mut dice = generator(seed, nth);
                let (mut tally, mut refused) = (Tally::default(), Vec::new());
                for round in 0..rounds {
                    let room = dice.random_range(0..rooms.len());
                    let name = format!("{}-{nth}-{round}", rooms[room]);
                    if dice.random_ratio(1, 10) {
                        rival(it, &rooms[room], &mut dice).await?;
                    }
                    let told = look_and_ask(program, &rooms[room], &name, &mut dice, &mut tally).await?;
                    refused.extend(told.map(|told| Refused { room, ..told }));
                }
                anyhow::Ok((tally, refused))
            }
        }))
        .await?;

        let timelines = timelines(it, &rooms).await?;
        let mut all = Tally::default();
        let mut known = Vec::new();
        for (tally, refused) in asked {
            all.granted += tally.granted;
            all.stale += tally.stale;
            all.nothing_free += tally.nothing_free;
            for refused in refused {
                let room = &rooms[refused.room];
                match could_be_known(&ROOMS[refused.room % ROOMS.len()], &timelines[room], &refused) {
                    None => all.rivals += 1,
                    Some(why) => {
                        known.push(format!("{room} at version {}: {why}: {}", refused.seen, refused.reply.body));
                    }
                }
            }
        }
        note(&format!("of what was offered, {all:?}; refused for a reason that was known: {}", known.len()));
        ensure!(known.is_empty(), "{} refusals could have been known:\n{}", known.len(), known.join("\n"));
        ensure!(all.granted > PROGRAMS && all.rivals + all.stale > 0, "nobody met anybody: {all:?}");
        Ok(())
    })
}

/// Looks for a slot, the first, the last or any, and asks for it. What was refused.
async fn look_and_ask(
    program: &Program,
    room: &str,
    name: &str,
    dice: &mut StdRng,
    tally: &mut Tally,
) -> Result<Option<Refused>> {
    let now = clock::now();
    let (from, to) = (now.plus(HOUR / 2), now.plus(5 * HOUR));
    let (length, step) = [("10m", "5m"), ("25m", "5m"), ("40m", "10m")][dice.random_range(0..3)];
    let path = format!("/v1/resources/{room}/availability?from={from}&to={to}&duration={length}&granularity={step}");
    let look = program.get(&path).await?;
    let etag = look.headers.get("etag").and_then(|etag| etag.to_str().ok()).unwrap_or_default().to_owned();
    let answer = look.with(200)?;
    let seen = answer["version"].as_u64().context("a version")?;
    let slots = answer["slots"].as_array().context("slots")?;
    if slots.is_empty() {
        tally.nothing_free += 1;
        return Ok(None);
    }
    let at = match dice.random_range(0..3) {
        0 => 0,
        1 => slots.len() - 1,
        _ => dice.random_range(0..slots.len()),
    };
    let mut body = json!({"operation": "book", "resource": room, "start": slots[at]["start"], "end": slots[at]["end"],
        "title": marked("Visit"), "attendees": []});
    if dice.random_ratio(1, 3) {
        // Over before the next looks are: a hold that has lapsed is free.
        body["operation"] = "hold".into();
        body["ttl"] = "1s".into();
    }
    let mut request = program.request(Method::POST, "/v1/requests").header("idempotency-key", name);
    request = request.header("prefer", "wait=20");
    let is_conditional = dice.random_ratio(1, 4);
    if is_conditional {
        request = request.header("if-match", &etag);
    }
    let reply = reply(request.json(&body)).await?;
    match reply.status.as_u16() {
        201 => tally.granted += 1,
        // Whoever asks only as long as nothing has changed meets no rival.
        412 if is_conditional => tally.stale += 1,
        409 if !is_conditional => {
            let time = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok()).context("a time");
            let wanted = Interval::new(time(&slots[at]["start"])?, time(&slots[at]["end"])?)?;
            return Ok(Some(Refused { room: 0, seen, as_of: time(&answer["as_of"])?, wanted, reply }));
        }
        status => bail!(
            "offered, asked for {}, and answered {status}: {}",
            if is_conditional { "with its version" } else { "" },
            reply.body
        ),
    }
    Ok(None)
}

/// A vendor books over it, or shows that the time is taken.
async fn rival(it: &Instance, room: &str, dice: &mut StdRng) -> Result<()> {
    let start = clock::now().plus(HOUR / 2 + Duration::from_secs(60 * u64::from(dice.next_u32() % 240)));
    let visit = Appointment::new(&format!("{room} {}", mark()), Person::invent(), start, start.plus(HOUR / 4));
    let webhook = Webhook::generic(it.name("rival"), &[visit.created()]);
    ensure!(it.world.sender.send(&webhook).await?.status == 200, "not accepted");
    Ok(())
}

/// What a booking had, from a version of its resource on: its time, its unit, and when that ends by itself.
type Stand = (u64, Option<(Interval, u16, Option<Timestamp>)>);
/// Each booking's.
type Timeline = BTreeMap<String, Vec<Stand>>;

async fn timelines(it: &Instance, rooms: &[String]) -> Result<BTreeMap<String, Timeline>> {
    let mut all: BTreeMap<String, Timeline> = rooms.iter().map(|room| (room.clone(), Timeline::new())).collect();
    for row in it.world.store.decisions().await? {
        let Some(timeline) = all.get_mut(&row.resource_id) else { continue };
        let decision = it.world.kafka.decode(&row.record, decode_decision).await?.decision;
        if let Some(booking) = decision.booking {
            let stands = booking.standing.live().map(|live| (live, booking.unit, booking.standing.deadline()));
            let stand = (decision.resource_version, stands);
            timeline.entry(booking.booking_id.to_string()).or_default().push(stand);
        }
    }
    Ok(all)
}

/// Why the refusal could have been known when the program looked; nothing if there was room then, and a rival has taken it.
fn could_be_known(room: &Room, timeline: &Timeline, refused: &Refused) -> Option<String> {
    let kind = refused.reply.body["type"].as_str().unwrap_or_default();
    if !kind.ends_with("/conflict") {
        return Some(format!("refused for {kind}"));
    }
    let reach = refused.wanted.widened(room.between, room.between);
    let mut units = BTreeSet::new();
    for stands in timeline.values() {
        let then = stands.iter().rev().find(|(version, _)| *version <= refused.seen).and_then(|(_, stand)| *stand);
        // A hold that had lapsed was gone for whoever asked, whether or not that was decided yet.
        let then = then.filter(|(_, _, until)| until.is_none_or(|until| until > refused.as_of));
        units.extend(then.filter(|(live, ..)| live.overlaps(&reach)).map(|(_, unit, _)| unit));
    }
    (units.len() >= room.capacity).then(|| format!("{} of {} were taken by then", units.len(), room.capacity))
}

#[test]
fn the_judge_of_this_file_tells_a_rival_from_a_contradiction() -> Result<()> {
    let time = |text: &str| text.parse::<Timestamp>();
    let hour = |at: &str, to: &str| {
        anyhow::Ok(Interval::new(time(&format!("2027-03-04T{at}:00Z"))?, time(&format!("2027-03-04T{to}:00Z"))?)?)
    };
    let stand = |until| Some((hour("09:00", "10:00").ok()?, 0, until));
    let lapsed = time("2027-03-04T08:00:30Z")?;
    let timeline = Timeline::from([
        ("b".to_owned(), vec![(4, stand(None)), (6, None)]),
        ("h".to_owned(), vec![(8, stand(Some(lapsed)))]),
    ]);
    let known = |room: &Room, seen, kind: &str, wanted: Interval, as_of: &str| {
        let reply = Reply {
            status: reqwest::StatusCode::CONFLICT,
            headers: reqwest::header::HeaderMap::new(),
            body: json!({"type": format!("/v1/problems/{kind}")}),
        };
        let as_of = time(&format!("2027-03-04T{as_of}Z"))?;
        anyhow::Ok(could_be_known(room, &timeline, &Refused { room: 0, seen, as_of, wanted, reply }).is_some())
    };
    let (two, one) = (&ROOMS[0], &ROOMS[1]);
    let over = hour("09:30", "09:45")?;
    ensure!(!known(one, 3, "conflict", over, "08:00:00")?, "it came after the look");
    ensure!(known(one, 5, "conflict", over, "08:00:00")?, "it was there");
    ensure!(known(one, 5, "conflict", hour("10:05", "10:10")?, "08:00:00")?, "within the buffer");
    ensure!(!known(one, 5, "conflict", hour("10:10", "10:20")?, "08:00:00")?, "behind the buffer");
    ensure!(!known(two, 5, "conflict", over, "08:00:00")?, "the other unit was free");
    ensure!(!known(one, 6, "conflict", over, "08:00:00")?, "it was gone");
    ensure!(known(one, 8, "conflict", over, "08:00:29")?, "it was held");
    ensure!(!known(one, 8, "conflict", over, "08:00:30")?, "the hold had lapsed");
    ensure!(known(one, 3, "policy", over, "08:00:00")?, "rules do not come between");
    Ok(())
}
