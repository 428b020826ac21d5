//! What the store knows of an event: whose aliases, which bookings. One query a batch.

use std::collections::BTreeMap;

use daybook_domain::{BookingId, ResourceId, SourceKey, SourceName};
use daybook_normalizer_core::{Known, KnownBooking, Questions};
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::postgres::StoreError;
use sqlx::{PgPool, Row};
use uuid::Uuid;

/// Both questions in one round trip, so that both answers are of one moment.
const KNOWN: &str = "
    SELECT alias, NULL::uuid AS source_key, resource_id, NULL::uuid AS booking_id
    FROM resource_alias WHERE source = $1 AND alias = ANY($2)
    UNION ALL
    SELECT NULL, source_key, resource_id, booking_id
    FROM booking_source WHERE source_key = ANY($3)";

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
        let aliases: Vec<&str> =
            questions.aliases.iter().map(String::as_str).filter(|alias| !alias.contains('\0')).collect();
        let bookings: BTreeMap<Uuid, &str> =
            questions.bookings.iter().map(|id| (SourceKey::derive(source, id).uuid(), id.as_str())).collect();
        if aliases.is_empty() && bookings.is_empty() {
            return Ok(Known::default());
        }
        let keys: Vec<Uuid> = bookings.keys().copied().collect();
        let rows = sqlx::query(KNOWN).bind(source.as_str()).bind(aliases).bind(keys).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| StoreError::from(error).noted(&self.metrics))?;
        let mut known = Known::default();
        for row in rows {
            let Ok(resource) = row.try_get::<&str, _>("resource_id")?.parse::<ResourceId>() else {
                // Left out, its events become dead letters that replay cures; stopping would stop every other resource.
                tracing::error!("a resource in the store has a name that is none; it is left out");
                continue;
            };
            if let Some(alias) = row.try_get::<Option<String>, _>("alias")? {
                known.aliases.insert(alias, resource);
            } else if let (Some(key), Some(booking)) = (
                row.try_get::<Option<Uuid>, _>("source_key")?,
                row.try_get::<Option<Uuid>, _>("booking_id")?.map(BookingId::from_uuid),
            ) && let Some(id) = bookings.get(&key)
            {
                let booking = KnownBooking { resource, booking_id: booking };
                known.bookings.entry((*id).to_owned()).or_default().push(booking);
            }
        }
        Ok(known)
    }
}
