//! The one transaction of a batch: the fence first, then what the batch decided.
//!
//! Plans are kept, and made when the tables may have been empty, so no statement leaves the planner a choice of order:
//! a row to be changed is found by its key, one probe of the index for each, and changed by its place (`ctid`). Nobody else
//! writes it meanwhile: the partition's row is locked. Nor a choice of index: one that is empty, as a partial one may be,
//! looks cheapest. What it is limited to is asked of the rows that another has found.

use std::time::Duration;

use arbiter_core::partition::Position;
use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, Decision, Rule, Timestamp};
use daybook_rows::HoursColumn;
use daybook_runtime::postgres::{Sort, StoreError};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::Store;
use crate::batch::Decided;
use crate::compensation::{Compensation, Opening};
use crate::error::Error;
use crate::written::Written;

impl Store {
    /// Commits a batch, or nothing of it. An error of the sort `Away` leaves open whether it was committed; after one
    /// of the sort `Serialization` the partition's row says who was faster.
    pub(super) async fn write(&self, from: &Position, decided: &Decided) -> Result<(), Error> {
        match self.transaction(from, decided).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Fenced),
            Err(error) => match error.sort() {
                Sort::Exclusion => Err(Error::Exclusion),
                Sort::Refused => Err(Error::Refused(error)),
                Sort::Forbidden | Sort::Serialization | Sort::Away | Sort::Fault => Err(error.into()),
            },
        }
    }

    async fn transaction(&self, from: &Position, decided: &Decided) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(self.note())?;
        if !fence(&mut transaction, from, &decided.after).await.map_err(self.note())? {
            transaction.rollback().await.map_err(self.note())?;
            return Ok(false);
        }
        resources(&mut transaction, from, decided).await.map_err(self.note())?;
        bookings(&mut transaction, from, decided).await.map_err(self.note())?;
        names(&mut transaction, from, decided).await.map_err(self.note())?;
        tags(&mut transaction, from, decided).await.map_err(self.note())?;
        decisions(&mut transaction, from, decided).await.map_err(self.note())?;
        open(&mut transaction, from, decided).await.map_err(self.note())?;
        close(&mut transaction, from, decided).await.map_err(self.note())?;
        redact(&mut transaction, from, decided).await.map_err(self.note())?;
        transaction.commit().await.map_err(self.note())?;
        Ok(true)
    }
}

/// The transaction's first statement. No row means that the partition has a new owner.
async fn fence(connection: &mut PgConnection, from: &Position, to: &Position) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE arbiter_partition SET next_offset = $4, next_seq = next_seq + $5, now = $6, chain = $7
         WHERE partition = $1 AND epoch = $2 AND next_offset = $3",
    )
    .bind(from.partition)
    .bind(from.epoch)
    .bind(from.next_offset)
    .bind(to.next_offset)
    .bind(to.next_seq - from.next_seq)
    .bind(DateTime::<Utc>::from(to.now))
    .bind(&to.chain[..])
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

