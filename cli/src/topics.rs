//! `daybook topics apply`.

use daybook_domain::{SourceName, topics};
use daybook_runtime::kafka::{TopicError, apply_topics};

use crate::config::Config;
use crate::failure::Failure;
use crate::out::Out;
use crate::table;
use crate::text;

/// Creates the topics that are missing.
pub async fn apply(config: &Config, out: &Out) -> Result<(), Failure> {
    let wanted = topics::all(&sources(config));
    let created = apply_topics(&config.kafka, &config.topics, &wanted).await.map_err(|error| {
        let advice = match &error {
            TopicError::Kafka(_) => format!("is a broker up at {} (kafka.brokers)?", config.kafka.brokers),
            TopicError::Refused { .. } => {
                "topics.replication must not exceed the number of brokers, and this user needs the right to create topics"
                    .to_owned()
            }
            TopicError::Partitions { .. } => {
                "the number of partitions can never be changed in place: make a new topic of the right size, or delete this one if it is empty".to_owned()
            }
        };
        Failure::new("cannot apply the topics", error).next(advice)
    })?;
    if created.is_empty() {
        return out.line(format_args!("nothing to do: all {} topics are there", wanted.len()));
    }
    let rows: Vec<Vec<String>> = wanted
        .iter()
        .filter(|topic| created.contains(&topic.name))
        .map(|topic| vec![topic.name.clone(), topic.partitions.to_string(), kept(topic.kept)])
        .collect();
    out.text(table::draw(&["created", "partitions", "keeps"], &rows))?;
    let there = wanted.len() - created.len();
    if there > 0 {
        out.line(format_args!("{there} more were there already"))?;
    }
    Ok(())
}

/// The configured sources, and the API, which is one too.
fn sources(config: &Config) -> Vec<SourceName> {
    let mut sources = config.source_names();
    sources.extend("api".parse());
    sources.sort();
    sources.dedup();
    sources
}

fn kept(kept: topics::Kept) -> String {
    match kept {
        topics::Kept::For(span) => text::span(span),
        topics::Kept::NewestOfKey { lag_max } => {
            format!("the newest of each key; older ones up to {}", text::span(lag_max))
        }
    }
}
