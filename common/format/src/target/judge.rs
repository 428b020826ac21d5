//! Judges a target's description: every path is one, every template can be filled, and what belongs together is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::template::{Filling, OWN, Place, SHOWN, Template, Unfit};
use super::written::{WrittenEntry, WrittenFind, WrittenIdempotency, WrittenRequest, WrittenTarget};
use crate::description::{Length, Times};
use crate::judge::{DescriptionFault, Judge};
use crate::query::Finding;

/// A request with its values: the path and query, and the body with its content type.
pub type Filled = (String, Option<(&'static str, String)>);

/// How a system is written to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where the API is, without a slash at its end, if that is the same for everybody.
    pub base: Option<String>,
    /// What goes with every request, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// How times are written.
    pub times: Times,
    /// How long a look may still show what was there before a write.
    pub settles: Duration,
    /// Found in an answer that is an error.
    pub error: Option<Finding>,
    /// How an entry is made.
    pub create: Request,
    /// What makes a repetition of that harmless.
    pub idempotency: Option<Idempotency>,
    /// How one is changed.
    pub change: Request,
    /// How one is ended.
    pub cancel: Request,
    /// How one is seen.
    pub look: Request,
    /// How those of a booking are found.
    pub find: FindRequest,
    /// Where everything is in an answer.
    pub entry: Entry,
}

/// A request, and what its answers mean.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Send,
    /// The path and query.
    pub path: Template,
    /// The body, if it is JSON.
    pub json: Option<Template>,
    /// The fields of a form, if it is one.
    pub form: Vec<(String, Template)>,
    /// What its answers mean, where that is not the usual.
    pub answers: Answers,
}

/// An HTTP method that a request may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Send {
    /// Read.
    Get,
    /// Send.
    Post,
    /// Store.
    Put,
    /// Change some of it.
    Patch,
    /// Remove.
    Delete,
}

/// What statuses mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// It is done.
    pub done: BTreeSet<u16>,
    /// There is no such entry.
    pub gone: BTreeSet<u16>,
    /// Nothing was done; later.
    pub again: BTreeSet<u16>,
    /// Nothing was done, nor will be.
    pub never: BTreeSet<u16>,
    /// Something stands in the way.
    pub look: BTreeSet<u16>,
}

/// What makes a repetition harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The header, in lower case.
    pub header: String,
    /// How long the target remembers what was in it.
    pub lives: Duration,
}

/// How the entries of a booking are found.
#[derive(Debug, Clone)]
pub struct FindRequest {
    /// The path and query.
    pub path: Template,
    /// Where the array is.
    pub items: Finding,
}

/// Where everything is in an answer. See [`WrittenEntry`] for what each means.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where the entry is.
    pub at: Option<Finding>,
    /// Its id.
    pub id: Finding,
    /// The text that has the booking's id in it.
    pub booking: Finding,
    /// Its version.
    pub version: Option<Finding>,
    /// From when.
    pub start: Finding,
    /// Until when.
    pub end: Option<Length>,
    /// What it is called.
    pub title: Option<Finding>,
    /// Whether it is over.
    pub cancelled: Option<Finding>,
    /// What came in its place.
    pub next: Option<Finding>,
}

impl Target {
    /// Judges a description, or says everything that is wrong with it.
    pub fn new(written: &WrittenTarget) -> Result<Self, Vec<DescriptionFault>> {
        let mut judge = Judge::default();
        let base = written.base.as_ref().and_then(|base| judge.base("base", base));
        let headers = judge.headers("headers", &written.headers);
        let times = judge.times("times", written.times.as_deref());
        let error = judge.maybe("error", written.error.as_ref());
        let all: Vec<&str> = OWN.into_iter().filter(|word| *word != "id").chain(SHOWN).collect();
        let every: Vec<&str> = OWN.into_iter().chain(SHOWN).collect();
        let create = judge.request("create", &written.create, Send::Post, &all);
        let change = judge.request("change", &written.change, Send::Put, &every);
        let cancel = judge.request("cancel", &written.cancel, Send::Delete, &OWN);
        let look = judge.request("look", &written.look, Send::Get, &OWN);
        for (name, request) in [("change", &written.change), ("cancel", &written.cancel), ("look", &written.look)] {
            if request.idempotency.is_some() {
                judge.fault(&format!("{name}.idempotency"), "is for create only; the others may be repeated");
            }
        }
        if let Some(look) = &look
            && (look.method != Send::Get || look.json.is_some() || !look.form.is_empty())
        {
            judge.fault("look.method", "must be GET without a body; a look changes nothing");
        }
        let idempotency = written.create.idempotency.as_ref().map(|it| judge.idempotency(it));
        let find = judge.find(&written.find);
        let entry = judge.entry(&written.entry);
        judge.marked(written, create.as_ref(), find.as_ref());
        let requests = (create, change, cancel, look, find);
        match (times, requests, entry, judge.none()) {
            (Some(times), (Some(create), Some(change), Some(cancel), Some(look), Some(find)), Some(entry), true) => {
                Ok(Self {
                    base,
                    headers,
                    times,
                    settles: written.settles,
                    error,
                    create,
                    idempotency,
                    change,
                    cancel,
                    look,
                    find,
                    entry,
                })
            }
            _ => Err(judge.into_faults()),
        }
    }
}

