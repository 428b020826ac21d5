//! The request that gives a resource its rules.

use daybook_domain::{Basis, Expected, Operation, Request, RequestId, ResourceId, Rules, SourceName, Timestamp};

use crate::describe;

/// Where the ids of these requests come from.
const EVENT_SOURCE: &str = "/daybook/resources";

/// The request for these rules, for a resource that is at `version` (0 before it is defined). Its id is derived from the
/// change and the version it starts from, so that the same change asked twice is the same request; `refused` says how
/// often it was refused before, and makes it another one.
pub fn request(id: &ResourceId, rules: &Rules, version: u64, refused: usize, now: Timestamp) -> Request {
    let event_id = format!("{id}@{version}:{}", describe::fingerprint(rules));
    Request {
        request_id: RequestId::derive(EVENT_SOURCE, &event_id, refused),
        resource: id.clone(),
        source: SourceName::daybook(),
        event_id,
        basis: Basis::Asked,
        expected: Expected::default(),
        digest: None,
        sourced_at: None,
        received_at: now,
        operation: Operation::Define(rules.clone()),
    }
}
