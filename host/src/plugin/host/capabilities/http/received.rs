//! How much a connection may receive for one request, as it comes from the network.
//!
//! Bounds on the head and the body of an answer count what is left after parsing. A server can send a great deal beside
//! that: interim answers (1xx) without end, session tickets of TLS, one byte in each chunk. Reading it is work of the
//! host that no limit of the guest counts, so the bytes themselves are bounded.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// From the first byte to the head of an answer: the handshake of TLS, interim answers, the head itself; 256 KiB, a head
/// may have 64 of them.
const HEAD: u64 = 256 << 10;

/// The body that chunks of some bytes each, and records of TLS around them, make of a byte of the body.
const OVERHEAD: u64 = 4;

/// More was received than an answer may have.
#[derive(Debug, thiserror::Error)]
#[error("the response exceeds its size limit")]
pub(super) struct TooMuch;

/// What a connection may still receive; a clone is of the same connection. A connection comes with it to each answer, as
/// an extension.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<State>);

#[derive(Debug)]
struct State {
    left: AtomicU64,
    /// Answers whose head has come.
    answers: AtomicU64,
}

/// An answer that is being read; dropped, there is room for the head of the next one.
#[derive(Debug)]
pub(super) struct Reading {
    room: Room,
    number: u64,
}

impl Room {
    fn new() -> Self {
        Self(Arc::new(State { left: AtomicU64::new(HEAD), answers: AtomicU64::new(0) }))
    }

    /// The head of an answer is there, and its body may have `limit` bytes.
    pub(super) fn for_body(&self, limit: u64) -> Reading {
        let number = self.0.answers.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.left.store(limit.saturating_mul(OVERHEAD).saturating_add(HEAD), Ordering::Relaxed);
        Reading { room: self.clone(), number }
    }

    fn take(&self, bytes: usize) -> bool {
        let left = self.0.left.load(Ordering::Relaxed).checked_sub(bytes as u64);
        self.0.left.store(left.unwrap_or(0), Ordering::Relaxed);
        left.is_some()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // A guest may keep an answer that it has read, and read the next one of the same connection meanwhile.
        let State { left, answers } = &*self.room.0;
        if answers.load(Ordering::Relaxed) == self.number {
            left.store(HEAD, Ordering::Relaxed);
        }
    }
}

/// A connection that fails when it has received more than its room.
#[derive(Debug)]
pub(super) struct Bounded {
    stream: TcpStream,
    room: Room,
}

impl Bounded {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, room: Room::new() }
    }
}

impl Connection for Bounded {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.room.clone())
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let received = buffer.filled().len() - before;
        Poll::Ready(if self.room.take(received) { Ok(()) } else { Err(io::Error::other(TooMuch)) })
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
