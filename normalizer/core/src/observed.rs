//! Events of calendars that are observed: what becomes of one, whichever vendor wrote it.

use daybook_domain::{Basis, CancelKind, Expected, SourceVersion, normal_alias};

use crate::contact;
use crate::draft::{Address, Ask, Draft, Entry, Person, Place, Scope, Wish};
use crate::json::Node;
use crate::path::{Drift, Path};
use crate::source::RawEvent;

/// Where an event of a calendar is, and what it is called there.
pub(crate) struct Sighting<'a> {
    pub raw: RawEvent<'a>,
    /// Which item of the page it is.
    pub item: usize,
    /// Where in the page.
    pub path: &'a Path,
    /// The id of its calendar, which is an alias, and where that is said.
    pub calendar: (String, Path),
    /// Its own id.
    pub id: &'a str,
}

impl Sighting<'_> {
    /// The time that it takes; with none, it takes no time any more. As of when the calendar was asked.
    pub fn entry(self, wish: Option<Wish>) -> Entry {
        let Self { raw, item, path, calendar: (calendar, named), id } = self;
        let asked = raw.event.received_at;
        // One event is in many calendars under one id, and may be gone from one of them.
        let (ask, scope) = match wish {
            Some(wish) => (Ask::Observe(wish), Scope::Named),
            None => (Ask::Cancel { interval: None, kind: CancelKind::Plain }, Scope::Everywhere),
        };
        Entry::Draft(Box::new(Draft {
            item,
            path: path.clone(),
            identity: format!("{calendar}/{id}"),
            version: SourceVersion { sequence: 0, updated_at: asked },
            sourced_at: Some(asked),
            places: vec![Place { item, path: named, resource: None, aliases: vec![normal_alias(&calendar)] }],
            scope,
            basis: Basis::Promised,
            expected: Expected::default(),
            digest: None,
            booking_id: None,
            ask,
        }))
    }
}

/// The calendar that an event says it is of, by its attribute.
pub(crate) fn subject(raw: RawEvent<'_>) -> Option<(String, Path)> {
    raw.event.subject.clone().map(|subject| (subject, Path::default().field("(ce_subject)")))
}

/// Somebody who attends. An address that does not read is nobody, and costs nobody their time.
pub(crate) fn attendee(email: &Node<'_>, drift: &mut Drift) -> Option<Person> {
    match contact::email(email) {
        Ok(email) => Some(Person { name: None, address: Address::Email { email, phone: None } }),
        Err(_) => {
            drift.note(email.path());
            None
        }
    }
}
