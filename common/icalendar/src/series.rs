//! All that a calendar says under one UID: a single event, or a series with what became of its instances.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use calcard::icalendar::ICalendarDuration;
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use daybook_domain::Timestamp;

use crate::component::{Component, Ending, Moment};
use crate::rule::{RuleFault, Until};
use crate::zone::Zone;
use crate::{Calendar, Event, EventId, Fault, FaultKind, Times, Wanted};

/// More often than that nobody's series repeats in the time of interest: every hour of a year is less.
const INSTANCES_MAX: usize = 10_000;
/// Zones differ by less, and so does what the wall shows.
const SLACK: TimeDelta = TimeDelta::days(2);

/// How long the instances of a series are.
#[derive(Debug, Clone)]
enum Length {
    /// So many days on the calendar.
    Days(i64),
    /// So long on every clock.
    Exact(TimeDelta),
    /// So many days on the calendar, and so long on every clock.
    Nominal(ICalendarDuration),
}

/// What became of one instance, or of it and all that follow.
struct Override<'a> {
    component: Component<'a>,
    /// By the time that the series had for it.
    id: EventId,
    /// In UTC; midnight of a day.
    recurrence: NaiveDateTime,
}

/// Expands what has one UID.
pub(crate) fn expand(components: Vec<Component<'_>>, wanted: &Wanted, calendar: &mut Calendar) {
    let (mut firsts, overrides): (Vec<_>, Vec<_>) =
        components.into_iter().partition(|component| component.recurrence.is_none());
    firsts.sort_by_key(Component::rank);
    let first = firsts.pop();
    if let (Some(first), Some(other)) = (&first, firsts.last())
        && first.rank() == other.rank()
        && !first.same(other)
    {
        let id = EventId { uid: first.uid.clone(), recurrence: None };
        let problem = "is that of two events that differ, and neither is newer; give each its own";
        calendar.faults.push(first.fault(id, FaultKind::Value, "UID", problem));
        return;
    }
    let overrides = newest(overrides, first.as_ref(), calendar);
    match &first {
        Some(first) if first.repeats() => {
            match Series::new(first).and_then(|series| series.instances(&overrides, wanted)) {
                Ok(events) => calendar.events.extend(events),
                Err(fault) => {
                    calendar.faults.push(*fault);
                    return;
                }
            }
        }
        Some(first) => single(first, EventId { uid: first.uid.clone(), recurrence: None }, calendar),
        None => {}
    }
    for one in overrides.into_values() {
        single(&one.component, one.id, calendar);
    }
}

/// The newest of the overrides of each instance.
fn newest<'a>(
    mut overrides: Vec<Component<'a>>,
    first: Option<&Component<'a>>,
    calendar: &mut Calendar,
) -> BTreeMap<(NaiveDateTime, bool), Override<'a>> {
    overrides.sort_by_key(Component::rank);
    let mut newest = BTreeMap::new();
    for component in overrides {
        let start = first.and_then(|first| first.start.as_ref()).or(component.start.as_ref());
        let zone = start.and_then(|start| start.zone.clone()).unwrap_or(Zone::Named(chrono_tz::Tz::UTC));
        // An instance without its series is called as it is called there.
        let days = match first {
            Some(first) => first.start.as_ref().is_some_and(|start| start.day),
            None => component.recurrence.as_ref().is_some_and(|moment| moment.day),
        };
        let recurrence = component.recurrence.as_ref().and_then(|moment| {
            let local = moment.local_in(&zone)?;
            match (days || moment.day, start) {
                // By the day alone, of a series that is not of days: it has one instance that day.
                (true, Some(start)) if !days => zone.utc(local.date().and_time(start.local.time())),
                (true, _) => Some(local.date().and_time(chrono::NaiveTime::MIN)),
                (false, _) => moment.utc(&zone),
            }
        });
        let uid = component.uid.clone();
        match recurrence {
            Some(recurrence) => {
                let id = EventId { uid, recurrence: Some(name(recurrence, days)) };
                newest.insert((recurrence, component.future), Override { component, id, recurrence });
            }
            None => {
                let id = EventId { uid, recurrence: None };
                let problem = "is outside of every calendar";
                calendar.faults.push(component.fault(id, FaultKind::Time, "RECURRENCE-ID", problem));
            }
        }
    }
    newest
}

