//! `daybook keys create`: a key is made, shown once, and kept as a digest.

use std::path::{Path, PathBuf};
use std::time::Duration;

use daybook_domain::CallerName;
use daybook_ingest_core::{PlainKey, Scope, ScopeError, Scopes};
use daybook_runtime::clock;
use sqlx::PgPool;

use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::input;
use crate::out::{self, Out};
use crate::person;
use crate::store::{self, NewKey};
use crate::text;
use daybook_resources::nearest;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Create {
    /// Who calls: 1 to 64 of a-z 0-9 . _ -.
    caller: CallerName,
    /// What the key allows; several, each with its own --scope.
    #[arg(long, value_name = "SCOPE", required = true, value_parser = scope)]
    scope: Vec<Scope>,
    /// Requests a second, at each process of ingest; what ingest is configured with without this.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// How many of them may come at the same moment; four seconds' worth without this.
    #[arg(long, value_name = "N", requires = "rate", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    burst: Option<u32>,
    /// How long it works, such as 90d; until it is revoked without this.
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
    /// Keep the key in this file ('-' for standard input) instead of making one: for installations that are set up from
    /// texts. Kept already with the same caller and scopes, it is left as it is.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Who makes it; the operating system's user without this.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// How many seconds' worth of requests may come at once, where nobody says otherwise.
const BURST_SECONDS: u32 = 4;

/// Makes it.
pub async fn create(args: &Create, config: &Config, out: &Out) -> Result<(), Failure> {
    let by = person::who(args.by.as_deref())?;
    let key = match &args.key_file {
        Some(file) => read(file)?,
        None => PlainKey::new(rand::random(), rand::random()),
    };
    let scopes = Scopes::new(args.scope.iter().cloned());
    let expires_at = args.expires.map(|span| clock::now().plus(span));
    let new = NewKey {
        id: key.id(),
        caller: &args.caller,
        digest: key.digest(),
        scopes: &scopes,
        rate: args.rate.map(|rate| (rate, args.burst.unwrap_or_else(|| rate.saturating_mul(BURST_SECONDS)))),
        expires_at,
        by: &by,
    };
    let pool = connect::store(config)?;
    let kept = store::insert_key(&pool, &new).await;
    if !kept.map_err(|error| Role::Ingest.explain("keep the key", &error))? {
        return same(&pool, &new).await;
    }
    let end = expires_at.map_or_else(|| "it is revoked".to_owned(), text::moment);
    let allowed: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    out::note(format_args!("key {} of {}: {}; works until {end}", key.id(), args.caller, allowed.join(", ")));
    if args.key_file.is_some() {
        return Ok(());
    }
    out::note("it is shown this once; send it as Authorization: Bearer");
    out.line(key.reveal())
}

/// A key that somebody else has made.
fn read(file: &Path) -> Result<PlainKey, Failure> {
    let text = input::read(file)?;
    let text = std::str::from_utf8(&text).unwrap_or_default();
    // Not repeated: whatever it is, it was meant to be secret.
    let fault = || Failure::input(format!("{} holds no key: dbk_, 16 hexadecimal digits, _, 64 more", file.display()));
    PlainKey::parse(text.trim()).ok_or_else(fault)
}

/// Whether the key that is kept under this id is the one that was to be kept.
async fn same(pool: &PgPool, new: &NewKey<'_>) -> Result<(), Failure> {
    let known = store::keys(pool).await.map_err(|error| Role::Ingest.explain("read the keys", &error))?;
    let kept = known.iter().find(|row| row.id == new.id.to_string());
    let scopes: Vec<String> = new.scopes.iter().map(ToString::to_string).collect();
    match kept {
        Some(row) if row.revoked_at.is_some() => {
            Err(Failure::plain(format!("key {} was revoked", new.id)).next("a revoked key stays so; take a new one"))
        }
        Some(row) if row.caller == new.caller.as_str() && row.scopes == scopes => {
            out::note(format_args!("key {} of {} is kept already", new.id, new.caller));
            Ok(())
        }
        _ => Err(Failure::plain(format!("there is a key {} already, of another caller or with other scopes", new.id))
            .next("take a new key")),
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    text.parse().map_err(|error: ScopeError| {
        let word = text.split(':').next().unwrap_or_default();
        format!("{error}{}", nearest::hint(word, ["admin", "request", "read", "source"]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_that_is_misspelt_is_refused_with_the_nearest_word() {
        let problem = scope("requst:anna").expect_err("no scope");
        assert!(problem.ends_with("did you mean request?"), "{problem}");
    }
}
