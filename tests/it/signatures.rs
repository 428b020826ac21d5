//! What is told to a partner is accepted by the Standard Webhooks project's own library, before, while and after the secret is rotated.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use daybook_domain::{BookingId, Interval, SourceName, Timestamp};
use daybook_propagator_core::webhook::Message;
use daybook_propagator_core::{Call, Visible, VisibleStatus};
use daybook_runtime::clock;
use daybook_wire::standard_webhooks::Secret;
use serde_json::json;

use crate::instance::shared;
use crate::peers;

/// Deliveries. The sender signs with both secrets for the middle fifth of them; the receiver changes its own in the middle of that.
const DELIVERIES: u64 = 1_000;
const OLD: &str = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xk";
const NEW: &str = "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3";

fn message(number: u64) -> Result<Message> {
    let source: SourceName = "generic".parse()?;
    let start = clock::now();
    let visible = Visible {
        booking_id: BookingId::derive(&source, &number.to_string(), &"room-7".parse()?),
        version: number + 1,
        resource: "room-7".parse()?,
        status: VisibleStatus::Confirmed,
        interval: Interval::new(start, start.plus(std::time::Duration::from_secs(1_800)))?,
        decided_at: start,
        resource_time_zone: Some("Europe/Berlin".to_owned()),
        title: Some(format!("Übergabe № {number} – “Zoë”")),
        attendees: Vec::new(),
        source_time_zone: None,
    };
    Ok(Message::show(&visible, &"partner".parse()?))
}

fn line(call: &Call, secret: &str) -> String {
    let headers: BTreeMap<&str, &str> = call.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    json!({"headers": headers, "body": STANDARD.encode(&call.body), "secret": secret}).to_string()
}

/// What the library says to each line.
fn verdicts(python: &Path, lines: &[String]) -> Result<Vec<bool>> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/signatures.py");
    let mut child = Command::new(python).arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("its input")?;
    let text = lines.join("\n");
    let writing = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    writing.join().map_err(|_| anyhow::anyhow!("writing panicked"))??;
    ensure!(output.status.success(), "the verifier ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?.lines().map(|line| line == "yes").collect())
}

#[test]
fn a_thousand_deliveries_are_accepted_by_the_projects_own_library_with_a_rotation_in_the_middle() -> Result<()> {
    shared(async |it| {
        let python = peers::calendars(&it.stack.layout().dist())?;
        let (old, new): (Secret, Secret) = (OLD.parse()?, NEW.parse()?);
        let now: Timestamp = clock::now();
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for number in 0..DELIVERIES {
            let secrets = match number * 5 / DELIVERIES {
                0 | 1 => vec![old.clone()],
                2 => vec![old.clone(), new.clone()],
                _ => vec![new.clone()],
            };
            let call = message(number)?.call(&secrets, now);
            good.push(line(&call, if number < DELIVERIES / 2 { OLD } else { NEW }));
            match number * 5 / DELIVERIES {
                0 | 1 => bad.push(line(&call, NEW)),
                2 => {
                    let mut changed = call;
                    changed.body.push(b' ');
                    bad.push(line(&changed, NEW));
                }
                _ => bad.push(line(&call, OLD)),
            }
        }
        let accepted = verdicts(&python, &good)?;
        ensure!(accepted.len() == good.len() && accepted.iter().all(|accepted| *accepted), "some were turned away");
        let accepted = verdicts(&python, &bad)?;
        ensure!(accepted.len() == bad.len() && !accepted.contains(&true), "what was not signed so was accepted");
        Ok(())
    })
}
