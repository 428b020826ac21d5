//! `POST /v1/sources/{source}/dead-letters/replay`: a source's dead letters once more, after their cause is mended.
//!
//! Safe to repeat: the same event makes the same requests again, and a request is decided once. A letter whose event was
//! sent again since is left alone: what came later counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use daybook_ask::{json, nearest};
use daybook_domain::{SourceName, topics};
use daybook_ingest_core::event_key;
use daybook_runtime::clock;
use daybook_runtime::kafka::{KafkaConfig, Outgoing, Record, Tail, TailError};
use daybook_wire::header;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::own_source;
use crate::api::problem::ProblemDocument;
use crate::api::{Api, Caller, JsonBytes, Problem, ProblemKind};
use crate::trail::store::{self, LetterRow};

/// Letters at once; whoever has more asks again.
const LETTERS_MAX: usize = 100;
/// Longer than any reason.
const REASON_LENGTH_MAX: usize = 64;
/// How long a broker may be silent.
const WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

/// Which dead letters. All of the source, unless it says less.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Only of these events, by their ids; up to 100.
    #[schema(required = false, nullable = false, min_items = 1, max_items = 100, example = json!(["msg_2b1c"]))]
    events: Option<Vec<String>>,
    /// Only with this reason.
    #[schema(required = false, nullable = false, pattern = "^[a-z0-9_]{1,64}$", example = "unknown_resource")]
    reason: Option<String>,
}

/// What was sent again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// The ids of the events that were sent again, each whole.
    events: Vec<String>,
    /// Letters that Kafka has forgotten.
    forgotten: usize,
    /// Whether there are more: ask again.
    more: bool,
}

/// Sends a source's dead letters once more.
///
/// Oldest first, up to 100 at once. Mend the cause before: enter the alias, correct the settings. What was wrong in the event
/// itself will be wrong again; have the source send it anew instead.
#[utoipa::path(post, path = "/v1/sources/{source}/dead-letters/replay", operation_id = "replay_dead_letters", tag = "sources",
    params(("source" = String, Path, description = "The source's name.", example = "crm")),
    request_body = Wanted,
    responses(
        (status = 200, description = "They are on their way.", body = Replayed),
        (status = 400, description = "The body is not as it must be.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "The key is not this source's.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON.", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn replay(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(source): Path<String>,
    JsonBytes(body): JsonBytes,
) -> Result<Json<Replayed>, Problem> {
    let source = own_source(&caller, &source)?;
    let wanted = read(&body)?;
    let keys: Option<Vec<_>> = wanted.events.map(|ids| ids.iter().map(|id| event_key(&source, id)).collect());
    let limit = i64::try_from(LETTERS_MAX).unwrap_or(i64::MAX) + 1;
    let found =
        store::open_letters(&api.store, source.as_str(), keys.as_deref(), wanted.reason.as_deref(), limit).await;
    let mut letters = found.map_err(|error| api.store_problem(error))?;
    let more = letters.len() > LETTERS_MAX;
    letters.truncate(LETTERS_MAX);
    let records = fetch(&api.kafka, &letters).await?;
    let forgotten = letters.len() - letters.iter().filter(|letter| records.contains_key(&place(letter))).count();
    let mut events = Vec::new();
    let mut sent = BTreeSet::new();
    for letter in &letters {
        // Several items of one event are several letters with the same bytes.
        if let Some(record) = records.get(&place(letter))
            && sent.insert((letter.raw_partition, letter.raw_offset))
        {
            send(&api, &source, record).await?;
            events.extend(record.headers.get(header::CE_ID).map(str::to_owned));
        }
    }
    // Those that are forgotten are open no more, either.
    let settled: Vec<(i32, i64)> = letters.iter().map(|letter| (letter.raw_partition, letter.raw_offset)).collect();
    let noted = store::replayed(&api.store, source.as_str(), &settled, clock::now()).await;
    noted.map_err(|error| api.store_problem(error))?;
    tracing::info!(source = source.as_str(), key.id = %caller.key, events = events.len(), forgotten, "dead letters replayed");
    Ok(Json(Replayed { events, forgotten, more }))
}

fn read(body: &[u8]) -> Result<Wanted, Problem> {
    const KNOWN: [&str; 2] = ["events", "reason"];
    let problem = |kind| Problem::new(kind, "The body does not say which dead letters; nothing was sent.");
    let invalid = |field: &str, what: &str, fix: &str| problem(ProblemKind::InvalidBody).field(field, what, fix);
    let Ok(Value::Object(object)) = json::read(body) else {
        return Err(invalid(
            "(body)",
            "is no JSON object",
            "send {} for all, or an object with events, reason or both",
        ));
    };
    if let Some(name) = object.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        let near = nearest(name, KNOWN).unwrap_or("events or reason");
        return Err(problem(ProblemKind::UnknownField).field(
            "(body)",
            "has a field that is not known",
            format!("did you mean {near}?"),
        ));
    }
    let events = match object.get("events") {
        None => None,
        Some(Value::Array(ids)) if (1..=LETTERS_MAX).contains(&ids.len()) => {
            let texts: Option<Vec<String>> = ids.iter().map(|id| id.as_str().map(str::to_owned)).collect();
            Some(texts.ok_or_else(|| invalid("events", "holds something that is no text", "give events' ids"))?)
        }
        // An empty list may be a slip, and is not taken for all.
        Some(_) => return Err(invalid("events", "is no list of 1 to 100 ids", "leave it out for all of the source's")),
    };
    let reason = match object.get("reason") {
        None => None,
        Some(Value::String(reason)) if is_word(reason) => Some(reason.clone()),
        Some(Value::String(_)) => {
            return Err(invalid("reason", "is no word", "give the reason of a dead letter, such as unknown_resource"));
        }
        Some(_) => return Err(invalid("reason", "is no text", "give the reason of a dead letter, or leave it out")),
    };
    Ok(Wanted { events, reason })
}

