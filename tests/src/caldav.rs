//! A calendar's own user: makes collections, and reads back what is in them.
//!
//! The entries are read by calcard, which is not what the propagator writes them with.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use calcard::icalendar::{ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarProperty, ICalendarValue};
use daybook_domain::Timestamp;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;
use reqwest::{Method, StatusCode};

/// Everything that has a VEVENT in it, with its data (RFC 4791, section 7.8).
const QUERY: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
  <D:prop><D:getetag/><C:calendar-data/></D:prop>
  <C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter>
</C:calendar-query>"#;

/// One event of a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its UID.
    pub uid: String,
    /// When it begins.
    pub start: Timestamp,
    /// When it is over.
    pub end: Timestamp,
    /// What it is called.
    pub summary: String,
    /// What is written below that.
    pub description: Option<String>,
    /// The booking's version, as Daybook has marked it.
    pub version: Option<u64>,
}

/// A server of calendars.
#[derive(Clone)]
pub struct Calendars {
    http: reqwest::Client,
    base: String,
    user: String,
    password: String,
}

impl std::fmt::Debug for Calendars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Calendars({})", self.base)
    }
}

impl Calendars {
    /// The server at `base`.
    pub fn new(http: &reqwest::Client, base: &str, user: &str, password: &str) -> Self {
        Self { http: http.clone(), base: base.to_owned(), user: user.to_owned(), password: password.to_owned() }
    }

    fn request(&self, method: &[u8], path: &str) -> Result<reqwest::RequestBuilder> {
        let method = Method::from_bytes(method).context("a method")?;
        let request = self.http.request(method, format!("{}{path}", self.base));
        Ok(request.header("authorization", self.basic()).timeout(Duration::from_secs(30)))
    }

    fn basic(&self) -> String {
        use base64::Engine as _;
        let pair = format!("{}:{}", self.user, self.password);
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    }

    /// Makes an empty calendar; one that is there already is left as it is.
    pub async fn make(&self, path: &str) -> Result<()> {
        let answer = self.request(b"MKCALENDAR", path)?.send().await?;
        match answer.status() {
            StatusCode::CREATED | StatusCode::CONFLICT => Ok(()),
            status => bail!("MKCALENDAR answered {status}"),
        }
    }

    /// A person changes an entry, whatever it was.
    pub async fn edit(&self, path: &str, name: &str, change: impl Fn(&str) -> String) -> Result<()> {
        let at = format!("{path}{name}");
        let answer = self.request(b"GET", &at)?.send().await?;
        ensure!(answer.status() == StatusCode::OK, "GET answered {}", answer.status());
        let (before, request) = (answer.text().await?, self.request(b"PUT", &at)?);
        let after = change(&before);
        ensure!(before != after, "nothing was changed");
        let answer = request.header("content-type", "text/calendar").body(after).send().await?;
        ensure!(answer.status().is_success(), "PUT answered {}", answer.status());
        Ok(())
    }

    /// A person deletes an entry.
    pub async fn delete(&self, path: &str, name: &str) -> Result<()> {
        let answer = self.request(b"DELETE", &format!("{path}{name}"))?.send().await?;
        ensure!(answer.status().is_success(), "DELETE answered {}", answer.status());
        Ok(())
    }

    /// Every event in a calendar, by UID.
    pub async fn entries(&self, path: &str) -> Result<BTreeMap<String, Entry>> {
        let request = self.request(b"REPORT", path)?.header("depth", "1").header("content-type", "application/xml");
        let answer = request.body(QUERY).send().await?;
        ensure!(answer.status() == StatusCode::MULTI_STATUS, "REPORT answered {}", answer.status());
        let mut entries = BTreeMap::new();
        for data in calendar_data(&answer.text().await?)? {
            for entry in events(&data)? {
                let uid = entry.uid.clone();
                ensure!(entries.insert(uid.clone(), entry).is_none(), "UID {uid} stands twice in one calendar");
            }
        }
        Ok(entries)
    }
}

