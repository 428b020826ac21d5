//! Rules in the words of the file: each by its key, without loss. Pure.

use std::time::Duration;

use daybook_domain::Rules;

use crate::hours;

/// Every rule, by its key in the file. Two rules that read the same are the same.
pub fn rules(rules: &Rules) -> [(&'static str, String); 9] {
    // Taken apart, so that a rule which comes later cannot be forgotten here.
    let Rules {
        display_time_zone,
        replacement_wait,
        capacity,
        buffer_before,
        buffer_after,
        notice,
        window,
        hours,
        retired,
    } = rules;
    [
        ("time_zone", display_time_zone.clone()),
        ("replacement_wait", span(*replacement_wait)),
        ("capacity", capacity.to_string()),
        ("buffer_before", span(*buffer_before)),
        ("buffer_after", span(*buffer_after)),
        ("notice", span(*notice)),
        ("window", window.map_or_else(|| "no limit".to_owned(), span)),
        ("hours", hours::show(hours)),
        ("retired", if *retired { "yes" } else { "no" }.to_owned()),
    ]
}

/// What changes from `old`, a line each; of a new resource everything that the file could have left unsaid too.
pub fn changes(new: &Rules, old: Option<&Rules>) -> Vec<(&'static str, String)> {
    let Some(old) = old else { return rules(new).into() };
    let pairs = rules(new).into_iter().zip(rules(old));
    pairs
        .filter(|((_, new), (_, old))| new != old)
        .map(|((key, new), (_, old))| (key, format!("{new} (was {old})")))
        .collect()
}

/// One text for one set of rules: what a request is called after.
pub fn fingerprint(of: &Rules) -> String {
    rules(of).map(|(key, text)| format!("{key}={text}")).join(";")
}

/// `1h 30m`, `60d`: units whose length is the same for everybody, as the file takes them.
pub fn span(span: Duration) -> String {
    const UNITS: [(u128, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let mut rest = span.as_millis();
    let mut parts = Vec::new();
    for (length, unit) in UNITS {
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_as_it_is_written_and_loses_nothing() {
        for text in ["60d", "1h 30m", "90d 5s 7ms", "15m"] {
            assert_eq!(span(humantime::parse_duration(text).expect("a duration")), text);
        }
        assert_eq!(span(Duration::ZERO), "none");
    }
}
