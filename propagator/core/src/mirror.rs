//! One attempt at a calendar behind a vendor's API, as a conversation: the shell sends [`Exchange::call`], hands in the answer, and
//! repeats until it gets a [`Conclusion`]. How each vendor is asked, and what it answers, is in `google.rs` and `outlook.rs`.
//!
//! - A booking has one entry. Google takes the id that it is to have: the booking's, and its *generation*, the version that ended
//!   the entry before (0 without one). Microsoft gives it an id of its own, and refuses a second event of the same transaction; where
//!   that id is not known, the entry is found by our mark.
//! - Every change carries the condition that the entry is still what it was (`If-Match`). A condition that is refused, and an entry
//!   that is there already, are answered by a look at what is there.
//! - An answer of success is read, not believed: it must show what was written, or the entry is read back.
//! - An entry says by our mark which booking it is, and at which version; only such a one is ever changed or removed. Nobody is
//!   invited, and Google is told to write to nobody.
//!
//! - A vendor that takes bookings may have put one into the calendar by itself. Before an entry is made for a booking that has other
//!   names across systems, the calendar is asked whether it has one by such a name in that time (its *kin*): then that is the
//!   booking's entry. Its times are changed and it is removed; what else it says is the vendor's, and it is not marked.

use daybook_domain::{BookingId, Tag, Timestamp};
use daybook_icalendar::content_line::clean;

use crate::entry::{Comparison, Owner, description, summary, up};
use crate::verdict::{Effect, leaves_doubt, reply};
use crate::{
    Answer, Call, Conclusion, Known, Maker, Progress, Reason, Removal, Reply, Trouble, Verdict, Visible, google,
    outlook,
};

/// Calls in one attempt: kin, create, look, change, and some more for an entry that changes as we look.
pub const CALLS_MAX: u8 = 7;

/// After so many tries at one version, hours after the first by the default schedule, what cannot be found although it stands in the
/// way is believed to be gone: somebody has deleted an entry before its maker had heard of it.
pub const SPENT_AFTER: u32 = 8;

/// Whose API it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// Google Calendar.
    Google,
    /// Outlook, through Microsoft Graph.
    Outlook,
}

/// One attempt in progress.
#[derive(Debug, Clone)]
pub struct Exchange {
    vendor: Vendor,
    goal: Goal,
    /// The calendar, as the vendor calls it.
    calendar: String,
    /// The version that ended the entry before.
    generation: u64,
    /// What the vendor calls the entry, as far as is known.
    id: Option<String>,
    /// What it was called that was there and is not any more.
    lost: Option<String>,
    /// What the booking is called across systems.
    tags: Vec<Tag>,
    /// Whether it was asked for an entry by such a name.
    kin_asked: bool,
    /// Whether the entry is one of those.
    adopted: bool,
    phase: Phase,
    calls: u8,
    in_doubt: bool,
    /// Whether something stood in the way of a new entry.
    collided: bool,
    /// Tries at this version before this one.
    tries: u32,
}

#[derive(Debug, Clone)]
enum Goal {
    Show(Visible),
    Remove(Removal),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Which entry bears our mark?
    Find,
    /// Which entry in its time has one of the booking's names?
    Kin,
    /// What is there?
    Look,
    /// What is there, after a write that was answered with less than a proof?
    Verify,
    /// Make it, if there is none.
    Create,
    /// Change it, if it is still this.
    Change {
        /// Its tag.
        etag: String,
    },
    /// Remove it, if it is still this.
    Remove {
        /// Its tag.
        etag: String,
    },
}

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub calendar: &'a str,
    pub booking_id: BookingId,
    /// The entry.
    pub id: &'a str,
    /// The entry that it had before, where that is known to be gone.
    pub lost: Option<&'a str>,
    /// What it is to show, if anything.
    pub visible: Option<&'a Visible>,
    /// Whether the vendor has made it, so that nothing but its times is ours to say.
    pub adopted: bool,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The entry is there.
    Entry(Entry),
    /// There is none.
    Nothing,
    /// Something is there that was not, or is not what it was.
    Conflict,
    /// It was taken, and the answer does not show it, but for what the vendor calls it.
    Taken(Option<String>),
    /// There is no such calendar.
    NoCalendar,
    /// Something else.
    Other(Verdict),
}

