//! The page says what is wrong first, and what to do; whichever part is away.

use std::time::Duration;

use daybook_domain::topics;
use expect_test::expect;

use super::page::{object, page};
use super::report::{Group, Waits};
use super::*;
use crate::sample::at;
use crate::store::{OpenRow, PartitionRow, SourceRow, TargetRow};

const NOW: &str = "2026-03-01T08:00:00Z";

fn partition(number: i32, next_offset: i64, last_seq: i64) -> PartitionRow {
    PartitionRow {
        partition: number,
        epoch: 7,
        owner: "process 41".to_owned(),
        acquired_at: at("2026-03-01T02:00:00Z"),
        next_offset,
        last_seq,
    }
}

fn target(name: &str) -> TargetRow {
    TargetRow { target: name.to_owned(), due: 0, oldest: None, parked: 0, differing: 0, left: 0, paused: false }
}

fn source(name: &str) -> SourceRow {
    SourceRow {
        source: name.to_owned(),
        readings: 0,
        failing: 0,
        missing: 0,
        letters: 0,
        oldest_letter: None,
        paused: false,
    }
}

/// Three partitions, of which all has been done; two sources, two targets.
fn well() -> Report {
    let stored = Stored {
        partitions: vec![partition(0, 120, 118), partition(1, 9, 9), partition(2, 0, 0)],
        targets: vec![target("google"), target("partner")],
        sources: vec![source("calendly"), SourceRow { readings: 12, ..source("google") }],
        ..Stored::default()
    };
    let group = |service, name: &str, lag| Group { service, name: name.to_owned(), members: 2, lag };
    let log = Logged {
        groups: vec![
            group("normalizer", "daybook-normalizer", Some(0)),
            group("arbiter", "daybook-arbiter", None),
            group("propagator", "daybook-propagator", Some(3)),
        ],
        requests: [(0, 120), (1, 9), (2, 0)].into(),
        published: [(0, 118), (1, 9)].into(),
        last_event: [("calendly".to_owned(), at("2026-03-01T07:58:00Z"))].into(),
        letters: [(topics::DLQ_ARBITER.to_owned(), 0)].into(),
        ..Logged::default()
    };
    Report { at: at(NOW), store: Ok(stored), log: Ok(log), alerts: None }
}

/// Much of it is not.
fn ill() -> Report {
    let mut report = well();
    if let (Ok(stored), Ok(log)) = (&mut report.store, &mut report.log) {
        log.requests = [(0, 132), (1, 19), (2, 0)].into();
        log.waiting_since = [(0, at("2026-03-01T07:57:00Z")), (1, at("2026-03-01T07:59:59Z"))].into();
        log.groups[2].members = 0;
        log.letters = [(topics::DLQ_ARBITER.to_owned(), 2)].into();
        stored.later = [(0, 120), (1, 19), (2, 0)].into();
        stored.targets[0] = TargetRow {
            due: 40,
            oldest: Some(at("2026-03-01T07:30:00Z")),
            parked: 1,
            differing: 3,
            left: 1,
            ..target("google")
        };
        stored.targets[1] = TargetRow { due: 7, paused: true, ..target("partner") };
        stored.sources[1] =
            SourceRow { readings: 12, failing: 3, missing: 50, letters: 4, paused: true, ..source("google") };
        stored.open = OpenRow { compensations: 2, oldest: Some(at("2026-03-01T05:00:00Z")) };
    }
    report.alerts = Some(Ok(vec![alert(Firing {
        state: "firing".to_owned(),
        labels: [("alertname", "DaybookShowingSlow"), ("severity", "page"), ("target", "google")]
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .into(),
    })]));
    report
}

