//! One attempt at a target that is described, as a conversation: the shell sends [`Exchange::call`], hands in the answer, and repeats
//! until it gets a [`Conclusion`]. What is sent, and where in an answer everything is, the description says
//! ([`daybook_format::target`]).
//!
//! - A booking has one entry. Where nobody knows whether one was made, it is looked for by the booking's id before another is made;
//!   and that there is none is believed only after the target has had time to show it (`settles`), unless the target itself knows a
//!   repetition for one (`idempotency`).
//! - An answer of success is read, not believed: it must show what was written, or the entry is looked at.
//! - An entry says which booking it is; only such a one is ever changed or ended.
//!
//! Absent on purpose: conditions. Few such targets have any; one worker at a time writes to an entry, because the row is leased.

mod read;
mod values;

use std::sync::Arc;
use std::time::Duration;

use daybook_domain::BookingId;
use daybook_format::target::{Answers, Request, Send, Target, Unfit};

use self::read::{Entry, Match, Seen};
use self::values::Values;
use crate::verdict::{Effect, leaves_doubt, refusal, reply};
use crate::{Answer, Call, Conclusion, Known, Method, Progress, Reason, Removal, Reply, Trouble, Verdict, Visible};

/// Calls in one attempt: look, follow, change, look again, and some more for an entry that changes as we look.
pub const CALLS_MAX: u8 = 8;
/// How much earlier than the target forgets a key we take it for forgotten: clocks differ, and requests take their time.
const KEY_MARGIN: Duration = Duration::from_secs(5 * 60);

/// A target that is described, ready to be asked.
#[derive(Debug)]
pub struct Api {
    target: Target,
    /// What goes with every request.
    headers: Vec<(&'static str, String)>,
    /// The header that makes a repetition of a create harmless.
    key: Option<&'static str>,
}

impl Api {
    /// By this description. Made once a target and process: the names of its headers live as long.
    pub fn new(target: Target) -> Self {
        let name = |name: &str| -> &'static str { name.to_owned().leak() };
        let headers = target.headers.iter().map(|(header, value)| (name(header), value.clone())).collect();
        let key = target.idempotency.as_ref().map(|idempotency| name(&idempotency.header));
        Self { target, headers, key }
    }
}

/// Where at the target, and as whom.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// What the resource is called there.
    pub address: String,
    /// The account of the settings.
    pub account: String,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place(…)")
    }
}

/// One attempt in progress.
#[derive(Debug, Clone)]
pub struct Exchange {
    api: Arc<Api>,
    place: Place,
    goal: Goal,
    /// The version that ended the entry before.
    generation: u64,
    /// What the target calls the entry, as far as is known.
    id: Option<String>,
    /// Whether the row had that: then the doubt is of more than a create.
    was_named: bool,
    phase: Phase,
    calls: u8,
    in_doubt: bool,
    /// How long ago something was written, or may have been, of which nobody knows what became; none if there is no such thing.
    doubt: Option<Duration>,
    /// Whether this attempt has written, or may have.
    wrote: bool,
    /// Whether something stood in the way of a new entry.
    collided: bool,
    /// Whether a change or an end was refused.
    refused: bool,
    /// Entries that this attempt has seen to be over.
    over: Vec<String>,
    /// Whether the answer to a write has shown the start that was wanted, and something else that was not.
    altered: bool,
}

#[derive(Debug, Clone)]
enum Goal {
    Show(Visible),
    Remove(Removal),
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Which entries are of this booking?
    Find,
    /// What is there?
    Look,
    /// Which are, after a write that was answered with less than a proof?
    FindWritten,
    /// What is there, after such a write?
    LookWritten,
    /// Make it.
    Create,
    /// Change it.
    Change,
    /// End it.
    Cancel,
}

/// What a status means.
enum Meaning {
    Done,
    Gone,
    Again,
    Never,
    Look,
    /// What it means everywhere.
    Usual,
}

impl Exchange {
    /// An attempt to show this. `doubt` is how long ago something was written of which nobody knows what became.
    pub fn show(api: Arc<Api>, place: Place, visible: Visible, known: &Known, doubt: Option<Duration>) -> Self {
        let phase = match known {
            Known::Nothing | Known::Removed { .. } => Phase::Create,
            Known::Entry { .. } => Phase::Change,
            Known::Unsure { external_id: Some(_), .. } => Phase::Look,
            Known::Unsure { external_id: None, .. } => Phase::Find,
        };
        Self::new(api, place, Goal::Show(visible), phase, known, doubt)
    }

