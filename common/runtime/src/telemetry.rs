//! Log lines: JSON in production, text for people. Values are in fields, messages are constant.
//!
//! The vocabulary, one name for one thing: `resource.id`, `booking.id`, `request.id`, `event.id`, `source`, `target`,
//! `operation`, `outcome`, `reason`, `kafka.topic`, `kafka.partition`, `kafka.offset`, `epoch`, `seq`, `records`,
//! `version`, `attempt`, `result`, `http.status`, `trace.id`, `duration_ms`, `field` (a path of declared names),
//! `suppressed` (lines left out), `error`. Never: names, addresses, phone numbers, calendar ids, Kafka keys, titles,
//! cancellation reasons, tokens, bodies.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::config::Faults;

/// How to log.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// `json` or `text`.
    pub format: LogFormat,
    /// Which lines, in the syntax of tracing's `EnvFilter`: `info`, `info,daybook_arbiter=debug`.
    pub filter: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person's eyes.
    Text,
}

impl LogConfig {
    /// Notes what is wrong with it.
    pub fn validate(&self, faults: &mut Faults) {
        if let Err(error) = EnvFilter::try_new(&self.filter) {
            faults.add("log.filter", format!("is no filter: {error}"));
        }
    }
}

/// Starts logging to standard error, and has panics logged without their message: it may quote what was being read.
/// Called once; a second call changes nothing.
pub fn init(config: &LogConfig) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(at, "panicked: a broken invariant");
    }));
    // An error means that a subscriber is installed already.
    let _ = match config.format {
        // Without the module's path: tracing calls it `target`, which is our word for a system that is told.
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_target(false).try_init(),
        LogFormat::Text => lines.try_init(),
    };
}
