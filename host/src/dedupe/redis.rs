//! An event-id store in Redis: a key for each id, which expires after the window.

use std::time::Duration;

use super::{Address, Error, Key};
use crate::server;

pub(super) struct Redis {
    server: server::Redis,
    window: Duration,
}

impl Redis {
    pub(super) async fn open(address: &Address, window: Duration, timeout: Duration) -> Result<Self, Error> {
        Ok(Self { server: server::Redis::open(address, timeout).await?, window })
    }

    pub(super) async fn seen(&self, keys: &[Key]) -> Result<Vec<bool>, Error> {
        let mut pipe = redis::pipe();
        let mget = pipe.cmd("MGET");
        for key in keys {
            mget.arg(name(key));
        }
        let (found,): (Vec<Option<redis::Value>>,) = self.server.ask(&pipe).await?;
        if found.len() != keys.len() {
            return Err(self.server.unavailable(format!("got {} answers for {} ids", found.len(), keys.len())));
        }
        Ok(found.iter().map(Option::is_some).collect())
    }

    pub(super) async fn record(&self, keys: &[Key]) -> Result<(), Error> {
        let mut pipe = redis::pipe();
        let window = u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX).max(1);
        for key in keys {
            pipe.cmd("SET").arg(name(key)).arg(1).arg("PX").arg(window).ignore();
        }
        self.server.ask(&pipe).await
    }
}

/// `cofferdam:seen:` and the key in hexadecimal digits.
fn name(key: &Key) -> String {
    use std::fmt::Write;
    let mut name = String::with_capacity(47);
    name.push_str("cofferdam:seen:");
    for byte in key.0 {
        write!(name, "{byte:02x}").expect("a string takes all text");
    }
    name
}
