//! Windows' names of time zones, which Outlook writes and no calendar standard knows.

use calcard::common::timezone::Tz as Named;
use chrono_tz::Tz;

/// The zone of a Windows name, by the table of CLDR (`windowsZones`, territory 001), as `calcard` has it. Nothing but such a
/// name: the library also reads what only resembles one, and that would be a guess.
pub(crate) fn zone(name: &str) -> Option<Tz> {
    let windows = name.ends_with(" Standard Time") || name.starts_with("Russia Time Zone ") || name.starts_with("UTC");
    if !windows || name.starts_with('(') {
        return None;
    }
    match name.parse() {
        Ok(Named::Tz(zone)) => Some(zone),
        Ok(Named::Floating | Named::Fixed(_)) | Err(()) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_names_are_zones_and_what_resembles_one_is_none() {
        for (name, zone) in [
            ("W. Europe Standard Time", Tz::Europe__Berlin),
            ("Romance Standard Time", Tz::Europe__Paris),
            ("GMT Standard Time", Tz::Europe__London),
            ("Pacific Standard Time", Tz::America__Los_Angeles),
            ("Eastern Standard Time", Tz::America__New_York),
            ("India Standard Time", Tz::Asia__Kolkata),
            ("Lord Howe Standard Time", Tz::Australia__Lord_Howe),
            ("Tokyo Standard Time", Tz::Asia__Tokyo),
        ] {
            let found = super::zone(name).unwrap_or_else(|| panic!("{name} is none"));
            // Two names of one zone.
            let same = found == zone || (name.starts_with("India") && found == Tz::Asia__Calcutta);
            assert!(same, "{name} is {found}");
        }
        for name in [
            "Romance",
            "Eastern Standard Time 1",
            "Customized Time Zone",
            "(UTC+01:00) Berlin",
            "Berlin",
            "",
            "tzone://Microsoft/Custom",
        ] {
            assert_eq!(super::zone(name), None, "{name}");
        }
    }
}
