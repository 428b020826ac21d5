//! What ingest looks for in a delivery.

use std::sync::{Arc, LazyLock};

use daybook_domain::{SourceName, Timestamp};
use daybook_format::{Format, LISTED, List, TOLD, calendly_list};
use daybook_ingest_core::fetch::{How, address, calendly, judge};
use daybook_ingest_core::listing::{Walk, question};
use daybook_ingest_core::ping;
use daybook_ingest_core::poll::{Job, Told, Window};
use daybook_wire::{Call, SourceEvent, is_attribute};

/// Reads `body` as a delivery of each described format, as the state that was fetched, and as a page of what is listed.
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
        let how = How::Described(Arc::clone(description));
        let ids = how.wanted(&event, body);
        assert!(ids == how.wanted(&event, body), "the same delivery named something else");
        for kind in [LISTED, TOLD] {
            let event = SourceEvent { kind: kind.to_owned(), ..event.clone() };
            let _ = how.wanted(&event, body);
            let plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            assert!(
                How::Calendly.wanted(&event, body).iter().all(plain),
                "an event's name is more than a part of a path"
            );
        }
        if let Some(list) = &description.list {
            walk(list, now, body);
        }
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
    walk(&calendly_list(), now, body);
    if let Some((invitees, _)) = calendly::invitees("E", body) {
        let event = calendly::event("E", body).unwrap_or_default();
        assert!(calendly::states(&event, &invitees).len() <= invitees.len());
    }
    // As headers, which are what reads a text that a stranger chose.
    let text = String::from_utf8_lossy(body);
    let _ = is_attribute(&text);
    let _ = daybook_wire::RetryAfter::parse(&text).map(|after| after.from(now));
}

/// A vendor that answers every page of a walk so: it ends, or is given up.
fn walk(list: &List, now: Timestamp, body: &[u8]) {
    let window = Window { from: now, to: now.plus(std::time::Duration::from_secs(90 * 24 * 60 * 60)) };
    for question in Job::ALL.into_iter().filter_map(|job| question(list, job)) {
        let mut walk = Walk::new(list, question, "account", now, window);
        for _ in 0..8 {
            let Some((path, _)) = walk.next() else { break };
            assert!(
                path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()),
                "a page is more than a word"
            );
            let told = Told { status: 200, retry_after: None, etag: None, now, body };
            let Ok((listed, _)) = walk.answer(&told) else { break };
            assert!(listed.iter().all(|it| !it.id.is_empty() && !it.id.contains('\0')), "an id that no store takes");
        }
    }
}

/// Reads `body` as Microsoft's word of a change, and as the question whether we are there.
pub(crate) fn check_ping(body: &[u8]) {
    assert!(ping::graph(body, &[]).is_err() || ping::graph(body, &[]).is_ok_and(|pings| pings.is_empty()));
    let _ = ping::handshake(&String::from_utf8_lossy(body));
}