    /// An attempt to end it there.
    pub fn remove(api: Arc<Api>, place: Place, removal: Removal, known: &Known, doubt: Option<Duration>) -> Self {
        let phase = match known {
            Known::Entry { .. } => Phase::Cancel,
            Known::Unsure { external_id: Some(_), .. } => Phase::Look,
            Known::Unsure { external_id: None, .. } | Known::Nothing | Known::Removed { .. } => Phase::Find,
        };
        Self::new(api, place, Goal::Remove(removal), phase, known, doubt)
    }

    fn new(api: Arc<Api>, place: Place, goal: Goal, phase: Phase, known: &Known, doubt: Option<Duration>) -> Self {
        let (generation, id, in_doubt) = match known {
            Known::Nothing => (0, None, false),
            Known::Removed { version } => (*version, None, false),
            Known::Entry { version, external_id, .. } => (*version, Some(external_id.clone()), false),
            Known::Unsure { version, external_id, .. } => (*version, external_id.clone(), true),
        };
        // Whoever does not know when doubts began is in doubt since this moment.
        let doubt = if in_doubt { Some(doubt.unwrap_or_default()) } else { None };
        Self {
            api,
            place,
            goal,
            generation,
            was_named: id.is_some(),
            id,
            phase,
            calls: 1,
            in_doubt,
            doubt,
            wrote: false,
            collided: false,
            refused: false,
            over: Vec::new(),
            altered: false,
        }
    }

    const fn booking_id(&self) -> BookingId {
        match &self.goal {
            Goal::Show(visible) => visible.booking_id,
            Goal::Remove(removal) => removal.booking_id,
        }
    }

    const fn writes(&self) -> bool {
        matches!(self.phase, Phase::Create | Phase::Change | Phase::Cancel)
    }

    /// A read that follows a write of ours is part of that write: not knowing its end is not knowing the write's.
    const fn effect(&self) -> Effect {
        match self.phase {
            Phase::Find | Phase::Look => Effect::None,
            Phase::FindWritten | Phase::LookWritten | Phase::Create | Phase::Change | Phase::Cancel => Effect::Once,
        }
    }

    fn request(&self) -> Option<&Request> {
        match self.phase {
            Phase::Find | Phase::FindWritten => None,
            Phase::Look | Phase::LookWritten => Some(&self.api.target.look),
            Phase::Create => Some(&self.api.target.create),
            Phase::Change => Some(&self.api.target.change),
            Phase::Cancel => Some(&self.api.target.cancel),
        }
    }

    /// What to send now; or why nothing can be, which is for a person to mend in the resource's settings.
    pub fn call(&self) -> Result<Call, Unfit> {
        let visible = match &self.goal {
            Goal::Show(visible) => Some(visible),
            Goal::Remove(_) => None,
        };
        let (resource, version) = match &self.goal {
            Goal::Show(visible) => (&visible.resource, visible.version),
            Goal::Remove(removal) => (&removal.resource, removal.version),
        };
        let values = Values {
            times: &self.api.target.times,
            place: &self.place,
            booking_id: self.booking_id(),
            resource,
            version,
            id: self.id.as_deref(),
            key: self.key(),
            visible,
        };
        let mut headers = self.api.headers.clone();
        let (method, path, body) = match self.request() {
            None => (Method::Get, self.api.target.find.path.fill(&values)?, None),
            Some(request) => {
                let (path, body) = request.fill(&values)?;
                (method(request.method), path, body)
            }
        };
        if let (Phase::Create, Some(header)) = (self.phase, self.api.key) {
            headers.push((header, self.key()));
        }
        let body = body.map_or_else(Vec::new, |(content_type, text)| {
            headers.push(("content-type", content_type.to_owned()));
            text.into_bytes()
        });
        Ok(Call { method, path, headers, body })
    }

    /// The same for every attempt to make one entry.
    fn key(&self) -> String {
        format!("{}-{}", self.booking_id(), self.generation)
    }

