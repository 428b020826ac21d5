//! `daybook dlq discard`: nothing is to be done about it, and who says so.

use super::{Chosen, chosen};
use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::Out;
use crate::person::{sound, who};
use crate::store;
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Discard {
    #[command(flatten)]
    chosen: Chosen,
    /// Why nothing is to be done, for whoever asks later.
    #[arg(long, value_name = "TEXT")]
    because: String,
    /// Who says so; without this, the user of this machine.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Discards the letters.
pub async fn discard(args: &Discard, config: &Config, out: &Out) -> Result<(), Failure> {
    let (because, by) = (sound("--because", &args.because)?, who(args.by.as_deref())?);
    let letters = chosen(&args.chosen, config).await?;
    if letters.is_empty() {
        return out.line("no such dead letters");
    }
    let pool = connect::store(config)?;
    for letter in &letters {
        let place = letter.place();
        let line = format!("{} {}", letter.queue.as_str(), letter.id());
        if args.dry_run {
            out.line(format_args!("{line}  would be discarded: {}", letter.reason()))?;
            continue;
        }
        let what = match letter.delivery() {
            Some(failure) => {
                let of = (failure.booking_id, failure.target.as_str(), failure.desired_version);
                let rested = store::discard_delivery(&pool, &place, of, &by, because).await;
                let rested = rested.map_err(|error| Role::Propagator.explain("discard a delivery", &error))?;
                if rested {
                    "discarded; its target keeps what it shows"
                } else {
                    "discarded; a newer version has overtaken it"
                }
            }
            None => {
                let put = store::put_discarded(&pool, &place, &by, because).await;
                put.map_err(|error| letter.queue.role().explain("discard a letter", &error))?;
                "discarded"
            }
        };
        out.line(format_args!("{line}  {what}"))?;
    }
    let verb = if args.dry_run { "would be discarded" } else { "discarded" };
    out.line(format_args!("\n{} {verb}", text::count(letters.len(), "letter")))
}
