//! What an event says in the core's words, given what is known by then.

use daybook_domain::{
    Basis, BookingId, CancelKind, Claim, Elsewhere, Expected, Identity, Interval, Operation, Request, RequestId,
    SourceName, SourceVersion, Subject, Tag, Timestamp,
};

use super::{
    Belief, Event, NAMES, SOURCES, What, Wish, booking_id, contact, content, elsewhere, identity, later, minutes, of,
    source,
};
use crate::naive::Naive;

impl Event {
    /// What it says, in the core's words: as the `nth` of a story that began on a day, at a time of the log, given what
    /// is known by then.
    pub fn request(&self, nth: usize, day: usize, now: Timestamp, known: &Naive) -> Request {
        let says = Says { nth, day, now, known, who: self.who(known), event: self };
        let mut request = Request {
            request_id: RequestId::derive("machine", known.resource.as_str(), nth),
            resource: known.resource.clone(),
            source: source(says.who.0),
            event_id: nth.to_string(),
            basis: match (self.is_promised, self.is_imported) {
                (true, true) => Basis::Imported,
                (true, false) => Basis::Promised,
                (false, _) => Basis::Asked,
            },
            expected: Expected::default(),
            digest: None,
            sourced_at: self.ago.map(|ago| later(now, -ago)),
            received_at: later(now, -1),
            operation: says.operation(),
        };
        if matches!(self.what, What::Expire { .. } | What::Stands { .. } | What::Left) {
            request.source = SourceName::daybook();
            request.basis = Basis::Asked;
            if let Operation::Expire { booking_id, deadline } = request.operation {
                request.request_id = RequestId::of_expiry(booking_id, deadline);
            }
        } else {
            let booking = known.about(&request).first().map_or(0, |booking| booking.version);
            request.expected = match self.belief {
                Belief::Nothing => Expected::default(),
                Belief::Booking(off) => {
                    Expected { booking_version: Some(booking.saturating_add_signed(off)), resource_version: None }
                }
                Belief::Resource(off) => {
                    Expected { booking_version: None, resource_version: Some(known.version.saturating_add_signed(off)) }
                }
            };
        }
        request
    }

    /// The source, and the name that it uses.
    fn who(&self, known: &Naive) -> (usize, usize) {
        let all = (0..SOURCES.len()).flat_map(|source| (0..NAMES.len()).map(move |name| (source, name)));
        let known: Vec<_> =
            all.filter(|(source, name)| known.named(identity(*source, *name).key()).is_some()).collect();
        match known.get((self.source * NAMES.len() + self.name) % known.len().max(1)) {
            Some(who) if self.is_known => *who,
            Some(_) | None => (self.source, self.name),
        }
    }
}

struct Says<'a> {
    event: &'a Event,
    who: (usize, usize),
    nth: usize,
    day: usize,
    now: Timestamp,
    known: &'a Naive,
}

