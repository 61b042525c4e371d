//! WASI 0.2 without access to anything: no files, sockets, environment or arguments. The time of day has a resolution
//! of a millisecond (the monotonic clock is in [`clock`](crate::plugin::host::capabilities::wasi::clock)), random bytes
//! are limited per call, and standard output and standard error go to the log.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::clocks::HostWallClock;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use crate::plugin::host::logs::{Sink, Stream};

/// Resolution of the guest's clocks: too coarse to measure the effects of CPU caches.
pub(in crate::plugin) const STEP: Duration = Duration::from_millis(1);

/// Maximum number of random bytes per call.
const RANDOM: u64 = 64 << 10;

/// A context that grants nothing.
pub(in crate::plugin) fn context(logs: &Sink) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(Lines(logs.clone(), Stream::Output))
        .stderr(Lines(logs.clone(), Stream::Error))
        .wall_clock(TimeOfDay)
        .max_random_size(RANDOM)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// The time of day, rounded down to [`STEP`].
struct TimeOfDay;

impl HostWallClock for TimeOfDay {
    fn resolution(&self) -> Duration {
        STEP
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A standard stream whose lines go to the log.
#[derive(Clone)]
struct Lines(Sink, Stream);

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// Belongs to WASI 0.3, which is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.lock().write(self.1, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl Pollable for Lines {
    fn ready<'this, 'future>(&'this mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'future>>
    where
        'this: 'future,
        Self: 'future,
    {
        Box::pin(std::future::ready(()))
    }
}
