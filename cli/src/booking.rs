//! `daybook booking show`: a booking as people see it. The one screen with personal data on it.

use chrono_tz::Tz;
use daybook_domain::{Attendee, BookingId, BookingKind, Standing};
use daybook_rows::BookingRow;
use daybook_wire::LoggedDecision;

use crate::compensations;
use crate::config::Config;
use crate::connect::{self, Role};
use crate::decode::Decoder;
use crate::failure::Failure;
use crate::out::Out;
use crate::store::{self, CompensationRow, DeliveryRow};
use crate::table;
use crate::text;
use crate::why;
use crate::words;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The booking's id.
    #[arg(value_name = "BOOKING_ID")]
    id: String,
}

/// Prints the booking.
pub async fn show(args: &Show, config: &Config, out: &Out) -> Result<(), Failure> {
    let id: BookingId = args
        .id
        .parse()
        .map_err(|_| Failure::input(format!("{} is no booking id; daybook decisions tail shows some", args.id)))?;
    let pool = connect::store(config)?;
    let read = |error| Role::Reader.explain("read the booking", &error);
    let compensations = store::compensations_of(&pool, id).await.map_err(read)?;
    let Some(booking) = store::booking(&pool, id).await.map_err(read)? else {
        let open: Vec<String> = compensations.iter().flat_map(compensations::to_put_right).collect();
        let advice = if open.is_empty() {
            "a request that was refused leaves none: daybook why RESOURCE TIME".to_owned()
        } else {
            open.join("\n  ")
        };
        return Err(Failure::plain(format!("there is no booking {id}")).next(advice));
    };
    let zone = why::zone(booking.resource.as_str(), &pool).await?;
    let mut decoder = Decoder::new(config)?;
    let mut decisions = Vec::new();
    for row in store::decisions_on(&pool, id).await.map_err(read)? {
        decisions.push(decoder.read(&row.record).await?);
    }
    let deliveries = store::deliveries(&pool, id).await.map_err(read)?;
    out.text(page(&booking, zone, &decisions, &deliveries, &compensations))
}

fn page(
    booking: &BookingRow,
    zone: Option<Tz>,
    decisions: &[LoggedDecision],
    deliveries: &[DeliveryRow],
    compensations: &[CompensationRow],
) -> String {
    let state = &booking.state;
    let mut page = format!("Booking {}\n", state.booking_id);
    let interval = state.standing.interval();
    let mut facts = vec![
        ("resource", booking.resource.to_string()),
        ("status", format!("{}, version {}", status(booking), state.version)),
        ("time", interval.map_or_else(|| "not known".to_owned(), |interval| text::interval(interval, zone))),
    ];
    match state.standing {
        Standing::Awaiting { until, .. } => facts.push(("waits until", text::moment(until))),
        Standing::Held { until, .. } => facts.push(("held until", text::moment(until))),
        Standing::Confirmed(_) | Standing::Cancelled { .. } => {}
    }
    if state.unit > 0 {
        facts.push(("unit", format!("{}, counted from 0", state.unit)));
    }
    facts.push(("title", booking.title.clone().unwrap_or_else(|| "(none)".to_owned())));
    facts.push(("source", format!("{}, {} there", state.source, text::count(booking.source_ids.len(), "id"))));
    if let Some(zone) = &booking.source_time_zone {
        facts.push(("source's zone", zone.clone()));
    }
    let attendees: Vec<String> = booking.attendees.iter().map(attendee).collect();
    facts.push(("attendees", if attendees.is_empty() { "(none)".to_owned() } else { attendees.join("; ") }));
    for (name, value) in facts {
        page.push_str(&format!("  {name:<14} {value}\n"));
    }
    for further in why::further(booking, zone) {
        page.push_str(&format!("  {further}\n"));
    }
    for open in compensations.iter().flat_map(compensations::to_put_right) {
        page.push_str(&format!("  {open}\n"));
    }
    page.push_str("\nDecisions\n");
    let rows: Vec<Vec<String>> = decisions.iter().map(decision).collect();
    page.push_str(&table::draw(&["decided", "place", "source", "operation", "outcome", "version"], &rows));
    page.push_str("\nTargets\n");
    if deliveries.is_empty() {
        page.push_str("no target mirrors it\n");
    } else {
        let rows: Vec<Vec<String>> = deliveries.iter().map(delivery).collect();
        page.push_str(&table::draw(&["target", "shows", "wanted", "state", "attempts", "its id there"], &rows));
    }
    page
}

