//! The exclusion constraint, the last line of defence, fires.

use anyhow::{Context, Result, ensure};
use daybook_domain::{Operation, Rules};
use daybook_tests::requests::{Asker, Visit, define, minutes};
use daybook_tests::seed::unique_word;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::arbiters::arbiters;

const FIRED: &str = "daybook_arbiter_constraint_fired_total";

#[test]
fn a_row_planted_where_the_core_sees_free_time_is_met_loudly_refused_by_the_store_and_replayed_all_the_same()
-> Result<()> {
    arbiters(async |it| {
        let word = unique_word();
        let resource = format!("rogue-{word}").parse()?;
        let asker = Asker::new(&it.world).await?;
        let visit = |id: &str| Visit::new(&resource, format!("{word}-{id}"));
        let book = |id: &str, from| {
            let visit = visit(id);
            visit.asks(format!("{}-book", visit.id), Operation::Book(visit.claim(1, minutes(from, 60))))
        };
        let rules = define(&resource, format!("{word}-rules"), Rules::new("Europe/Berlin".to_owned()));
        it.ask(&asker, &[rules, book("one", 0)]).await?;
        let (fired, logged) = (it.counted(FIRED).await?, said(it)?);

        // On the same resource by its number, which is what the constraint sees, and on none by its name, which is what the
        // core is told.
        let mut superuser = PgConnection::connect(&it.world.endpoints.postgres.superuser).await?;
        plant(&mut superuser, resource_of(&visit("one")), &word).await?;

        it.ask(&asker, &[book("two", 24 * 60 + 30), book("three", 48 * 60)]).await?;
        let outcomes = outcomes(it, &visit("one")).await?;
        let is = |id: &str, outcome: &str, reason: Option<&str>| {
            let booking = visit(id).booking_id().uuid();
            let found = outcomes.iter().find(|(id, _, _)| *id == Some(booking));
            ensure!(
                found.is_some_and(|(_, is, why)| is == outcome && why.as_deref() == reason),
                "{id} is {found:?} and not {outcome} {reason:?}"
            );
            Ok(())
        };
        is("two", "rejected", Some("conflict_by_store"))?;
        is("three", "confirmed", None)?;
        let now = it.counted(FIRED).await?;
        ensure!(now > fired, "{FIRED} stands at {now}, and stood at {fired}");
        ensure!(said(it)? > logged, "nobody said in the log that the store and the core disagree");

        // With the row gone, the time is free for whoever asks next.
        remove(&mut superuser, &word).await?;
        it.ask(&asker, &[book("four", 24 * 60)]).await?;
        let outcomes = self::outcomes(it, &visit("one")).await?;
        let four = outcomes.iter().find(|(id, _, _)| *id == Some(visit("four").booking_id().uuid()));
        ensure!(four.is_some_and(|(_, outcome, _)| outcome == "confirmed"), "{four:?}");

        let (_, summary) = it.judge().await?;
        ensure!(summary.of_outcome("rejected(conflict_by_store)") > 0, "{summary:?}");
        Ok(())
    })
}

fn resource_of(visit: &Visit) -> &str {
    visit.resource.as_str()
}

/// How often an error said that the constraint fired.
fn said(it: &crate::arbiters::Arbiters) -> Result<usize> {
    it.logged("the store refused what the core had granted")
}

/// A copy of the resource's booking, a day later, as nobody's.
async fn plant(superuser: &mut PgConnection, resource: &str, word: &str) -> Result<()> {
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT column_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = 'booking' AND is_generated = 'NEVER' ORDER BY ordinal_position",
    )
    .fetch_all(&mut *superuser)
    .await?;
    let value = |column: &String| match column.as_str() {
        "booking_id" => "gen_random_uuid()".to_owned(),
        "resource_id" => format!("'planted-{word}'"),
        "source_keys" => "ARRAY[gen_random_uuid()]".to_owned(),
        "start_time" | "end_time" => format!("{column} + interval '1 day'"),
        _ => column.clone(),
    };
    let (names, values) = (columns.join(", "), columns.iter().map(value).collect::<Vec<_>>().join(", "));
    let planted = sqlx::raw_sql(AssertSqlSafe(format!(
        "SET session_replication_role = replica;
         INSERT INTO booking ({names}) SELECT {values} FROM booking WHERE resource_id = '{resource}';
         SET session_replication_role = origin"
    )))
    .execute(superuser)
    .await
    .context("planting a row")?;
    ensure!(planted.rows_affected() == 1, "{} rows were planted", planted.rows_affected());
    Ok(())
}

async fn remove(superuser: &mut PgConnection, word: &str) -> Result<()> {
    let sql = format!("DELETE FROM booking WHERE resource_id = 'planted-{word}'");
    let removed = sqlx::query(AssertSqlSafe(sql)).execute(superuser).await?;
    ensure!(removed.rows_affected() == 1, "{} rows were removed", removed.rows_affected());
    Ok(())
}

type Decided = (Option<uuid::Uuid>, String, Option<String>);

async fn outcomes(it: &crate::arbiters::Arbiters, visit: &Visit) -> Result<Vec<Decided>> {
    let rows = it.world.store.decisions_about(resource_of(visit)).await?;
    Ok(rows.into_iter().map(|row| (row.booking_id, row.outcome, row.reason)).collect())
}
