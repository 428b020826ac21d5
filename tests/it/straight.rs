//! Systems that write to Kafka themselves, by the README's own words: its Python and its shell, run as they are printed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use daybook_tests::resources::Resource;
use daybook_tests::wait::{not_yet, wait_until};
use daybook_wire::header;

use crate::instance::{Instance, SOON, shared};
use crate::reader::python;

#[test]
fn what_the_readme_says_in_python_and_with_kcat_books_moves_and_is_refused_as_it_says() -> Result<()> {
    shared(async |it| {
        let room = Resource { alias: "Room 7".to_owned(), ..Resource::unseen(it.name("straight")) };
        it.world.load(std::slice::from_ref(&room)).await?;
        let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md"))?;
        let (_, section) = readme.split_once("### Straight to Kafka").context("the section")?;
        let home = Home::new(it)?;

        home.run(Command::new(python(&it.stack.layout().dist())?).arg("-"), block(section, "python")?)?;
        let begins = async |start: &str, status: &str| {
            wait_until("the booking", SOON, async || {
                let rows = it.world.store.bookings_of(&room.id).await?;
                let [row] = &rows[..] else { anyhow::bail!("{} bookings", rows.len()) };
                let found = row.start_time.map(|start| start.to_rfc3339());
                let holds = found.as_deref() == Some(start) && row.status == status;
                not_yet(holds, || format!("it is {} at {found:?}", row.status))
            })
            .await
        };
        begins("2027-03-05T08:00:00+00:00", "confirmed").await?;
        home.run(Command::new("bash").args(["-eu", "-s"]), block(section, "sh")?)?;
        begins("2027-03-05T09:00:00+00:00", "confirmed").await?;

        wait_until("the dead letter", SOON, async || {
            let letters = it.world.kafka.records("dlq.normalizer").await?;
            let ours =
                |record: &&daybook_runtime::kafka::Record| record.headers.get(header::CE_ID) == Some("crm-000125");
            let letter = letters.iter().find(ours).context("not there yet")?;
            let (reason, message) = (letter.headers.get(header::DLQ_REASON), letter.headers.get(header::ERROR_MESSAGE));
            ensure!(reason == Some("missing_field"), "{reason:?}");
            ensure!(message.is_some_and(|message| message.starts_with("events[0].version: ")), "{message:?}");
            Ok(())
        })
        .await
    })
}

/// The first block of a language.
fn block<'s>(section: &'s str, language: &str) -> Result<&'s str> {
    let (_, rest) =
        section.split_once(&format!("```{language}\n")).with_context(|| format!("a block of {language}"))?;
    Ok(rest.split_once("```").context("it ends")?.0)
}

/// A directory like the repository's, with this installation's `target/stack/env`.
struct Home {
    directory: PathBuf,
    brokers: String,
}

impl Home {
    fn new(it: &Instance) -> Result<Self> {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(it.name("straight"));
        std::fs::create_dir_all(directory.join("target/stack"))?;
        let brokers = it.world.endpoints.kafka_brokers.clone();
        std::fs::write(directory.join("target/stack/env"), format!("export DAYBOOK_KAFKA_BROKERS={brokers}\n"))?;
        Ok(Self { directory, brokers })
    }

    fn run(&self, command: &mut Command, script: &str) -> Result<()> {
        command.current_dir(&self.directory).env("DAYBOOK_KAFKA_BROKERS", &self.brokers);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = format!("{:?}", command.get_program());
        let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
        child.stdin.take().context("a standard input")?.write_all(script.as_bytes())?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} ended with {}: {said}", output.status);
        Ok(())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