fn status(booking: &BookingRow) -> &'static str {
    match (booking.state.kind, booking.state.standing) {
        (BookingKind::Busy, Standing::Confirmed(_)) => "taken elsewhere",
        (_, standing) => standing.as_str(),
    }
}

fn attendee(attendee: &Attendee) -> String {
    let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    let mut parts: Vec<String> = given(&attendee.name).into_iter().collect();
    parts.extend(given(&attendee.email).map(|email| format!("<{email}>")));
    parts.extend(given(&attendee.phone));
    if parts.is_empty() { "(no longer known)".to_owned() } else { parts.join(" ") }
}

fn decision(logged: &LoggedDecision) -> Vec<String> {
    let decision = &logged.decision;
    vec![
        text::stamp(decision.decided_at),
        format!("{}/{}", logged.partition, logged.seq),
        decision.source.to_string(),
        decision.operation.as_str().to_owned(),
        words::outcome(&decision.outcome),
        decision.booking.as_ref().map_or_else(String::new, |booking| booking.version.to_string()),
    ]
}

fn delivery(delivery: &DeliveryRow) -> Vec<String> {
    let DeliveryRow { target, desired_version, applied_version, .. } = delivery;
    let state = match &delivery.parked_reason {
        Some(reason) => format!("given up ({reason})"),
        None if applied_version < desired_version => format!("next try {}", text::stamp(delivery.next_at)),
        None => delivery.applied_at.map_or_else(|| "done".to_owned(), |at| format!("done {}", text::stamp(at))),
    };
    let shows = if delivery.shown { format!("version {applied_version}") } else { "nothing".to_owned() };
    vec![
        target.clone(),
        shows,
        format!("version {desired_version}"),
        state,
        delivery.attempt.to_string(),
        delivery.external_id.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use daybook_domain::{BookingState, ContactId, Sight};
    use expect_test::expect;

    use super::*;
    use crate::sample::{self, at};

    #[test]
    fn the_screen_has_the_booking_its_decisions_and_its_targets() {
        let person = |id: u8, name: Option<&str>, email: Option<&str>| Attendee {
            contact_id: ContactId::from_bytes([id; 16]),
            name: name.map(str::to_owned),
            email: email.map(str::to_owned),
            phone: None,
        };
        let state = BookingState {
            unit: 2,
            shadows: vec![sample::shadow("caldav", Sight::Along)],
            moved_from: Some(sample::elsewhere()),
            ..sample::booking(Standing::Confirmed(sample::nine()), 1)
        };
        let booking = BookingRow {
            source_ids: vec!["inv-1".to_owned(), "inv-2".to_owned()],
            title: Some("Intro".to_owned()),
            attendees: vec![person(1, Some("Jane Doe"), Some("jane@example.com")), person(2, None, None)],
            source_time_zone: Some("America/New_York".to_owned()),
            ..sample::row(state)
        };
        let delivery = DeliveryRow {
            target: "calendar".to_owned(),
            desired_version: 1,
            applied_version: 1,
            applied_at: Some(at("2026-03-01T08:00:01.900Z")),
            shown: true,
            external_id: Some("x.ics".to_owned()),
            attempt: 1,
            next_at: at("2026-03-01T08:01:00Z"),
            parked_reason: None,
            attempts: Vec::new(),
        };
        let decisions = [sample::confirmed(1), sample::duplicate(2)];
        expect![[r#"
            Booking 00000000-0000-0000-0000-00000000b00c
              resource       anna
              status         confirmed, version 1
              time           Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              unit           2, counted from 0
              title          Intro
              source         calendly, 2 ids there
              source's zone  America/New_York
              attendees      Jane Doe <jane@example.com>; (no longer known)
              replaced booking 00000000-0000-0000-0000-000000000bea of bea
              caldav shows it too
              generic has promised its customer Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC) (booking 00000000-0000-0000-0000-0000000105e7)
                and was refused: the time is taken (conflict); open since 2026-03-01 08:00:01.230 UTC
                put it right at generic: daybook compensations --resource anna

            Decisions
            DECIDED                   PLACE  SOURCE    OPERATION  OUTCOME               VERSION
            2026-03-01T08:00:01.230Z  3/1    calendly  book       confirmed             1
            2026-03-01T08:00:01.230Z  3/2    calendly  book       unchanged(duplicate)  1

            Targets
            TARGET    SHOWS      WANTED     STATE                          ATTEMPTS  ITS ID THERE
            calendar  version 1  version 1  done 2026-03-01T08:00:01.900Z  1         x.ics
        "#]]
        .assert_eq(&page(
            &booking,
            Some(Tz::Europe__Berlin),
            &decisions,
            &[delivery],
            &[compensations::samples::open()],
        ));
    }
}
