//! What has become of a source's event, as far as can be known now.
//!
//! Invariant: "decided" and "no effect" are final, but for the same event being sent again: they are said only when the
//! stages behind have passed the event, so that nothing more can follow from it.

use daybook_domain::{RequestId, ResourceId, SourceName};
use uuid::Uuid;

/// The name space of what events are kept under: a UUID drawn once, never to be changed.
const EVENTS: Uuid = Uuid::from_u128(0x5e0f_83c1_77d2_5c49_b6aa_31f0_9d24_e8b7);

/// The most requests that one event comes to on its own account: 100 items, or as many hosts.
const ITEMS_MAX: usize = 100;

/// What an event is kept under: a pseudonym of its source and id, because an id may be anything, an address too.
pub fn event_key(source: &SourceName, ce_id: &str) -> Uuid {
    // A source's name has no blank, so no two pairs run into each other.
    Uuid::new_v5(&EVENTS, format!("{source} {ce_id}").as_bytes())
}

/// The ids of the requests that may have come of an event: of its items, and of the same on each resource on which the
/// booking that it names was known already.
pub fn request_ids(ce_source: &str, ce_id: &str, resources: &[ResourceId]) -> Vec<RequestId> {
    let named: Vec<String> = resources.iter().map(|resource| format!("{ce_id} {resource}")).collect();
    let names = || std::iter::once(ce_id).chain(named.iter().map(String::as_str));
    (0..ITEMS_MAX).flat_map(|item| names().map(move |name| RequestId::derive(ce_source, name, item))).collect()
}

/// How far the stages behind have come, seen from one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The normalizer has finished with it: all that it makes of it is written.
    pub normalized: bool,
    /// Whatever was written by then is decided.
    pub decided: bool,
}

/// What has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is kept, and nothing was made of it yet; or it waits for the booking that it names.
    Received,
    /// Requests were made of it, and not all are decided.
    Waiting,
    /// All that was made of it is decided.
    Decided,
    /// Something in it could not be made into a request, and needs somebody.
    DeadLettered,
    /// Nothing was to be made of it.
    NoEffect,
}

impl Fate {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Waiting => "waiting",
            Self::Decided => "decided",
            Self::DeadLettered => "dead_lettered",
            Self::NoEffect => "no_effect",
        }
    }

    /// Of an event with so many decisions and dead letters.
    pub const fn of(passed: Passed, decisions: usize, dead_letters: usize) -> Self {
        match (dead_letters > 0, decisions > 0, passed.normalized, passed.decided) {
            (true, _, _, _) => Self::DeadLettered,
            (false, true, true, true) => Self::Decided,
            (false, true, _, _) | (false, false, true, false) => Self::Waiting,
            (false, false, true, true) => Self::NoEffect,
            (false, false, false, _) => Self::Received,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_goes_from_received_to_decided_and_nothing_is_final_before_its_time() {
        let passed = |normalized, decided| Passed { normalized, decided };
        assert_eq!(Fate::of(passed(false, false), 0, 0), Fate::Received);
        // The arbiter has nothing to do, which says nothing of what is not written yet.
        assert_eq!(Fate::of(passed(false, true), 0, 0), Fate::Received);
        assert_eq!(Fate::of(passed(true, false), 0, 0), Fate::Waiting);
        // The first of two requests is decided.
        assert_eq!(Fate::of(passed(false, true), 1, 0), Fate::Waiting);
        assert_eq!(Fate::of(passed(true, false), 1, 0), Fate::Waiting);
        assert_eq!(Fate::of(passed(true, true), 1, 0), Fate::Decided);
        assert_eq!(Fate::of(passed(true, true), 0, 0), Fate::NoEffect);
        // Whoever has to mend something hears of it at once.
        assert_eq!(Fate::of(passed(false, false), 0, 1), Fate::DeadLettered);
        assert_eq!(Fate::of(passed(true, true), 3, 1), Fate::DeadLettered);
    }

    #[test]
    fn the_requests_of_an_event_are_those_that_the_normalizer_makes() {
        let room: ResourceId = "room-7".parse().expect("an id");
        let ids = request_ids("/webhooks/calendly", "evt-1", &[room]);
        assert_eq!(ids.len(), 200);
        assert!(ids.contains(&RequestId::derive("/webhooks/calendly", "evt-1", 0)));
        assert!(ids.contains(&RequestId::derive("/webhooks/calendly", "evt-1", 99)));
        assert!(ids.contains(&RequestId::derive("/webhooks/calendly", "evt-1 room-7", 3)));
    }

    #[test]
    fn the_pseudonym_is_pinned_because_stores_hold_it() {
        let key = event_key(&"calendly".parse().expect("a name"), "evt-1");
        expect_test::expect!["0270ced8-31fd-518b-9af7-7f0475874ac1"].assert_eq(&key.to_string());
    }
}
