//! Reading a body within bounds of size and time.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures::StreamExt;
use tokio::time::timeout;

/// How much of a body that is not wanted is read all the same.
const DISCARD_MAX: usize = 8 * 1_024 * 1_024;
/// For how long.
const DISCARD_FOR: Duration = Duration::from_secs(2);

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// It is over the limit.
    TooLarge,
    /// It did not come in time.
    Slow,
    /// It broke off.
    Broken,
}

/// A body that has not been read.
pub struct Unread(BodyDataStream);

impl Unread {
    /// This body.
    pub fn new(body: Body) -> Self {
        Self(body.into_data_stream())
    }

    /// All of it, if it is at most `bytes_max` long and comes within `within`.
    pub async fn read(&mut self, bytes_max: usize, within: Duration) -> Result<Bytes, BodyFault> {
        match timeout(within, self.gather(bytes_max)).await {
            Ok(result) => result,
            Err(_) => Err(BodyFault::Slow),
        }
    }

    async fn gather(&mut self, bytes_max: usize) -> Result<Bytes, BodyFault> {
        // The usual body comes in one piece and is not copied.
        let Some(first) = self.next(bytes_max).await? else { return Ok(Bytes::new()) };
        let Some(second) = self.next(bytes_max - first.len()).await? else { return Ok(first) };
        let mut all = [first, second].concat();
        while let Some(piece) = self.next(bytes_max - all.len()).await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
    }

    async fn next(&mut self, bytes_max: usize) -> Result<Option<Bytes>, BodyFault> {
        match self.0.next().await {
            None => Ok(None),
            Some(Ok(piece)) if piece.len() <= bytes_max => Ok(Some(piece)),
            Some(Ok(_)) => Err(BodyFault::TooLarge),
            Some(Err(_)) => Err(BodyFault::Broken),
        }
    }

    /// Reads on and forgets, within bounds. A sender that is still writing when the connection closes never sees the
    /// answer that came before (RFC 9112 §9.6).
    pub async fn discard(&mut self) {
        let mut left = DISCARD_MAX;
        let rest = async {
            while let Ok(Some(piece)) = self.next(left).await {
                left -= piece.len();
            }
        };
        let _ = timeout(DISCARD_FOR, rest).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn body(pieces: &'static [&'static str]) -> Unread {
        Unread::new(Body::from_stream(stream::iter(pieces).map(|piece| Ok::<_, std::io::Error>(*piece))))
    }

    async fn read(pieces: &'static [&'static str]) -> Result<Bytes, BodyFault> {
        body(pieces).read(6, Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn a_body_is_put_together_from_its_pieces() {
        assert_eq!(read(&[]).await, Ok(Bytes::new()));
        assert_eq!(read(&["abc"]).await, Ok(Bytes::from("abc")));
        assert_eq!(read(&["ab", "cd", "ef"]).await, Ok(Bytes::from("abcdef")));
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_in_whichever_piece_it_passes_it() {
        for pieces in [&["abcdefg"][..], &["abc", "defg"], &["ab", "cd", "efg"]] {
            assert_eq!(read(pieces).await, Err(BodyFault::TooLarge));
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_given_up() {
        let mut body = Unread::new(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()));
        assert_eq!(body.read(6, Duration::from_millis(10)).await, Err(BodyFault::Slow));
    }

    #[tokio::test]
    async fn what_is_left_is_read_and_forgotten() {
        let mut body = body(&["abcdefg", "h", "i"]);
        assert_eq!(body.read(6, Duration::from_secs(5)).await, Err(BodyFault::TooLarge));
        body.discard().await;
        assert_eq!(body.next(6).await, Ok(None));
    }
}
