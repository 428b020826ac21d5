//! One attempt at a CalDAV target (RFC 4791), as a conversation: the shell sends [`Exchange::call`], hands in the
//! answer, and repeats until it gets a [`Conclusion`].
//!
//! Every write carries a condition: `If-None-Match: *` to create, `If-Match` to change or remove. So a write that is
//! repeated, late or overtaken cannot undo a newer one, and a refused condition (412) is answered by a look at what is
//! there. An answer of success is read, not believed: a strong `ETag` proves that the bytes were stored as sent (RFC
//! 4791, section 5.3.4), a 204 that an entry is removed; anything less is looked up.

use crate::entry::{CONTENT_TYPE, Comparison, Owner, compare, name, owner, render};
use crate::verdict::{Effect, leaves_doubt, refusal, reply};
use crate::{Answer, Call, Conclusion, Known, Method, Progress, Reason, Removal, Reply, Trouble, Verdict, Visible};

/// Calls in one attempt: create, look, change, and twice more for an entry that changes as we look.
pub const CALLS_MAX: u8 = 6;

/// One attempt in progress.
#[derive(Debug, Clone)]
pub struct Exchange {
    goal: Goal,
    /// The entry's name in its collection.
    name: String,
    phase: Phase,
    calls: u8,
    in_doubt: bool,
}

#[derive(Debug, Clone)]
enum Goal {
    Show(Visible),
    Remove(Removal),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// What is there?
    Look,
    /// What is there, after a write that was answered with less than a proof?
    Verify,
    /// Make it, if there is none.
    Create,
    /// Change it, if it is still this.
    Change { etag: String },
    /// Remove it, if it is still this.
    Remove { etag: String },
}

impl Exchange {
    /// An attempt to show this.
    pub fn show(visible: Visible, known: &Known) -> Self {
        let name = entry_name(known).unwrap_or_else(|| name(visible.booking_id));
        let phase = match known {
            Known::Nothing | Known::Removed { .. } => Phase::Create,
            Known::Entry { etag: Some(etag), .. } => Phase::Change { etag: etag.clone() },
            Known::Entry { etag: None, .. } | Known::Unsure { .. } => Phase::Look,
        };
        Self::new(Goal::Show(visible), name, phase, known)
    }

    /// An attempt to remove this.
    pub fn remove(removal: Removal, known: &Known) -> Self {
        let name = entry_name(known).unwrap_or_else(|| name(removal.booking_id));
        let phase = match known {
            Known::Entry { etag: Some(etag), .. } => Phase::Remove { etag: etag.clone() },
            Known::Entry { etag: None, .. } | Known::Unsure { .. } | Known::Nothing | Known::Removed { .. } => {
                Phase::Look
            }
        };
        Self::new(Goal::Remove(removal), name, phase, known)
    }

    fn new(goal: Goal, name: String, phase: Phase, known: &Known) -> Self {
        let in_doubt = match known {
            Known::Unsure { .. } => true,
            Known::Nothing | Known::Removed { .. } | Known::Entry { .. } => false,
        };
        Self { goal, name, phase, calls: 1, in_doubt }
    }

    /// What to send now.
    pub fn call(&self) -> Call {
        let call = |method, headers| Call { method, path: self.name.clone(), headers, body: Vec::new() };
        match &self.phase {
            Phase::Look | Phase::Verify => call(Method::Get, vec![("accept", "text/calendar".to_owned())]),
            Phase::Create => self.put(("if-none-match", "*".to_owned())),
            Phase::Change { etag } => self.put(("if-match", etag.clone())),
            Phase::Remove { etag } => call(Method::Delete, vec![("if-match", etag.clone())]),
        }
    }

