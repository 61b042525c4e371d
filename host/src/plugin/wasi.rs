//! WASI 0.2 with nothing in it: no files, no sockets, no environment, no arguments; the [clocks](super::clock) in steps of a
//! millisecond, randomness in bounded amounts, standard output and standard error into the log.

use std::pin::Pin;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use super::clock::TimeOfDay;
use super::logs::{Sink, Stream};

/// The most random bytes in one call.
const RANDOM: u64 = 64 << 10;

/// A context that grants nothing.
pub(super) fn context(logs: &Sink) -> WasiCtx {
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

/// A standard stream that becomes lines of the log.
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

    /// Of WASI 0.3, which is not linked.
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
