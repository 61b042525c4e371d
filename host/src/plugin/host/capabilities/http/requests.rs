//! `wasi:http/outgoing-handler`: requests to granted hosts.

use std::fmt::Write as _;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{Method, Request, Response, Uri};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::client::{Client, SendError};
use super::rule::Miss;
use crate::plugin::host::denials::Denials;

/// Maximum size of one write to the body of a request, in bytes. Two writes may wait for the network.
const CHUNK: usize = 16 << 10;

/// Maximum wall time that is left to a handler when a request is given up.
const RESERVE: Duration = Duration::from_millis(500);

/// Maximum length of a host in a log line, in bytes.
const SHOWN: usize = 256;

/// The work after the head of a response has arrived. The client does it on another runtime.
type Rest = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, Rest), Error>;

/// The HTTP requests of an instance.
pub(in crate::plugin) struct Http {
    client: Option<Client>,
    denials: Arc<Denials>,
    /// Each request in flight has a clone.
    alive: Arc<()>,
    /// The end of the attempt.
    deadline: Instant,
    /// Wall time that is left to the handler when a request is given up.
    reserve: Duration,
    last: Arc<Last>,
}

/// The pending request of this attempt, or the last failed one.
#[derive(Default)]
struct Last(Mutex<Option<Asked>>);

struct Asked {
    /// Method, scheme and host.
    what: String,
    since: Instant,
    /// The error and the time until it occurred.
    failed: Option<(&'static str, Duration)>,
}

impl Last {
    fn lock(&self) -> MutexGuard<'_, Option<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the request that began at `since` has ended, with an error or not.
    fn ended(&self, since: Instant, error: Option<&Error>) {
        let mut last = self.lock();
        let Some(asked) = last.as_mut().filter(|asked| asked.since == since) else { return };
        match error {
            Some(error) => asked.failed = Some((word(error), since.elapsed())),
            None => *last = None,
        }
    }
}

/// Returns the description of a failed request, without its duration.
fn word(error: &Error) -> &'static str {
    match error {
        Error::HttpResponseTimeout | Error::ConnectionTimeout | Error::DnsTimeout => "no answer within",
        _ => "failed after",
    }
}

impl Http {
    pub(in crate::plugin) fn new(client: Option<Client>, denials: Arc<Denials>) -> Self {
        let (deadline, last) = (Instant::now(), Arc::default());
        Self { client, denials, alive: Arc::new(()), deadline, reserve: Duration::ZERO, last }
    }

    /// Begins a new attempt with this wall-time limit.
    pub(in crate::plugin) fn renew(&mut self, started: Instant, wall_time: Duration) {
        self.deadline = started + wall_time;
        self.reserve = (wall_time / 10).min(RESERVE);
        if self.client.is_some() {
            *self.last.lock() = None;
        }
    }

    /// Returns the time limit of a request: the rest of the attempt, less the time that the handler needs to report the
    /// failure.
    fn left(&self) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        left - self.reserve.min(left / 2)
    }

    /// Returns the request that the attempt waits for, or the last failed one:
    /// `GET https://api.example.com: no answer within 4.5 s`.
    pub(in crate::plugin) fn trouble(&self) -> Option<String> {
        let last = self.last.lock();
        let asked = last.as_ref()?;
        let (word, time) = asked.failed.unwrap_or_else(|| ("no answer within", asked.since.elapsed()));
        let mut trouble = format!("{}: {word} ", asked.what);
        let _ = match time.as_millis() {
            millis @ ..1000 => write!(trouble, "{millis} ms"),
            _ => write!(trouble, "{:.1} s", time.as_secs_f64()),
        };
        Some(trouble)
    }

    /// Returns whether a request is in flight.
    pub(in crate::plugin) fn is_busy(&self) -> bool {
        Arc::strong_count(&self.alive) > 1
    }

    fn denied(&self, miss: Miss, method: &Method, uri: &Uri) -> Error {
        let what = format!("http: {} is not granted: the {} is not listed", shown(method, uri), miss.as_str());
        self.denials.note("http", miss.as_str(), &what);
        Error::HttpRequestDenied
    }
}

impl WasiHttpHooks for Http {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Rest,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let (method, uri) = (request.method(), request.uri());
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Box::new(ready(Err(Error::HttpRequestUriInvalid)));
        }
        let found = self.client.as_ref().map_or(Err(Miss::Host), |client| Ok((client, client.find(method, uri)?)));
        let (client, endpoint) = match found {
            Ok(found) => found,
            Err(miss) => return Box::new(ready(Err(self.denied(miss, method, uri)))),
        };
        let (client, denials, alive) = (client.clone(), Arc::clone(&self.denials), Arc::clone(&self.alive));
        let asked = shown(method, uri);
        let (last, since, left) = (Arc::clone(&self.last), Instant::now(), self.left());
        *last.lock() = Some(Asked { what: asked.clone(), since, failed: None });
        Box::new(async move {
            let _alive = alive;
            let sent = client.send(endpoint, request, options.unwrap_or_default(), left).await;
            last.ended(
                since,
                match &sent {
                    Err(SendError::Failed(error)) => Some(error),
                    _ => None,
                },
            );
            match sent {
                Ok(answer) => Ok((answer, Box::new(ready(Ok(()))) as Rest)),
                Err(SendError::Failed(error)) => Err(error),
                Err(SendError::Prohibited(address, error)) => {
                    let what = format!("http: {asked} is not granted: its host resolves to {address}");
                    denials.note("http", "address", &what);
                    Err(error)
                }
            }
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    // Errors are already mapped to codes here, and failures that a guest causes do not belong into the host's log.

    fn p2_error_from_hyper(&mut self, _: &hyper::Error) -> ErrorCode {
        ErrorCode::HttpProtocolError
    }

    fn p2_error_from_connect(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::ConnectionRefused
    }

    fn p2_error_from_tls(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::TlsProtocolError
    }
}

/// Method, scheme and host. The path and query may be confidential.
fn shown(method: &Method, uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut shown = format!("{method} {scheme}://{host}");
    shown.truncate(shown.floor_char_boundary(SHOWN));
    shown
}