impl Says<'_> {
    fn operation(&self) -> Operation {
        match &self.event.what {
            What::Book(wish) => Operation::Book(self.claim(wish)),
            What::Hold(wish, ttl) => Operation::Hold { claim: self.claim(wish), ttl: minutes(*ttl) },
            What::Confirm { content: shown, other } => {
                Operation::Confirm { subject: self.subject(*other), content: shown.map(content) }
            }
            What::Release { other } => Operation::Release { subject: self.subject(*other), moved_to: None },
            What::Reschedule(previous, wish) => {
                Operation::Reschedule { previous: identity(self.who.0, *previous), claim: self.claim(wish) }
            }
            What::Update { content: shown, other } => {
                Operation::Update { subject: self.subject(*other), content: content(*shown) }
            }
            What::Cancel { is_half, interval, other } => Operation::Cancel {
                subject: self.subject(*other),
                interval: interval.map(|(start, length)| self.interval(start, 0, length)),
                kind: if *is_half { CancelKind::AwaitingReplacement } else { CancelKind::Plain },
            },
            What::Observe(wish) => Operation::Observe(self.claim(wish)),
            What::Define(setting) => Operation::Define(setting.rules(self.day)),
            What::Redact => Operation::Redact { booking_id: self.own_id(None) },
            What::Expire { is_right } => {
                let waits = |booking: &&daybook_domain::BookingState| booking.standing.deadline().is_some();
                let waiting = self.known.list.iter().filter(waits).nth(self.who.1 % 2);
                let deadline = waiting.and_then(|booking| booking.standing.deadline()).filter(|_| *is_right);
                Operation::Expire {
                    booking_id: waiting.map_or_else(|| self.own_id(None), |booking| booking.booking_id),
                    deadline: deadline.unwrap_or(self.now),
                }
            }
            What::Stands { named } => {
                let identity = Identity::pseudonym(identity(self.who.0, *named).key());
                let subject = Subject { booking_id: self.some_id(), identity, version: self.version(-100) };
                Operation::Confirm { subject, content: None }
            }
            What::Left => {
                let identity = Identity::pseudonym(identity(self.who.0, self.who.1).key());
                let booking_id = booking_id(self.who.0, self.who.1, &elsewhere());
                Operation::Release {
                    subject: Subject { booking_id: self.some_id(), identity, version: self.version(-100) },
                    moved_to: Some(Elsewhere { resource: elsewhere(), booking_id }),
                }
            }
        }
    }

    /// The booking that has the name now, whatever it was called first.
    fn some_id(&self) -> BookingId {
        let key = identity(self.who.0, self.who.1).key();
        let named = self.known.list.iter().find(|booking| booking.keys.contains(&key));
        named.map_or_else(|| self.own_id(None), |booking| booking.booking_id)
    }

    fn own_id(&self, other: Option<usize>) -> BookingId {
        booking_id(self.who.0, other.unwrap_or(self.who.1), &self.known.resource)
    }

    fn version(&self, lag: i64) -> SourceVersion {
        let rank = (i64::try_from(self.nth / 2).expect("short") + lag).max(0);
        SourceVersion { sequence: rank / 3, updated_at: Timestamp::from_micros(rank % 3).expect("in range") }
    }

    fn subject(&self, other: Option<usize>) -> Subject {
        Subject {
            booking_id: self.own_id(other),
            identity: identity(self.who.0, self.who.1),
            version: self.version(self.event.lag),
        }
    }

    fn interval(&self, start: i64, days: i64, length: i64) -> Interval {
        const PERIOD: i64 = 120 * 60_000_000;
        let period = self.now.micros() / PERIOD * PERIOD;
        let start = later(Timestamp::from_micros(period).expect("of our days"), start * 10 + days * 1_440);
        Interval::new(start, later(start, length * 10)).expect("not empty")
    }

    fn claim(&self, wish: &Wish) -> Claim {
        let standing = self.known.list.iter().filter_map(|booking| booking.standing.live());
        let standing: Vec<Interval> = standing.filter(|_| wish.is_taken).collect();
        let nth = usize::try_from(wish.start + 2).expect("not before") % standing.len().max(1);
        let interval = standing.get(nth).copied();
        let moved_from = wish
            .moved_from
            .map(|name| Elsewhere { resource: elsewhere(), booking_id: booking_id(self.who.0, name, &elsewhere()) });
        Claim {
            booking_id: self.own_id(wish.other),
            identity: identity(self.who.0, self.who.1),
            version: self.version(self.event.lag),
            interval: interval.unwrap_or_else(|| self.interval(wish.start, wish.days, wish.length)),
            content: wish.content.map(content),
            contacts: of(wish.contacts, contact),
            tags: of(wish.tags, |nth| Tag::derive("ical", &nth.to_string())),
            mark: wish.mark.map(|(source, name)| booking_id(source, name, &self.known.resource)),
            moved_from,
        }
    }
}
