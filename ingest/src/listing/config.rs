//! How what a vendor lists is read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use daybook_format::{List, calendly_list};
use daybook_ingest_core::fetch::{How, calendly};
use daybook_ingest_core::listing::question;
use daybook_ingest_core::poll::Job;

use crate::poll::PollConfig;
use crate::vendor::Api;

/// How often each job asks, if the settings do not say.
const EVERY: Duration = Duration::from_secs(5 * 60);

/// A source whose bookings are listed.
#[derive(Debug, Clone)]
pub struct Listings {
    /// How.
    pub list: Arc<List>,
    /// Whether a booking is listed under the name that it has here; of Calendly its event is, and each invitee is a booking.
    pub keyed: bool,
    /// Where its API is.
    pub base: String,
    /// What is said beside every question.
    pub headers: BTreeMap<String, String>,
    /// How that is asked.
    pub api: Api,
    /// How often, and how far.
    pub config: PollConfig,
}

impl Listings {
    /// From what is known of a source whose states are fetched; none if nothing of it is listed. `fault` hears of everything that is
    /// wrong.
    pub fn read(
        how: &How,
        api: &Api,
        written: Option<&PollConfig>,
        mut fault: impl FnMut(&str, &dyn fmt::Display),
    ) -> Option<Self> {
        let mut config = written.cloned().unwrap_or_default();
        config.interval = config.interval.or(Some(EVERY));
        let (list, base, headers) = match how {
            How::Calendly => (Arc::new(calendly_list()), calendly::BASE.to_owned(), BTreeMap::new()),
            How::Described(description) => match (&description.list, &description.fetch) {
                (Some(list), Some(fetch)) => (Arc::new(list.clone()), fetch.base.clone(), fetch.headers.clone()),
                (None, _) | (_, None) => {
                    if written.is_some() {
                        fault("poll", &"is of no use: this source has nothing that is listed");
                    }
                    return None;
                }
            },
        };
        config.judge(&mut fault);
        let needed = Job::ALL.into_iter().filter_map(|job| question(&list, job)).any(|it| it.needs_account());
        match (&api.account, needed && config.list) {
            (None, true) => fault("api.account", &"is missing; whose bookings are listed?"),
            (Some(_), false) if !needed => fault("api.account", &"is of no use: this source is asked in nobody's name"),
            (Some(_), _) | (None, false) => {}
        }
        let keyed = matches!(how, How::Described(_));
        let base = api.base.as_deref().map_or(base, |base| base.trim_end_matches('/').to_owned());
        config.list.then(|| Self { list, keyed, base, headers, api: api.clone(), config })
    }

    /// The jobs for which its vendor can be asked.
    pub fn jobs(&self) -> impl Iterator<Item = Job> {
        Job::ALL.into_iter().filter(|job| question(&self.list, *job).is_some())
    }

    /// How often a job asks.
    pub fn every(&self, job: Job) -> Duration {
        self.config.of(job)
    }
}
