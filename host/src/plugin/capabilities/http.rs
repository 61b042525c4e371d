//! `wasi:http/outgoing-handler`: requests to the hosts that the plugin was granted.

use std::future::ready;
use std::sync::Arc;

use http::{Method, Request, Response, Uri};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::plugin::denials::Denials;
use crate::plugin::http::{Client, Miss, SendError};

/// What one write to the body of a request may have, bytes; two of them wait for the network.
const CHUNK: usize = 16 << 10;

/// The longest host that a log line shows, bytes.
const SHOWN: usize = 256;

/// The work that is left when the head of an answer is there, which the client does elsewhere.
type Rest = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, Rest), Error>;

/// What an instance asks of the network.
pub(in crate::plugin) struct Http {
    client: Option<Client>,
    denials: Arc<Denials>,
    /// Each request that is under way has a clone.
    alive: Arc<()>,
}

impl Http {
    pub(in crate::plugin) fn new(client: Option<Client>, denials: Arc<Denials>) -> Self {
        Self { client, denials, alive: Arc::new(()) }
    }

    /// Whether a request is under way.
    pub(in crate::plugin) fn is_busy(&self) -> bool {
        Arc::strong_count(&self.alive) > 1
    }

    fn denied(&self, miss: Miss, method: &Method, uri: &Uri) -> Error {
        let what = format!("http: {} was not granted: the {} is not listed", shown(method, uri), miss.as_str());
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
        Box::new(async move {
            let _alive = alive;
            match client.send(endpoint, request, options.unwrap_or_default()).await {
                Ok(answer) => Ok((answer, Box::new(ready(Ok(()))) as Rest)),
                Err(SendError::Failed(error)) => Err(error),
                Err(SendError::Prohibited(address, error)) => {
                    let what = format!("http: {asked} was not granted: its host leads to {address}");
                    denials.note("http", "address", &what);
                    Err(error)
                }
            }
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    // Failures have their words when they come here, and what a guest makes fail is no line of the host's log.

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

/// Method, scheme and host: what is behind them may be anybody's business.
fn shown(method: &Method, uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut shown = format!("{method} {scheme}://{host}");
    shown.truncate(shown.floor_char_boundary(SHOWN));
    shown
}
