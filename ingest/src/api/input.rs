//! From what came over the wire to the fields that the core reads, and from its faults to problems.

use daybook_ask::{Fault, FaultKind, json};
use daybook_domain::ResourceId;
use daybook_ingest_core::Fields;
use serde_json::Value;

use super::problem::{FieldError, Problem, ProblemKind};

/// A question from a query.
pub fn query<T>(text: Option<&str>, read: impl FnOnce(Fields) -> Result<T, Vec<Fault>>) -> Result<T, Problem> {
    let pairs = url::form_urlencoded::parse(text.unwrap_or_default().as_bytes()).into_owned();
    read(Fields::of_query(pairs)).map_err(|faults| problem(ProblemKind::InvalidParameter, faults))
}

/// A question from a body.
pub fn object<T>(body: &[u8], read: impl FnOnce(Fields) -> Result<T, Vec<Fault>>) -> Result<T, Problem> {
    let whole = |problem: String| {
        Problem::new(ProblemKind::InvalidBody, "The body does not read.").field(
            "(body)",
            problem,
            "send one JSON object in UTF-8",
        )
    };
    let object = match json::read(body) {
        Ok(Value::Object(object)) => object,
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(whole("is no object".to_owned()));
        }
        Err(error) => return Err(whole(error.to_string())),
    };
    read(Fields::of_object(object)).map_err(|faults| problem(ProblemKind::InvalidBody, faults))
}

/// A resource's id from an address.
pub fn resource(text: &str) -> Result<ResourceId, Problem> {
    text.parse().map_err(|error: daybook_domain::SlugError| {
        Problem::new(ProblemKind::InvalidParameter, "The address names no resource.").field(
            "id",
            error.to_string(),
            "give a resource's id: 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit",
        )
    })
}

fn problem(kind: ProblemKind, faults: Vec<Fault>) -> Problem {
    let detail = match faults.len() {
        1 => "One thing is wrong.".to_owned(),
        many => format!("{many} things are wrong."),
    };
    // A body that is right but for names that nobody knows is a problem of its own.
    let is_unknown = faults.iter().all(|fault| fault.kind == FaultKind::Unknown);
    let kind = if is_unknown && kind == ProblemKind::InvalidBody { ProblemKind::UnknownField } else { kind };
    let errors = faults.into_iter().map(|Fault { field, problem, fix, .. }| FieldError { field, problem, fix });
    Problem::new(kind, detail).fields(errors)
}
