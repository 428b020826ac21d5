//! The passwords and signing secrets of one instance: random, made once, kept in `run/secrets.env` for its owner alone.
//!
//! Nothing here has a value in the source, so that a stack somebody exposes by mistake is not open to everybody who has
//! read the source.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{env_file, error::Error};

/// Every secret of an instance.
#[derive(Clone)]
pub(crate) struct Secrets {
    pub(crate) postgres_superuser: String,
    pub(crate) postgres_owner: String,
    pub(crate) postgres_arbiter: String,
    pub(crate) postgres_ingest: String,
    pub(crate) postgres_propagator: String,
    pub(crate) postgres_reader: String,
    pub(crate) postgres_registry: String,
    pub(crate) caldav: String,
    /// The key Calendly shows when a webhook subscription is made: an opaque string.
    pub(crate) calendly: String,
    /// Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes.
    pub(crate) generic: String,
    /// The secret that whoever makes a webhook at Cal.com chooses: an opaque string.
    pub(crate) site: String,
    pub(crate) partner: String,
    /// A key of the API that may do everything: `dbk_`, 8 bytes, `_` and 32 bytes.
    pub(crate) api_key: String,
    /// The key of the contact ids' HMAC.
    pub(crate) contact_key: String,
}

impl Secrets {
    /// The secrets in `file`; those it lacks are made and added.
    pub(crate) fn load_or_create(file: &Path) -> Result<Secrets, Error> {
        let mut known = if file.exists() { read(file)? } else { BTreeMap::new() };
        let before = known.len();
        let mut take = |name: &str, make: fn() -> String| known.entry(name.to_owned()).or_insert_with(make).clone();
        let secrets = Secrets {
            postgres_superuser: take("POSTGRES_SUPERUSER_PASSWORD", password),
            postgres_owner: take("POSTGRES_OWNER_PASSWORD", password),
            postgres_arbiter: take("POSTGRES_ARBITER_PASSWORD", password),
            postgres_ingest: take("POSTGRES_INGEST_PASSWORD", password),
            postgres_propagator: take("POSTGRES_PROPAGATOR_PASSWORD", password),
            postgres_reader: take("POSTGRES_READER_PASSWORD", password),
            postgres_registry: take("POSTGRES_REGISTRY_PASSWORD", password),
            caldav: take("CALDAV_PASSWORD", password),
            calendly: take("CALENDLY_SECRET", password),
            generic: take("GENERIC_SECRET", standard_webhook),
            site: take("SITE_SECRET", password),
            partner: take("PARTNER_SECRET", standard_webhook),
            api_key: take("API_KEY", api_key),
            contact_key: take("CONTACT_KEY", key),
        };
        if known.len() != before {
            write(file, &known)?;
        }
        Ok(secrets)
    }
}

/// Bytes from the kernel.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    filled.expect("a system without /dev/urandom cannot keep a secret");
    bytes
}

/// Hexadecimal, so that it needs no quoting in SQL, a URL, a shell or a htpasswd file; and a letter first that no number
/// has, because configuration read from the environment guesses types, and `12e45…` is a number.
fn password() -> String {
    format!("x{}", hex(&random_bytes::<24>()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn api_key() -> String {
    format!("dbk_{}_{}", hex(&random_bytes::<8>()), hex(&random_bytes::<32>()))
}

fn standard_webhook() -> String {
    format!("whsec_{}", STANDARD.encode(random_bytes::<32>()))
}

fn key() -> String {
    STANDARD.encode(random_bytes::<32>())
}

fn read(file: &Path) -> Result<BTreeMap<String, String>, Error> {
    let text = fs::read_to_string(file).map_err(Error::io("read", file))?;
    env_file::parse(&text).map_err(|why| Error::Damaged { path: file.to_owned(), why })
}

fn write(file: &Path, secrets: &BTreeMap<String, String>) -> Result<(), Error> {
    let text = env_file::render(secrets.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    write_private(file, &text)
}

/// Writes a file that only its owner can read, whatever it was before.
pub(crate) fn write_private(file: &Path, text: &str) -> Result<(), Error> {
    let temporary = file.with_extension("new");
    let _ = fs::remove_file(&temporary);
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
    open.and_then(|mut out| out.write_all(text.as_bytes())).map_err(Error::io("write", &temporary))?;
    fs::rename(&temporary, file).map_err(Error::io("write", file))
}

#[cfg(test)]
mod tests {
    use std::{env, os::unix::fs::PermissionsExt, process};

    use super::*;

    #[test]
    fn secrets_are_made_once_and_kept_for_their_owner_alone() {
        let file = env::temp_dir().join(format!("daybook-secrets-{}", process::id()));
        let first = Secrets::load_or_create(&file).expect("create");
        let second = Secrets::load_or_create(&file).expect("load");
        assert_eq!(first.generic, second.generic);
        assert_eq!(first.postgres_owner, second.postgres_owner);
        assert_ne!(first.postgres_owner, first.postgres_arbiter);
        let mode = fs::metadata(&file).expect("file").permissions().mode();
        fs::remove_file(&file).expect("remove");
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn webhook_secrets_are_what_standard_webhooks_asks_for() {
        let secret = standard_webhook();
        let bytes = STANDARD.decode(secret.strip_prefix("whsec_").expect("prefix")).expect("base64");
        assert!((24..=64).contains(&bytes.len()));
    }
}