/// As reasons are written. The store takes no text with a NUL.
fn is_word(reason: &str) -> bool {
    (1..=REASON_LENGTH_MAX).contains(&reason.len())
        && reason.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

const fn place(letter: &LetterRow) -> (i32, i64) {
    (letter.partition, letter.letter_offset)
}

/// The letters' records, as far as Kafka still has them.
async fn fetch(kafka: &KafkaConfig, letters: &[LetterRow]) -> Result<BTreeMap<(i32, i64), Record>, Problem> {
    let places: BTreeSet<(i32, i64)> = letters.iter().map(place).collect();
    if places.is_empty() {
        return Ok(BTreeMap::new());
    }
    let kafka = kafka.clone();
    let fetched = tokio::task::spawn_blocking(move || fetch_all(&kafka, &places)).await;
    let problem = match fetched {
        Ok(Ok(records)) => return Ok(records),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(error = problem, "dead letters cannot be read");
    Err(Problem::new(ProblemKind::Unavailable, "Kafka does not give the dead letters; nothing was sent."))
}

/// One record of each partition at a time, until all are there.
fn fetch_all(kafka: &KafkaConfig, places: &BTreeSet<(i32, i64)>) -> Result<BTreeMap<(i32, i64), Record>, TailError> {
    let tail = Tail::connect(kafka, WITHIN)?;
    let partitions: Vec<i32> =
        places.iter().map(|(partition, _)| *partition).collect::<BTreeSet<_>>().into_iter().collect();
    let bounds = tail.bounds(topics::DLQ_NORMALIZER, &partitions, WITHIN)?;
    let is_kept = |(partition, offset): &&(i32, i64)| {
        bounds.get(partition).is_some_and(|(begin, end)| (*begin..*end).contains(offset))
    };
    let mut left: BTreeSet<(i32, i64)> = places.iter().filter(is_kept).copied().collect();
    let mut records = BTreeMap::new();
    while !left.is_empty() {
        let round: BTreeMap<i32, i64> = left.iter().copied().collect();
        for (partition, record) in tail.records_at(topics::DLQ_NORMALIZER, &round, WITHIN)? {
            records.insert((partition, record.offset), record);
        }
        left.retain(|(partition, offset)| round.get(partition) != Some(offset));
    }
    Ok(records)
}

/// To the source's own topic and no other, whatever the letter's headers say.
async fn send(api: &Api, source: &SourceName, record: &Record) -> Result<(), Problem> {
    let headers = record.headers.clone().without_dead_letter();
    let topic = topics::raw(source);
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    let outgoing = Outgoing { topic: &topic, partition: None, key, value, headers: &headers };
    let problem = match timeout(api.acknowledge_timeout, api.producer.send_and_wait(outgoing)).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no acknowledgement in time".to_owned(),
    };
    tracing::warn!(error = problem, source = source.as_str(), "a dead letter cannot be sent again");
    let detail = "Kafka did not acknowledge all of it. Ask again: what was sent twice is decided once.";
    Err(Problem::new(ProblemKind::Unavailable, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_dead_letters_are_meant_unless_the_body_says_less_and_a_slip_is_no_all() {
        assert!(read(b"{}").is_ok_and(|wanted| wanted.events.is_none() && wanted.reason.is_none()));
        let some = read(br#"{"events": ["msg_1"], "reason": "unknown_resource"}"#).expect("sound");
        assert_eq!(some.events.map(|events| events.len()), Some(1));
        assert_eq!(
            read(br#"{"event": ["msg_1"]}"#).map_err(|problem| problem.kind()).err(),
            Some(ProblemKind::UnknownField)
        );
        let many = serde_json::json!({ "events": vec!["msg"; 101] }).to_string();
        let empty = r#"{"events": []}"#;
        for wrong in
            ["", "[]", empty, r#"{"events": "msg_1"}"#, r#"{"reason": null}"#, r#"{"reason": "a\u0000b"}"#, &many]
        {
            assert_eq!(
                read(wrong.as_bytes()).map_err(|problem| problem.kind()).err(),
                Some(ProblemKind::InvalidBody),
                "{wrong}"
            );
        }
    }
}
