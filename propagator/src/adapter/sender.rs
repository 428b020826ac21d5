//! One HTTP request: where it goes, how long it may take, how much of the answer is read.
//!
//! Owns: that no request is begun after its deadline, which is what keeps a worker that was frozen from speaking after
//! its successor; and the difference between "cannot have arrived" and "may have arrived". No redirects, because a
//! signed body goes where the operator sent it; no proxy, because it would see past the guard. An error's text is not
//! logged: it holds the address.

use std::time::Duration;

use daybook_propagator_core::{Answer, Call, Method, Reply, RetryAfter};
use daybook_runtime::guard::Guard;
use daybook_runtime::http::whole;
use daybook_runtime::prometheus::Histogram;
use daybook_runtime::reread::Held;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::header::{ETAG, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use tokio::time::Instant;
use url::Url;

use crate::target::Target;

/// The most of an answer's body that is read.
const BODY_MAX: usize = 1_024 * 1_024;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// Why there is no client: the process's TLS provider is missing, or the system's authorities cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot build an HTTP client")]
pub(crate) struct SenderError(#[source] reqwest::Error);

/// Why an address cannot be used. It is somebody's to mend in the resource's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the resource's address at the target is no plain path")]
pub(crate) struct AddressError;

/// A client of one target.
#[derive(Debug)]
pub(crate) struct Sender {
    client: Client,
    base: Held<Url>,
    timeout: Duration,
    limiter: DefaultDirectRateLimiter,
    durations: Histogram,
}

/// What is added to every request of one attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope<'a> {
    pub deadline: Instant,
    pub traceparent: Option<&'a str>,
    pub identity: Identity<'a>,
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Identity<'a> {
    /// Nobody; or whoever has signed the body.
    Nobody,
    /// RFC 7617.
    Basic(&'a str, &'a str),
    /// RFC 6750.
    Bearer(&'a str),
}

impl Sender {
    pub fn new(target: &Target, guard: Option<Guard>, durations: Histogram) -> Result<Self, SenderError> {
        let mut builder = Client::builder()
            .user_agent(concat!("Daybook/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT.min(target.timeout))
            .timeout(target.timeout)
            // Shorter than what servers and balancers in between keep idle connections for, so that a request is seldom
            // sent into one that is just being closed.
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(target.concurrency);
        if let Some(guard) = guard {
            builder = builder.https_only(true).dns_resolver(guard);
        }
        Ok(Self {
            client: builder.build().map_err(SenderError)?,
            base: target.base.clone(),
            timeout: target.timeout,
            limiter: RateLimiter::direct(Quota::per_second(target.requests_per_second)),
            durations,
        })
    }

    /// Waits until the rate allows a call.
    pub async fn turn(&self) {
        self.limiter.until_ready().await;
    }

    /// Where a call goes: the target's base, the resource's address there, the call's own path.
    pub fn url(&self, address: &str, path: &str) -> Result<Url, AddressError> {
        let below: Vec<&str> = address.trim_matches('/').split('/').chain(path.split('/')).collect();
        let below: Vec<&str> = below.into_iter().filter(|segment| !segment.is_empty()).collect();
        if !below.iter().all(|segment| is_plain(segment)) {
            return Err(AddressError);
        }
        let base = self.base.get();
        let mut url = Url::clone(&base);
        if !below.is_empty() {
            let path = format!("{}/{}", base.path().trim_end_matches('/'), below.join("/"));
            url.set_path(&path);
        }
        Ok(url)
    }

    /// Where a call to an API goes, whose path and query the core has written to the last character.
    pub fn api(&self, path: &str) -> Result<Url, AddressError> {
        format!("{}{path}", self.base.get().as_str().trim_end_matches('/')).parse().map_err(|_| AddressError)
    }

    /// For calls besides those to the target: for its tokens.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Sends one call and reads its answer.
    pub async fn send(&self, url: Url, call: Call, envelope: Envelope<'_>) -> Answer {
        let left = envelope.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Answer::NotSent;
        }
        let method = match call.method {
            Method::Get => reqwest::Method::GET,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
            Method::Post => reqwest::Method::POST,
            Method::Patch => reqwest::Method::PATCH,
            Method::Report => report(),
        };
        let request = self.client.request(method, url).timeout(left.min(self.timeout));
        let began = Instant::now();
        let answer = exchange(dress(request, call, envelope)).await;
        self.durations.observe(began.elapsed().as_secs_f64());
        answer
    }
}

fn report() -> reqwest::Method {
    reqwest::Method::from_bytes(b"REPORT").expect("letters make a method")
}

/// Whether a segment stays where it is put: no way up, no query, no fragment, nothing that a URL would read otherwise.
fn is_plain(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    let dots = lower.replace("%2e", ".");
    let strange = segment.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '?' | '#' | '\\'));
    dots != "." && dots != ".." && !strange && !lower.contains("%2f") && !lower.contains("%5c")
}

fn dress(request: RequestBuilder, call: Call, envelope: Envelope<'_>) -> RequestBuilder {
    let mut request = call
        .headers
        .into_iter()
        .fold(request, |request, (name, value)| request.header(HeaderName::from_static(name), value));
    if let Some(traceparent) = envelope.traceparent {
        request = request.header("traceparent", traceparent);
    }
    request = match envelope.identity {
        Identity::Nobody => request,
        Identity::Basic(username, password) => request.basic_auth(username, Some(password)),
        Identity::Bearer(token) => request.bearer_auth(token),
    };
    if call.body.is_empty() { request } else { request.body(call.body) }
}

async fn exchange(request: RequestBuilder) -> Answer {
    match request.send().await {
        Ok(response) => read(response).await,
        // Before there was a connection, or before there was a request.
        Err(error) if error.is_connect() || error.is_builder() => Answer::NotSent,
        Err(_) => Answer::Lost,
    }
}

/// The whole answer; `Lost` if it breaks off or is longer than any that a target has reason to give.
async fn read(response: Response) -> Answer {
    let status = response.status().as_u16();
    let etag = text(response.headers(), ETAG);
    let retry_after = text(response.headers(), RETRY_AFTER).as_deref().and_then(RetryAfter::parse);
    let retry_after = retry_after.or_else(|| reset(status, response.headers()));
    match whole(response, BODY_MAX).await {
        Some(body) => Answer::Replied(Reply { status, etag, retry_after, body }),
        None => Answer::Lost,
    }
}

/// How Calendly says how long to wait. Elsewhere the header has a time, which no number of seconds is that anybody waits.
fn reset(status: u16, headers: &HeaderMap) -> Option<RetryAfter> {
    const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
    const DAY: u64 = 24 * 60 * 60;
    let seconds: u64 = text(headers, RESET)?.trim().parse().ok()?;
    (status == 429 && seconds <= DAY).then(|| RetryAfter::In(Duration::from_secs(seconds)))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
pub(super) mod tests;
