//! The signals that stop a host, and the signal to reload its files.

use std::fmt;

use tokio::signal::unix::{self, SignalKind};

/// A signal that asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: somebody at a terminal.
    Interrupt,
    /// SIGTERM: a supervisor.
    Terminate,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Hears the signals of the process: each of them from the moment it was made, also while nobody waits for one.
///
/// There is one for all that a command does. Were there one for its start and another for its run, a signal between the
/// two would be heard by neither, and the process would live on as if nobody had said anything.
pub struct Signals(Option<[unix::Signal; 2]>);

impl Signals {
    /// From now on the process no longer ends by itself on them. Must be called within a tokio runtime.
    pub fn listen() -> Self {
        let both = unix::signal(SignalKind::interrupt()).and_then(|interrupt| {
            let terminate = unix::signal(SignalKind::terminate())?;
            Ok([interrupt, terminate])
        });
        // No handler can be had: the signals keep ending the process at once.
        Self(both.ok())
    }

    /// The next one. Nothing is missed where the future is dropped.
    pub async fn next(&mut self) -> Signal {
        let Some([interrupt, terminate]) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
        }
    }
}

/// Hears SIGHUP: each from the moment it was made, several as one.
pub struct Hangups(Option<unix::Signal>);

impl Hangups {
    /// From now on the process no longer ends on it. Must be called within a tokio runtime.
    pub fn listen() -> Self {
        Self(unix::signal(SignalKind::hangup()).ok())
    }

    /// The next one. Nothing is missed where the future is dropped.
    pub async fn next(&mut self) {
        match &mut self.0 {
            Some(hangup) => drop(hangup.recv().await),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal as Number, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn a_signal_that_comes_while_nobody_waits_is_heard() {
        let mut signals = Signals::listen();
        drop(Box::pin(signals.next()));
        kill_process(getpid(), Number::TERM).unwrap();
        assert_eq!(signals.next().await, Signal::Terminate);
    }
}
