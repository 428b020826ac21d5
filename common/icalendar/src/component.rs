//! One `VEVENT`, as it was written: nothing is expanded yet, and of its times it is known only in which zone they are.

use std::collections::BTreeSet;

use calcard::Entry;
use calcard::icalendar::{
    ICalendarComponent, ICalendarDuration, ICalendarEntry, ICalendarParameterName, ICalendarPeriod, ICalendarProperty,
    ICalendarStatus, ICalendarTransparency, ICalendarValue,
};
use chrono::{NaiveDateTime, NaiveTime};
use daybook_domain::Timestamp;

use crate::content_line::{Property, unfold};
use crate::rule::Rule;
use crate::text::kept;
use crate::zone::{Zone, Zones, local};
use crate::{EventId, Fault, FaultKind};

/// The mark by which an entry says that Daybook has written it: the booking's id.
const MARK: &str = "X-DAYBOOK-BOOKING";
/// What Outlook calls the state of the owner meanwhile.
const BUSY_STATUS: &str = "X-MICROSOFT-CDO-BUSYSTATUS";
/// More than an event can have.
const ATTENDEES_MAX: usize = 1_000;

/// One `VEVENT`.
pub(crate) struct Component<'a> {
    pub uid: String,
    /// Which instance of a series it is instead of.
    pub recurrence: Option<Moment>,
    /// Whether it is instead of all that follow, too.
    pub future: bool,
    pub start: Option<Moment>,
    pub ending: Option<Ending>,
    pub rules: Vec<Rule>,
    /// Times besides the rules', and how long each is, if it is of its own length.
    pub dates: Vec<(Moment, Option<Ending>)>,
    pub exceptions: Vec<Moment>,
    pub sequence: i64,
    pub changed: Option<Timestamp>,
    pub stamped: Option<Timestamp>,
    pub cancelled: bool,
    pub free: bool,
    pub attendees: BTreeSet<String>,
    pub mark: Option<String>,
    block: &'a str,
}

/// A time as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moment {
    /// What the wall shows; midnight, of a day.
    pub local: NaiveDateTime,
    /// Where the wall is, if that is said.
    pub zone: Option<Zone>,
    /// Whether it is a day.
    pub day: bool,
}

/// How long an event is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ending {
    /// Until then.
    At(Moment),
    /// So long.
    After(ICalendarDuration),
}

impl Component<'_> {
    /// Whether it is the first of a series.
    pub fn repeats(&self) -> bool {
        self.recurrence.is_none() && !(self.rules.is_empty() && self.dates.is_empty())
    }

    /// What says which of two of one name is the newer one.
    pub const fn rank(&self) -> (i64, Option<Timestamp>, Option<Timestamp>) {
        (self.sequence, self.changed, self.stamped)
    }

    /// Whether they say the same.
    pub fn same(&self, other: &Self) -> bool {
        self.block == other.block
    }

    /// Something is wrong with it.
    pub fn fault(&self, id: EventId, kind: FaultKind, property: &'static str, problem: &'static str) -> Fault {
        Fault { id: Some(id), kind, property, problem, text: kept(self.block) }
    }
}

/// The properties that have times.
const TIMES: [&str; 7] = ["DTEND", "DTSTAMP", "DTSTART", "EXDATE", "LAST-MODIFIED", "RDATE", "RECURRENCE-ID"];

/// What a property that has times is called.
fn called(property: &ICalendarProperty) -> &'static str {
    TIMES.into_iter().find(|name| *name == property.as_str()).unwrap_or("VEVENT")
}

/// Reads one.
pub(crate) fn read<'a>(
    block: &'a str,
    zones: &Zones,
    passed_over: &mut BTreeSet<&'static str>,
) -> Result<Component<'a>, Box<Fault>> {
    let entry = calcard::Parser::new(block).entry();
    let component = if let Entry::ICalendar(calendar) = &entry { calendar.components.first() } else { None };
    let Some(component) = component else {
        let reader = Reader { block, zones, id: None };
        return Err(reader.fault(FaultKind::Value, "VEVENT", "is no event that can be read"));
    };
    let uid = component.uid().map(str::trim).filter(|uid| !uid.is_empty()).map(str::to_owned);
    let Some(uid) = uid else {
        let reader = Reader { block, zones, id: None };
        return Err(reader.fault(FaultKind::Missing, "UID", "is missing; nothing else says which event it is"));
    };
    // No store takes U+0000, and no text has others by intention.
    if uid.chars().any(char::is_control) {
        let reader = Reader { block, zones, id: None };
        return Err(reader.fault(FaultKind::Value, "UID", "has control characters"));
    }
    let reader = Reader { block, zones, id: Some(EventId { uid: uid.clone(), recurrence: None }) };
    reader.component(uid, component, passed_over)
}

