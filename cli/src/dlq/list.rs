//! `daybook dlq list`.

use std::collections::BTreeMap;

use daybook_wire::header;

use super::Only;
use super::letter::{Letter, Queue};
use crate::config::Config;
use crate::failure::Failure;
use crate::out::Out;
use crate::store::{HandledRow, Place};
use crate::table;
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only this queue.
    #[arg(long, value_enum)]
    queue: Option<Queue>,
    #[command(flatten)]
    only: Only,
    /// Those that somebody has handled, too.
    #[arg(long)]
    all: bool,
}

/// Prints the table.
pub async fn list(args: &List, config: &Config, out: &Out) -> Result<(), Failure> {
    let mut letters = Vec::new();
    for queue in Queue::ALL {
        if args.queue.is_none_or(|only| only == queue) {
            letters.extend(super::letters(queue, false, config).await?);
        }
    }
    letters.retain(|letter| args.only.matches(letter));
    let mut handled = if letters.is_empty() { BTreeMap::new() } else { super::handled(config).await };
    if !args.all {
        let all = letters.len();
        letters.retain(|letter| !handled.contains_key(&letter.place()));
        let hidden = all - letters.len();
        handled.clear();
        if letters.is_empty() && hidden > 0 {
            return out.line(format_args!("no dead letters but {hidden} that somebody has handled (--all shows them)"));
        }
    }
    if letters.is_empty() {
        return out.line("no dead letters");
    }
    out.text(render(&letters, &handled))?;
    out.line(format_args!("\n{}; Kafka forgets a letter after 30 days", text::count(letters.len(), "letter")))
}

fn render(letters: &[Letter], handled: &BTreeMap<Place, HandledRow>) -> String {
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
                match handled.get(&letter.place()) {
                    None => or_dash(Some(&letter.message())),
                    Some(row) => by_whom(row),
                },
            ]
        })
        .collect();
    table::draw(&["queue", "id", "when", "source", "reason", "event", "what is wrong"], &rows)
}

/// `discarded by anna 2026-03-01T08:00:00.000Z: a test of theirs`.
fn by_whom(row: &HandledRow) -> String {
    let why = row.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("{} by {} {}{why}", row.verdict, row.who, text::stamp(row.at))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::dlq::letter::samples;
    use crate::sample::at;

    #[test]
    fn the_table_says_what_is_wrong_and_where_the_letter_is() {
        expect![[r#"
            QUEUE       ID    WHEN                      SOURCE   REASON         EVENT  WHAT IS WRONG
            normalizer  2:17  2026-03-01T08:00:03.000Z  generic  missing_field  evt-1  events[0].start: is missing
            propagator  2:17  2026-03-01T08:00:03.000Z  -        refused        -      show at calendar: version 2 of booking 00000000-0000-0000-0000-00000000b00c
        "#]].assert_eq(&render(&[samples::event(), samples::delivery()], &BTreeMap::new()));
    }

    #[test]
    fn a_letter_that_somebody_has_handled_says_who_and_why() {
        let row = |verdict: &str, reason: Option<&str>| HandledRow {
            verdict: verdict.to_owned(),
            who: "anna".to_owned(),
            reason: reason.map(str::to_owned),
            at: at("2026-03-02T08:00:00Z"),
        };
        let letters = [samples::event(), samples::delivery()];
        let handled = [
            (letters[0].place(), row("replayed", None)),
            (letters[1].place(), row("discarded", Some("they have left"))),
        ];
        expect![[r#"
            QUEUE       ID    WHEN                      SOURCE   REASON         EVENT  WHAT IS WRONG
            normalizer  2:17  2026-03-01T08:00:03.000Z  generic  missing_field  evt-1  replayed by anna 2026-03-02T08:00:00.000Z
            propagator  2:17  2026-03-01T08:00:03.000Z  -        refused        -      discarded by anna 2026-03-02T08:00:00.000Z: they have left
        "#]].assert_eq(&render(&letters, &handled.into()));
    }

    #[test]
    fn letters_are_chosen_by_reason_source_target_and_time() {
        let (event, delivery) = (samples::event(), samples::delivery());
        let all = || Only { reason: None, source: None, target: None, since: None, until: None };
        let some = |text: &str| Some(text.to_owned());
        assert!(all().is_everything() && all().matches(&event) && all().matches(&delivery));
        assert!(Only { reason: some("missing_field"), source: some("generic"), ..all() }.matches(&event));
        assert!(!Only { reason: some("invalid_json"), ..all() }.matches(&event));
        assert!(!Only { source: some("calendly"), ..all() }.matches(&event));
        let target = || Only { target: some("calendar"), ..all() };
        assert!(target().matches(&delivery) && !target().matches(&event));
        let came = event.record.timestamp;
        assert!(Only { since: Some(came), ..all() }.matches(&event));
        assert!(!Only { until: Some(came), ..all() }.matches(&event));
    }
}