    fn put(&self, condition: (&'static str, String)) -> Call {
        let body = match &self.goal {
            Goal::Show(visible) => render(visible).into_bytes(),
            Goal::Remove(_) => Vec::new(),
        };
        let headers = vec![("content-type", CONTENT_TYPE.to_owned()), condition];
        Call { method: Method::Put, path: self.name.clone(), headers, body }
    }

    /// What its answer leads to.
    pub fn answer(mut self, answer: &Answer) -> Progress<Self> {
        let writes = !matches!(self.phase, Phase::Look | Phase::Verify);
        if writes && leaves_doubt(answer) {
            self.in_doubt = true;
        }
        let reply = match reply(answer, self.effect()) {
            Ok(reply) => reply,
            Err(verdict) => return self.over(verdict),
        };
        match &self.phase {
            Phase::Look | Phase::Verify => self.looked(reply),
            Phase::Create | Phase::Change { .. } => self.written(reply),
            Phase::Remove { .. } => self.removed(reply),
        }
    }

    /// A read that follows a write of ours is part of that write: not knowing its end is not knowing the write's.
    fn effect(&self) -> Effect {
        if self.phase == Phase::Look { Effect::None } else { Effect::Once }
    }

    fn written(self, reply: &Reply) -> Progress<Self> {
        match reply.status {
            200..=299 => match reply.etag.as_deref().filter(|etag| !is_weak(etag)) {
                Some(etag) => self.applied(Some(etag.to_owned())),
                None => self.next(Phase::Verify),
            },
            // Something is there that was not, or it is not what it was: see what.
            412 => self.doubting().next(Phase::Look),
            // The entry that was to be changed is gone, or its whole collection is: the create that follows will tell.
            404 | 410 if self.phase != Phase::Create => self.next(Phase::Look),
            403 | 409 if names_precondition(reply, &["no-uid-conflict"]) => self.permanent(Reason::UidConflict),
            403 | 409 if names_precondition(reply, &REFUSALS) => self.permanent(Reason::Refused),
            404 | 409 | 410 => self.permanent(Reason::CollectionMissing),
            _ => self.refused(reply),
        }
    }

    fn removed(self, reply: &Reply) -> Progress<Self> {
        match reply.status {
            204 | 404 | 410 => self.gone(),
            // A 200 or 207 may carry an error in its body.
            200..=299 | 412 => self.doubting().next(Phase::Look),
            409 => self.over(Verdict::Retryable(Trouble::Busy)),
            _ => self.refused(reply),
        }
    }

    fn looked(mut self, reply: &Reply) -> Progress<Self> {
        match reply.status {
            200 => {
                // The target holds something that the delivery row may not know of.
                self.in_doubt = true;
                self.found(reply)
            }
            404 | 410 => match (&self.goal, &self.phase) {
                (Goal::Remove(_), _) => self.gone(),
                (Goal::Show(_), Phase::Verify) => self.over(Verdict::LookFirst(Trouble::NotStored)),
                (Goal::Show(_), _) => {
                    self.in_doubt = false;
                    self.next(Phase::Create)
                }
            },
            201..=299 => self.unreadable(),
            _ => self.refused(reply),
        }
    }

    fn found(self, reply: &Reply) -> Progress<Self> {
        match &self.goal {
            Goal::Show(visible) => match (compare(&reply.body, visible), &self.phase) {
                (Comparison::Same, _) => self.applied(reply.etag.as_deref().map(strong)),
                (Comparison::Newer { .. }, _) => self.permanent(Reason::TargetAhead),
                (Comparison::Foreign, _) => self.permanent(Reason::ForeignEntry),
                (Comparison::Unreadable, _) => self.unreadable(),
                (Comparison::Older { .. }, Phase::Verify) => self.over(Verdict::LookFirst(Trouble::NotStored)),
                (Comparison::Edited, Phase::Verify) => self.permanent(Reason::AlteredByTarget),
                (Comparison::Older { .. } | Comparison::Edited, _) => {
                    self.conditional(reply, |etag| Phase::Change { etag })
                }
            },
            Goal::Remove(removal) => match owner(&reply.body, removal.booking_id) {
                Owner::Ours(Some(version)) if version > removal.version => self.permanent(Reason::TargetAhead),
                Owner::Ours(_) => self.conditional(reply, |etag| Phase::Remove { etag }),
                Owner::Foreign => self.permanent(Reason::ForeignEntry),
                Owner::Unreadable => self.unreadable(),
            },
        }
    }

    fn conditional(self, reply: &Reply, phase: impl FnOnce(String) -> Phase) -> Progress<Self> {
        match &reply.etag {
            Some(etag) => self.next(phase(strong(etag))),
            None => self.permanent(Reason::NoEtag),
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

    fn doubting(mut self) -> Self {
        self.in_doubt = true;
        self
    }

    fn applied(self, etag: Option<String>) -> Progress<Self> {
        let verdict = Verdict::Applied { external_id: self.name, etag, adopted: false };
        Progress::Over(Conclusion { verdict, in_doubt: false }, true)
    }

    fn gone(self) -> Progress<Self> {
        Progress::Over(Conclusion { verdict: Verdict::Gone, in_doubt: false }, true)
    }

    fn permanent(self, reason: Reason) -> Progress<Self> {
        self.over(Verdict::Permanent(reason))
    }

    fn unreadable(self) -> Progress<Self> {
        let verdict = match self.effect() {
            Effect::None => Verdict::Retryable(Trouble::Unreadable),
            Effect::Once => Verdict::LookFirst(Trouble::Unreadable),
        };
        self.over(verdict)
    }

    fn refused(self, reply: &Reply) -> Progress<Self> {
        let verdict = refusal(reply, self.effect());
        self.over(verdict)
    }

    fn over(self, verdict: Verdict) -> Progress<Self> {
        Progress::Over(Conclusion { verdict, in_doubt: self.in_doubt }, true)
    }
}

fn entry_name(known: &Known) -> Option<String> {
    match known {
        Known::Entry { external_id, .. } => Some(external_id.clone()),
        Known::Unsure { external_id, .. } => external_id.clone(),
        Known::Nothing | Known::Removed { .. } => None,
    }
}

fn is_weak(etag: &str) -> bool {
    etag.starts_with("W/")
}

/// The tag as `If-Match` wants it. A proxy that compresses weakens the server's tag; the server knows it only strong.
fn strong(etag: &str) -> String {
    etag.strip_prefix("W/").unwrap_or(etag).to_owned()
}

/// Preconditions of RFC 4791 (section 5.3.2.1) that speak of one entry. A 403 that names one is no matter of
/// credentials, and must not stop the lane.
const REFUSALS: [&str; 9] = [
    "supported-calendar-data",
    "valid-calendar-data",
    "valid-calendar-object-resource",
    "supported-calendar-component",
    "max-resource-size",
    "min-date-time",
    "max-date-time",
    "max-instances",
    "max-attendees-per-instance",
];

/// Whether the error body names one of these. The names are unmistakable, so the XML around them is not parsed.
fn names_precondition(reply: &Reply, names: &[&str]) -> bool {
    let body = String::from_utf8_lossy(&reply.body);
    names.iter().any(|name| body.contains(name))
}

#[cfg(test)]
mod tests;
