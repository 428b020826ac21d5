//! Which vendor's events a source sends.

use std::fmt;
use std::str::FromStr;

/// Which vendor's payload a source sends, and so how it signs and how it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// Calendly's webhooks.
    Calendly,
    /// Our own documented JSON, signed by Standard Webhooks.
    Generic,
    /// Calls of our own API. There is one such source, and nobody configures it.
    Api,
}

/// Not a kind of source that can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a kind of source; use calendly or generic")]
pub struct UnknownSourceKind;

impl FromStr for SourceKind {
    type Err = UnknownSourceKind;
    fn from_str(text: &str) -> Result<Self, UnknownSourceKind> {
        match text {
            "calendly" => Ok(Self::Calendly),
            "generic" => Ok(Self::Generic),
            _ => Err(UnknownSourceKind),
        }
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calendly => "calendly",
            Self::Generic => "generic",
            Self::Api => "api",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_can_be_configured_reads_back_from_its_name() {
        for kind in [SourceKind::Calendly, SourceKind::Generic] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for text in ["Calendly", "api"] {
            assert_eq!(text.parse::<SourceKind>(), Err(UnknownSourceKind));
        }
    }
}