/// The text of every `calendar-data` of a multistatus answer.
fn calendar_data(xml: &str) -> Result<Vec<String>> {
    let mut reader = Reader::from_str(xml);
    let (mut found, mut within) = (Vec::new(), None::<String>);
    loop {
        match reader.read_event()? {
            Event::Start(start) if start.local_name().as_ref() == "calendar-data" => within = Some(String::new()),
            Event::End(end) if end.local_name().as_ref() == "calendar-data" => found.extend(within.take()),
            Event::Text(text) => {
                if let Some(data) = &mut within {
                    data.push_str(&text);
                }
            }
            Event::CData(text) => {
                if let Some(data) = &mut within {
                    data.push_str(&text);
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(data) = &mut within {
                    let character = reference.resolve_char_ref()?.map(String::from);
                    let text = character.or_else(|| resolve_xml_entity(&reference).map(str::to_owned));
                    data.push_str(&text.with_context(|| format!("&{}; is no entity of XML", &*reference))?);
                }
            }
            Event::Eof => return Ok(found),
            Event::Start(_) | Event::End(_) | Event::Empty(_) | Event::Comment(_) | Event::Decl(_) => {}
            Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn events(data: &str) -> Result<Vec<Entry>> {
    let calendar = match ICalendar::parse(data) {
        Ok(calendar) => calendar,
        Err(entry) => bail!("not a calendar: {entry:?}"),
    };
    let events = calendar.components.iter();
    events.filter(|component| component.component_type == ICalendarComponentType::VEvent).map(entry).collect()
}

fn entry(event: &ICalendarComponent) -> Result<Entry> {
    let value = |name: &ICalendarProperty| event.property(name).and_then(|property| property.values.first());
    let text = |name: &ICalendarProperty| value(name).and_then(ICalendarValue::as_text).map(str::to_owned);
    let time = |name: &ICalendarProperty| match value(name) {
        Some(ICalendarValue::PartialDateTime(time)) => {
            let seconds = time.to_timestamp().with_context(|| format!("{name:?} is no whole time"))?;
            Timestamp::from_millis(seconds * 1_000).map_err(anyhow::Error::from)
        }
        other => bail!("{name:?} is {other:?}"),
    };
    let version = text(&ICalendarProperty::Other("X-DAYBOOK-VERSION".to_owned()));
    Ok(Entry {
        uid: text(&ICalendarProperty::Uid).context("an event without UID")?,
        start: time(&ICalendarProperty::Dtstart)?,
        end: time(&ICalendarProperty::Dtend)?,
        summary: text(&ICalendarProperty::Summary).unwrap_or_default(),
        description: text(&ICalendarProperty::Description),
        version: version.and_then(|version| version.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_of_an_answer_are_read_whatever_they_are_wrapped_in() {
        let event = |uid: &str| {
            format!(
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART:20270304T090000Z\r\n\
                 DTEND:20270304T093000Z\r\nSUMMARY:A &amp; B\\, C\r\nX-DAYBOOK-VERSION:7\r\nEND:VEVENT\r\n\
                 END:VCALENDAR\r\n"
            )
        };
        let xml = format!(
            r#"<?xml version="1.0"?><multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
            <response><propstat><prop><C:calendar-data>{}</C:calendar-data></prop></propstat></response>
            <response><propstat><prop><C:calendar-data>{}</C:calendar-data></prop></propstat></response></multistatus>"#,
            event("one"),
            event("two").replace('\r', "&#13;")
        );
        let found: Vec<Entry> =
            calendar_data(&xml).expect("reads").iter().flat_map(|data| events(data).expect("an event")).collect();
        let entry = |uid: &str| Entry {
            uid: uid.to_owned(),
            start: "2027-03-04T09:00:00Z".parse().expect("a time"),
            end: "2027-03-04T09:30:00Z".parse().expect("a time"),
            summary: "A & B, C".to_owned(),
            description: None,
            version: Some(7),
        };
        assert_eq!(found, [entry("one"), entry("two")]);
    }
}
