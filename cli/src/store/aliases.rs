//! Aliases of resources.

use std::collections::BTreeSet;

use sqlx::PgPool;

use super::Result;

/// Those of these names at a source that some resource has.
pub async fn known_aliases(pool: &PgPool, source: &str, names: &[&str]) -> Result<BTreeSet<String>> {
    // PostgreSQL has no text with a NUL in it, so no alias has one either.
    let names: Vec<&str> = names.iter().copied().filter(|name| !name.contains('\0')).collect();
    let known = sqlx::query_scalar("SELECT alias FROM resource_alias WHERE source = $1 AND alias = ANY($2)");
    let known: Vec<String> = known.bind(source).bind(names).fetch_all(pool).await?;
    Ok(known.into_iter().collect())
}
