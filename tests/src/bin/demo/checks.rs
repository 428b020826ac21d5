//! What must be so. Each check is a sentence; one that does not hold says what was found instead.

use std::collections::BTreeSet;

use daybook_domain::Timestamp;
use uuid::Uuid;

use crate::page::{Page, Tone};
use crate::places::Found;
use crate::story::{Fate, Story, Told};

/// The sentences, each with what differs, if anything does.
#[derive(Debug, Default)]
pub struct Checks(Vec<(String, Option<String>)>);

impl Checks {
    fn check(&mut self, sentence: impl Into<String>, holds: bool, found: impl FnOnce() -> String) {
        self.0.push((sentence.into(), (!holds).then(found)));
    }

    /// The door.
    pub fn of_answers(&mut self, told: &Told) {
        let wrong: Vec<String> = told
            .acts
            .iter()
            .filter(|act| {
                let wanted = if act.fate == Fate::TurnedAway { 401 } else { 200 };
                act.answers != vec![wanted; act.times]
            })
            .map(|act| format!("#{} was answered {:?}", act.number, act.answers))
            .collect();
        let sentence = "everything signed was answered 200, every time, and what was not signed 401";
        self.check(sentence, wrong.is_empty(), || wrong.join(", "));
    }

    /// The rulings.
    pub fn of_decisions(&mut self, told: &Told, found: &Found) {
        let mut wrong = Vec::new();
        for act in &told.acts {
            let Fate::Decided(outcome, reason) = act.fate else { continue };
            let is = act.decision.as_ref().map(|row| (row.outcome.as_str(), row.reason.as_deref()));
            if is != Some((outcome, reason)) {
                wrong.push(format!("#{} is {is:?} and must be {:?}", act.number, (outcome, reason)));
            }
        }
        for (number, times) in found.times_decided.iter().filter(|(_, times)| **times != 1) {
            wrong.push(format!("#{number} is decided {times} times"));
        }
        let sentence = "each event was decided once, as it must be, however often it was sent";
        self.check(sentence, wrong.is_empty(), || wrong.join(", "));

        let rows = || told.acts.iter().filter_map(|act| act.decision.as_ref());
        let other: Vec<Uuid> = rows()
            .filter(|row| found.decisions.get(&row.request_id).is_none_or(|(bytes, _)| *bytes != row.record))
            .map(|row| row.request_id)
            .collect();
        let sentence = "booking.decisions holds the very bytes that PostgreSQL holds";
        self.check(sentence, other.is_empty(), || format!("not those of {other:?}"));

        let winner = told.acts.get(1).and_then(|act| {
            let row = act.decision.as_ref()?;
            found.decisions.get(&row.request_id)?.1.decision.outcome.winner()
        });
        let first = told.acts.first().and_then(|act| {
            let row = act.decision.as_ref()?;
            let booking = found.decisions.get(&row.request_id)?.1.decision.booking.as_ref()?;
            Some((booking.booking_id, booking.standing.interval()?))
        });
        let named = winner.map(|winner| (winner.booking_id, winner.interval));
        let sentence = "the refusal names who has the time, and from when to when";
        self.check(sentence, named.is_some() && named == first, || format!("it names {named:?}, not {first:?}"));
    }

    /// Where it all ended.
    pub fn of_places(&mut self, story: &Story, told: &Told, found: &Found) {
        for (at, held) in found.calendars.iter().enumerate() {
            let booking = |act: usize| told.acts[act].decision.as_ref()?.booking_id;
            let wanted: BTreeSet<(Timestamp, Timestamp, String, Option<Uuid>)> = story
                .wanted
                .iter()
                .filter(|wanted| wanted.resource == at)
                .map(|wanted| (wanted.start, wanted.end, wanted.summary.clone(), booking(wanted.act)))
                .collect();
            let is = held
                .values()
                .map(|entry| (entry.start, entry.end, entry.summary.clone(), entry.uid.parse().ok()))
                .collect();
            let sentence = format!("{}'s calendar holds exactly what it must", story.names[at]);
            self.check(sentence, wanted == is, || format!("it holds {is:?} and must hold {wanted:?}"));
        }
        let again: Vec<&str> = found
            .deliveries
            .iter()
            .filter(|delivery| delivery.duplicate || delivery.regression)
            .map(|delivery| delivery.id.as_str())
            .collect();
        let sentence = "the receiver got every version once, and none after a newer one";
        self.check(sentence, again.is_empty(), || format!("not so: {again:?}"));
        let mut wrong = Vec::new();
        for (id, (version, status)) in &found.standing {
            let last = found.deliveries.iter().rfind(|delivery| delivery.booking_id == id.to_string());
            let told = last.map(|delivery| (i64::try_from(delivery.version).unwrap_or(-1), delivery.status.as_str()));
            // One that was over before the receiver was told need not be told.
            if told != Some((*version, status.as_str())) && !(told.is_none() && status == "cancelled") {
                wrong.push(format!("{id} is {status} at version {version}, and it was told {told:?}"));
            }
        }
        let sentence = "the receiver knows the newest state of each booking";
        self.check(sentence, wrong.is_empty() && !found.standing.is_empty(), || wrong.join(", "));

        for act in &told.acts {
            let Fate::DeadLetter(reason) = act.fate else { continue };
            let letters: Vec<&str> = found
                .letters
                .iter()
                .filter(|(number, _)| *number == act.number)
                .map(|(_, letter)| letter.reason.as_str())
                .collect();
            let sentence = format!("#{} is one dead letter: {}", act.number, reason.replace('_', " "));
            self.check(sentence, letters == [reason], || format!("there are {letters:?}"));
        }
        let sentence = "of what was not signed, nothing was kept";
        self.check(sentence, found.forged_records == 0, || format!("{} records were", found.forged_records));
    }

    /// Shows them all; whether all hold.
    pub fn show(&self, page: &mut Page) -> bool {
        page.heading("Checked");
        for (sentence, found) in &self.0 {
            match found {
                None => page.toned(Tone::Good, &format!("  ok   {sentence}")),
                Some(found) => page.toned(Tone::Odd, &format!("  NOT  {sentence}: {found}")),
            }
        }
        let failed = self.0.iter().filter(|(_, found)| found.is_some()).count();
        match failed {
            0 => page.toned(Tone::Good, &format!("All {} checks hold.", self.0.len())),
            _ => page.toned(Tone::Odd, &format!("{failed} of {} checks do not hold.", self.0.len())),
        }
        failed == 0
    }
}
