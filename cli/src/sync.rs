//! `daybook sync`: calendars are read, and bookings listed, now and not when they are due.

use daybook_domain::{ResourceId, SourceName};

use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::Out;
use crate::store::{self, Prompt, Prompted};
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
}

/// Asks for it; whoever runs ingest does it.
pub async fn run(args: &Sync, config: &Config, out: &Out) -> Result<(), Failure> {
    let pool = connect::store(config)?;
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
        return Err(Failure::plain(format!(
            "{} has no such calendars that are read, and no bookings that are listed",
            args.source
        ))
        .next("daybook sources status lists those that are; a new alias becomes one within ten seconds"));
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
