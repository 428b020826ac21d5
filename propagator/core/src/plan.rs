//! What is to be done for one booking at one target.
//!
//! Level, not edge: the newest state is compared with what the target is known to hold, so superseded versions never
//! appear, and order holds by construction.

use std::fmt;

use daybook_domain::{Attendee, BookingId, BookingKind, Interval, ResourceId, Standing, Tag, Timestamp};

use crate::{Fields, Removal, Visible, VisibleStatus};

/// A booking as it stands in the store. `Debug` shows nothing that people see.
#[derive(Clone, PartialEq, Eq)]
pub struct BookingView {
    /// Its id.
    pub booking_id: BookingId,
    /// Whose time.
    pub resource: ResourceId,
    /// What it is.
    pub kind: BookingKind,
    /// Where it stands.
    pub standing: Standing,
    /// Rises with every change.
    pub version: u64,
    /// When this version was decided, by the log's time.
    pub decided_at: Timestamp,
    /// IANA zone of the resource; display only.
    pub resource_time_zone: Option<String>,
    /// IANA zone that the source gave; display only.
    pub source_time_zone: Option<String>,
    /// What the meeting is called.
    pub title: Option<String>,
    /// Who attends.
    pub attendees: Vec<Attendee>,
    /// What it is called across systems, by pseudonym: by these an entry is known that a vendor has made for it.
    pub tags: Vec<Tag>,
}

impl fmt::Debug for BookingView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BookingView({} version {}, {:?})", self.booking_id, self.version, self.standing)
    }
}

/// What is known of a booking at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The target has never heard of it.
    Nothing,
    /// The target showed it and shows it no more.
    Removed {
        /// The version that ended it.
        version: u64,
    },
    /// The target shows it.
    Entry {
        /// The version shown.
        version: u64,
        /// What the target calls it.
        external_id: String,
        /// The target's mark of that state; none if it gave none.
        etag: Option<String>,
        /// Who has made it.
        maker: Maker,
    },
    /// A call was begun and its end is not known.
    Unsure {
        /// The version that the target held, or that ended what it held, before the doubt; 0 for none.
        version: u64,
        /// What the target calls it, if it did before the doubt.
        external_id: Option<String>,
        /// Who has made that.
        maker: Maker,
    },
}

/// Who has made an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Maker {
    /// Daybook.
    #[default]
    Daybook,
    /// The vendor that the booking was made at: its times are kept as decided, and the rest of it is the vendor's.
    Vendor,
    /// The same, and it is the entry of other bookings, too: several people who meet at once. The last of them removes it.
    VendorForSeveral,
}

