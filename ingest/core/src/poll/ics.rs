//! Calendars that are iCalendar, as items: a published file, and what a CalDAV server has of one.

use daybook_icalendar::{EventId, FOOT, HEAD, Unreadable, Wanted, read_each};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::fields::taken;
use super::{Answer, Context, Item, Page, Setback, State};

/// What a text says, as a page. `object` is what it is all of, if it is only part of a calendar. `go_on` is asked before each
/// series.
pub(super) fn page(
    text: &[u8],
    object: Option<&str>,
    context: &Context<'_>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Page, Unreadable> {
    let wanted = Wanted { from: context.window.from, to: context.window.to, zone: context.zone };
    let mut items = Vec::new();
    let calendar = read_each(text, &wanted, go_on, |event| {
        let series = event.id.recurrence.as_ref().map(|_| event.id.uid.clone());
        let text = event.write();
        items.push(Item {
            id: event.id.to_string(),
            series: object.map(str::to_owned).or(series),
            state: if event.takes_time { State::Busy } else { State::Free },
            span: event.times.map(|times| (times.start, times.end)),
            days: false,
            stamp: event.changed,
            hash: Sha256::digest(&text).into(),
            body: Value::String(text),
        });
    })?;
    // Whoever reads it on says what is wrong with it, where somebody will see it.
    for fault in calendar.faults {
        let hash: [u8; 32] = Sha256::digest(&fault.text).into();
        let id = fault.id.map_or_else(|| format!("nameless-{}", hex::encode(&hash[..8])), |id| id.to_string());
        items.push(Item {
            id,
            series: object.map(str::to_owned),
            state: State::Busy,
            span: None,
            days: false,
            stamp: None,
            hash,
            body: Value::String(fault.text),
        });
    }
    let (items, skipped) = taken(items);
    Ok(Page { items, skipped, ..Page::default() })
}

/// An answer that cannot be read. Half of one comes whole the next time; of one that never ends nothing else will be heard.
pub(super) fn unreadable(error: Unreadable) -> Answer {
    Answer::Setback(match error {
        Unreadable::NotUtf8 | Unreadable::NotACalendar | Unreadable::Truncated => Setback::Later(None),
        Unreadable::TooMany | Unreadable::TooSlow => Setback::Refused,
    })
}

/// How an event that is gone is said to be.
pub(super) fn gone(id: &str) -> Value {
    Value::String(EventId::parse(id).write_gone())
}

/// How a page of these is written.
pub(super) fn written(items: &[Value]) -> Vec<u8> {
    let events: String = items.iter().filter_map(Value::as_str).collect();
    format!("{HEAD}{events}{FOOT}").into_bytes()
}
