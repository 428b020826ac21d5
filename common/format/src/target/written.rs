//! A target's description as it is written, before any of it is judged. The field comments are the definition that people write by.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::query::WrittenFinding;
use crate::written::WrittenLength;

/// How a system is written to.
///
/// A template has words in braces, each of which stands for a value: `{booking}`, `{version}` and `{resource}` of Daybook's own;
/// `{id}`, what the target calls the entry; `{address}`, what the resource is called at the target, and `{address_1}`, `{address_2}`,
/// `{address_3}`, the parts of that between slashes; `{account}`, from the settings of the target; `{key}`, the same for every attempt
/// to make one entry. Of what is shown: `{start}` and `{end}` as `times` says, `{start_local}` and `{end_local}` in the zone of the
/// resource, `{zone}`, its IANA name, `{minutes}`, how long it is, and, where the resource lists these fields for the target, `{title}`,
/// `{name}`, `{email}` and `{phone}` of the first who attends, and `{attendees}`, all of them. What stands between `[[` and `]]` is left
/// out where a value in it is missing; with `[[{title}||Busy]]`, the words behind the bars stand there instead. Values are written as
/// the place wants them: in a path, in a form, between the quotes of JSON, and, outside of quotes, as a number and nothing else.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenTarget {
    /// Where the API is, if it is at one place for everybody. The settings of the target may say another.
    #[serde(default)]
    pub base: Option<String>,
    /// Headers that go with every request, such as the version of the API.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How times are written and read: `rfc3339`, `unix`, `unix_ms`, or a pattern in the words of strftime with `%z`.
    #[serde(default)]
    pub times: Option<String>,
    /// How long a look may still show what was there before a write. So long nobody believes that there is nothing, and no second
    /// entry is made, after a write whose end is not known.
    #[serde(with = "humantime_serde")]
    pub settles: Duration,
    /// Found in an answer that is an error, whatever its status says.
    #[serde(default)]
    pub error: Option<WrittenFinding>,
    /// How an entry is made; a POST, if it does not say.
    pub create: WrittenRequest,
    /// How one is changed; a PUT, if it does not say. Every change says all that is to be.
    pub change: WrittenRequest,
    /// How one is ended; a DELETE, if it does not say.
    pub cancel: WrittenRequest,
    /// How one is seen by what the target calls it: a GET.
    pub look: WrittenRequest,
    /// How those of a booking are found without that: a GET whose answer has all of them.
    pub find: WrittenFind,
    /// Where everything is in an answer.
    pub entry: WrittenEntry,
}

impl WrittenTarget {
    /// Reads TOML, or says where it is none of a description.
    pub fn read(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}

/// A request, and what its answers mean. What is not listed means what it usually does: 2xx done; 404 and 410 gone, but of `create` never;
/// 409 and 412 look; 408, 423 and 425 again; 429 wait; 401 and 403 that our credentials are not accepted; other 4xx never; 5xx that
/// nobody knows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRequest {
    /// GET, POST, PUT, PATCH or DELETE.
    #[serde(default)]
    pub method: Option<String>,
    /// The path below the address of the API, and the query: a template.
    pub path: String,
    /// The body, in JSON: a template.
    #[serde(default)]
    pub json: Option<String>,
    /// The body as a form, instead: the templates of its fields, by their names.
    #[serde(default)]
    pub form: BTreeMap<String, String>,
    /// What makes a repetition harmless at the target. Of `create` only.
    #[serde(default)]
    pub idempotency: Option<WrittenIdempotency>,
    /// Statuses that mean that it is done.
    #[serde(default)]
    pub done: Vec<u16>,
    /// That there is no such entry, or no more.
    #[serde(default)]
    pub gone: Vec<u16>,
    /// That nothing was done, and that it should be tried again.
    #[serde(default)]
    pub again: Vec<u16>,
    /// That nothing was done, and never will be.
    #[serde(default)]
    pub never: Vec<u16>,
    /// That something stands in the way: it is looked at.
    #[serde(default)]
    pub look: Vec<u16>,
}

/// What makes a repetition harmless.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenIdempotency {
    /// The header that has `{key}`.
    pub header: String,
    /// How long the target remembers it.
    #[serde(with = "humantime_serde")]
    pub lives: Duration,
}

/// How the entries of a booking are found.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenFind {
    /// The path below the address of the API, and the query: a template.
    pub path: String,
    /// Where the array of entries is.
    pub items: WrittenFinding,
}

/// Where everything is in an answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenEntry {
    /// Where the entry is, in an answer that has one; without it, it is the answer. Every other path starts at the entry.
    #[serde(default)]
    pub at: Option<WrittenFinding>,
    /// What the target calls it.
    pub id: WrittenFinding,
    /// The booking: a text that has `{booking}` in it, because a template wrote it there.
    pub booking: WrittenFinding,
    /// The version: a number, or a text that ends with one. Without it, the times alone say whether an entry is as it should be.
    #[serde(default)]
    pub version: Option<WrittenFinding>,
    /// From when.
    pub start: WrittenFinding,
    /// Until when; or `length`.
    #[serde(default)]
    pub end: Option<WrittenFinding>,
    /// How long.
    #[serde(default)]
    pub length: Option<WrittenLength>,
    /// What it is called, if that is to be compared.
    #[serde(default)]
    pub title: Option<WrittenFinding>,
    /// Found in an entry that is over.
    #[serde(default)]
    pub cancelled: Option<WrittenFinding>,
    /// The id of the entry that came in its place, where ids change.
    #[serde(default)]
    pub next: Option<WrittenFinding>,
}
