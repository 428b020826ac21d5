//! The present. The only place that asks for it; every pure function is handed the answer.

use daybook_domain::Timestamp;

/// Now, by this machine's clock. Never decides a booking: the log's time does.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> Timestamp {
    Timestamp::try_from(chrono::Utc::now()).unwrap_or(Timestamp::EPOCH)
}
