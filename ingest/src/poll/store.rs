//! What is known of calendars, and who reads them: leases, budgets, and the outcome of a round in one transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{SourceName, Timestamp};
use daybook_ingest_core::ping::{News, Ping};
use daybook_ingest_core::poll::{Change, Channel, Known, Outcome};
use daybook_runtime::postgres::StoreError;
use futures::TryStreamExt as _;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::account::{self, interval};
use crate::dry_run::{self, Found, Subject};

/// Events that one statement writes.
const ROWS_AT_ONCE: usize = 2_000;
/// A fingerprint that is nothing's: of what may have been sent, and is not known to be.
const NOTHINGS: [u8; 32] = [0; 32];

type Result<T> = std::result::Result<T, StoreError>;

/// The store, as far as one source's calendars go.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    source: SourceName,
    /// How long a calendar is a round's without another call for it.
    lease: Duration,
    /// A turn at the vendor that is farther off is not taken.
    turn_max: Duration,
}

/// A turn at the vendor.
pub enum Turn {
    /// After so long.
    In(Duration),
    /// Too far off.
    Far,
    /// The calendar is another round's.
    Lost,
}

/// Who is to blame for a round that came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The vendor: none of its calendars is read for so long.
    Vendor(Duration),
    /// The vendor has answered.
    Calendar,
    /// Nobody there.
    Here,
}

/// A calendar that is due, and is ours. It is called by an address, so it has no `Debug`.
#[derive(sqlx::FromRow)]
pub struct Calendar {
    /// This round's.
    pub owner: Uuid,
    /// When it begins, by the store's clock and never earlier than one before: what it says is as of then.
    pub version_at: DateTime<Utc>,
    /// By its alias.
    pub calendar: String,
    /// Whose it was when it was read first.
    pub resource_id: String,
    /// Whose it is now; nobody's, if its alias is gone.
    pub resource_now: Option<String>,
    /// Where the feed of changes was left.
    pub cursor: Option<String>,
    /// When the last round began that counts.
    pub began_at: DateTime<Utc>,
    /// When everything was listed last.
    pub full_at: DateTime<Utc>,
    /// Rounds in a row that came to nothing.
    pub failures: i32,
    /// Its pseudonym, by which its channels are known.
    pub calendar_key: Uuid,
    /// Whether its vendor said, since it was read last, that something has changed.
    pub prompted: bool,
    /// Whether it is only to be said what a reading would find.
    pub dry: bool,
    /// Its channel, as the vendor calls it.
    pub channel: Option<String>,
    /// What the vendor wants to hear when that is closed.
    pub channel_resource: Option<String>,
    /// When it was opened.
    pub channel_from: DateTime<Utc>,
    /// Until when it lives.
    pub channel_until: DateTime<Utc>,
    /// When another one may be asked for.
    pub channel_next_at: DateTime<Utc>,
}

impl Calendar {
    /// Whether it is still the calendar of whom it was when it was read first.
    pub fn is_somebodys(&self) -> bool {
        self.resource_now.as_deref() == Some(self.resource_id.as_str())
    }
}

/// How the calendars of a source are, all together.
#[derive(Debug, sqlx::FromRow)]
pub struct Overview {
    /// How many there are.
    pub calendars: i64,
    /// How many could not be read when they were read last.
    pub failing: i64,
    /// Seconds since the calendar that has waited longest was read.
    pub oldest_seconds: f64,
    /// Events that are missing and held.
    pub missing: i64,
    /// Calendars without a channel that lives.
    pub without_channel: i64,
    /// Seconds until the first of those that live ends.
    pub channel_life_seconds: Option<f64>,
}

#[derive(sqlx::FromRow)]
struct EventRow {
    event: String,
    series: Option<String>,
    from_time: DateTime<Utc>,
    until_time: DateTime<Utc>,
    stamp: Option<DateTime<Utc>>,
    hash: Vec<u8>,
    missing_since: Option<DateTime<Utc>>,
}

impl Store {
    /// The calendars of a source.
    pub const fn new(pool: PgPool, source: SourceName, lease: Duration, turn_max: Duration) -> Self {
        Self { pool, source, lease, turn_max }
    }

