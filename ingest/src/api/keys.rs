//! The keys in force: read from the store once a second, and looked up here without it.
//!
//! Invariant: a key that is revoked is refused within 5 s while the store answers, and the keys known last go on working
//! while it does not. Before they were read for the first time nobody is refused for want of a key: the answer is
//! "unavailable", because a 401 would make good callers throw their keys away.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{CallerName, Timestamp};
use daybook_ingest_core::{KeyDigest, KeyId, PlainKey, Scopes};
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::postgres::StoreError;
use sqlx::{PgPool, Row};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::metrics::ApiMetrics;

/// How often they are read. With [`ANSWER_WITHIN`], a revocation is heard of within 3 s.
const READ_EVERY: Duration = Duration::from_secs(1);
/// How long the store may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A key that may be in force.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its public half.
    pub id: KeyId,
    /// Whose it is. Several keys may be one caller's, while it changes from one to the next.
    pub caller: CallerName,
    /// What it allows.
    pub scopes: Scopes,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    digest: KeyDigest,
}

/// What a search for a key came to.
#[derive(Debug)]
pub enum Found {
    /// This one, and it counts now.
    Key(Arc<Key>),
    /// None that counts, whatever the reason.
    Nothing,
    /// The keys have not been read yet.
    NotKnownYet,
}

type Known = BTreeMap<KeyId, Arc<Key>>;

/// The keys as they were read last.
#[derive(Debug, Default)]
pub struct Keys(RwLock<Option<Known>>);

impl Keys {
    /// The key behind a text, if it counts at `now`. Takes the same time for every text of a key's shape, but for the
    /// look-up of its id, which is no secret.
    pub fn find(&self, text: &str, now: Timestamp) -> Found {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.as_ref() else { return Found::NotKnownYet };
        // What is no key is compared like one, with a secret that nobody has the digest of.
        let given = PlainKey::parse(text).unwrap_or_else(|| PlainKey::new([0; 8], [0; 32]));
        let key = known.get(&given.id());
        let kept = key.map_or(KeyDigest::NOBODYS, |key| key.digest);
        let matches = given.digest().matches(&kept);
        match key.filter(|key| matches && key.expires_at.is_none_or(|end| now < end)) {
            Some(key) => Found::Key(Arc::clone(key)),
            None => Found::Nothing,
        }
    }

    fn replace(&self, keys: Vec<Key>) {
        let keys = keys.into_iter().map(|key| (key.id, Arc::new(key))).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(keys);
    }
}

/// Reads them until shutdown.
pub async fn follow(
    keys: Arc<Keys>,
    store: PgPool,
    metrics: ApiMetrics,
    common: CommonMetrics,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    let mut rounds = interval(READ_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        let problem = match timeout(ANSWER_WITHIN, load(&store)).await {
            Ok(Ok(read)) => {
                metrics.keys.set(i64::try_from(read.len()).unwrap_or(i64::MAX));
                keys.replace(read);
                None
            }
            Ok(Err(error)) => Some(error.noted(&common).to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        metrics.store_available.set(i64::from(problem.is_none()));
        match (&problem, failing) {
            (Some(error), false) => tracing::warn!(error, "the api's keys cannot be read; those known go on working"),
            (None, true) => tracing::info!("the api's keys are read again"),
            (Some(_), true) | (None, false) => {}
        }
        failing = problem.is_some();
    }
}

async fn load(store: &PgPool) -> Result<Vec<Key>, StoreError> {
    let rows = sqlx::query(
        "SELECT key_id, caller, secret_sha256, scopes, expires_at FROM api_key
         WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())",
    )
    .fetch_all(store)
    .await?;
    rows.iter().map(key).collect()
}

fn key(row: &sqlx::postgres::PgRow) -> Result<Key, StoreError> {
    let id: &str = row.try_get("key_id")?;
    let corrupt = |column: &str| StoreError::Corrupt(format!("{column} of api_key {id}"));
    let scopes: Vec<String> = row.try_get("scopes")?;
    // A scope that a later version knows allows nothing here, and does not take the key's others away.
    let scopes = Scopes::new(scopes.iter().filter_map(|scope| scope.parse().ok()));
    let expires_at: Option<DateTime<Utc>> = row.try_get("expires_at")?;
    Ok(Key {
        id: id.parse().map_err(|_| corrupt("key_id"))?,
        caller: row.try_get::<&str, _>("caller")?.parse().map_err(|_| corrupt("caller"))?,
        scopes,
        digest: KeyDigest::from_bytes(row.try_get("secret_sha256")?).ok_or_else(|| corrupt("secret_sha256"))?,
        expires_at: expires_at.map(|time| time.try_into().map_err(|_| corrupt("expires_at"))).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn plain(byte: u8) -> PlainKey {
        PlainKey::new([byte; 8], [byte; 32])
    }

    fn known(byte: u8, expires_at: Option<Timestamp>) -> Key {
        let caller = "crm".parse().expect("a name");
        Key { id: plain(byte).id(), caller, scopes: Scopes::default(), expires_at, digest: plain(byte).digest() }
    }

    fn finds(keys: &Keys, text: &str) -> bool {
        match keys.find(text, NOW) {
            Found::Key(_) => true,
            Found::Nothing => false,
            Found::NotKnownYet => panic!("they were read"),
        }
    }

    #[test]
    fn nobody_is_refused_before_the_keys_were_read() {
        assert!(matches!(Keys::default().find(&plain(1).reveal(), NOW), Found::NotKnownYet));
    }

    #[test]
    fn a_key_counts_until_it_expires_or_is_read_no_more() {
        let keys = Keys::default();
        keys.replace(vec![known(1, None), known(2, Some(NOW)), known(3, Some(NOW.plus(Duration::from_secs(1))))]);
        assert_eq!([1, 2, 3, 4].map(|byte| finds(&keys, &plain(byte).reveal())), [true, false, true, false]);
        keys.replace(vec![known(3, None)]);
        assert_eq!([1, 3].map(|byte| finds(&keys, &plain(byte).reveal())), [false, true]);
    }

    #[test]
    fn what_is_no_key_finds_nothing_not_even_a_key_of_zeros() {
        let keys = Keys::default();
        let zeros = PlainKey::new([0; 8], [9; 32]);
        keys.replace(vec![Key { id: zeros.id(), digest: zeros.digest(), ..known(0, None) }]);
        let swapped = PlainKey::new([0; 8], [8; 32]).reveal();
        for text in ["", "dbk_", "dbk_00_00", swapped.as_str(), &plain(0).reveal()] {
            assert!(!finds(&keys, text), "{text}");
        }
        assert!(finds(&keys, &zeros.reveal()));
    }
}
