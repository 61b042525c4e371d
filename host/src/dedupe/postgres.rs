//! An event-id store in PostgreSQL: a row for each id, removed in groups after the window.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use tokio::time::{Instant, timeout};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Address, Error, Key};
use crate::server::{chain, tls};

/// Connections of one host. A transaction waits for the server's disk, and concurrent ones share one wait.
const CONNECTIONS: usize = 4;

/// Minimum time between two removals of old rows.
const PRUNE_INTERVAL: Duration = Duration::from_secs(1);

/// Minimum number of rows for one removal.
const PRUNE: u64 = 1_000;

/// Creates the table only if it is missing, so that a user without that permission can use an existing one. The lock is for
/// hosts that start at the same time.
const MAKE_TABLE: &str = "\
    DO $$ BEGIN \
        IF to_regclass('cofferdam_seen') IS NULL THEN \
            PERFORM pg_advisory_xact_lock(7164016251927389027); \
            CREATE TABLE IF NOT EXISTS cofferdam_seen (key bytea PRIMARY KEY, expires timestamptz NOT NULL); \
            CREATE INDEX IF NOT EXISTS cofferdam_seen_expires ON cofferdam_seen (expires); \
        END IF; \
    END $$";

const SEEN: &str = "SELECT key FROM cofferdam_seen WHERE key = ANY($1) AND expires > now()";

/// Each row contains the end of its window, because services with other windows may share the table.
const RECORD: &str = "\
    INSERT INTO cofferdam_seen (key, expires) SELECT key, now() + make_interval(secs => $2) FROM unnest($1) AS key \
    ON CONFLICT (key) DO UPDATE SET expires = excluded.expires";

/// Skips rows that another host is removing or recording again.
const REMOVE: &str = "\
    DELETE FROM cofferdam_seen WHERE key IN (\
        SELECT key FROM cofferdam_seen WHERE expires <= now() ORDER BY expires LIMIT $1 FOR UPDATE SKIP LOCKED)";

pub(super) struct Postgres {
    pool: Pool,
    shown: Box<str>,
    window: Duration,
    timeout: Duration,
    recorded: Mutex<Recorded>,
}

/// Number of rows recorded since the last removal. A removal takes up to twice this number, and at least [`PRUNE`].
struct Recorded {
    rows: u64,
    removed_at: Instant,
}

impl Postgres {
    pub(super) async fn open(address: &Address, window: Duration, timeout: Duration) -> Result<Self, Error> {
        let shown: Box<str> = address.to_string().into();
        let refused = |reason: String| Error::Refused { store: shown.clone(), reason: reason.into() };
        // The url was parsed before; the error could show a part of it.
        let mut config: tokio_postgres::Config = address.url().parse().map_err(|_| refused("invalid url".into()))?;
        config.connect_timeout(timeout).tcp_user_timeout(timeout);
        if config.get_application_name().is_none() {
            config.application_name("cofferdam");
        }
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config, MakeRustlsConnect::new(tls().map_err(refused)?), manager);
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(timeout))
            .create_timeout(Some(timeout))
            .recycle_timeout(Some(timeout))
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let recorded = Mutex::new(Recorded { rows: 0, removed_at: Instant::now() });
        let postgres = Self { pool, shown, window, timeout, recorded };
        postgres.with(async |client| client.batch_execute(MAKE_TABLE).await).await?;
        Ok(postgres)
    }

    pub(super) async fn seen(&self, keys: &[Key]) -> Result<Vec<bool>, Error> {
        let asked = bytes(keys);
        let rows = self.with(async |client| client.query_typed(SEEN, &[(&asked, Type::BYTEA_ARRAY)]).await).await?;
        let found: Result<HashSet<&[u8]>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        let found = found.map_err(|error| self.error(&error))?;
        Ok(keys.iter().map(|key| found.contains(&key.0[..])).collect())
    }

    pub(super) async fn record(&self, keys: &[Key]) -> Result<(), Error> {
        let (new, window) = (bytes(keys), self.window.as_secs_f64());
        let record = async |client: &Client| {
            client.execute_typed(RECORD, &[(&new, Type::BYTEA_ARRAY), (&window, Type::FLOAT8)]).await
        };
        self.with(record).await?;
        if let Some(rows) = self.due(keys.len() as u64) {
            let rows = i64::try_from(rows).unwrap_or(i64::MAX);
            let removed = self.with(async |client| client.execute_typed(REMOVE, &[(&rows, Type::INT8)]).await).await;
            if let Err(error) = removed {
                // The ids are recorded. The old rows are removed another time.
                tracing::warn!(%error, "failed to remove old event ids");
            }
        }
        Ok(())
    }

    /// Counts recorded rows, and returns how many old rows to remove if it is time to.
    fn due(&self, rows: u64) -> Option<u64> {
        let mut recorded = self.recorded.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        recorded.rows += rows;
        if recorded.removed_at.elapsed() < PRUNE_INTERVAL {
            return None;
        }
        let due = recorded.rows.saturating_mul(2).max(PRUNE);
        *recorded = Recorded { rows: 0, removed_at: Instant::now() };
        Some(due)
    }

    /// Runs the work on a connection of the pool. A connection that did not answer in time is closed.
    async fn with<T>(&self, work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>) -> Result<T, Error> {
        let client = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => self.error(&error),
            error => self.unavailable(chain(&error)),
        })?;
        match timeout(self.timeout, work(&client)).await {
            Ok(done) => done.map_err(|error| self.error(&error)),
            Err(_) => {
                drop(Object::take(client));
                Err(self.unavailable(format!("no answer within {:?}", self.timeout)))
            }
        }
    }

    fn unavailable(&self, reason: String) -> Error {
        Error::Unavailable { store: self.shown.clone(), reason: reason.into() }
    }

    fn error(&self, error: &tokio_postgres::Error) -> Error {
        let reason = chain(error);
        match error.code() {
            Some(code) if !is_temporary(code) => Error::Refused { store: self.shown.clone(), reason: reason.into() },
            _ => self.unavailable(reason),
        }
    }
}

/// Whether the error is temporary: connection faults, transaction conflicts, lack of resources, a server that starts, stops
/// or is read-only.
fn is_temporary(code: &SqlState) -> bool {
    ["08", "25", "40", "53", "55", "57", "58"].iter().any(|class| code.code().starts_with(class))
}

fn bytes(keys: &[Key]) -> Vec<&[u8]> {
    keys.iter().map(|key| &key.0[..]).collect()
}
