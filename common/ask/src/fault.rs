//! What is wrong with a body.

use std::fmt;

/// One thing that is wrong with a body. No value of it is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which kind of thing.
    pub kind: FaultKind,
    /// Where, as a path: `attendees[0].email`; `(body)` for the whole.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub fix: String,
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The bytes are no JSON in UTF-8, or name a field twice.
    Unreadable,
    /// A field that the operation does not have.
    Unknown,
    /// A field that it needs is not there.
    Missing,
    /// A field has another type than it must.
    Type,
    /// A value of the right type that means nothing, or is too long.
    Value,
    /// Not a time, a local time without a zone, or an interval that is none.
    Time,
    /// Not the name of a time zone.
    Zone,
    /// More attendees than are taken.
    TooMany,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.field, self.problem, self.fix)
    }
}

/// The nearest of `known`, if it is near enough to be what was meant: at most a third of it is different.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer than any name, and so no slip of one: the distance below takes the product of both lengths.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    let rated = known.into_iter().map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate));
    let (distance, candidate) = rated.min_by_key(|(distance, _)| *distance)?;
    (distance <= candidate.chars().count().max(3) / 3).then_some(candidate)
}

/// Levenshtein's distance, in which two neighbours that were exchanged are one slip: single characters put in, taken out
/// or replaced.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(a != b);
            let mut least = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        assert_eq!(nearest("time_zon", ["id", "time_zone", "aliases"]), Some("time_zone"));
        assert_eq!(nearest("europe/berln", ["Europe/Berlin", "Europe/Dublin"]), Some("Europe/Berlin"));
        assert_eq!(nearest("capacity", ["id", "time_zone", "aliases"]), None);
        assert_eq!(nearest(&"a".repeat(1_000_000), ["a"]), None);
        assert_eq!(nearest("titel", ["title", "ttl"]), Some("title"));
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
