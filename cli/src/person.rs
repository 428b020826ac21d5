//! Who does something by hand, and why: texts that are kept for whoever asks later.

use crate::failure::Failure;

/// The longest text that is kept.
const LENGTH_MAX: usize = 500;

/// Who does it: as `--by` says, or the operating system's user.
pub fn who(by: Option<&str>) -> Result<String, Failure> {
    match by {
        Some(by) => sound("--by", by).map(str::to_owned),
        None => user(),
    }
}

/// A text that is worth keeping.
pub fn sound<'a>(option: &str, text: &'a str) -> Result<&'a str, Failure> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LENGTH_MAX || text.chars().any(char::is_control) {
        let problem = format!("{option} must have 1 to {LENGTH_MAX} characters, and no control characters");
        return Err(Failure::input(problem));
    }
    Ok(text)
}

/// The name of the operating system's user.
fn user() -> Result<String, Failure> {
    let known = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
    known.map(|user| user.name).ok_or_else(|| {
        Failure::input("the operating system does not know this user's name; say who does it with --by NAME")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something() {
        assert!(sound("--reason", " \n").is_err());
        assert!(sound("--reason", "two\nlines").is_err());
        assert_eq!(sound("--reason", " moved by phone ").ok(), Some("moved by phone"));
    }
}
