//! What happens: who books what, in which order, and what must come of it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveTime, TimeZone as _, Utc, Weekday};
use chrono_tz::Tz;
use daybook_domain::Timestamp;
use daybook_runtime::clock;
use daybook_tests::calendly::{Host, Invitee};
use daybook_tests::generic::Appointment;
use daybook_tests::people::Person;
use daybook_tests::resources::Resource;
use daybook_tests::seed::unique_word;
use daybook_tests::sender::{Webhook, read};
use daybook_tests::store::DecisionRow;
use daybook_tests::wait::wait_until;
use daybook_tests::world::World;

use crate::page::{Cell, Page, Tone};

/// How long any one step may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// What must come of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// One decision with this outcome, and this reason where there is one.
    Decided(&'static str, Option<&'static str>),
    /// Turned away at the door.
    TurnedAway,
    /// Acknowledged, and a dead letter with this reason.
    DeadLetter(&'static str),
}

/// One event.
#[derive(Debug)]
pub struct Act {
    /// Its number, which all tables share.
    pub number: usize,
    /// Who sends it.
    pub from: &'static str,
    /// What happened there, in words.
    pub what: String,
    /// What is sent.
    pub webhook: Webhook,
    /// How often it is sent.
    pub times: usize,
    /// Whether it is signed with the right secret.
    pub signed: bool,
    /// What must come of it.
    pub fate: Fate,
}

/// One calendar entry that must be there in the end.
#[derive(Debug)]
pub struct Wanted {
    /// Whose.
    pub resource: usize,
    /// The act that made the booking.
    pub act: usize,
    /// What it is called there.
    pub summary: String,
    /// From.
    pub start: Timestamp,
    /// Up to.
    pub end: Timestamp,
}

/// The whole of it.
#[derive(Debug)]
pub struct Story {
    /// The word of this run, in every name.
    pub word: String,
    /// Anna, Ben and the room.
    pub resources: Vec<Resource>,
    /// What people call them.
    pub names: [&'static str; 3],
    /// What is sent, in order.
    pub acts: Vec<Act>,
    /// What must be in the calendars.
    pub wanted: Vec<Wanted>,
    /// What Calendly called the booking that was never signed.
    pub unsigned_uri: String,
    /// The day of all this.
    pub day: NaiveDate,
}

const CALENDLY: &str = "Calendly";
const DESK: &str = "support desk";
const ANNA: usize = 0;
const BEN: usize = 1;
const ROOM: usize = 2;

impl Story {
    /// A new run.
    pub fn invent() -> Result<Self> {
        let word = unique_word();
        let names = ["Anna", "Ben", "Room 7"];
        let resource = |id: &str, name: &str, zone: &str, open: bool| Resource {
            time_zone: zone.to_owned(),
            host: Host::named(name, &format!("{id}-{word}")),
            alias: format!("{name} {word}"),
            calendar: Some(format!("/daybook/{id}-{word}/")),
            open,
            ..Resource::new(format!("{id}-{word}"))
        };
        let resources = vec![
            resource("anna", "Anna", "Europe/Berlin", true),
            resource("ben", "Ben", "America/New_York", true),
            // Whoever looks at the room's calendar sees that it is taken, and by nobody.
            resource("room-7", "Room 7", "Europe/London", false),
        ];
        let day = a_tuesday(DateTime::<Utc>::from(clock::now()).date_naive()).context("a day in two weeks")?;
        let mut story =
            Self { word, resources, names, acts: Vec::new(), wanted: Vec::new(), unsigned_uri: String::new(), day };
        story.write()?;
        Ok(story)
    }

