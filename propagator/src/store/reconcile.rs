//! Calendars that are read back, and the entries in them that differ.

use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, Interval, RequestId, ResourceId, TargetName};
use daybook_propagator_core::{Action, Difference, Field, Known, plan, readback};
use daybook_runtime::postgres::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use uuid::Uuid;

use super::booking::BookingRow;
use super::lease::known_fields;
use super::{Store, stored};

/// How long an edit waits to be decided; then the entry is put back.
const UNDECIDED: Duration = Duration::from_secs(60 * 60);

/// A calendar that is this process's to read for a while.
#[derive(Debug)]
pub(crate) struct Reading {
    pub resource: ResourceId,
    /// Where at the target. May name a person.
    pub address: String,
    /// When it began, by the store's clock.
    began: DateTime<Utc>,
    owner: Uuid,
}

/// What the delivery row of an entry says that is there and was not expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// Nothing of the booking is known here.
    Unknown,
    /// It is at rest, and shows this version by another entry.
    Shown(u64),
    /// It is at rest, and shows nothing since this version.
    Removed(u64),
    /// Something is on its way, or was given up: this says nothing yet.
    Moving,
}

/// What has become of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It was not asked for yet.
    Never,
    /// It was, and is not decided.
    Waits,
    /// It was decided, and has not moved the booking; or nothing has come of it for too long.
    Over,
}

/// An entry that differs.
#[derive(Debug)]
pub(crate) struct Drifted<'a> {
    pub booking_id: BookingId,
    /// Which of several; none for the one that the booking should have.
    pub entry: Option<&'a str>,
    /// The version that the target should show.
    pub version: u64,
    pub difference: &'a Difference,
}

