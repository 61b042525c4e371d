//! From a name to addresses.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::Semaphore;

/// Answers for the addresses of a name.
pub(super) trait Resolve: Send + Sync {
    /// The addresses of `host`, in the order in which they are to be tried.
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// Questions to the system at the same time, for one plugin. A question cannot be taken back: one that nobody waits for
/// any more still has its thread until the system gives up.
const AT_ONCE: usize = 8;

/// The resolver of the system: `/etc/hosts`, DNS, whatever it is set to.
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