    /// What its answer leads to.
    pub fn answer(mut self, answer: &Answer) -> Progress<Self> {
        let doubtful = self.writes() && leaves_doubt(answer);
        self.in_doubt |= doubtful;
        self.wrote |= doubtful;
        let effect = self.effect();
        let reply = match reply(answer, effect) {
            Ok(reply) => reply,
            Err(verdict) => return self.over(verdict),
        };
        match self.meaning(reply.status) {
            Meaning::Done => self.done(reply),
            Meaning::Gone => self.nothing(),
            Meaning::Again => self.over(Verdict::Retryable(Trouble::Busy)),
            Meaning::Never if reply.status == 404 => self.over(Verdict::Permanent(Reason::CollectionMissing)),
            Meaning::Never => self.over(Verdict::Permanent(Reason::Refused)),
            Meaning::Look if self.refused => {
                // It was looked at, and refused again.
                let waited = self.has_waited();
                self.over(if waited { Verdict::Permanent(Reason::Refused) } else { Verdict::LookFirst(Trouble::Busy) })
            }
            Meaning::Look => {
                self.in_doubt = true;
                self.collided |= self.phase == Phase::Create;
                self.refused |= self.writes() && self.phase != Phase::Create;
                let phase = if self.id.is_some() { Phase::Look } else { Phase::Find };
                self.next(phase)
            }
            Meaning::Usual => self.over(refusal(reply, effect)),
        }
    }

    fn meaning(&self, status: u16) -> Meaning {
        let usual = Answers::default();
        let answers = self.request().map_or(&usual, |request| &request.answers);
        let lists = [
            (&answers.done, Meaning::Done),
            (&answers.gone, Meaning::Gone),
            (&answers.again, Meaning::Again),
            (&answers.never, Meaning::Never),
            (&answers.look, Meaning::Look),
        ];
        if let Some((_, meaning)) = lists.into_iter().find(|(statuses, _)| statuses.contains(&status)) {
            return meaning;
        }
        let named = matches!(self.phase, Phase::Look | Phase::LookWritten | Phase::Change | Phase::Cancel);
        match status {
            200..=299 => Meaning::Done,
            404 | 410 if named => Meaning::Gone,
            404 | 410 => Meaning::Never,
            409 | 412 if self.writes() => Meaning::Look,
            _ => Meaning::Usual,
        }
    }

    /// An answer of success.
    fn done(mut self, reply: &Reply) -> Progress<Self> {
        let seen = match self.phase {
            Phase::Find | Phase::FindWritten => {
                read::found(&self.api.target, &reply.body, self.booking_id(), &self.over)
            }
            Phase::Look | Phase::LookWritten | Phase::Create | Phase::Change | Phase::Cancel => {
                read::one(&self.api.target, &reply.body)
            }
        };
        match (seen, self.phase) {
            (Seen::Entry(entry), _) => self.found(entry),
            (Seen::Nothing, _) => self.nothing(),
            // A removal that has nothing to say.
            (Seen::Unreadable, Phase::Cancel) if reply.status == 204 => self.gone(),
            // What was written is looked up.
            (Seen::Unreadable, Phase::Create | Phase::Change | Phase::Cancel) => {
                self.in_doubt = true;
                let phase = self.written();
                self.next(phase)
            }
            (Seen::Unreadable, Phase::Find | Phase::Look | Phase::FindWritten | Phase::LookWritten) => {
                let verdict = self.effect().doubt(Trouble::Unreadable);
                self.over(verdict)
            }
        }
    }

    /// How what was written is seen.
    const fn written(&self) -> Phase {
        if self.id.is_some() { Phase::LookWritten } else { Phase::FindWritten }
    }

    fn found(mut self, entry: Entry) -> Progress<Self> {
        if !self.writes() {
            // The target holds something that the delivery row may not know of.
            self.in_doubt = true;
        }
        let ours = entry.is_of(self.booking_id());
        if let Some(next) = entry.next.clone().filter(|next| ours && *next != entry.id) {
            self.id = Some(next);
            let after_write = self.effect() == Effect::Once;
            return self.next(if after_write { Phase::LookWritten } else { Phase::Look });
        }
        if entry.cancelled {
            return self.cancelled(&entry);
        }
        if !ours {
            // The answer to a write need not say whose it is.
            if self.writes() {
                self.id = Some(entry.id);
                let phase = self.written();
                return self.next(phase);
            }
            return self.over(Verdict::Permanent(Reason::ForeignEntry));
        }
        self.id = Some(entry.id.clone());
        match &self.goal {
            Goal::Show(visible) => match (entry.shows(visible), self.phase) {
                (Match::Same, _) => {
                    let verdict = Verdict::Applied { external_id: entry.id, etag: None, adopted: false };
                    Progress::Over(Conclusion { verdict, in_doubt: false }, self.wrote)
                }
                (Match::Newer, Phase::Find | Phase::Look | Phase::FindWritten | Phase::LookWritten) => {
                    self.over(Verdict::Permanent(Reason::TargetAhead))
                }
                // What was written is not what is shown: the answer may be an old one.
                (Match::Newer | Match::Other, Phase::Create | Phase::Change | Phase::Cancel) => {
                    self.in_doubt = true;
                    self.next(Phase::LookWritten)
                }
                (Match::Altered, Phase::Create | Phase::Change | Phase::Cancel) => {
                    (self.altered, self.in_doubt) = (true, true);
                    self.next(Phase::LookWritten)
                }
                (Match::Altered, Phase::FindWritten | Phase::LookWritten) if self.altered => {
                    self.over(Verdict::Permanent(Reason::AlteredByTarget))
                }
                (Match::Altered | Match::Other, Phase::FindWritten | Phase::LookWritten) => {
                    self.over(Verdict::LookFirst(Trouble::NotStored))
                }
                (Match::Altered | Match::Other, Phase::Find | Phase::Look) => self.next(Phase::Change),
            },
            Goal::Remove(removal) => match (entry.version, self.phase) {
                (Some(version), Phase::Find | Phase::Look) if version > removal.version => {
                    self.over(Verdict::Permanent(Reason::TargetAhead))
                }
                (_, Phase::Find | Phase::Look) => self.next(Phase::Cancel),
                (_, Phase::FindWritten | Phase::LookWritten) => self.over(Verdict::LookFirst(Trouble::NotStored)),
                (_, Phase::Create | Phase::Change | Phase::Cancel) => {
                    self.in_doubt = true;
                    self.next(Phase::LookWritten)
                }
            },
        }
    }

