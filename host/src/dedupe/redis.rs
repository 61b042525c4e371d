//! A store in Redis: a key for each id, which the server removes when the window is over.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ServerErrorKind};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Address, Error, Key, chain};

pub(super) struct Redis {
    client: Client,
    shown: Box<str>,
    window: Duration,
    timeout: Duration,
    /// One connection for all callers, who do not wait for each other on it; none while the server is away. The
    /// library's own manager of connections keeps the error of a server that is still loading its data for ever.
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Redis {
    pub(super) async fn open(address: &Address, window: Duration, timeout: Duration) -> Result<Self, Error> {
        let shown: Box<str> = address.to_string().into();
        // The url was parsed before; its error could show a part of it.
        let client = Client::open(address.url())
            .map_err(|_| Error::Refused { store: shown.clone(), reason: "its url is not understood".into() })?;
        let redis = Self { client, shown, window, timeout, connection: Mutex::new(None) };
        redis.ask::<()>(redis::pipe().cmd("PING").ignore()).await?;
        Ok(redis)
    }

    pub(super) async fn seen(&self, keys: &[Key]) -> Result<Vec<bool>, Error> {
        let mut pipe = redis::pipe();
        let mget = pipe.cmd("MGET");
        for key in keys {
            mget.arg(name(key));
        }
        let (found,): (Vec<Option<redis::Value>>,) = self.ask(&pipe).await?;
        if found.len() != keys.len() {
            let reason = format!("{} answers for {} ids", found.len(), keys.len());
            return Err(Error::Unavailable { store: self.shown.clone(), reason: reason.into() });
        }
        Ok(found.iter().map(Option::is_some).collect())
    }

    pub(super) async fn record(&self, keys: &[Key]) -> Result<(), Error> {
        let mut pipe = redis::pipe();
        let window = u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX).max(1);
        for key in keys {
            pipe.cmd("SET").arg(name(key)).arg(1).arg("PX").arg(window).ignore();
        }
        self.ask(&pipe).await
    }

    /// Sends the commands and reads the answers, connecting first where there is no connection.
    async fn ask<T: redis::FromRedisValue>(&self, pipe: &redis::Pipeline) -> Result<T, Error> {
        let asked = async {
            let mut connection = self.connect().await?;
            pipe.query_async(&mut connection).await
        };
        let answer = match timeout(self.timeout, asked).await {
            Ok(answer) => answer.map_err(|error| self.error(&error)),
            Err(_) => Err(self.unavailable(format!("no answer in {:?}", self.timeout))),
        };
        if answer.is_err() {
            // It may be broken, or lead to a server that was replaced by another; a new one costs little.
            *self.connection.lock().await = None;
        }
        answer
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        let new = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(connection.insert(new).clone())
    }

    fn unavailable(&self, reason: String) -> Error {
        Error::Unavailable { store: self.shown.clone(), reason: reason.into() }
    }

    fn error(&self, error: &RedisError) -> Error {
        use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly, TryAgain};
        let reason = chain(error);
        match error.kind() {
            ErrorKind::Io
            | ErrorKind::Parse
            | ErrorKind::Server(BusyLoading | ClusterDown | MasterDown | ReadOnly | TryAgain) => {
                self.unavailable(reason)
            }
            _ => Error::Refused { store: self.shown.clone(), reason: reason.into() },
        }
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
