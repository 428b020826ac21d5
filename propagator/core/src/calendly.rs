//! One attempt at Calendly, which takes no bookings from here and moves none: what a customer has booked there is called off, with a
//! reason. Its API has no version in its paths. The shell sends [`Exchange::call`], hands in the answer, and repeats until it gets a
//! [`Conclusion`].
//!
//! - The invitee is looked at first: one that is off is done, whoever did it, so to call off again is nothing. What nobody knows the end
//!   of is looked at like anything else.
//! - Calendly calls off whole events. An event to which other invitees are still to come is left alone, and refused: a person decides.
//! - An answer of success must say that it was called off, or the invitee is looked at again.

use daybook_format::ESCAPED;
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};

use crate::verdict::{Effect, leaves_doubt, refusal, reply};
use crate::{Answer, Call, Conclusion, Known, Method, Progress, Reason, Reply, Trouble, Verdict};

/// Where the API is, if the settings do not say otherwise.
pub const BASE: &str = "https://api.calendly.com";
/// The longest name of an event or an invitee.
const NAME_LENGTH_MAX: usize = 64;
/// Calls in one attempt: the invitee, its event, the cancellation, the invitee again, and once more.
pub const CALLS_MAX: u8 = 5;

/// What Calendly calls a booking: an invitee of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitee {
    event: String,
    invitee: String,
}

impl Invitee {
    /// Of its URI; it leads nowhere else than to an invitee.
    pub fn of(uri: &str) -> Option<Self> {
        let (_, rest) = uri.split_once("/scheduled_events/")?;
        let (event, invitee) = rest.split_once("/invitees/")?;
        let plain = |name: &str| {
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(sound)
        };
        (plain(event) && plain(invitee)).then(|| Self { event: event.to_owned(), invitee: invitee.to_owned() })
    }
}

/// Why it is called off, which the customer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was cancelled, elsewhere.
    Cancelled,
    /// It was refused, after Calendly had promised it.
    Refused,
}

impl Why {
    const fn text(self) -> &'static str {
        match self {
            Self::Cancelled => "This appointment was cancelled.",
            Self::Refused => "This time was already taken. Please choose another one.",
        }
    }
}

/// One attempt in progress.
#[derive(Debug, Clone)]
pub struct Exchange {
    invitee: Invitee,
    why: Why,
    phase: Phase,
    calls: u8,
    in_doubt: bool,
    /// Whether it may be off already, and be shown otherwise for a moment.
    may_be_off: bool,
    wrote: bool,
    refused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Is the invitee still to come?
    Look,
    /// Who else is?
    Count,
    /// Call it off.
    Cancel,
    /// Is it off?
    Verify,
}

impl Exchange {
    /// An attempt to call off what a customer has booked.
    pub fn cancel(invitee: Invitee, why: Why, known: &Known) -> Self {
        let in_doubt = matches!(known, Known::Unsure { .. });
        let may_be_off = in_doubt;
        Self { invitee, why, phase: Phase::Look, calls: 1, in_doubt, may_be_off, wrote: false, refused: false }
    }

    /// What to send now.
    pub fn call(&self) -> Call {
        let event = format!("/scheduled_events/{}", utf8_percent_encode(&self.invitee.event, ESCAPED));
        let get = |path| Call { method: Method::Get, path, headers: Vec::new(), body: Vec::new() };
        match self.phase {
            Phase::Look | Phase::Verify => {
                get(format!("{event}/invitees/{}", utf8_percent_encode(&self.invitee.invitee, ESCAPED)))
            }
            Phase::Count => get(event),
            Phase::Cancel => Call {
                method: Method::Post,
                path: format!("{event}/cancellation"),
                headers: vec![("content-type", "application/json".to_owned())],
                body: json!({ "reason": self.why.text() }).to_string().into_bytes(),
            },
        }
    }

    /// What its answer leads to.
    pub fn answer(mut self, answer: &Answer) -> Progress<Self> {
        let doubtful = self.phase == Phase::Cancel && leaves_doubt(answer);
        self.in_doubt |= doubtful;
        self.wrote |= doubtful;
        let effect = if matches!(self.phase, Phase::Cancel | Phase::Verify) { Effect::Once } else { Effect::None };
        let reply = match reply(answer, effect) {
            Ok(reply) => reply,
            Err(verdict) => return self.over(verdict),
        };
        match (reply.status, self.phase) {
            (200..=299, _) => self.done(reply, effect),
            (404 | 410, _) => self.gone(),
            // It is off already, or over, or not ours to call off.
            (400 | 403 | 409 | 422, Phase::Cancel) => {
                self.refused = true;
                self.next(Phase::Verify)
            }
            (_, _) => self.over(refusal(reply, effect)),
        }
    }

    fn done(self, reply: &Reply, effect: Effect) -> Progress<Self> {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let resource = &body["resource"];
        let off = resource["status"].as_str().map(|status| status == "canceled");
        match (self.phase, off) {
            (Phase::Look | Phase::Count | Phase::Verify, Some(true)) => self.gone(),
            (Phase::Look, Some(false)) => self.next(Phase::Count),
            (Phase::Count, Some(false)) => match resource.pointer("/invitees_counter/active").and_then(Value::as_u64) {
                Some(0 | 1) => self.next(Phase::Cancel),
                // Others are still to come.
                Some(2..) => self.over(Verdict::Permanent(Reason::Refused)),
                None => self.over(Verdict::Retryable(Trouble::Unreadable)),
            },
            (Phase::Verify, Some(false)) if self.refused && !self.may_be_off => {
                self.over(Verdict::Permanent(Reason::Refused))
            }
            (Phase::Verify, Some(false)) => self.over(Verdict::LookFirst(Trouble::NotStored)),
            (Phase::Look | Phase::Count | Phase::Verify, None) => self.over(effect.doubt(Trouble::Unreadable)),
            (Phase::Cancel, _) if resource["canceled_by"].is_string() || off == Some(true) => self.gone(),
            (Phase::Cancel, _) => self.next(Phase::Verify),
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
        Progress::Over(Conclusion { verdict: Verdict::Gone, in_doubt: false }, self.wrote)
    }

    fn over(self, verdict: Verdict) -> Progress<Self> {
        Progress::Over(Conclusion { verdict, in_doubt: self.in_doubt }, self.wrote)
    }
}

#[cfg(test)]
mod tests;
