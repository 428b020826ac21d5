//! What a time on the wall is in UTC.
//!
//! A `TZID` is, in this order: a name of IANA's, also behind a path (`/example.org/20260101/Europe/Berlin`); the name of
//! IANA's that its `VTIMEZONE` gives it (`X-LIC-LOCATION`); one of Windows' names, by the table of CLDR; and only then what its
//! `VTIMEZONE` says. Calendars carry old rules along for years, and IANA's are today's. Anything else is no zone.

use std::collections::BTreeMap;
use std::sync::Arc;

use calcard::Entry;
use calcard::common::PartialDateTime;
use calcard::common::timezone::Tz as Named;
use calcard::icalendar::{ICalendarComponent, ICalendarComponentType, ICalendarProperty, ICalendarValue};
use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use daybook_ask::zone::{instant, zone as iana};

use crate::Wanted;
use crate::content_line::{Property, unescape, unfold};
use crate::rule::{Rule, RuleFault, Until, observances};

/// The most onsets that a zone may have: twice a year, since 1970.
const ONSETS_MAX: usize = 1_000;

/// A zone by the table of Windows' names of CLDR (`windowsZones`, territory 001), as `calcard` has it. Nothing but such a
/// name: the library also reads what only resembles one, and that would be a guess.
pub fn windows(name: &str) -> Option<Tz> {
    let windows = name.ends_with(" Standard Time") || name.starts_with("Russia Time Zone ") || name.starts_with("UTC");
    if !windows || name.starts_with('(') {
        return None;
    }
    match name.parse() {
        Ok(Named::Tz(zone)) => Some(zone),
        Ok(Named::Floating | Named::Fixed(_)) | Err(()) => None,
    }
}

/// The zone of a name, without what a calendar says of it.
pub fn named(name: &str) -> Option<Tz> {
    let name = name.trim().trim_matches('"');
    if let Some(zone) = iana(name).or_else(|| windows(name)) {
        return Some(zone);
    }
    // A name that is unique in the world begins with a slash (RFC 5545, section 3.2.19), and ends in the one that people use.
    let path = name.strip_prefix('/')?;
    let steps: Vec<&str> = path.split('/').collect();
    (1..=3).rev().find_map(|last| iana(&steps.get(steps.len().checked_sub(last)?..)?.join("/")))
}

/// The zone that a `VTIMEZONE` gives a name.
pub(crate) fn described(block: &str) -> Option<Tz> {
    named(&unescape(&own(block, "TZID")?)).or_else(|| iana(own(block, "X-LIC-LOCATION")?.trim()))
}

/// The first value of this name in a component.
fn own(block: &str, name: &str) -> Option<String> {
    let lines = unfold(block.as_bytes());
    let mut properties = lines.iter().filter_map(|line| Property::read(line));
    properties.find(|property| property.name == name).map(|property| property.value.trim().to_owned())
}

/// The zone of a time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Zone {
    /// One of IANA's.
    Named(Tz),
    /// One that says its own rules.
    Written(Arc<Written>),
}

/// A zone by its own rules: when the clock is set, in UTC, and from what to what.
#[derive(Debug, PartialEq)]
pub(crate) struct Written(Vec<Onset>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Onset {
    at: NaiveDateTime,
    from: TimeDelta,
    to: TimeDelta,
}

impl Zone {
    /// What is UTC when the wall shows this: the first time, where it does twice; by the offset before, where it never does.
    pub fn utc(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Self::Named(zone) => instant(local, *zone).map(|instant| instant.naive_utc()),
            Self::Written(written) => written.utc(local),
        }
    }

    /// What the wall shows then.
    pub fn local(&self, utc: NaiveDateTime) -> NaiveDateTime {
        match self {
            Self::Named(zone) => zone.from_utc_datetime(&utc).naive_local(),
            Self::Written(written) => utc.checked_add_signed(written.offset(utc)).unwrap_or(utc),
        }
    }
}

impl Written {
    fn offset(&self, utc: NaiveDateTime) -> TimeDelta {
        let before = self.0.iter().rev().find(|onset| onset.at <= utc);
        let offset = before.map(|onset| onset.to).or_else(|| self.0.first().map(|onset| onset.from));
        offset.unwrap_or_default()
    }

