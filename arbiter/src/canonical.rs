//! The last word on `booking.canonical`: an older version that lands after a newer is followed by the newest again.
//!
//! A predecessor that froze may still have records in its client's queue, and puts them on the topic whenever it thaws. So
//! the owner of a partition follows it: whatever lands out of order, or was not put there by the owner, is compared with the
//! store.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use daybook_domain::BookingId;
use tokio::sync::Notify;

/// Bookings that one partition's watch remembers. Records land within a second of being sent, where there are thousands.
/// What was forgotten too soon costs one look into the store when it lands. Below 1 MB, in 24 partitions 20 MB at most,
/// and only where that many bookings change.
const REMEMBERED: usize = 8_000;

/// What a partition's owner has published, and what it has seen landing. Cheap to clone; lasts as long as one claim.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Shared>);

/// A watch that ends when the claim does.
#[derive(Debug, Clone)]
pub struct WeakWatch(Weak<Shared>);

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    suspected: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    known: HashMap<BookingId, Versions>,
    /// In the order in which they were first met.
    order: VecDeque<BookingId>,
    /// What the store has to be asked about, with the version that landed last.
    suspects: BTreeMap<BookingId, u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Versions {
    /// The highest that the owner has put on its way.
    published: u64,
    /// The highest that landed.
    landed: u64,
}

impl Watch {
    /// The owner is about to put a version of a booking on the topic.
    pub fn publishing(&self, booking: BookingId, version: u64) {
        let mut seen = self.seen();
        let versions = seen.meet(booking);
        versions.published = versions.published.max(version);
    }

    /// A version of a booking has landed on the topic. To be called for every record, in order.
    pub fn landed(&self, booking: BookingId, version: u64) {
        let mut seen = self.seen();
        let versions = seen.meet(booking);
        // Not above what is on its way, which will land after it, if it has not.
        let expected = (versions.landed..=versions.published).contains(&version);
        let last = version == versions.published;
        versions.landed = versions.landed.max(version);
        if !expected {
            seen.suspects.insert(booking, version);
            drop(seen);
            self.0.suspected.notify_one();
        } else if last {
            seen.suspects.remove(&booking);
        }
    }

    /// Something that is no version of this booking has landed under its key: whatever it is, the current row is the better
    /// last word.
    pub fn defaced(&self, booking: BookingId) {
        self.seen().suspects.insert(booking, 0);
        self.0.suspected.notify_one();
    }

    /// Comes back once there are suspects.
    pub async fn suspected(&self) {
        self.0.suspected.notified().await;
    }

    /// Suspects, `max` of them at most, each with the version that landed last: if the store has a newer one, it has to be
    /// published again. The others are told of once more.
    pub fn take(&self, max: usize) -> BTreeMap<BookingId, u64> {
        let mut seen = self.seen();
        let rest = match seen.suspects.keys().nth(max).copied() {
            Some(first) => seen.suspects.split_off(&first),
            None => BTreeMap::new(),
        };
        let more = !rest.is_empty();
        let taken = std::mem::replace(&mut seen.suspects, rest);
        drop(seen);
        if more {
            self.0.suspected.notify_one();
        }
        taken
    }

    /// Puts a suspect back that could not be asked about.
    pub fn put_back(&self, suspects: BTreeMap<BookingId, u64>) {
        for (booking, version) in suspects {
            self.seen().suspects.entry(booking).or_insert(version);
        }
        self.0.suspected.notify_one();
    }

    /// For whoever reads the topic.
    pub fn downgrade(&self) -> WeakWatch {
        WeakWatch(Arc::downgrade(&self.0))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WeakWatch {
    /// The watch, as long as the claim lasts.
    pub fn upgrade(&self) -> Option<Watch> {
        self.0.upgrade().map(Watch)
    }
}

impl Seen {
    fn meet(&mut self, booking: BookingId) -> &mut Versions {
        if !self.known.contains_key(&booking) {
            self.order.push_back(booking);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        self.known.entry(booking).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn booking(n: u128) -> BookingId {
        BookingId::from_uuid(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn what_the_owner_publishes_in_order_is_no_suspect() {
        let watch = Watch::default();
        watch.publishing(booking(1), 1);
        watch.publishing(booking(1), 2);
        watch.landed(booking(1), 1);
        watch.landed(booking(1), 2);
        watch.landed(booking(1), 2);
        assert!(watch.take(10).is_empty());
    }

    #[test]
    fn an_older_version_after_a_newer_is_a_suspect_until_a_newer_lands() {
        let watch = Watch::default();
        watch.publishing(booking(1), 5);
        watch.landed(booking(1), 5);
        watch.landed(booking(1), 4);
        assert_eq!(watch.take(10), BTreeMap::from([(booking(1), 4)]));
        watch.landed(booking(1), 4);
        watch.landed(booking(1), 5);
        assert!(watch.take(10).is_empty());
    }

    #[test]
    fn what_the_owner_did_not_publish_is_a_suspect() {
        let watch = Watch::default();
        watch.landed(booking(1), 7);
        watch.landed(booking(1), 8);
        assert_eq!(watch.take(10), BTreeMap::from([(booking(1), 8)]));
        watch.publishing(booking(1), 9);
        watch.landed(booking(1), 7);
        assert_eq!(watch.take(10), BTreeMap::from([(booking(1), 7)]));
    }

    #[test]
    fn what_nobody_can_read_is_a_suspect_until_the_current_row_lands() {
        let watch = Watch::default();
        watch.defaced(booking(1));
        assert_eq!(watch.take(10), BTreeMap::from([(booking(1), 0)]));
        watch.defaced(booking(1));
        watch.publishing(booking(1), 3);
        watch.landed(booking(1), 3);
        assert!(watch.take(10).is_empty());
    }

    #[test]
    fn memory_is_bounded_and_what_was_forgotten_is_a_suspect() {
        let watch = Watch::default();
        for n in 0..=REMEMBERED as u128 {
            watch.publishing(booking(n), 1);
        }
        assert_eq!(watch.seen().known.len(), REMEMBERED);
        watch.landed(booking(0), 1);
        assert_eq!(watch.take(10).len(), 1);
    }

    #[tokio::test]
    async fn suspects_are_taken_in_parts_and_the_rest_is_told_of_again() {
        let watch = Watch::default();
        for n in 0..5 {
            watch.landed(booking(n), 1);
        }
        let mut taken = Vec::new();
        for part in [2, 2, 1] {
            watch.suspected().await;
            let suspects = watch.take(2);
            assert_eq!(suspects.len(), part);
            taken.extend(suspects.into_keys());
        }
        assert_eq!(taken, (0..5).map(booking).collect::<Vec<_>>());
    }
}
