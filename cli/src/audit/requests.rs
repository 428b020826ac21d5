//! Requests as the arbiter reads them: framing, schema, and whether a record lies where its resource's records belong.

use arbiter_core::partition::Content;
use daybook_domain::topics::{PARTITIONS, partition_of};
use daybook_domain::{Request, ResourceId};
use daybook_runtime::kafka::Record;
use daybook_runtime::registry::{Registry, RegistryError};
use daybook_wire::{Schema, decode_request, unframe};

use super::fold::Asked;
use crate::config::Config;
use crate::connect;
use crate::failure::Failure;

/// What a record says.
#[derive(Debug)]
pub enum Said {
    /// A request.
    Request(Box<Request>),
    /// Nothing that can be read. Whose time it was about, if it says so.
    Unreadable(Option<ResourceId>),
}

/// Reads requests.
#[derive(Debug)]
pub struct Reader {
    registry: Registry,
}

impl Said {
    /// As the fold takes it.
    pub fn asked<'a>(&'a self, record: &Record) -> Asked<'a> {
        let content = match self {
            Self::Request(request) => Content::Request(request),
            Self::Unreadable(resource) => Content::Unreadable(resource.clone()),
        };
        Asked { offset: record.offset, timestamp: record.timestamp, content, key: resource_of(record) }
    }
}

impl Reader {
    /// A reader that has not asked the registry yet.
    pub fn new(config: &Config) -> Result<Self, Failure> {
        Ok(Self { registry: connect::registry(config)? })
    }

    /// Reads one. An error is the registry's: nothing may be taken for unreadable because nobody answers.
    pub async fn read(&self, record: &Record) -> Result<Said, Failure> {
        let unreadable = || Ok(Said::Unreadable(resource_of(record)));
        let Some(value) = record.value.as_deref() else { return unreadable() };
        let Ok((id, datum)) = unframe(value) else { return unreadable() };
        match self.registry.schema(id).await {
            Ok(schema) => Ok(decode(record, &schema, datum)),
            Err(RegistryError::Refused(_) | RegistryError::NotAvro { .. }) => unreadable(),
            Err(error @ RegistryError::Away(_)) => {
                Err(Failure::new(format!("cannot get schema {id} of a request"), error)
                    .next("without the registry nothing can be decided again (registry.url)"))
            }
        }
    }
}

fn decode(record: &Record, schema: &Schema, datum: &[u8]) -> Said {
    let Ok(request) = decode_request(schema, datum) else { return Said::Unreadable(resource_of(record)) };
    if partition_of(request.resource.as_str().as_bytes(), PARTITIONS) != record.partition {
        return Said::Unreadable(None);
    }
    Said::Request(Box::new(request))
}

/// The resource that the key names, if the record is where that resource's records belong.
fn resource_of(record: &Record) -> Option<ResourceId> {
    let key = record.key.as_deref()?;
    let resource: ResourceId = std::str::from_utf8(key).ok()?.parse().ok()?;
    (partition_of(key, PARTITIONS) == record.partition).then_some(resource)
}
