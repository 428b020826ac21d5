//! What ingest looks for in a delivery.

use std::sync::LazyLock;

use daybook_domain::{SourceName, Timestamp};
use daybook_format::Format;
use daybook_ingest_core::fetch::{address, judge, wanted};
use daybook_ingest_core::ping;
use daybook_wire::{Call, SourceEvent, is_attribute};

/// Reads `body` as a delivery of each described format, and as the state that was fetched.
pub(crate) fn check(body: &[u8]) {
    static FORMATS: LazyLock<[Format; 4]> = LazyLock::new(|| {
        ["acuity", "hubspot", "cal.com", "zendesk"].map(|name| Format::new(name, None).expect("shipped"))
    });
    let now: Timestamp = "2026-05-04T07:12:12Z".parse().expect("a time");
    let source: SourceName = "shop".parse().expect("a name");
    for format in &*FORMATS {
        let Format::Described(description) = format else { continue };
        let event = SourceEvent {
            id: "evt-1".to_owned(),
            source: format!("/webhooks/{source}"),
            kind: String::new(),
            subject: None,
            time: None,
            content_type: format.media().content_type().to_owned(),
            received_at: now,
            traceparent: None,
            call: Call::default(),
        };
        let ids = wanted(description, &event, body);
        assert!(ids == wanted(description, &event, body), "the same delivery named something else");
        for id in &ids {
            if let Some(fetch) = &description.fetch {
                let whole = address(fetch, Some("https://api.example"), id);
                let path = whole.strip_prefix("https://api.example/").expect("where the settings say");
                assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "an id is more than a part of a path");
                assert!(path.split('/').all(|part| !matches!(part, "." | "..")), "an id leads out of its path");
            }
        }
        for status in [200, 404, 429] {
            let _ = judge(description, ids.first().map_or("1", String::as_str), status, Some("120"), now, body);
        }
    }
    // As headers, which are what reads a text that a stranger chose.
    let text = String::from_utf8_lossy(body);
    let _ = is_attribute(&text);
    let _ = daybook_wire::RetryAfter::parse(&text).map(|after| after.from(now));
}

/// Reads `body` as Microsoft's word of a change, and as the question whether we are there.
pub(crate) fn check_ping(body: &[u8]) {
    assert!(ping::graph(body, &[]).is_err() || ping::graph(body, &[]).is_ok_and(|pings| pings.is_empty()));
    let _ = ping::handshake(&String::from_utf8_lossy(body));
}
