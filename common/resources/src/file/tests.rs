//! Every fault of a resources file is found at once, and named where it is.

use expect_test::{Expect, expect};

use super::*;
use crate::describe;

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
            capacity: 12
            buffer_before: 5m
            buffer_after: 1h 30m
            notice: 2h
            window: 60d
            region: NO
            hours:
              mon-thu: ["09:00-12:00", "13:00-17:00"]
              Friday: ["9:00-12:00", "11:00-13:00"]
              sat: []
              sun: 20:00-24:00
          - id: room-8
            time_zone: UTC
            buffer_before: 0
            window:
            region:
            hours: ["mon-fri 08:00-12:00, 13:00-17:00", "sat 10:00-12:00"]
    "#;
    let definitions = read(text).expect("sound");
    let shown: Vec<String> = definitions
        .iter()
        .map(|definition| {
            let aliases: Vec<String> =
                definition.aliases.keys().map(|(source, alias)| format!("{source}={alias}")).collect();
            let rules = describe::fingerprint(&definition.rules);
            let region = definition.region.map_or_else(|| "no region".to_owned(), |region| region.to_string());
            format!("{} {rules}\n{region} {aliases:?} {:?}", definition.id, definition.targets)
        })
        .collect();
    expect![[r#"
        anna time_zone=Europe/Berlin;replacement_wait=15m;capacity=1;buffer_before=none;buffer_after=none;notice=none;window=no limit;hours=always;retired=no
        no region ["calendly=anna@example.com", "calendly=https://api.calendly.com/users/AAAA", "generic=Anna"] {TargetName("calendar"): Mirror { address: "/daybook/anna/", fields: {"attendees", "title"} }, TargetName("partner"): Mirror { address: "", fields: {} }}
        room-7 time_zone=UTC;replacement_wait=1m 30s;capacity=12;buffer_before=5m;buffer_after=1h 30m;notice=2h;window=60d;hours=mon-thu 09:00-12:00 13:00-17:00, fri 09:00-12:00 11:00-13:00, sun 20:00-24:00;retired=no
        NO [] {}
        room-8 time_zone=UTC;replacement_wait=15m;capacity=1;buffer_before=none;buffer_after=none;notice=none;window=no limit;hours=mon-fri 08:00-12:00 13:00-17:00, sat 10:00-12:00;retired=no
        no region [] {}"#]].assert_eq(&shown.join("\n"));
}

#[test]
fn every_fault_is_reported_at_once_and_at_its_place() {
    check(
        r#"
        resources:
          - id: Anna
            time_zone: Europe/Berln
            replacement_wait: 2d
            capacty: 2
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
            resources[0].capacty: is no field; known here: id, time_zone, replacement_wait, capacity, buffer_before, buffer_after, notice, window, hours, region, aliases, targets; did you mean capacity?
            resources[0].alias: is no field; known here: id, time_zone, replacement_wait, capacity, buffer_before, buffer_after, notice, window, hours, region, aliases, targets; did you mean aliases?
            resources[0].id: the name has a character at byte 0 that is not allowed; use a-z, 0-9, '.', '_' and '-', and begin with a letter or digit
            resources[0].time_zone: is no IANA time zone, such as Europe/Berlin; did you mean Europe/Berlin?
            resources[0].replacement_wait: must be at least 1s and at most 24h
            resources[1].id: must be text, not a number; put it in quotes
            resources[1].time_zone: is missing
            resources[1].replacement_wait: is no duration; write a number and a unit, such as 15m, 90s or 2h
            resources[1].aliases.Calendly: the name has a character at byte 0 that is not allowed; use a-z, 0-9, '.', '_' and '-', and begin with a letter or digit
            resources[1].aliases.generic: must be a list, not text
            resources[1].targets.calendar.addres: is no field; known here: address, fields; did you mean address?
            resources[1].targets.calendar.fields[0]: is not one of title, attendees; did you mean title?
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

#[test]
fn every_fault_of_a_rule_says_what_would_be_right() {
    check(
        r#"
        resources:
          - id: anna
            time_zone: UTC
            capacity: 0
            buffer_before: 25h
            buffer_after: -5m
            notice: 2h
            window: 1h
            hours: { mon: ["17:00-09:00", "9-17", 900], mondy: ["09:00-10:00"], tue: 9, 3: [] }
          - id: bea
            time_zone: UTC
            capacity: 1001
            buffer_before: 15
            notice: 4000d
            window: 4000d
            hours: ["mon", "fri-mo 10:00-11:00", "tue 09:00-12:00 12:30", 7]
          - id: cleo
            time_zone: UTC
            capacity: many
            window: 0s
            hours: { sat: [], sun: [] }
          - id: dora
            time_zone: UTC
            hours: 09:00-17:00
            rules: {}
            bufer_after: 5m
        "#,
        &expect![[r#"
            resources[0].buffer_before: must be at most 24h
            resources[0].buffer_after: is no duration; write a number and a unit, such as 15m, 90s or 2h
            resources[0].window: must be longer than notice (2h), or nothing can be booked
            resources[0].capacity: must be a whole number from 1 to 1000: how many bookings may have the same time
            resources[0].hours.mon[0]: ends before it begins; if it goes over midnight, write 17:00-24:00 here and 00:00-09:00 for the day after
            resources[0].hours.mon[1]: is no stretch of a day; write it like 09:00-12:00, in quotes, 24:00 being the end of the day
            resources[0].hours.mon[2]: must be text such as "09:00-12:00"
            resources[0].hours.mondy: is no day; write mon, tue, wed, thu, fri, sat or sun, or a range such as mon-fri; did you mean monday?
            resources[0].hours.tue: must be a list of stretches such as ["09:00-12:00"], [] for a closed day, not a number
            resources[0].hours.(not text): is no day; write mon, tue, wed, thu, fri, sat or sun, or a range such as mon-fri
            resources[1].buffer_before: is no duration; write a number and a unit, such as 15m, 90s or 2h
            resources[1].notice: must be at most 3660d
            resources[1].window: must be at most 3660d
            resources[1].capacity: must be a whole number from 1 to 1000: how many bookings may have the same time
            resources[1].hours[0]: must be text with days and times, such as "mon-fri 09:00-12:00 13:00-17:00"
            resources[1].hours[1]: is no day; write mon, tue, wed, thu, fri, sat or sun, or a range such as mon-fri; did you mean mon?
            resources[1].hours[2]: 12:30 is no stretch of a day; write it like 09:00-12:00, in quotes, 24:00 being the end of the day
            resources[1].hours[3]: must be text with days and times, such as "mon-fri 09:00-12:00 13:00-17:00"
            resources[2].window: must be above zero, or nothing can be booked; leave it out for no limit
            resources[2].capacity: must be a whole number from 1 to 1000: how many bookings may have the same time
            resources[2].hours: leaves no time in which anything can be booked; leave hours out if it may be booked always
            resources[3].rules: is no field; known here: id, time_zone, replacement_wait, capacity, buffer_before, buffer_after, notice, window, hours, region, aliases, targets
            resources[3].bufer_after: is no field; known here: id, time_zone, replacement_wait, capacity, buffer_before, buffer_after, notice, window, hours, region, aliases, targets; did you mean buffer_after?
            resources[3].hours: must be a mapping such as {mon-fri: ["09:00-17:00"]}, or a list such as ["mon-fri 09:00-17:00"], not text
        "#]],
    );
}

#[test]
fn a_region_is_a_country_and_another_one_is_told_what_it_may_mean() {
    check(
        r#"
        resources:
          - { id: anna, time_zone: UTC, region: de }
          - { id: bea, time_zone: UTC, region: UK }
          - { id: cleo, time_zone: UTC, region: Germany }
          - { id: dora, time_zone: UTC, region: 49 }
          - { id: emma, time_zone: UTC, region: "" }
          - { id: fay, time_zone: UTC, regoin: DE }
        "#,
        &expect![[r#"
            resources[0].region: is no country by its two letters of ISO 3166-1, such as DE; did you mean DE?
            resources[1].region: is no country by its two letters of ISO 3166-1, such as DE; did you mean GB?
            resources[2].region: is no country by its two letters of ISO 3166-1, such as DE
            resources[3].region: must be text, not a number; put it in quotes
            resources[4].region: must have 1 to 512 characters, and no control characters
            resources[5].regoin: is no field; known here: id, time_zone, replacement_wait, capacity, buffer_before, buffer_after, notice, window, hours, region, aliases, targets; did you mean region?
        "#]],
    );
}

#[test]
fn hours_have_a_limit() {
    let stretches: Vec<String> = (0..337).map(|n| format!("\"{:02}:{:02}-24:00\"", n / 60, n % 60)).collect();
    check(
        &format!("resources: [{{id: anna, time_zone: UTC, hours: {{mon: [{}]}}}}]", stretches.join(", ")),
        &expect![[r#"
            resources[0].hours: must have at most 336 stretches; join those that touch
        "#]],
    );
}
