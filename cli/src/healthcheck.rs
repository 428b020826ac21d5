//! `daybook healthcheck`: asks a service how it is, for containers that have no shell and no curl.

use std::time::Duration;

use crate::failure::Failure;
use crate::out::Out;

/// Longer than a service takes to answer, shorter than whoever asks will wait.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Fails unless the answer is a success.
pub async fn run(url: &str, out: &Out) -> Result<(), Failure> {
    let what = || format!("{url} does not answer");
    let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(|error| Failure::new(what(), error))?;
    let answer = client.get(url).send().await.map_err(|error| {
        if error.is_builder() {
            Failure::input(format!("{url} is no URL; give one such as http://127.0.0.1:9100/readyz"))
        } else {
            Failure::new(what(), error.without_url())
        }
    })?;
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    if status.is_success() {
        out.line("ok")
    } else {
        Err(Failure::plain(format!("{url} answered {status}: {}", body.trim())))
    }
}
