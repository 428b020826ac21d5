//! PostgreSQL: the pool, the migrations, and how its errors are sorted.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};

use crate::config::Faults;
use crate::metrics::CommonMetrics;
use crate::retry::Advice;

/// How to reach the store, and as whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// `postgres://role@host:port/database?sslmode=verify-full&sslrootcert=…`; without the password.
    pub url: String,
    /// The role's password.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// Connections that this process may hold.
    pub connections: u32,
}

impl PostgresConfig {
    /// Notes what is wrong with it.
    pub fn validate(&self, faults: &mut Faults) {
        if self.url.parse::<PgConnectOptions>().is_err() {
            faults.add("postgres.url", "is no PostgreSQL URL; give postgres://role@host:port/database");
        }
        let inside = url_has_password(&self.url);
        faults.require(!inside, "postgres.url", "holds a password; give it as postgres.password, which is withheld");
        faults.require(self.connections > 0, "postgres.connections", "must be at least 1");
    }

    fn options(&self, service: &str) -> Result<PgConnectOptions, StoreError> {
        let mut options: PgConnectOptions = self.url.parse().map_err(StoreError::Database)?;
        if let Some(password) = &self.password {
            options = options.password(password.expose_secret());
        }
        Ok(options.application_name(service).options([
            // A frozen process must not hold a row that its successor waits for.
            ("idle_in_transaction_session_timeout", "5s"),
            // Far above any statement of ours; a stuck one must not hold a connection for ever.
            ("statement_timeout", "15s"),
            ("lock_timeout", "10s"),
            // A peer that vanished without closing is noticed by the server within a minute.
            ("tcp_keepalives_idle", "20"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
            ("timezone", "UTC"),
        ]))
    }

    /// A pool that connects when it is first used.
    pub fn pool(&self, service: &str) -> Result<PgPool, StoreError> {
        self.pool_with(service, &[])
    }

    /// The same, with settings of PostgreSQL's for each session.
    pub fn pool_with(&self, service: &str, settings: &[(&str, &str)]) -> Result<PgPool, StoreError> {
        Ok(PgPoolOptions::new()
            .max_connections(self.connections)
            // Longer than a failover of the primary takes to be noticed, shorter than a caller waits.
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(self.options(service)?.options(settings.iter().copied())))
    }
}

fn url_has_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or(""));
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no, or could not be reached.
    #[error("postgresql: {}", summary(.0))]
    Database(#[source] sqlx::Error),
    /// A row holds what it never should.
    #[error("the store holds what it never should: {0}")]
    Corrupt(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// The error without the values that PostgreSQL quotes in its details: they may be somebody's name.
fn summary(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(database) => format!(
            "SQLSTATE {}{}",
            database.code().unwrap_or_default(),
            database.constraint().map(|name| format!(" on constraint {name}")).unwrap_or_default()
        ),
        None => error.to_string(),
    }
}

/// What an error of the store means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The role has no right to it (42501): somebody goes round the arbiter, or the installation is wrong.
    Forbidden,
    /// Another transaction was faster (40001, 40P01).
    Serialization,
    /// An exclusion constraint fired (23P01).
    Exclusion,
    /// The rows themselves are refused: a data exception (class 22) or another constraint (class 23). The same rows
    /// will be refused again.
    Refused,
    /// The server is away, going away, or out of resources.
    Away,
    /// A fault of ours or of the data.
    Fault,
}

