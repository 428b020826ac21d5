//! Every answer, word for word.

use daybook_domain::{BookingId, Interval, Timestamp};
use expect_test::expect;
use uuid::Uuid;

use super::*;
use crate::sample::{self, at, nine};

fn winner() -> Winner {
    Winner { booking_id: sample::booking_id(), interval: nine(), source: "calendly".parse().expect("a name") }
}

fn ten() -> Interval {
    sample::interval("2026-03-04T10:00:00Z", "2026-03-04T10:30:00Z")
}

fn until() -> Timestamp {
    at("2026-03-01T08:10:00Z")
}

fn decision(operation: OperationKind, outcome: Outcome, standing: Standing) -> Decision {
    let mut booking = sample::booking(standing, 2);
    if outcome == Outcome::Moved {
        booking.moved_to = Some(sample::elsewhere());
    }
    sample::decision(1, operation, outcome, Some(booking)).decision
}

#[test]
fn every_answer_says_what_came_of_what_was_asked() {
    let confirmed = Standing::Confirmed(nine());
    let cancelled = Standing::Cancelled { last: Some(nine()) };
    let decisions = [
        decision(OperationKind::Book, Outcome::Confirmed, confirmed),
        decision(OperationKind::Hold, Outcome::Held, Standing::Held { interval: nine(), until: until() }),
        decision(OperationKind::Confirm, Outcome::Confirmed, confirmed),
        decision(OperationKind::Release, Outcome::Cancelled, cancelled),
        decision(OperationKind::Release, Outcome::Moved, cancelled),
        decision(OperationKind::Reschedule, Outcome::Rescheduled, confirmed),
        decision(OperationKind::Update, Outcome::Updated, confirmed),
        decision(OperationKind::Cancel, Outcome::Cancelled, cancelled),
        decision(
            OperationKind::Cancel,
            Outcome::AwaitingReplacement,
            Standing::Awaiting { interval: nine(), until: until() },
        ),
        decision(OperationKind::Observe, Outcome::Observed, confirmed),
        decision(OperationKind::Observe, Outcome::Flagged(winner()), Standing::Confirmed(ten())),
        decision(OperationKind::Observe, Outcome::Unchanged(Unchanged::Echo), confirmed),
        decision(OperationKind::Observe, Outcome::Unchanged(Unchanged::Shadow), confirmed),
        decision(OperationKind::Redact, Outcome::Redacted, confirmed),
        decision(OperationKind::Define, Outcome::Defined, confirmed),
        decision(OperationKind::Expire, Outcome::Expired, cancelled),
        decision(OperationKind::Expire, Outcome::Unchanged(Unchanged::Stale), cancelled),
        decision(OperationKind::Unknown, Outcome::Rejected(Rejection::Undecodable), confirmed),
    ];
    let said: String = decisions.iter().map(|it| format!("{}\n  {}\n", asked(it), answered(it, None))).collect();
    expect![[r#"
        calendly asked to book
          GRANTED: Wed 4 Mar 2026 09:00 to 09:30 UTC
        calendly asked to keep the time for a while
          HELD: Wed 4 Mar 2026 09:00 to 09:30 UTC, until 2026-03-01 08:10:00 UTC
        calendly asked to confirm the booking
          GRANTED: Wed 4 Mar 2026 09:00 to 09:30 UTC
        calendly gave the time up that was kept
          CANCELLED: Wed 4 Mar 2026 09:00 to 09:30 UTC
        the booking was granted on another resource
          MOVED: it is booking 00000000-0000-0000-0000-000000000bea of bea now; it had Wed 4 Mar 2026 09:00 to 09:30 UTC
        calendly asked to move the booking
          GRANTED: moved to Wed 4 Mar 2026 09:00 to 09:30 UTC
        calendly changed what people see of the booking
          UPDATED: what people see of it changed, its time did not
        calendly said that the booking is cancelled
          CANCELLED: Wed 4 Mar 2026 09:00 to 09:30 UTC
        calendly said that the booking is cancelled
          WAITING: it keeps its time for its replacement until 2026-03-01 08:10:00 UTC
        calendly showed that the time is taken
          NOTED: taken elsewhere: Wed 4 Mar 2026 09:00 to 09:30 UTC
        calendly showed that the time is taken
          TO BE SETTLED: taken elsewhere: Wed 4 Mar 2026 10:00 to 10:30 UTC; booking 00000000-0000-0000-0000-00000000b00c of calendly has Wed 4 Mar 2026 09:00 to 09:30 UTC
        calendly showed that the time is taken
          NOTHING TO DO: it is what Daybook wrote there itself
        calendly showed that the time is taken
          NOTHING TO DO: calendly shows an appointment that stands already
        a person in the booking is to be forgotten
          REDACTED: nobody sees anything of it but its time
        new rules were given for anna
          DONE: the rules are in force
        the wait for a replacement or a confirmation came to its end
          EXPIRED: nobody confirmed it in time; it kept Wed 4 Mar 2026 09:00 to 09:30 UTC
        the wait for a replacement or a confirmation came to its end
          NOTHING TO DO: a newer state of it is known
        a record came that could not be read
          REFUSED: the record could not be read; its bytes are in dlq.arbiter
    "#]].assert_eq(&said);
}

#[test]
fn every_refusal_says_why_and_which_rule_was_broken() {
    let rejections = [
        Rejection::Conflict(winner()),
        Rejection::StaleVersion,
        Rejection::UnknownBooking,
        Rejection::Past,
        Rejection::InvalidTransition,
        Rejection::Policy(Rule::Defined),
        Rejection::Policy(Rule::Notice),
        Rejection::Policy(Rule::Window),
        Rejection::Policy(Rule::Hours),
        Rejection::Policy(Rule::Retired),
        Rejection::ConflictByStore,
        Rejection::Undecodable,
        Rejection::Internal,
    ];
    let said: String = rejections
        .into_iter()
        .map(|rejection| {
            let text = refused(&rejection, None);
            format!("{}: {text}\n", outcome(&Outcome::Rejected(rejection)))
        })
        .collect();
    expect![[r#"
        rejected(conflict): booking 00000000-0000-0000-0000-00000000b00c of calendly has Wed 4 Mar 2026 09:00 to 09:30 UTC
        rejected(stale_version): a newer event had moved the booking on, or it is no longer what the asker expected
        rejected(unknown_booking): there is no such booking
        rejected(past): that time is over
        rejected(invalid_transition): the booking does not stand so that this could be done, or goes by another name
        rejected(policy:defined): the resource is not defined; enter it with daybook resources apply
        rejected(policy:notice): the resource must be asked for longer before the start
        rejected(policy:window): the resource cannot be asked for so long before the start
        rejected(policy:hours): it is not within the resource's hours
        rejected(policy:retired): the resource takes no new bookings any more
        rejected(conflict_by_store): the store refused it although the rules did not; this is an alarm for the engineers
        rejected(undecodable): the record could not be read; its bytes are in dlq.arbiter
        rejected(internal): deciding it failed; its bytes are in dlq.arbiter
    "#]].assert_eq(&said);
}

#[test]
fn a_refusal_offers_what_is_free_and_a_move_names_both_sides() {
    let mut refused = sample::refused(1).decision;
    refused.wanted.as_mut().expect("it wanted something").moved_from = Some(sample::elsewhere());
    let mut granted = decision(OperationKind::Book, Outcome::Confirmed, Standing::Confirmed(nine()));
    granted.booking.as_mut().expect("a booking").moved_from = Some(sample::elsewhere());
    granted.absorbed = vec![BookingId::from_uuid(Uuid::from_u128(0xb057))];
    let said = [more(&refused, None), more(&granted, None)].concat().join("\n");
    expect![[r#"
        wanted: Wed 4 Mar 2026 09:00 to 09:30 UTC
        it was to replace booking 00000000-0000-0000-0000-000000000bea of bea, which stands
        free instead: Wed 4 Mar 2026 09:30 to 10:00 UTC
                 or: Wed 4 Mar 2026 10:30 to 11:00 UTC
        it replaces booking 00000000-0000-0000-0000-000000000bea of bea
        time that was noted as taken elsewhere (00000000-0000-0000-0000-00000000b057) turned out to be this very booking"#]].assert_eq(&said);
}