impl Judge {
    fn base(&mut self, key: &str, written: &str) -> Option<String> {
        let base = written.trim_end_matches('/');
        if base.strip_prefix("https://").is_none_or(str::is_empty) {
            self.fault(key, "is no https:// address; what is sent there bears your credentials");
            return None;
        }
        Some(base.to_owned())
    }

    fn request(&mut self, key: &str, written: &WrittenRequest, usual: Send, words: &[&str]) -> Option<Request> {
        let method = match written.method.as_deref() {
            None => Some(usual),
            Some("GET") => Some(Send::Get),
            Some("POST") => Some(Send::Post),
            Some("PUT") => Some(Send::Put),
            Some("PATCH") => Some(Send::Patch),
            Some("DELETE") => Some(Send::Delete),
            Some(_) => {
                self.fault(&format!("{key}.method"), "must be GET, POST, PUT, PATCH or DELETE");
                None
            }
        };
        let path = self.path(&format!("{key}.path"), &written.path, words);
        let json = written.json.as_ref().map(|json| self.template(&format!("{key}.json"), json, Place::Json, words));
        let mut form = Vec::with_capacity(written.form.len());
        for (name, text) in &written.form {
            let template = self.template(&format!("{key}.form.{name}"), text, Place::Form, words);
            form.extend(template.map(|template| (name.clone(), template)));
        }
        if json.is_some() && !written.form.is_empty() {
            self.fault(&format!("{key}.json"), format_args!("and {key}.form are both given; keep one"));
        }
        let answers = self.answers(key, written);
        let json = match json {
            Some(json) => Some(json?),
            None => None,
        };
        Some(Request { method: method?, path: path?, json, form, answers })
    }

    fn path(&mut self, key: &str, text: &str, words: &[&str]) -> Option<Template> {
        if !text.starts_with('/') {
            self.fault(key, "must begin with a slash");
        }
        if text.contains('#') || text.chars().any(|it| it.is_whitespace() || it.is_control()) {
            self.fault(key, "has a character that no path and query may have; write it as % and its number");
        }
        self.template(key, text, Place::Path, words)
    }

    fn template(&mut self, key: &str, text: &str, place: Place, words: &[&str]) -> Option<Template> {
        match Template::parse(text, place) {
            Ok(template) => {
                if let Some(word) = template.words().into_iter().find(|word| !words.contains(word)) {
                    let problem = format!("has {{{word}}}, which is not known there; use {}", words.join(", "));
                    self.fault(key, problem);
                }
                Some(template)
            }
            Err(problem) => {
                self.fault(key, problem);
                None
            }
        }
    }

    fn answers(&mut self, key: &str, written: &WrittenRequest) -> Answers {
        let lists = [
            ("done", &written.done),
            ("gone", &written.gone),
            ("again", &written.again),
            ("never", &written.never),
            ("look", &written.look),
        ];
        let mut seen: BTreeMap<u16, &str> = BTreeMap::new();
        for (name, statuses) in lists {
            for status in statuses {
                if !(200..=599).contains(status) || *status == 429 {
                    self.fault(&format!("{key}.{name}"), format_args!("has {status}, which cannot mean that"));
                }
                if let Some(other) = seen.insert(*status, name)
                    && other != name
                {
                    self.fault(&format!("{key}.{name}"), format_args!("has {status}, which {key}.{other} has, too"));
                }
            }
        }
        let set = |statuses: &[u16]| statuses.iter().copied().collect();
        Answers {
            done: set(&written.done),
            gone: set(&written.gone),
            again: set(&written.again),
            never: set(&written.never),
            look: set(&written.look),
        }
    }

