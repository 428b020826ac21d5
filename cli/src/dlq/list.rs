//! `daybook dlq list`.

use daybook_wire::header;

use super::letter::{Letter, Queue};
use crate::config::Config;
use crate::failure::Failure;
use crate::out::Out;
use crate::table;
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only this queue.
    #[arg(long, value_enum)]
    queue: Option<Queue>,
    /// Only letters with this reason, such as unknown_resource.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only events of this source.
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
}

/// Prints the table.
pub async fn list(args: &List, config: &Config, out: &Out) -> Result<(), Failure> {
    let mut letters = Vec::new();
    for queue in Queue::ALL {
        if args.queue.is_none_or(|only| only == queue) {
            letters.extend(super::letters(queue, false, config).await?);
        }
    }
    letters.retain(|letter| matches(letter, args.reason.as_deref(), args.source.as_deref()));
    if letters.is_empty() {
        return out.line("no dead letters");
    }
    out.text(render(&letters))?;
    out.line(format_args!(
        "\n{}; a replayed letter stays on the list until Kafka forgets it",
        text::count(letters.len(), "letter")
    ))
}

/// Whether a letter is one of those that were asked for.
pub fn matches(letter: &Letter, reason: Option<&str>, source: Option<&str>) -> bool {
    reason.is_none_or(|reason| letter.reason() == reason) && source.is_none_or(|source| letter.source() == Some(source))
}

fn render(letters: &[Letter]) -> String {
    let rows: Vec<Vec<String>> = letters
        .iter()
        .map(|letter| {
            let or_dash = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
            vec![
                letter.queue.as_str().to_owned(),
                letter.id().to_string(),
                text::stamp(letter.record.timestamp),
                or_dash(letter.source()),
                letter.reason().to_owned(),
                or_dash(letter.header(header::CE_ID)),
                or_dash(Some(&letter.message())),
            ]
        })
        .collect();
    table::draw(&["queue", "id", "when", "source", "reason", "event", "what is wrong"], &rows)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::dlq::letter::samples;

    #[test]
    fn the_table_says_what_is_wrong_and_where_the_letter_is() {
        expect![[r#"
            QUEUE       ID    WHEN                      SOURCE   REASON         EVENT  WHAT IS WRONG
            normalizer  2:17  2026-03-01T08:00:03.000Z  generic  missing_field  evt-1  events[0].start: is missing
            propagator  2:17  2026-03-01T08:00:03.000Z  -        refused        -      show at calendar: version 2 of booking 00000000-0000-0000-0000-00000000b00c
        "#]].assert_eq(&render(&[samples::event(), samples::delivery()]));
    }

    #[test]
    fn letters_are_chosen_by_reason_and_source() {
        let letter = samples::event();
        assert!(matches(&letter, None, None));
        assert!(matches(&letter, Some("missing_field"), Some("generic")));
        assert!(!matches(&letter, Some("invalid_json"), None));
        assert!(!matches(&letter, None, Some("calendly")));
    }
}
