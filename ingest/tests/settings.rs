//! The binary's own account of its settings.

use std::process::{Command, Output};

fn run(args: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_daybook-ingest"))
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("runs")
}

#[test]
fn every_fault_is_reported_at_once_and_no_secret_with_it() {
    let output = run(
        &["--check-config"],
        &[
            ("DAYBOOK__INGEST__BODY_MAX_BYTES", "99999999"),
            ("DAYBOOK__SOURCES__CRM__KIND", "crm"),
            ("DAYBOOK__SOURCES__SHOP__KIND", "generic"),
            ("DAYBOOK__SOURCES__SHOP__SECRETS", r#"["hunter2-hunter2"]"#),
            ("DAYBOOK__SOURCES__PARTNER__KIND", "calendly"),
            ("DAYBOOK__SOURCES__DESK__KIND", "hubspot"),
            ("DAYBOOK__SOURCES__DESK__SECRETS", r#"["hunter3-hunter3-hunter3"]"#),
            ("DAYBOOK__SOURCES__ROOMS__KIND", "acuity"),
            ("DAYBOOK__SOURCES__ROOMS__SECRETS", r#"["hunter3-hunter3-hunter3"]"#),
            ("DAYBOOK__SOURCES__ROOMS__API__BASE", "http://acuity.example.com"),
            ("DAYBOOK__SOURCES__ROOMS__API__PASSWORD", "hunter4"),
        ],
    );
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{text}");
    for fault in [
        "ingest.body_max_bytes: must be",
        "sources.crm.kind: is no format; use",
        "sources.desk.public_url: is missing",
        "sources.desk.api: is missing",
        "sources.rooms.api.base: is no https:// address",
        "sources.rooms.api.token: or username and password",
        "sources.shop.secrets[0]: is not",
        "sources.partner.secrets: are missing",
    ] {
        assert!(text.contains(fault), "{fault} in {text}");
    }
    assert!(!text.contains("hunter"));
}

#[test]
fn the_printed_settings_withhold_the_secrets() {
    let sound = [
        ("DAYBOOK__SOURCES__SHOP__KIND", "calendly"),
        ("DAYBOOK__SOURCES__SHOP__SECRETS", r#"["hunter2-hunter2-hunter2", "hunter3-hunter3-hunter3"]"#),
        ("DAYBOOK__SOURCES__ROOMS__KIND", "acuity"),
        ("DAYBOOK__SOURCES__ROOMS__SECRETS", r#"["hunter4-hunter4-hunter4"]"#),
        ("DAYBOOK__SOURCES__ROOMS__API__TOKEN", "hunter5"),
    ];
    let output = run(&["--print-config"], &sound);
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{text}");
    assert!(text.contains("body_max_bytes: 1048576") && !text.contains("hunter"), "{text}");
    assert!(run(&["--check-config"], &sound).status.success());
}
