//! The body of a request, watched: until all of it is there, its connection counts as idle. So whoever sends a body a byte
//! at a time loses its place to whoever asks something, like whoever sends nothing.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::Request;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use crate::idle::{Busy, Seat};

/// Whether the request of a connection is being worked on.
#[derive(Debug, Clone)]
pub struct Work {
    seat: Arc<Seat>,
    busy: Arc<Mutex<Option<Busy>>>,
}

impl Work {
    /// Takes a request whose body is perhaps still on its way.
    pub fn on(request: Request<Incoming>, seat: &Arc<Seat>) -> (Request<Watched>, Self) {
        let work = Self { seat: Arc::clone(seat), busy: Arc::default() };
        let (parts, body) = request.into_parts();
        let mut body = Watched { body, work: Some(work.clone()) };
        body.look();
        (Request::from_parts(parts, body), work)
    }

    /// It is answered.
    pub fn done(&self) {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(busy);
    }

    fn begin(&self) {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.seat.busy());
    }
}

/// A body that says when it is whole.
#[derive(Debug)]
pub struct Watched {
    body: Incoming,
    /// None once it was whole.
    work: Option<Work>,
}

impl Watched {
    fn look(&mut self) {
        if self.body.is_end_stream() {
            self.whole();
        }
    }

    fn whole(&mut self) {
        if let Some(work) = self.work.take() {
            work.begin();
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match polled {
            Poll::Ready(None) => self.whole(),
            Poll::Ready(Some(_)) => self.look(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
