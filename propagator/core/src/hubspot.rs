//! One attempt at HubSpot: a booking is a meeting of its CRM, by its API, version 3 for objects and version 4 for what belongs to what,
//! both of which are pinned here and nowhere else on this side. The shell sends [`Exchange::call`], hands in the answer, and repeats
//! until it gets a [`Conclusion`].
//!
//! - A meeting is written by `batch/upsert` under a property of ours whose values are unique: the same again changes what is there, so
//!   none is ever made twice. There are no conditions; one worker at a time writes, because the row is leased.
//! - A batch of one is answered by 200, 201 or 207, and by a verdict on the one, which is read: the status says nothing.
//! - What nobody knows is looked up by the same property before it is repeated. That there is nothing to end is believed of a write
//!   that was refused, and only a while after the last one whose end is not known.
//! - Cancelled is an outcome, and no removal: what a salesperson has noted on it stays.
//! - Where the target may see who attends, their contacts are made if there are none, by their e-mail addresses and nothing else, and
//!   belong to the meeting. Nobody is taken off again who has once belonged to it.
//!
//! The account needs two properties of meetings: `daybook_booking_id`, a text whose values are unique, and `daybook_version`, a text.

use std::time::Duration;

use daybook_domain::{BookingId, Timestamp};
use serde_json::{Value, json};

use crate::mirror::{end, start, text_of, title};
use crate::verdict::{Effect, leaves_doubt, refusal, reply};
use crate::{Answer, Call, Conclusion, Known, Method, Progress, Reason, Removal, Reply, Trouble, Verdict, Visible};

/// Where the API is, if the settings do not say otherwise.
pub const BASE: &str = "https://api.hubapi.com";
const MEETINGS: &str = "/crm/v3/objects/meetings";
const CONTACTS: &str = "/crm/v3/objects/contacts";
const BELONGS: &str = "/crm/v4/associations/meetings/contacts/batch/associate/default";
/// Our property of meetings whose values are unique.
const MARK: &str = "daybook_booking_id";
/// Our property with the version.
const MARK_VERSION: &str = "daybook_version";
/// How long after a write a refusal for want of a meeting may be older than the write.
const SETTLES: Duration = Duration::from_secs(10);
/// The most contacts that belong to one meeting: what a batch may have.
const CONTACTS_MAX: usize = 100;

/// Calls in one attempt: look, write, look again, contacts, and what they belong to.
pub const CALLS_MAX: u8 = 6;

/// One attempt in progress.
#[derive(Debug, Clone)]
pub struct Exchange {
    goal: Goal,
    /// The owner, as HubSpot calls them.
    owner: String,
    phase: Phase,
    calls: u8,
    in_doubt: bool,
    doubt: Option<Duration>,
    /// What HubSpot calls the meeting, once that is known.
    id: Option<String>,
    wrote: bool,
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
    /// Let it be so.
    Write,
    /// Let it be off.
    Cancel,
    /// Which contacts are those who attend?
    Contacts,
    /// They belong to it.
    Link(Vec<String>),
}

/// A meeting, as far as it is ours to say.
#[derive(Debug)]
struct Meeting {
    id: String,
    booking: Option<String>,
    version: Option<u64>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    title: Option<String>,
    cancelled: bool,
}

impl Exchange {
    /// An attempt to show this, as the meeting of an owner. `doubt` is how long ago something was written of which nobody knows what
    /// became.
    pub fn show(owner: &str, visible: Visible, known: &Known, doubt: Option<Duration>) -> Self {
        let phase = if matches!(known, Known::Unsure { .. }) { Phase::Look } else { Phase::Write };
        Self::new(owner, Goal::Show(visible), phase, known, doubt)
    }

    /// An attempt to call it off.
    pub fn remove(owner: &str, removal: Removal, known: &Known, doubt: Option<Duration>) -> Self {
        // To call it off again changes nothing, and is never answered by what was there before.
        Self::new(owner, Goal::Remove(removal), Phase::Cancel, known, doubt)
    }