fn name(recurrence: NaiveDateTime, days: bool) -> String {
    recurrence.format(if days { "%Y%m%d" } else { "%Y%m%dT%H%M%SZ" }).to_string()
}

/// An event that is no series, or an instance with a life of its own.
fn single(component: &Component<'_>, id: EventId, calendar: &mut Calendar) {
    let times = match times(component) {
        Ok(times) => times,
        // Of what is cancelled its name is enough.
        Err(_) if component.cancelled => None,
        Err((kind, property, problem)) => {
            calendar.faults.push(component.fault(id, kind, property, problem));
            return;
        }
    };
    // Before 1970, and nobody's business.
    if times.is_none() && !component.cancelled {
        return;
    }
    calendar.events.push(event(component, id, times));
}

fn event(component: &Component<'_>, id: EventId, times: Option<Times>) -> Event {
    let long = times.is_some_and(|times| times.start < times.end);
    Event {
        id,
        times,
        takes_time: long && !component.cancelled && !component.free,
        changed: component.changed,
        attendees: component.attendees.clone(),
        mark: component.mark.clone(),
    }
}

type Wrong = (FaultKind, &'static str, &'static str);

const NO_START: Wrong = (FaultKind::Missing, "DTSTART", "is missing");

fn times(component: &Component<'_>) -> Result<Option<Times>, Wrong> {
    let start = component.start.as_ref().ok_or(NO_START)?;
    let zone = start.zone.as_ref().ok_or(NO_START)?;
    Ok(placed(start.local, zone, &length(start, zone, component.ending.as_ref())?))
}

/// From an end that was written to a length.
fn length(start: &Moment, zone: &Zone, ending: Option<&Ending>) -> Result<Length, Wrong> {
    let length = match (ending, start.day) {
        (None, true) => Length::Days(1),
        (None, false) => Length::Exact(TimeDelta::zero()),
        (Some(Ending::After(duration)), _) => Length::Nominal(duration.clone()),
        (Some(Ending::At(end)), day) if end.day != day => {
            return Err((FaultKind::Value, "DTEND", "is a day where DTSTART is a time, or the other way round"));
        }
        // Some write the one day that it is for both.
        (Some(Ending::At(end)), true) => {
            let days = end.local.signed_duration_since(start.local).num_days();
            Length::Days(if days == 0 { 1 } else { days })
        }
        (Some(Ending::At(end)), false) => {
            let outside = (FaultKind::Time, "DTEND", "is outside of every calendar");
            let (start, end) = start.utc(zone).zip(end.utc(zone)).ok_or(outside)?;
            Length::Exact(end.signed_duration_since(start))
        }
    };
    let negative = match &length {
        Length::Days(days) => *days < 0,
        Length::Exact(span) => *span < TimeDelta::zero(),
        Length::Nominal(_) => false,
    };
    if negative {
        return Err((FaultKind::Interval, "DTEND", "is before DTSTART"));
    }
    Ok(length)
}

/// From when until when what begins at `local` is; none of what is before 1970 or after 9999.
fn placed(local: NaiveDateTime, zone: &Zone, length: &Length) -> Option<Times> {
    let start = zone.utc(local)?;
    let after = |days: i64| local.checked_add_days(Days::new(u64::try_from(days).ok()?));
    let end = match length {
        Length::Days(count) => zone.utc(after(*count)?)?,
        Length::Exact(span) => start.checked_add_signed(*span)?,
        Length::Nominal(duration) => {
            let whole = i64::from(duration.weeks) * 7 + i64::from(duration.days);
            let (hours, minutes) = (i64::from(duration.hours), i64::from(duration.minutes));
            let rest = TimeDelta::try_seconds((hours * 60 + minutes) * 60 + i64::from(duration.seconds))?;
            zone.utc(after(whole)?)?.checked_add_signed(rest)?
        }
    };
    let time = |time: NaiveDateTime| Timestamp::try_from(time.and_utc()).ok();
    Some(Times { start: time(start)?, end: time(end)?.max(time(start)?) })
}