    /// It is there, and is over.
    fn cancelled(mut self, entry: &Entry) -> Progress<Self> {
        self.over.push(entry.id.clone());
        match (&self.goal, self.phase) {
            // Others of this booking may stand all the same; and what is over may be another's.
            (_, Phase::Look) => self.nothing(),
            // One that was over before, and was brought back meanwhile, may be shown as it was.
            (Goal::Remove(removal), Phase::LookWritten | Phase::FindWritten)
                if self.api.target.ends_by_version() && entry.version != Some(removal.version) =>
            {
                self.over(Verdict::LookFirst(Trouble::NotStored))
            }
            (Goal::Remove(_), _) => self.gone(),
            (Goal::Show(_), _) => {
                // Whatever was changed was over: it has another entry from now on.
                if self.id.as_ref() == Some(&entry.id) {
                    self.id = None;
                }
                self.nothing()
            }
        }
    }

    fn nothing(mut self) -> Progress<Self> {
        let waited = self.has_waited();
        match (&self.goal, self.phase) {
            (Goal::Remove(_), Phase::Cancel) => self.gone(),
            // It is not there by the name that is known, but there may be another: ids change, and an attempt whose end is not known
            // may have made one.
            (Goal::Remove(_), Phase::Look | Phase::Change) | (Goal::Show(_), Phase::Look | Phase::Change) => {
                self.id = None;
                self.next(Phase::Find)
            }
            (Goal::Remove(_), Phase::Find) if waited => self.gone(),
            (Goal::Show(_), Phase::Find) if self.collided && waited => self.over(Verdict::Permanent(Reason::Refused)),
            (Goal::Show(_), Phase::Find) if !self.collided && (waited || self.is_remembered()) => {
                self.id = None;
                self.next(Phase::Create)
            }
            // A look may show what was there before anything was.
            (Goal::Remove(_), Phase::Find | Phase::FindWritten | Phase::LookWritten | Phase::Create)
            | (Goal::Show(_), Phase::Find | Phase::FindWritten | Phase::LookWritten | Phase::Create | Phase::Cancel) => {
                self.in_doubt = true;
                self.over(Verdict::LookFirst(Trouble::NotStored))
            }
        }
    }

    /// Whether a look shows what became of everything that was written.
    fn has_waited(&self) -> bool {
        self.doubt.is_none_or(|doubt| doubt >= self.api.target.settles)
    }

    /// Whether the target still knows a repetition for one of what may have been done: of a create, by the key of this generation.
    fn is_remembered(&self) -> bool {
        let age = self.doubt.unwrap_or_default();
        !self.was_named
            && self.api.target.idempotency.as_ref().is_some_and(|it| age.saturating_add(KEY_MARGIN) < it.lives)
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
        Progress::Over(Conclusion { verdict: Verdict::Gone, in_doubt: false }, self.wrote)
    }

    fn over(self, verdict: Verdict) -> Progress<Self> {
        Progress::Over(Conclusion { verdict, in_doubt: self.in_doubt }, self.wrote)
    }
}

const fn method(send: Send) -> Method {
    match send {
        Send::Get => Method::Get,
        Send::Post => Method::Post,
        Send::Put => Method::Put,
        Send::Patch => Method::Patch,
        Send::Delete => Method::Delete,
    }
}

#[cfg(test)]
mod tests;
