//! The search for people where they must not be: in logs and in metrics.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use daybook_stack::Endpoints;

use crate::people::{calendar_mark, mark, phone_mark};

/// A text that must not occur, and what it would give away.
#[derive(Debug, Clone)]
pub struct Forbidden {
    /// What it is; shown instead of the text.
    pub what: &'static str,
    /// The text, in lower case.
    pub text: String,
    /// Logs that may hold it all the same.
    pub except: &'static [&'static str],
}

/// Everything that no log and no metric of this installation may hold.
pub fn forbidden(endpoints: &Endpoints) -> Vec<Forbidden> {
    let personal = |what, text: &str| Forbidden { what, text: text.to_lowercase(), except: &[] };
    let secret = |text: &str| personal("a secret", text.strip_prefix("whsec_").unwrap_or(text));
    vec![
        personal("something personal", mark()),
        personal("a telephone number", phone_mark()),
        // Whose calendars they are; its log tells which was asked for.
        Forbidden { what: "a calendar's name", text: calendar_mark().to_owned(), except: &["radicale.log"] },
        secret(&endpoints.calendly_secret),
        secret(&endpoints.generic_secret),
        secret(&endpoints.site_secret),
        secret(&endpoints.partner_secret),
        secret(&endpoints.contact_key),
        secret(&endpoints.caldav_password),
    ]
}

/// What of it stands in this text, with the place.
pub fn search(name: &str, text: &str, forbidden: &[Forbidden]) -> Vec<String> {
    let lower = text.to_lowercase();
    let looked_for = forbidden.iter().filter(|forbidden| !forbidden.except.contains(&name));
    let found = looked_for.filter_map(|forbidden| {
        let at = lower.find(&forbidden.text)?;
        let number = lower[..at].matches('\n').count() + 1;
        let line = text.lines().nth(number - 1).unwrap_or_default();
        Some(format!("{name}, line {number} holds {}: {line}", forbidden.what))
    });
    found.collect()
}

/// What of it stands in the logs of a directory. How many bytes were searched, and the findings.
pub fn search_logs(directory: &Path, forbidden: &[Forbidden]) -> Result<(u64, Vec<String>)> {
    let (mut bytes, mut found) = (0, Vec::new());
    for entry in std::fs::read_dir(directory).with_context(|| format!("{}", directory.display()))? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = std::fs::read(&path)?;
        bytes += text.len() as u64;
        found.extend(search(&name, &String::from_utf8_lossy(&text), forbidden));
    }
    ensure!(bytes > 0, "{} holds no log: nothing was searched", directory.display());
    Ok((bytes, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_in_any_case_and_its_line_is_named() {
        let list = [Forbidden { what: "a name", text: mark().to_owned(), except: &["its-own.log"] }];
        let text = format!("one\ntwo {} three\n", mark().to_uppercase());
        let found = search("arbiter.log", &text, &list);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("arbiter.log, line 2 holds a name"), "{found:?}");
        assert!(search("its-own.log", &text, &list).is_empty());
        assert!(search("arbiter.log", "one\ntwo\n", &list).is_empty());
    }
}
