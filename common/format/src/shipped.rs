//! The descriptions that come with Daybook.

use crate::description::Description;
use crate::list::{List, WrittenList};
use crate::written::Written;

/// Each, by the word that settings have for it, as it is written.
pub const SHIPPED: [(&str, &str); 4] = [
    ("acuity", include_str!("../formats/acuity.toml")),
    ("cal.com", include_str!("../formats/cal.com.toml")),
    ("hubspot", include_str!("../formats/hubspot.toml")),
    ("zendesk", include_str!("../formats/zendesk.toml")),
];

/// The description of this name, if there is one.
pub fn shipped(name: &str) -> Option<Description> {
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
    let written = Written::read(text).expect("a test reads every description that is shipped");
    Some(Description::new(&written).expect("a test judges every description that is shipped"))
}

/// How Calendly's events are listed; what they are is read by code.
pub fn calendly_list() -> List {
    let written: WrittenList = toml::from_str(CALENDLY_LIST).expect("a test reads the list that is shipped");
    List::new(&written, |_, _| {}).expect("a test judges the list that is shipped")
}

const CALENDLY_LIST: &str = include_str!("../formats/calendly.list.toml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_calendly_is_sound_and_asks_in_the_name_of_an_account() {
        let written: WrittenList = toml::from_str(CALENDLY_LIST).expect("a list");
        let list = List::new(&written, |key, problem| panic!("{key} {problem}")).expect("sound");
        assert!(list.new_appointment.is_some_and(|query| query.needs_account()));
        assert!(calendly_list().cancellation.is_some());
    }

    #[test]
    fn every_description_that_is_shipped_is_sound() {
        for (name, text) in SHIPPED {
            let written = Written::read(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let judged = Description::new(&written);
            assert!(judged.is_ok(), "{name}: {judged:?}");
            assert!(shipped(name).is_some());
        }
        assert!(shipped("fax").is_none());
    }
}