    /// Every alias of the source is a calendar.
    pub async fn discover(&self) -> Result<()> {
        account::open(&self.pool, &self.source).await?;
        sqlx::query(
            "INSERT INTO polled_calendar (source, calendar, resource_id)
             SELECT source, alias, resource_id FROM resource_alias WHERE source = $1
             ON CONFLICT DO NOTHING",
        )
        .bind(self.source.as_str())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes calendars that are due, at most so many; none while the source is to be left alone, or is stopped by hand.
    pub async fn claim(&self, most: usize) -> Result<Vec<Calendar>> {
        let rows = sqlx::query_as(
            "WITH due AS (
                SELECT c.calendar, c.prompted_at >= c.claimed_at AS prompted, d.subject IS NOT NULL AS dry
                FROM polled_calendar c LEFT JOIN dry_run d
                    ON d.source = c.source AND d.kind = 'calendar' AND d.subject = c.calendar AND d.done_at IS NULL
                WHERE c.source = $1 AND (c.next_at <= now() OR d.subject IS NOT NULL) AND c.leased_until < now()
                    AND NOT EXISTS (SELECT FROM brake WHERE kind = 'source' AND name = $1)
                    AND NOT EXISTS (SELECT FROM polled_account a
                                    WHERE a.source = $1 AND a.free_at > now() + interval '2 seconds')
                ORDER BY c.next_at LIMIT $2 FOR UPDATE OF c SKIP LOCKED
             )
             UPDATE polled_calendar p SET owner = $3, leased_until = now() + $4,
                -- What was said before a dry run is still to be read.
                claimed_at = CASE WHEN due.dry THEN p.claimed_at ELSE now() END,
                version_at = greatest(now(), p.version_at + interval '1 microsecond')
             FROM due LEFT JOIN resource_alias a ON a.source = $1 AND a.alias = due.calendar
             WHERE p.source = $1 AND p.calendar = due.calendar
             RETURNING p.owner, p.version_at, p.calendar, p.resource_id, a.resource_id AS resource_now, p.cursor, p.began_at, p.full_at,
                p.failures, p.calendar_key, due.prompted, due.dry, p.channel, p.channel_resource, p.channel_from, p.channel_until,
                p.channel_next_at",
        )
        .bind(self.source.as_str())
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .bind(Uuid::from_u128(rand::random()))
        .bind(interval(self.lease))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Takes a turn at the vendor, and keeps the calendar.
    pub async fn turn(&self, calendar: &Calendar, every: Duration) -> Result<Turn> {
        let (mine, wait): (bool, Option<f64>) = sqlx::query_as(
            "WITH mine AS (
                UPDATE polled_calendar SET leased_until = now() + $4
                WHERE source = $1 AND calendar = $2 AND owner = $3 AND leased_until > now()
                RETURNING source
             )
             SELECT EXISTS (SELECT FROM mine), (SELECT take_turn(source, $5, $6) FROM mine)",
        )
        .bind(self.source.as_str())
        .bind(&calendar.calendar)
        .bind(calendar.owner)
        .bind(interval(self.lease))
        .bind(interval(every))
        .bind(interval(self.turn_max))
        .fetch_one(&self.pool)
        .await?;
        Ok(match (mine, wait) {
            (false, _) => Turn::Lost,
            (true, None) => Turn::Far,
            (true, Some(wait)) => Turn::In(Duration::from_secs_f64(wait.max(0.0))),
        })
    }

