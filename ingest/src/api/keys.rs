//! The keys in force: read from the store once a second, and looked up here without it.
//!
//! Invariant: a key that is revoked is refused within 5 s while the store answers, and the keys known last go on working
//! while it does not. Before they were read for the first time nobody is refused for want of a key: the answer is
//! "unavailable", because a 401 would make good callers throw their keys away.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{CallerName, Timestamp};
use daybook_ingest_core::{KeyDigest, KeyId, PlainKey, Scopes};
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::postgres::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::metrics::ApiMetrics;
use super::rate::{Pace, Rate};

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
    /// How fast it may ask, and has asked.
    pub rate: Arc<Rate>,
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
#[derive(Debug)]
pub struct Keys {
    known: RwLock<Option<Known>>,
    /// Of a key that was made without one.
    pace: Pace,
}

/// A key as the store has it.
#[derive(Debug)]
struct Row {
    id: KeyId,
    caller: CallerName,
    scopes: Scopes,
    expires_at: Option<Timestamp>,
    pace: Option<Pace>,
    digest: KeyDigest,
}

impl Keys {
    /// None yet.
    pub const fn new(pace: Pace) -> Self {
        Self { known: RwLock::new(None), pace }
    }

    /// The key behind a text, if it counts at `now`. Takes the same time for every text of a key's shape, but for the
    /// look-up of its id, which is no secret.
    pub fn find(&self, text: &str, now: Timestamp) -> Found {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
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

    fn replace(&self, rows: Vec<Row>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.take().unwrap_or_default();
        let keys = rows.into_iter().map(|row| {
            let Row { id, caller, scopes, expires_at, pace, digest } = row;
            let pace = pace.unwrap_or(self.pace);
            // What a key has used up stays used up.
            let rate = before.get(&id).map(|key| &key.rate).filter(|rate| rate.pace() == pace);
            let rate = rate.map_or_else(|| Arc::new(Rate::new(pace)), Arc::clone);
            (id, Arc::new(Key { id, caller, scopes, expires_at, rate, digest }))
        });
        *known = Some(keys.collect());
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

async fn load(store: &PgPool) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query(
        "SELECT key_id, caller, secret_sha256, scopes, rate_per_second, rate_burst, expires_at FROM api_key
         WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())",
    )
    .fetch_all(store)
    .await?;
    rows.iter().map(key).collect()
}

fn key(row: &PgRow) -> Result<Row, StoreError> {
    let id: &str = row.try_get("key_id")?;
    let corrupt = |column: &str| StoreError::Corrupt(format!("{column} of api_key {id}"));
    let scopes: Vec<String> = row.try_get("scopes")?;
    // A scope that a later version knows allows nothing here, and does not take the key's others away.
    let scopes = Scopes::new(scopes.iter().filter_map(|scope| scope.parse().ok()));
    let expires_at: Option<DateTime<Utc>> = row.try_get("expires_at")?;
    let number = |column: &str| -> Result<Option<NonZeroU32>, StoreError> {
        let number: Option<i32> = row.try_get(column)?;
        Ok(number.and_then(|number| u32::try_from(number).ok()).and_then(NonZeroU32::new))
    };
    let pace = number("rate_per_second")?.zip(number("rate_burst")?);
    Ok(Row {
        id: id.parse().map_err(|_| corrupt("key_id"))?,
        caller: row.try_get::<&str, _>("caller")?.parse().map_err(|_| corrupt("caller"))?,
        scopes,
        pace: pace.map(|(per_second, burst)| Pace { per_second, burst }),
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

    fn row(byte: u8, expires_at: Option<Timestamp>) -> Row {
        let (id, digest) = (plain(byte).id(), plain(byte).digest());
        Row { id, caller: "crm".parse().expect("a name"), scopes: Scopes::default(), expires_at, pace: None, digest }
    }

    fn keys() -> Keys {
        Keys::new(Pace { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN })
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
        assert!(matches!(keys().find(&plain(1).reveal(), NOW), Found::NotKnownYet));
    }

    #[test]
    fn a_key_counts_until_it_expires_or_is_read_no_more() {
        let keys = keys();
        keys.replace(vec![row(1, None), row(2, Some(NOW)), row(3, Some(NOW.plus(Duration::from_secs(1))))]);
        assert_eq!([1, 2, 3, 4].map(|byte| finds(&keys, &plain(byte).reveal())), [true, false, true, false]);
        keys.replace(vec![row(3, None)]);
        assert_eq!([1, 3].map(|byte| finds(&keys, &plain(byte).reveal())), [false, true]);
    }

    #[test]
    fn what_is_no_key_finds_nothing_not_even_a_key_of_zeros() {
        let keys = keys();
        let zeros = PlainKey::new([0; 8], [9; 32]);
        keys.replace(vec![Row { id: zeros.id(), digest: zeros.digest(), ..row(0, None) }]);
        let swapped = PlainKey::new([0; 8], [8; 32]).reveal();
        for text in ["", "dbk_", "dbk_00_00", swapped.as_str(), &plain(0).reveal()] {
            assert!(!finds(&keys, text), "{text}");
        }
        assert!(finds(&keys, &zeros.reveal()));
    }

    #[test]
    fn what_a_key_has_used_up_stays_used_up_when_the_keys_are_read_again() {
        let keys = keys();
        let waits = || match keys.find(&plain(1).reveal(), NOW) {
            Found::Key(key) => key.rate.ask().retry_after().is_some(),
            Found::Nothing | Found::NotKnownYet => panic!("it is known"),
        };
        keys.replace(vec![row(1, None)]);
        assert_eq!([waits(), waits()], [false, true]);
        keys.replace(vec![row(1, None)]);
        assert!(waits());
        let faster = Pace { per_second: NonZeroU32::MIN, burst: NonZeroU32::MAX };
        keys.replace(vec![Row { pace: Some(faster), ..row(1, None) }]);
        assert!(!waits());
    }
}
