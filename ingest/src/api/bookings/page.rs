//! The rows of a page, from the store.
//!
//! Each kind of row has an index of its own by resource and time, and is looked up by it; what is found is sorted and cut
//! to a page. Each `OFFSET 0` keeps a look-up a probe of an index, however large the tables are.

use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, BookingKind, Timestamp};
use daybook_ingest_core::{BookingFilter, Cursor, Resources, Status};
use daybook_rows::{BookingColumns, BookingRow, COLUMNS, LIVE};
use daybook_runtime::postgres::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, PgPool, Row};

/// A booking, and its resource's zone.
pub struct Shown {
    pub row: BookingRow,
    pub time_zone: Option<String>,
}

/// Rows in order, and where the next page begins.
pub struct Page {
    pub rows: Vec<Shown>,
    pub next: Option<Cursor>,
}

/// A page of bookings of the resources that the filter names, or of all that may be read.
pub async fn read(pool: &PgPool, filter: &BookingFilter, readable: &[Resources]) -> Result<Page, StoreError> {
    let resources: Vec<&str> = filter.resources.iter().map(daybook_domain::ResourceId::as_str).collect();
    let statuses: Vec<&str> = filter.statuses.iter().map(|status| status.as_str()).collect();
    let (from, to) = filter.window.map_or((Timestamp::EPOCH, Timestamp::MAX), |it| (it.start(), it.end()));
    let after = filter.after.map_or((Timestamp::EPOCH, uuid::Uuid::nil()), |at| (at.start, at.booking.uuid()));
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let mut rows: Vec<Shown> = sqlx::query(AssertSqlSafe(statement(filter)))
        .bind(resources)
        .bind(patterns(readable))
        .bind(DateTime::<Utc>::from(from))
        .bind(DateTime::<Utc>::from(to))
        .bind(statuses)
        .bind(filter.source.as_ref().map(daybook_domain::SourceName::as_str))
        .bind(DateTime::<Utc>::from(after.0))
        .bind(after.1)
        // One more says that there is a next page.
        .bind(limit.saturating_add(1))
        .fetch_all(pool)
        .await?
        .iter()
        .map(shown)
        .collect::<Result<_, _>>()?;
    let is_last = u64::try_from(rows.len()).unwrap_or(u64::MAX) <= filter.limit;
    if !is_last {
        rows.pop();
    }
    let last = rows.last().map(|last| &last.row.state).filter(|_| !is_last);
    let next = last.and_then(|last| Some(filter.cursor(last.standing.interval()?.start(), last.booking_id)));
    Ok(Page { rows, next })
}

/// The booking of this id.
pub async fn one(pool: &PgPool, id: BookingId) -> Result<Option<Shown>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, r.display_time_zone FROM booking b LEFT JOIN resource r USING (resource_id)
         WHERE b.booking_id = $1"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id.uuid()).fetch_optional(pool).await?;
    row.as_ref().map(shown).transpose()
}

/// `$1` resources, `$2` what may be read, `$3` and `$4` the window, `$5` statuses, `$6` the source, `$7` and `$8` what the
/// page begins after, `$9` how many.
fn statement(filter: &BookingFilter) -> String {
    let is_live = filter.statuses.iter().any(|status| *status != Status::Cancelled);
    let is_gone = filter.statuses.contains(&Status::Cancelled);
    let mut wanted: Vec<String> = Vec::new();
    for kind in [BookingKind::Booking, BookingKind::Busy] {
        if is_live && filter.kind.is_none_or(|only| only == kind) {
            wanted.push(format!("b.kind = '{}' AND {LIVE}", kind.as_str()));
        }
    }
    if is_gone {
        let kind = filter.kind.map_or_else(String::new, |kind| format!(" AND b.kind = '{}'", kind.as_str()));
        wanted.push(format!("b.status = 'cancelled' AND b.start_time IS NOT NULL{kind}"));
    }
    let found = |overlap: &str| {
        let each = wanted.iter().map(|which| {
            format!(
                "SELECT b.booking_id FROM booking b WHERE {which}
                     AND booking_box(b.resource_no, b.unit, b.start_time, b.end_time) && {overlap}"
            )
        });
        each.collect::<Vec<_>>().join(" UNION ALL ")
    };
    let found = if filter.resources.is_empty() {
        // From the first resource to the last.
        found("bound_box(resource_box(0, $3, $4), resource_box(2147483647, $3, $4))")
    } else {
        format!(
            "SELECT n.booking_id FROM resource r, LATERAL ({} OFFSET 0) AS n WHERE r.resource_id = ANY($1)",
            found("resource_box(r.resource_no, $3, $4)")
        )
    };
    format!(
        "SELECT b.*, r.display_time_zone
         FROM ({found} OFFSET 0) AS n,
             LATERAL (SELECT {COLUMNS} FROM booking b
                      WHERE b.booking_id = n.booking_id AND (cardinality($1) > 0 OR b.resource_id LIKE ANY($2))
                          AND b.start_time < $4 AND b.end_time > $3 AND b.status = ANY($5)
                          AND ($6::text IS NULL OR b.source_system = $6)
                          AND (b.start_time, b.booking_id) > ($7, $8) OFFSET 0) AS b
             LEFT JOIN resource r USING (resource_id)
         ORDER BY b.start_time, b.booking_id LIMIT $9"
    )
}

/// What a key may read, as patterns of `LIKE`.
fn patterns(readable: &[Resources]) -> Vec<String> {
    // Of LIKE's own characters, ids have the underscore only.
    let literally = |text: &str| text.replace('_', "\\_");
    let pattern = |resources: &Resources| match resources {
        Resources::All => "%".to_owned(),
        Resources::Beginning(beginning) => format!("{}%", literally(beginning)),
        Resources::One(one) => literally(one.as_str()),
    };
    readable.iter().map(pattern).collect()
}

fn shown(row: &PgRow) -> Result<Shown, StoreError> {
    let columns = BookingColumns::from_row(row)?;
    Ok(Shown { row: BookingRow::try_from(columns)?, time_zone: row.try_get("display_time_zone")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_read_is_matched_literally() {
        let readable = [Resources::Beginning("room_".to_owned()), Resources::One("a_b.c".parse().expect("an id"))];
        assert_eq!(patterns(&readable), ["room\\_%", "a\\_b.c"]);
        assert_eq!(patterns(&[Resources::All]), ["%"]);
    }
}
