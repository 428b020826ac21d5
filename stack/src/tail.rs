//! The end of a log, for an error message: what a failing server said last is nearly always why.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

const LINES: usize = 25;
const BYTES: u64 = 8 * 1024;

/// The last lines of `file`, indented, but nothing that was there before `from` (an earlier start's words).
pub(crate) fn of_file(file: &Path, from: u64) -> String {
    let read = || {
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.min(length).max(length.saturating_sub(BYTES))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        std::io::Result::Ok(bytes)
    };
    of_bytes(&read().unwrap_or_default())
}

/// The last lines of some output, indented.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    if last.is_empty() {
        return "\n      (nothing)".to_owned();
    }
    last.iter().map(|line| format!("\n      {line}")).collect()
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    #[test]
    fn the_tail_leaves_out_what_an_earlier_start_wrote() {
        let file = env::temp_dir().join(format!("daybook-tail-{}", process::id()));
        fs::write(&file, "old fault\nnew fault\n").expect("write");
        let tail = of_file(&file, 10);
        fs::remove_file(&file).expect("remove");
        assert_eq!(tail, "\n      new fault");
    }

    #[test]
    fn the_tail_is_short() {
        let lines: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert_eq!(of_bytes(lines.as_bytes()).lines().count(), LINES + 1);
        assert!(of_bytes(b"").contains("nothing"));
    }
}