async fn resources(connection: &mut PgConnection, from: &Position, decided: &Decided) -> Result<(), sqlx::Error> {
    // Two statements rather than ON CONFLICT, which would draw a number of the identity column at every update.
    const UPDATE: &str = "UPDATE resource r SET version = n.version, display_time_zone = n.zone,
             replacement_wait_ms = n.wait, capacity = n.capacity, buffer_before_ms = n.before, buffer_after_ms = n.after,
             notice_ms = n.notice, window_ms = n.ahead, hours = n.hours, retired = n.retired, epoch = $12
         FROM (SELECT n.*, (SELECT ctid FROM resource r WHERE r.resource_id = n.id) AS place
               FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::integer[], $6::bigint[], $7::bigint[],
                   $8::bigint[], $9::bigint[], $10::jsonb[], $13::boolean[])
                   AS n(id, version, zone, wait, capacity, before, after, notice, ahead, hours, retired)
               OFFSET 0) AS n
         WHERE r.ctid = n.place AND r.partition = $11";
    const INSERT: &str = "INSERT INTO resource (resource_id, version, display_time_zone, replacement_wait_ms, capacity,
             buffer_before_ms, buffer_after_ms, notice_ms, window_ms, hours, retired, partition, epoch)
         SELECT n.*, $11, $12 FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::integer[],
             $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::jsonb[],
             $13::boolean[]) AS n";
    for (stored, sql) in [(true, UPDATE), (false, INSERT)] {
        let changed: Vec<_> = decided.resources.iter().filter(|resource| resource.stored == stored).collect();
        if changed.is_empty() {
            continue;
        }
        let spans = |pick: fn(&daybook_domain::Rules) -> Duration| -> Vec<i64> {
            changed.iter().map(|resource| millis(pick(&resource.rules))).collect()
        };
        let hours = changed.iter().map(|r| Json(r.rules.hours.iter().map(HoursColumn::from).collect::<Vec<_>>()));
        sqlx::query(sql)
            .bind(changed.iter().map(|r| r.resource.as_str()).collect::<Vec<_>>())
            .bind(changed.iter().map(|r| i64::try_from(r.version).unwrap_or(i64::MAX)).collect::<Vec<_>>())
            .bind(changed.iter().map(|r| r.rules.display_time_zone.as_str()).collect::<Vec<_>>())
            .bind(spans(|rules| rules.replacement_wait))
            .bind(changed.iter().map(|r| i32::from(r.rules.capacity)).collect::<Vec<_>>())
            .bind(spans(|rules| rules.buffer_before))
            .bind(spans(|rules| rules.buffer_after))
            .bind(spans(|rules| rules.notice))
            .bind(changed.iter().map(|r| r.rules.window.map(millis)).collect::<Vec<_>>())
            .bind(hours.collect::<Vec<_>>())
            .bind(from.partition)
            .bind(from.epoch)
            .bind(changed.iter().map(|r| r.rules.retired).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Each touched booking once. First what gives a slot up, then what takes one: the constraint looks at every row as it
/// is written.
async fn bookings(connection: &mut PgConnection, from: &Position, decided: &Decided) -> Result<(), sqlx::Error> {
    const UPDATE: &str = "UPDATE booking b SET kind = n.kind, unit = n.unit, status = n.status,
             start_time = n.start_time, end_time = n.end_time, awaiting_until = n.awaiting_until,
             held_until = n.held_until, away_until = n.away_until, version = n.version,
             source_event_id = n.source_event_id, source_keys = n.source_keys, source_ids = n.source_ids,
             source_sequence = n.source_sequence, source_updated_at = n.source_updated_at, title = n.title,
             attendee_details = n.attendee_details, source_time_zone = n.source_time_zone,
             content_digest = n.content_digest, contact_ids = n.contact_ids, tags = n.tags,
             shadows = n.shadows, moved_from_resource = n.moved_from_resource,
             moved_from_booking = n.moved_from_booking, moved_to_resource = n.moved_to_resource,
             moved_to_booking = n.moved_to_booking, sourced_at = n.sourced_at, received_at = n.received_at,
             decided_at = n.decided_at, epoch = $2, seq = n.seq
         FROM (SELECT n.*, (SELECT ctid FROM booking b WHERE b.booking_id = n.booking_id) AS place
               FROM unnest($1::booking_row[]) AS n
               OFFSET 0) AS n
         WHERE b.ctid = n.place";
    const VACATE: &str = "UPDATE booking SET status = 'cancelled', awaiting_until = NULL, held_until = NULL, epoch = $2
         WHERE booking_id = ANY($1)";
    const INSERT: &str = "INSERT INTO booking (booking_id, resource_no, resource_id, kind, unit, status, start_time,
             end_time, awaiting_until, held_until, away_until, version, source_system, source_event_id, source_keys,
             source_ids, source_sequence, source_updated_at, title, attendee_details, source_time_zone, content_digest,
             contact_ids, tags, shadows, moved_from_resource, moved_from_booking, moved_to_resource, moved_to_booking,
             sourced_at, received_at, decided_at, partition, epoch, seq)
         SELECT n.booking_id, r.resource_no, n.resource_id, n.kind, n.unit, n.status, n.start_time, n.end_time,
             n.awaiting_until, n.held_until, n.away_until, n.version, n.source_system, n.source_event_id, n.source_keys,
             n.source_ids, n.source_sequence, n.source_updated_at, n.title, n.attendee_details, n.source_time_zone,
             n.content_digest, n.contact_ids, n.tags, n.shadows, n.moved_from_resource,
             n.moved_from_booking, n.moved_to_resource, n.moved_to_booking, n.sourced_at, n.received_at, n.decided_at,
             $3, $2, n.seq
         FROM unnest($1::booking_row[]) AS n,
             LATERAL (SELECT resource_no FROM resource r WHERE r.resource_id = n.resource_id OFFSET 0) AS r";
    let Written { freed, moved, changed, new } = &decided.written;
    if !freed.is_empty() {
        sqlx::query(UPDATE).bind(freed).bind(from.epoch).execute(&mut *connection).await?;
    }
    if !moved.is_empty() {
        sqlx::query(VACATE).bind(moved).bind(from.epoch).execute(&mut *connection).await?;
    }
    if !changed.is_empty() {
        sqlx::query(UPDATE).bind(changed).bind(from.epoch).execute(&mut *connection).await?;
    }
    if !new.is_empty() {
        sqlx::query(INSERT).bind(new).bind(from.epoch).bind(from.partition).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn names(connection: &mut PgConnection, from: &Position, decided: &Decided) -> Result<(), sqlx::Error> {
    let names = &decided.names;
    if names.is_empty() {
        return Ok(());
    }
    sqlx::query(
        // A name that was known moves with the appointment: busy time that a booking has taken in.
        "INSERT INTO booking_source (source_key, resource_id, booking_id, source_booking_id, partition, epoch)
         SELECT n.key, n.resource, n.booking, n.name, $5, $6
         FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[]) AS n(key, resource, booking, name)
         ON CONFLICT (source_key, resource_id) DO UPDATE SET booking_id = excluded.booking_id,
             source_booking_id = excluded.source_booking_id, partition = excluded.partition, epoch = excluded.epoch",
    )
    .bind(names.iter().map(|name| name.key.uuid()).collect::<Vec<_>>())
    .bind(names.iter().map(|name| name.resource.as_str()).collect::<Vec<_>>())
    .bind(names.iter().map(|name| name.booking_id.uuid()).collect::<Vec<_>>())
    .bind(names.iter().map(|name| name.name.as_str()).collect::<Vec<_>>())
    .bind(from.partition)
    .bind(from.epoch)
    .execute(connection)
    .await?;
    Ok(())
}

async fn tags(connection: &mut PgConnection, from: &Position, decided: &Decided) -> Result<(), sqlx::Error> {
    let tags = &decided.tags;
    if tags.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO booking_tag (tag, resource_id, booking_id, partition, epoch)
         SELECT n.*, $4, $5 FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS n
         ON CONFLICT DO NOTHING",
    )
    .bind(tags.iter().map(|tag| tag.tag.uuid()).collect::<Vec<_>>())
    .bind(tags.iter().map(|tag| tag.resource.as_str()).collect::<Vec<_>>())
    .bind(tags.iter().map(|tag| tag.booking_id.uuid()).collect::<Vec<_>>())
    .bind(from.partition)
    .bind(from.epoch)
    .execute(connection)
    .await?;
    Ok(())
}

async fn decisions(connection: &mut PgConnection, from: &Position, decided: &Decided) -> Result<(), sqlx::Error> {
    let ready = &decided.decisions;
    if ready.is_empty() {
        return Ok(());
    }
    let times = |pick: fn(&Decision) -> Option<Timestamp>| -> Vec<Option<DateTime<Utc>>> {
        ready.iter().map(|ready| pick(&ready.logged.decision).map(Into::into)).collect()
    };
    let texts = |pick: fn(&Decision) -> Option<&str>| -> Vec<Option<&str>> {
        ready.iter().map(|ready| pick(&ready.logged.decision)).collect()
    };
    sqlx::query(
        "INSERT INTO decision (partition, seq, request_offset, request_id, resource_id, booking_id, operation, outcome,
             reason, source, sourced_at, received_at, decided_at, record, epoch)
         SELECT $1, n.* , $15 FROM unnest($2::bigint[], $3::bigint[], $4::uuid[], $5::text[], $6::uuid[], $7::text[],
             $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[],
             $14::bytea[]) AS n",
    )
    .bind(from.partition)
    .bind(ready.iter().map(|ready| ready.logged.seq).collect::<Vec<_>>())
    .bind(ready.iter().map(|ready| ready.logged.offset).collect::<Vec<_>>())
    .bind(ready.iter().map(|ready| ready.logged.decision.request_id.uuid()).collect::<Vec<_>>())
    .bind(texts(|decision| Some(decision.resource.as_str())))
    .bind(ready.iter().map(|ready| ready.booking_id.map(BookingId::uuid)).collect::<Vec<_>>())
    .bind(texts(|decision| Some(decision.operation.as_str())))
    .bind(texts(|decision| Some(decision.outcome.as_str())))
    .bind(texts(|decision| decision.outcome.reason()))
    .bind(texts(|decision| Some(decision.source.as_str())))
    .bind(times(|decision| decision.sourced_at))
    .bind(times(|decision| Some(decision.received_at)))
    .bind(times(|decision| Some(decision.decided_at)))
    .bind(ready.iter().map(|ready| ready.bytes.as_slice()).collect::<Vec<_>>())
    .bind(from.epoch)
    .execute(connection)
    .await?;
    Ok(())
}