    fn write(&mut self) -> Result<()> {
        let [mira, tobias, grete] = ["Mira Halvorsen", "Tobias Quint", "Grete Lindqvist"].map(Person::named);
        let [samuel, ines, olga] = ["Samuel Okafor", "Ines Carvalho", "Olga Brandt"].map(Person::named);
        let now = clock::now();
        let earlier = Timestamp::from_millis(now.millis() - 60_000)?;

        let (start, end) = (self.at(ANNA, 10, 0)?, self.at(ANNA, 10, 30)?);
        let first = Invitee::new(&self.resources[ANNA].host, mira.clone(), start, end, earlier).titled("First visit");
        let booked = self.act(
            CALENDLY,
            self.says(&mira, "books", ANNA, start, end),
            Webhook::calendly(&first.created()),
            Fate::Decided("confirmed", None),
        );
        self.wanted.push(Wanted { resource: ANNA, act: booked, summary: "First visit".to_owned(), start, end });

        let (start, end) = (self.at(ANNA, 10, 15)?, self.at(ANNA, 10, 45)?);
        let rival =
            Appointment::new(&self.resources[ANNA].alias, tobias.clone(), start, end).titled("Question about a bill");
        let what = self.says(&tobias, "wants", ANNA, start, end);
        self.act(DESK, what, self.generic("rival", &rival.created()), Fate::Decided("rejected", Some("conflict")));

        let (start, end) = (self.at(BEN, 14, 0)?, self.at(BEN, 14, 30)?);
        let old = Invitee::new(&self.resources[BEN].host, grete.clone(), start, end, earlier).titled("Second opinion");
        let what = self.says(&grete, "books", BEN, start, end);
        self.act(CALENDLY, what, Webhook::calendly(&old.created()), Fate::Decided("confirmed", None));

        let (start, end) = (self.at(BEN, 15, 30)?, self.at(BEN, 16, 0)?);
        let (half, new) = old.moved(start, end, now);
        let what = format!("{} gives up that time, for another", grete.name);
        self.act(CALENDLY, what, Webhook::calendly(&half), Fate::Decided("awaiting_replacement", None));
        let what = self.says(&grete, "moves to", BEN, start, end);
        let moved = self.act(CALENDLY, what, Webhook::calendly(&new.created()), Fate::Decided("rescheduled", None));
        self.wanted.push(Wanted { resource: BEN, act: moved, summary: "Second opinion".to_owned(), start, end });

        let (start, end) = (self.at(ROOM, 9, 0)?, self.at(ROOM, 11, 0)?);
        let visit = Appointment::new(&self.resources[ROOM].alias, samuel.clone(), start, end).titled("Workshop");
        let what = self.says(&samuel, "books", ROOM, start, end);
        self.act(DESK, what, self.generic("workshop", &visit.created()), Fate::Decided("confirmed", None));
        let what = format!("{} cancels the workshop", samuel.name);
        self.act(DESK, what, self.generic("workshop-off", &visit.cancelled()), Fate::Decided("cancelled", None));

        let (start, end) = (self.at(ROOM, 13, 0)?, self.at(ROOM, 13, 45)?);
        let talk = Appointment::new(&self.resources[ROOM].alias, ines.clone(), start, end).titled("Interview");
        let what = format!("{}, told 3 times", self.says(&ines, "books", ROOM, start, end));
        let thrice = self.act(DESK, what, self.generic("interview", &talk.created()), Fate::Decided("confirmed", None));
        self.acts[thrice].times = 3;
        self.wanted.push(Wanted { resource: ROOM, act: thrice, summary: "Busy".to_owned(), start, end });

        let (start, end) = (self.at(ANNA, 16, 0)?, self.at(ANNA, 16, 30)?);
        let forged = Invitee::new(&self.resources[ANNA].host, olga.clone(), start, end, earlier).titled("Forged");
        self.unsigned_uri = forged.uri();
        let what = format!("somebody books {} and cannot sign for it", self.names[ANNA]);
        let unsigned = self.act(CALENDLY, what, Webhook::calendly(&forged.created()), Fate::TurnedAway);
        self.acts[unsigned].signed = false;

        let (start, end) = (self.at(ANNA, 11, 0)?, self.at(ANNA, 11, 30)?);
        let broken = Invitee::new(&self.resources[ANNA].host, olga, start, end, earlier).titled("No beginning");
        let mut payload = broken.created();
        if let Some(event) = payload.pointer_mut("/payload/scheduled_event").and_then(|event| event.as_object_mut()) {
            event.remove("start_time");
        }
        let what = format!("a booking of {} that does not say when it begins", self.names[ANNA]);
        self.act(CALENDLY, what, Webhook::calendly(&payload), Fate::DeadLetter("missing_field"));
        Ok(())
    }

    fn act(&mut self, from: &'static str, what: String, webhook: Webhook, fate: Fate) -> usize {
        let number = self.acts.len() + 1;
        self.acts.push(Act { number, from, what, webhook, times: 1, signed: true, fate });
        number - 1
    }

    fn generic(&self, name: &str, event: &serde_json::Value) -> Webhook {
        Webhook::generic(format!("desk-{}-{name}", self.word), std::slice::from_ref(event))
    }

    fn says(&self, person: &Person, does: &str, resource: usize, start: Timestamp, end: Timestamp) -> String {
        let (name, span) = (self.names[resource], self.span(resource, start, end));
        if does == "moves to" {
            format!("{} {does} {span}", person.name)
        } else {
            format!("{} {does} {name} {span}", person.name)
        }
    }

    fn zone(&self, resource: usize) -> Tz {
        self.resources[resource].time_zone.parse().expect("its zone is written above")
    }

    /// That day, at this time where the resource is.
    fn at(&self, resource: usize, hour: u32, minute: u32) -> Result<Timestamp> {
        let time = NaiveTime::from_hms_opt(hour, minute, 0).context("a time of day")?;
        let local = self.zone(resource).from_local_datetime(&self.day.and_time(time)).single();
        Ok(Timestamp::try_from(local.context("a time that occurs once")?.with_timezone(&Utc))?)
    }

