//! One decision, held against the stored one. Pure.

use arbiter_core::core_version;
use arbiter_core::partition::Entry;
use daybook_domain::{Outcome, Rejection};
use daybook_wire::LoggedDecision;

use super::fields::differing;
use crate::words;

/// A decision as it is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its seq, by the column.
    pub seq: i64,
    /// The offset of its request, by the column.
    pub offset: i64,
    /// The whole value.
    pub bytes: Vec<u8>,
    /// What it says, or why nobody can tell.
    pub logged: Result<LoggedDecision, String>,
    /// Whether it was written with this version's schema: then the same decision is the same bytes.
    pub own_schema: bool,
}

/// The first thing that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of the decision.
    pub seq: i64,
    /// Of its request.
    pub offset: i64,
    /// In a sentence.
    pub what: String,
    /// Field by field.
    pub fields: Vec<String>,
}

/// How two decisions are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// Byte for byte.
    Bytes,
    /// Field by field; the stored one was written with another schema.
    InOtherBytes,
}

impl Stored {
    /// A difference at this row.
    pub fn difference(&self, what: impl Into<String>) -> Difference {
        Difference { seq: self.seq, offset: self.offset, what: what.into(), fields: Vec::new() }
    }

    /// Whether another version decided it: then this one may decide otherwise.
    pub fn is_of_another_version(&self) -> bool {
        self.logged.as_ref().is_ok_and(|logged| logged.core_version != core_version())
    }

    /// Why it is a refusal, if it is one.
    pub fn rejection(&self) -> Option<&Rejection> {
        match self.logged.as_ref().map(|logged| &logged.decision.outcome) {
            Ok(Outcome::Rejected(rejection)) => Some(rejection),
            Ok(_) | Err(_) => None,
        }
    }
}

/// Holds one decision against the row at its place. `next` is the row after those of the same request.
pub fn hold(
    offset: i64,
    entry: Option<&Entry>,
    row: Option<&Stored>,
    next: Option<&Stored>,
) -> Result<Same, Difference> {
    match (entry, row) {
        (Some(entry), Some(row)) if row.seq != entry.logged.seq => {
            let what = format!("the table has no such seq; the row of this request has seq {}", row.seq);
            Err(Difference { seq: entry.logged.seq, offset, what, fields: Vec::new() })
        }
        (Some(entry), Some(row)) if row.bytes == entry.bytes => Ok(Same::Bytes),
        (Some(entry), Some(row)) => {
            let logged = match &row.logged {
                Ok(logged) => logged,
                Err(why) => return Err(row.difference(format!("the stored bytes cannot be read: {why}"))),
            };
            let fields = differing(&entry.logged, logged);
            if fields.is_empty() && !row.own_schema {
                return Ok(Same::InOtherBytes);
            }
            let what = if fields.is_empty() {
                let at = entry.bytes.iter().zip(&row.bytes).take_while(|(again, stored)| again == stored).count();
                format!("every field is the same, and the bytes are not, from byte {at} on")
            } else {
                "the decision is another".to_owned()
            };
            Err(Difference { fields, ..row.difference(what) })
        }
        (Some(entry), None) => {
            let after = next.map_or_else(
                || "the table ends here".to_owned(),
                |next| format!("the next row has seq {} and offset {}", next.seq, next.offset),
            );
            let decided = outcome(&entry.logged);
            let what = format!("decided again it is {decided}, and the table has no decision on it: {after}");
            Err(Difference { seq: entry.logged.seq, offset, what, fields: Vec::new() })
        }
        (None, Some(row)) => {
            let decided = row.logged.as_ref().map_or_else(|_| "a decision".to_owned(), outcome);
            let what = format!("the table has {decided}, and decided again there is nothing to decide");
            Err(row.difference(what))
        }
        (None, None) => Ok(Same::Bytes),
    }
}

fn outcome(logged: &LoggedDecision) -> String {
    words::outcome(&logged.decision.outcome)
}
