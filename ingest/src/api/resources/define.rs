//! Having rules decided: the request goes to the log, and the store says what became of it.

use std::time::Duration;

use daybook_domain::{Request, topics};
use daybook_resources::store;
use daybook_runtime::kafka::Outgoing;
use daybook_wire::{Headers, SCHEMAS, encode_request, frame};
use tokio::time::{Instant, sleep, timeout};

use crate::api::{Api, Problem, ProblemKind};

/// How long the arbiter may take. It takes milliseconds; half a minute after a takeover.
const WITHIN: Duration = Duration::from_secs(10);
/// How often the store is asked.
const POLL: Duration = Duration::from_millis(50);

/// Sends the request and waits until it is decided. A refusal is a problem.
pub async fn decide(api: &Api, request: &Request) -> Result<(), Problem> {
    send(api, request).await?;
    let deadline = Instant::now() + WITHIN;
    loop {
        let decided = store::decided(&api.store, request.request_id).await;
        match decided.map_err(|error| api.store_problem(error))? {
            Some((outcome, Some(reason))) if outcome == "rejected" && reason == "stale_version" => {
                return Err(super::stale());
            }
            Some((outcome, reason)) if outcome == "rejected" => {
                let reason = reason.unwrap_or_default();
                return Err(Problem::new(ProblemKind::Policy, format!("The arbiter refused the rules: {reason}.")));
            }
            Some(_) => return Ok(()),
            None if Instant::now() >= deadline => {
                let detail = "The rules are on their way and not decided yet; no region, alias or target was changed. Send the \
                              same again: it is the same request.";
                return Err(Problem::new(ProblemKind::Unavailable, detail));
            }
            None => sleep(POLL).await,
        }
    }
}

async fn send(api: &Api, request: &Request) -> Result<(), Problem> {
    let (subject, schema) = SCHEMAS[0];
    let id = api.registry.id_of(subject, schema).await.map_err(|error| {
        tracing::warn!(%error, "a resource cannot be defined");
        Problem::new(ProblemKind::Unavailable, "The schema registry does not answer. Nothing was changed.")
    })?;
    let value = frame(id, &encode_request(request));
    let outgoing = Outgoing {
        topic: topics::REQUESTS,
        partition: None,
        key: Some(request.resource.as_str().as_bytes()),
        value: Some(&value),
        headers: &Headers::new(),
    };
    let sent = timeout(api.acknowledge_timeout, api.producer.send_and_wait(outgoing)).await;
    let problem = match sent {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no acknowledgement in time".to_owned(),
    };
    tracing::warn!(error = problem, resource.id = %request.resource, "a resource cannot be defined");
    let detail = "Kafka did not acknowledge it. It may be decided all the same: send the same again.";
    Err(Problem::new(ProblemKind::Unavailable, detail))
}