    /// A span as people at the resource's place read it.
    pub fn span(&self, resource: usize, start: Timestamp, end: Timestamp) -> String {
        let local = |time: Timestamp| DateTime::<Utc>::from(time).with_timezone(&self.zone(resource));
        format!("{}–{}", local(start).format("%a %H:%M"), local(end).format("%H:%M"))
    }

    /// What people call a resource.
    pub fn name_of<'a>(&self, id: &'a str) -> &'a str {
        let at = self.resources.iter().position(|resource| resource.id == id);
        at.map_or(id, |at| self.names[at])
    }

    /// Loads the resources and sends the events, one after the other, each when the one before is decided: so the tables
    /// tell the same story every time.
    pub async fn tell(&self, world: &World) -> Result<Told> {
        world.load(&self.resources).await?;
        let mut told = Told { acts: Vec::new() };
        for act in &self.acts {
            told.acts.push(told_of(world, act).await.with_context(|| format!("event {}: {}", act.number, act.what))?);
        }
        Ok(told)
    }
}

async fn told_of(world: &World, act: &Act) -> Result<ActTold> {
    let mut answers = Vec::new();
    for _ in 0..act.times {
        let answer = if act.signed {
            world.sender.send(&act.webhook).await?
        } else {
            let request = world.sender.unsigned(&act.webhook);
            let seconds = clock::now().millis() / 1_000;
            let forged = format!("t={seconds},v1={}", "0".repeat(64));
            read(request.header("calendly-webhook-signature", forged)).await?
        };
        answers.push(answer.status);
    }
    let decision = match act.fate {
        Fate::Decided(..) => Some(decision_of(world, &act.webhook).await?),
        Fate::TurnedAway | Fate::DeadLetter(_) => None,
    };
    Ok(ActTold {
        number: act.number,
        from: act.from,
        what: act.what.clone(),
        event_id: act.webhook.event_id().to_owned(),
        fate: act.fate,
        times: act.times,
        answers,
        decision,
    })
}

async fn decision_of(world: &World, webhook: &Webhook) -> Result<DecisionRow> {
    let requests: Vec<_> = webhook.request_ids().collect();
    wait_until("the decision", PATIENCE, async || match &world.store.decisions_of(&requests).await?[..] {
        [row] => Ok(row.clone()),
        [] => bail!("nothing is decided yet"),
        rows => bail!("decided {} times", rows.len()),
    })
    .await
}

/// The first Tuesday that is at least a week away.
fn a_tuesday(today: NaiveDate) -> Option<NaiveDate> {
    let mut day = today.checked_add_days(Days::new(7))?;
    while day.weekday() != Weekday::Tue {
        day = day.checked_add_days(Days::new(1))?;
    }
    Some(day)
}

/// An event, told.
#[derive(Debug)]
pub struct ActTold {
    /// Its number.
    pub number: usize,
    /// Who sent it.
    pub from: &'static str,
    /// What happened there.
    pub what: String,
    /// What ingest calls it.
    pub event_id: String,
    /// What must have come of it.
    pub fate: Fate,
    /// How often it was sent.
    pub times: usize,
    /// What ingest answered, each time.
    pub answers: Vec<u16>,
    /// The decision's row.
    pub decision: Option<DecisionRow>,
}

/// All events, told.
#[derive(Debug)]
pub struct Told {
    /// In order.
    pub acts: Vec<ActTold>,
}

impl Told {
    /// The acts that made this booking what it is, in order: the first made it, the second its version 2.
    pub fn acts_of(&self, booking: &str) -> Vec<&ActTold> {
        let Ok(booking) = booking.parse::<uuid::Uuid>() else { return Vec::new() };
        let about = |act: &&ActTold| {
            let row = act.decision.as_ref();
            row.is_some_and(|row| row.booking_id == Some(booking) && row.outcome != "rejected")
        };
        self.acts.iter().filter(about).collect()
    }

    /// What was sent, and answered.
    pub fn show(&self, page: &mut Page) {
        page.heading("What was sent, and what ingest answered");
        let rows: Vec<Vec<Cell>> = self.acts.iter().map(sent).collect();
        page.table(&["#", "from", "event", "answer"], &rows);
    }
}

fn sent(act: &ActTold) -> Vec<Cell> {
    let answers: Vec<String> = act.answers.iter().map(u16::to_string).collect();
    let (tone, words) = match act.answers.first() {
        Some(200..=299) => (Tone::Good, "accepted"),
        Some(401) => (Tone::Firm, "not signed by anyone known"),
        _ => (Tone::Odd, "?"),
    };
    let answer = Cell::new(tone, format!("{} {words}", answers.join(" ")));
    vec![act.number.to_string().into(), act.from.into(), act.what.clone().into(), answer]
}
