//! What was decided on a request or a booking, from the store: by whichever arbiter, for whichever process of ingest.

use std::time::Duration;

use daybook_domain::{BookingId, RequestId};
use daybook_runtime::postgres::StoreError;
use daybook_runtime::registry::Registry;
use daybook_wire::{LoggedDecision, decode_decision, unframe};
use sqlx::{PgPool, Row};
use tokio::time::timeout;

use crate::api::{Problem, ProblemKind};

/// How long the store may take. A look-up of an index takes a millisecond.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// As long as the arbiter remembers a request's id: older ones may be decided again. The newest, should one that failed
/// within us have been decided again.
const DECIDED: &str = "
    SELECT record FROM decision
    WHERE request_id = $1 AND decided_at > clock_timestamp() - interval '40 days'
    ORDER BY decided_at DESC, seq DESC LIMIT 1";

/// The decision on a request, if there is one.
pub async fn recall(
    store: &PgPool,
    registry: &Registry,
    request_id: RequestId,
) -> Result<Option<LoggedDecision>, Unknown> {
    let asking = sqlx::query(DECIDED).bind(request_id.uuid()).fetch_optional(store);
    let row = match timeout(ANSWER_WITHIN, asking).await {
        Ok(row) => row.map_err(|error| Unknown::Store(error.into()))?,
        Err(_) => return Err(Unknown::Slow),
    };
    let Some(row) = row else { return Ok(None) };
    let record: Vec<u8> = row.try_get("record").map_err(|error| Unknown::Store(error.into()))?;
    read(registry, &record).await.map(Some)
}

/// The newest decisions on a booking, oldest first. More than so many are of a source that repeats itself.
const HISTORY: &str = "
    SELECT record FROM (SELECT record, decided_at, partition, seq FROM decision WHERE booking_id = $1
                        ORDER BY decided_at DESC, partition DESC, seq DESC LIMIT 1000) AS newest
    ORDER BY decided_at, partition, seq";

/// What was decided on a booking.
pub async fn history(store: &PgPool, registry: &Registry, booking: BookingId) -> Result<Vec<LoggedDecision>, Unknown> {
    let rows = sqlx::query_scalar(HISTORY).bind(booking.uuid()).fetch_all(store).await;
    let records: Vec<Vec<u8>> = rows.map_err(|error| Unknown::Store(error.into()))?;
    let mut decisions = Vec::with_capacity(records.len());
    for record in records {
        decisions.push(read(registry, &record).await?);
    }
    Ok(decisions)
}

async fn read(registry: &Registry, record: &[u8]) -> Result<LoggedDecision, Unknown> {
    let (id, datum) = unframe(record).map_err(|error| Unknown::Unreadable(error.to_string()))?;
    let schema = registry.schema(id).await.map_err(|error| Unknown::Unreadable(error.to_string()))?;
    decode_decision(&schema, datum).map_err(|error| Unknown::Unreadable(error.to_string()))
}

/// Why nobody can say what was decided.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// The store refuses, or is away.
    #[error(transparent)]
    Store(StoreError),
    /// The store does not answer in time.
    #[error("the store does not answer in time")]
    Slow,
    /// The decision cannot be read, perhaps because the registry is away.
    #[error("a decision cannot be read: {0}")]
    Unreadable(String),
}

impl Unknown {
    /// What it is to a caller.
    pub fn problem(self, api: &crate::api::Api) -> Problem {
        match self {
            Self::Store(error) => api.store_problem(error),
            Self::Slow => Problem::new(ProblemKind::Unavailable, "The store does not answer."),
            Self::Unreadable(error) => {
                tracing::error!(error, "a decision cannot be read");
                Problem::new(ProblemKind::Unavailable, "What was decided cannot be read at the moment.")
            }
        }
    }
}
