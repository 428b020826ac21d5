//! The faults of the harness's own proxy, against a real PostgreSQL: what is blamed on an arbiter must not be the proxy's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use anyhow::{Context, Result, ensure};
use daybook_stack::{Engine, Server, Stack, Until};
use daybook_tests::proxy::{Fault, Proxy};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use crate::instance::RUNTIME;

#[test]
fn each_fault_falls_at_its_moment_and_leaves_the_store_as_it_says() -> Result<()> {
    let stack = Stack::builder().instance("it-proxy").engine(Engine::Native).servers([Server::Postgres]).services([]);
    let stack = stack.until(Until::Servers).ephemeral().quiet(true).up()?;
    RUNTIME.block_on(async {
        let server: PgConnectOptions = stack.endpoints().postgres.superuser.parse()?;
        let address = format!("{}:{}", server.get_host(), server.get_port()).parse()?;
        let proxy = Proxy::start(address).await?;
        let mut direct = PgConnection::connect_with(&server).await?;
        sqlx::raw_sql("CREATE TABLE fence (n integer); INSERT INTO fence VALUES (0)").execute(&mut direct).await?;
        let through = server.clone().port(proxy.address().port());

        // What the deed saw in the store, from a connection of its own.
        let saw = Arc::new(AtomicI32::new(-1));
        let deed = || {
            let (saw, server) = (Arc::clone(&saw), server.clone());
            let look = move || {
                let found = RUNTIME.handle().block_on(async {
                    let mut direct = PgConnection::connect_with(&server).await?;
                    fence(&mut direct).await
                });
                saw.store(found.unwrap_or(-1), Ordering::SeqCst);
            };
            Box::new(look)
        };

        ensure!(raise(&through).await.is_ok() && fence(&mut direct).await? == 1, "without a fault");
        let sprung = proxy.arm(1, Fault::LoseCommit);
        ensure!(raise(&through).await.is_err() && sprung.is_so() && fence(&mut direct).await? == 1, "a lost COMMIT");
        let sprung = proxy.arm(1, Fault::LoseAnswer);
        ensure!(raise(&through).await.is_err() && sprung.is_so() && fence(&mut direct).await? == 2, "a lost answer");
        let sprung = proxy.arm(2, Fault::InTransaction(deed()));
        ensure!(raise(&through).await.is_ok() && !sprung.is_so(), "the first of two");
        ensure!(raise(&through).await.is_ok() && sprung.is_so(), "the second of two");
        ensure!(saw.load(Ordering::SeqCst) == 3, "inside the transaction, the store still has the value before");
        proxy.arm(1, Fault::AfterCommit(deed()));
        ensure!(raise(&through).await.is_ok(), "after the commit");
        ensure!(saw.load(Ordering::SeqCst) == 5, "after the commit, the store has the new value");
        let sprung = proxy.arm(1, Fault::CutAtCommit);
        ensure!(raise(&through).await.is_err() && sprung.is_so(), "a connection cut at COMMIT");
        ensure!((5..=6).contains(&fence(&mut direct).await?), "a COMMIT that may have come through");
        proxy.arm(1, Fault::Vanish);
        let silent = tokio::time::timeout(std::time::Duration::from_millis(500), raise(&through)).await;
        ensure!(silent.is_err(), "a connection that has vanished says nothing");
        Ok(())
    })
}

async fn fence(connection: &mut PgConnection) -> Result<i32> {
    sqlx::query_scalar("SELECT n FROM fence").fetch_one(connection).await.context("the fence")
}

/// One transaction such as the arbiter's.
async fn raise(options: &PgConnectOptions) -> Result<()> {
    let mut connection = PgConnection::connect_with(options).await?;
    let mut transaction = connection.begin().await?;
    sqlx::query("UPDATE fence SET n = n + 1").execute(&mut *transaction).await?;
    sqlx::query("UPDATE fence SET n = n + $1").bind(0).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}
