//! Access tokens of an account: asked for with a signed assertion (RFC 7523) or its own secret (RFC 6749 §4.4), kept until
//! shortly before they end; and those that a refresh token brings (§6), which changes each time and is kept in the store ([`Vault`]).

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_access::{Account, Credential, Granted, Rotating, grant};
use daybook_domain::Timestamp;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::clock;
use crate::http::whole;

/// An answer with a token is some kilobytes.
const BODY_MAX: usize = 64 * 1_024;
/// How long before its end a token is not used any more: calls take their time, and clocks differ.
const MARGIN: Duration = Duration::from_secs(120);

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoToken {
    /// Nobody answers, or not now.
    Away,
    /// The account does not count.
    Refused,
}

/// The token that is valid now, if there is one. One task at a time asks for a new one, and the others wait for it.
#[derive(Debug, Default)]
pub struct Token(Mutex<Option<Kept>>);

#[derive(Debug)]
struct Kept {
    token: SecretString,
    until: Timestamp,
    /// Whose it is: settings may be read again.
    of: Arc<Credential>,
}

impl Token {
    /// The token of an account, which is what `of` says.
    pub async fn of(&self, client: &Client, of: &Arc<Credential>, account: &Account) -> Result<SecretString, NoToken> {
        let mut held = self.0.lock().await;
        let now = clock::now();
        if let Some(kept) = held.as_ref()
            && now.plus(MARGIN) < kept.until
            && Arc::ptr_eq(&kept.of, of)
        {
            return Ok(kept.token.clone());
        }
        *held = None;
        let (token, until) = ask(client, account, now).await?;
        *held = Some(Kept { token: token.clone(), until, of: Arc::clone(of) });
        Ok(token)
    }

    /// Until when the one counts that was granted last.
    pub async fn until(&self) -> Option<Timestamp> {
        self.0.lock().await.as_ref().map(|kept| kept.until)
    }

    /// It is not valid after all.
    pub async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

async fn ask(client: &Client, account: &Account, now: Timestamp) -> Result<(SecretString, Timestamp), NoToken> {
    let form = account.form(now).ok_or(NoToken::Refused)?;
    let Granted { access, lives, .. } = post(client, account.token_url(), form).await?;
    Ok((SecretString::from(access), now.plus(lives)))
}

async fn post(client: &Client, url: &str, form: String) -> Result<Granted, NoToken> {
    let request = client.post(url).header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(form).send().await.map_err(|_| NoToken::Away)?;
    match response.status().as_u16() {
        200..=299 => {}
        400..=403 => return Err(NoToken::Refused),
        _ => return Err(NoToken::Away),
    }
    let body = whole(response, BODY_MAX).await.ok_or(NoToken::Away)?;
    grant::read(&body).ok_or(NoToken::Away)
}

/// The tokens of an account whose refresh token changes each time that it is used. They lie in the store, sealed, because the one
/// before counts no more: of all processes one asks at a time, holding the account's row, and the others use what it got.
#[derive(Debug)]
pub struct Vault {
    pool: PgPool,
    account: String,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Whose they are: settings may be read again.
    of: Option<Arc<Credential>>,
    access: Option<(SecretString, Timestamp)>,
    /// Granted, and not in the store yet: without it nobody could ask again.
    unsaved: Option<Granted>,
}

impl Held {
    /// Of another credential, what is held is nothing; but what a consent was granted stays where it is the same consent.
    fn become_of(&mut self, of: &Arc<Credential>, rotating: &Rotating) {
        let known = self.of.replace(Arc::clone(of));
        if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, of)) {
            return;
        }
        self.access = None;
        if !matches!(known.as_deref(), Some(Credential::Rotating(known)) if digest(known) == digest(rotating)) {
            self.unsaved = None;
        }
    }
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    first_digest: Vec<u8>,
    refresh: Option<Vec<u8>>,
    access: Option<Vec<u8>>,
    access_until: DateTime<Utc>,
}

impl Vault {
    /// Of an account.
    pub fn new(pool: PgPool, account: &str) -> Self {
        Self { pool, account: account.to_owned(), held: Mutex::default() }
    }