#[test]
fn a_page_says_that_all_is_well() {
    expect![[r#"
        Daybook at 2026-03-01 08:00:00 UTC

        all is well

        SERVICE     PROCESSES  LAG
        normalizer  2          0
        arbiter     2          -
        propagator  2          3

        SOURCE    LAST EVENT  READINGS  FAILING  MISSING  DEAD LETTERS  BY HAND
        calendly  2 min ago   0         0        0        0             -
        google    -           12        0        0        0             -

        TARGET   DUE  OLDEST  GIVEN UP  DIFFERING  BY HAND
        google   0    -       0         0          -
        partner  0    -       0         0          -

        no compensations are open
        3 partitions of the arbiter with nothing to do (--all shows them)
    "#]]
    .assert_eq(&page(&well(), false));
}

#[test]
fn a_page_says_what_is_wrong_and_what_to_do_before_everything_else() {
    expect![[r#"
        Daybook at 2026-03-01 08:00:00 UTC

        ! a partition of the arbiter does not move: 0; its owners' logs and daybook_arbiter_partitions_stopped say why
        ! target google is behind by 30 min, 40 bookings wait: daybook_propagator_lane_state says whether it answers
        ! target google was given up for 1 of its bookings: daybook dlq list --queue propagator
        ! 1 difference at target google left to a person: daybook drift google
        ! target partner is stopped by hand, 7 wait: daybook paused
        ! source google is stopped by hand: daybook paused
        ! 3 of 12 readings of google come to nothing: daybook sources status google
        ! 50 events of google are missing at once and held: daybook sources status google
        ! 4 events of google could not be read: daybook dlq list --queue normalizer --source google
        ! 2 promised and refused, the oldest for 3 h: daybook compensations
        ! no propagator is running, or none reaches Kafka
        ! 2 requests could not be decided: daybook dlq list --queue arbiter
        ! the alert DaybookShowingSlow fires target=google

        SERVICE     PROCESSES  LAG
        normalizer  2          0
        arbiter     2          -
        propagator  0          3

        PARTITION  OWNER       EPOCH  NEXT  LAG  OLDEST  DECIDED  PUBLISHED  WAITS FOR
        0          process 41  7      120   12   3 min   118      118        its owner: it does not move
        1          process 41  7      9     10   1 s     9        9          its turn: it is moving
        2          process 41  7      0     0    -       0        -          nothing

        SOURCE    LAST EVENT  READINGS  FAILING  MISSING  DEAD LETTERS  BY HAND
        calendly  2 min ago   0         0        0        0             -
        google    -           12        3        50       4             paused

        TARGET   DUE  OLDEST  GIVEN UP  DIFFERING  BY HAND
        google   40   30 min  1         3          -
        partner  7    -       0         0          paused

        2 compensations open, the oldest 3 h ago
    "#]]
    .assert_eq(&page(&ill(), true));
}

#[test]
fn a_part_that_is_away_is_said_to_be_and_the_others_are_shown() {
    let report = Report { store: Err("connection refused".to_owned()), ..well() };
    expect![[r#"
        Daybook at 2026-03-01 08:00:00 UTC

        ! PostgreSQL does not answer (connection refused): nothing is decided until it does. Webhooks are kept meanwhile

        SERVICE     PROCESSES  LAG
        normalizer  2          0
        arbiter     2          -
        propagator  2          3
    "#]]
    .assert_eq(&page(&report, false));
    let report = Report { log: Err("no broker".to_owned()), ..well() };
    expect![[r#"
        Daybook at 2026-03-01 08:00:00 UTC

        ! Kafka does not answer (no broker): nothing is taken in, and senders are told to come again

        PARTITION  OWNER       EPOCH  NEXT  LAG  OLDEST  DECIDED  PUBLISHED  WAITS FOR
        0          process 41  7      120   ?    -       118      ?          not known
        1          process 41  7      9     ?    -       9        ?          not known
        2          process 41  7      0     ?    -       0        ?          not known

        SOURCE    LAST EVENT  READINGS  FAILING  MISSING  DEAD LETTERS  BY HAND
        calendly  -           0         0        0        0             -
        google    -           12        0        0        0             -

        TARGET   DUE  OLDEST  GIVEN UP  DIFFERING  BY HAND
        google   0    -       0         0          -
        partner  0    -       0         0          -

        no compensations are open
    "#]]
    .assert_eq(&page(&report, false));
}

#[test]
fn a_partition_waits_for_what_keeps_it() {
    let waits = |report: &Report| report.partitions().iter().map(|line| line.waits_for).collect::<Vec<_>>();
    assert_eq!(waits(&well()), [Waits::Idle, Waits::Idle, Waits::Idle]);
    assert_eq!(waits(&ill()), [Waits::Owner, Waits::Deciding, Waits::Idle]);
    let mut report = well();
    if let Ok(log) = &mut report.log {
        log.published.insert(0, 117);
    }
    assert_eq!(waits(&report)[0], Waits::Publishing);
    let report = Report { log: Err("no broker".to_owned()), ..well() };
    assert_eq!(waits(&report), [Waits::Unknown; 3]);
    let ill = ill();
    let oldest: Vec<Option<Duration>> = ill.partitions().iter().map(|line| line.oldest).collect();
    assert_eq!(oldest, [Some(Duration::from_secs(180)), Some(Duration::from_secs(1)), None]);
}

#[test]
fn a_program_gets_the_same() {
    expect![[r#"
        {
          "alerts": [
            "DaybookShowingSlow"
          ],
          "at": "2026-03-01T08:00:00Z",
          "compensations": {
            "oldest_opened_at": "2026-03-01T05:00:00Z",
            "open": 2
          },
          "dead_letters": {
            "dlq.arbiter": 2
          },
          "findings": [
            "a partition of the arbiter does not move: 0; its owners' logs and daybook_arbiter_partitions_stopped say why",
            "target google is behind by 30 min, 40 bookings wait: daybook_propagator_lane_state says whether it answers",
            "target google was given up for 1 of its bookings: daybook dlq list --queue propagator",
            "1 difference at target google left to a person: daybook drift google",
            "target partner is stopped by hand, 7 wait: daybook paused",
            "source google is stopped by hand: daybook paused",
            "3 of 12 readings of google come to nothing: daybook sources status google",
            "50 events of google are missing at once and held: daybook sources status google",
            "4 events of google could not be read: daybook dlq list --queue normalizer --source google",
            "2 promised and refused, the oldest for 3 h: daybook compensations",
            "no propagator is running, or none reaches Kafka",
            "2 requests could not be decided: daybook dlq list --queue arbiter",
            "the alert DaybookShowingSlow fires target=google"
          ],
          "kafka": "up",
          "partitions": [
            {
              "acquired_at": "2026-03-01T02:00:00Z",
              "decided_seq": 118,
              "epoch": 7,
              "lag": 12,
              "next_offset": 120,
              "oldest_seconds": 180.0,
              "owner": "process 41",
              "partition": 0,
              "published_seq": 118,
              "waits_for": "its owner: it does not move"
            },
            {
              "acquired_at": "2026-03-01T02:00:00Z",
              "decided_seq": 9,
              "epoch": 7,
              "lag": 10,
              "next_offset": 9,
              "oldest_seconds": 1.0,
              "owner": "process 41",
              "partition": 1,
              "published_seq": 9,
              "waits_for": "its turn: it is moving"
            },
            {
              "acquired_at": "2026-03-01T02:00:00Z",
              "decided_seq": 0,
              "epoch": 7,
              "lag": 0,
              "next_offset": 0,
              "oldest_seconds": null,
              "owner": "process 41",
              "partition": 2,
              "published_seq": null,
              "waits_for": "nothing"
            }
          ],
          "postgres": "up",
          "services": [
            {
              "group": "daybook-normalizer",
              "lag": 0,
              "processes": 2,
              "service": "normalizer"
            },
            {
              "group": "daybook-arbiter",
              "lag": null,
              "processes": 2,
              "service": "arbiter"
            },
            {
              "group": "daybook-propagator",
              "lag": 3,
              "processes": 0,
              "service": "propagator"
            }
          ],
          "sources": [
            {
              "dead_letters": 0,
              "failing": 0,
              "last_event_at": "2026-03-01T07:58:00Z",
              "missing": 0,
              "oldest_dead_letter_at": null,
              "paused": false,
              "readings": 0,
              "source": "calendly"
            },
            {
              "dead_letters": 4,
              "failing": 3,
              "last_event_at": null,
              "missing": 50,
              "oldest_dead_letter_at": null,
              "paused": true,
              "readings": 12,
              "source": "google"
            }
          ],
          "targets": [
            {
              "differing": 3,
              "due": 40,
              "left_to_a_person": 1,
              "oldest_decided_at": "2026-03-01T07:30:00Z",
              "parked": 1,
              "paused": false,
              "target": "google"
            },
            {
              "differing": 0,
              "due": 7,
              "left_to_a_person": 0,
              "oldest_decided_at": null,
              "parked": 0,
              "paused": true,
              "target": "partner"
            }
          ]
        }"#]].assert_eq(&format!("{:#}", object(&ill())));
}
