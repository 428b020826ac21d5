//! `daybook why`: why a booking is as it is, or who has a resource's time and why. One page from the store.

mod page;

use std::collections::BTreeSet;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use daybook_domain::{BookingId, ResourceId, Timestamp};
use sqlx::PgPool;

use crate::config::Config;
use crate::connect::{self, Role};
use crate::decode::Decoder;
use crate::failure::Failure;
use crate::out::Out;
use crate::store;
pub use page::further;
use page::{Facts, Known, Sighting};

/// More decisions about one resource than a year brings.
const DECISIONS_MAX: i64 = 100_000;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Why {
    /// A booking's id; or, with TIME, a resource.
    #[arg(value_name = "BOOKING_ID|RESOURCE")]
    what: String,
    /// A moment: RFC 3339, such as 2026-03-04T09:15:00Z or 2026-03-04T10:15:00+01:00; or a local time with --zone.
    #[arg(value_name = "TIME")]
    time: Option<String>,
    /// The IANA zone of a local TIME, such as Europe/Berlin.
    #[arg(long, requires = "time")]
    zone: Option<Tz>,
}

/// Prints the page.
pub async fn run(args: &Why, config: &Config, out: &Out) -> Result<(), Failure> {
    let pool = connect::store(config)?;
    let mut decoder = Decoder::new(config)?;
    let page = match &args.time {
        None => {
            let id: BookingId = args.what.parse().map_err(|_| {
                Failure::input(format!(
                    "{} is no booking id; for a resource, give the time too: daybook why {} 2026-03-04T09:15:00Z",
                    args.what, args.what
                ))
            })?;
            page::booking(&of_booking(id, &pool, &mut decoder).await?)
        }
        Some(time) => {
            let resource: ResourceId =
                args.what.parse().map_err(|error| Failure::input(format!("{}: the name {error}", args.what)))?;
            let at = moment(time, args.zone)?;
            page::slot(&of_slot(&resource, at, &pool, &mut decoder).await?, &resource, at)
        }
    };
    out.text(page)?;
    if decoder.guessed() {
        out.line("\nThe schema registry did not answer; the decisions were read by this version's own schema.")?;
    }
    Ok(())
}

async fn of_booking(id: BookingId, pool: &PgPool, decoder: &mut Decoder) -> Result<Facts, Failure> {
    let rows =
        store::decisions_on(pool, id).await.map_err(|error| Role::Reader.explain("read the decisions", &error))?;
    let mut sightings = Vec::with_capacity(rows.len());
    for row in rows {
        sightings.push(Sighting { logged: decoder.read(&row.record).await?, committed_at: row.committed_at });
    }
    let compensations = store::compensations_of(pool, id).await;
    let compensations = compensations.map_err(|error| Role::Reader.explain("read the compensations", &error))?;
    let known = known(id, pool).await?;
    let resource = known.as_ref().map(|known| known.booking.resource.as_str());
    let Some(resource) = resource.or(compensations.first().map(|refused| refused.resource.as_str())) else {
        return Err(Failure::plain(format!("there is no booking {id}")).next(
            "a request that was refused leaves no booking: ask for its resource and time, daybook why RESOURCE TIME; \
             an event that could not be read is in the dead letters: daybook dlq list",
        ));
    };
    let zone = zone(resource, pool).await?;
    Ok(Facts { zone, bookings: known.into_iter().collect(), sightings, compensations })
}

async fn of_slot(resource: &ResourceId, at: Timestamp, pool: &PgPool, decoder: &mut Decoder) -> Result<Facts, Failure> {
    let zone_name = store::resource_zone(pool, resource.as_str()).await;
    if zone_name.map_err(|error| Role::Reader.explain("read the resource", &error))?.is_none() {
        return Err(Failure::plain(format!("there is no resource {resource}"))
            .next("enter it with daybook resources apply; events about it are in the dead letters until then"));
    }
    let rows = store::decisions_about(pool, resource, DECISIONS_MAX).await;
    let rows = rows.map_err(|error| Role::Reader.explain("read the decisions", &error))?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push(Sighting { logged: decoder.read(&row.record).await?, committed_at: row.committed_at });
    }
    let touching: BTreeSet<BookingId> =
        all.iter().filter(|sighting| sighting.covers(at)).filter_map(Sighting::booking).collect();
    all.retain(|sighting| sighting.was_refused(at) || sighting.booking().is_some_and(|id| touching.contains(&id)));
    let mut bookings = Vec::new();
    for id in touching {
        bookings.extend(known(id, pool).await?);
    }
    let compensations = store::compensations_at(pool, resource, at).await;
    let compensations = compensations.map_err(|error| Role::Reader.explain("read the compensations", &error))?;
    Ok(Facts { zone: zone(resource.as_str(), pool).await?, bookings, sightings: all, compensations })
}

async fn known(id: BookingId, pool: &PgPool) -> Result<Option<Known>, Failure> {
    let read = |error| Role::Reader.explain("read the booking", &error);
    let Some(booking) = store::booking(pool, id).await.map_err(read)? else { return Ok(None) };
    Ok(Some(Known { booking, deliveries: store::deliveries(pool, id).await.map_err(read)? }))
}

/// The zone in which a resource's times are shown.
pub async fn zone(resource: &str, pool: &PgPool) -> Result<Option<Tz>, Failure> {
    let name = store::resource_zone(pool, resource).await;
    let name = name.map_err(|error| Role::Reader.explain("read the resource", &error))?;
    Ok(name.and_then(|name| name.parse().ok()))
}

/// The moment that somebody typed.
fn moment(text: &str, zone: Option<Tz>) -> Result<Timestamp, Failure> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let formats = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"];
    let Some(local) = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok()) else {
        return Err(Failure::input(format!("{text} is no time; write it like 2026-03-04T09:15:00Z")));
    };
    let Some(zone) = zone else {
        return Err(Failure::input(format!(
            "{text} is a local time, which is another moment in every zone; write {text}Z for UTC, add an offset such as \
             +01:00, or add --zone Europe/Berlin"
        )));
    };
    let utc = match zone.from_local_datetime(&local) {
        LocalResult::Single(time) => time.with_timezone(&Utc),
        LocalResult::Ambiguous(first, second) => {
            return Err(Failure::input(format!(
                "{text} occurs twice in {zone}, because the clocks are set back; write {} or {}",
                first.to_rfc3339(),
                second.to_rfc3339()
            )));
        }
        LocalResult::None => {
            return Err(Failure::input(format!("{text} does not occur in {zone}: the clocks are set forward over it")));
        }
    };
    DateTime::<Utc>::try_into(utc).map_err(|error| Failure::input(format!("{text} {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, zone: Option<Tz>) -> String {
        match moment(text, zone) {
            Ok(time) => time.to_string(),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn a_local_time_needs_a_zone_and_must_occur_once() {
        let berlin = Some(Tz::Europe__Berlin);
        assert_eq!(read("2026-03-04T10:15:00+01:00", None), "2026-03-04T09:15:00Z");
        assert_eq!(read("2026-03-04 10:15", berlin), "2026-03-04T09:15:00Z");
        assert!(read("2026-03-04T10:15", None).contains("is a local time"));
        assert!(read("2026-10-25T02:30", berlin).contains("2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00"));
        assert!(read("2026-03-29T02:30", berlin).contains("does not occur in Europe/Berlin"));
        assert!(read("tomorrow", berlin).contains("is no time"));
    }
}
