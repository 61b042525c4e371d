//! Request and response bodies with limits on size and time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use wasmtime_wasi_http::{Error, WasiBody};

use super::failure;
use super::received::TooMuch;

/// The body of a request of the guest.
pub(super) struct Outgoing {
    inner: WasiBody,
    left: u64,
}

impl Outgoing {
    /// Reads at most `limit` bytes of `inner`.
    pub(super) fn new(inner: WasiBody, limit: u64) -> Self {
        Self { inner, left: limit }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && !take(&mut self.left, frame)
        {
            return Poll::Ready(Some(Err(Error::HttpRequestBodySize(None))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of a response. Holds `H` until the body is read or dropped.
pub(super) struct Answer<H> {
    inner: Incoming,
    left: u64,
    timer: Pin<Box<Sleep>>,
    end: Instant,
    between: Duration,
    _held: H,
}

impl<H> Answer<H> {
    /// Reads at most `limit` bytes of `inner`, until `end`, with at most `between` from one frame to the next.
    pub(super) fn new(inner: Incoming, limit: u64, end: Instant, between: Duration, held: H) -> Self {
        let timer = Box::pin(sleep_until(end.min(Instant::now() + between)));
        Self { inner, left: limit, timer, end, between, _held: held }
    }
}

impl<H: Unpin> Body for Answer<H> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if !take(&mut this.left, &frame) {
                    return Poll::Ready(Some(Err(Error::HttpResponseBodySize(None))));
                }
                let next = this.end.min(Instant::now() + this.between);
                this.timer.as_mut().reset(next);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) if failure::find::<TooMuch>(&error).is_some() => {
                Poll::Ready(Some(Err(Error::HttpResponseBodySize(None))))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(failure::of(&error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => this.timer.as_mut().poll(context).map(|()| Some(Err(Error::HttpResponseTimeout))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Subtracts the size of `frame` from `left`. Returns false if it does not fit.
fn take(left: &mut u64, frame: &Frame<Bytes>) -> bool {
    let length = frame.data_ref().map_or(0, |data| data.len() as u64);
    match left.checked_sub(length) {
        Some(rest) => *left = rest,
        None => return false,
    }
    true
}
