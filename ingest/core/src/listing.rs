//! What a vendor lists of its bookings, for those that its deliveries have not told of: what to ask next, and what an answer says.
//!
//! A *walk* asks one question about the whole window, page by page, and stretch by stretch where the vendor has no pages. It is a
//! machine without a wire. What it finds is only a hint: whoever is new, or other than before by a fingerprint, is fetched by its
//! id, and what that says is true. So a list that lags, is empty or halved ends no booking; it only leaves something for the next walk.
//! Absent on purpose: calls, clocks, storage.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use daybook_domain::{SourceName, Timestamp};
use daybook_format::{Filling, LISTED, List, Listing, Pages, as_written, listed_body};
use daybook_wire::{Call, SourceEvent};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::event::{RawRecord, is_name, made_id};
use crate::fetch::{listed_source, passes, told_wait};
use crate::media::JSON;
use crate::poll::{Job, Setback, Told, Window};

/// Answers of one walk, at most: a vendor that pages on and on is wrong.
const PAGES_MAX: usize = 2_000;

/// How a job asks; none where the vendor has no question of its own for it.
pub const fn question(list: &List, job: Job) -> Option<&Listing> {
    match job {
        Job::NewAppointmentSync => list.new_appointment.as_ref(),
        Job::UpdateSync => list.update.as_ref(),
        Job::CancellationSync => list.cancellation.as_ref(),
    }
}

/// A booking that is listed. Its `Debug` shows no id.
#[derive(Clone, PartialEq, Eq)]
pub struct Listed {
    /// What the vendor calls it.
    pub id: String,
    /// When it says that it was changed.
    pub stamp: Option<Timestamp>,
    /// Of what it says: another one, and something has changed.
    pub fingerprint: [u8; 32],
}

impl std::fmt::Debug for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listed({:?})", self.stamp)
    }
}

/// One question about the whole window.
#[derive(Debug)]
pub struct Walk<'a> {
    list: &'a List,
    question: &'a Listing,
    account: &'a str,
    since: Timestamp,
    stretches: VecDeque<Window>,
    page: Option<String>,
    offset: usize,
    pages: usize,
}

impl<'a> Walk<'a> {
    /// Of a window, and of what has changed since.
    pub fn new(list: &'a List, question: &'a Listing, account: &'a str, since: Timestamp, window: Window) -> Self {
        let mut stretches = VecDeque::new();
        let mut from = window.from;
        while from < window.to {
            let to = list.step.map_or(window.to, |step| from.plus(step.max(Duration::from_secs(60))).min(window.to));
            stretches.push_back(Window { from, to });
            from = to;
        }
        Self { list, question, account, since, stretches, page: None, offset: 0, pages: 0 }
    }

    /// What to ask next: the path and query, and the body of a POST; nothing, if everything was answered.
    pub fn next(&self) -> Option<(String, Option<String>)> {
        let stretch = self.stretches.front()?;
        let filling = Filling {
            since: self.since,
            from: stretch.from,
            to: stretch.to,
            page: self.page.as_deref(),
            offset: self.offset,
            account: self.account,
        };
        Some(self.question.fill(&filling))
    }

    /// Takes an answer: what it lists, and how many it lists whose id cannot be taken.
    pub fn answer(&mut self, told: &Told<'_>) -> Result<(Vec<Listed>, usize), Setback> {
        let later = Setback::Later(told_wait(told.retry_after, told.now));
        let body: Value = match told.status {
            // Half of an answer is none, and neither is an error in a 200.
            200..=299 => serde_json::from_slice(told.body).map_err(|_| later)?,
            401 => return Err(Setback::Denied),
            status if passes(status) => return Err(later),
            _ => return Err(Setback::Refused),
        };
        let Some(Value::Array(items)) = self.list.items.every(&body).into_iter().find(|found| found.is_array()) else {
            return Err(later);
        };
        // As many as there can be: there may be more that nobody says anything of.
        let full = self.list.page_size.is_some_and(|size| items.len() >= size);
        let mut listed = Vec::with_capacity(items.len());
        for item in items {
            listed.push(self.read(item).ok_or(later)?);
        }
        self.pages += 1;
        match &self.list.pages {
            Pages::Named(next) => match next.first(&body).and_then(|(next, _)| as_written(next)) {
                Some(next) if self.page.as_deref() == Some(&*next) || self.pages >= PAGES_MAX => return Err(later),
                next => self.page = next,
            },
            Pages::Counted if full && self.pages >= PAGES_MAX => return Err(later),
            Pages::Counted => self.offset = if full { self.offset + items.len() } else { 0 },
            Pages::One if full => return Err(Setback::Refused),
            Pages::One => {}
        }
        if self.page.is_none() && self.offset == 0 {
            self.stretches.pop_front();
        }
        let all = listed.len();
        listed.retain(|listed| is_name(&listed.id));
        let skipped = all - listed.len();
        Ok((listed, skipped))
    }