/// An entry, as far as it is ours to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What the vendor calls it.
    pub id: String,
    /// Its tag, if it has one.
    pub etag: Option<String>,
    /// Whether it is only remembered, and was deleted.
    pub deleted: bool,
    /// The booking that its mark names.
    pub booking: Option<String>,
    /// The version that its mark names.
    pub version: Option<u64>,
    /// When it is, whatever else it shows; none of days and of what is in no zone.
    pub times: Option<(Timestamp, Timestamp)>,
    /// What it shows; none if that cannot be what we have written.
    pub content: Option<Content>,
}

/// What an entry shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub start: Timestamp,
    pub end: Timestamp,
    pub title: String,
    /// None where the vendor writes texts in its own way.
    pub text: Option<String>,
}

impl Exchange {
    /// An attempt to show this in a calendar.
    pub fn show(vendor: Vendor, calendar: &str, visible: Visible, tags: &[Tag], known: &Known) -> Self {
        let phase = match known {
            Known::Nothing | Known::Removed { .. } => Phase::Create,
            Known::Entry { etag: Some(etag), .. } => Phase::Change { etag: etag.clone() },
            Known::Entry { etag: None, .. } | Known::Unsure { .. } => Phase::Look,
        };
        let mut exchange =
            Self { tags: tags.to_vec(), ..Self::new(vendor, calendar, Goal::Show(visible), phase, known) };
        if exchange.phase == Phase::Create {
            exchange.phase = exchange.create();
        }
        exchange
    }

    /// An attempt to remove it there.
    pub fn remove(vendor: Vendor, calendar: &str, removal: Removal, known: &Known) -> Self {
        let phase = match known {
            Known::Entry { etag: Some(etag), .. } => Phase::Remove { etag: etag.clone() },
            Known::Entry { etag: None, .. } | Known::Unsure { .. } | Known::Nothing | Known::Removed { .. } => {
                Phase::Look
            }
        };
        Self::new(vendor, calendar, Goal::Remove(removal), phase, known)
    }

    fn new(vendor: Vendor, calendar: &str, goal: Goal, phase: Phase, known: &Known) -> Self {
        let in_doubt = matches!(known, Known::Unsure { .. });
        let (generation, id, maker) = match known {
            Known::Nothing => (0, None, Maker::Daybook),
            Known::Removed { version } => (*version, None, Maker::Daybook),
            Known::Entry { version, external_id, maker, .. } => (*version, Some(external_id.clone()), *maker),
            Known::Unsure { version, external_id, maker } => (*version, external_id.clone(), *maker),
        };
        let known_id = id.is_some();
        let mut exchange = Self {
            vendor,
            goal,
            calendar: calendar.to_owned(),
            generation,
            id,
            lost: None,
            tags: Vec::new(),
            kin_asked: false,
            adopted: maker != Maker::Daybook && known_id,
            phase,
            calls: 1,
            in_doubt,
            collided: false,
            tries: 0,
        };
        if exchange.phase == Phase::Look {
            exchange.phase = exchange.look();
        }
        exchange
    }

    /// The same after so many tries at this version.
    #[must_use]
    pub fn after(self, tries: u32) -> Self {
        Self { tries, ..self }
    }

    /// How to make an entry: by asking first whether somebody else has.
    fn create(&mut self) -> Phase {
        if self.kin_asked || self.tags.is_empty() {
            return Phase::Create;
        }
        self.kin_asked = true;
        Phase::Kin
    }

