//! What a server answers, no more of it than there is reason for.

use reqwest::Response;

/// The whole body of an answer; none if it breaks off or is longer than `max` bytes.
pub async fn whole(mut response: Response, max: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > max {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}
