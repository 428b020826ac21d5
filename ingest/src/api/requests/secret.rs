//! The secret that all processes of ingest share: drawn by the store when it was made, and read once.

use daybook_ingest_core::CallSecret;
use daybook_runtime::postgres::StoreError;
use sqlx::PgPool;
use tokio::sync::OnceCell;

/// The secret, once it was read.
#[derive(Debug, Default)]
pub struct Secret(OnceCell<CallSecret>);

impl Secret {
    /// The secret. It never changes, so a store that has answered once is not needed for it again.
    pub async fn get(&self, store: &PgPool) -> Result<&CallSecret, StoreError> {
        self.0.get_or_try_init(|| read(store)).await
    }
}

async fn read(store: &PgPool) -> Result<CallSecret, StoreError> {
    let bytes: Vec<u8> =
        sqlx::query_scalar("SELECT secret FROM api_secret WHERE name = 'calls'").fetch_one(store).await?;
    CallSecret::new(&bytes).ok_or_else(|| StoreError::Corrupt("api_secret.secret".to_owned()))
}
