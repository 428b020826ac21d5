//! How a system is written to that nobody has coded for: its requests as templates, and where in its answers everything is.
//! `targets/` has the descriptions that come with Daybook, each a file to learn from: [`shipped_target`].

mod judge;
mod template;
mod written;

pub use judge::{Answers, Entry, FindRequest, Idempotency, Request, Send, Target};
pub use template::{Filling, Template, Unfit};
pub use written::{WrittenEntry, WrittenFind, WrittenRequest, WrittenTarget};

/// Each that comes with Daybook, by the word that settings have for it, as it is written.
pub const SHIPPED_TARGETS: [(&str, &str); 3] = [
    ("acuity", include_str!("../targets/acuity.toml")),
    ("cal.com", include_str!("../targets/cal.com.toml")),
    ("zendesk", include_str!("../targets/zendesk.toml")),
];

/// The description of this name, if there is one.
pub fn shipped_target(name: &str) -> Option<Target> {
    let (_, text) = SHIPPED_TARGETS.iter().find(|(shipped, _)| *shipped == name)?;
    let written = WrittenTarget::read(text).expect("a test reads every description that is shipped");
    Some(Target::new(&written).expect("a test judges every description that is shipped"))
}

#[cfg(test)]
mod tests;