    /// How to see what is there: by its id, if that is known or ours to choose; else by our mark.
    fn look(&mut self) -> Phase {
        if self.id.is_none() && self.vendor == Vendor::Google {
            self.id = Some(google::id(self.booking_id(), self.generation));
        }
        if self.id.is_some() { Phase::Look } else { Phase::Find }
    }

    /// Where else it may be, when it is not there by the name that is known: an attempt whose end is not known may have made another.
    fn elsewhere(&mut self) -> Option<Phase> {
        match self.vendor {
            Vendor::Google => {
                let fresh = google::id(self.booking_id(), self.generation);
                let other = self.id.as_ref() != Some(&fresh);
                self.id = Some(fresh);
                other.then_some(Phase::Look)
            }
            Vendor::Outlook => {
                self.lost = self.id.take().or(self.lost.take());
                (self.phase == Phase::Look).then_some(Phase::Find)
            }
        }
    }

    const fn booking_id(&self) -> BookingId {
        match &self.goal {
            Goal::Show(visible) => visible.booking_id,
            Goal::Remove(removal) => removal.booking_id,
        }
    }

    /// What to send now.
    pub fn call(&self) -> Call {
        let booking_id = self.booking_id();
        let fresh = google::id(booking_id, self.generation);
        let id = match &self.phase {
            Phase::Create => &fresh,
            Phase::Kin | Phase::Find | Phase::Look | Phase::Verify | Phase::Change { .. } | Phase::Remove { .. } => {
                self.id.as_ref().unwrap_or(&fresh)
            }
        };
        let visible = match &self.goal {
            Goal::Show(visible) => Some(visible),
            Goal::Remove(_) => None,
        };
        let subject = Subject {
            calendar: &self.calendar,
            booking_id,
            id,
            lost: self.lost.as_deref(),
            visible,
            adopted: self.adopted,
        };
        match self.vendor {
            Vendor::Google => google::call(&self.phase, &subject),
            Vendor::Outlook => outlook::call(&self.phase, &subject),
        }
    }

    /// What its answer leads to.
    pub fn answer(mut self, answer: &Answer) -> Progress<Self> {
        if self.writes() && leaves_doubt(answer) {
            self.in_doubt = true;
        }
        let effect = self.effect();
        let reply = match reply(answer, effect) {
            Ok(reply) => reply,
            Err(verdict) => return self.over(verdict),
        };
        match self.read(reply, effect) {
            Seen::Entry(entry) => {
                self.adopted |= self.phase == Phase::Kin;
                self.found(entry)
            }
            Seen::Nothing => self.nothing(),
            Seen::Conflict => {
                self.in_doubt = true;
                // Whatever stood in the way is what the vendor calls by our mark.
                if self.phase == Phase::Create {
                    self.id = None;
                    self.collided = true;
                }
                let look = self.look();
                self.next(look)
            }
            Seen::Taken(id) => {
                self.id = id.or(self.id.take());
                let look = self.look();
                self.next(if look == Phase::Look { Phase::Verify } else { look })
            }
            Seen::NoCalendar => self.over(Verdict::Permanent(Reason::CollectionMissing)),
            Seen::Other(verdict) => self.over(verdict),
        }
    }

    fn read(&self, reply: &Reply, effect: Effect) -> Seen {
        if self.phase == Phase::Kin {
            return match self.vendor {
                Vendor::Google => google::kin(reply, &self.tags),
                Vendor::Outlook => outlook::kin(reply, &self.tags),
            };
        }
        match self.vendor {
            Vendor::Google => google::read(&self.phase, reply, effect),
            Vendor::Outlook => outlook::read(&self.phase, self.booking_id(), reply, effect),
        }
    }

    const fn writes(&self) -> bool {
        matches!(self.phase, Phase::Create | Phase::Change { .. } | Phase::Remove { .. })
    }

    /// A read that follows a write of ours is part of that write: not knowing its end is not knowing the write's.
    fn effect(&self) -> Effect {
        if matches!(self.phase, Phase::Kin | Phase::Look | Phase::Find) { Effect::None } else { Effect::Once }
    }

