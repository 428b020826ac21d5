//! Taking deliveries that are due, and giving them back.

use std::fmt;
use std::time::Duration;

use daybook_domain::{BookingId, ResourceId, TargetName};
use daybook_propagator_core::{BookingView, Fields, Known, Maker};
use daybook_runtime::postgres::StoreError;
use sqlx::FromRow;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::Store;
use super::booking::BookingRow;

/// Why a delivery rests whose resource is no longer shown by the target. Nobody's failure: no dead letter.
pub(crate) const WITHDRAWN: &str = "withdrawn";

/// A delivery that is this worker's for a while.
pub(crate) struct Leased {
    pub booking_id: BookingId,
    pub target: TargetName,
    pub resource: ResourceId,
    /// Where the booking came from.
    pub source: String,
    /// What that calls it now, which may be personal data.
    pub source_name: Option<String>,
    /// Proves that it is ours.
    pub lease: Uuid,
    /// The desired version when it was taken. What is recorded holds for this one only.
    pub desired_version: i64,
    pub applied_version: i64,
    /// What the target is known to hold.
    pub known: Known,
    /// Whether that was in doubt before the lease was taken.
    pub in_doubt: bool,
    /// How long ago something was written of which nobody knows what became; none where everything is known.
    pub doubt: Option<Duration>,
    /// Attempts made for the desired version before this one.
    pub attempts: u32,
    /// Whether it puts right what was shown before, and shows nothing new.
    pub repairs: bool,
    pub traceparent: Option<String>,
    /// Where the decision is on `booking.decisions`.
    pub partition: i32,
    pub offset: Option<i64>,
    /// Where at the target; none if the resource is no longer shown there.
    pub place: Option<Place>,
    /// The booking as it stands; or the column that holds what it never should.
    pub booking: Result<BookingView, &'static str>,
}

impl fmt::Debug for Leased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leased({} for {})", self.booking_id, self.target)
    }
}

impl Leased {
    /// The key of its records on Kafka.
    pub fn key(&self) -> String {
        format!("{}:{}", self.booking_id, self.target)
    }

    /// What the target calls the entry, as far as is known.
    pub fn external_id(&self) -> Option<&str> {
        match &self.known {
            Known::Entry { external_id, .. } => Some(external_id),
            Known::Unsure { external_id, .. } => external_id.as_deref(),
            Known::Nothing | Known::Removed { .. } => None,
        }
    }
}

/// Where a resource's bookings are shown at a target, and how much of them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// A calendar's path, say. May name a person; `Debug` shows nothing of it.
    pub address: String,
    pub fields: Fields,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({:?})", self.fields)
    }
}

impl Store {
    /// Takes up to `limit` deliveries to `target` that are due, each with its booking as it stands now; none while somebody
    /// has stopped them by hand. From here on, what the target holds is in doubt until it is recorded: a worker that dies in
    /// between leaves the doubt behind.
    pub async fn lease(&self, target: &TargetName, limit: usize, span: Duration) -> Result<Vec<Leased>, StoreError> {
        let rows = sqlx::query(
            "WITH due AS (
                 SELECT booking_id, in_doubt FROM delivery
                 WHERE target = $1 AND applied_version < desired_version AND parked_reason IS NULL
                   AND next_at <= clock_timestamp()
                   AND (leased_until IS NULL OR leased_until < clock_timestamp())
                   AND NOT EXISTS (SELECT FROM brake WHERE kind = 'all' OR kind = 'target' AND name = $1)
                 ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED
             ), leased AS (
                 UPDATE delivery d SET in_doubt = true, lease = gen_random_uuid(),
                     -- Whoever died with it may have written until its lease was over.
                     doubt_at = greatest(d.doubt_at, d.leased_until),
                     leased_until = clock_timestamp() + make_interval(secs => $3)
                 FROM due WHERE d.booking_id = due.booking_id AND d.target = $1
                 RETURNING d.booking_id, d.target, d.desired_version, d.applied_version, d.external_id, d.etag, d.attempt,
                           d.decision_offset, d.traceparent, d.lease, d.adopted, d.repair_since IS NOT NULL AS repairs, d.doubt_at,
                           due.in_doubt
             )
             SELECT l.*, extract(epoch FROM clock_timestamp() - l.doubt_at)::float8 AS doubt_age, b.resource_id, b.source_system,
                    b.source_ids[cardinality(b.source_ids)] AS source_name,
                    b.partition, b.kind, b.status, b.start_time, b.end_time, b.awaiting_until,
                    b.held_until, b.version, b.decided_at, b.title, b.attendee_details, b.source_time_zone, b.tags,
                    r.display_time_zone, t.address, t.fields,
                    l.adopted AND EXISTS (
                        SELECT FROM delivery o JOIN booking other ON other.booking_id = o.booking_id
                        WHERE o.adopted AND o.target = l.target AND o.external_id = l.external_id AND o.booking_id <> l.booking_id
                          AND other.status IN ('confirmed', 'awaiting')) AS is_others
             FROM leased l
             JOIN booking b ON b.booking_id = l.booking_id
             LEFT JOIN resource r ON r.resource_id = b.resource_id
             LEFT JOIN resource_target t ON t.resource_id = b.resource_id AND t.target = l.target",
        )
        .bind(target.as_str())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(span.as_secs_f64())
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        // One row that cannot be read must not hold up the others; it comes up again when its lease has run out.
        let readable = rows.iter().filter_map(|row| {
            read(row, target)
                .inspect_err(|error| tracing::error!(%error, "delivery passed over: its row cannot be read"))
                .ok()
        });
        Ok(readable.collect())
    }

    /// Gives a delivery back for which nothing was sent.
    pub async fn release(&self, leased: &Leased) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE delivery SET lease = NULL, leased_until = NULL, in_doubt = $4
             WHERE booking_id = $1 AND target = $2 AND lease = $3",
        )
        .bind(leased.booking_id.uuid())
        .bind(leased.target.as_str())
        .bind(leased.lease)
        .bind(leased.in_doubt)
        .execute(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(())
    }

    /// Whether the delivery is still this worker's.
    pub async fn holds(&self, leased: &Leased) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM delivery WHERE booking_id = $1 AND target = $2 AND lease = $3)")
            .bind(leased.booking_id.uuid())
            .bind(leased.target.as_str())
            .bind(leased.lease)
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.fail(error))
    }

    /// Has the target looked at again: something was sent under a lease that was lost, and may have arrived after what
    /// its successor sent. Says whether that could be arranged; it cannot while somebody is at work on it.
    pub async fn look_again(&self, leased: &Leased) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE delivery SET in_doubt = true, doubt_at = clock_timestamp(), next_at = clock_timestamp(),
                 applied_version = least(applied_version, desired_version - 1),
                 published_version = least(published_version, desired_version - 1)
             WHERE booking_id = $1 AND target = $2
               AND (leased_until IS NULL OR leased_until < clock_timestamp())",
        )
        .bind(leased.booking_id.uuid())
        .bind(leased.target.as_str())
        .execute(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(done.rows_affected() == 1)
    }
}

