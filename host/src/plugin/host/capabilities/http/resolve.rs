//! Name resolution.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::Semaphore;

/// Resolves names to addresses.
pub(super) trait Resolve: Send + Sync {
    /// Returns the addresses of `host`, in the order in which they are tried.
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// Concurrent resolutions of one plugin. A resolution cannot be cancelled: if nobody waits for it any more, it still
/// uses a thread until the system gives up.
const AT_ONCE: usize = 8;

/// The resolver of the system: `/etc/hosts`, DNS, or what the system is configured to use.
pub(super) struct System(Arc<Semaphore>);

impl System {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Resolve for System {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let (questions, host) = (Arc::clone(&self.0), host.to_owned());
        Box::pin(async move {
            let question = questions.acquire_owned().await.map_err(io::Error::other)?;
            let ask = move || {
                let _question = question;
                let found = (&*host, 0).to_socket_addrs()?;
                Ok(found.map(|address| address.ip()).collect())
            };
            tokio::task::spawn_blocking(ask).await.map_err(io::Error::other)?
        })
    }
}
