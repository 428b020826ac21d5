//! Secrets that are rotated while everything runs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use daybook_runtime::clock;
use daybook_stack::{Part, Service};
use daybook_tests::calcom::SiteBooking;
use daybook_tests::people::Person;
use daybook_tests::resources::Resource;
use daybook_tests::sender::{Sender, Webhook};
use daybook_tests::wait::{not_yet, wait_until};

use crate::instance::{Instance, SOON, shared};

const HOUR: Duration = Duration::from_secs(60 * 60);
const NEW: &str = "another-secret-of-the-site";

/// As whoever mounts secrets does it: nobody ever sees half of it.
fn put(file: &Path, text: &str) -> Result<()> {
    let half = file.with_extension("half");
    fs::write(&half, text)?;
    Ok(fs::rename(half, file)?)
}

async fn refused(it: &Instance) -> Result<bool> {
    let metrics = it.world.metrics().await;
    let (_, text) = metrics.into_iter().find(|(name, _)| *name == "ingest").context("ingest")?;
    let text = text?;
    let value = text.lines().find_map(|line| line.strip_prefix("daybook_settings_refused "));
    Ok(value.context("no such metric")? == "1")
}

#[test]
fn a_secret_that_is_rotated_counts_without_a_restart_and_one_that_does_not_read_changes_nothing() -> Result<()> {
    shared(async |it| {
        let resource = Resource::unseen(it.name("rotation"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let (now, ends) = (clock::now(), &it.world.endpoints);
        let (start, end) = (now.plus(HOUR * 24), now.plus(HOUR * 25));
        let booking = SiteBooking::new(&resource.host, Person::invent(), start, end, now);
        // The same one each time: it is one event, whoever has signed it.
        let webhook = Webhook::site(&booking.delivery("BOOKING_CREATED"));
        let (old, url) = (&ends.site_secret, &ends.ingest_url);
        let after = Sender::new(&it.world.http, url, &ends.calendly_secret, &ends.generic_secret, NEW)?;
        let file = it.stack.layout().secrets(Part::from(Service::Ingest)).join("DAYBOOK__SOURCES__SITE__SECRETS");
        let first = fs::read_to_string(&file)?;
        let answers = async |expected: (u16, u16), broken: bool| {
            wait_until("the secrets to be read again", SOON, async || {
                let statuses = (it.world.sender.send(&webhook).await?.status, after.send(&webhook).await?.status);
                let refused = refused(it).await?;
                not_yet(statuses == expected && refused == broken, || format!("{statuses:?}, refused: {refused}"))
            })
            .await
        };
        answers((200, 401), false).await?;
        put(&file, &format!("[\"{NEW}\", \"{old}\"]"))?;
        answers((200, 200), false).await.context("with both")?;
        put(&file, "[\"short\"]")?;
        answers((200, 200), true).await.context("with one that does not read")?;
        put(&file, &first)?;
        answers((200, 401), false).await.context("with the first one again")
    })
}