    /// The token that is valid now, if there is one, of the consent that `of` says.
    pub async fn token(
        &self,
        client: &Client,
        of: &Arc<Credential>,
        rotating: &Rotating,
    ) -> Result<SecretString, NoToken> {
        let mut held = self.held.lock().await;
        let now = clock::now();
        held.become_of(of, rotating);
        if let Some((token, until)) = held.access.as_ref()
            && held.unsaved.is_none()
            && now.plus(MARGIN) < *until
        {
            return Ok(token.clone());
        }
        let away = |error: sqlx::Error| {
            tracing::warn!(%error, account = self.account, "the tokens of an account are out of reach");
            NoToken::Away
        };
        let mut transaction = self.pool.begin().await.map_err(away)?;
        let row = self.lock(&mut transaction).await.map_err(away)?;
        if let Some(granted) = held.unsaved.clone() {
            self.save(&mut transaction, rotating, &granted, now).await.map_err(away)?;
            transaction.commit().await.map_err(away)?;
            held.unsaved = None;
            let token = SecretString::from(granted.access);
            held.access = Some((token.clone(), now.plus(granted.lives)));
            return Ok(token);
        }
        // Somebody gave another consent: what came of the one before is nothing any more.
        let ours = row.first_digest == digest(rotating);
        let until = Timestamp::try_from(row.access_until).unwrap_or(Timestamp::EPOCH);
        let access = row.access.filter(|_| ours && now.plus(MARGIN) < until);
        if let Some(access) = access.and_then(|sealed| rotating.key.open(&self.account, &sealed))
            && held.access.as_ref().is_none_or(|(known, _)| known.expose_secret() != access.expose_secret())
        {
            held.access = Some((access.clone(), until));
            return Ok(access);
        }
        let refresh = match row.refresh.filter(|_| ours) {
            Some(sealed) => rotating.key.open(&self.account, &sealed).ok_or_else(|| {
                tracing::error!(
                    account = self.account,
                    "the account's refresh token was sealed with another key; give that key, or a new refresh token"
                );
                NoToken::Refused
            })?,
            None => rotating.first.clone(),
        };
        let form = grant::refresh_form(&rotating.id, rotating.secret.expose_secret(), refresh.expose_secret());
        let granted = post(client, &rotating.url, form).await?;
        held.unsaved = Some(granted.clone());
        self.save(&mut transaction, rotating, &granted, now).await.map_err(away)?;
        transaction.commit().await.map_err(away)?;
        held.unsaved = None;
        tracing::info!(account = self.account, seconds = granted.lives.as_secs(), "the account's token was refreshed");
        let token = SecretString::from(granted.access);
        held.access = Some((token.clone(), now.plus(granted.lives)));
        Ok(token)
    }

    /// Until when the one counts that was granted last.
    pub async fn until(&self) -> Option<Timestamp> {
        self.held.lock().await.access.as_ref().map(|(_, until)| *until)
    }

    /// The token does not count after all: the next one who asks gets another.
    pub async fn forget(&self) {
        if let Some((_, until)) = self.held.lock().await.access.as_mut() {
            *until = Timestamp::EPOCH;
        }
    }

    async fn lock(&self, connection: &mut PgConnection) -> Result<TokenRow, sqlx::Error> {
        sqlx::query("INSERT INTO account_token (account) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(&self.account)
            .execute(&mut *connection)
            .await?;
        sqlx::query_as(
            "SELECT first_digest, refresh, access, access_until FROM account_token WHERE account = $1 FOR UPDATE",
        )
        .bind(&self.account)
        .fetch_one(connection)
        .await
    }

    async fn save(
        &self,
        connection: &mut PgConnection,
        rotating: &Rotating,
        granted: &Granted,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let seal = |secret: &str| rotating.key.seal(&self.account, secret, rand::random());
        // Whoever does not rotate it lets it be used again.
        sqlx::query(
            "UPDATE account_token SET first_digest = $2, access = $4, access_until = $5, changed_at = now(),
                refresh = CASE WHEN $3::bytea IS NULL AND first_digest <> $2 THEN NULL ELSE coalesce($3, refresh) END
             WHERE account = $1",
        )
        .bind(&self.account)
        .bind(digest(rotating))
        .bind(granted.refresh.as_deref().map(seal))
        .bind(seal(&granted.access))
        .bind(DateTime::<Utc>::from(now.plus(granted.lives)))
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Of the refresh token in the settings: whether it is another one, and nothing else.
fn digest(rotating: &Rotating) -> Vec<u8> {
    /// Drawn once.
    const SPACE: Uuid = Uuid::from_u128(0x6a41_b0c3_95fe_5d27_8e10_74ac_d2f9_3b58);
    Uuid::new_v5(&SPACE, rotating.first.expose_secret().as_bytes()).as_bytes().to_vec()
}
