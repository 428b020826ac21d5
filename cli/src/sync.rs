//! `daybook sync`: calendars are read, and bookings listed, now and not when they are due.

use std::time::Duration;

use daybook_domain::{ResourceId, SourceName};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::Out;
use crate::store::{self, DryRunRow, Prompt, Prompted};
use crate::table;
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Sync {
    /// The source whose calendars are read, or whose bookings are listed.
    #[arg(value_name = "SOURCE")]
    source: SourceName,
    /// Only this resource's.
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<ResourceId>,
    /// List everything in the window, whatever the vendor's feed of changes says.
    #[arg(long)]
    full: bool,
    /// What is missing, too much at once to be believed gone, is gone: the next listing that lacks it too ends it. Somebody has
    /// looked. Lists everything.
    #[arg(long)]
    believe: bool,
    /// Only say what listing everything would find that is not known here: nothing is sent, and nothing remembered.
    #[arg(long, conflicts_with = "believe")]
    dry_run: bool,
    /// How long a dry run is waited for.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration, requires = "dry_run")]
    wait: Duration,
}

/// Asks for it; whoever runs ingest does it.
pub async fn run(args: &Sync, config: &Config, out: &Out) -> Result<(), Failure> {
    let pool = connect::store(config)?;
    if args.dry_run {
        return dry_run(args, &pool, out).await;
    }
    let prompt = Prompt {
        source: args.source.as_str(),
        resource: args.resource.as_ref().map(ResourceId::as_str),
        full: args.full || args.believe,
        believe: args.believe,
    };
    let prompted = store::prompt_calendars(&pool, &prompt).await;
    let Prompted { calendars, jobs, events } =
        prompted.map_err(|error| Role::Ingest.explain("ask for the calendars to be read", &error))?;
    if calendars + jobs == 0 {
        return Err(nothing(args));
    }
    if calendars > 0 {
        out.line(format_args!("{} will be read next", text::count(calendars, "calendar")))?;
    }
    if jobs > 0 {
        out.line(format_args!("{} will list bookings next", text::count(jobs, "job")))?;
    }
    if args.believe {
        out.line(format_args!("{} believed to be gone, if they are missing still", text::count(events, "event")))?;
    }
    out.line("daybook sources status says when they were")
}

/// How often it is looked whether a dry run is done.
const LOOK: Duration = Duration::from_millis(300);

fn nothing(args: &Sync) -> Failure {
    Failure::plain(format!("{} has no such calendars that are read, and no bookings that are listed", args.source))
        .next("daybook sources status lists those that are; a new alias becomes one within ten seconds")
}

/// Whoever runs ingest asks the vendor, within the budget; what it finds is waited for.
async fn dry_run(args: &Sync, pool: &PgPool, out: &Out) -> Result<(), Failure> {
    let (source, resource) = (args.source.as_str(), args.resource.as_ref().map(ResourceId::as_str));
    let explain = |error| Role::Ingest.explain("ask for a dry run", &error);
    store::ask_dry_runs(pool, source, resource).await.map_err(explain)?;
    let began = Instant::now();
    let rows = loop {
        let rows = store::dry_runs(pool, source, resource).await.map_err(explain)?;
        if rows.iter().all(|row| row.done) || began.elapsed() >= args.wait {
            break rows;
        }
        sleep(LOOK).await;
    };
    if rows.is_empty() {
        return Err(nothing(args));
    }
    out.text(page(&rows))?;
    let (open, failed) =
        (rows.iter().filter(|row| !row.done).count(), rows.iter().filter(|row| row.setback.is_some()).count());
    if open > 0 {
        return Err(Failure::plain(format!("{} of {} are not done", open, rows.len()))
            .next("is ingest running, and is the source paused? daybook status says both; a large calendar needs a longer --wait"));
    }
    if failed > 0 {
        return Err(Failure::plain(format!("{} of {} came to nothing", failed, rows.len())));
    }
    out.line("nothing was sent, and nothing is remembered; daybook sync --full does it")
}

fn page(rows: &[DryRunRow]) -> String {
    let line = |row: &DryRunRow| {
        let what = match (&row.resource, &row.job) {
            (Some(resource), _) => resource.clone(),
            (None, Some(job)) => format!("({job})"),
            (None, None) => "-".to_owned(),
        };
        let state = match (row.done, row.setback.as_deref()) {
            (false, _) => "not done",
            (true, None) => "done",
            (true, Some("later")) => "the vendor does not answer, or not as it should",
            (true, Some("denied")) => "the vendor turns our credentials away",
            (true, Some(_)) => "the vendor does not show it to our account",
        };
        let count = |count: i32| if row.done && row.setback.is_none() { count.to_string() } else { "-".to_owned() };
        vec![what, count(row.new), count(row.changed), count(row.gone), count(row.missing), state.to_owned()]
    };
    table::draw(&["what", "new", "changed", "gone", "held", "state"], &rows.iter().map(line).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_dry_run_says_of_each_what_it_would_find_or_why_nobody_knows() {
        let row = |resource: &str| DryRunRow {
            resource: Some(resource.to_owned()),
            job: None,
            done: true,
            setback: None,
            new: 12,
            changed: 1,
            gone: 0,
            missing: 40,
        };
        let job = DryRunRow { resource: None, job: Some("update".to_owned()), missing: 0, ..row("") };
        let open = DryRunRow { done: false, ..row("bert") };
        let denied = DryRunRow { setback: Some("denied".to_owned()), ..row("carl") };
        expect![[r#"
            WHAT      NEW  CHANGED  GONE  HELD  STATE
            (update)  12   1        0     0     done
            anna      12   1        0     40    done
            bert      -    -        -     -     not done
            carl      -    -        -     -     the vendor turns our credentials away
        "#]]
        .assert_eq(&page(&[job, row("anna"), open, denied]));
    }
}
