//! From records to requests: framing, schema, and whether the record is where its resource's records belong.

use std::sync::Arc;

use daybook_domain::topics::{PARTITIONS, partition_of};
use daybook_domain::{Request, ResourceId, Timestamp};
use daybook_runtime::kafka::Record;
use daybook_runtime::registry::{Registry, RegistryError};
use daybook_wire::{Schema, decode_request, header, unframe};

/// A record, read.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its offset.
    pub offset: i64,
    /// The broker's time of it.
    pub timestamp: Timestamp,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
    /// What it says, or why nobody can tell.
    pub content: Content,
}

impl Entry {
    /// Whether nobody can tell what it says.
    pub const fn is_unreadable(&self) -> bool {
        matches!(self.content, Content::Unreadable(..))
    }
}

/// What a record says.
#[derive(Debug, Clone)]
pub enum Content {
    /// A request.
    Request(Box<Request>),
    /// Nothing that can be read. Whose time it was about, if its key says so.
    Unreadable(Option<ResourceId>, Unreadable),
}

/// Why a record says nothing. Bounded: a metric label and a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// No value.
    Empty,
    /// Not in Confluent's framing.
    Frame,
    /// Of a schema that the registry does not have.
    Schema,
    /// Not a datum of its schema, or one that holds what no request can.
    Datum,
    /// On a partition that its resource's records do not belong to: another arbiter decides about that resource.
    Misrouted,
}

impl Unreadable {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty_value",
            Self::Frame => "not_framed",
            Self::Schema => "unknown_schema",
            Self::Datum => "undecodable",
            Self::Misrouted => "misrouted",
        }
    }
}

/// Reads a record. Waits for nothing: an error is the registry's, and the caller tries again.
pub async fn read(registry: &Registry, record: &Record) -> Result<Entry, RegistryError> {
    let content = match framed(registry, record).await? {
        Ok((schema, datum)) => decode(record, &schema, datum),
        Err(why) => Content::Unreadable(resource_of(record), why),
    };
    Ok(Entry {
        offset: record.offset,
        timestamp: record.timestamp,
        traceparent: record.headers.get(header::TRACEPARENT).map(str::to_owned),
        content,
    })
}

async fn framed<'a>(
    registry: &Registry,
    record: &'a Record,
) -> Result<Result<(Arc<Schema>, &'a [u8]), Unreadable>, RegistryError> {
    let Some(value) = record.value.as_deref() else { return Ok(Err(Unreadable::Empty)) };
    let Ok((id, datum)) = unframe(value) else { return Ok(Err(Unreadable::Frame)) };
    match registry.schema(id).await {
        Ok(schema) => Ok(Ok((schema, datum))),
        Err(RegistryError::Refused(_) | RegistryError::NotAvro { .. }) => Ok(Err(Unreadable::Schema)),
        Err(error @ RegistryError::Away(_)) => Err(error),
    }
}

fn decode(record: &Record, schema: &Schema, datum: &[u8]) -> Content {
    let Ok(request) = decode_request(schema, datum) else {
        return Content::Unreadable(resource_of(record), Unreadable::Datum);
    };
    if partition_of(request.resource.as_str().as_bytes(), PARTITIONS) != record.partition {
        return Content::Unreadable(None, Unreadable::Misrouted);
    }
    Content::Request(Box::new(request))
}

/// The resource that the key names, if the record is where that resource's records belong.
fn resource_of(record: &Record) -> Option<ResourceId> {
    let key = record.key.as_deref()?;
    let resource: ResourceId = std::str::from_utf8(key).ok()?.parse().ok()?;
    (partition_of(key, PARTITIONS) == record.partition).then_some(resource)
}
