//! The descriptions that come with Daybook.

use crate::description::Description;
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

#[cfg(test)]
mod tests {
    use super::*;

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
