//! The exchange against a Calendly in memory that keeps state, forgets to answer and shows what is over.

use std::time::Duration;

use daybook_domain::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::Maker;
use crate::RetryAfter;
use crate::tool::{Answered, Asked, Dialect, Fault, Made, Tool};

/// A Wednesday morning, in milliseconds.
const NINE: i64 = 1_772_614_800_000;

fn invitee() -> Invitee {
    Invitee::of("https://api.calendly.com/scheduled_events/EV-1/invitees/IN-1").expect("an invitee")
}

fn tool() -> Tool {
    let mut tool = Tool::new(Dialect::Calendly);
    let start = Timestamp::from_millis(NINE).expect("a time");
    tool.book(NINE - 60_000, "EV-1", start, start.plus(Duration::from_secs(1_800)));
    tool
}

fn send(tool: &mut Tool, now: i64, call: &Call) -> Answer {
    let asked = Asked {
        method: call.method.as_str(),
        target: &call.path,
        headers: &[],
        body: serde_json::from_slice(&call.body).unwrap_or_default(),
    };
    match tool.request(now, &asked) {
        Answered::With(status, wait, body) => {
            let retry_after = wait.as_deref().and_then(RetryAfter::parse);
            Answer::Replied(Reply { status, etag: None, retry_after, body: body.into_bytes() })
        }
        Answered::Nothing | Answered::Silence => Answer::Lost,
    }
}

fn attempt(tool: &mut Tool, now: i64, in_doubt: bool) -> (Conclusion, bool) {
    let known = if in_doubt {
        Known::Unsure { version: 1, external_id: None, maker: Maker::Daybook }
    } else {
        Known::Removed { version: 1 }
    };
    let mut exchange = Exchange::cancel(invitee(), Why::Cancelled, &known);
    for _ in 0..CALLS_MAX {
        let answer = send(tool, now, &exchange.call());
        match exchange.answer(&answer) {
            Progress::Next(next) => exchange = *next,
            Progress::Over(conclusion, wrote) => return (conclusion, wrote),
        }
    }
    panic!("more calls than one attempt may make");
}

fn gone() -> Conclusion {
    Conclusion { verdict: Verdict::Gone, in_doubt: false }
}

#[test]
fn what_a_customer_has_booked_is_called_off_once_and_what_is_off_is_left_alone() {
    let mut tool = tool();
    assert_eq!(attempt(&mut tool, NINE, false), (gone(), true));
    assert_eq!(attempt(&mut tool, NINE, false), (gone(), false), "it was off");
    let made: Vec<Made> = tool.applied.iter().map(|applied| applied.made).collect();
    assert_eq!(made, [Made::Ended]);
}

#[test]
fn a_name_that_is_none_of_an_invitee_leads_nowhere() {
    for uri in [
        "https://api.calendly.com/scheduled_events/EV-1",
        "https://api.calendly.com/scheduled_events//invitees/IN-1",
        "https://api.calendly.com/scheduled_events/EV-1/invitees/..%2Fx",
        "https://api.calendly.com/scheduled_events/../users/invitees/IN-1",
        "EV-1",
        "",
    ] {
        assert_eq!(Invitee::of(uri), None, "{uri}");
    }
    assert_eq!(
        Exchange::cancel(invitee(), Why::Refused, &Known::Nothing).call().path,
        "/scheduled_events/EV-1/invitees/IN-1"
    );
}

/// A conversation in which the answers are given; the calls that it made, and how it ended.
fn told(answers: &[(u16, Value)]) -> (usize, Conclusion) {
    let mut exchange = Exchange::cancel(invitee(), Why::Cancelled, &Known::Removed { version: 1 });
    for (number, (status, body)) in answers.iter().enumerate() {
        let body = body.to_string().into_bytes();
        match exchange.answer(&Answer::Replied(Reply { status: *status, body, ..Reply::default() })) {
            Progress::Next(next) => exchange = *next,
            Progress::Over(conclusion, _) => return (number + 1, conclusion),
        }
    }
    panic!("it is not over");
}

#[test]
fn an_event_to_which_others_are_still_to_come_is_left_alone() {
    let active = (200, json!({"resource": {"status": "active"}}));
    let event = |active: u64| (200, json!({"resource": {"status": "active", "invitees_counter": {"active": active}}}));
    let refused = Conclusion { verdict: Verdict::Permanent(Reason::Refused), in_doubt: false };
    assert_eq!(told(&[active.clone(), event(2)]), (2, refused.clone()));
    // It cannot be called off, and it is not off: it is over, or not ours.
    assert_eq!(told(&[active.clone(), event(1), (403, json!({})), active.clone()]), (4, refused));
    // It cannot, because somebody was faster.
    let off = (200, json!({"resource": {"status": "canceled"}}));
    assert_eq!(told(&[active.clone(), event(1), (403, json!({})), off.clone()]), (4, gone()));
    // Somebody was faster, before and between.
    assert_eq!(told(std::slice::from_ref(&off)), (1, gone()));
    assert_eq!(told(&[active.clone(), off]), (2, gone()));
    assert_eq!(told(&[(404, json!({}))]), (1, gone()));
    let strange = Conclusion { verdict: Verdict::Retryable(Trouble::Unreadable), in_doubt: false };
    assert_eq!(told(&[(200, json!({}))]), (1, strange.clone()));
    assert_eq!(told(&[active, (200, json!({"resource": {"status": "active"}}))]), (2, strange));
}

#[test]
fn credentials_and_limits_are_what_they_are_everywhere() {
    for (status, verdict) in
        [(401, Verdict::Unauthorized), (403, Verdict::Unauthorized), (429, Verdict::Throttled { retry_after: None })]
    {
        assert_eq!(told(&[(status, json!({}))]), (1, Conclusion { verdict, in_doubt: false }));
    }
}

proptest! {
    #[test]
    fn whatever_calendly_answers_it_is_called_off_once_in_the_end(
        faults in prop::collection::vec((0..Fault::ALL.len()).prop_map(|at| Fault::ALL[at]), 0..6), stale in 0..9_000i64,
    ) {
        let mut tool = tool();
        tool.faults.extend(faults);
        tool.stale = stale;
        let (mut now, mut in_doubt, mut over) = (NINE, false, false);
        for _ in 0..40 {
            let (conclusion, _) = attempt(&mut tool, now, in_doubt);
            in_doubt = conclusion.in_doubt;
            now += 1_000;
            match conclusion.verdict {
                Verdict::Gone => {
                    over = true;
                    break;
                }
                Verdict::LookFirst(_) | Verdict::Reread | Verdict::Throttled { .. } | Verdict::Unauthorized => {}
                Verdict::Retryable(_) => {}
                other @ (Verdict::Applied { .. } | Verdict::Permanent(_)) => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert!(over && tool.standing().is_empty());
        prop_assert_eq!(tool.applied.len(), 1);
    }
}
