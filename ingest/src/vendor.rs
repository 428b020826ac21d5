//! A vendor's API, which is only ever read, but for channels: one call, within its time and its rate, no more of the answer than is of use, no
//! redirects, because our credentials go where the operator sent them. An error's text is not logged: it holds the address,
//! and that an id.

mod config;

use std::collections::BTreeMap;

use daybook_access::Credential;
use daybook_domain::{SourceName, Timestamp};
use daybook_ingest_core::poll::{Call, Request};
use daybook_runtime::access::{NoToken, Token, Vault};
use daybook_runtime::guard::Guard;
use daybook_runtime::http::whole;
use daybook_runtime::prometheus::IntGaugeVec;
use daybook_runtime::reread::Held;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::header::{ETAG, HeaderName, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use secrecy::ExposeSecret;
use sqlx::PgPool;

pub use self::config::{Api, SourceApiConfig};
use crate::metrics::IngestMetrics;

const RATE_LIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// A vendor's API.
#[derive(Debug)]
pub struct Vendor {
    client: Client,
    credential: Held<Credential>,
    token: Token,
    vault: Vault,
    limiter: DefaultDirectRateLimiter,
    source: SourceName,
    token_until: IntGaugeVec,
}

/// What it has answered.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The header of that name.
    pub retry_after: Option<String>,
    /// The header of that name.
    pub etag: Option<String>,
    /// All of it.
    pub body: Vec<u8>,
}

impl Vendor {
    /// An API of a source that is asked as its settings say; past `guard`, if it has one. Tokens that change are kept in the store.
    pub fn new(
        source: &SourceName,
        api: &Api,
        guard: Option<Guard>,
        store: &PgPool,
        metrics: &IngestMetrics,
    ) -> Result<Self, reqwest::Error> {
        let builder = Client::builder()
            .user_agent(concat!("Daybook/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .timeout(api.timeout);
        let client = match guard {
            Some(guard) => builder.https_only(true).dns_resolver(guard),
            None => builder,
        };
        Ok(Self {
            client: client.build()?,
            credential: api.credential.clone(),
            token: Token::default(),
            vault: Vault::new(store.clone(), source.as_str()),
            limiter: RateLimiter::direct(Quota::per_second(api.requests_per_second)),
            source: source.clone(),
            token_until: metrics.token_until_seconds.clone(),
        })
    }

    /// Waits until the rate of this process allows a call: what is left of the budget when the store is away.
    pub async fn own_turn(&self) {
        self.limiter.until_ready().await;
    }

    /// Asks for JSON now, by a POST if there is a body.
    pub async fn json(
        &self,
        address: &str,
        headers: &BTreeMap<String, String>,
        body: Option<String>,
        body_max: usize,
    ) -> Option<Reply> {
        let asked = match body {
            Some(body) => self.client.post(address).header("content-type", "application/json").body(body),
            None => self.client.get(address),
        };
        let asked = asked.header("accept", "application/json");
        let asked = headers.iter().fold(asked, |asked, (name, value)| asked.header(name, value));
        self.send(asked, body_max).await
    }

    /// Asks now. A connection that fails, and an answer that is too long or breaks off, is none.
    pub async fn ask(&self, address: &str, request: Request, body_max: usize) -> Option<Reply> {
        let method = Method::from_bytes(request.method.as_bytes()).ok()?;
        let asked = request
            .headers
            .into_iter()
            .fold(self.client.request(method, address), |asked, (name, value)| asked.header(name, value));
        let asked = match request.body {
            Some(body) => asked.body(body),
            None => asked,
        };
        self.send(asked, body_max).await
    }

    /// Makes a call that changes a channel of ours, now.
    pub async fn call(&self, base: &str, call: &Call, body_max: usize) -> Option<Reply> {
        let method = Method::from_bytes(call.method.as_bytes()).ok()?;
        let request = self.client.request(method, format!("{base}{}", call.path));
        let request = match &call.body {
            Some(body) => request.json(body),
            None => request,
        };
        self.send(request, body_max).await
    }

    /// The request, in our name.
    async fn signed(&self, request: RequestBuilder) -> Result<RequestBuilder, NoToken> {
        let credential = self.credential.get();
        Ok(match &*credential {
            Credential::Basic(username, password) => request.basic_auth(username, Some(password.expose_secret())),
            Credential::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Credential::Nobody => request,
            Credential::Granted(account) => {
                let token = self.token.of(&self.client, &credential, account).await?;
                self.note(self.token.until().await);
                request.bearer_auth(token.expose_secret())
            }
            Credential::Rotating(rotating) => {
                let token = self.vault.token(&self.client, &credential, rotating).await?;
                self.note(self.vault.until().await);
                request.bearer_auth(token.expose_secret())
            }
        })
    }

    fn note(&self, until: Option<Timestamp>) {
        if let Some(until) = until {
            self.token_until.with_label_values(&[self.source.as_str()]).set(until.millis() / 1_000);
        }
    }

    async fn send(&self, request: RequestBuilder, body_max: usize) -> Option<Reply> {
        let request = match self.signed(request).await {
            Ok(request) => request,
            Err(NoToken::Away) => return None,
            // The vendor turns us away, only elsewhere.
            Err(NoToken::Refused) => {
                return Some(Reply { status: 401, retry_after: None, etag: None, body: Vec::new() });
            }
        };
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        if status == 401 {
            self.token.forget().await;
            self.vault.forget().await;
        }
        let header =
            |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        // Calendly's says how many seconds are left, and has no other.
        let rest = || {
            header(RATE_LIMIT_RESET).filter(|left| status == 429 && left.parse().is_ok_and(|left: u32| left <= 3_600))
        };
        let (retry_after, etag) = (header(RETRY_AFTER).or_else(rest), header(ETAG));
        let body = whole(response, body_max).await?;
        Some(Reply { status, retry_after, etag, body })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn api(token: &str) -> Api {
        let config = SourceApiConfig { token: Some(SecretString::from(token)), ..SourceApiConfig::default() };
        config.read(None, |setting, problem| panic!("{setting}: {problem}")).expect("sound")
    }

    #[tokio::test]
    async fn whoever_asks_is_who_the_settings_say_now_and_not_at_the_start() {
        daybook_runtime::tls::install();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}/", listener.local_addr().expect("an address"));
        let api_at_start = api("before");
        let metrics = IngestMetrics::new(&daybook_runtime::prometheus::Registry::new()).expect("registers");
        let pool = PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").expect("an address");
        let vendor =
            Vendor::new(&"crm".parse().expect("a name"), &api_at_start, None, &pool, &metrics).expect("a client");
        for token in ["before", "after"] {
            api_at_start.credential.become_as(&api(token).credential);
            let answer = async {
                let (mut stream, _) = listener.accept().await.expect("a caller");
                let mut asked = vec![0; 4_096];
                let length = stream.read(&mut asked).await.expect("a request");
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
                    .await
                    .expect("an answer");
                String::from_utf8_lossy(&asked[..length]).into_owned()
            };
            let headers = BTreeMap::new();
            let (asked, reply) = tokio::join!(answer, vendor.json(&address, &headers, None, 100));
            assert_eq!(reply.expect("a reply").status, 200);
            assert!(asked.contains(&format!("authorization: Bearer {token}\r\n")), "{token}");
        }
    }
}
