//! What follows from a move, both ways.

use daybook_domain::{Elsewhere, Operation, Outcome, SourceName};

use crate::follow_up;
use crate::story::{defined, resource, source, tell};

fn elsewhere() -> Elsewhere {
    let room = "room".parse().expect("a name");
    Elsewhere { booking_id: daybook_domain::BookingId::derive(&source("calendly"), "a", &room), resource: room }
}

#[test]
fn a_granted_move_releases_the_booking_that_it_replaced() {
    let mut state = defined();
    let granted = tell(&mut state, 1, "0 move a b 60-90 from=room/a").remove(0);
    let after = granted.booking.as_ref().expect("a booking");
    assert_eq!((&granted.outcome, after.moved_from.as_ref()), (&Outcome::Confirmed, Some(&elsewhere())));
    let release = follow_up(&granted).expect("a release");
    assert_eq!((release.resource.as_str(), &release.source), ("room", &SourceName::daybook()));
    let Operation::Release { subject, moved_to } = &release.operation else { panic!("a release: {release:?}") };
    assert_eq!(subject.booking_id, elsewhere().booking_id);
    assert_eq!(moved_to, &Some(Elsewhere { resource: resource(), booking_id: after.booking_id }));
    assert_eq!(follow_up(&granted).as_ref(), Some(&release), "the same twice");
    let updated = tell(&mut state, 2, "0 move b b 60-90 title=3").remove(0);
    assert_eq!(follow_up(&updated), None);
}

#[test]
fn a_booking_that_comes_back_is_released_where_it_comes_from() {
    let mut state = defined();
    tell(&mut state, 1, "0 book a 60-90 v=1");
    let away = tell(&mut state, 2, "1 cancel a v=2").remove(0);
    assert_eq!(follow_up(&away), None);
    let back = tell(&mut state, 3, "2 move a a 120-150 v=3 from=room/a").remove(0);
    assert_eq!(back.outcome, Outcome::Confirmed);
    assert_eq!(follow_up(&back).map(|release| release.resource), Some(elsewhere().resource));
    tell(&mut state, 4, "3 cancel a v=4");
    let again = tell(&mut state, 5, "4 book a 120-150 v=5").remove(0);
    assert_eq!((&again.outcome, follow_up(&again)), (&Outcome::Confirmed, None), "that move is over");
}

#[test]
fn a_move_of_what_stands_here_already_releases_the_booking_that_it_replaced() {
    let mut state = defined();
    tell(&mut state, 1, "0 crm: book x 60-90 with=7");
    let shadow = tell(&mut state, 2, "1 move a b 60-90 with=7 from=room/a").remove(0);
    assert_eq!(shadow.outcome, Outcome::Unchanged(daybook_domain::Unchanged::Shadow));
    assert_eq!(follow_up(&shadow).map(|release| release.resource), Some(elsewhere().resource));
    assert!(!shadow.opens_compensation());
}

#[test]
fn a_refused_move_tells_the_booking_that_it_stands_under_the_name_that_its_source_uses_now() {
    let mut state = defined();
    tell(&mut state, 1, "0 crm: book x 60-90");
    let refused = tell(&mut state, 2, "0 move a b 60-90 from=room/a").remove(0);
    let stands = follow_up(&refused).expect("a confirmation");
    let Operation::Confirm { subject, content: None } = &stands.operation else { panic!("it stands: {stands:?}") };
    assert_eq!(subject.booking_id, elsewhere().booking_id);
    assert_eq!(Some(subject.identity.key()), refused.wanted.map(|wanted| wanted.key));
    let asked = tell(&mut state, 3, "0 move a b 60-90 from=room/a asked").remove(0);
    assert_eq!(follow_up(&asked), None, "nobody was promised it");
}

/// Both partitions: what the old resource makes of what follows, with the cancelling half before and after.
#[test]
fn on_the_old_resource_the_booking_moves_away_or_stands() {
    let room = |lines: &[&str], follow: &daybook_domain::Request| {
        let mut state = crate::State::new("room".parse().expect("a name"));
        let mut outcomes = Vec::new();
        for (nth, line) in lines.iter().enumerate() {
            let (now, mut request) = match *line {
                "follow" => (crate::story::minute(5), follow.clone()),
                line => crate::story::request(nth, line),
            };
            request.resource = state.resource().clone();
            if let Operation::Book(claim) = &mut request.operation {
                claim.booking_id = elsewhere().booking_id;
            }
            let decisions = crate::step(&mut state, now, &request).expect("nothing is missing");
            outcomes.extend(decisions.into_iter().map(|d| d.outcome.as_str()));
            state.check().expect("the invariants hold");
        }
        outcomes
    };
    let mut here = defined();
    let granted = tell(&mut here, 1, "0 move a b 60-90 from=room/a").remove(0);
    let release = follow_up(&granted).expect("a release");
    let first = ["0 define", "0 book a 60-90 v=1", "1 replace a v=2", "follow", "follow"];
    assert_eq!(room(&first, &release), ["defined", "confirmed", "awaiting_replacement", "moved", "unchanged"]);
    let last = ["0 define", "0 book a 60-90 v=1", "follow", "6 replace a v=2", "21 expire a 21"];
    assert_eq!(room(&last, &release), ["defined", "confirmed", "moved", "unchanged", "unchanged"]);

    let mut here = defined();
    tell(&mut here, 1, "0 crm: book x 60-90");
    let refused = tell(&mut here, 2, "0 move a b 60-90 from=room/a").remove(0);
    let stands = follow_up(&refused).expect("a confirmation");
    let first = ["0 define", "0 book a 60-90 v=1", "1 replace a v=2", "follow", "follow", "7 cancel b v=3"];
    let told = ["defined", "confirmed", "awaiting_replacement", "confirmed", "unchanged", "cancelled"];
    assert_eq!(room(&first, &stands), told);
    let last = ["0 define", "0 book a 60-90 v=1", "follow", "6 replace a v=2"];
    assert_eq!(room(&last, &stands), ["defined", "confirmed", "confirmed", "unchanged"]);
}