/// Refused bookings. One that is open is refused once more; one that was settled, here or in the store, begins anew.
async fn open(connection: &mut PgConnection, from: &Position, decided: &Decided) -> Result<(), sqlx::Error> {
    let opened: Vec<(&Compensation, &Opening)> =
        decided.compensations.iter().filter_map(|it| Some((it, it.opened.as_ref()?))).collect();
    if opened.is_empty() {
        return Ok(());
    }
    let texts = |pick: fn(&Opening) -> Option<&str>| -> Vec<Option<&str>> {
        opened.iter().map(|(_, opening)| pick(opening)).collect()
    };
    let times = |pick: fn(&Opening) -> Timestamp| -> Vec<DateTime<Utc>> {
        opened.iter().map(|(_, opening)| pick(opening).into()).collect()
    };
    sqlx::query(
        "INSERT INTO compensation AS c (resource_id, source_key, booking_id, source_system, source_booking_id, reason, rule,
             start_time, end_time, winner_booking_id, winner_source, opened_at, request_id, refusals, partition, epoch,
             imported)
         SELECT n.resource, n.key, n.booking, n.source, n.name, n.reason, n.rule, n.s, n.e, n.winner, n.winner_source,
             n.at, n.request, n.refusals, $16, $17, n.imported
         FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                 $8::timestamptz[], $9::timestamptz[], $10::uuid[], $11::text[], $12::timestamptz[], $13::uuid[],
                 $14::bigint[], $18::boolean[])
             AS n(resource, key, booking, source, name, reason, rule, s, e, winner, winner_source, at, request, refusals, imported)
         ON CONFLICT (resource_id, source_key) DO UPDATE SET booking_id = excluded.booking_id,
             source_system = excluded.source_system, source_booking_id = excluded.source_booking_id,
             reason = excluded.reason, rule = excluded.rule, start_time = excluded.start_time,
             end_time = excluded.end_time, winner_booking_id = excluded.winner_booking_id,
             winner_source = excluded.winner_source, request_id = excluded.request_id, epoch = excluded.epoch,
             -- What only a person may have called off remains so while it is open.
             imported = excluded.imported OR (c.closed_at IS NULL AND excluded.source_key <> ALL($15) AND c.imported),
             opened_at = CASE WHEN c.closed_at IS NULL AND excluded.source_key <> ALL($15) THEN c.opened_at
                              ELSE excluded.opened_at END,
             refusals = excluded.refusals
                 + CASE WHEN c.closed_at IS NULL AND excluded.source_key <> ALL($15) THEN c.refusals ELSE 0 END,
             closed_at = NULL, closed_by = NULL, close_reason = NULL",
    )
    .bind(opened.iter().map(|(it, _)| it.resource.as_str()).collect::<Vec<_>>())
    .bind(opened.iter().map(|(it, _)| it.key.uuid()).collect::<Vec<_>>())
    .bind(opened.iter().map(|(_, opening)| opening.booking_id.uuid()).collect::<Vec<_>>())
    .bind(texts(|opening| Some(opening.source.as_str())))
    .bind(texts(|opening| Some(opening.name.as_str())))
    .bind(texts(|opening| Some(opening.reason)))
    .bind(texts(|opening| opening.rule.map(Rule::as_str)))
    .bind(times(|opening| opening.interval.start()))
    .bind(times(|opening| opening.interval.end()))
    .bind(opened.iter().map(|(_, opening)| opening.winner.as_ref().map(|it| it.booking_id.uuid())).collect::<Vec<_>>())
    .bind(texts(|opening| opening.winner.as_ref().map(|winner| winner.source.as_str())))
    .bind(times(|opening| opening.at))
    .bind(opened.iter().map(|(_, opening)| opening.request_id.uuid()).collect::<Vec<_>>())
    .bind(opened.iter().map(|(_, opening)| opening.refusals).collect::<Vec<_>>())
    .bind(opened.iter().filter(|(_, opening)| opening.anew).map(|(it, _)| it.key.uuid()).collect::<Vec<_>>())
    .bind(from.partition)
    .bind(from.epoch)
    .bind(opened.iter().map(|(_, opening)| opening.imported).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// What sources have settled. Most of it was never open: the look-up is all that happens then.
async fn close(connection: &mut PgConnection, from: &Position, decided: &Decided) -> Result<(), sqlx::Error> {
    let closed: Vec<(&Compensation, Timestamp)> =
        decided.compensations.iter().filter_map(|it| Some((it, it.closed_at?))).collect();
    if closed.is_empty() {
        return Ok(());
    }
    // Apart from the update, which would loop the wrong way round: over everything that is open.
    let open: Vec<i64> = sqlx::query_scalar(
        "SELECT k.n FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS k(resource_id, source_key, n),
             LATERAL (SELECT closed_at FROM compensation c
                      WHERE c.resource_id = k.resource_id AND c.source_key = k.source_key OFFSET 0) AS c
         WHERE c.closed_at IS NULL",
    )
    .bind(closed.iter().map(|(it, _)| it.resource.as_str()).collect::<Vec<_>>())
    .bind(closed.iter().map(|(it, _)| it.key.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    let open = open.into_iter().filter_map(|n| closed.get(usize::try_from(n - 1).ok()?));
    for (compensation, at) in open {
        sqlx::query(
            "UPDATE compensation SET closed_at = $3, closed_by = 'source', epoch = $4
             WHERE resource_id = $1 AND source_key = $2 AND closed_by IS NULL",
        )
        .bind(compensation.resource.as_str())
        .bind(compensation.key.uuid())
        .bind(DateTime::<Utc>::from(*at))
        .bind(from.epoch)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Puts pseudonyms in place of the texts that are not in the bookings' own rows.
async fn redact(connection: &mut PgConnection, from: &Position, decided: &Decided) -> Result<(), sqlx::Error> {
    for redaction in &decided.redactions {
        let keys: Vec<_> = redaction.keys.iter().map(|key| key.uuid()).collect();
        sqlx::query(
            "UPDATE booking_source SET source_booking_id = source_key::text, epoch = $3
             WHERE source_key = ANY($1) AND resource_id = $2",
        )
        .bind(&keys)
        .bind(redaction.resource.as_str())
        .bind(from.epoch)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "UPDATE compensation SET source_booking_id = source_key::text, epoch = $4
             WHERE resource_id = $2 AND (source_key = ANY($1) OR booking_id = $3)",
        )
        .bind(&keys)
        .bind(redaction.resource.as_str())
        .bind(redaction.booking_id.uuid())
        .bind(from.epoch)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
