//! `daybook dlq show`.

use std::fmt::Write as _;

use daybook_wire::DeliveryFailure;

use super::letter::{Letter, LetterId, Queue, operation};
use crate::config::Config;
use crate::failure::Failure;
use crate::out::Out;
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The queue.
    #[arg(value_enum)]
    queue: Queue,
    /// The letter, as the list names it.
    #[arg(value_name = "PARTITION:OFFSET")]
    id: LetterId,
    /// The original bytes too. They may hold names and addresses.
    #[arg(long)]
    body: bool,
}

/// Prints one letter.
pub async fn show(args: &Show, config: &Config, out: &Out) -> Result<(), Failure> {
    let letter = super::letter(args.queue, args.id, config).await?;
    out.text(page(&letter))?;
    match (&letter.record.value, args.body) {
        (None, _) => out.line("\nbody: none"),
        (Some(value), false) => {
            out.line(format_args!("\nbody: {} bytes, which may be personal; --body shows them", value.len()))
        }
        (Some(value), true) => {
            out.line("\nbody:")?;
            out.bytes(value)
        }
    }
}

fn page(letter: &Letter) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(page, "{} {}, {}", letter.queue.topic(), letter.id(), text::moment(letter.record.timestamp));
    let _ = writeln!(page, "{}: {}", letter.reason(), letter.message());
    if let Some(failure) = letter.delivery() {
        page.push_str(&delivery(failure));
    }
    page.push_str("\nheaders:\n");
    let width = letter.record.headers.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in &letter.record.headers.0 {
        let _ = writeln!(page, "  {name:<width$}  {}", String::from_utf8_lossy(value));
    }
    page
}

fn delivery(failure: &DeliveryFailure) -> String {
    let DeliveryFailure { booking_id, target, target_kind, resource, desired_version, applied_version, .. } = failure;
    let mut page = String::new();
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(page, "  {name:<12} {value}");
    };
    fact("booking", &booking_id.to_string());
    fact("resource", resource.as_str());
    fact("target", &format!("{target} ({target_kind})"));
    fact("was to", &format!("{} version {desired_version}", operation(failure)));
    let shows = if *applied_version == 0 { "nothing".to_owned() } else { format!("version {applied_version}") };
    fact("shows", &shows);
    if let Some(id) = &failure.external_id {
        fact("its id there", id);
    }
    for attempt in &failure.attempts {
        let status = attempt.http_status.map_or_else(String::new, |status| format!(", HTTP {status}"));
        fact("attempt", &format!("{}: {}{status}", text::moment(attempt.at), attempt.result));
    }
    page
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::dlq::letter::samples;

    #[test]
    fn a_letter_shows_its_headers_and_not_its_body() {
        expect![[r#"
            dlq.normalizer 2:17, 2026-03-01 08:00:03 UTC
            missing_field: events[0].start: is missing

            headers:
              ce_id                               evt-1
              content-type                        application/json
              __connect.errors.topic              raw.generic
              __connect.errors.partition          1
              __connect.errors.offset             2
              __connect.errors.stage              normalizer
              __connect.errors.exception.message  events[0].start: is missing
              dlq.reason                          missing_field
              dlq.attempts                        1
              dlq.first-failed-at                 2026-03-01T08:00:02Z
              dlq.item                            0
        "#]]
        .assert_eq(&page(&samples::event()));
    }

    #[test]
    fn a_delivery_is_told_attempt_by_attempt() {
        expect![[r#"
            dlq.propagator 2:17, 2026-03-01 08:00:03 UTC
            refused: show at calendar: version 2 of booking 00000000-0000-0000-0000-00000000b00c
              booking      00000000-0000-0000-0000-00000000b00c
              resource     anna
              target       calendar (caldav)
              was to       show version 2
              shows        version 1
              attempt      2026-03-01 08:00:02 UTC: refused, HTTP 422

            headers:
        "#]]
        .assert_eq(&page(&samples::delivery()));
    }
}
