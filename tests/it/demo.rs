//! The demonstration, as somebody runs it: it holds on a sound stack, and says so when something differs.

use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::instance::{Instance, Rough, rough, shared};

async fn demo(it: &Instance) -> Result<(Output, String)> {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
    demo.args(["--instance", it.stack.layout().instance()]).current_dir(it.stack.layout().root());
    let output = tokio::task::spawn_blocking(move || demo.output()).await?.context("the demo starts")?;
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    Ok((output, String::from_utf8(text)?))
}

#[test]
fn the_demonstration_holds_twice_on_the_same_stack_and_is_plain_text_in_a_pipe() -> Result<()> {
    shared(async |it| {
        for run in 1..=2 {
            let (output, text) = demo(it).await?;
            ensure!(output.status.success(), "run {run} ended with {}:\n{text}", output.status);
            ensure!(text.contains(" checks hold."), "run {run} does not say what it has checked:\n{text}");
            ensure!(!text.contains('\u{1b}'), "run {run} is coloured, and nobody sees it");
        }
        Ok(())
    })
}

#[test]
fn the_demonstration_ends_with_1_and_names_what_differs() -> Result<()> {
    rough(Rough::Services, async |it| {
        // The receiver takes a message in and denies it, so it gets it twice.
        let url = format!("{}/misbehave", it.world.endpoints.receiver_url);
        let order = json!({"apply_then_status": 500, "times": 1});
        it.world.http.post(url).json(&order).send().await?.error_for_status()?;
        let (output, text) = demo(it).await?;
        ensure!(output.status.code() == Some(1), "it ended with {}:\n{text}", output.status);
        let wrong: Vec<&str> = text.lines().filter(|line| line.starts_with("  NOT ")).collect();
        ensure!(wrong.len() == 1 && wrong[0].contains("the receiver got every version once"), "{wrong:?}\n{text}");
        Ok(())
    })
}
