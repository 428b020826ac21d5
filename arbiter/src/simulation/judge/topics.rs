//! The topics against the tables.

use std::collections::BTreeMap;

use daybook_domain::{Outcome, Rejection};
use daybook_wire::{CanonicalBooking, LoggedDecision};

use super::super::world::Kind;
use super::Case;

impl Case<'_> {
    pub(super) fn topics(&mut self) {
        self.decisions();
        self.canonical();
        self.letters();
    }

    /// Every stored decision is there, byte for byte and in order; what comes twice is the same both times.
    fn decisions(&mut self) {
        let mut seen: BTreeMap<i64, (&[u8], &LoggedDecision)> = BTreeMap::new();
        for landed in self.world.broker.decisions(self.partition) {
            let Some(logged) = &landed.says else {
                self.complain(Kind::Published, "a record is no decision");
                continue;
            };
            let next = seen.last_key_value().map_or(1, |(seq, _)| seq + 1);
            match seen.get(&logged.seq) {
                Some((before, _)) if *before == landed.value => {}
                Some(_) => {
                    self.complain(Kind::Published, format_args!("seq {} is published in two versions", logged.seq));
                }
                None if logged.seq == next => {
                    seen.insert(next, (&landed.value, logged));
                }
                None => {
                    self.complain(Kind::Published, format_args!("seq {} is published where {next} is due", logged.seq));
                }
            }
        }
        for row in self.rows.clone() {
            let seq = row.ready.logged.seq;
            if seen.remove(&seq) != Some((&row.ready.bytes, &row.ready.logged)) {
                self.complain(Kind::Published, format_args!("seq {seq} is not published as it is stored"));
            }
        }
        if let Some((seq, _)) = seen.first_key_value() {
            self.complain(Kind::Published, format_args!("seq {seq} is published and not stored"));
        }
    }

    /// The last record of each booking shows it as it stands.
    fn canonical(&mut self) {
        let mut last: BTreeMap<String, Option<&CanonicalBooking>> = BTreeMap::new();
        for landed in self.world.broker.canonical(self.partition) {
            last.insert(String::from_utf8_lossy(&landed.key).into_owned(), landed.says.as_deref());
        }
        for row in self.shard.bookings.values() {
            let id = row.state.booking_id;
            let shown = last.remove(&id.to_string()).flatten();
            if shown.map(visible) != Some(visible(&row.canonical(None))) {
                let version = shown.map(|booking| booking.version);
                let what = format!("booking {id} has version {}, its last record {version:?}", row.state.version);
                self.complain(Kind::Canonical, what);
            }
        }
        if let Some(id) = last.keys().next() {
            self.complain(Kind::Canonical, format_args!("booking {id} is on the topic and not in the store"));
        }
    }

    /// What could not be decided is kept, and nothing else.
    fn letters(&mut self) {
        let log = self.log;
        let internal = |outcome: &Outcome| *outcome == Outcome::Rejected(Rejection::Internal);
        let unread = |outcome: &Outcome| *outcome == Outcome::Rejected(Rejection::Undecodable);
        let letters = self.world.broker.letters(self.partition);
        for (offset, reason) in letters {
            let mut rows = self.rows.iter().filter(|row| row.ready.logged.offset == *offset);
            let late = usize::try_from(*offset).ok().and_then(|offset| log.get(offset)?.unknown_until);
            let is_due = match reason.as_str() {
                "internal" => rows.any(|row| internal(&row.ready.logged.decision.outcome)),
                _ => late.is_some() || rows.any(|row| unread(&row.ready.logged.decision.outcome)),
            };
            if !is_due {
                self.complain(
                    Kind::DeadLetter,
                    format_args!("offset {offset} is dead-lettered ({reason}) and was decided"),
                );
            }
        }
        for row in self.rows.clone() {
            let (offset, outcome) = (row.ready.logged.offset, &row.ready.logged.decision.outcome);
            if (internal(outcome) || unread(outcome)) && !letters.iter().any(|(kept, _)| *kept == offset) {
                self.complain(Kind::DeadLetter, format_args!("offset {offset} could not be decided and is not kept"));
            }
        }
    }
}

/// Without what changes while people see nothing of it.
fn visible(booking: &CanonicalBooking) -> CanonicalBooking {
    CanonicalBooking {
        seq: 0,
        resource_time_zone: None,
        source_ids: Vec::new(),
        shadows: Vec::new(),
        sourced_at: None,
        received_at: daybook_domain::Timestamp::EPOCH,
        decided_at: daybook_domain::Timestamp::EPOCH,
        ..booking.clone()
    }
}