    fn new(owner: &str, goal: Goal, phase: Phase, known: &Known, doubt: Option<Duration>) -> Self {
        let in_doubt = matches!(known, Known::Unsure { .. });
        let doubt = in_doubt.then(|| doubt.unwrap_or_default());
        Self { goal, owner: owner.to_owned(), phase, calls: 1, in_doubt, doubt, id: None, wrote: false }
    }

    const fn booking_id(&self) -> BookingId {
        match &self.goal {
            Goal::Show(visible) => visible.booking_id,
            Goal::Remove(removal) => removal.booking_id,
        }
    }

    const fn version(&self) -> u64 {
        match &self.goal {
            Goal::Show(visible) => visible.version,
            Goal::Remove(removal) => removal.version,
        }
    }

    /// What to send now.
    pub fn call(&self) -> Call {
        let one = format!("{MEETINGS}/{}?idProperty={MARK}", self.booking_id());
        let (method, path, body) = match &self.phase {
            Phase::Look | Phase::Verify => {
                let properties = "hs_meeting_title,hs_meeting_start_time,hs_meeting_end_time,hs_meeting_outcome";
                (Method::Get, format!("{one}&properties={properties},{MARK},{MARK_VERSION}"), None)
            }
            Phase::Write => (Method::Post, format!("{MEETINGS}/batch/upsert"), Some(self.written())),
            Phase::Cancel => {
                let properties = json!({"hs_meeting_outcome": "CANCELED", MARK_VERSION: self.version().to_string()});
                (Method::Patch, one, Some(json!({ "properties": properties })))
            }
            Phase::Contacts => {
                let inputs: Vec<Value> = self
                    .people()
                    .map(|email| json!({"idProperty": "email", "id": email, "properties": {"email": email}}))
                    .collect();
                (Method::Post, format!("{CONTACTS}/batch/upsert"), Some(json!({ "inputs": inputs })))
            }
            Phase::Link(contacts) => {
                let meeting = self.id.as_deref().unwrap_or_default();
                let inputs: Vec<Value> =
                    contacts.iter().map(|contact| json!({"from": {"id": meeting}, "to": {"id": contact}})).collect();
                (Method::Post, BELONGS.to_owned(), Some(json!({ "inputs": inputs })))
            }
        };
        let body = body.map(|body| body.to_string().into_bytes());
        let headers = body.iter().map(|_| ("content-type", "application/json".to_owned())).collect();
        Call { method, path, headers, body: body.unwrap_or_default() }
    }

    /// The addresses of those who attend, each once.
    fn people(&self) -> impl Iterator<Item = String> + use<> {
        let emails: std::collections::BTreeSet<String> = match &self.goal {
            Goal::Show(visible) => visible.attendees.iter().filter_map(|it| it.email.clone()).collect(),
            Goal::Remove(_) => std::collections::BTreeSet::new(),
        };
        emails.into_iter().take(CONTACTS_MAX)
    }

    fn written(&self) -> Value {
        let Goal::Show(visible) = &self.goal else { return Value::Null };
        let id = visible.booking_id.to_string();
        json!({"inputs": [{"idProperty": MARK, "id": id, "objectWriteTraceId": id, "properties": {
            MARK: id, MARK_VERSION: visible.version.to_string(), "hubspot_owner_id": self.owner,
            "hs_timestamp": start(visible).to_string(), "hs_meeting_start_time": start(visible).to_string(),
            "hs_meeting_end_time": end(visible).to_string(), "hs_meeting_title": title(visible),
            "hs_meeting_body": text_of(visible), "hs_meeting_outcome": "SCHEDULED",
        }}]})
    }

