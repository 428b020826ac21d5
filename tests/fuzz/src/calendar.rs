//! A calendar whose vendor answers everything with the same bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_domain::{SourceName, Timestamp};
use daybook_ingest_core::poll::{Ask, Context, Round, Told, Vendor, Window, records};

use crate::event;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A vendor that names one page after the other is asked no longer than this.
const ASKS_MAX: usize = 20;
/// Series that are expanded of one answer; the shell has a limit of time.
const SERIES_MAX: usize = 50;

/// Whose calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Google's.
    Google,
    /// Outlook's, through Microsoft Graph.
    Graph,
    /// A CalDAV server's.
    CalDav,
    /// A published file.
    Feed,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Google, Self::Graph, Self::CalDav, Self::Feed];

    /// The name of the target.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Google => "poll-google",
            Self::Graph => "poll-graph",
            Self::CalDav => "poll-caldav",
            Self::Feed => "poll-feed",
        }
    }

    const fn vendor(self) -> (Vendor, event::Kind) {
        match self {
            Self::Google => (Vendor::Google, event::Kind::Google),
            Self::Graph => (Vendor::Graph, event::Kind::Outlook),
            Self::CalDav => (Vendor::CalDav, event::Kind::Icalendar),
            Self::Feed => (Vendor::Feed, event::Kind::Icalendar),
        }
    }
}

/// Reads `body` as the answer to every question alone, and then as every answer of a round.
pub(crate) fn check(kind: Kind, body: &[u8]) {
    let (vendor, normalized_as) = kind.vendor();
    let now: Timestamp = "2026-05-04T07:12:12Z".parse().expect("a time");
    let window = Window::around(now, 30 * DAY, 180 * DAY);
    let context = Context { calendar: "anna@clinic.example", window, zone: Some(chrono_tz::Europe::Berlin), root: "" };
    let statuses: &[u16] = match kind {
        Kind::CalDav => &[207, 200, 403],
        Kind::Google | Kind::Graph | Kind::Feed => &[200, 403, 410],
    };
    let told = |status| Told { status, retry_after: None, etag: Some("\"1\""), now, body };
    let read = |ask: &Ask, status| {
        let mut left = SERIES_MAX;
        vendor.read(ask, &context, &told(status), &mut || {
            left = left.saturating_sub(1);
            left > 0
        })
    };
    let name = || "evt-1".to_owned();
    let asks = [
        Ask::Mark { page: None },
        Ask::Changes { cursor: name(), page: None },
        Ask::Instances { series: name(), page: None },
        Ask::One { id: name() },
    ];
    for ask in &asks {
        for status in statuses {
            let answer = read(ask, *status);
            assert!(answer == read(ask, *status), "the same answer was read otherwise");
        }
    }
    for status in &statuses[..2] {
        let mut round = Round::new(vendor, BTreeMap::new(), None, window, now, DAY);
        let mut asked = 0;
        while let Some(ask) = round.next().cloned() {
            asked += 1;
            // What the next question is made of was in the last answer.
            let _ = vendor.request(&ask, &context);
            if asked > ASKS_MAX || round.answer(read(&ask, *status)).is_err() {
                break;
            }
        }
        if round.next().is_none() {
            let outcome = round.finish();
            let ids = outcome.changes.iter().map(|change| &change.id);
            assert!(!ids.chain(&outcome.past).any(|id| id.contains('\0')), "no store takes the id of an event");
            let source: SourceName = "calendar".parse().expect("a name");
            let zone = outcome.zone.as_deref();
            for (record, body) in records(vendor, &source, context.calendar, &outcome.changes, zone, now) {
                assert!(!record.key.is_empty());
                event::check(normalized_as, &body);
            }
        }
    }
}