struct Reader<'a, 'b> {
    block: &'a str,
    zones: &'b Zones,
    id: Option<EventId>,
}

impl<'a> Reader<'a, '_> {
    fn fault(&self, kind: FaultKind, property: &'static str, problem: &'static str) -> Box<Fault> {
        Box::new(Fault { id: self.id.clone(), kind, property, problem, text: kept(self.block) })
    }

    fn component(
        &self,
        uid: String,
        component: &ICalendarComponent,
        passed_over: &mut BTreeSet<&'static str>,
    ) -> Result<Component<'a>, Box<Fault>> {
        let recurrence = component.property(&ICalendarProperty::RecurrenceId);
        let recurrence_id = recurrence.map(|entry| self.one(entry)).transpose()?;
        let start = component.property(&ICalendarProperty::Dtstart).map(|entry| self.one(entry)).transpose()?;
        let mut sequence = 0;
        match component.property(&ICalendarProperty::Sequence).map(|entry| entry.values.first()) {
            Some(Some(ICalendarValue::Integer(number))) => sequence = *number,
            Some(_) => drop(passed_over.insert("SEQUENCE")),
            None => {}
        }
        let mut stamp = |property: &ICalendarProperty| {
            let stamp =
                component.property(property).map(|entry| self.one(entry).ok().and_then(|time| time.timestamp()));
            if stamp == Some(None) {
                passed_over.insert(called(property));
            }
            stamp.flatten()
        };
        let (changed, stamped) = (stamp(&ICalendarProperty::LastModified), stamp(&ICalendarProperty::Dtstamp));
        let mut attendees = BTreeSet::new();
        for entry in component.properties(&ICalendarProperty::Attendee).take(ATTENDEES_MAX) {
            match entry.calendar_address().filter(|address| address.contains('@')) {
                Some(address) => drop(attendees.insert(address.to_owned())),
                None => drop(passed_over.insert("ATTENDEE")),
            }
        }
        let free_by_status = match component.property(&ICalendarProperty::Transp).map(|entry| entry.values.first()) {
            Some(Some(ICalendarValue::Transparency(transparency))) => {
                *transparency == ICalendarTransparency::Transparent
            }
            Some(_) => {
                passed_over.insert("TRANSP");
                false
            }
            None => false,
        };
        let cancelled = match component.property(&ICalendarProperty::Status).map(|entry| entry.values.first()) {
            Some(Some(ICalendarValue::Status(status))) => *status == ICalendarStatus::Cancelled,
            Some(_) => {
                passed_over.insert("STATUS");
                false
            }
            None => false,
        };
        let own = |name: &str| {
            let named = |entry: &&ICalendarEntry| matches!(&entry.name, ICalendarProperty::Other(other) if other.eq_ignore_ascii_case(name));
            component.entries.iter().find(named).and_then(|entry| entry.values.first()?.as_text())
        };
        let status = own(BUSY_STATUS).unwrap_or_default();
        let free_by_outlook = status.eq_ignore_ascii_case("FREE") || status.eq_ignore_ascii_case("WORKINGELSEWHERE");
        Ok(Component {
            uid,
            recurrence: recurrence_id,
            future: recurrence.is_some_and(|entry| entry.has_parameter(&ICalendarParameterName::Range)),
            start: start.map(|start| self.placed(start, "DTSTART")).transpose()?,
            ending: self.ending(component)?,
            rules: self.rules()?,
            dates: self.dates(component)?,
            exceptions: self.exceptions(component)?,
            sequence,
            changed,
            stamped,
            cancelled,
            free: free_by_status || free_by_outlook,
            attendees,
            mark: own(MARK).map(str::to_owned),
            block: self.block,
        })
    }

    fn ending(&self, component: &ICalendarComponent) -> Result<Option<Ending>, Box<Fault>> {
        if let Some(entry) = component.property(&ICalendarProperty::Dtend) {
            return Ok(Some(Ending::At(self.one(entry)?)));
        }
        let Some(entry) = component.property(&ICalendarProperty::Duration) else { return Ok(None) };
        match entry.values.first() {
            Some(ICalendarValue::Duration(duration)) if !duration.neg => Ok(Some(Ending::After(duration.clone()))),
            _ => Err(self.fault(FaultKind::Value, "DURATION", "is no time such as PT1H30M")),
        }
    }

    /// As they were written: the library's own reader takes what it does not understand for something else.
    fn rules(&self) -> Result<Vec<Rule>, Box<Fault>> {
        let mut rules = Vec::new();
        let mut depth = 0_usize;
        for line in unfold(self.block.as_bytes()) {
            let Some(Property { name, value, .. }) = Property::read(&line) else { continue };
            match (name.as_str(), depth) {
                ("BEGIN", _) => depth += 1,
                ("END", _) => depth = depth.saturating_sub(1),
                ("EXRULE", 1) => {
                    let problem = "is deprecated and not read; name the instances that are not, as EXDATE";
                    return Err(self.fault(FaultKind::Value, "EXRULE", problem));
                }
                ("RRULE", 1) => {
                    let problem = "is no rule of RFC 5545, section 3.3.10";
                    rules.push(Rule::parse(value).map_err(|_| self.fault(FaultKind::Value, "RRULE", problem))?);
                }
                (_, _) => {}
            }
        }
        Ok(rules)
    }

    fn dates(&self, component: &ICalendarComponent) -> Result<Vec<(Moment, Option<Ending>)>, Box<Fault>> {
        let mut dates = Vec::new();
        for entry in component.properties(&ICalendarProperty::Rdate) {
            for value in &entry.values {
                let ICalendarValue::Period(period) = value else {
                    dates.push((self.time(entry, value)?, None));
                    continue;
                };
                let (start, ending) = match period {
                    ICalendarPeriod::Range { start, end } => (start, Ending::At(self.moment(entry, end)?)),
                    ICalendarPeriod::Duration { duration, .. } if duration.neg => return Err(self.no_time(entry)),
                    ICalendarPeriod::Duration { start, duration } => (start, Ending::After(duration.clone())),
                };
                dates.push((self.moment(entry, start)?, Some(ending)));
            }
        }
        Ok(dates)
    }

    fn exceptions(&self, component: &ICalendarComponent) -> Result<Vec<Moment>, Box<Fault>> {
        let entries = component.properties(&ICalendarProperty::Exdate);
        entries.flat_map(|entry| entry.values.iter().map(move |value| self.time(entry, value))).collect()
    }

    /// The one time of a property.
    fn one(&self, entry: &ICalendarEntry) -> Result<Moment, Box<Fault>> {
        match entry.values.first() {
            Some(value) => self.time(entry, value),
            None => Err(self.no_time(entry)),
        }
    }

    fn time(&self, entry: &ICalendarEntry, value: &ICalendarValue) -> Result<Moment, Box<Fault>> {
        let ICalendarValue::PartialDateTime(time) = value else { return Err(self.no_time(entry)) };
        self.moment(entry, time)
    }

    fn moment(&self, entry: &ICalendarEntry, time: &calcard::common::PartialDateTime) -> Result<Moment, Box<Fault>> {
        let local = local(time).ok_or_else(|| self.no_time(entry))?;
        if !time.has_time() {
            return Ok(Moment { local: local.date().and_time(NaiveTime::MIN), zone: None, day: true });
        }
        let zone = match (time.tz_hour, entry.tz_id()) {
            (Some(0), _) => Some(Zone::Named(chrono_tz::Tz::UTC)),
            (Some(_), _) => return Err(self.no_time(entry)),
            (None, None) => None,
            (None, Some(id)) => {
                let problem = "names in TZID what is no zone of IANA's or Windows', and no VTIMEZONE that can be read";
                let zone = self.zones.find(id);
                Some(zone.ok_or_else(|| self.fault(FaultKind::Zone, called(&entry.name), problem))?)
            }
        };
        Ok(Moment { local, zone, day: false })
    }

    fn no_time(&self, entry: &ICalendarEntry) -> Box<Fault> {
        let problem = "is no time such as 20260304T090000Z, and no day such as 20260304";
        self.fault(FaultKind::Time, called(&entry.name), problem)
    }

    /// Somewhere, if only in the zone of the calendar.
    fn placed(&self, moment: Moment, property: &'static str) -> Result<Moment, Box<Fault>> {
        if moment.zone.is_some() {
            return Ok(moment);
        }
        let problem =
            "is of no zone, and the calendar names none; give it one in the settings of the source (poll.zone)";
        let zone = self.zones.of_calendar().ok_or_else(|| self.fault(FaultKind::Zone, property, problem))?;
        Ok(Moment { zone: Some(Zone::Named(zone)), ..moment })
    }
}

impl Moment {
    /// When it is in UTC; in `zone`, if it does not say.
    pub fn utc(&self, zone: &Zone) -> Option<NaiveDateTime> {
        self.zone.as_ref().unwrap_or(zone).utc(self.local)
    }

    /// What the wall shows then in `zone`.
    pub fn local_in(&self, zone: &Zone) -> Option<NaiveDateTime> {
        match &self.zone {
            Some(own) if own != zone && !self.day => Some(zone.local(own.utc(self.local)?)),
            Some(_) | None => Some(self.local),
        }
    }

    fn timestamp(&self) -> Option<Timestamp> {
        Timestamp::try_from(self.zone.as_ref()?.utc(self.local)?.and_utc()).ok()
    }
}
