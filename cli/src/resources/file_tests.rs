//! Every fault of a resources file is found at once, and named where it is.

use expect_test::{Expect, expect};

use super::*;

fn check(text: &str, faults: &Expect) {
    let found = read(text).expect_err("faults");
    faults.assert_eq(&found.iter().map(|fault| format!("{fault}\n")).collect::<String>());
}

#[test]
fn a_sound_file_is_read_with_its_defaults() {
    let text = r#"
        resources:
          - id: anna
            time_zone: Europe/Berlin
            aliases: { calendly: ["https://api.calendly.com/users/AAAA", "Anna@Example.com"], generic: ["Anna"] }
            targets:
              calendar: { address: "/daybook/anna/", fields: [title, attendees] }
              partner: {}
          - id: room-7
            time_zone: UTC
            replacement_wait: 90s
    "#;
    let definitions = read(text).expect("sound");
    let shown: Vec<String> = definitions
        .iter()
        .map(|definition| {
            let aliases: Vec<String> =
                definition.aliases.keys().map(|(source, alias)| format!("{source}={alias}")).collect();
            let Rules { display_time_zone, replacement_wait } = &definition.rules;
            format!("{} {display_time_zone} {replacement_wait:?} {aliases:?} {:?}", definition.id, definition.targets)
        })
        .collect();
    expect![[r#"
        anna Europe/Berlin 900s ["calendly=anna@example.com", "calendly=https://api.calendly.com/users/AAAA", "generic=Anna"] {TargetName("calendar"): Mirror { address: "/daybook/anna/", fields: {"attendees", "title"} }, TargetName("partner"): Mirror { address: "", fields: {} }}
        room-7 UTC 90s [] {}"#]].assert_eq(&shown.join("\n"));
}

#[test]
fn every_fault_is_reported_at_once_and_at_its_place() {
    check(
        r#"
        resources:
          - id: Anna
            time_zone: Europe/Berln
            replacement_wait: 2d
            capacity: 2
            alias: {}
          - id: 7
            replacement_wait: fifteen
            aliases: { Calendly: [x], generic: anna }
            targets: { calendar: { addres: "/x/", fields: [titel, 3] }, partner: 4 }
          - just text
          - id: bea
            time_zone: UTC
            aliases: { calendly: ["bea@example.com", "BEA@example.com", ""] }
          - id: cleo
            time_zone: UTC
            aliases: { calendly: ["Bea@example.com"] }
          - id: bea
            time_zone: UTC
        resource: []
        "#,
        &expect![[r#"
            resource: is no field; known here: resources; did you mean resources?
            resources[0].capacity: is no field; known here: id, time_zone, replacement_wait, aliases, targets
            resources[0].alias: is no field; known here: id, time_zone, replacement_wait, aliases, targets; did you mean aliases?
            resources[0].id: the name has a character at byte 0 that is not allowed; use a-z, 0-9, '.', '_' and '-', and begin with a letter or digit
            resources[0].time_zone: is no IANA time zone, such as Europe/Berlin; did you mean Europe/Berlin?
            resources[0].replacement_wait: must be at least 1s and at most 24h
            resources[1].id: must be text, not a number; put it in quotes
            resources[1].time_zone: is missing
            resources[1].replacement_wait: is no duration; write a number and a unit, such as 15m, 90s or 2h
            resources[1].aliases.Calendly: the name has a character at byte 0 that is not allowed; use a-z, 0-9, '.', '_' and '-', and begin with a letter or digit
            resources[1].aliases.generic: must be a list, not text
            resources[1].targets.calendar.addres: is no field; known here: address, fields; did you mean address?
            resources[1].targets.calendar.fields[0]: is not one of title, attendees
            resources[1].targets.calendar.fields[1]: must be one of title, attendees
            resources[1].targets.partner: must be a mapping of names to values, not a number
            resources[2]: must be a mapping of names to values, not text
            resources[3].aliases.calendly[1]: is the same as resources[3].aliases.calendly[0]; e-mail addresses are compared in lower case
            resources[3].aliases.calendly[2]: must have 1 to 512 characters, and no control characters
            resources[4].aliases.calendly[0]: is an alias of bea already (resources[3].aliases.calendly[1]); an alias means one resource
            resources[5].id: bea is defined by resources[3] already
        "#]],
    );
}

#[test]
fn what_is_no_list_of_resources_is_refused() {
    check(
        "",
        &expect![[r#"
        (file): must be a mapping of names to values, not nothing
    "#]],
    );
    check(
        "resources: 3",
        &expect![[r#"
        resources: must be a list, not a number
    "#]],
    );
    check(
        "resources: []\nresources: []",
        &expect![[r#"
        (file): is not YAML: duplicate entry with key "resources"
    "#]],
    );
}
