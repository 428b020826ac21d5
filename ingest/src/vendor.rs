//! One GET: within its time and its rate, no more of the answer than a state has, no redirects, because our credentials go
//! where the operator sent them. An error's text is not logged: it holds the address, and that an id.

use daybook_domain::Timestamp;
use daybook_format::Description;
use daybook_ingest_core::fetch::{Answer, address, judge, kept};
use daybook_runtime::http::whole;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::Client;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use secrecy::ExposeSecret;

use super::config::{Api, Credential};

/// The most of an answer that is read: what a record on Kafka takes with its headers.
const BODY_MAX: usize = 1_024 * 1_024;

/// A vendor's API.
#[derive(Debug)]
pub(super) struct Vendor {
    client: Client,
    base: Option<String>,
    credential: Credential,
    limiter: DefaultDirectRateLimiter,
}

impl Vendor {
    pub fn new(api: &Api) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(concat!("Daybook/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .timeout(api.timeout)
            .build()?;
        Ok(Self {
            client,
            base: api.base.clone(),
            credential: api.credential.clone(),
            limiter: RateLimiter::direct(Quota::per_second(api.requests_per_second)),
        })
    }

    /// Asks for the state of a booking. A connection that fails is an answer that does not come yet.
    pub async fn ask(&self, description: &Description, id: &str, now: Timestamp) -> (Answer, Vec<u8>) {
        let Some(fetch) = &description.fetch else { return (Answer::Never, Vec::new()) };
        self.limiter.until_ready().await;
        let request = self.client.get(address(fetch, self.base.as_deref(), id)).header("accept", "application/json");
        let request = match &self.credential {
            Credential::Basic(username, password) => request.basic_auth(username, Some(password.expose_secret())),
            Credential::Bearer(token) => request.bearer_auth(token.expose_secret()),
        };
        let Ok(response) = request.send().await else { return (Answer::Later(None), Vec::new()) };
        let status = response.status().as_u16();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let Some(body) = whole(response, BODY_MAX).await else { return (Answer::Later(None), Vec::new()) };
        match judge(description, id, status, wait.as_deref(), now, &body) {
            Answer::State => (Answer::State, kept(fetch, body)),
            other @ (Answer::Gone | Answer::Later(_) | Answer::Denied | Answer::Never) => (other, Vec::new()),
        }
    }
}