    /// What its answer leads to.
    pub fn answer(mut self, answer: &Answer) -> Progress<Self> {
        let writes = matches!(self.phase, Phase::Write | Phase::Cancel);
        let doubtful = writes && leaves_doubt(answer);
        self.in_doubt |= doubtful;
        self.wrote |= doubtful;
        // Whoever belongs to it may be said again; the meeting itself is looked at first.
        let effect = if writes || self.phase == Phase::Verify { Effect::Once } else { Effect::None };
        let reply = match reply(answer, effect) {
            Ok(reply) => reply,
            Err(verdict) => return self.over(verdict),
        };
        match (reply.status, self.phase.clone()) {
            (200..=299, phase) => self.done(reply, phase),
            (404, Phase::Look) => self.next(Phase::Write),
            (404, Phase::Verify) => self.over(Verdict::LookFirst(Trouble::NotStored)),
            (404, Phase::Cancel) if self.doubt.is_none_or(|doubt| doubt >= SETTLES) => self.gone(),
            (404, Phase::Cancel) => self.over(Verdict::LookFirst(Trouble::NotStored)),
            (409, _) => self.over(Verdict::Retryable(Trouble::Busy)),
            (_, _) => self.over(refusal(reply, effect)),
        }
    }

    fn done(mut self, reply: &Reply, phase: Phase) -> Progress<Self> {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        match phase {
            Phase::Look | Phase::Verify | Phase::Cancel => match (meeting(&body), phase) {
                (Some(meeting), phase) => self.seen(&meeting, &phase),
                (None, Phase::Cancel) => {
                    self.in_doubt = true;
                    self.next(Phase::Verify)
                }
                (None, Phase::Look) => self.over(Verdict::Retryable(Trouble::Unreadable)),
                (None, _) => self.over(Verdict::LookFirst(Trouble::Unreadable)),
            },
            Phase::Write => {
                let results = body["results"].as_array().into_iter().flatten().filter_map(meeting);
                let ours = results.into_iter().find(|meeting| self.is_ours(meeting));
                match (ours, verdict_on_one(&body, reply)) {
                    (Some(meeting), _) => self.seen(&meeting, &Phase::Write),
                    (None, Some(verdict)) => {
                        self.in_doubt = self.doubt.is_some();
                        self.over(verdict)
                    }
                    (None, None) => {
                        self.in_doubt = true;
                        self.next(Phase::Verify)
                    }
                }
            }
            Phase::Contacts => {
                let results = body["results"].as_array().into_iter().flatten();
                let ids: Vec<String> = results.filter_map(|it| Some(it["id"].as_str()?.to_owned())).collect();
                match (ids.is_empty(), body["errors"].as_array().is_some_and(|errors| !errors.is_empty())) {
                    // An address that HubSpot does not take is nobody's fault, and no reason to show no meeting.
                    (true, true) => self.shown(),
                    (true, false) => self.over(Verdict::Retryable(Trouble::Unreadable)),
                    (false, _) => self.next(Phase::Link(ids)),
                }
            }
            Phase::Link(_) if body["errors"].as_array().is_some_and(|errors| !errors.is_empty()) => {
                self.over(verdict_on_one(&body, reply).unwrap_or(Verdict::Retryable(Trouble::NotStored)))
            }
            Phase::Link(_) if body["results"].is_array() => self.shown(),
            Phase::Link(_) => self.over(Verdict::Retryable(Trouble::Unreadable)),
        }
    }

    fn is_ours(&self, meeting: &Meeting) -> bool {
        meeting.booking.as_deref() == Some(self.booking_id().to_string().as_str())
    }

