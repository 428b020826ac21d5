//! The binary's own account of its settings.

use std::process::{Command, Output};

fn run(args: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_daybook-normalizer"))
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("runs")
}

#[test]
fn every_fault_is_reported_at_once() {
    let output = run(
        &["--check-config"],
        &[("DAYBOOK__NORMALIZER__UNPLACED_DELAY", "1h"), ("DAYBOOK__SOURCES__CRM__KIND", "crm")],
    );
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{text}");
    for fault in ["normalizer.contact_key: is", "normalizer.unplaced_delay: and", "sources.crm.kind: is no format"] {
        assert!(text.contains(fault), "{fault} in {text}");
    }
}

#[test]
fn the_printed_settings_withhold_the_secrets() {
    let sound = [
        ("DAYBOOK__NORMALIZER__CONTACT_KEY", "hunter2-hunter2-hunter2-hunter2-hunter2"),
        ("DAYBOOK__POSTGRES__PASSWORD", "hunter3"),
        ("DAYBOOK__SOURCES__SHOP__KIND", "generic"),
    ];
    let output = run(&["--print-config"], &sound);
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{text}");
    assert!(text.contains("unplaced_tries: 5") && !text.contains("hunter"), "{text}");
}
