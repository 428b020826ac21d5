//! What WebDAV answers about many things at once: `multistatus` (RFC 4918, section 13), as far as calendars need it.

use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};

const DAV: &str = "DAV:";
const CALDAV: &str = "urn:ietf:params:xml:ns:caldav";
/// Deeper than any answer goes.
const DEPTH_MAX: usize = 32;

/// What is said of many things.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Multistatus {
    /// Of each.
    pub resources: Vec<Resource>,
    /// Where the feed stands.
    pub sync_token: Option<String>,
}

/// What is said of one thing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// Which, as it was written.
    pub href: String,
    /// The HTTP status of all that is said of it.
    pub status: Option<u16>,
    /// Its tag.
    pub etag: Option<String>,
    /// Where its feed stands.
    pub sync_token: Option<String>,
    /// Whether it is a calendar.
    pub is_calendar: bool,
    /// Its iCalendar.
    pub calendar_data: Option<String>,
    /// The zone of its times, as iCalendar.
    pub time_zone: Option<String>,
}

/// An element that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Multistatus,
    Response,
    Href,
    Status,
    Propstat,
    Prop,
    SyncToken,
    Etag,
    ResourceType,
    Calendar,
    CalendarData,
    CalendarTimezone,
    Other,
}

impl Element {
    fn of(namespace: &ResolveResult<'_>, local: &str) -> Self {
        match (namespace, local) {
            (ResolveResult::Bound(Namespace(DAV)), "multistatus") => Self::Multistatus,
            (ResolveResult::Bound(Namespace(DAV)), "response") => Self::Response,
            (ResolveResult::Bound(Namespace(DAV)), "href") => Self::Href,
            (ResolveResult::Bound(Namespace(DAV)), "status") => Self::Status,
            (ResolveResult::Bound(Namespace(DAV)), "propstat") => Self::Propstat,
            (ResolveResult::Bound(Namespace(DAV)), "prop") => Self::Prop,
            (ResolveResult::Bound(Namespace(DAV)), "sync-token") => Self::SyncToken,
            (ResolveResult::Bound(Namespace(DAV)), "getetag") => Self::Etag,
            (ResolveResult::Bound(Namespace(DAV)), "resourcetype") => Self::ResourceType,
            (ResolveResult::Bound(Namespace(CALDAV)), "calendar") => Self::Calendar,
            (ResolveResult::Bound(Namespace(CALDAV)), "calendar-data") => Self::CalendarData,
            (ResolveResult::Bound(Namespace(CALDAV)), "calendar-timezone") => Self::CalendarTimezone,
            (_, _) => Self::Other,
        }
    }
}

