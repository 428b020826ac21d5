//! Reading a body within bounds of size and time.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};
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
    /// There is no memory left for it.
    NoRoom,
}

/// Memory for bodies, of all requests together. What a body takes of it is given back with the [`Kept`] body.
#[derive(Debug)]
pub struct Memory(Semaphore);

/// How much memory is counted at once.
const PAGE: usize = 1_024;

impl Memory {
    /// So many bodies of the largest size.
    pub fn for_bodies(count: usize, bytes_max: usize) -> Self {
        Self(Semaphore::new(count.saturating_mul(bytes_max.div_ceil(PAGE)).min(Semaphore::MAX_PERMITS)))
    }
}

/// A body, with the memory that it takes.
#[derive(Debug)]
pub struct Kept<'m> {
    /// All of it.
    pub bytes: Bytes,
    _memory: Option<SemaphorePermit<'m>>,
}

/// A body that has not been read.
pub struct Unread(BodyDataStream);

impl Unread {
    /// This body.
    pub fn new(body: Body) -> Self {
        Self(body.into_data_stream())
    }

    /// All of it, if it is at most `bytes_max` long and comes within `within`.
    pub async fn read<'m>(
        &mut self,
        bytes_max: usize,
        within: Duration,
        memory: &'m Memory,
    ) -> Result<Kept<'m>, BodyFault> {
        let mut taken = None;
        let bytes = match timeout(within, self.gather(bytes_max, memory, &mut taken)).await {
            Ok(result) => result?,
            Err(_) => return Err(BodyFault::Slow),
        };
        Ok(Kept { bytes, _memory: taken })
    }

    async fn gather<'m>(
        &mut self,
        bytes_max: usize,
        memory: &'m Memory,
        taken: &mut Option<SemaphorePermit<'m>>,
    ) -> Result<Bytes, BodyFault> {
        // The usual body comes in one piece and is not copied.
        let Some(first) = self.next(bytes_max).await? else { return Ok(Bytes::new()) };
        take(memory, taken, first.len())?;
        let Some(second) = self.next(bytes_max - first.len()).await? else { return Ok(first) };
        let mut all = [first, second].concat();
        take(memory, taken, all.len())?;
        while let Some(piece) = self.next(bytes_max - all.len()).await? {
            all.extend_from_slice(&piece);
            take(memory, taken, all.len())?;
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

/// Takes as much more as `length` bytes need.
fn take<'m>(memory: &'m Memory, taken: &mut Option<SemaphorePermit<'m>>, length: usize) -> Result<(), BodyFault> {
    let held = taken.as_ref().map_or(0, SemaphorePermit::num_permits);
    let more = length.div_ceil(PAGE).saturating_sub(held);
    if more == 0 {
        return Ok(());
    }
    let more = u32::try_from(more).map_err(|_| BodyFault::TooLarge)?;
    let permit = memory.0.try_acquire_many(more).map_err(|_| BodyFault::NoRoom)?;
    match taken {
        Some(taken) => taken.merge(permit),
        None => *taken = Some(permit),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn body(pieces: &'static [&'static str]) -> Unread {
        Unread::new(Body::from_stream(stream::iter(pieces).map(|piece| Ok::<_, std::io::Error>(*piece))))
    }

    async fn read(pieces: &'static [&'static str]) -> Result<Bytes, BodyFault> {
        let memory = Memory::for_bodies(1, 6);
        body(pieces).read(6, Duration::from_secs(5), &memory).await.map(|kept| kept.bytes)
    }

    #[tokio::test]
    async fn bodies_take_memory_by_what_has_come_and_give_it_back() {
        let memory = Memory::for_bodies(2, PAGE);
        let read = async || body(&["abc", "def"]).read(6, Duration::from_secs(5), &memory).await;
        let (first, second) = (read().await.expect("read"), read().await.expect("read"));
        assert_eq!(read().await.map(|kept| kept.bytes), Err(BodyFault::NoRoom));
        drop(first);
        assert!(read().await.is_ok());
        drop(second);
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
        let memory = Memory::for_bodies(1, 6);
        let mut body = Unread::new(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()));
        let read = body.read(6, Duration::from_millis(10), &memory).await;
        assert_eq!(read.map(|kept| kept.bytes), Err(BodyFault::Slow));
    }

    #[tokio::test]
    async fn what_is_left_is_read_and_forgotten() {
        let memory = Memory::for_bodies(1, 6);
        let mut body = body(&["abcdefg", "h", "i"]);
        let read = body.read(6, Duration::from_secs(5), &memory).await;
        assert_eq!(read.map(|kept| kept.bytes), Err(BodyFault::TooLarge));
        body.discard().await;
        assert_eq!(body.next(6).await, Ok(None));
    }
}
