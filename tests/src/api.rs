//! Programs that call the API, each with a key of its own.

use anyhow::{Context, Result, ensure};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::world::World;

/// A program with a key.
#[derive(Debug, Clone)]
pub struct Program {
    http: reqwest::Client,
    url: String,
    key: String,
}

/// What it was answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null where there is none, a text where it is no JSON.
    pub body: Value,
}

impl World {
    /// The program that the installation itself has a key for: it may do everything.
    pub fn administrator(&self) -> Program {
        self.program(self.endpoints.api_key.clone())
    }

    /// A program whose key allows this and no more.
    pub async fn caller(&self, name: &str, scopes: &[&str]) -> Result<Program> {
        self.caller_at(name, scopes, &["--rate", "100000"]).await
    }

    /// The same, with a rate of its own.
    pub async fn caller_at(&self, name: &str, scopes: &[&str], rate: &[&str]) -> Result<Program> {
        let mut arguments = vec!["keys", "create", name];
        arguments.extend(rate);
        for scope in scopes {
            arguments.extend(["--scope", scope]);
        }
        let made = self.daybook(&arguments, "").await?;
        ensure!(made.success, "daybook keys create failed:\n{}", made.everything());
        let program = self.program(made.out.trim().to_owned());
        // Every process of ingest knows it within seconds.
        crate::wait::wait_until("the key to be known", std::time::Duration::from_secs(20), async || {
            let reply = program.get("/v1/key").await?;
            crate::wait::not_yet(reply.status != StatusCode::UNAUTHORIZED, || format!("it is told {}", reply.status))
        })
        .await?;
        Ok(program)
    }

    /// A program with this key, or with what it takes for one.
    pub fn program(&self, key: String) -> Program {
        Program { http: self.http.clone(), url: self.endpoints.ingest_url.clone(), key }
    }
}

impl Program {
    /// Its key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The same program over these connections.
    #[must_use]
    pub fn over(self, http: reqwest::Client) -> Self {
        Self { http, ..self }
    }

    /// A request to this address, with the key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        reply(self.request(Method::GET, path)).await
    }

    /// PUT, with a body of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Reply> {
        reply(self.request(Method::PUT, path).json(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Result<Reply> {
        reply(self.request(Method::DELETE, path)).await
    }

    /// POST, with a body of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        reply(self.request(Method::POST, path).json(body)).await
    }
}

/// Sends a request and reads the whole answer.
pub async fn reply(request: RequestBuilder) -> Result<Reply> {
    let answer = request.send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await?;
    let body = match serde_json::from_slice(&bytes) {
        Ok(body) => body,
        Err(_) if bytes.is_empty() => Value::Null,
        Err(_) => String::from_utf8_lossy(&bytes).into_owned().into(),
    };
    Ok(Reply { status, headers, body })
}

impl Reply {
    /// A header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// This reply, if the status is this one.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(self.status.as_u16() == status, "answered {}, not {status}: {}", self.status, self.body);
        Ok(self)
    }

    /// The body, if the status is this one.
    pub fn with(self, status: u16) -> Result<Value> {
        ensure!(self.status.as_u16() == status, "answered {}, not {status}: {}", self.status, self.body);
        Ok(self.body)
    }

    /// The last part of the problem's type, and the fields that it names, if the status is this one.
    pub fn problem(self, status: u16) -> Result<(String, Vec<String>)> {
        ensure!(self.headers.get("content-type").is_some_and(|media| media == "application/problem+json"), "{self:?}");
        let body = self.with(status)?;
        let kind = body["type"].as_str().and_then(|kind| kind.rsplit('/').next()).context("no type")?;
        let fields = body["errors"].as_array().into_iter().flatten();
        let fields = fields.filter_map(|error| error["field"].as_str()).map(str::to_owned);
        Ok((kind.to_owned(), fields.collect()))
    }
}