    /// None of what is no booking.
    fn read(&self, item: &Value) -> Option<Listed> {
        let id = self.list.id.first(item).and_then(|(id, _)| as_written(id))?;
        let stamp = self.list.updated_at.as_ref().and_then(|at| at.first(item)).and_then(|(at, _)| as_written(at));
        let fingerprint = match &stamp {
            Some(stamp) => Sha256::digest(stamp.as_bytes()),
            None => {
                // Whatever order its fields came in.
                let fields: BTreeMap<_, _> = item.as_object().into_iter().flatten().collect();
                Sha256::digest(serde_json::to_vec(&fields).unwrap_or_default())
            }
        };
        Some(Listed { id, stamp: stamp.and_then(|stamp| stamp.parse().ok()), fingerprint: fingerprint.into() })
    }
}

/// The event that says that a booking is to be fetched, because it was listed. As of when the walk began, so that the same walk says it
/// once. `first` if it was there before anybody looked.
pub fn record(source: &SourceName, id: &str, began: Timestamp, first: bool) -> (RawRecord, Vec<u8>) {
    let body = listed_body(&[id], first).into_bytes();
    let event = SourceEvent {
        id: made_id(&[source.as_str().as_bytes(), b"listed", id.as_bytes(), &began.micros().to_be_bytes()]),
        source: listed_source(source),
        kind: LISTED.to_owned(),
        subject: None,
        time: None,
        content_type: JSON.to_owned(),
        received_at: began,
        traceparent: None,
        call: Call::default(),
    };
    (RawRecord { key: id.to_owned(), event }, body)
}

#[cfg(test)]
mod tests {
    use daybook_format::{calendly_list, shipped};
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn window() -> Window {
        Window { from: at("2026-03-01T00:00:00Z"), to: at("2026-05-15T00:00:00Z") }
    }