    fn found(mut self, entry: Entry) -> Progress<Self> {
        if self.adopted && entry.deleted {
            return self.nothing();
        }
        self.id = Some(entry.id.clone());
        if entry.deleted
            && self.phase == Phase::Look
            && let Some(phase) = self.elsewhere()
        {
            return self.next(phase);
        }
        if !self.writes() {
            // The target holds something that the delivery row may not know of.
            self.in_doubt = true;
        }
        match &self.goal {
            Goal::Show(visible) => match (self.compare(&entry, visible), &self.phase) {
                (Comparison::Same, _) => {
                    let (external_id, etag, adopted) = (entry.id, entry.etag, self.adopted);
                    let verdict = Verdict::Applied { external_id, etag, adopted };
                    Progress::Over(Conclusion { verdict, in_doubt: false }, true)
                }
                // What was written is not what is shown: somebody was faster, or the answer is an old one.
                (_, Phase::Create | Phase::Change { .. }) => self.next(Phase::Verify),
                (Comparison::Newer { .. }, _) => self.over(Verdict::Permanent(Reason::TargetAhead)),
                (Comparison::Foreign, _) => self.over(Verdict::Permanent(Reason::ForeignEntry)),
                (Comparison::Unreadable, _) => self.unreadable(),
                (Comparison::Older { .. }, Phase::Verify) => self.over(Verdict::LookFirst(Trouble::NotStored)),
                (Comparison::Edited, Phase::Verify) => self.over(Verdict::Permanent(Reason::AlteredByTarget)),
                (Comparison::Older { .. } | Comparison::Edited, _) => {
                    self.conditional(entry.etag, |etag| Phase::Change { etag })
                }
            },
            Goal::Remove(_) if entry.deleted => self.gone(),
            Goal::Remove(_) if self.adopted => self.conditional(entry.etag, |etag| Phase::Remove { etag }),
            Goal::Remove(removal) => match owner(&entry, removal.booking_id) {
                Owner::Ours(Some(version)) if version > removal.version => {
                    self.over(Verdict::Permanent(Reason::TargetAhead))
                }
                Owner::Ours(_) => self.conditional(entry.etag, |etag| Phase::Remove { etag }),
                Owner::Foreign => self.over(Verdict::Permanent(Reason::ForeignEntry)),
                Owner::Unreadable => self.unreadable(),
            },
        }
    }

    /// Of what a vendor has made, the times are ours to say and nothing else.
    fn compare(&self, entry: &Entry, wanted: &Visible) -> Comparison {
        match entry.times {
            _ if !self.adopted => compare(entry, wanted),
            Some(times) if times == (start(wanted), end(wanted)) => Comparison::Same,
            Some(_) | None => Comparison::Edited,
        }
    }

    fn nothing(mut self) -> Progress<Self> {
        if self.adopted && matches!(self.goal, Goal::Show(_)) {
            // Its vendor has taken it away, and may have made another.
            (self.adopted, self.in_doubt) = (false, false);
            self.lost = self.id.take().or(self.lost.take());
            let create = self.create();
            return self.next(create);
        }
        if self.phase == Phase::Look
            && let Some(phase) = self.elsewhere()
        {
            return self.next(phase);
        }
        match (&self.goal, &self.phase) {
            (Goal::Remove(_), _) => self.gone(),
            (Goal::Show(_), Phase::Verify) => self.over(Verdict::LookFirst(Trouble::NotStored)),
            // What stood in the way has been gone for long, and its transaction with it.
            (Goal::Show(_), Phase::Find | Phase::Look)
                if self.collided
                    && self.vendor == Vendor::Outlook
                    && self.lost.is_none()
                    && self.tries >= SPENT_AFTER =>
            {
                self.lost = Some("spent".to_owned());
                self.next(Phase::Create)
            }
            // What stood in the way is not to be seen yet.
            (Goal::Show(_), Phase::Find | Phase::Look) if self.collided => {
                self.over(Verdict::LookFirst(Trouble::NotStored))
            }
            // The entry that was to be changed is gone: it has another one from now on.
            (Goal::Show(_), Phase::Change { .. } | Phase::Look | Phase::Find) => {
                self.in_doubt = false;
                self.lost = self.id.take().or(self.lost.take());
                let create = self.create();
                self.next(create)
            }
            (Goal::Show(_), Phase::Kin) => self.next(Phase::Create),
            (Goal::Show(_), Phase::Create | Phase::Remove { .. }) => {
                self.over(Verdict::Permanent(Reason::CollectionMissing))
            }
        }
    }

