//! An HTTP server that sends what the test says, well-formed or not.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// The response to a request.
pub(super) enum Say {
    /// A whole response.
    All(String),
    /// The first text once, then the second one endlessly.
    Endless(String, String),
    /// Part of a response, and nothing more.
    Part(String),
    /// No response.
    Nothing,
}

pub(super) fn say(text: &str) -> Say {
    Say::All(text.to_owned())
}

/// Listens until it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Seen>,
    _listening: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// Bytes sent of endless responses.
    endless: AtomicUsize,
    last: Mutex<String>,
}

impl Server {
    /// Listens at `address`. `answer` returns the response to the head of a request.
    pub(super) async fn start(address: &str, answer: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, answer) = (Arc::<Seen>::default(), Arc::new(answer));
        let listening = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    seen.connections.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(talk(stream, Arc::clone(&seen), Arc::clone(&answer)));
                }
            }
        });
        Self { address, seen, _listening: AbortOnDropHandle::new(listening) }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Returns the bytes sent of endless responses.
    pub(super) fn endless(&self) -> usize {
        self.seen.endless.load(Ordering::SeqCst)
    }

    /// Returns the last request, head and body.
    pub(super) fn last(&self) -> String {
        self.seen.last.lock().unwrap().clone()
    }
}

async fn talk(mut stream: TcpStream, seen: Arc<Seen>, answer: Arc<impl Fn(&str) -> Say>) {
    let mut read = Vec::new();
    loop {
        while !is_whole(&read) {
            let mut piece = [0; 1024];
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(length) => read.extend_from_slice(&piece[..length]),
            }
        }
        let request = String::from_utf8_lossy(&std::mem::take(&mut read)).into_owned();
        seen.requests.fetch_add(1, Ordering::SeqCst);
        let said = answer(&request);
        *seen.last.lock().unwrap() = request;
        match said {
            Say::All(text) if text.contains("connection: close") => {
                return drop(stream.write_all(text.as_bytes()).await);
            }
            Say::All(text) => drop(stream.write_all(text.as_bytes()).await),
            Say::Endless(text, piece) => {
                let (mut next, pieces) = (text.into_bytes(), piece.repeat(100).into_bytes());
                while stream.write_all(&next).await.is_ok() {
                    seen.endless.fetch_add(next.len(), Ordering::SeqCst);
                    next.clone_from(&pieces);
                }
                return;
            }
            Say::Part(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
            Say::Nothing => drop(stream.read_to_end(&mut Vec::new()).await),
        }
    }
}

/// Returns whether the head and the declared body have arrived.
fn is_whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.parse().unwrap())
}
