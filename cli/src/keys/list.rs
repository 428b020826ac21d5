//! `daybook keys list`.

use daybook_domain::Timestamp;
use daybook_runtime::clock;
use serde_json::json;

use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::Out;
use crate::store::{self, KeyRow};
use crate::table;
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct List {
    /// Also those that have ended.
    #[arg(long)]
    all: bool,
    /// One JSON object a line, for programs.
    #[arg(long)]
    json: bool,
}

/// Prints them.
pub async fn list(args: &List, config: &Config, out: &Out) -> Result<(), Failure> {
    let rows = store::keys(&connect::store(config)?).await;
    let mut rows = rows.map_err(|error| Role::Reader.explain("read the keys", &error))?;
    let now = clock::now();
    rows.retain(|row| args.all || state(row, now) == "in force");
    if args.json {
        return rows.iter().try_for_each(|row| out.line(object(row, now)));
    }
    if rows.is_empty() {
        return out.line(if args.all { "no keys" } else { "no keys in force" });
    }
    let head = ["id", "caller", "state", "rate", "created", "by", "ends", "scopes"];
    out.text(table::draw(&head, &rows.iter().map(|row| line(row, now)).collect::<Vec<_>>()))
}

fn state(row: &KeyRow, now: Timestamp) -> &'static str {
    match (row.revoked_at, row.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if end <= now => "expired",
        (None, _) => "in force",
    }
}

fn line(row: &KeyRow, now: Timestamp) -> Vec<String> {
    let rate = row.rate.map_or_else(|| "default".to_owned(), |(rate, burst)| format!("{rate}/s, {burst} at once"));
    let end = row.revoked_at.or(row.expires_at).map_or_else(|| "never".to_owned(), text::stamp);
    vec![
        row.id.clone(),
        row.caller.clone(),
        state(row, now).to_owned(),
        rate,
        text::stamp(row.created_at),
        row.created_by.clone(),
        end,
        row.scopes.join(" "),
    ]
}

fn object(row: &KeyRow, now: Timestamp) -> serde_json::Value {
    json!({
        "id": row.id,
        "caller": row.caller,
        "state": state(row, now),
        "scopes": row.scopes,
        "rate_per_second": row.rate.map(|(rate, _)| rate),
        "rate_burst": row.rate.map(|(_, burst)| burst),
        "created_at": text::stamp(row.created_at),
        "created_by": row.created_by,
        "expires_at": row.expires_at.map(text::stamp),
        "revoked_at": row.revoked_at.map(text::stamp),
        "revoked_by": row.revoked_by,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_key_is_in_force_until_it_expires_or_is_revoked() {
        let now = Timestamp::EPOCH.plus(Duration::from_secs(1_000_000));
        let later = now.plus(Duration::from_secs(1));
        let row = |expires_at, revoked_at| KeyRow {
            id: "9f86d081884c7d65".to_owned(),
            caller: "crm".to_owned(),
            scopes: vec!["read:*".to_owned(), "source:crm".to_owned()],
            rate: Some((100, 400)),
            created_at: Timestamp::EPOCH,
            created_by: "ops".to_owned(),
            expires_at,
            revoked_at,
            revoked_by: revoked_at.map(|_| "ops".to_owned()),
        };
        let states = [(None, None), (Some(later), None), (Some(now), None), (Some(later), Some(now))];
        let states = states.map(|(expires_at, revoked_at)| state(&row(expires_at, revoked_at), now));
        assert_eq!(states, ["in force", "in force", "expired", "revoked"]);
        assert_eq!(
            line(&row(None, None), now).join(" | "),
            "9f86d081884c7d65 | crm | in force | 100/s, 400 at once | 1970-01-01T00:00:00.000Z | ops | never | read:* source:crm"
        );
    }
}
