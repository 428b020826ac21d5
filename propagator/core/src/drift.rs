//! How an entry at a target differs from what it should be.
//!
//! The words of [`Drift::as_str`] and [`Field::as_str`] are bounded: metric labels, rows and records carry them.

use daybook_domain::Interval;

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drift {
    /// It is not there.
    Missing,
    /// It is there, and the booking is not to be shown.
    Extra,
    /// It is at another time.
    Moved,
    /// It says something else, at the right time.
    Edited,
    /// The booking has another one besides.
    Duplicate,
}

impl Drift {
    /// Every one, for tables and gauges.
    pub const ALL: [Self; 5] = [Self::Missing, Self::Extra, Self::Moved, Self::Edited, Self::Duplicate];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Moved => "moved",
            Self::Edited => "edited",
            Self::Duplicate => "duplicate",
        }
    }
}

/// What of an entry is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// When it is.
    Time,
    /// What it is called.
    Title,
    /// What is written below that.
    Text,
    /// That it is one entry which takes time and to which nobody is invited.
    Nature,
    /// Our mark.
    Mark,
    /// The version that the mark names.
    Version,
}

impl Field {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Title => "title",
            Self::Text => "text",
            Self::Nature => "nature",
            Self::Mark => "mark",
            Self::Version => "version",
        }
    }
}

/// An entry that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How.
    pub drift: Drift,
    /// When it is shown, as far as that can be said.
    pub shown: Option<Interval>,
    /// In what.
    pub fields: Vec<Field>,
    /// The entry's tag, by which one state of it is told from another.
    pub seen: Option<String>,
}

impl Difference {
    /// It is not there.
    pub const MISSING: Self = Self { drift: Drift::Missing, shown: None, fields: Vec::new(), seen: None };

    /// It is there and says something else; none if it is in nothing.
    pub fn of(shown: Option<Interval>, fields: Vec<Field>, seen: Option<String>) -> Option<Self> {
        let drift = if fields.contains(&Field::Time) { Drift::Moved } else { Drift::Edited };
        (!fields.is_empty()).then_some(Self { drift, shown, fields, seen })
    }
}
