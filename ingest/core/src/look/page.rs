//! Which bookings: the filter of a list, and its pages.

use std::fmt::Write as _;
use std::time::Duration;

use daybook_ask::Fault;
use daybook_domain::{BookingKind, Interval, ResourceId, SourceName, Timestamp};

use super::cursor::Cursor;
use super::fields::Fields;

/// Bookings on a page, unless it is said.
pub const PAGE_DEFAULT: u64 = 50;
/// Bookings on a page at most.
pub const PAGE_MAX: u64 = 200;
/// How many resources one list may be of.
const RESOURCES_MAX: usize = 100;
/// How long a time a list of every resource may be of: what a wall of calendars shows.
const EVERYWHERE_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// A booking's status, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Kept until it is confirmed or lapses.
    Held,
    /// Made.
    Confirmed,
    /// Kept for an announced replacement.
    Awaiting,
    /// Gone.
    Cancelled,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Held, Self::Confirmed, Self::Awaiting, Self::Cancelled];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Confirmed => "confirmed",
            Self::Awaiting => "awaiting",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Not one of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not known")]
pub struct Unknown;

impl std::str::FromStr for Status {
    type Err = Unknown;
    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(Unknown)
    }
}

/// A kind, as a word.
struct Kind(BookingKind);

impl std::str::FromStr for Kind {
    type Err = Unknown;
    fn from_str(text: &str) -> Result<Self, Unknown> {
        let kinds = [BookingKind::Booking, BookingKind::Busy];
        kinds.into_iter().find(|kind| kind.as_str() == text).map(Self).ok_or(Unknown)
    }
}

/// What a list holds, and where it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingFilter {
    /// Of these resources; of all that the caller may read, if there are none.
    pub resources: Vec<ResourceId>,
    /// With a part of this time; whenever, if there is none.
    pub window: Option<Interval>,
    /// With one of these; whatever is live, if nothing is said.
    pub statuses: Vec<Status>,
    /// Bookings and time that is taken elsewhere, or one of them.
    pub kind: Option<BookingKind>,
    /// That this source speaks for.
    pub source: Option<SourceName>,
    /// After this one.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: u64,
}

impl BookingFilter {
    /// From the query.
    pub fn read(mut fields: Fields) -> Result<Self, Vec<Fault>> {
        let resources: Vec<ResourceId> = fields.list("resource", "give a resource's id; several as several parameters");
        let window = window(&mut fields);
        let mut statuses: Vec<Status> = fields.list("status", "give held, confirmed, awaiting or cancelled");
        let kind = fields.one::<Kind>("kind", "give booking or busy").map(|kind| kind.0);
        let source = fields.one("source", "give a source's name");
        let limit = fields.number("limit", 1, PAGE_MAX).unwrap_or(PAGE_DEFAULT);
        let after = fields.one::<Cursor>("cursor", "give the `next` of a page, as it is");
        statuses.sort();
        statuses.dedup();
        if statuses.is_empty() {
            statuses = vec![Status::Held, Status::Confirmed, Status::Awaiting];
        }
        if resources.len() > RESOURCES_MAX {
            fields.fault("resource", "is there too often", format!("give at most {RESOURCES_MAX}"));
        }
        if resources.is_empty() && window.is_none_or(|window| window.length() > EVERYWHERE_MAX) {
            let fix = "give from and to, at most 31 days apart; or name a resource";
            fields.fault("from", "is missing, or to is too far from it, for a list of every resource", fix);
        }
        let filter = Self { resources, window, statuses, kind, source, after, limit };
        if after.is_some_and(|cursor| cursor.filter != filter.fingerprint()) {
            fields.fault(
                "cursor",
                "belongs to a list with another filter",
                "repeat the filter, or begin without a cursor",
            );
        }
        let faults = fields.finish();
        if faults.is_empty() { Ok(filter) } else { Err(faults) }
    }

    /// Where a page that ended with this booking goes on.
    pub fn cursor(&self, start: Timestamp, booking: daybook_domain::BookingId) -> Cursor {
        Cursor { start, booking, filter: self.fingerprint() }
    }

    fn fingerprint(&self) -> [u8; 4] {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write!(text, "{:?}", (&self.resources, &self.window, &self.statuses, self.kind, &self.source));
        Cursor::fingerprint(&text)
    }
}

/// Both ends or none.
fn window(fields: &mut Fields) -> Option<Interval> {
    let zone = fields.zone();
    let (from, to) = (fields.time("from", zone), fields.time("to", zone));
    if from.is_none() && to.is_none() {
        return None;
    }
    let window = Interval::new(from.unwrap_or(Timestamp::EPOCH), to.unwrap_or(Timestamp::MAX));
    if window.is_err() {
        fields.fault("to", "is not after from", "give a later time");
    }
    window.ok()
}

#[cfg(test)]
mod tests {
    use daybook_domain::BookingId;

    use super::*;

    fn read(text: &str) -> Result<BookingFilter, String> {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let fields = Fields::of_query(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        BookingFilter::read(fields)
            .map_err(|faults| faults.iter().map(|fault| format!("{} {}; ", fault.field, fault.problem)).collect())
    }

    #[test]
    fn a_list_is_of_what_is_live_unless_it_is_said() {
        let live = read("resource=anna").expect("a filter");
        assert_eq!(live.statuses, [Status::Held, Status::Confirmed, Status::Awaiting]);
        assert_eq!((live.limit, live.window, live.kind), (PAGE_DEFAULT, None, None));
        let gone = read("resource=anna&resource=bea&status=cancelled&kind=busy&limit=1").expect("a filter");
        assert_eq!((gone.statuses, gone.resources.len(), gone.limit), (vec![Status::Cancelled], 2, 1));
        assert_eq!(gone.kind, Some(BookingKind::Busy));
    }

    #[test]
    fn a_list_of_every_resource_is_of_a_month_at_most() {
        let refused = read("from=2027-03-01T00:00:00Z").expect_err("no end");
        assert!(refused.contains("for a list of every resource"), "{refused}");
        read("from=2027-03-01T00:00:00Z&to=2027-04-01T00:00:00Z").expect("31 days");
        read("resource=anna&from=2027-03-01T00:00:00Z").expect("of one resource, from then on");
    }

    #[test]
    fn a_cursor_goes_on_where_the_same_filter_ended_and_nowhere_else() {
        let first = read("resource=anna&limit=10").expect("a filter");
        let at = first.cursor(Timestamp::EPOCH, BookingId::from_uuid(uuid::Uuid::from_u128(1)));
        assert_eq!(read(&format!("resource=anna&limit=20&cursor={at}")).expect("a filter").after, Some(at));
        let other = read(&format!("resource=bea&cursor={at}")).expect_err("another filter");
        assert!(other.contains("cursor belongs to a list with another filter"), "{other}");
        assert!(read("resource=anna&cursor=2").expect_err("no cursor").contains("cursor is no cursor of ours"));
        assert!(read("resource=anna&status=lost").expect_err("no status").contains("status is not known"));
    }
}
