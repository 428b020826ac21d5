//! Every statement that the command line sends to PostgreSQL. A command brings its own role; what a role may not do
//! comes back as SQLSTATE 42501, and the command says which role it takes.

mod aliases;
mod audit;
mod bookings;
mod brakes;
mod calendars;
mod compensations;
mod conflicts;
mod deliveries;
mod drift;
mod keys;
mod letters;
mod status;

use chrono::{DateTime, Utc};
use daybook_domain::Timestamp;
use daybook_runtime::postgres::StoreError;
use sqlx::Row;
use sqlx::postgres::PgRow;

pub use aliases::known_aliases;
pub use audit::{HeadRow, LinkRow, hashes, heads, links};
pub use bookings::{booking, decisions_about, decisions_on, resource_zone};
pub use brakes::{BrakeRow, brakes, is_known, put_brake, release_brake};
pub use calendars::{
    AccountRow, CalendarRow, DryRunRow, Prompt, Prompted, accounts, ask_dry_runs, calendars, dry_runs, prompt_calendars,
};
pub use compensations::{CompensationRow, close_compensation, compensations, compensations_at, compensations_of};
pub use conflicts::{ConflictRow, Side, conflicts};
pub use deliveries::{AttemptRow, DeliveryRow, Unparked, deliveries, unpark};
pub use drift::{DriftRow, drift, read_back};
pub use keys::{KeyRow, NewKey, insert_key, keys, revoke_keys};
pub use letters::{HandledRow, Place, discard_delivery, handled, put_discarded, put_replayed};
pub use status::{OpenRow, PartitionRow, SourceRow, TargetRow, open, partitions, sources, targets};

type Result<T> = std::result::Result<T, StoreError>;

fn time(row: &PgRow, column: &str) -> Result<Timestamp> {
    optional_time(row, column)?.ok_or_else(|| StoreError::Corrupt(format!("{column} is null")))
}

fn optional_time(row: &PgRow, column: &str) -> Result<Option<Timestamp>> {
    let time: Option<DateTime<Utc>> = row.try_get(column)?;
    time.map(|time| time.try_into().map_err(|error| StoreError::Corrupt(format!("{column} {error}")))).transpose()
}