    fn told(status: u16, body: &[u8]) -> Told<'_> {
        Told { status, retry_after: None, etag: None, now: Timestamp::EPOCH, body }
    }

    fn answer(walk: &mut Walk<'_>, body: &Value) -> Result<usize, Setback> {
        walk.answer(&told(200, body.to_string().as_bytes())).map(|(listed, _)| listed.len())
    }

    fn list(name: &str) -> List {
        shipped(name).and_then(|description| description.list).expect("it lists")
    }

    #[test]
    fn pages_that_are_named_are_followed_to_the_last_and_never_twice() {
        let list = calendly_list();
        let question = question(&list, Job::CancellationSync).expect("asked");
        let mut walk =
            Walk::new(&list, question, "https://api.calendly.com/organizations/7", Timestamp::EPOCH, window());
        let first = walk.next().expect("asked").0;
        assert!(first.contains("status=canceled") && !first.contains("page_token"), "{first}");
        let page = |next: Option<&str>| json!({"collection": [{"uri": "e1", "updated_at": "2026-03-01T08:00:00Z"}], "pagination": {"next_page_token": next}});
        assert_eq!(answer(&mut walk, &page(Some("t1"))), Ok(1));
        assert!(walk.next().expect("asked").0.ends_with("&page_token=t1"));
        assert_eq!(answer(&mut walk, &page(Some("t1"))), Err(Setback::Later(None)), "the same page again and again");
        assert_eq!(answer(&mut walk, &page(None)), Ok(1));
        assert_eq!(walk.next(), None);
    }

    #[test]
    fn pages_that_are_counted_end_with_one_that_is_not_full() {
        let list = list("cal.com");
        let mut walk = Walk::new(
            &list,
            question(&list, Job::UpdateSync).expect("asked"),
            "",
            at("2026-03-01T08:00:00Z"),
            window(),
        );
        let page = |count: usize| json!({"data": (0..count).map(|n| json!({"uid": format!("u{n}"), "updatedAt": "2026-03-01T08:00:00Z"})).collect::<Vec<_>>()});
        assert_eq!(answer(&mut walk, &page(100)), Ok(100));
        let next = walk.next().expect("asked").0;
        assert!(next.contains("afterUpdatedAt=2026-03-01T08%3A00%3A00Z") && next.ends_with("skip=100"), "{next}");
        assert_eq!(answer(&mut walk, &page(3)), Ok(3));
        assert_eq!(walk.next(), None);
    }

    #[test]
    fn where_there_are_no_pages_the_window_is_asked_for_in_stretches_and_a_full_answer_is_none() {
        let list = list("acuity");
        let mut walk =
            Walk::new(&list, question(&list, Job::NewAppointmentSync).expect("asked"), "", Timestamp::EPOCH, window());
        let mut stretches = Vec::new();
        while let Some((path, _)) = walk.next() {
            stretches.push(path.split('&').take(2).collect::<Vec<_>>().join("&"));
            assert_eq!(answer(&mut walk, &json!([])), Ok(0));
        }
        let begin = "/api/v1/appointments?minDate=";
        let spans = ["2026-03-01&maxDate=2026-03-31", "2026-03-31&maxDate=2026-04-30", "2026-04-30&maxDate=2026-05-15"];
        assert_eq!(stretches, spans.map(|span| format!("{begin}{span}")));
        let mut walk =
            Walk::new(&list, question(&list, Job::NewAppointmentSync).expect("asked"), "", Timestamp::EPOCH, window());
        let full: Vec<_> = (0..1_000).map(|id| json!({ "id": id })).collect();
        assert_eq!(answer(&mut walk, &json!(full)), Err(Setback::Refused));
    }

    #[test]
    fn what_is_no_list_is_no_answer() {
        let list = list("acuity");
        let walk = || Walk::new(&list, list.new_appointment.as_ref().expect("asked"), "", Timestamp::EPOCH, window());
        for body in
            [r#"{"status_code":429,"error":"too many"}"#, "", "<html>", r#"[{"id":1},{"#, r#"[{"name":"x"}]"#, "[7]"]
        {
            assert_eq!(walk().answer(&told(200, body.as_bytes())), Err(Setback::Later(None)), "{body}");
        }
        assert_eq!(walk().answer(&told(401, b"")), Err(Setback::Denied));
        assert_eq!(walk().answer(&told(404, b"")), Err(Setback::Refused));
        let busy = Told { retry_after: Some("7"), ..told(429, b"") };
        assert_eq!(walk().answer(&busy), Err(Setback::Later(Some(Duration::from_secs(7)))));
        let (listed, skipped) = walk().answer(&told(200, br#"[{"id":"a\u0000"},{"id":7}]"#)).expect("a list");
        assert_eq!((listed.len(), skipped), (1, 1));
    }

    #[test]
    fn a_booking_that_says_when_it_was_changed_is_known_by_that_and_another_by_all_that_it_says() {
        let acuity = list("acuity");
        let mut walk =
            Walk::new(&acuity, acuity.new_appointment.as_ref().expect("asked"), "", Timestamp::EPOCH, window());
        let body = br#"[{"id":1,"datetime":"a"},{"datetime":"a","id":1},{"id":1,"datetime":"b"}]"#;
        let (listed, _) = walk.answer(&told(200, body)).expect("a list");
        assert_eq!(listed[0], listed[1]);
        assert_ne!(listed[0].fingerprint, listed[2].fingerprint);
        let hubspot = list("hubspot");
        let mut walk = Walk::new(&hubspot, hubspot.update.as_ref().expect("asked"), "", Timestamp::EPOCH, window());
        let body = json!({"results": [{"id": "5", "updatedAt": "2026-03-01T08:00:00Z", "a": 1}, {"id": "5", "updatedAt": "2026-03-01T08:00:00Z", "a": 2}]});
        let (listed, _) = walk.answer(&told(200, body.to_string().as_bytes())).expect("a list");
        assert_eq!(listed[0], listed[1]);
        assert_eq!(listed[0].stamp, Some(at("2026-03-01T08:00:00Z")));
    }

    #[test]
    fn what_is_listed_is_said_once_by_a_walk_and_again_by_the_next() {
        let source: SourceName = "shop".parse().expect("a name");
        let id = |began| record(&source, "399", began, false).0.event.id;
        assert_eq!(id(Timestamp::EPOCH), id(Timestamp::EPOCH));
        assert_ne!(id(Timestamp::EPOCH), id(at("2026-03-01T08:00:00Z")));
        let (record, body) = record(&source, "399", Timestamp::EPOCH, true);
        assert_eq!((record.key.as_str(), record.event.kind.as_str()), ("399", LISTED));
        assert_eq!(body, br#"{"first":true,"ids":["399"]}"#);
    }
}
