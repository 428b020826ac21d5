//! The gate of the API: who is it, may it ask so often, is there room, and what came of it.
//!
//! Invariant: a body is read, and a handler called, only for a caller whose key counts. The room is the API's own: whatever
//! its callers do, the webhooks have theirs.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use daybook_runtime::clock;

use super::Api;
use super::caller::Caller;
use super::metrics::ApiMetrics;
use super::problem::{Problem, ProblemKind};
use super::rate::Standing;
use crate::body::Unread;

/// Lets a request in, or says why not.
pub async fn gate(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let mut visit = Visit::new(&api.metrics, &request);
    let mut standing = None;
    let mut response = match admit(&api, &mut visit, &mut standing, &mut request) {
        Ok(_place) => next.run(request).await,
        Err(problem) => {
            refuse(request).await;
            problem.into_response()
        }
    };
    if let Some(standing) = standing {
        standing.tell(response.headers_mut());
    }
    visit.answered(&response);
    response
}

fn admit<'a>(
    api: &'a Api,
    visit: &mut Visit,
    standing: &mut Option<Standing>,
    request: &mut Request,
) -> Result<impl Sized + use<'a>, Problem> {
    let caller = Caller::identify(&api.keys, request.headers(), clock::now())?;
    visit.key = caller.key.to_string();
    let asked = standing.insert(caller.ask());
    if let Some(seconds) = asked.retry_after() {
        let detail = "The key has asked as often as it may. Nothing was done.";
        return Err(Problem::new(ProblemKind::TooManyRequests, detail).retry_after(seconds));
    }
    request.extensions_mut().insert(caller);
    let busy = |_| Problem::new(ProblemKind::Busy, "As many requests are being worked on as there is room for.");
    api.room.try_acquire().map_err(busy)
}

/// Whoever asks first (Expect) has sent nothing yet; anybody else is to see the answer.
async fn refuse(request: Request) {
    if !request.headers().contains_key(EXPECT) {
        Unread::new(request.into_body()).discard().await;
    }
}

/// One request on its way through. Dropped without an outcome, it counts as one whose caller left.
struct Visit {
    metrics: ApiMetrics,
    key: String,
    route: String,
    began: Instant,
    answered: bool,
}

impl Visit {
    fn new(metrics: &ApiMetrics, request: &Request) -> Self {
        metrics.in_flight.inc();
        let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        Self {
            metrics: metrics.clone(),
            key: "none".to_owned(),
            // The template, never what stands in its place.
            route: format!("{} {path}", request.method()),
            began: Instant::now(),
            answered: false,
        }
    }

    fn answered(mut self, response: &Response) {
        self.answered = true;
        self.count(response.extensions().get::<ProblemKind>().map_or("ok", |kind| kind.as_str()));
        self.metrics.answer_seconds.with_label_values(&[&self.route]).observe(self.began.elapsed().as_secs_f64());
    }

    fn count(&self, outcome: &str) {
        self.metrics.requests_total.with_label_values(&[self.key.as_str(), &self.route, outcome]).inc();
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        if !self.answered {
            self.count("client_gone");
        }
    }
}
