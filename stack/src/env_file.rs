//! Files of shell assignments: written so that any POSIX shell sources them and gets every byte back.

use std::collections::BTreeMap;

/// `export NAME='value'`, one a line.
pub(crate) fn render<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    variables.into_iter().map(|(name, value)| format!("export {name}={}\n", quote(value))).collect()
}

/// Single quotes keep everything but a single quote, which is closed, escaped and opened again.
fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// What [`render`] wrote, and nothing more of a shell's language than that.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let assignment = |line: &str| {
        let (name, quoted) = line.strip_prefix("export ")?.split_once('=')?;
        let inner = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
        Some((name.to_owned(), inner.replace(r"'\''", "'")))
    };
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| assignment(line).ok_or_else(|| "a line is no assignment".to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const NASTY: &str = r#"it's "$HOME" `id` \n & <x>; ["a","b"]"#;

    #[test]
    fn a_shell_gets_every_byte_back() {
        let script = format!("{}printf %s \"$VALUE\"", render([("VALUE", NASTY)]));
        let output = Command::new("sh").args(["-c", &script]).output().expect("sh");
        assert_eq!(String::from_utf8(output.stdout).expect("utf-8"), NASTY);
    }

    #[test]
    fn what_was_written_is_read_back() {
        let parsed = parse(&render([("A", NASTY), ("B", "")])).expect("our own text");
        assert_eq!(parsed["A"], NASTY);
        assert_eq!(parsed["B"], "");
    }

    #[test]
    fn a_line_we_did_not_write_is_an_error_that_does_not_show_it() {
        let error = parse("export PASSWORD=hunter2\n").expect_err("not quoted");
        assert!(!error.contains("hunter2"));
    }
}
