//! The signals that stop a host, and the signal to reload its files.

use std::fmt;

use tokio::signal::unix::{self, SignalKind};

/// A signal that asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, from a terminal.
    Interrupt,
    /// SIGTERM, from a supervisor.
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

/// Receives the signals of the process that stop it. Signals from the creation on are received, also while no task
/// waits for one.
///
/// A command uses one receiver from start to end. With one for the start and another for the run, a signal between them
/// would be lost and the process would not stop.
pub struct Signals(Option<[unix::Signal; 2]>);

impl Signals {
    /// Starts receiving; from now on the signals no longer end the process. Must be called in a tokio runtime.
    pub fn listen() -> Self {
        let both = unix::signal(SignalKind::interrupt()).and_then(|interrupt| {
            let terminate = unix::signal(SignalKind::terminate())?;
            Ok([interrupt, terminate])
        });
        // If no handler can be installed, the signals still end the process.
        Self(both.ok())
    }

    /// Returns the next signal. Cancel-safe.
    pub async fn next(&mut self) -> Signal {
        let Some([interrupt, terminate]) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
        }
    }
}

/// Receives SIGHUP from the creation on. Several at once count as one.
pub struct Hangups(Option<unix::Signal>);

impl Hangups {
    /// Starts receiving; from now on SIGHUP no longer ends the process. Must be called in a tokio runtime.
    pub fn listen() -> Self {
        Self(unix::signal(SignalKind::hangup()).ok())
    }

    /// Returns after the next SIGHUP. Cancel-safe.
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