    fn idempotency(&mut self, written: &WrittenIdempotency) -> Idempotency {
        let header = self.header("create.idempotency.header", &written.header);
        if written.lives < Duration::from_secs(60) {
            self.fault("create.idempotency.lives", "must be at least 1m; a shorter one is of no use");
        }
        Idempotency { header, lives: written.lives }
    }

    fn find(&mut self, written: &WrittenFind) -> Option<FindRequest> {
        let words: Vec<&str> = OWN.into_iter().filter(|word| !["id", "version"].contains(word)).collect();
        let path = self.path("find.path", &written.path, &words);
        let items = self.finding("find.items", &written.items);
        Some(FindRequest { path: path?, items: items? })
    }

    fn entry(&mut self, written: &WrittenEntry) -> Option<Entry> {
        let at = self.maybe("entry.at", written.at.as_ref());
        let id = self.finding("entry.id", &written.id);
        let booking = self.finding("entry.booking", &written.booking);
        let version = self.maybe("entry.version", written.version.as_ref());
        let start = self.finding("entry.start", &written.start);
        let end = match (&written.end, &written.length) {
            (None, None) => {
                if written.version.is_none() {
                    let problem =
                        "and entry.length and entry.version are all missing; how is it seen that all is there?";
                    self.fault("entry.end", problem);
                }
                None
            }
            (end, length) => Some(self.until("entry", end.as_ref(), length.as_ref())?),
        };
        let title = self.maybe("entry.title", written.title.as_ref());
        let cancelled = self.maybe("entry.cancelled", written.cancelled.as_ref());
        let next = self.maybe("entry.next", written.next.as_ref());
        Some(Entry { at, id: id?, booking: booking?, version, start: start?, end, title, cancelled, next })
    }

    /// What is to be found by the booking says which booking it is of, and what is changed is named.
    fn marked(&mut self, written: &WrittenTarget, create: Option<&Request>, find: Option<&FindRequest>) {
        let has = |request: &Request, word: &str| {
            let bodies = request.json.iter().chain(request.form.iter().map(|(_, template)| template));
            bodies.chain([&request.path]).any(|template| template.words().contains(&word))
        };
        if create.is_some_and(|create| !has(create, "booking")) {
            self.fault("create", "has no {booking} anywhere; what was made could never be found again");
        }
        if find.is_some_and(|find| !find.path.words().contains(&"booking")) {
            self.fault("find.path", "has no {booking}; whose entries are found?");
        }
        for (name, request) in [("change", &written.change), ("cancel", &written.cancel), ("look", &written.look)] {
            if !request.path.contains("{id}") {
                self.fault(&format!("{name}.path"), "has no {id}; which entry is meant?");
            }
        }
        let all = [&written.create, &written.change];
        let version = |request: &&WrittenRequest| {
            let json = request.json.as_deref().unwrap_or_default();
            json.contains("{version}") || request.form.values().any(|text| text.contains("{version}"))
        };
        if written.entry.version.is_some() && !all.iter().all(version) {
            self.fault("entry.version", "is read, so create and change must both write {version}");
        }
    }
}

impl Target {
    /// Whether whatever ends an entry writes its version, too.
    pub fn ends_by_version(&self) -> bool {
        let bodies = self.cancel.json.iter().chain(self.cancel.form.iter().map(|(_, template)| template));
        self.entry.version.is_some() && bodies.into_iter().any(|template| template.words().contains(&"version"))
    }

    /// Whether a template of its has `{account}`.
    pub fn needs_account(&self) -> bool {
        let requests = [&self.create, &self.change, &self.cancel, &self.look];
        let bodies = requests.iter().flat_map(|request| {
            request.json.iter().chain(request.form.iter().map(|(_, template)| template)).chain([&request.path])
        });
        bodies.chain([&self.find.path]).any(|template| template.words().contains(&"account"))
    }
}

impl Request {
    /// The path and query, and the body with its content type.
    pub fn fill(&self, filling: &impl Filling) -> Result<Filled, Unfit> {
        let path = self.path.fill(filling)?;
        if let Some(json) = &self.json {
            return Ok((path, Some(("application/json", json.fill(filling)?))));
        }
        if self.form.is_empty() {
            return Ok((path, None));
        }
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, template) in &self.form {
            form.append_pair(name, &template.fill(filling)?);
        }
        Ok((path, Some(("application/x-www-form-urlencoded", form.finish()))))
    }
}
