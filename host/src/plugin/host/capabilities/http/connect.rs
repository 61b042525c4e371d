//! Connections to the very addresses that were checked: a name is resolved once for each connection, its addresses are
//! checked, and one that passed is connected to. What the name leads to a moment later does not matter.

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
    /// What it leads to was not granted.
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

/// Opens connections to one host. Its work is done on the runtime that it was made for.
#[derive(Clone)]
pub(super) struct Connector {
    resolver: Arc<dyn Resolve>,
    reach: Arc<Reach>,
    /// The rule's.
    port: u16,
    /// For all of its addresses.
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
        // None of them may use up the time of the others.
        let share = self.limit / u32::try_from(allowed.len().max(1)).unwrap_or(u32::MAX);
        for address in allowed {
            match timeout(share, TcpStream::connect(SocketAddr::new(address, self.port))).await {
                Ok(Ok(stream)) => {
                    // Without it the end of a small request waits for an acknowledgement; nothing depends on it.
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

/// A limit on the time that a connection takes, from the name to the end of the TLS handshake.
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
