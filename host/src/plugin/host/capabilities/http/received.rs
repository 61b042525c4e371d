//! Limits on the bytes that a connection receives for one request.
//!
//! The limits on head and body of a response count what is left after parsing. A server can send much more than that:
//! endless interim responses (1xx), TLS session tickets, chunks of one byte. Reading them is work of the host that no
//! limit of the guest counts. So the received bytes themselves are limited.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Limit from the first byte to the head of a response: TLS handshake, interim responses, and the head itself, which
/// may have 64 KiB of it; 256 KiB.
const HEAD: u64 = 256 << 10;

/// Received bytes per byte of body, with chunks of a few bytes in TLS records.
const OVERHEAD: u64 = 4;

/// A response has more bytes than its limit.
#[derive(Debug, thiserror::Error)]
#[error("the response exceeds its size limit")]
pub(super) struct TooMuch;

/// The bytes that a connection may still receive; clones share them. The connection attaches it to each response as an
/// extension.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<State>);

#[derive(Debug)]
struct State {
    left: AtomicU64,
    /// Responses whose head has arrived.
    answers: AtomicU64,
}

/// A response that is being read. When it is dropped, the head of the next one may arrive.
#[derive(Debug)]
pub(super) struct Reading {
    room: Room,
    number: u64,
}

impl Room {
    fn new() -> Self {
        Self(Arc::new(State { left: AtomicU64::new(HEAD), answers: AtomicU64::new(0) }))
    }

    /// Allows `limit` bytes for the body of a response whose head has arrived.
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
        // A guest may keep a response that it has read while it reads the next one on the same connection.
        let State { left, answers } = &*self.room.0;
        if answers.load(Ordering::Relaxed) == self.number {
            left.store(HEAD, Ordering::Relaxed);
        }
    }
}

/// A connection that fails when it has received more than its limit.
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