/// Reads one; none if it is none, or not whole.
pub fn multistatus(body: &[u8]) -> Option<Multistatus> {
    let mut reader = NsReader::from_str(std::str::from_utf8(body).ok()?);
    let mut found = Multistatus::default();
    let mut path: Vec<Element> = Vec::new();
    let mut text = String::new();
    // What a propstat says, before it is known whether it counts.
    let mut said = Resource::default();
    let mut whole = false;
    loop {
        let (namespace, event) = reader.read_resolved_event().ok()?;
        match event {
            Event::Start(start) => {
                let element = Element::of(&namespace, start.local_name().as_ref());
                if path.is_empty() && element != Element::Multistatus || path.len() >= DEPTH_MAX {
                    return None;
                }
                match (path.as_slice(), element) {
                    ([Element::Multistatus], Element::Response) => found.resources.push(Resource::default()),
                    ([.., Element::Response], Element::Propstat) => said = Resource::default(),
                    (_, _) => {}
                }
                path.push(element);
                text.clear();
            }
            Event::Empty(empty) => {
                let element = Element::of(&namespace, empty.local_name().as_ref());
                said.is_calendar |= is_type(&path) && element == Element::Calendar;
                if path.is_empty() {
                    return (element == Element::Multistatus).then_some(found);
                }
            }
            Event::Text(part) => text.push_str(&part),
            Event::CData(part) => text.push_str(&part),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                Some(character) => text.push(character),
                None => text.push_str(quick_xml::escape::resolve_xml_entity(&reference)?),
            },
            Event::End(_) => {
                let element = path.pop()?;
                said.is_calendar |= is_type(&path) && element == Element::Calendar;
                let value = std::mem::take(&mut text);
                end(&mut found, &path, element, value, &mut said)?;
                whole |= path.is_empty();
            }
            Event::Eof => return whole.then_some(found),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn is_type(path: &[Element]) -> bool {
    path.ends_with(&[Element::Prop, Element::ResourceType])
}

/// An element ends in `path`, and has said `value`.
fn end(found: &mut Multistatus, path: &[Element], element: Element, value: String, said: &mut Resource) -> Option<()> {
    let trimmed = || value.trim().to_owned();
    match (path, element) {
        ([Element::Multistatus], Element::SyncToken) => found.sync_token = Some(trimmed()),
        ([Element::Multistatus, Element::Response], Element::Href) => found.resources.last_mut()?.href = trimmed(),
        ([Element::Multistatus, Element::Response], Element::Status) => {
            found.resources.last_mut()?.status = Some(status(&value)?);
        }
        ([.., Element::Propstat], Element::Status) => said.status = Some(status(&value)?),
        ([.., Element::Propstat, Element::Prop], Element::SyncToken) => said.sync_token = Some(trimmed()),
        ([.., Element::Propstat, Element::Prop], Element::Etag) => said.etag = Some(trimmed()),
        ([.., Element::Propstat, Element::Prop], Element::CalendarData) => said.calendar_data = Some(value),
        ([.., Element::Propstat, Element::Prop], Element::CalendarTimezone) => said.time_zone = Some(value),
        ([.., Element::Response], Element::Propstat) => {
            let said = std::mem::take(said);
            if matches!(said.status, Some(200..=299)) {
                let resource = found.resources.last_mut()?;
                resource.etag = said.etag.or(resource.etag.take());
                resource.sync_token = said.sync_token.or(resource.sync_token.take());
                resource.calendar_data = said.calendar_data.or(resource.calendar_data.take());
                resource.time_zone = said.time_zone.or(resource.time_zone.take());
                resource.is_calendar |= said.is_calendar;
            }
        }
        (_, _) => {}
    }
    Some(())
}

/// `HTTP/1.1 404 Not Found`
fn status(line: &str) -> Option<u16> {
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Radicale writes one.
    const CHANGES: &str = "<?xml version='1.0' encoding='utf-8'?>\n<multistatus xmlns=\"DAV:\"><response><href>/anna/cal/a.ics</href><propstat><prop>\
        <getetag>\"1\"</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response><response><href>/anna/cal/b%20c.ics</href>\
        <status>HTTP/1.1 404 Not Found</status></response><sync-token>http://radicale.org/ns/sync/1</sync-token></multistatus>";

    #[test]
    fn a_feed_of_changes_names_what_has_changed_and_what_is_gone_and_where_it_stands() {
        let found = multistatus(CHANGES.as_bytes()).expect("an answer");
        let said: Vec<_> = found.resources.iter().map(|resource| (resource.href.as_str(), resource.status)).collect();
        assert_eq!(said, [("/anna/cal/a.ics", None), ("/anna/cal/b%20c.ics", Some(404))]);
        assert_eq!(found.sync_token.as_deref(), Some("http://radicale.org/ns/sync/1"));
        assert_eq!(found.resources[0].etag.as_deref(), Some("\"1\""));
    }

    #[test]
    fn what_was_not_found_of_a_thing_is_not_said_of_it() {
        let body = "<d:multistatus xmlns:d=\"DAV:\" xmlns:x=\"urn:ietf:params:xml:ns:caldav\"><d:response><d:href>/c/</d:href>\
            <d:propstat><d:prop><d:sync-token>t-1</d:sync-token><d:resourcetype><d:collection/><x:calendar/></d:resourcetype></d:prop>\
            <d:status>HTTP/1.1 200 OK</d:status></d:propstat><d:propstat><d:prop><x:calendar-timezone/></d:prop>\
            <d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response></d:multistatus>";
        let found = multistatus(body.as_bytes()).expect("an answer");
        let own = &found.resources[0];
        assert_eq!((own.sync_token.as_deref(), own.is_calendar, own.time_zone.as_deref()), (Some("t-1"), true, None));
    }

    #[test]
    fn characters_that_xml_writes_otherwise_are_read_as_they_were_meant() {
        let body = "<multistatus xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><response><href>/c/a</href><propstat><prop>\
            <C:calendar-data>a &amp; b&#13;\nc <![CDATA[<d>]]></C:calendar-data></prop><status>HTTP/1.1 200 OK</status></propstat>\
            </response></multistatus>";
        let found = multistatus(body.as_bytes()).expect("an answer");
        assert_eq!(found.resources[0].calendar_data.as_deref(), Some("a & b\r\nc <d>"));
    }

    #[test]
    fn half_an_answer_and_another_one_are_none() {
        for cut in 1..CHANGES.len() {
            assert_eq!(multistatus(&CHANGES.as_bytes()[..cut]), None, "{cut}");
        }
        for other in ["", "<html/>", "{}", "<multistatus/>", "<error xmlns=\"DAV:\"><valid-sync-token/></error>"] {
            assert_eq!(multistatus(other.as_bytes()), None, "{other}");
        }
        assert_eq!(multistatus(b"<multistatus xmlns=\"DAV:\"/>"), Some(Multistatus::default()));
    }
}
