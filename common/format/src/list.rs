//! How a vendor lists its bookings, for those that its deliveries have not told of: what is asked, page by page, and where what
//! is listed stands in an answer.
//!
//! What is listed is only ever a hint that a booking is to be fetched: lists lag, have half of it, or another shape.

use std::time::Duration;

use daybook_domain::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::query::{Finding, WrittenFinding};

/// All that may not stand in a part of a path or of a query as it is (RFC 3986 §2.3).
pub const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How bookings are listed that may not have been told of. Each that is new, or other than it was, is fetched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenList {
    /// Where the array of bookings is in an answer; an answer without one is none.
    pub items: WrittenFinding,
    /// Where the id of each is, by which it is fetched.
    pub id: WrittenFinding,
    /// Where each says when it was changed; without it, all that it says is compared.
    #[serde(default)]
    pub updated_at: Option<WrittenFinding>,
    /// Where an answer names the page after it, if there is one: it is put in place of `{page}`.
    #[serde(default)]
    pub next: Option<WrittenFinding>,
    /// How many bookings an answer has at most. With `{offset}`, one that has fewer is the last; without `next` and
    /// `{offset}`, one that has as many may lack some, and counts as none.
    #[serde(default)]
    pub page_size: Option<usize>,
    /// How much of the window is asked for at once, such as `30days`; all of it, if left out.
    #[serde(default, with = "humantime_serde::option")]
    pub step: Option<Duration>,
    /// How new bookings are listed.
    #[serde(default)]
    pub new_appointment: Option<WrittenQuery>,
    /// How changed ones are.
    #[serde(default)]
    pub update: Option<WrittenQuery>,
    /// How cancelled ones are.
    #[serde(default)]
    pub cancellation: Option<WrittenQuery>,
}

/// One question. `{since}` stands for when was asked last, less some minutes; `{from}` and `{to}` for the ends of the window;
/// with `_ms` or `_date` after the word, as in `{since_ms}`, for the milliseconds since 1970, or the day in UTC. `{account}` stands
/// for `api.account` of the settings. What is between `[[` and `]]` is left out of the question for the first page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenQuery {
    /// The path below the address of the API.
    pub path: String,
    /// The body of a POST, in JSON; without it, the question is a GET.
    #[serde(default)]
    pub body: Option<String>,
}

/// The same, judged.
#[derive(Debug, Clone)]
pub struct List {
    /// Where the array of bookings is.
    pub items: Finding,
    /// Where the id of each is.
    pub id: Finding,
    /// Where each says when it was changed.
    pub updated_at: Option<Finding>,
    /// How many an answer has at most.
    pub page_size: Option<usize>,
    /// How much of the window is asked for at once.
    pub step: Option<Duration>,
    /// How the next page is found.
    pub pages: Pages,
    /// How new bookings are listed.
    pub new_appointment: Option<Query>,
    /// How changed ones are.
    pub update: Option<Query>,
    /// How cancelled ones are.
    pub cancellation: Option<Query>,
}

/// How the next page is found.
#[derive(Debug, Clone)]
pub enum Pages {
    /// The answer names it.
    Named(Finding),
    /// By how many came before.
    Counted,
    /// There is one.
    One,
}

/// One question.
#[derive(Debug, Clone)]
pub struct Query {
    path: Template,
    body: Option<Template>,
}

/// What stands in place of the holes.
#[derive(Debug, Clone, Copy)]
pub struct Filling<'a> {
    /// When was asked last, less some minutes.
    pub since: Timestamp,
    /// The beginning of the window.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// The page; none for the first.
    pub page: Option<&'a str>,
    /// How many came before.
    pub offset: usize,
    /// Whose.
    pub account: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    Time(Which, Style),
    Page,
    Offset,
    Account,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Since,
    From,
    To,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Rfc3339,
    Milliseconds,
    Date,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Hole(Hole),
    /// Not for the first page.
    After(Vec<Part>),
}

#[derive(Debug, Clone)]
struct Template(Vec<Part>);

fn hole(name: &str) -> Option<Hole> {
    let (word, style) = match name.rsplit_once('_') {
        Some((word, "ms")) => (word, Style::Milliseconds),
        Some((word, "date")) => (word, Style::Date),
        Some(_) | None => (name, Style::Rfc3339),
    };
    match (word, style) {
        ("since", style) => Some(Hole::Time(Which::Since, style)),
        ("from", style) => Some(Hole::Time(Which::From, style)),
        ("to", style) => Some(Hole::Time(Which::To, style)),
        ("page", Style::Rfc3339) => Some(Hole::Page),
        ("offset", Style::Rfc3339) => Some(Hole::Offset),
        ("account", Style::Rfc3339) => Some(Hole::Account),
        _ => None,
    }
}