/// A series by its first event.
struct Series<'a, 'b> {
    first: &'b Component<'a>,
    start: &'b Moment,
    zone: &'b Zone,
    length: Length,
}

impl<'a, 'b> Series<'a, 'b> {
    fn new(first: &'b Component<'a>) -> Result<Self, Box<Fault>> {
        let fault = |(kind, property, problem): Wrong| Box::new(first.fault(id(first), kind, property, problem));
        let start = first.start.as_ref().ok_or_else(|| fault(NO_START))?;
        let zone = start.zone.as_ref().ok_or_else(|| fault(NO_START))?;
        let length = length(start, zone, first.ending.as_ref()).map_err(fault)?;
        Ok(Self { first, start, zone, length })
    }

    fn fault(&self, kind: FaultKind, property: &'static str, problem: &'static str) -> Box<Fault> {
        Box::new(self.first.fault(id(self.first), kind, property, problem))
    }

    /// Its instances in the time of interest, but for those with a life of their own.
    fn instances(
        &self,
        overrides: &BTreeMap<(NaiveDateTime, bool), Override<'a>>,
        wanted: &Wanted,
    ) -> Result<Vec<Event>, Box<Fault>> {
        let (locals, own) = self.locals(overrides, wanted)?;
        let (moments, days) = self.exceptions()?;
        let future: Vec<&Override<'a>> = overrides.values().filter(|one| one.component.future).collect();
        let replaced: HashSet<NaiveDateTime> = overrides.values().map(|one| one.recurrence).collect();
        let mut events = BTreeMap::new();
        for local in locals {
            let Some(utc) = self.zone.utc(local) else { continue };
            let recurrence = if self.start.day { local } else { utc };
            let excepted = moments.contains(&recurrence) || days.contains(&local.date());
            if excepted || replaced.contains(&recurrence) {
                continue;
            }
            let id = EventId { uid: self.first.uid.clone(), recurrence: Some(name(recurrence, self.start.day)) };
            let changed = future.iter().rev().find(|one| one.recurrence <= recurrence);
            let event = match changed {
                Some(one) => self.following(one, local, id),
                None => {
                    let length = own.get(&local).unwrap_or(&self.length);
                    placed(local, self.zone, length).map(|times| event(self.first, id, Some(times)))
                }
            };
            let within = |times: Times| times.start < wanted.to && times.end > wanted.from;
            if let Some(event) = event.filter(|event| event.times.is_some_and(within)) {
                events.insert(event.id.clone(), event);
            }
        }
        if events.len() > INSTANCES_MAX {
            return Err(self.too_many());
        }
        Ok(events.into_values().collect())
    }

    /// An instance after one that was changed with all that follow it: as far from its own time as that one is.
    fn following(&self, changed: &Override<'a>, local: NaiveDateTime, id: EventId) -> Option<Event> {
        let component = &changed.component;
        let Some(start) = &component.start else { return Some(event(component, id, None)) };
        let zone = start.zone.as_ref().unwrap_or(self.zone);
        let was = component.recurrence.as_ref()?.local_in(zone)?;
        let local = local.checked_add_signed(start.local.signed_duration_since(was))?;
        let length = length(start, zone, component.ending.as_ref()).ok()?;
        placed(local, zone, &length).map(|times| event(component, id, Some(times)))
    }

