//! `daybook keys revoke`.

use daybook_domain::CallerName;
use daybook_ingest_core::KeyId;

use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::Out;
use crate::person;
use crate::store::{self, KeyRow};
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Revoke {
    /// The keys' ids, as the list shows them: the first 16 digits behind dbk_.
    #[arg(value_name = "ID", required_unless_present = "caller")]
    ids: Vec<KeyId>,
    /// All keys of this caller.
    #[arg(long, value_name = "CALLER", conflicts_with = "ids")]
    caller: Option<CallerName>,
    /// Who does it; the operating system's user without this.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// Ends them.
pub async fn revoke(args: &Revoke, config: &Config, out: &Out) -> Result<(), Failure> {
    let by = person::who(args.by.as_deref())?;
    let pool = connect::store(config)?;
    let known = store::keys(&pool).await.map_err(|error| Role::Ingest.explain("read the keys", &error))?;
    let meant = meant(args, &known)?;
    let ids: Vec<String> = meant.iter().map(|row| row.id.clone()).collect();
    let revoked = store::revoke_keys(&pool, &ids, &by).await;
    let revoked = revoked.map_err(|error| Role::Ingest.explain("revoke the keys", &error))?;
    for row in meant {
        let (id, caller) = (&row.id, &row.caller);
        match row.revoked_at {
            _ if revoked.contains(id) => out.line(format_args!("revoked: {id} of {caller}"))?,
            Some(at) => out.line(format_args!("was revoked already at {}: {id} of {caller}", text::moment(at)))?,
            None => out.line(format_args!("was revoked by somebody else just now: {id} of {caller}"))?,
        }
    }
    Ok(())
}

/// The keys that are meant; all of those that were named, or none.
fn meant<'a>(args: &Revoke, known: &'a [KeyRow]) -> Result<Vec<&'a KeyRow>, Failure> {
    if let Some(caller) = &args.caller {
        let rows: Vec<&KeyRow> = known.iter().filter(|row| row.caller == caller.as_str()).collect();
        let none = || Failure::plain(format!("{caller} has no keys")).next("daybook keys list --all shows who has");
        return if rows.is_empty() { Err(none()) } else { Ok(rows) };
    }
    let find = |id: &KeyId| {
        let row = known.iter().find(|row| row.id == id.to_string());
        row.ok_or_else(|| Failure::plain(format!("there is no key {id}; nothing was revoked")))
    };
    args.ids.iter().map(find).collect()
}
