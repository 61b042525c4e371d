//! Bounds on connections: their number, the duration of slow ones, and their end.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::hosts::Hosts;

/// The bounds for clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Maximum number of connections. A further one replaces the connection with the oldest last answer, so that slow
    /// clients never block a probe.
    pub(super) connections: usize,
    /// Maximum time to receive the complete head of a request, and between two requests.
    pub(super) head: Duration,
    /// Maximum time of a connection without a byte in either direction.
    pub(super) idle: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections: 64, head: Duration::from_secs(10), idle: Duration::from_secs(15) }
    }
}

/// Maximum size of a request's head in bytes.
const HEAD_BYTES: usize = 16 << 10;

/// Answers requests with `pages` until `end`, and open requests after that.
pub(super) struct Server {
    pub(super) listener: TcpListener,
    pub(super) pages: Router,
    pub(super) hosts: Arc<Hosts>,
    pub(super) bounds: Bounds,
}

impl Server {
    /// Completes after `end`, when every open request is answered. `cut` ends all connections.
    pub(super) async fn run(mut self, end: CancellationToken, cut: CancellationToken) {
        let places = Arc::new(Places { most: self.bounds.connections, taken: Mutex::default() });
        let mut connections = JoinSet::new();
        loop {
            let stream = tokio::select! {
                () = end.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                // Errors of `accept` (for example too many open files) are retried inside.
                (stream, _) = axum::serve::Listener::accept(&mut self.listener) => stream,
            };
            let place = places.take(cut.child_token());
            connections.spawn(self.answer(stream, place, end.clone()));
        }
        while connections.join_next().await.is_some() {}
    }

    /// Answers the requests of one connection.
    fn answer(&self, stream: TcpStream, place: Place, end: CancellationToken) -> impl Future<Output = ()> + use<> {
        let (pages, hosts, bounds) = (self.pages.clone(), Arc::clone(&self.hosts), self.bounds);
        let place = Arc::new(place);
        let of_service = Arc::clone(&place);
        let service = service_fn(move |request: Request<Incoming>| {
            let (mut pages, hosts, place) = (pages.clone(), Arc::clone(&hosts), Arc::clone(&of_service));
            async move {
                let answer: Result<Response<Body>, Infallible> = match hosts.refuse(&request) {
                    Some(refusal) => Ok(refusal),
                    None => pages.call(request).await,
                };
                place.answered();
                answer
            }
        });
        let connection = Connection { stream, idle: Box::pin(sleep(bounds.idle)), most: bounds.idle };
        async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(bounds.head).max_buf_size(HEAD_BYTES);
            let connection = http.serve_connection(TokioIo::new(connection), service);
            tokio::pin!(connection);
            let cut = place.entry.cut.clone();
            tokio::select! {
                // Errors of a client concern only that client.
                _ = &mut connection => return,
                () = cut.cancelled() => return,
                () = end.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            tokio::select! {
                _ = connection => {}
                () = cut.cancelled() => {}
            }
        }
    }
}

/// The current connections.
struct Places {
    most: usize,
    taken: Mutex<Vec<Arc<Entry>>>,
}

struct Entry {
    cut: CancellationToken,
    /// The time of the last answer, or of the connection.
    since: Mutex<Instant>,
}

/// The registration of one connection.
struct Place {
    entry: Arc<Entry>,
    places: Arc<Places>,
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a connection that ends with `cut`. If all places are taken, another connection is closed.
    fn take(self: &Arc<Self>, cut: CancellationToken) -> Place {
        let entry = Arc::new(Entry { cut, since: Mutex::new(Instant::now()) });
        let mut taken = self.taken();
        if taken.len() >= self.most {
            let oldest = taken.iter().enumerate().min_by_key(|(_, entry)| entry.since()).map(|(index, _)| index);
            if let Some(oldest) = oldest {
                taken.swap_remove(oldest).cut.cancel();
            }
        }
        taken.push(Arc::clone(&entry));
        Place { entry, places: Arc::clone(self) }
    }
}

impl Entry {
    fn since(&self) -> Instant {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn answered(&self) {
        *self.entry.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().retain(|entry| !Arc::ptr_eq(entry, &self.entry));
    }
}

/// A connection that ends if no byte moves for too long.
struct Connection {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    most: Duration,
}

impl Connection {
    /// Passes on the result of a read or write, unless it has waited for too long.
    fn watched<T>(&mut self, context: &mut Context<'_>, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if moved.is_ready() {
            self.idle.as_mut().reset(Instant::now() + self.most);
            return moved;
        }
        ready!(self.idle.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_read(context, into);
        self.watched(context, moved)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watched(context, moved)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.watched(context, moved)
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Starts a server with these bounds until the test ends.
    async fn serve(bounds: Bounds) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pages = Router::new().route("/livez", get(|| async { "alive" }));
        let server = Server { listener, pages, hosts: Arc::default(), bounds };
        tokio::spawn(server.run(CancellationToken::new(), CancellationToken::new()));
        address
    }

    async fn probe(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Sends the beginning of a request whose head does not end.
    async fn slow(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nx: ").await.unwrap();
        stream
    }

    #[tokio::test]
    async fn slow_clients_keep_no_probe_waiting() {
        let day = Duration::from_secs(86_400);
        let address = serve(Bounds { head: day, idle: day, ..Bounds::default() }).await;
        let mut held = Vec::new();
        for _ in 0..3 * Bounds::default().connections {
            held.push(slow(address).await);
        }
        for _ in 0..10 {
            let answer = tokio::time::timeout(Duration::from_secs(10), probe(address)).await.expect("at once");
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("alive"), "{answer}");
        }
        let closed = tokio::time::timeout(Duration::from_secs(10), held[0].read_to_end(&mut Vec::new())).await;
        assert!(closed.is_ok(), "the one that waited longest had to go");
    }

    #[tokio::test]
    async fn a_head_that_comes_byte_by_byte_ends_in_time() {
        let address = serve(Bounds { head: Duration::from_millis(300), ..Bounds::default() }).await;
        let (mut read, mut write) = slow(address).await.into_split();
        let drip = async {
            // Sends bytes steadily until the server closes the connection.
            while write.write_all(b"y").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let mut rest = Vec::new();
        let ended =
            tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(drip, read.read_to_end(&mut rest)) });
        assert!(ended.await.is_ok(), "still open");
    }
}
