//! `daybook compensations close`: a person says that one is settled, and why.

use daybook_domain::{BookingId, ResourceId};
use daybook_runtime::clock;
use sqlx::PgPool;

use super::promised;
use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::Out;
use crate::person;
use crate::store::{self, CompensationRow};
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Close {
    /// Whose time was promised.
    resource: ResourceId,
    /// The booking's id, as the list shows it.
    booking_id: BookingId,
    /// How it was settled, for whoever asks later. No names or addresses of customers: it is kept.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who settled it; the operating system's user without this.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// What its source calls it, where several of one booking are open.
    #[arg(long, value_name = "ID")]
    source_id: Option<String>,
}

/// Closes it.
pub async fn close(args: &Close, config: &Config, out: &Out) -> Result<(), Failure> {
    let reason = person::sound("--reason", &args.reason)?;
    let by = person::who(args.by.as_deref())?;
    let pool = connect::store(config)?;
    let rows = of(args, &pool).await?;
    let row = pick(args, &rows)?;
    let closed = store::close_compensation(&pool, row, &by, reason).await;
    let closed = closed.map_err(|error| Role::Ingest.explain("close the compensation", &error))?;
    if !closed {
        // Somebody, or its source, was faster.
        return Err(
            pick(args, &of(args, &pool).await?).map_or_else(|failure| failure, |_| Failure::plain("it is open again"))
        );
    }
    let age = text::span(clock::now().since(row.opened_at));
    out.line(format_args!("closed by {by} after {age}: {}, {} of {}", row.resource, promised(row), row.source))
}

async fn of(args: &Close, pool: &PgPool) -> Result<Vec<CompensationRow>, Failure> {
    let rows = store::compensations_of(pool, args.booking_id).await;
    let mut rows = rows.map_err(|error| Role::Ingest.explain("read the compensation", &error))?;
    rows.retain(|row| row.resource == args.resource.as_str());
    rows.retain(|row| args.source_id.as_ref().is_none_or(|id| *id == row.source_booking_id));
    Ok(rows)
}

/// The one that is meant: the open one.
fn pick<'a>(args: &Close, rows: &'a [CompensationRow]) -> Result<&'a CompensationRow, Failure> {
    let Close { resource, booking_id, .. } = args;
    let open: Vec<&CompensationRow> = rows.iter().filter(|row| row.closed_at.is_none()).collect();
    match (open.as_slice(), rows.last()) {
        ([row], _) => Ok(row),
        ([], None) => Err(Failure::plain(format!("there is no compensation of booking {booking_id} on {resource}"))
            .next("daybook compensations lists those that are open, each with both")),
        ([], Some(row)) => {
            let at = row.closed_at.map_or_else(String::new, |at| format!(" at {}", text::moment(at)));
            let by = row.closed_by.as_deref().unwrap_or("somebody");
            let reason = row.close_reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
            Err(Failure::plain(format!("it is closed already{at} by {by}{reason}")).next("nothing was changed"))
        }
        (several, _) => {
            let list = several.iter().map(|row| format!("\n    {}  {}", row.source_booking_id, promised(row)));
            let list: String = list.collect();
            Err(Failure::plain(format!("{} of this booking are open", several.len()))
                .next(format!("say which with --source-id:{list}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compensations::samples;

    fn args() -> Close {
        Close {
            resource: "anna".parse().expect("a name"),
            booking_id: samples::open().booking_id,
            reason: "settled".to_owned(),
            by: None,
            source_id: None,
        }
    }

    fn problem(rows: &[CompensationRow]) -> String {
        pick(&args(), rows).map_or_else(|failure| failure.to_string(), |_| "picked".to_owned())
    }

    #[test]
    fn the_open_one_is_meant_and_what_is_closed_or_unknown_is_refused_in_words() {
        assert_eq!(problem(&[samples::open()]), "picked");
        assert_eq!(problem(&[samples::closed(), samples::open()]), "picked");
        assert!(problem(&[]).starts_with("there is no compensation of booking"));
        assert_eq!(
            problem(&[samples::closed()]),
            "it is closed already at 2026-03-01 09:00:00 UTC by eve: moved to Thursday by phone\n  nothing was changed"
        );
    }

    #[test]
    fn of_several_one_has_to_be_named() {
        let other = CompensationRow { source_booking_id: "4712".to_owned(), ..samples::open() };
        let said = problem(&[samples::open(), other]);
        assert!(said.contains("2 of this booking are open") && said.contains("4712"), "{said}");
    }
}
