//! `make demo`: real-shaped bookings, all the way through a running installation, each step checked.
//!
//! In: a stack that is up. Out: tables for a person, and an exit code for a program: 0 if everything is as it must be, 1
//! if anything differs, each difference named. Everything shown was read back from where it lies: decisions from the
//! topic and the store, entries from the calendar server, messages from the receiver. A run has names of its own, so it
//! can be repeated on the same stack. Absent on purpose: any look into a service.

mod checks;
mod page;
mod places;
mod story;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use daybook_stack::Stack;
use daybook_tests::world::World;

use checks::Checks;
use page::Page;
use places::Found;
use story::Story;

/// Takes bookings through a running Daybook, shows what became of each, and checks all of it.
#[derive(Parser)]
struct Args {
    /// The instance of the stack.
    #[arg(long, default_value = "default")]
    instance: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut page = Page::new();
    let told = tokio::runtime::Runtime::new()
        .context("cannot start")
        .and_then(|runtime| runtime.block_on(run(&args.instance, &mut page)));
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            page.complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(instance: &str, page: &mut Page) -> Result<bool> {
    let began = Instant::now();
    let stack = Stack::attach(instance).context("no stack is up: make up")?;
    let world = World::new(stack.endpoints())?;

    let story = Story::invent()?;
    page.title(&format!("Daybook, run {}", story.word));
    page.line(&format!(
        "Three resources are loaded, and {} events are sent, as Calendly and a support desk would send them.",
        story.acts.len()
    ));
    let told = story.tell(&world).await?;
    let found = Found::gather(&world, &story, &told).await?;

    let mut checks = Checks::default();
    told.show(page);
    found.show(page, &story, &told);
    checks.of_answers(&told);
    checks.of_decisions(&told, &found);
    checks.of_places(&story, &told, &found);
    let sound = checks.show(page);

    places::addresses(page, &world, &stack, &story, &told);
    page.line(&format!("Took {:.1} s.", began.elapsed().as_secs_f64()));
    Ok(sound)
}