    fn seen(mut self, meeting: &Meeting, phase: &Phase) -> Progress<Self> {
        self.id = Some(meeting.id.clone());
        self.in_doubt = true;
        let newer = meeting.version.is_some_and(|version| version > self.version());
        let same = meeting.version == Some(self.version());
        match (&self.goal, phase) {
            (_, Phase::Look | Phase::Verify) if newer => self.over(Verdict::Permanent(Reason::TargetAhead)),
            (Goal::Show(visible), phase) => match (same && meeting.shows(visible), phase) {
                (true, _) if self.people().next().is_some() => self.next(Phase::Contacts),
                (true, _) => self.shown(),
                (false, Phase::Look) => self.next(Phase::Write),
                (false, Phase::Verify) if same => self.over(Verdict::Permanent(Reason::AlteredByTarget)),
                (false, Phase::Verify) => self.over(Verdict::LookFirst(Trouble::NotStored)),
                (false, Phase::Write | Phase::Cancel | Phase::Contacts | Phase::Link(_)) => self.next(Phase::Verify),
            },
            // One that was off before, and was on again meanwhile, may be shown as it was.
            (Goal::Remove(_), _) if meeting.cancelled && same => self.gone(),
            (Goal::Remove(_), Phase::Verify) => self.over(Verdict::LookFirst(Trouble::NotStored)),
            (Goal::Remove(_), _) => self.next(Phase::Verify),
        }
    }

    fn shown(self) -> Progress<Self> {
        let external_id = self.id.clone().unwrap_or_default();
        Progress::Over(
            Conclusion { verdict: Verdict::Applied { external_id, etag: None, adopted: false }, in_doubt: false },
            self.wrote,
        )
    }

    fn gone(self) -> Progress<Self> {
        Progress::Over(Conclusion { verdict: Verdict::Gone, in_doubt: false }, self.wrote)
    }

    fn next(mut self, phase: Phase) -> Progress<Self> {
        if self.calls == CALLS_MAX {
            return self.over(Verdict::Reread);
        }
        self.calls += 1;
        self.phase = phase;
        Progress::Next(Box::new(self))
    }

    fn over(self, verdict: Verdict) -> Progress<Self> {
        Progress::Over(Conclusion { verdict, in_doubt: self.in_doubt }, self.wrote)
    }
}

/// What a batch says of the one that was in it, where it says that it was refused.
fn verdict_on_one(body: &Value, reply: &Reply) -> Option<Verdict> {
    let error = body["errors"].as_array()?.first()?;
    let text = |name: &str| error[name].as_str().unwrap_or_default();
    Some(match (text("category"), text("status")) {
        ("RATE_LIMITS" | "RATE_LIMIT", _) | (_, "429") => Verdict::Throttled { retry_after: reply.retry_after },
        ("CONFLICT" | "LOCKED", _) | (_, "409" | "423") => Verdict::Retryable(Trouble::Busy),
        ("INTERNAL_ERROR", _) | (_, "500" | "502" | "503" | "504") => Verdict::LookFirst(Trouble::ServerError),
        ("MISSING_SCOPES" | "BANNED" | "INVALID_AUTHENTICATION", _) | (_, "401" | "403") => Verdict::Unauthorized,
        (_, _) => Verdict::Permanent(Reason::Refused),
    })
}

fn meeting(body: &Value) -> Option<Meeting> {
    let text = |name: &str| body["properties"][name].as_str();
    let time = |name: &str| {
        let text = text(name)?.trim();
        text.parse().ok().or_else(|| Timestamp::from_millis(text.parse().ok()?).ok())
    };
    Some(Meeting {
        id: body["id"].as_str().filter(|id| !id.is_empty())?.to_owned(),
        booking: text(MARK).map(str::to_owned),
        version: text(MARK_VERSION).and_then(|version| version.trim().parse().ok()),
        start: time("hs_meeting_start_time"),
        end: time("hs_meeting_end_time"),
        title: text("hs_meeting_title").map(str::to_owned),
        cancelled: text("hs_meeting_outcome") == Some("CANCELED"),
    })
}

impl Meeting {
    fn shows(&self, wanted: &Visible) -> bool {
        let times = self.start == Some(start(wanted)) && self.end == Some(end(wanted));
        times && !self.cancelled && self.title.as_deref().unwrap_or_default().trim() == title(wanted)
    }
}

#[cfg(test)]
mod tests;
