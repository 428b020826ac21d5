//! What the store knows of an event: whose aliases, which bookings, and in which region. One query a batch.

use std::collections::{BTreeMap, BTreeSet};

use daybook_domain::{BookingId, ResourceId, SourceKey, SourceName};
use daybook_normalizer_core::{Fate, Known, KnownBooking, Questions};
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::postgres::StoreError;
use sqlx::{PgPool, Row};
use uuid::Uuid;

/// All questions in one round trip, so that all answers are of one moment. A booking's first name is in its own row,
/// every further one, and those of its shadows, in `booking_source`. Each `OFFSET 0` keeps its look-up a look-up: one
/// probe of an index for each key, in this order, and never the other way round. Regions are looked up only if $5 says so.
const KNOWN: &str = "
    WITH named AS (
        SELECT k.source_key, b.booking_id FROM unnest($3::uuid[]) AS k(source_key),
            LATERAL (SELECT booking_id FROM booking b WHERE b.source_key = k.source_key OFFSET 0) AS b
        UNION
        SELECT k.source_key, s.booking_id FROM unnest($3::uuid[]) AS k(source_key),
            LATERAL (SELECT booking_id FROM booking_source s WHERE s.source_key = k.source_key OFFSET 0) AS s
    ), refused AS (
        SELECT k.source_key, c.resource_id, c.booking_id FROM unnest($3::uuid[]) AS k(source_key),
            LATERAL (SELECT resource_id, booking_id FROM compensation c
                     WHERE c.source_key = k.source_key AND c.closed_at IS NULL OFFSET 0) AS c
    ), found AS (
    SELECT k.alias, NULL::uuid AS source_key, a.resource_id, NULL::uuid AS booking_id,
        NULL::boolean AS stands, NULL::boolean AS moved
    FROM unnest($2::text[]) AS k(alias),
        LATERAL (SELECT resource_id FROM resource_alias a WHERE a.source = $1 AND a.alias = k.alias OFFSET 0) AS a
    UNION ALL
    SELECT NULL, n.source_key, b.resource_id, n.booking_id, b.stands, b.moved
    FROM named n,
        LATERAL (SELECT resource_id, status <> 'cancelled' AS stands, moved_to_resource IS NOT NULL AS moved
                 FROM booking b WHERE b.booking_id = n.booking_id OFFSET 0) AS b
    UNION ALL
    SELECT NULL, r.source_key, r.resource_id, r.booking_id, false, false FROM refused r
    WHERE NOT EXISTS (SELECT FROM named n, booking b
                      WHERE n.source_key = r.source_key AND b.booking_id = n.booking_id AND b.resource_id = r.resource_id)
    UNION ALL
    SELECT NULL, NULL, k.resource_id, NULL, NULL, NULL FROM unnest($4::text[]) AS k(resource_id)
    )
    SELECT f.alias, f.source_key, f.resource_id, f.booking_id, f.stands, f.moved, g.region
    FROM found f
    LEFT JOIN LATERAL (SELECT region FROM resource_region g WHERE $5 AND g.resource_id = f.resource_id OFFSET 0) AS g
        ON true";

/// The store, as far as it is asked.
#[derive(Debug, Clone)]
pub struct Lookup {
    pool: PgPool,
    metrics: CommonMetrics,
}

impl Lookup {
    /// Asks through this pool.
    pub const fn new(pool: PgPool, metrics: CommonMetrics) -> Self {
        Self { pool, metrics }
    }

    /// What is known of these at `source`.
    pub async fn known(&self, source: &SourceName, questions: &Questions) -> Result<Known, StoreError> {
        // PostgreSQL has no text with a NUL in it, so no alias has one either.
        let aliases: BTreeSet<&str> =
            questions.aliases.iter().chain(&questions.attendees).map(String::as_str).collect();
        let aliases: Vec<&str> = aliases.into_iter().filter(|alias| !alias.contains('\0')).collect();
        let bookings: BTreeMap<Uuid, &str> =
            questions.bookings.iter().map(|id| (SourceKey::derive(source, id).uuid(), id.as_str())).collect();
        let resources: Vec<&str> = questions.resources.iter().map(ResourceId::as_str).collect();
        if aliases.is_empty() && bookings.is_empty() && resources.is_empty() {
            return Ok(Known::default());
        }
        let keys: Vec<Uuid> = bookings.keys().copied().collect();
        let query = sqlx::query(KNOWN).bind(source.as_str()).bind(aliases).bind(keys);
        let rows = query.bind(resources).bind(questions.regions).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| StoreError::from(error).noted(&self.metrics))?;
        let mut known = Known::default();
        for row in rows {
            let Ok(resource) = row.try_get::<&str, _>("resource_id")?.parse::<ResourceId>() else {
                // Left out, its events become dead letters that replay cures; stopping would stop every other resource.
                tracing::error!("a resource in the store has a name that is none; it is left out");
                continue;
            };
            // What a newer version has written may be no region here; the number stays as it was given then.
            if let Some(region) = row.try_get::<Option<&str>, _>("region")?.and_then(|region| region.parse().ok()) {
                known.regions.insert(resource.clone(), region);
            }
            if let Some(alias) = row.try_get::<Option<String>, _>("alias")? {
                known.aliases.insert(alias, resource);
            } else if let (Some(key), Some(booking)) = (
                row.try_get::<Option<Uuid>, _>("source_key")?,
                row.try_get::<Option<Uuid>, _>("booking_id")?.map(BookingId::from_uuid),
            ) && let Some(id) = bookings.get(&key)
            {
                let fate = fate(row.try_get("stands")?, row.try_get("moved")?);
                let booking = KnownBooking { resource, booking_id: booking, fate };
                known.bookings.entry((*id).to_owned()).or_default().push(booking);
            }
        }
        Ok(known)
    }
}

/// A booking that has moved away and was made anew where it was stands again.
const fn fate(stands: bool, moved: bool) -> Fate {
    match (stands, moved) {
        (true, _) => Fate::Stands,
        (false, true) => Fate::Moved,
        (false, false) => Fate::Gone,
    }
}