    fn conditional(self, etag: Option<String>, phase: impl FnOnce(String) -> Phase) -> Progress<Self> {
        match etag {
            Some(etag) => self.next(phase(etag)),
            None => self.over(Verdict::Permanent(Reason::NoEtag)),
        }
    }

    fn next(mut self, phase: Phase) -> Progress<Self> {
        if self.calls == CALLS_MAX {
            return self.over(Verdict::Reread);
        }
        self.calls += 1;
        self.phase = phase;
        Progress::Next(Box::new(self))
    }

    fn gone(self) -> Progress<Self> {
        Progress::Over(Conclusion { verdict: Verdict::Gone, in_doubt: false }, true)
    }

    fn unreadable(self) -> Progress<Self> {
        let verdict = match self.effect() {
            Effect::None => Verdict::Retryable(Trouble::Unreadable),
            Effect::Once => Verdict::LookFirst(Trouble::Unreadable),
        };
        self.over(verdict)
    }

    fn over(self, verdict: Verdict) -> Progress<Self> {
        Progress::Over(Conclusion { verdict, in_doubt: self.in_doubt }, true)
    }
}

fn compare(entry: &Entry, wanted: &Visible) -> Comparison {
    if entry.booking.as_deref() != Some(wanted.booking_id.to_string().as_str()) {
        // What was deleted is nobody's, and has lost its mark at some vendors.
        return if entry.deleted { Comparison::Edited } else { Comparison::Foreign };
    }
    match entry.version {
        _ if entry.deleted => Comparison::Edited,
        Some(version) if version < wanted.version => Comparison::Older { version },
        Some(version) if version > wanted.version => Comparison::Newer { version },
        Some(_) if entry.content.as_ref().is_some_and(|content| content.is(wanted)) => Comparison::Same,
        Some(_) | None => Comparison::Edited,
    }
}

/// Whose an entry is.
pub(crate) fn owner(entry: &Entry, booking_id: BookingId) -> Owner {
    match &entry.booking {
        Some(booking) if *booking == booking_id.to_string() => Owner::Ours(entry.version),
        Some(_) | None => Owner::Foreign,
    }
}

impl Content {
    fn is(&self, wanted: &Visible) -> bool {
        let times = self.start == start(wanted) && self.end == end(wanted);
        times && self.title == title(wanted) && self.text.as_ref().is_none_or(|text| text.trim() == text_of(wanted))
    }
}

/// Whole seconds, as in every calendar: a start is rounded down and an end up, so that no busy moment shows as free.
pub(crate) fn start(visible: &Visible) -> Timestamp {
    whole(visible.interval.start())
}

/// See [`start`].
pub(crate) fn end(visible: &Visible) -> Timestamp {
    whole(up(visible.interval.end()))
}

fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.millis() / 1_000 * 1_000).unwrap_or(time)
}

/// What it is called.
pub(crate) fn title(visible: &Visible) -> String {
    clean(summary(visible)).trim().to_owned()
}

/// What is written below that.
pub(crate) fn text_of(visible: &Visible) -> String {
    clean(&description(&visible.attendees)).trim().to_owned()
}

#[cfg(test)]
pub(crate) mod tests;