    /// What the wall shows at the start of each, a little beyond the time of interest; and how long those are that are of a
    /// length of their own.
    #[expect(clippy::type_complexity, reason = "two halves of one answer, used once")]
    fn locals(
        &self,
        overrides: &BTreeMap<(NaiveDateTime, bool), Override<'a>>,
        wanted: &Wanted,
    ) -> Result<(BTreeSet<NaiveDateTime>, HashMap<NaiveDateTime, Length>), Box<Fault>> {
        let slack = SLACK + self.reach() + farthest(overrides);
        let edge = |time: Timestamp| DateTime::<Utc>::from(time).naive_utc();
        let from = edge(wanted.from).checked_sub_signed(slack).unwrap_or(NaiveDateTime::MIN);
        let to = edge(wanted.to).checked_add_signed(slack).unwrap_or(NaiveDateTime::MAX);
        let mut locals = BTreeSet::from([self.start.local]);
        for rule in &self.first.rules {
            let until = rule.until.map(|until| match until {
                Until::Utc(utc) => self.zone.local(utc),
                Until::Local(local) => local,
            });
            match rule.times(self.start.local, until, from, to) {
                Ok(times) if times.len() <= INSTANCES_MAX => locals.extend(times),
                Ok(_) | Err(RuleFault::TooMuch) => return Err(self.too_many()),
                Err(RuleFault::Nothing) => {
                    return Err(self.fault(FaultKind::Value, "RRULE", "is a rule that nothing can be made of"));
                }
            }
        }
        let mut own = HashMap::new();
        for (moment, ending) in &self.first.dates {
            let outside = || self.fault(FaultKind::Time, "RDATE", "is outside of every calendar");
            let local = moment.local_in(self.zone).ok_or_else(outside)?;
            let local = if self.start.day { local.date().and_time(chrono::NaiveTime::MIN) } else { local };
            locals.insert(local);
            if let Some(ending) = ending {
                let length = length(moment, self.zone, Some(ending));
                own.insert(local, length.map_err(|(kind, _, problem)| self.fault(kind, "RDATE", problem))?);
            }
        }
        Ok((locals, own))
    }

    /// What is not: by the instant, or by the day.
    fn exceptions(&self) -> Result<(HashSet<NaiveDateTime>, HashSet<NaiveDate>), Box<Fault>> {
        let (mut moments, mut days) = (HashSet::new(), HashSet::new());
        for moment in &self.first.exceptions {
            let outside = || self.fault(FaultKind::Time, "EXDATE", "is outside of every calendar");
            if moment.day || self.start.day {
                days.insert(moment.local_in(self.zone).ok_or_else(outside)?.date());
            } else {
                moments.insert(moment.utc(self.zone).ok_or_else(outside)?);
            }
        }
        Ok((moments, days))
    }

    fn reach(&self) -> TimeDelta {
        match &self.length {
            Length::Days(days) => TimeDelta::try_days(*days).unwrap_or_default(),
            Length::Exact(span) => *span,
            Length::Nominal(duration) => duration.to_time_delta().unwrap_or_default(),
        }
    }

    fn too_many(&self) -> Box<Fault> {
        let problem =
            "repeats more often than anybody could attend: more than 10,000 times in the time that is watched";
        self.fault(FaultKind::TooMany, "RRULE", problem)
    }
}

/// How far an instance may be from its own time because of one that was changed with all that follow it.
fn farthest(overrides: &BTreeMap<(NaiveDateTime, bool), Override<'_>>) -> TimeDelta {
    let moved = |one: &Override<'_>| {
        let start = one.component.start.as_ref()?;
        let was = one.component.recurrence.as_ref()?.local_in(start.zone.as_ref()?)?;
        Some(start.local.signed_duration_since(was).abs())
    };
    overrides.values().filter(|one| one.component.future).filter_map(moved).max().unwrap_or_default()
}

fn id(component: &Component<'_>) -> EventId {
    EventId { uid: component.uid.clone(), recurrence: None }
}
