//! The formats, and the words that settings have for them.

use std::fmt;
use std::sync::Arc;

use crate::description::Description;
use crate::judge::DescriptionFault;
use crate::shipped::{SHIPPED, shipped};
use crate::written::{Media, Written};

/// The format of a source's events: how it signs, and how it is read.
#[derive(Debug, Clone)]
pub enum Format {
    /// Calendly's webhooks.
    Calendly,
    /// Google Calendar: calendars are read through its API.
    GoogleCalendar,
    /// Outlook's calendars, which are read through Microsoft Graph.
    Outlook,
    /// Calendars of a CalDAV server (RFC 4791).
    CalDav,
    /// Calendars that are published as files of iCalendar (RFC 5545).
    IcsFeed,
    /// Our own documented JSON, signed by Standard Webhooks.
    Generic,
    /// Calls of our own API. There is one such source, and nobody configures it.
    Api,
    /// As it is described.
    Described(Arc<Description>),
}

/// The word for a format that is described in the settings themselves.
pub const DESCRIBED: &str = "described";

/// What is wrong with how the settings name a source's format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {problem}")]
pub struct FormatFault {
    /// Which setting of the source: `kind`, or `description.booking.start`.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Format {
    /// The format of this word: `calendly`, `generic`, `google-calendar`, `outlook`, `caldav`, `ics-feed`, a name of [`SHIPPED`], or `described` with a description.
    pub fn new(kind: &str, description: Option<&Written>) -> Result<Self, Vec<FormatFault>> {
        let fault = |key: &str, problem: String| Err(vec![FormatFault { key: key.to_owned(), problem }]);
        let format = match (kind, shipped(kind)) {
            ("calendly", _) => Self::Calendly,
            ("google-calendar", _) => Self::GoogleCalendar,
            ("outlook", _) => Self::Outlook,
            ("caldav", _) => Self::CalDav,
            ("ics-feed", _) => Self::IcsFeed,
            ("generic", _) => Self::Generic,
            (DESCRIBED, _) => {
                let Some(written) = description else {
                    return fault("description", "is missing; describe what the source sends".to_owned());
                };
                let named = |fault: DescriptionFault| {
                    let DescriptionFault { key, problem } = fault;
                    FormatFault { key: format!("description.{key}"), problem }
                };
                let description =
                    Description::new(written).map_err(|faults| faults.into_iter().map(named).collect::<Vec<_>>())?;
                return Ok(Self::Described(Arc::new(description)));
            }
            (_, Some(description)) => Self::Described(Arc::new(description)),
            (_, None) => {
                let shipped: Vec<_> = SHIPPED.iter().map(|(name, _)| *name).collect();
                let known = shipped.join(", ");
                return fault(
                    "kind",
                    format!(
                        "is no format; use calendly, generic, google-calendar, outlook, caldav, ics-feed, {known}, or described"
                    ),
                );
            }
        };
        match description {
            None => Ok(format),
            Some(_) => fault("description", format!("is only for kind = \"{DESCRIBED}\"; take it away, or the kind")),
        }
    }
}

impl Format {
    /// How its bodies are written.
    pub fn media(&self) -> Media {
        match self {
            Self::Calendly | Self::GoogleCalendar | Self::Outlook | Self::Generic | Self::Api => Media::Json,
            Self::CalDav | Self::IcsFeed => Media::Calendar,
            Self::Described(description) => description.delivery.media,
        }
    }

    /// Whether its sources have calendars that are read again and again.
    pub const fn has_calendars(&self) -> bool {
        match self {
            Self::GoogleCalendar | Self::Outlook | Self::CalDav | Self::IcsFeed => true,
            Self::Calendly | Self::Generic | Self::Api | Self::Described(_) => false,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calendly => "calendly",
            Self::GoogleCalendar => "google-calendar",
            Self::Outlook => "outlook",
            Self::CalDav => "caldav",
            Self::IcsFeed => "ics-feed",
            Self::Generic => "generic",
            Self::Api => "api",
            Self::Described(_) => DESCRIBED,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: &str, description: Option<&Written>) -> String {
        let faults = Format::new(kind, description).expect_err("a fault");
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].to_string()
    }

    #[test]
    fn every_word_of_the_settings_is_a_format_and_no_other_is() {
        for kind in ["calendly", "generic", "google-calendar", "outlook", "caldav", "ics-feed"]
            .into_iter()
            .chain(SHIPPED.iter().map(|(name, _)| *name))
        {
            assert!(Format::new(kind, None).is_ok(), "{kind}");
        }
        for kind in ["", "Calendly", "api"] {
            assert!(
                fault(kind, None).starts_with(
                    "kind is no format; use calendly, generic, google-calendar, outlook, caldav, ics-feed, acuity, cal.com, "
                ),
                "{kind}"
            );
        }
    }

    #[test]
    fn a_description_belongs_to_what_is_described_and_to_nothing_else() {
        let written = Written::read(SHIPPED[0].1).expect("shipped");
        assert!(matches!(Format::new(DESCRIBED, Some(&written)), Ok(Format::Described(_))));
        assert!(fault("calendly", Some(&written)).starts_with("description is only for kind"));
        assert_eq!(fault(DESCRIBED, None), "description is missing; describe what the source sends");
    }
}
