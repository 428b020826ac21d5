//! Content lines of iCalendar (RFC 5545, section 3.1): folding, TEXT, and reading them back.
//!
//! Written here because the writer at hand stamps entries by the wall clock. Another implementation judges what comes
//! out: see the tests of the entries that the propagator writes.

use std::borrow::Cow;

/// The longest line in octets, its end not counted.
pub const LINE_MAX: usize = 75;

/// Appends `name:value`, folded. `value` is of a type that needs no escaping, or has been through [`escape`].
pub fn push(out: &mut String, name: &str, value: &str) {
    let mut room = LINE_MAX;
    for character in name.chars().chain([':']).chain(value.chars()) {
        if character.len_utf8() > room {
            out.push_str("\r\n ");
            room = LINE_MAX - 1;
        }
        out.push(character);
        room -= character.len_utf8();
    }
    out.push_str("\r\n");
}

/// The text without what a TEXT value cannot hold. Every kind of line break becomes a line feed: some servers split
/// lines at Unicode's own separators. Other control characters, but for the tab, go.
pub fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let breaks = text.chars().map(|character| match character {
        '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
        other => other,
    });
    breaks.filter(|character| !character.is_control() || matches!(character, '\n' | '\t')).collect()
}

/// A cleaned text as a TEXT value (section 3.3.11).
pub fn escape(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for character in clean(text).chars() {
        match character {
            '\\' | ';' | ',' => value.extend(['\\', character]),
            '\n' => value.push_str("\\n"),
            other => value.push(other),
        }
    }
    value
}

/// A TEXT value as text. Tolerant: a backslash before anything else than the four stands for itself.
pub fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some(next @ ('\\' | ';' | ','))) => {
                text.push(*next);
                characters.next();
            }
            ('\\', Some('n' | 'N')) => {
                text.push('\n');
                characters.next();
            }
            (other, _) => text.push(other),
        }
    }
    text
}

/// The lines of a body, unfolded. Unfolds octets before reading characters, because old writers fold inside one; takes
/// bare line feeds as line ends.
pub fn unfold(body: &[u8]) -> Vec<String> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for raw in body.split(|octet| *octet == b'\n') {
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        match (raw.first(), lines.last_mut()) {
            (Some(b' ' | b'\t'), Some(line)) => line.extend_from_slice(&raw[1..]),
            (Some(_), _) => lines.push(raw.to_vec()),
            (None, _) => {}
        }
    }
    lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

/// One property.
#[derive(Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// Upper case.
    pub name: String,
    params: &'a str,
    /// As it stands in the line.
    pub value: &'a str,
}

impl<'a> Property<'a> {
    /// Reads an unfolded line; none if it is not one.
    pub fn read(line: &'a str) -> Option<Self> {
        let name_end = line.find([':', ';'])?;
        let mut quoted = false;
        let colon = line.bytes().position(|octet| {
            quoted ^= octet == b'"';
            octet == b':' && !quoted
        })?;
        let params = if colon > name_end { &line[name_end + 1..colon] } else { "" };
        Some(Self { name: line[..name_end].to_ascii_uppercase(), params, value: &line[colon + 1..] })
    }

    /// The value of a parameter that needs no quoting.
    pub fn param(&self, name: &str) -> Option<Cow<'a, str>> {
        let params = self.params.split(';').filter_map(|param| param.split_once('='));
        params
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| Cow::Borrowed(value.trim_matches('"')))
            .next()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_of_75_octets_is_not_folded_and_one_of_76_is() {
        let folded = |length: usize| {
            let mut out = String::new();
            push(&mut out, "X", &"a".repeat(length - 2));
            out
        };
        assert_eq!(folded(75), format!("X:{}\r\n", "a".repeat(73)));
        assert_eq!(folded(76), format!("X:{}\r\n a\r\n", "a".repeat(73)));
    }

    #[test]
    fn a_fold_never_splits_a_character() {
        let mut out = String::new();
        push(&mut out, "SUMMARY", &"虎".repeat(40));
        assert!(out.split("\r\n").all(|line| line.len() <= LINE_MAX));
        assert!(out.split("\r\n ").all(|part| part.len() > LINE_MAX - 4 || part.ends_with('\n')));
    }

    #[test]
    fn a_fold_inside_a_character_is_undone() {
        let folded = [b"SUMMARY:\xE8\x99".as_slice(), b"\r\n \x8E!\r\n"].concat();
        assert_eq!(unfold(&folded), ["SUMMARY:虎!"]);
    }

    #[test]
    fn a_property_is_read_with_its_parameters_even_if_they_hold_colons() {
        let line = "dtstart;X-P=\"a:b\";tzid=Europe/Berlin:20260304T100000";
        let property = Property::read(line).expect("a property");
        assert_eq!((property.name.as_str(), property.value), ("DTSTART", "20260304T100000"));
        assert_eq!(property.param("TZID").as_deref(), Some("Europe/Berlin"));
        assert_eq!(property.param("VALUE"), None);
        assert_eq!(Property::read("no colon"), None);
        assert_eq!(Property::read("SUMMARY:a;b=c:d").expect("a property").value, "a;b=c:d");
    }

    #[test]
    fn control_characters_go_and_every_line_break_becomes_a_line_feed() {
        assert_eq!(clean("a\0b\u{7f}\tc\r\nd\re\u{2028}f\u{85}g"), "ab\tc\nd\ne\nf\ng");
    }

    proptest! {
        #[test]
        fn text_survives_escaping_folding_and_the_way_back(text in any::<String>()) {
            let mut out = String::new();
            push(&mut out, "DESCRIPTION", &escape(&text));
            prop_assert!(out.split("\r\n").all(|line| line.len() <= LINE_MAX));
            let lines = unfold(out.as_bytes());
            prop_assert_eq!(lines.len(), 1);
            prop_assert_eq!(unescape(Property::read(&lines[0]).expect("a property").value), clean(&text));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>()) {
            for line in unfold(&bytes) {
                if let Some(property) = Property::read(&line) {
                    unescape(property.value);
                    property.param("TZID");
                }
            }
        }
    }
}
