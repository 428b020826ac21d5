//! `daybook schemas apply`.

use daybook_runtime::registry::{Registry, RegistryError};
use daybook_wire::SCHEMAS;

use crate::config::Config;
use crate::connect;
use crate::failure::Failure;
use crate::out::Out;
use crate::table;

/// Registers every schema under full transitive compatibility.
pub async fn apply(config: &Config, out: &Out) -> Result<(), Failure> {
    let registry: Registry = connect::registry(config)?;
    let mut rows = Vec::new();
    for (subject, text) in SCHEMAS {
        let id = registry.apply(subject, text).await.map_err(|error| {
            let advice = match &error {
                RegistryError::Away(_) => format!("is the registry up at {} (registry.url)?", config.registry.url),
                RegistryError::Refused(_) | RegistryError::NotAvro { .. } => {
                    "no later subject was touched; mend the schema and run it again".to_owned()
                }
            };
            Failure::new(format!("cannot register {subject}"), error).next(advice)
        })?;
        rows.push(vec![subject.to_owned(), id.to_string()]);
    }
    out.text(table::draw(&["subject", "id"], &rows))
}
