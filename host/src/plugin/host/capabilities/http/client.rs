//! HTTP requests of plugins: only to granted hosts, only to checked addresses, with limits on time, size and number.
//!
//! A [`Client`] with its connections and circuit breakers belongs to one plugin. So a plugin cannot use an open
//! connection of another one to a host that it was not granted, and cannot open the circuit of another plugin. The
//! client follows no redirects: the guest gets the response, and the request that the guest then makes is checked like
//! any other. It speaks HTTP/1.1 and ignores proxies in the environment.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use hyper_util::client::legacy;
use hyper_util::rt::TokioTimer;
use metrics::{counter, gauge};
use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::body::{Answer, Outgoing};
use super::breaker::{Breaker, BreakerConfig, Change, Ended, Pass};
use super::connect::{ConnectError, Connector, Timed};
use super::failure;
use super::received::{Reading, Room};
use super::resolve::{Resolve, System};
use super::rule::{Miss, Rule};
use crate::server;

/// The HTTP grant of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Allowed hosts and methods. If empty, no request is allowed.
    pub allow: Vec<Rule>,
    /// From name resolution to the end of the TLS handshake, and also for waiting for one of [`Config::at_once`]
    /// permits. Default: 5 s.
    pub connect_timeout: Duration,
    /// From the connection to the head of the response. Default: 30 s.
    pub first_byte_timeout: Duration,
    /// For the whole request, to the last byte of the response. Default: 60 s.
    pub timeout: Duration,
    /// Maximum size of a request body in bytes. Default: 8 MiB.
    pub request_bytes: u64,
    /// Maximum size of a response body in bytes. Default: 8 MiB.
    pub response_bytes: u64,
    /// Concurrent requests to all hosts. Default: 32. Each request has one connection; a few idle connections are kept
    /// beside them.
    pub at_once: usize,
    /// When the circuit of a host opens.
    pub breaker: BreakerConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
            request_bytes: 8 << 20,
            response_bytes: 8 << 20,
            at_once: 32,
            breaker: BreakerConfig::default(),
        }
    }
}

/// Idle connections to one host that are kept for the next request.
const IDLE: usize = 4;
/// How long idle connections are kept.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// Maximum size of the head of a response, and of the part of its body that is read ahead of the guest, in bytes.
const BUFFER: usize = 64 << 10;
/// Maximum number of header fields of a response.
const HEADERS: usize = 128;
/// A request that the guest abandons earlier says nothing about its host.
const PATIENCE: Duration = Duration::from_secs(1);

/// Created once, because reading all certificates of a machine is slow.
static TLS: LazyLock<Result<Arc<ClientConfig>, String>> = LazyLock::new(|| server::tls().map(Arc::new));

/// Sends the requests of one plugin. Clones share connections and circuit breakers.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    plugin: Box<str>,
    config: Config,
    endpoints: Vec<Endpoint>,
    places: Arc<Semaphore>,
}

/// One rule with its connections and circuit breaker.
struct Endpoint {
    rule: Rule,
    origin: Arc<str>,
    breaker: Breaker,
    connections: legacy::Client<Timed, WasiBody>,
}

/// Why there is no response.
pub(in crate::plugin) enum SendError {
    /// The host name resolves to this address, which was not granted.
    Prohibited(IpAddr, Error),
    Failed(Error),
}

