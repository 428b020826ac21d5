//! Reading decisions as they are stored and published: framed, by whatever schema wrote them.

use daybook_runtime::registry::{Registry, RegistryError};
use daybook_wire::{LoggedDecision, decision_codec, decode_decision, unframe};

use crate::config::Config;
use crate::connect;
use crate::failure::Failure;

/// Reads decisions. Asks the registry for a schema once; if it does not answer, this version's own schema stands in,
/// because somebody who looks into an outage must not be stopped by it.
#[derive(Debug)]
pub struct Decoder {
    registry: Registry,
    away: bool,
}

impl Decoder {
    /// A decoder that has not asked yet.
    pub fn new(config: &Config) -> Result<Self, Failure> {
        Ok(Self { registry: connect::registry(config)?, away: false })
    }

    /// Whether this version's schema stood in.
    pub const fn guessed(&self) -> bool {
        self.away
    }

    /// Whether a decision that was read was written with this version's own schema, as far as that is known: then the
    /// same decision is the same bytes.
    pub fn is_own(&self, record: &[u8]) -> bool {
        let Ok((id, _)) = unframe(record) else { return false };
        self.registry.known(id).is_none_or(|schema| schema.is(decision_codec().schema()))
    }

    /// Reads one.
    pub async fn read(&mut self, record: &[u8]) -> Result<LoggedDecision, Failure> {
        let (id, datum) = unframe(record).map_err(|error| Failure::new("cannot read a decision", error))?;
        let own = decision_codec().schema();
        let known = self.registry.known(id);
        let decoded = match (known, self.away) {
            (Some(schema), _) => decode_decision(&schema, datum),
            (None, true) => decode_decision(own, datum),
            (None, false) => match self.registry.schema(id).await {
                Ok(schema) => decode_decision(&schema, datum),
                Err(RegistryError::Away(_)) => {
                    self.away = true;
                    decode_decision(own, datum)
                }
                Err(error @ (RegistryError::Refused(_) | RegistryError::NotAvro { .. })) => {
                    return Err(Failure::new(format!("cannot get schema {id} of a decision"), error)
                        .next("is registry.url the registry that the arbiter uses?"));
                }
            },
        };
        decoded.map_err(|error| Failure::new(format!("cannot read a decision written with schema {id}"), error))
    }
}
