//! A body of JSON, within bounds. What is wrong with its fields is for the handler to say.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderName, HeaderValue};
use daybook_format::Media;
use daybook_ingest_core::{JSON, check_content_type};

use super::Api;
use super::problem::{Problem, ProblemKind};
use crate::body::{BodyFault, Unread};

/// The bytes of a body that says it is JSON.
#[derive(Debug, Clone)]
pub struct JsonBytes(pub Bytes);

impl FromRequest<Arc<Api>> for JsonBytes {
    type Rejection = Problem;
    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let mut body = Unread::new(body);
        match read(&parts.headers, &mut body, api).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(problem) => {
                if problem.kind() != ProblemKind::SlowBody && !parts.headers.contains_key(EXPECT) {
                    body.discard().await;
                }
                Err(problem)
            }
        }
    }
}

async fn read(headers: &HeaderMap, body: &mut Unread, api: &Api) -> Result<Bytes, Problem> {
    let max = api.config.body_max_bytes;
    if check_content_type(text(headers, &CONTENT_TYPE), Media::Json).is_err() || headers.contains_key(CONTENT_ENCODING)
    {
        let kind = ProblemKind::UnsupportedMediaType;
        let problem = Problem::new(kind, "Send the body as application/json, in UTF-8, not compressed.");
        return Err(problem.header(ACCEPT, HeaderValue::from_static(JSON)));
    }
    let announced = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    let bytes = match announced {
        Some(length) if length > max => Err(BodyFault::TooLarge),
        // As many of the largest as there are places: a caller who has one has its memory too.
        Some(_) | None => body.read(max, api.body_timeout, &api.memory).await.map(|kept| kept.bytes),
    };
    bytes.map_err(|fault| match fault {
        BodyFault::TooLarge => Problem::new(ProblemKind::TooLarge, format!("The body may have {max} bytes.")),
        BodyFault::Slow => Problem::new(ProblemKind::SlowBody, "Nothing was done; send it again."),
        BodyFault::NoRoom => Problem::new(ProblemKind::Busy, "There is no memory left for it. Nothing was done."),
        BodyFault::Broken => Problem::new(ProblemKind::InvalidBody, "The body broke off; nothing was done."),
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