impl Template {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        for (number, piece) in text.split("[[").enumerate() {
            match (number, piece.split_once("]]")) {
                (0, _) => parts.extend(holes(piece)?),
                (_, Some((inner, after))) => {
                    parts.push(Part::After(holes(inner)?));
                    parts.extend(holes(after)?);
                }
                (_, None) => return Err("has [[ without ]] after it".to_owned()),
            }
        }
        Ok(Self(parts))
    }

    fn has(&self, wanted: Hole) -> bool {
        fn any(parts: &[Part], wanted: Hole) -> bool {
            parts.iter().any(|part| match part {
                Part::Text(_) => false,
                Part::Hole(hole) => *hole == wanted,
                Part::After(parts) => any(parts, wanted),
            })
        }
        any(&self.0, wanted)
    }

    fn fill(&self, filling: &Filling<'_>, write: &dyn Fn(&str) -> String) -> String {
        let first = filling.page.is_none() && filling.offset == 0;
        let mut text = String::new();
        let mut put = |part: &Part| match part {
            Part::Text(plain) => text.push_str(plain),
            Part::Hole(hole) => text.push_str(&write(&filling.of(*hole))),
            Part::After(_) => {}
        };
        for part in &self.0 {
            match part {
                Part::After(parts) if !first => parts.iter().for_each(&mut put),
                Part::Text(_) | Part::Hole(_) | Part::After(_) => put(part),
            }
        }
        text
    }
}

/// Braces that hold no word of ours are the text's own: bodies are JSON.
fn holes(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let word: String = rest[open + 1..].chars().take_while(|it| it.is_ascii_lowercase() || *it == '_').collect();
        let closed = rest[open + 1 + word.len()..].starts_with('}');
        if !word.is_empty() && closed {
            let hole = hole(&word).ok_or_else(|| {
                format!("has {{{word}}}; use since, from and to, with _ms or _date where needed, page, offset, account")
            })?;
            parts.push(Part::Text(rest[..open].to_owned()));
            parts.push(Part::Hole(hole));
            rest = &rest[open + word.len() + 2..];
        } else {
            parts.push(Part::Text(rest[..=open].to_owned()));
            rest = &rest[open + 1..];
        }
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

impl Filling<'_> {
    fn of(&self, hole: Hole) -> String {
        match hole {
            Hole::Time(which, style) => {
                let time = match which {
                    Which::Since => self.since,
                    Which::From => self.from,
                    Which::To => self.to,
                };
                match style {
                    Style::Rfc3339 => Timestamp::from_millis(time.millis() / 1_000 * 1_000).unwrap_or(time).to_string(),
                    Style::Milliseconds => time.millis().to_string(),
                    Style::Date => time.to_string().chars().take_while(|it| *it != 'T').collect(),
                }
            }
            Hole::Page => self.page.unwrap_or_default().to_owned(),
            Hole::Offset => self.offset.to_string(),
            Hole::Account => self.account.to_owned(),
        }
    }
}

impl Query {
    /// The path and query, and the body of a POST.
    pub fn fill(&self, filling: &Filling<'_>) -> (String, Option<String>) {
        let path = self.path.fill(filling, &|value| utf8_percent_encode(value, ESCAPED).to_string());
        let json = |value: &str| {
            let text = serde_json::Value::from(value).to_string();
            text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned()
        };
        (path, self.body.as_ref().map(|body| body.fill(filling, &json)))
    }

    fn has(&self, hole: Hole) -> bool {
        self.path.has(hole) || self.body.as_ref().is_some_and(|body| body.has(hole))
    }

    /// Whether it asks of somebody's account.
    pub fn needs_account(&self) -> bool {
        self.has(Hole::Account)
    }
}