    fn utc(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let offsets = self.0.iter().flat_map(|onset| [onset.from, onset.to]);
        let fits = |offset: TimeDelta| {
            let utc = local.checked_sub_signed(offset)?;
            (self.offset(utc) == offset).then_some(utc)
        };
        offsets.filter_map(fits).min().or_else(|| {
            let within = |onset: &&Onset| {
                let ends = |offset| onset.at.checked_add_signed(offset);
                ends(onset.from).is_some_and(|from| from <= local) && ends(onset.to).is_some_and(|to| local < to)
            };
            local.checked_sub_signed(self.0.iter().find(within)?.from)
        })
    }
}

/// The zones of a calendar.
#[derive(Debug)]
pub(crate) struct Zones {
    written: BTreeMap<String, Option<Zone>>,
    /// Of times without one, and of days.
    calendar: Option<Tz>,
    /// No onset after that is of interest.
    until: NaiveDateTime,
}

impl Zones {
    pub fn new(wanted: &Wanted) -> Self {
        let until = DateTime::from(wanted.to).naive_utc().checked_add_signed(TimeDelta::days(2 * 366));
        Self { written: BTreeMap::new(), calendar: wanted.zone, until: until.unwrap_or(NaiveDateTime::MAX) }
    }

    /// The calendar names its zone. One that is none is as good as not named.
    pub fn calendar(&mut self, name: &str) {
        self.calendar = named(name).or(self.calendar);
    }

    /// The zone in which the days of the calendar begin.
    pub const fn of_calendar(&self) -> Option<Tz> {
        self.calendar
    }

    /// Takes a `VTIMEZONE`.
    pub fn define(&mut self, block: &str) {
        let Some(id) = own(block, "TZID") else { return };
        let zone = described(block).map(Zone::Named);
        let zone = zone.or_else(|| written(block, self.until).map(|written| Zone::Written(Arc::new(written))));
        self.written.insert(unescape(&id), zone);
    }

    /// The zone of a `TZID`.
    pub fn find(&self, id: &str) -> Option<Zone> {
        match self.written.get(id) {
            Some(zone) => zone.clone(),
            None => named(id).map(Zone::Named),
        }
    }
}

/// A zone by what its `VTIMEZONE` says; none if that is not understood, or nothing.
fn written(block: &str, until: NaiveDateTime) -> Option<Written> {
    let Entry::ICalendar(calendar) = calcard::Parser::new(block).entry() else { return None };
    let mut onsets = Vec::new();
    // The rules of an observance, which the library reads past what it does not understand.
    let mut rules = rules(block).into_iter();
    for component in &calendar.components {
        let kind = &component.component_type;
        if matches!(kind, ICalendarComponentType::Standard | ICalendarComponentType::Daylight) {
            onsets.extend(observance(component, &rules.next()?, until)?);
        }
    }
    if onsets.is_empty() || onsets.len() > ONSETS_MAX {
        return None;
    }
    onsets.sort_by_key(|onset: &Onset| onset.at);
    Some(Written(onsets))
}

/// The rules of each observance, in their order.
fn rules(block: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for line in unfold(block.as_bytes()) {
        let Some(Property { name, value, .. }) = Property::read(&line) else { continue };
        let value = value.trim();
        if name == "BEGIN" && (value.eq_ignore_ascii_case("STANDARD") || value.eq_ignore_ascii_case("DAYLIGHT")) {
            all.push(Vec::new());
        } else if name == "RRULE"
            && let Some(rules) = all.last_mut()
        {
            rules.push(value.to_owned());
        }
    }
    all
}

