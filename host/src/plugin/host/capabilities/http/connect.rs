//! Connections to checked addresses. A name is resolved once per connection, its addresses are checked, and the client
//! connects to an address that passed. So a later change of the name (DNS rebinding) has no effect.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tower_service::Service;

use super::address::Reach;
use super::received::Bounded;
use super::resolve::Resolve;
use super::rule::{Rule, literal};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// The name resolves to an address that was not granted.
    #[error("the name resolves to {0}, which is not granted")]
    Prohibited(IpAddr),
    #[error("the name resolves to no address")]
    NoAddress,
    #[error("failed to resolve the name: {0}")]
    Name(#[source] io::Error),
    #[error("failed to connect: {0}")]
    Refused(#[source] io::Error),
    #[error("connect timed out")]
    Overdue,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Opens connections to one host. The runtime that it was created with does the work.
#[derive(Clone)]
pub(super) struct Connector {
    resolver: Arc<dyn Resolve>,
    reach: Arc<Reach>,
    /// The port of the rule.
    port: u16,
    /// Time limit for all addresses together.
    limit: Duration,
    runtime: Handle,
}

impl Connector {
    pub(super) fn new(rule: &Rule, limit: Duration, resolver: Arc<dyn Resolve>, runtime: Handle) -> Self {
        Self { resolver, reach: Arc::new(rule.reach.clone()), port: rule.port, limit, runtime }
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<Bounded>, ConnectError> {
        let host = uri.host().unwrap_or_default();
        let found = match literal(host) {
            Some(address) => vec![address],
            None => self.resolver.resolve(host).await.map_err(ConnectError::Name)?,
        };
        let (allowed, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| self.reach.allows(*address));
        let mut failure = others.first().map_or(ConnectError::NoAddress, |address| ConnectError::Prohibited(*address));
        // One address must not use up the time of the others.
        let share = self.limit / u32::try_from(allowed.len().max(1)).unwrap_or(u32::MAX);
        for address in allowed {
            match timeout(share, TcpStream::connect(SocketAddr::new(address, self.port))).await {
                Ok(Ok(stream)) => {
                    // Without it the end of a small request waits for an acknowledgement. If it fails, requests are
                    // only slower.
                    let _ = stream.set_nodelay(true);
                    return Ok(TokioIo::new(Bounded::new(stream)));
                }
                Ok(Err(error)) => failure = ConnectError::Refused(error),
                Err(_) => failure = ConnectError::Overdue,
            }
        }
        Err(failure)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Bounded>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = AbortOnDropHandle::new(self.runtime.spawn(self.clone().connect(uri)));
        Box::pin(async move { Ok(connecting.await??) })
    }
}

/// Limits the time of a connection, from name resolution to the end of the TLS handshake.
#[derive(Clone)]
pub(super) struct Timed {
    inner: HttpsConnector<Connector>,
    limit: Duration,
}

impl Timed {
    pub(super) fn new(connector: Connector, tls: Arc<ClientConfig>, limit: Duration) -> Self {
        Self { inner: HttpsConnector::from((connector, tls)), limit }
    }
}

impl Service<Uri> for Timed {
    type Response = <HttpsConnector<Connector> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connected = timeout(self.limit, self.inner.call(uri));
        Box::pin(async move { connected.await.unwrap_or_else(|_| Err(ConnectError::Overdue.into())) })
    }
}
