//! The rows of the store that more than one reads: bookings and resources' rules.
//!
//! In: rows. Out: the domain's words, and for bookings rows again. Owns: what each column means, for the arbiter, which
//! writes them, and for ingest and the command line, which only read. A value that no arbiter ever wrote is
//! [`Corrupt`](daybook_runtime::postgres::StoreError::Corrupt), never a guess.
//! Absent on purpose: queries. Which rows are wanted, and by which index, is a matter of whoever asks.

mod booking;
mod columns;
mod rules;

pub use booking::BookingRow;
pub use columns::{BookingColumns, COLUMNS, LIVE, state_columns};
pub use rules::{HoursColumn, RULES_COLUMNS, RulesColumns};
