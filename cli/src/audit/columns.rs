//! A row's columns, held against its bytes: people and queries read the columns, and only the bytes are chained. Pure.

use chrono::{DateTime, Utc};
use daybook_wire::LoggedDecision;

use crate::store::LinkRow;

/// Every column that says something else than the bytes.
pub fn disagreements(row: &LinkRow, logged: &LoggedDecision) -> Vec<String> {
    let decision = &logged.decision;
    let mut found = Vec::new();
    let mut hold = |name: &str, column: String, bytes: String| {
        if column != bytes {
            found.push(format!("column {name} is {column}, expected {bytes} as the bytes say"));
        }
    };
    let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
    let time = |time: DateTime<Utc>| time.to_rfc3339();
    hold("partition", row.partition.to_string(), logged.partition.to_string());
    hold("seq", row.seq.to_string(), logged.seq.to_string());
    hold("request_offset", row.offset.to_string(), logged.offset.to_string());
    hold("request_id", row.request_id.to_string(), decision.request_id.to_string());
    hold("resource_id", row.resource.clone(), decision.resource.to_string());
    hold("operation", row.operation.clone(), decision.operation.as_str().to_owned());
    hold("outcome", row.outcome.clone(), decision.outcome.as_str().to_owned());
    hold("reason", or_null(row.reason.clone()), or_null(decision.outcome.reason().map(str::to_owned)));
    hold("source", row.source.clone(), decision.source.to_string());
    hold("sourced_at", or_null(row.sourced_at.map(time)), or_null(decision.sourced_at.map(|at| time(at.into()))));
    hold("received_at", time(row.received_at), time(decision.received_at.into()));
    hold("decided_at", time(row.decided_at), time(decision.decided_at.into()));
    if let Some(booking) = &decision.booking {
        hold("booking_id", or_null(row.booking_id.map(|id| id.to_string())), booking.booking_id.to_string());
    }
    found
}