impl Client {
    /// Creates a client for `plugin`. The runtime `io` does the input and output.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(plugin: &str, config: Config, io: &Handle) -> Result<Self, String> {
        Self::with(plugin, config, io, Arc::new(System::new()))
    }

    fn with(plugin: &str, config: Config, io: &Handle, resolver: Arc<dyn Resolve>) -> Result<Self, String> {
        let tls = TLS.clone()?;
        let mut builder = legacy::Client::builder(OnRuntime(io.clone()));
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE)
            .http1_max_buf_size(BUFFER)
            .http1_max_headers(HEADERS);
        let endpoints = config.allow.iter().map(|rule| {
            let connector = Connector::new(rule, config.connect_timeout, Arc::clone(&resolver), io.clone());
            let connector = Timed::new(connector, Arc::clone(&tls), config.connect_timeout);
            Endpoint {
                rule: rule.clone(),
                origin: rule.origin().into(),
                breaker: Breaker::new(config.breaker),
                connections: builder.build(connector),
            }
        });
        let endpoints = endpoints.collect();
        let places = Arc::new(Semaphore::new(config.at_once));
        Ok(Self(Arc::new(Inner { plugin: plugin.into(), config, endpoints, places })))
    }

    /// Returns the index of the endpoint that a request may go to.
    pub(in crate::plugin) fn find(&self, method: &Method, uri: &Uri) -> Result<usize, Miss> {
        let mut closest = Miss::Host;
        for (at, endpoint) in self.0.endpoints.iter().enumerate() {
            match endpoint.rule.misses(method, uri) {
                None => return Ok(at),
                Some(miss) => closest = closest.max(miss),
            }
        }
        Err(closest)
    }

    /// Sends a request to the endpoint that [`Client::find`] returned. The request ends within `left`, whatever its
    /// limits are.
    pub(in crate::plugin) async fn send(
        self,
        at: usize,
        request: Request<WasiBody>,
        options: RequestOptions,
        left: Duration,
    ) -> Result<Response<WasiBody>, SendError> {
        let Inner { plugin, config, endpoints, places } = &*self.0;
        let endpoint = &endpoints[at];
        let end = Instant::now() + config.timeout.min(left);
        let connect = config.connect_timeout.min(options.connect_timeout.unwrap_or(Duration::MAX)).min(left);
        let first_byte = config.first_byte_timeout.min(options.first_byte_timeout.unwrap_or(Duration::MAX));
        let between = config.timeout.min(options.between_bytes_timeout.unwrap_or(Duration::MAX));
        if request.body().size_hint().lower() > config.request_bytes
            || declared(request.headers()) > config.request_bytes
        {
            return Err(SendError::Failed(Error::HttpRequestBodySize(None)));
        }
        let place = match timeout(connect, Arc::clone(places).acquire_owned()).await {
            Ok(Ok(place)) => place,
            _ => return Err(SendError::Failed(Error::ConnectionLimitReached)),
        };
        let Some(pass) = endpoint.breaker.admit(std::time::Instant::now()) else {
            count(plugin, &endpoint.origin, "refused");
            return Err(SendError::Failed(Error::DestinationUnavailable));
        };
        let watched = Watched { plugin, endpoint, pass, since: Instant::now(), told: false };
        let request = request.map(|body| Outgoing::new(body, config.request_bytes).boxed_unsync());
        let head = end.min(Instant::now() + connect + first_byte);
        let answer = match timeout_at(head, endpoint.connections.request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(watched.failed(&error)),
            Err(_) => {
                let is_cut = left < connect + first_byte;
                let ended = if is_cut { watched.given_up() } else { Ended::Failed };
                watched.tell(ended, "failed");
                return Err(SendError::Failed(Error::HttpResponseTimeout));
            }
        };
        watched.answered(answer.status());
        let reading = answer.extensions().get().map(|room| Room::for_body(room, config.response_bytes));
        if declared(answer.headers()) > config.response_bytes {
            return Err(SendError::Failed(Error::HttpResponseBodySize(Some(declared(answer.headers())))));
        }
        Ok(answer.map(|body| {
            let held: (OwnedSemaphorePermit, Option<Reading>) = (place, reading);
            Answer::new(body, config.response_bytes, end, between, held).boxed_unsync()
        }))
    }
}

/// Returns the length of a body if a header declares it, else 0.
fn declared(headers: &HeaderMap) -> u64 {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

fn count(plugin: &str, origin: &Arc<str>, status: &'static str) {
    let (plugin, host) = (plugin.to_owned(), Arc::clone(origin));
    counter!("cofferdam_http_requests_total", "plugin" => plugin, "host" => host, "status" => status).increment(1);
}

/// A request in flight. Its result reaches the circuit breaker also if it is dropped.
struct Watched<'a> {
    plugin: &'a str,
    endpoint: &'a Endpoint,
    pass: Pass,
    since: Instant,
    told: bool,
}

impl Watched<'_> {
    fn answered(self, status: StatusCode) {
        let ended = if status.is_server_error() { Ended::Failed } else { Ended::Well };
        let status = match status.as_u16() {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        self.tell(ended, status);
    }

    fn failed(self, error: &legacy::Error) -> SendError {
        let word = failure::of(error);
        if let Some(ConnectError::Prohibited(address)) = failure::find(error) {
            self.tell(Ended::Untold, "denied");
            return SendError::Prohibited(*address, word);
        }
        // The guest caused a body that is too large.
        let ended = if matches!(word, Error::HttpRequestBodySize(_)) { Ended::Untold } else { Ended::Failed };
        self.tell(ended, "failed");
        SendError::Failed(word)
    }

    /// Returns what an abandoned request says about its host. If the guest waited only shortly: nothing, because a
    /// handler may ask two hosts and use the first response. If it waited long: a failure, because a handler whose time
    /// limit is shorter than ours gives up on a host that hangs.
    fn given_up(&self) -> Ended {
        if self.since.elapsed() < PATIENCE { Ended::Untold } else { Ended::Failed }
    }

    fn tell(mut self, ended: Ended, status: &'static str) {
        self.told = true;
        self.record(ended, status);
    }

    fn record(&self, ended: Ended, status: &'static str) {
        let Endpoint { breaker, origin, .. } = self.endpoint;
        count(self.plugin, origin, status);
        let Some(change) = breaker.ended(self.pass, ended, std::time::Instant::now()) else { return };
        let (plugin, host) = (self.plugin, &**origin);
        let open = gauge!("cofferdam_http_circuit_open", "plugin" => plugin.to_owned(), "host" => Arc::clone(origin));
        match change {
            Change::Opened => {
                open.set(1.0);
                tracing::warn!(
                    event = "http_circuit_open",
                    plugin,
                    host,
                    "circuit breaker opened: requests to this host are rejected"
                );
            }
            Change::Closed => {
                open.set(0.0);
                tracing::info!(
                    event = "http_circuit_closed",
                    plugin,
                    host,
                    "circuit breaker closed: requests to this host are allowed"
                );
            }
        }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.record(self.given_up(), "abandoned");
        }
    }
}

/// Drives connections on a runtime for input and output, not on the threads of guests.
#[derive(Clone)]
struct OnRuntime(Handle);

impl<F> hyper::rt::Executor<F> for OnRuntime
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