#[derive(FromRow)]
struct LeasedRow {
    booking_id: Uuid,
    resource_id: String,
    source_system: String,
    source_name: Option<String>,
    lease: Uuid,
    desired_version: i64,
    applied_version: i64,
    external_id: Option<String>,
    etag: Option<String>,
    in_doubt: bool,
    adopted: bool,
    is_others: bool,
    doubt_age: Option<f64>,
    attempt: i32,
    repairs: bool,
    traceparent: Option<String>,
    partition: i32,
    decision_offset: Option<i64>,
    address: Option<String>,
    fields: Option<Vec<String>>,
}

fn read(row: &PgRow, target: &TargetName) -> Result<Leased, StoreError> {
    let LeasedRow {
        booking_id,
        resource_id,
        source_system,
        source_name,
        lease,
        desired_version,
        applied_version,
        external_id,
        etag,
        in_doubt,
        adopted,
        is_others,
        doubt_age,
        attempt,
        repairs,
        traceparent,
        partition,
        decision_offset,
        address,
        fields,
    } = LeasedRow::from_row(row)?;
    let corrupt = |column: &str| StoreError::Corrupt(format!("{column} of delivery {booking_id}"));
    let booking_id = BookingId::from_uuid(booking_id);
    let resource: ResourceId = resource_id.parse().map_err(|_| corrupt("resource_id"))?;
    let applied = u64::try_from(applied_version).map_err(|_| corrupt("applied_version"))?;
    let booking = match BookingRow::from_row(row) {
        Ok(found) => found.view(booking_id, &resource),
        Err(error) => column(&error).map(Err).ok_or(error)?,
    };
    let maker = match (adopted, is_others) {
        (true, true) => Maker::VendorForSeveral,
        (true, false) => Maker::Vendor,
        (false, _) => Maker::Daybook,
    };
    // A trace belongs to the version that it came with.
    let is_desired = booking.as_ref().is_ok_and(|booking| i64::try_from(booking.version) == Ok(desired_version));
    Ok(Leased {
        booking_id,
        target: target.clone(),
        resource,
        source: source_system,
        source_name,
        lease,
        desired_version,
        applied_version,
        known: Known::from_row(applied, external_id, etag, in_doubt, maker),
        in_doubt,
        doubt: doubt_age.map(|age| Duration::try_from_secs_f64(age).unwrap_or_default()),
        attempts: u32::try_from(attempt).unwrap_or(0),
        repairs,
        traceparent: traceparent.filter(|_| is_desired),
        partition,
        offset: decision_offset.filter(|_| is_desired),
        place: address.map(|address| Place { address, fields: known_fields(fields.as_deref().unwrap_or_default()) }),
        booking,
    })
}

/// A column whose value is none that it may have. Its name only.
fn column(error: &sqlx::Error) -> Option<&'static str> {
    let sqlx::Error::ColumnDecode { index, .. } = error else { return None };
    Some(if index.contains("attendee_details") { "attendee_details" } else { "a column" })
}

/// A name that this version does not know grants nothing.
pub(super) fn known_fields(names: &[String]) -> Fields {
    let has = |name: &str| names.iter().any(|known| known == name);
    Fields { title: has("title"), attendees: has("attendees") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_not_known_grants_nothing() {
        let fields = known_fields(&["title".to_owned(), "everything".to_owned()]);
        assert_eq!(fields, Fields { title: true, attendees: false });
        assert_eq!(known_fields(&[]), Fields::default());
    }
}
