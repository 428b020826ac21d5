//! Programs that do one thing and end.

use std::{
    env,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use crate::{error::Error, process::spawn_scrubbed, tail};

/// Runs `command` to its end with `input` and returns what it printed; a failure carries the end of its output.
pub(crate) fn run(command: &mut Command, input: &str) -> Result<String, Error> {
    let shown = shown(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn_scrubbed(command)?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let output = thread::scope(|scope| {
        // Written beside the reading, or both sides could wait on full pipes. A child that does not read is no fault.
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        child.wait_with_output()
    });
    let output = output.map_err(|source| Error::Spawn { program: shown.clone(), source })?;
    if !output.status.success() {
        let tail = tail::of_bytes(&[output.stdout.as_slice(), &output.stderr].concat());
        return Err(Error::Command { command: shown, status: output.status.to_string(), tail: format!(":{tail}") });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The executable called `name` on PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The command line for an error message. Secrets are never arguments here: other users can read those.
fn shown(command: &Command) -> String {
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(command.get_program().to_string_lossy()).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_shows_what_it_said() {
        let error = run(Command::new("sh").args(["-c", "echo no luck >&2; exit 3"]), "").expect_err("exit 3");
        let text = error.to_string();
        assert!(text.contains("no luck") && text.contains("exit status: 3"), "{text}");
    }

    #[test]
    fn input_reaches_the_command() {
        assert_eq!(run(&mut Command::new("cat"), "hello").expect("cat"), "hello");
        assert!(find("sh").is_some() && find("no-such-program-anywhere").is_none());
    }
}