impl StoreError {
    /// What it means. By SQLSTATE class (PostgreSQL 15, appendix A).
    #[allow(clippy::wildcard_enum_match_arm, reason = "sqlx's list, which grows")]
    pub fn sort(&self) -> Sort {
        let Self::Database(error) = self else { return Sort::Fault };
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::Protocol(_) => Sort::Away,
                _ => Sort::Fault,
            };
        };
        match database.code().unwrap_or_default().as_ref() {
            "42501" => Sort::Forbidden,
            "40001" | "40P01" => Sort::Serialization,
            "23P01" => Sort::Exclusion,
            // Data, constraints, and more of it than the server takes at once.
            code if ["22", "23", "54"].iter().any(|class| code.starts_with(class)) => Sort::Refused,
            // Timeouts of ours, and "cannot connect now".
            "57014" | "55P03" | "25P03" | "57P03" => Sort::Away,
            // A password that is being rotated: the server or this process has the new one first.
            "28P01" | "28000" => Sort::Away,
            // Connection exceptions, insufficient resources, operator intervention, system errors, and a standby that
            // has not been promoted yet (read-only).
            code if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || code == "25006" => {
                Sort::Away
            }
            _ => Sort::Fault,
        }
    }

    /// What the caller does next.
    pub fn advice(&self) -> Advice {
        match self.sort() {
            Sort::Away | Sort::Serialization => Advice::Retry,
            Sort::Forbidden | Sort::Exclusion | Sort::Refused | Sort::Fault => Advice::Stop,
        }
    }

    /// Counts and reports an attempt to write what only the arbiter may write. Every service passes its store errors
    /// through here, so that going round the arbiter is loud wherever it is tried.
    #[must_use]
    pub fn noted(self, metrics: &CommonMetrics) -> Self {
        if self.sort() == Sort::Forbidden {
            metrics.forbidden_writes_total.inc();
            tracing::error!(error = %self, "forbidden write: this role may not do that; only the arbiter writes bookings");
        }
        self
    }
}

/// The four roles, each with its password if the installation sets one.
pub const ROLES: [&str; 4] = ["arbiter", "propagator", "ingest", "reader"];

/// Why the store could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// Not even connected.
    #[error("cannot connect as the owner")]
    Connect(#[source] StoreError),
    /// A migration failed; it was rolled back.
    #[error("a migration failed")]
    Migrate(#[source] MigrateError),
    /// A role's password could not be set.
    #[error("cannot set the password of daybook_{role}")]
    Password {
        /// The role.
        role: String,
        /// Why.
        #[source]
        source: StoreError,
    },
}

/// Brings the store to this version's shape, and sets the roles' passwords where given. Run as the owner; running it
/// again changes nothing.
pub async fn migrate(
    config: &PostgresConfig,
    passwords: &BTreeMap<String, SecretString>,
) -> Result<(), MigrationError> {
    let options = config.options("daybook migrate").map_err(MigrationError::Connect)?;
    // A table that has grown takes as long to change as it takes. (How long a lock is waited for stays bounded.)
    let options = options.options([("statement_timeout", "0")]);
    // A role's password is part of its statement, and slow statements are logged.
    let mut connection = PgConnection::connect_with(&options.disable_statement_logging())
        .await
        .map_err(|error| MigrationError::Connect(StoreError::Database(error)))?;
    sqlx::migrate!("./migrations").run(&mut connection).await.map_err(MigrationError::Migrate)?;
    for (role, password) in passwords.iter().filter(|(role, _)| ROLES.contains(&role.as_str())) {
        // ALTER ROLE takes no parameters: quote the password as a literal (doubling quotes is enough, because
        // standard_conforming_strings is on).
        let quoted = password.expose_secret().replace('\'', "''");
        sqlx::raw_sql(AssertSqlSafe(format!("ALTER ROLE daybook_{role} PASSWORD '{quoted}'")))
            .execute(&mut connection)
            .await
            .map_err(|error| MigrationError::Password { role: role.clone(), source: error.into() })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_inside_the_url_is_a_fault() {
        assert!(url_has_password("postgres://daybook:hunter2@localhost/daybook"));
        assert!(!url_has_password("postgres://daybook@localhost:5432/daybook?sslmode=require"));
    }

    #[test]
    fn a_server_that_is_away_is_waited_for_and_a_fault_is_not() {
        assert_eq!(StoreError::Database(sqlx::Error::PoolTimedOut).advice(), Advice::Retry);
        assert_eq!(StoreError::Database(sqlx::Error::RowNotFound).advice(), Advice::Stop);
        assert_eq!(StoreError::Corrupt("a reversed interval".to_owned()).advice(), Advice::Stop);
    }
}
