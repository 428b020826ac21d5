//! `daybook migrate`.

use daybook_runtime::postgres::{MigrationError, migrate};

use crate::config::Config;
use crate::failure::Failure;
use crate::out::Out;

/// Brings the store to this version's shape and sets the roles' passwords.
pub async fn run(config: &Config, out: &Out) -> Result<(), Failure> {
    let passwords = &config.migrate.role_passwords;
    migrate(&config.postgres, passwords).await.map_err(|error| {
        let advice = match &error {
            MigrationError::Connect(_) => {
                "postgres.url and postgres.password must name the owner of the database, and the server must be up"
            }
            MigrationError::Migrate(_) => {
                "it was rolled back; connect as the owner, who must be allowed to create roles and extensions"
            }
            MigrationError::Password { .. } => "the tables are in place; the owner must be allowed to change that role",
        };
        Failure::new("cannot migrate the store", error).next(advice)
    })?;
    out.line("the store has this version's shape")?;
    if !passwords.is_empty() {
        let roles: Vec<String> = passwords.keys().map(|role| format!("daybook_{role}")).collect();
        out.line(format_args!("passwords set: {}", roles.join(", ")))?;
    }
    Ok(())
}
