//! Names that an operator chooses: resources, sources, targets and callers.
//!
//! Invariant: 1 to 64 characters of `a-z 0-9 . _ -`, beginning with a letter or digit. An `@` cannot occur, so none of
//! them can be somebody's e-mail address, and each is safe in a log line, a metric label, a Kafka key and a topic name.

use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes.
const LENGTH_MAX: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlugError {
    /// No character at all.
    #[error("is empty; give it 1 to 64 characters of a-z, 0-9, '.', '_' and '-'")]
    Empty,
    /// More than 64 bytes.
    #[error("is longer than 64 characters")]
    TooLong,
    /// A character outside the alphabet, or a leading punctuation mark.
    #[error(
        "has a character at byte {at} that is not allowed; use a-z, 0-9, '.', '_' and '-', and begin with a letter or digit"
    )]
    BadCharacter {
        /// Byte offset of the first offending character.
        at: usize,
    },
}

fn check(text: &str) -> Result<(), SlugError> {
    if text.is_empty() {
        return Err(SlugError::Empty);
    }
    if text.len() > LENGTH_MAX {
        return Err(SlugError::TooLong);
    }
    let bad = text.bytes().enumerate().find(|(at, byte)| {
        let word = byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !(word || (*at > 0 && matches!(byte, b'.' | b'_' | b'-')))
    });
    match bad {
        Some((at, _)) => Err(SlugError::BadCharacter { at }),
        None => Ok(()),
    }
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = SlugError;
            fn from_str(text: &str) -> Result<Self, SlugError> {
                check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

slug! {
    /// Whoever or whatever is booked: an agent, a room, a device. The key of every per-resource topic.
    ResourceId
}
slug! {
    /// A system that sends events; `raw.<source>` is its topic.
    SourceName
}
slug! {
    /// A system that decisions are pushed to.
    TargetName
}
slug! {
    /// A program or a person that calls the API, whichever key it has just now.
    CallerName
}

impl SourceName {
    /// The name under which callers of the API ask, all of them: they are one source.
    pub fn api() -> Self {
        Self("api".to_owned())
    }

    /// The name under which the arbiter speaks for itself (`expire`) and for records that name no source.
    pub fn daybook() -> Self {
        Self("daybook".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_accepts_the_documented_alphabet() {
        for name in ["anna", "room-7", "eu.berlin_2", "7"] {
            assert_eq!(name.parse::<ResourceId>().map(|id| id.to_string()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn a_name_refuses_an_email_address_upper_case_and_leading_punctuation() {
        assert_eq!("anna@example.com".parse::<ResourceId>(), Err(SlugError::BadCharacter { at: 4 }));
        assert_eq!("Anna".parse::<ResourceId>(), Err(SlugError::BadCharacter { at: 0 }));
        assert_eq!("-anna".parse::<ResourceId>(), Err(SlugError::BadCharacter { at: 0 }));
        assert_eq!("".parse::<ResourceId>(), Err(SlugError::Empty));
        assert_eq!("a".repeat(65).parse::<ResourceId>(), Err(SlugError::TooLong));
    }
}
