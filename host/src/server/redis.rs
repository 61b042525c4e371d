//! One connection to a Redis server, shared by all callers, and opened again when it is lost.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, Pipeline, RedisError, ServerErrorKind};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::{Address, Error, chain};

/// A server, and the connection to it.
pub(crate) struct Redis {
    client: Client,
    shown: Box<str>,
    timeout: Duration,
    /// The runtime of the connection. Callers may be on runtimes without I/O.
    runtime: Handle,
    /// The connection that all callers share without waiting for each other; `None` while the server is unreachable. The
    /// connection manager of the library is no alternative: it keeps the error of a server that is still loading its data.
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Redis {
    /// Connects to the server at `address` and checks that it answers. Each call may take at most `timeout`, connecting
    /// included. The current runtime does the I/O.
    pub(crate) async fn open(address: &Address, timeout: Duration) -> Result<Self, Error> {
        let shown: Box<str> = address.to_string().into();
        // The url was parsed before; the error could show a part of it.
        let client = Client::open(address.url())
            .map_err(|_| Error::Refused { store: shown.clone(), reason: "invalid url".into() })?;
        let redis = Self { client, shown, timeout, runtime: Handle::current(), connection: Mutex::new(None) };
        redis.ask::<()>(redis::pipe().cmd("PING").ignore()).await?;
        Ok(redis)
    }

    /// Sends the commands and reads the answers. Connects first if there is no connection. After an error it is unknown
    /// which commands were carried out.
    pub(crate) async fn ask<T: FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, Error> {
        let asked = async {
            let mut connection = self.connect().await?;
            pipe.query_async(&mut connection).await
        };
        let answer = match timeout(self.timeout, asked).await {
            Ok(answer) => answer.map_err(|error| self.error(&error)),
            Err(_) => Err(self.unavailable(format!("no answer within {:?}", self.timeout))),
        };
        if answer.is_err() {
            // The connection may be broken, or lead to a server that was replaced; a new one costs little.
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
        let client = self.client.clone();
        let connecting =
            self.runtime.spawn(async move { client.get_multiplexed_async_connection_with_config(&config).await });
        let stopped = |_| RedisError::from(std::io::Error::other("the host is stopping"));
        let new = AbortOnDropHandle::new(connecting).await.map_err(stopped)??;
        Ok(connection.insert(new).clone())
    }

    /// The error for a server that did not carry out the call for this reason.
    pub(crate) fn unavailable(&self, reason: String) -> Error {
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