impl Known {
    /// What the delivery row knows. `applied_version` is 0 for none; `external_id` is none where nothing is shown.
    ///
    /// `in_doubt` is set in the transaction that takes the lease, before any call, and is then overwritten with
    /// [`Conclusion::in_doubt`](crate::Conclusion): so a worker that dies between the two leaves it set.
    pub fn from_row(
        applied_version: u64,
        external_id: Option<String>,
        etag: Option<String>,
        in_doubt: bool,
        maker: Maker,
    ) -> Self {
        match (in_doubt, external_id) {
            (true, external_id) => Self::Unsure { version: applied_version, external_id, maker },
            (false, Some(external_id)) => Self::Entry { version: applied_version, external_id, etag, maker },
            (false, None) if applied_version == 0 => Self::Nothing,
            (false, None) => Self::Removed { version: applied_version },
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Show the booking so.
    Put(Visible),
    /// Show it no more.
    Remove(Removal),
    /// There is nothing of it that the target is to be told of, and it was told of nothing, or what it shows is others' as well: no
    /// call.
    NothingToShow,
    /// The target holds this version, or a newer one, already: no call.
    UpToDate,
}

/// What is to be done for this booking at a target with these fields, of which this is known.
pub fn plan(booking: &BookingView, fields: Fields, known: &Known) -> Action {
    let version_known = match known {
        Known::Entry { version, .. } | Known::Removed { version } => Some(*version),
        Known::Nothing | Known::Unsure { .. } => None,
    };
    if version_known.is_some_and(|version| version >= booking.version) {
        return Action::UpToDate;
    }
    match showable(booking) {
        Some((status, interval)) => Action::Put(visible(booking, fields, status, interval)),
        None => match known {
            Known::Nothing => Action::NothingToShow,
            Known::Removed { .. } => Action::UpToDate,
            Known::Entry { maker: Maker::VendorForSeveral, .. }
            | Known::Unsure { maker: Maker::VendorForSeveral, .. } => Action::NothingToShow,
            Known::Entry { .. } | Known::Unsure { .. } => Action::Remove(Removal {
                booking_id: booking.booking_id,
                resource: booking.resource.clone(),
                version: booking.version,
                last: booking.standing.interval(),
                decided_at: booking.decided_at,
                resource_time_zone: booking.resource_time_zone.clone(),
            }),
        },
    }
}

/// What is to be done at a target that takes cancellations and nothing else: those of bookings that its own customers have made there.
/// `is_theirs` is whether this is one. Nothing is known of what it holds but the version that it was told of last.
pub fn plan_cancellation(booking: &BookingView, is_theirs: bool, known: &Known) -> Action {
    let version_known = match known {
        Known::Entry { version, .. } | Known::Removed { version } => Some(*version),
        Known::Nothing | Known::Unsure { .. } => None,
    };
    if version_known.is_some_and(|version| version >= booking.version) {
        return Action::UpToDate;
    }
    match (booking.kind, booking.standing) {
        (BookingKind::Booking, Standing::Cancelled { last }) if is_theirs => Action::Remove(Removal {
            booking_id: booking.booking_id,
            resource: booking.resource.clone(),
            version: booking.version,
            last,
            decided_at: booking.decided_at,
            resource_time_zone: booking.resource_time_zone.clone(),
        }),
        (
            BookingKind::Booking | BookingKind::Busy,
            Standing::Held { .. } | Standing::Confirmed(_) | Standing::Awaiting { .. } | Standing::Cancelled { .. },
        ) => Action::NothingToShow,
    }
}

/// How and when a target is to show it, if it is.
const fn showable(booking: &BookingView) -> Option<(VisibleStatus, Interval)> {
    match (booking.kind, booking.standing) {
        (BookingKind::Booking, Standing::Confirmed(interval)) => Some((VisibleStatus::Confirmed, interval)),
        (BookingKind::Booking, Standing::Awaiting { interval, .. }) => Some((VisibleStatus::Awaiting, interval)),
        // A hold is nobody's business until it is confirmed: most of them never are.
        (BookingKind::Booking, Standing::Held { .. } | Standing::Cancelled { .. }) => None,
        // It was seen in somebody's calendar: to show it again would be to double it there.
        (
            BookingKind::Busy,
            Standing::Held { .. } | Standing::Confirmed(_) | Standing::Awaiting { .. } | Standing::Cancelled { .. },
        ) => None,
    }
}

fn visible(booking: &BookingView, fields: Fields, status: VisibleStatus, interval: Interval) -> Visible {
    Visible {
        booking_id: booking.booking_id,
        resource: booking.resource.clone(),
        version: booking.version,
        status,
        interval,
        decided_at: booking.decided_at,
        resource_time_zone: booking.resource_time_zone.clone(),
        source_time_zone: booking.source_time_zone.clone().filter(|_| fields.attendees),
        title: booking.title.clone().filter(|_| fields.title),
        attendees: if fields.attendees { booking.attendees.clone() } else { Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use daybook_domain::ContactId;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn interval() -> Interval {
        Interval::new(at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z")).expect("an interval")
    }

    fn booking(version: u64, standing: Standing) -> BookingView {
        BookingView {
            booking_id: "4acc2233-7ebf-5ca1-aa36-48892920231a".parse().expect("an id"),
            resource: "anna".parse().expect("a name"),
            kind: BookingKind::Booking,
            standing,
            version,
            decided_at: at("2026-03-01T00:00:00Z"),
            resource_time_zone: Some("Europe/Berlin".to_owned()),
            source_time_zone: Some("Asia/Tokyo".to_owned()),
            title: Some("Surgery".to_owned()),
            attendees: vec![Attendee {
                contact_id: ContactId::from_bytes([7; 16]),
                name: Some("Jane".to_owned()),
                email: None,
                phone: None,
            }],
            tags: Vec::new(),
        }
    }

    fn confirmed(version: u64) -> BookingView {
        booking(version, Standing::Confirmed(interval()))
    }

    fn cancelled(version: u64) -> BookingView {
        booking(version, Standing::Cancelled { last: Some(interval()) })
    }

    fn entry(version: u64) -> Known {
        Known::from_row(version, Some("x.ics".to_owned()), None, false, Maker::Daybook)
    }

    fn put(action: Action) -> Visible {
        match action {
            Action::Put(visible) => visible,
            other @ (Action::Remove(_) | Action::NothingToShow | Action::UpToDate) => panic!("not a put: {other:?}"),
        }
    }

    #[test]
    fn a_target_sees_busy_time_only_unless_it_lists_more() {
        let seen = |fields| put(plan(&confirmed(1), fields, &Known::Nothing));
        let busy = seen(Fields::default());
        assert_eq!((busy.title, busy.attendees.len(), busy.source_time_zone), (None, 0, None));
        let titled = seen(Fields { title: true, attendees: false });
        assert_eq!((titled.title.as_deref(), titled.attendees.len()), (Some("Surgery"), 0));
        let attended = seen(Fields { title: false, attendees: true });
        assert_eq!((attended.title, attended.attendees.len()), (None, 1));
        assert_eq!(attended.source_time_zone.as_deref(), Some("Asia/Tokyo"));
    }

    #[test]
    fn a_booking_created_and_cancelled_before_anything_was_sent_is_never_mentioned() {
        assert_eq!(plan(&cancelled(2), Fields::default(), &Known::Nothing), Action::NothingToShow);
    }

    #[test]
    fn a_cancellation_after_a_create_whose_end_is_not_known_is_a_removal() {
        let unsure = Known::from_row(0, None, None, true, Maker::Daybook);
        assert!(
            matches!(plan(&cancelled(2), Fields::default(), &unsure), Action::Remove(removal) if removal.version == 2)
        );
    }

    #[test]
    fn a_cancellation_of_what_is_shown_is_a_removal_and_of_what_is_removed_is_nothing() {
        assert!(matches!(plan(&cancelled(2), Fields::default(), &entry(1)), Action::Remove(_)));
        assert_eq!(plan(&cancelled(3), Fields::default(), &Known::Removed { version: 2 }), Action::UpToDate);
    }

    #[test]
    fn a_booking_that_awaits_its_replacement_still_shows() {
        let waiting = booking(2, Standing::Awaiting { interval: interval(), until: at("2026-03-01T00:15:00Z") });
        assert_eq!(put(plan(&waiting, Fields::default(), &entry(1))).status, VisibleStatus::Awaiting);
    }

    #[test]
    fn a_hold_is_shown_to_nobody_until_it_is_confirmed() {
        let held = booking(1, Standing::Held { interval: interval(), until: at("2026-03-01T00:10:00Z") });
        assert_eq!(plan(&held, Fields::default(), &Known::Nothing), Action::NothingToShow);
        let told_of_nothing = Known::from_row(1, None, None, false, Maker::Daybook);
        assert_eq!(put(plan(&confirmed(2), Fields::default(), &told_of_nothing)).version, 2);
        let again = BookingView { version: 3, ..held };
        assert!(matches!(
            plan(&again, Fields::default(), &entry(2)),
            Action::Remove(removal) if removal.last == Some(interval())
        ));
    }

    #[test]
    fn time_that_is_taken_elsewhere_is_shown_to_nobody() {
        let until = at("2026-03-01T00:15:00Z");
        for standing in [
            Standing::Confirmed(interval()),
            Standing::Held { interval: interval(), until },
            Standing::Awaiting { interval: interval(), until },
            Standing::Cancelled { last: Some(interval()) },
        ] {
            let busy = BookingView { kind: BookingKind::Busy, ..booking(2, standing) };
            assert_eq!(plan(&busy, Fields::default(), &Known::Nothing), Action::NothingToShow);
            assert!(matches!(plan(&busy, Fields::default(), &entry(1)), Action::Remove(_)));
        }
    }

    #[test]
    fn an_entry_that_a_vendor_has_made_for_several_is_left_to_the_last_of_them() {
        let known = |maker, in_doubt| Known::from_row(1, Some("e1".to_owned()), None, in_doubt, maker);
        for in_doubt in [false, true] {
            let told = |maker| plan(&cancelled(2), Fields::default(), &known(maker, in_doubt));
            assert_eq!(told(Maker::VendorForSeveral), Action::NothingToShow);
            assert!(matches!(told(Maker::Vendor), Action::Remove(_)));
        }
    }

    #[test]
    fn a_booking_that_lives_again_after_its_removal_is_shown_again() {
        assert_eq!(put(plan(&confirmed(4), Fields::default(), &Known::Removed { version: 3 })).version, 4);
    }

    #[test]
    fn a_version_that_the_target_holds_or_has_passed_is_not_sent() {
        assert_eq!(plan(&confirmed(2), Fields::default(), &entry(2)), Action::UpToDate);
        assert_eq!(plan(&confirmed(2), Fields::default(), &entry(3)), Action::UpToDate);
        assert_eq!(plan(&cancelled(2), Fields::default(), &entry(3)), Action::UpToDate);
    }

    #[test]
    fn a_source_hears_of_the_cancellation_of_its_own_bookings_and_of_nothing_else() {
        let told = Known::Removed { version: 1 };
        for (booking, theirs, known, removes) in [
            (cancelled(2), true, &told, true),
            (cancelled(2), true, &Known::Nothing, true),
            (cancelled(2), true, &Known::Unsure { version: 1, external_id: None, maker: Maker::Daybook }, true),
            (cancelled(2), false, &told, false),
            (confirmed(2), true, &told, false),
            (BookingView { kind: BookingKind::Busy, ..cancelled(2) }, true, &told, false),
        ] {
            let action = plan_cancellation(&booking, theirs, known);
            assert_eq!(matches!(action, Action::Remove(_)), removes, "{booking:?} {known:?}");
            assert_eq!(action == Action::NothingToShow, !removes, "{booking:?} {known:?}");
        }
        assert_eq!(plan_cancellation(&cancelled(2), true, &Known::Removed { version: 2 }), Action::UpToDate);
    }

    #[test]
    fn the_debug_texts_hide_what_people_see() {
        let fields = Fields { title: true, attendees: true };
        let texts = format!("{:?} {:?}", confirmed(1), plan(&confirmed(1), fields, &Known::Nothing));
        assert!(!texts.contains("Surgery") && !texts.contains("Jane") && !texts.contains("Tokyo"), "{texts}");
    }
}