impl Store {
    /// Takes a calendar that is due to be read; none if none is. Every resource that a target shows has one.
    pub async fn take_reading(&self, target: &TargetName, span: Duration) -> Result<Option<Reading>, StoreError> {
        let taken = async {
            sqlx::query(
                "INSERT INTO reconciliation (target, resource_id)
                 SELECT t.target, t.resource_id FROM resource_target t WHERE t.target = $1
                     AND NOT EXISTS (SELECT FROM reconciliation r WHERE r.target = $1 AND r.resource_id = t.resource_id)
                 ON CONFLICT DO NOTHING",
            )
            .bind(target.as_str())
            .execute(&self.pool)
            .await?;
            sqlx::query(
                "WITH due AS (
                     SELECT r.resource_id, t.address FROM reconciliation r
                     JOIN resource_target t ON t.target = r.target AND t.resource_id = r.resource_id
                     WHERE r.target = $1 AND r.next_at <= clock_timestamp() AND r.leased_until < clock_timestamp()
                     ORDER BY r.next_at LIMIT 1 FOR UPDATE OF r SKIP LOCKED
                 )
                 UPDATE reconciliation r SET owner = gen_random_uuid(), leased_until = clock_timestamp() + make_interval(secs => $2),
                     next_at = clock_timestamp()
                 FROM due WHERE r.target = $1 AND r.resource_id = due.resource_id
                 RETURNING r.resource_id, due.address, r.owner, clock_timestamp() AS began",
            )
            .bind(target.as_str())
            .bind(span.as_secs_f64())
            .fetch_optional(&self.pool)
            .await
        };
        let Some(row) = taken.await.map_err(|error| self.fail(error))? else { return Ok(None) };
        let resource: String = row.try_get("resource_id").map_err(|error| self.fail(error))?;
        let get = |error: sqlx::Error| self.fail(error);
        Ok(Some(Reading {
            resource: resource.parse().map_err(|_| StoreError::Corrupt("resource_id of reconciliation".to_owned()))?,
            address: row.try_get("address").map_err(get)?,
            owner: row.try_get("owner").map_err(get)?,
            began: row.try_get("began").map_err(get)?,
        }))
    }

    /// Keeps a calendar for as long again. Whether it still was this process's.
    pub async fn keep_reading(
        &self,
        target: &TargetName,
        reading: &Reading,
        span: Duration,
    ) -> Result<bool, StoreError> {
        let kept = sqlx::query(
            "UPDATE reconciliation SET leased_until = clock_timestamp() + make_interval(secs => $4)
             WHERE target = $1 AND resource_id = $2 AND owner = $3",
        )
        .bind(target.as_str())
        .bind(reading.resource.as_str())
        .bind(reading.owner)
        .bind(span.as_secs_f64())
        .execute(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(kept.rows_affected() > 0)
    }

    /// The entries that should be in a calendar within a window: of deliveries that were at rest before the reading began
    /// and still are, so that nothing is on its way which the reading may have missed.
    pub async fn expected(
        &self,
        target: &TargetName,
        reading: &Reading,
        window: &Interval,
    ) -> Result<Vec<readback::Expected>, StoreError> {
        let rows = sqlx::query(
            "SELECT d.booking_id, d.external_id, d.etag, d.adopted, b.kind, b.status, b.start_time, b.end_time, b.awaiting_until, b.held_until,
                    b.version, b.decided_at, b.title, b.attendee_details, b.source_time_zone, b.tags, r.display_time_zone,
                    t.fields
             FROM delivery d
             JOIN booking b ON b.booking_id = d.booking_id
             JOIN resource_target t ON t.target = d.target AND t.resource_id = d.resource_id
             LEFT JOIN resource r ON r.resource_id = d.resource_id
             WHERE d.target = $1 AND d.resource_id = $2 AND d.shown AND d.external_id IS NOT NULL
               AND d.applied_version = d.desired_version AND d.applied_version = b.version AND d.parked_reason IS NULL
               AND NOT d.in_doubt AND (d.leased_until IS NULL OR d.leased_until < clock_timestamp()) AND d.applied_at < $3
               AND b.start_time < $5 AND b.end_time > $4",
        )
        .bind(target.as_str())
        .bind(reading.resource.as_str())
        .bind(reading.began)
        .bind(DateTime::<Utc>::from(window.start()))
        .bind(DateTime::<Utc>::from(window.end()))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        // A row that cannot be read is its lane's to complain of.
        let expected = |row: &PgRow| {
            let booking_id = BookingId::from_uuid(row.try_get("booking_id").ok()?);
            let booking = BookingRow::from_row(row).ok()?.view(booking_id, &reading.resource).ok()?;
            let fields: Vec<String> = row.try_get("fields").ok()?;
            match plan(&booking, known_fields(&fields), &Known::Nothing) {
                Action::Put(visible) => Some(readback::Expected {
                    external_id: row.try_get("external_id").ok()?,
                    etag: row.try_get("etag").ok()?,
                    adopted: row.try_get("adopted").ok()?,
                    visible,
                }),
                Action::Remove(_) | Action::NothingToShow | Action::UpToDate => None,
            }
        };
        Ok(rows.iter().filter_map(expected).collect())
    }

    /// What is known of entries that were not expected, in their order.
    pub async fn rows_of(
        &self,
        target: &TargetName,
        reading: &Reading,
        bookings: &[BookingId],
    ) -> Result<Vec<Row>, StoreError> {
        let ids: Vec<Uuid> = bookings.iter().map(|booking| booking.uuid()).collect();
        let rows: Vec<(Uuid, bool, i64, bool)> = sqlx::query_as(
            "SELECT booking_id, shown, applied_version,
                    applied_version = desired_version AND parked_reason IS NULL AND NOT in_doubt AND resource_id = $3
                    AND (leased_until IS NULL OR leased_until < clock_timestamp()) AND applied_at < $4 AS at_rest
             FROM delivery WHERE target = $1 AND booking_id = ANY ($2)",
        )
        .bind(target.as_str())
        .bind(ids)
        .bind(reading.resource.as_str())
        .bind(reading.began)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        let of = |booking: &BookingId| match rows.iter().find(|(id, ..)| *id == booking.uuid()) {
            None => Row::Unknown,
            Some((.., false)) => Row::Moving,
            Some((_, true, version, true)) => Row::Shown(u64::try_from(*version).unwrap_or_default()),
            Some((_, false, version, true)) => Row::Removed(u64::try_from(*version).unwrap_or_default()),
        };
        Ok(bookings.iter().map(of).collect())
    }

    /// Writes down an entry that differs. How often it was put right before, for this version, or none if the reading is not
    /// this process's any more.
    pub async fn note_drift(
        &self,
        target: &TargetName,
        reading: &Reading,
        drifted: &Drifted<'_>,
    ) -> Result<Option<u32>, StoreError> {
        let Drifted { booking_id, entry, version, difference } = drifted;
        let fields: Vec<&str> = difference.fields.iter().copied().map(Field::as_str).collect();
        let repairs: Option<i32> = sqlx::query_scalar(
            "INSERT INTO drift AS d (target, booking_id, entry, resource_id, kind, version, fields, shown_start, shown_end, seen_at)
             SELECT $1, $3, $5, $2, $6, $7, $8, $9, $10, clock_timestamp()
             WHERE EXISTS (SELECT FROM reconciliation WHERE target = $1 AND resource_id = $2 AND owner = $4)
             ON CONFLICT (target, booking_id, entry) DO UPDATE SET resource_id = EXCLUDED.resource_id, kind = EXCLUDED.kind,
                 fields = EXCLUDED.fields, shown_start = EXCLUDED.shown_start, shown_end = EXCLUDED.shown_end,
                 seen_at = EXCLUDED.seen_at, version = EXCLUDED.version,
                 found_at = CASE WHEN d.version = EXCLUDED.version THEN d.found_at ELSE EXCLUDED.seen_at END,
                 repairs = CASE WHEN d.version = EXCLUDED.version THEN d.repairs ELSE 0 END,
                 stopped_at = CASE WHEN d.version = EXCLUDED.version THEN d.stopped_at END
             RETURNING repairs",
        )
        .bind(target.as_str())
        .bind(reading.resource.as_str())
        .bind(booking_id.uuid())
        .bind(reading.owner)
        .bind(entry.unwrap_or_default())
        .bind(difference.drift.as_str())
        .bind(stored(*version))
        .bind(fields)
        .bind(difference.shown.map(|shown| DateTime::<Utc>::from(shown.start())))
        .bind(difference.shown.map(|shown| DateTime::<Utc>::from(shown.end())))
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(repairs.map(|repairs| u32::try_from(repairs).unwrap_or(u32::MAX)))
    }

    /// What has become of an edit that is asked for by this request.
    pub async fn asked(
        &self,
        target: &TargetName,
        drifted: &Drifted<'_>,
        request: RequestId,
    ) -> Result<Asked, StoreError> {
        let row: Option<(bool, bool, bool)> = sqlx::query_as(
            "SELECT asked_request IS NOT DISTINCT FROM $3, coalesce(asked_at < clock_timestamp() - make_interval(secs => $4), false),
                    EXISTS (SELECT FROM decision WHERE request_id = $3)
             FROM drift WHERE target = $1 AND booking_id = $2 AND entry = ''",
        )
        .bind(target.as_str())
        .bind(drifted.booking_id.uuid())
        .bind(request.uuid())
        .bind(UNDECIDED.as_secs_f64())
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(match row {
            Some((true, false, false)) => Asked::Waits,
            Some((true, _, _)) => Asked::Over,
            Some((false, _, _)) | None => Asked::Never,
        })
    }

    /// Notes that it was asked for.
    pub async fn note_asked(
        &self,
        target: &TargetName,
        drifted: &Drifted<'_>,
        request: RequestId,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE drift SET asked_request = $3, asked_at = clock_timestamp()
             WHERE target = $1 AND booking_id = $2 AND entry = ''",
        )
        .bind(target.as_str())
        .bind(drifted.booking_id.uuid())
        .bind(request.uuid())
        .execute(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(())
    }

    /// Has the lane put an entry right, if nothing has become of it meanwhile. `extra` is what the target calls an entry that
    /// should not be there. Whether it will.
    pub async fn repair(
        &self,
        target: &TargetName,
        drifted: &Drifted<'_>,
        extra: Option<&str>,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "WITH due AS (
                 UPDATE delivery SET in_doubt = true, next_at = clock_timestamp(), attempt = 0, repair_since = clock_timestamp(),
                     external_id = coalesce($4, external_id), adopted = adopted AND $4 IS NULL,
                     applied_version = desired_version - 1, published_version = least(published_version, desired_version - 1)
                 WHERE booking_id = $2 AND target = $1 AND applied_version = $3 AND desired_version = $3
                   AND parked_reason IS NULL AND NOT in_doubt AND (leased_until IS NULL OR leased_until < clock_timestamp())
                 RETURNING booking_id
             )
             UPDATE drift d SET repairs = repairs + 1 FROM due
             WHERE d.target = $1 AND d.booking_id = due.booking_id AND d.entry = $5",
        )
        .bind(target.as_str())
        .bind(drifted.booking_id.uuid())
        .bind(stored(drifted.version))
        .bind(extra)
        .bind(drifted.entry.unwrap_or_default())
        .execute(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(done.rows_affected() > 0)
    }

    /// Notes that an entry too many was removed.
    pub async fn removed(&self, target: &TargetName, drifted: &Drifted<'_>) -> Result<(), StoreError> {
        self.change_drift(
            "UPDATE drift SET repairs = repairs + 1 WHERE target = $1 AND booking_id = $2 AND entry = $3",
            target,
            drifted,
        )
        .await
        .map(|_| ())
    }

    /// Leaves an entry to a person. Whether that is news.
    pub async fn stop_repairs(&self, target: &TargetName, drifted: &Drifted<'_>) -> Result<bool, StoreError> {
        self.change_drift(
            "UPDATE drift SET stopped_at = clock_timestamp()
             WHERE target = $1 AND booking_id = $2 AND entry = $3 AND stopped_at IS NULL",
            target,
            drifted,
        )
        .await
    }

    async fn change_drift(
        &self,
        statement: &'static str,
        target: &TargetName,
        drifted: &Drifted<'_>,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(statement)
            .bind(target.as_str())
            .bind(drifted.booking_id.uuid())
            .bind(drifted.entry.unwrap_or_default())
            .execute(&self.pool)
            .await
            .map_err(|error| self.fail(error))?;
        Ok(done.rows_affected() > 0)
    }

    /// The calendar was read to its end: what was not found to differ is well. It is read again after `wait`, or at once if somebody
    /// has asked for that meanwhile.
    pub async fn end_reading(
        &self,
        target: &TargetName,
        reading: &Reading,
        entries: usize,
        wait: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "WITH done AS (
                 UPDATE reconciliation SET done_at = clock_timestamp(),
                     next_at = CASE WHEN next_at = '-infinity' THEN next_at ELSE clock_timestamp() + make_interval(secs => $5) END,
                     entries = $4, setback = NULL, failures = 0, owner = NULL, leased_until = 'epoch'
                 WHERE target = $1 AND resource_id = $2 AND owner = $3 RETURNING target, resource_id
             )
             DELETE FROM drift d USING done
             WHERE d.target = done.target AND d.resource_id = done.resource_id AND d.seen_at < $6",
        )
        .bind(target.as_str())
        .bind(reading.resource.as_str())
        .bind(reading.owner)
        .bind(i32::try_from(entries).unwrap_or(i32::MAX))
        .bind(wait.as_secs_f64())
        .bind(reading.began)
        .execute(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(())
    }

    /// It came to nothing: tried again after `wait`, and after twice as long each time, up to `longest`.
    pub async fn fail_reading(
        &self,
        target: &TargetName,
        reading: &Reading,
        setback: &'static str,
        wait: Duration,
        longest: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE reconciliation SET setback = $4, failures = failures + 1, owner = NULL, leased_until = 'epoch',
                 next_at = CASE WHEN next_at = '-infinity' AND failures = 0 THEN next_at
                     ELSE clock_timestamp() + make_interval(secs => least($5 * 2 ^ least(failures, 20), $6)) END
             WHERE target = $1 AND resource_id = $2 AND owner = $3",
        )
        .bind(target.as_str())
        .bind(reading.resource.as_str())
        .bind(reading.owner)
        .bind(setback)
        .bind(wait.as_secs_f64())
        .bind(longest.as_secs_f64())
        .execute(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(())
    }

    /// Forgets calendars that no resource has any more, and what was found in them.
    pub async fn forget_readings(&self) -> Result<(), StoreError> {
        sqlx::query(
            "WITH gone AS (
                 DELETE FROM reconciliation r WHERE NOT EXISTS (
                     SELECT FROM resource_target t WHERE t.target = r.target AND t.resource_id = r.resource_id)
                 RETURNING target, resource_id
             )
             DELETE FROM drift d USING gone WHERE d.target = gone.target AND d.resource_id = gone.resource_id",
        )
        .execute(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(())
    }
}