fn observance(component: &ICalendarComponent, rules: &[String], until: NaiveDateTime) -> Option<Vec<Onset>> {
    let offset = |property: &ICalendarProperty| offset(component, property);
    let (from, to) = (offset(&ICalendarProperty::Tzoffsetfrom)?, offset(&ICalendarProperty::Tzoffsetto)?);
    let start = times(component, &ICalendarProperty::Dtstart).next().flatten()?;
    let mut locals = Vec::new();
    for rule in rules {
        let rule = Rule::parse(rule).ok()?;
        let last = match rule.until {
            Some(Until::Utc(utc)) => utc.checked_add_signed(from),
            Some(Until::Local(local)) => Some(local),
            None => None,
        };
        match observances(&rule, start, last, until) {
            Ok(times) => locals.extend(times),
            Err(RuleFault::Nothing | RuleFault::TooMuch) => return None,
        }
    }
    if rules.is_empty() {
        locals.push(start);
    }
    for time in times(component, &ICalendarProperty::Rdate) {
        locals.push(time?);
    }
    let onset = |local: NaiveDateTime| Some(Onset { at: local.checked_sub_signed(from)?, from, to });
    locals.into_iter().map(onset).collect()
}

fn times<'a>(
    component: &'a ICalendarComponent,
    property: &'a ICalendarProperty,
) -> impl Iterator<Item = Option<NaiveDateTime>> + 'a {
    component.properties(property).flat_map(|entry| &entry.values).map(|value| {
        let ICalendarValue::PartialDateTime(time) = value else { return None };
        local(time)
    })
}

/// What the wall shows; at midnight, if it is a day.
pub(crate) fn local(time: &PartialDateTime) -> Option<NaiveDateTime> {
    let date = chrono::NaiveDate::from_ymd_opt(i32::from(time.year?), time.month?.into(), time.day?.into())?;
    let (hour, minute) = (time.hour.unwrap_or(0), time.minute.unwrap_or(0));
    // A leap second is the one before it.
    let second = time.second.unwrap_or(0).min(if time.second == Some(60) { 59 } else { u8::MAX });
    date.and_hms_opt(hour.into(), minute.into(), second.into())
}

fn offset(component: &ICalendarComponent, property: &ICalendarProperty) -> Option<TimeDelta> {
    let entry = component.property(property)?;
    let Some(ICalendarValue::PartialDateTime(offset)) = entry.values.first() else { return None };
    let (hours, minutes) = (i64::from(offset.tz_hour?), i64::from(offset.tz_minute.unwrap_or(0)));
    let span = TimeDelta::minutes(60 * hours + minutes);
    (hours < 24 && minutes < 60).then_some(if offset.tz_minus { -span } else { span })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_names_are_zones_and_what_resembles_one_is_none() {
        for (name, zone) in [
            ("W. Europe Standard Time", Tz::Europe__Berlin),
            ("Romance Standard Time", Tz::Europe__Paris),
            ("GMT Standard Time", Tz::Europe__London),
            ("Pacific Standard Time", Tz::America__Los_Angeles),
            ("Eastern Standard Time", Tz::America__New_York),
            ("India Standard Time", Tz::Asia__Kolkata),
            ("Lord Howe Standard Time", Tz::Australia__Lord_Howe),
            ("Tokyo Standard Time", Tz::Asia__Tokyo),
        ] {
            let found = windows(name).unwrap_or_else(|| panic!("{name} is none"));
            // Two names of one zone.
            let same = found == zone || (name.starts_with("India") && found == Tz::Asia__Calcutta);
            assert!(same, "{name} is {found}");
        }
        for name in [
            "Romance",
            "Eastern Standard Time 1",
            "Customized Time Zone",
            "(UTC+01:00) Berlin",
            "Berlin",
            "",
            "tzone://Microsoft/Custom",
        ] {
            assert_eq!(windows(name), None, "{name}");
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_behind_a_path_is_the_name_at_its_end() {
        for (name, zone) in [
            ("/mozilla.org/20050126_1/Europe/Berlin", Tz::Europe__Berlin),
            ("/freeassociation.sourceforge.net/America/Indiana/Indianapolis", Tz::America__Indiana__Indianapolis),
            ("/citadel.org/20210210_1/America/New_York", Tz::America__New_York),
            ("\"Europe/Paris\"", Tz::Europe__Paris),
            ("/example.org/UTC", Tz::UTC),
        ] {
            assert_eq!(named(name), Some(zone), "{name}");
        }
        assert_eq!(named("/example.org/Our own"), None);
        assert_eq!(named("example.org/Europe/Berlin"), None);
    }
}