impl List {
    /// Judges it. `fault` hears of everything that is wrong, by the setting's name.
    pub fn new(written: &WrittenList, mut fault: impl FnMut(&str, String)) -> Option<Self> {
        let mut finding = |key: &str, written: &WrittenFinding| written.judge(|problem| fault(key, problem));
        let items = finding("items", &written.items);
        let id = finding("id", &written.id);
        let updated_at = written.updated_at.as_ref().and_then(|written| finding("updated_at", written));
        let next = written.next.as_ref().and_then(|written| finding("next", written));
        let mut query = |key: &str, written: &Option<WrittenQuery>| {
            let written = written.as_ref()?;
            let mut template = |part: &str, text: &str| {
                Template::parse(text).map_err(|problem| fault(&format!("{key}.{part}"), problem)).ok()
            };
            let path = template("path", &written.path);
            let body = match &written.body {
                Some(body) => Some(template("body", body)?),
                None => None,
            };
            if !written.path.starts_with('/') {
                fault(&format!("{key}.path"), "must begin with a slash".to_owned());
            }
            Some(Query { path: path?, body })
        };
        let new_appointment = query("new_appointment", &written.new_appointment);
        let update = query("update", &written.update);
        let cancellation = query("cancellation", &written.cancellation);
        let queries: Vec<&Query> = [&new_appointment, &update, &cancellation].into_iter().flatten().collect();
        if written.new_appointment.is_none() && written.update.is_none() && written.cancellation.is_none() {
            fault("new_appointment", "and update and cancellation are all missing; what is asked?".to_owned());
        }
        let counted = queries.iter().any(|query| query.has(Hole::Offset));
        for query in &queries {
            if query.has(Hole::Page) != next.is_some() {
                let problem = "and {page} belong together: where is the next page named, and where does its name go?";
                fault("next", problem.to_owned());
                break;
            }
        }
        let pages = match (next, counted, written.page_size) {
            (Some(next), false, _) => Pages::Named(next),
            (None, true, Some(1..)) => Pages::Counted,
            (None, false, _) => Pages::One,
            (Some(_), true, _) => {
                fault("next", "and {offset} are two ways to find the next page; keep one".to_owned());
                return None;
            }
            (None, true, _) => {
                fault("page_size", "is missing; with {offset}, when is a page the last?".to_owned());
                return None;
            }
        };
        let page_size = written.page_size;
        let step = written.step.filter(|step| !step.is_zero());
        if written.step.is_some() && step.is_none() {
            fault("step", "must be longer than nothing".to_owned());
        }
        Some(Self { items: items?, id: id?, updated_at, page_size, step, pages, new_appointment, update, cancellation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filling<'a>() -> Filling<'a> {
        let at = |text: &str| text.parse().expect("a time");
        Filling {
            since: at("2026-03-01T08:00:00.750Z"),
            from: at("2026-02-01T00:00:00Z"),
            to: at("2026-09-01T00:00:00Z"),
            page: None,
            offset: 0,
            account: "https://api.example/organizations/7",
        }
    }

    fn list(text: &str) -> Result<List, Vec<String>> {
        let written: WrittenList = toml::from_str(text).expect("the shape");
        let mut faults = Vec::new();
        let list = List::new(&written, |key, problem| faults.push(format!("{key} {problem}")));
        if faults.is_empty() { Ok(list.expect("no fault")) } else { Err(faults) }
    }

    const SOUND: &str = "items = \"$.data\"\nid = \"$.uid\"\n";

    #[test]
    fn a_question_has_what_stands_for_times_pages_and_accounts() {
        let text = format!(
            "{SOUND}next = \"$.next\"\nupdate = {{ path = \"/b?o={{account}}&since={{since}}&ms={{since_ms}}&d={{to_date}}[[&page={{page}}]]\" }}"
        );
        let query = list(&text).expect("sound").update.expect("asked");
        let path = "/b?o=https%3A%2F%2Fapi.example%2Forganizations%2F7&since=2026-03-01T08%3A00%3A00Z&ms=1772352000750&d=2026-09-01";
        assert_eq!(query.fill(&filling()), (path.to_owned(), None));
        let next = query.fill(&Filling { page: Some("a=b&c"), ..filling() }).0;
        assert_eq!(next, format!("{path}&page=a%3Db%26c"));
    }

    #[test]
    fn a_body_keeps_its_own_braces_and_takes_no_quotes_from_what_is_put_in() {
        let text = format!(
            "{SOUND}next = \"$.next\"\nupdate = {{ path = \"/s\", body = '{{\"f\":[{{\"v\":\"{{since_ms}}\"}}][[,\"after\":\"{{page}}\"]]}}' }}"
        );
        let query = list(&text).expect("sound").update.expect("asked");
        assert_eq!(query.fill(&filling()).1.as_deref(), Some(r#"{"f":[{"v":"1772352000750"}]}"#));
        let (_, body) = query.fill(&Filling { page: Some("a\""), ..filling() });
        assert_eq!(body.as_deref(), Some(r#"{"f":[{"v":"1772352000750"}],"after":"a\""}"#));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        for (text, begins) in [
            ("", "new_appointment and update and cancellation are all missing"),
            ("update = { path = \"b\" }", "update.path must begin with a slash"),
            ("update = { path = \"/b?{when}\" }", "update.path has {when}; use since"),
            ("update = { path = \"/b[[&p=1\" }", "update.path has [[ without ]]"),
            ("update = { path = \"/b?{page}\" }", "next and {page} belong together"),
            ("next = \"$.n\"\nupdate = { path = \"/b\" }", "next and {page} belong together"),
            ("update = { path = \"/b?{offset}\" }", "page_size is missing"),
            ("next = \"n\"\nupdate = { path = \"/b?{page}\" }", "next is no JSONPath"),
        ] {
            let faults = list(&format!("{SOUND}{text}")).expect_err(text);
            assert!(faults[0].starts_with(begins), "{text}: {faults:?}");
        }
    }
}