    /// Changes are about to be sent: from now on nobody takes what is known of them for what was sent on. False if the calendar
    /// is another round's.
    pub async fn intend(&self, calendar: &Calendar, changes: &[Change]) -> Result<bool> {
        if changes.is_empty() {
            return Ok(true);
        }
        let mut transaction = self.pool.begin().await?;
        let mine = sqlx::query(
            "SELECT FROM polled_calendar WHERE source = $1 AND calendar = $2 AND owner = $3 AND leased_until > now()
             FOR UPDATE",
        )
        .bind(self.source.as_str())
        .bind(&calendar.calendar)
        .bind(calendar.owner)
        .fetch_optional(&mut *transaction)
        .await?;
        if mine.is_none() {
            return Ok(false);
        }
        self.put(&mut transaction, &calendar.calendar, changes, false).await?;
        let ended = changes.iter().filter(|change| change.known.is_none()).map(|change| change.id.as_str());
        sqlx::query("UPDATE polled_event SET hash = $4 WHERE source = $1 AND calendar = $2 AND event = ANY($3)")
            .bind(self.source.as_str())
            .bind(&calendar.calendar)
            .bind(ended.collect::<Vec<_>>())
            .bind(&NOTHINGS[..])
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// What is known of a calendar's events.
    pub async fn known(&self, calendar: &str) -> Result<BTreeMap<String, Known>> {
        let mut rows = sqlx::query_as::<_, EventRow>(
            "SELECT event, series, from_time, until_time, stamp, hash, missing_since FROM polled_event
             WHERE source = $1 AND calendar = $2",
        )
        .bind(self.source.as_str())
        .bind(calendar)
        .fetch(&self.pool);
        let known = |row: EventRow| {
            let known = Known {
                series: row.series,
                from: time(row.from_time)?,
                until: time(row.until_time)?,
                stamp: row.stamp.map(time).transpose()?,
                hash: row
                    .hash
                    .try_into()
                    .map_err(|_| StoreError::Corrupt("a fingerprint of another length".to_owned()))?,
                missing_since: row.missing_since.map(time).transpose()?,
            };
            Ok::<_, StoreError>((row.event, known))
        };
        let mut all = BTreeMap::new();
        while let Some(row) = rows.try_next().await? {
            let (event, known) = known(row)?;
            all.insert(event, known);
        }
        Ok(all)
    }

    /// A round counts: what is known from now on. False if the calendar has become another's meanwhile, and nothing is written.
    pub async fn keep(
        &self,
        calendar: &Calendar,
        outcome: &Outcome,
        full_at: Timestamp,
        next_in: Duration,
    ) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        let Calendar { calendar, owner, version_at: began, .. } = calendar;
        let done = sqlx::query(
            "UPDATE polled_calendar SET cursor = $4, began_at = $5, failures = 0, setback = NULL,
                next_at = CASE WHEN prompted_at >= claimed_at THEN now() ELSE now() + $6 END,
                -- What was missed meanwhile is still to be listed.
                full_at = CASE WHEN prompted_at >= claimed_at AND full_at = 'epoch' THEN full_at ELSE $7 END,
                owner = NULL, leased_until = 'epoch'
             WHERE source = $1 AND calendar = $2 AND owner = $3 AND leased_until > now()",
        )
        .bind(self.source.as_str())
        .bind(calendar)
        .bind(owner)
        .bind(outcome.cursor.as_deref())
        .bind(began)
        .bind(interval(next_in))
        .bind(DateTime::<Utc>::from(full_at))
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        self.put(&mut transaction, calendar, &outcome.changes, true).await?;
        let gone = outcome.changes.iter().filter(|change| change.known.is_none()).map(|change| change.id.as_str());
        let gone: Vec<&str> = gone.chain(outcome.past.iter().map(String::as_str)).collect();
        sqlx::query("DELETE FROM polled_event WHERE source = $1 AND calendar = $2 AND event = ANY($3)")
            .bind(self.source.as_str())
            .bind(calendar)
            .bind(&gone)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "UPDATE polled_event SET missing_since = CASE WHEN event = ANY($3) THEN coalesce(missing_since, $5) END
             WHERE source = $1 AND calendar = $2 AND event = ANY($3 || $4)",
        )
        .bind(self.source.as_str())
        .bind(calendar)
        .bind(&outcome.missing)
        .bind(&outcome.found)
        .bind(began)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("UPDATE polled_account SET failures = 0 WHERE source = $1 AND failures > 0")
            .bind(self.source.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// What is known from now on; with a hash of nothing, before it was sent.
    async fn put(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        calendar: &str,
        changes: &[Change],
        sent: bool,
    ) -> Result<()> {
        let rows: Vec<(&str, &Known)> =
            changes.iter().filter_map(|change| Some((change.id.as_str(), change.known.as_ref()?))).collect();
        // Some at a time: a calendar may have very many.
        for rows in rows.chunks(ROWS_AT_ONCE) {
            self.put_some(transaction, calendar, rows, sent).await?;
        }
        Ok(())
    }

    async fn put_some(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        calendar: &str,
        rows: &[(&str, &Known)],
        sent: bool,
    ) -> Result<()> {
        let each = |of: fn(&Known) -> DateTime<Utc>| rows.iter().map(|(_, known)| of(known)).collect::<Vec<_>>();
        sqlx::query(
            "INSERT INTO polled_event AS e (source, calendar, event, series, from_time, until_time, stamp, hash)
             SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
                $7::timestamptz[], $8::bytea[])
             ON CONFLICT (source, calendar, event) DO UPDATE SET series = excluded.series,
                from_time = excluded.from_time, until_time = excluded.until_time, stamp = excluded.stamp,
                hash = excluded.hash, missing_since = NULL",
        )
        .bind(self.source.as_str())
        .bind(calendar)
        .bind(rows.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, known)| known.series.as_deref()).collect::<Vec<_>>())
        .bind(each(|known| known.from.into()))
        .bind(each(|known| known.until.into()))
        .bind(rows.iter().map(|(_, known)| known.stamp.map(DateTime::<Utc>::from)).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, known)| if sent { known.hash } else { NOTHINGS }.to_vec()).collect::<Vec<_>>())
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    /// A round came to nothing. How many in a row came to nothing by the vendor's doing, of all its calendars.
    pub async fn set_back(&self, calendar: &Calendar, word: &str, next_in: Duration, blame: Blame) -> Result<i32> {
        sqlx::query(
            "UPDATE polled_calendar SET failures = failures + 1, setback = $4, next_at = now() + $5, owner = NULL,
                leased_until = 'epoch'
             WHERE source = $1 AND calendar = $2 AND owner = $3",
        )
        .bind(self.source.as_str())
        .bind(&calendar.calendar)
        .bind(calendar.owner)
        .bind(word)
        .bind(interval(next_in))
        .execute(&self.pool)
        .await?;
        let (pause, blamed, answered) = match blame {
            Blame::Vendor(pause) => (pause, true, false),
            Blame::Calendar => (Duration::ZERO, false, true),
            Blame::Here => (Duration::ZERO, false, false),
        };
        let failures = sqlx::query_scalar(
            "UPDATE polled_account SET failures = CASE WHEN $3 THEN failures + 1 WHEN $4 THEN 0 ELSE failures END,
                free_at = greatest(free_at, now() + $2)
             WHERE source = $1 RETURNING failures",
        )
        .bind(self.source.as_str())
        .bind(interval(pause))
        .bind(blamed)
        .bind(answered)
        .fetch_one(&self.pool)
        .await?;
        Ok(failures)
    }

    /// A dry run is over, and the calendar is due when it was.
    pub async fn rehearsed(&self, calendar: &Calendar, result: std::result::Result<Found, &str>) -> Result<()> {
        dry_run::done(&self.pool, &self.source, Subject::Calendar(&calendar.calendar), result).await?;
        self.let_go(calendar).await
    }

    /// Lets go of a calendar of which nobody wanted but a dry run; it is due when it was, and fails as often as it did.
    pub async fn let_go(&self, calendar: &Calendar) -> Result<()> {
        sqlx::query(
            "UPDATE polled_calendar SET owner = NULL, leased_until = 'epoch'
             WHERE source = $1 AND calendar = $2 AND owner = $3",
        )
        .bind(self.source.as_str())
        .bind(&calendar.calendar)
        .bind(calendar.owner)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A calendar has a channel from now on; none, if it could not be opened, and is to be tried again after a while.
    pub async fn put_channel(&self, calendar: &Calendar, channel: Option<&Channel>, again_in: Duration) -> Result<()> {
        sqlx::query(
            "UPDATE polled_calendar SET channel = coalesce($4, channel),
                channel_resource = CASE WHEN $4 IS NULL THEN channel_resource ELSE $5 END,
                channel_from = CASE WHEN $4 IS NULL THEN channel_from ELSE now() END,
                channel_until = coalesce($6, channel_until), channel_next_at = now() + $7
             WHERE source = $1 AND calendar = $2 AND owner = $3",
        )
        .bind(self.source.as_str())
        .bind(&calendar.calendar)
        .bind(calendar.owner)
        .bind(channel.map(|channel| channel.id.as_str()))
        .bind(channel.and_then(|channel| channel.resource.as_deref()))
        .bind(channel.map(|channel| DateTime::<Utc>::from(channel.until)))
        .bind(interval(again_in))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// No calendar of the source is read for so long.
    pub async fn leave_alone(&self, pause: Duration) -> Result<()> {
        account::leave_alone(&self.pool, &self.source, pause).await
    }

    /// A calendar that is nobody's any more, or somebody else's, is forgotten; what it is now is discovered anew.
    pub async fn forget(&self, calendar: &Calendar) -> Result<()> {
        sqlx::query("DELETE FROM polled_calendar WHERE source = $1 AND calendar = $2 AND owner = $3")
            .bind(self.source.as_str())
            .bind(&calendar.calendar)
            .bind(calendar.owner)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Lets go of a calendar that nothing was done with; it is due again after so long.
    pub async fn release(&self, calendar: &Calendar, next_in: Duration) -> Result<()> {
        sqlx::query(
            "UPDATE polled_calendar SET owner = NULL, leased_until = 'epoch', next_at = now() + $4
             WHERE source = $1 AND calendar = $2 AND owner = $3",
        )
        .bind(self.source.as_str())
        .bind(&calendar.calendar)
        .bind(calendar.owner)
        .bind(interval(next_in))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How the calendars are.
    pub async fn overview(&self) -> Result<Overview> {
        let row = sqlx::query_as(
            "SELECT count(*) AS calendars, count(*) FILTER (WHERE failures > 0) AS failing,
                coalesce(max(extract(epoch FROM now() - greatest(began_at, added_at))), 0)::float8
                    AS oldest_seconds,
                (SELECT count(*) FROM polled_event e WHERE e.source = $1 AND e.missing_since IS NOT NULL) AS missing,
                count(*) FILTER (WHERE channel_until < now()) AS without_channel,
                min(extract(epoch FROM channel_until - now())) FILTER (WHERE channel_until >= now())::float8
                    AS channel_life_seconds
             FROM polled_calendar WHERE source = $1",
        )
        .bind(self.source.as_str())
        .fetch_one(&self.pool)
        .await?;
        Ok(row)
    }
}

/// Vendors say that something has changed in these calendars: they are read next. One that could not be read waits as it did.
pub async fn prompt(pool: &PgPool, source: &SourceName, pings: &[Ping]) -> Result<()> {
    let of = |news: &[News]| -> Vec<Uuid> {
        pings.iter().filter(|ping| news.contains(&ping.news)).map(|ping| ping.calendar).collect()
    };
    sqlx::query(
        "UPDATE polled_calendar SET prompted_at = now(),
            next_at = CASE WHEN failures = 0 THEN least(next_at, now()) ELSE next_at END,
            full_at = CASE WHEN calendar_key = ANY($3) THEN 'epoch' ELSE full_at END,
            channel_until = CASE WHEN calendar_key = ANY($4) THEN 'epoch' ELSE channel_until END,
            channel_next_at = CASE WHEN calendar_key = ANY($4) THEN 'epoch' ELSE channel_next_at END
         WHERE source = $1 AND calendar_key = ANY($2)",
    )
    .bind(source.as_str())
    .bind(of(&[News::Changed, News::Missed, News::Ended]))
    .bind(of(&[News::Missed, News::Ended]))
    .bind(of(&[News::Ended]))
    .execute(pool)
    .await?;
    Ok(())
}

fn time(time: DateTime<Utc>) -> Result<Timestamp> {
    Timestamp::try_from(time).map_err(|error| StoreError::Corrupt(error.to_string()))
}
