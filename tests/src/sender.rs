//! The vendors' side of the door: signs as they do, sends again what was not acknowledged, and remembers what was.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use daybook_domain::{RequestId, Timestamp};
use daybook_format::Description;
use daybook_ingest_core::calendly::{self, SigningKey};
use daybook_ingest_core::described::{self, Shared, SharedSecret};
use daybook_runtime::clock;
use daybook_wire::standard_webhooks::{self, Secret};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::wait::wait_until;

/// One delivery: the same bytes and the same id, however often it is sent.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// `calendly`, `generic` or `site`.
    pub source: &'static str,
    /// The raw body.
    pub body: Bytes,
    /// How many requests it must make.
    pub items: usize,
    event_id: String,
}

impl Webhook {
    /// A delivery of Calendly's. It has no id of its own: its bytes name it.
    pub fn calendly(payload: &Value) -> Self {
        Self::calendly_bytes(payload.to_string())
    }

    /// A delivery of Calendly's with this body.
    pub fn calendly_bytes(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let event_id = hex::encode(Sha256::digest(&body));
        Self { source: "calendly", body, items: 1, event_id }
    }

    /// A delivery of the generic source, under this `webhook-id`.
    pub fn generic(id: impl Into<String>, events: &[Value]) -> Self {
        let body = crate::generic::body(events).to_string();
        Self { items: events.len(), ..Self::generic_bytes(id, body) }
    }

    /// A delivery of the generic source with this body.
    pub fn generic_bytes(id: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { source: "generic", body: body.into(), items: 1, event_id: id.into() }
    }

    /// A delivery of Cal.com's. It has no id of its own: its bytes name it.
    pub fn site(payload: &Value) -> Self {
        Self { source: "site", ..Self::calendly(payload) }
    }

    /// What ingest must call it (`ce_id`).
    pub fn event_id(&self) -> &str {
        &self.event_id
    }

    /// Where ingest must say that it came in (`ce_source`).
    pub fn event_source(&self) -> String {
        format!("/webhooks/{}", self.source)
    }

    /// The id of the request that item `item` of it makes.
    pub fn request_id(&self, item: usize) -> RequestId {
        RequestId::derive(&self.event_source(), &self.event_id, item)
    }

    /// The ids of all its requests.
    pub fn request_ids(&self) -> impl Iterator<Item = RequestId> + '_ {
        (0..self.items).map(|item| self.request_id(item))
    }
}

/// What ingest said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The id in the body of a 2xx.
    pub id: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
}

impl Answer {
    /// Whether the vendor may forget the event.
    pub const fn acknowledged(&self) -> bool {
        200 <= self.status && self.status < 300
    }
}

/// Sends webhooks.
#[derive(Clone)]
pub struct Sender {
    http: reqwest::Client,
    ingest: String,
    calendly: SigningKey,
    generic: Secret,
    site: (Description, Shared),
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sender({})", self.ingest)
    }
}

impl Sender {
    /// A sender that knows the secrets of all sources.
    pub fn new(http: &reqwest::Client, ingest: &str, calendly: &str, generic: &str, site: &str) -> Result<Self> {
        let described = daybook_format::shipped("cal.com").context("the description of Cal.com")?;
        let secret = SharedSecret::new(site, &described.delivery).context("the secret of the site")?;
        Ok(Self {
            http: http.clone(),
            ingest: ingest.to_owned(),
            calendly: calendly.parse().context("the signing key of Calendly")?,
            generic: generic.parse().context("the secret of the generic source")?,
            site: (described, Shared { secrets: vec![secret], url: None }),
        })
    }

    /// The request, signed at `at`, for a test to spoil.
    pub fn request(&self, webhook: &Webhook, at: Timestamp) -> reqwest::RequestBuilder {
        let request = self.unsigned(webhook);
        match webhook.source {
            "calendly" => request.header(calendly::SIGNATURE, calendly::sign(&self.calendly, at, &webhook.body)),
            "site" => {
                let (description, shared) = &self.site;
                let headers = described::sign(&description.delivery, shared, at, &webhook.body);
                headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
            }
            _ => {
                let seconds = at.millis() / 1_000;
                let secrets = std::slice::from_ref(&self.generic);
                let signature = standard_webhooks::sign(secrets, &webhook.event_id, seconds, &webhook.body);
                request
                    .header("webhook-id", &webhook.event_id)
                    .header("webhook-timestamp", seconds.to_string())
                    .header("webhook-signature", signature)
            }
        }
    }

    /// The request without its signature.
    pub fn unsigned(&self, webhook: &Webhook) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{}/webhooks/{}", self.ingest, webhook.source))
            .header("content-type", "application/json")
            .body(webhook.body.clone())
    }

    /// Sends it once.
    pub async fn send(&self, webhook: &Webhook) -> Result<Answer> {
        let answer = read(self.request(webhook, clock::now())).await?;
        if answer.acknowledged() {
            ensure!(
                answer.id.as_deref() == Some(webhook.event_id()),
                "ingest named the event {:?}, and it is {}",
                answer.id,
                webhook.event_id()
            );
        }
        Ok(answer)
    }

    /// Sends it until it is acknowledged, as a vendor does: after a refused connection, a broken one and a 5xx. How
    /// often it was sent.
    pub async fn deliver(&self, webhook: &Webhook, limit: Duration) -> Result<u32> {
        let mut attempts = 0;
        let told = wait_until("the webhook to be acknowledged", limit, async || {
            attempts += 1;
            let answer = self.send(webhook).await?;
            match answer.status {
                500.. => bail!("ingest answered {}", answer.status),
                _ => Ok(answer),
            }
        });
        let answer = told.await?;
        ensure!(answer.acknowledged(), "ingest answered {} to a sound webhook", answer.status);
        Ok(attempts)
    }
}

/// Sends a request and reads the answer.
pub async fn read(request: reqwest::RequestBuilder) -> Result<Answer> {
    // Calendly waits 15 s for an answer.
    let response = request.timeout(Duration::from_secs(15)).send().await?;
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let retry_after = header("retry-after");
    let body: Value = response.json().await.unwrap_or_default();
    Ok(Answer { status, id: body["id"].as_str().map(str::to_owned), retry_after })
}
