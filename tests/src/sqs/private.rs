//! A server for one test, behind a gate. The test can pause it.

use std::net::Ipv4Addr;
use std::ops::Deref;

use rustix::process::Signal;

use super::server::{SERVER, is_up, java};
use super::{Sqs, at};
use crate::local::{Local, free_port};
use crate::servers::Site;
use crate::{Gate, Need, servers};

/// ElasticMQ 1.7.1 that is reached in two ways. The kit's own client connects directly to the server (this is an
/// [`Sqs`]). Clients with the address [`Private::through`] use the gate. Its data is in memory only, so it cannot be
/// stopped, only paused.
pub struct Private {
    sqs: Sqs,
    gate: Gate,
    server: Local,
}

/// Starts a server for this test; it ends with the test.
///
/// # Errors
/// [`Need::Missing`] if there is no Java, or if its jars are not available.
///
/// # Panics
/// The server does not start.
pub async fn private() -> Result<Private, Need> {
    let machine = servers::java(&SERVER)?;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let port = free_port();
    let site = Site { folder: folder.path().to_owned(), port, inner_port: 0 };
    let arguments = java(&site, &machine).unwrap_or_else(|failure| panic!("{failure}"));
    let command = move || {
        let mut command = machine.command();
        command.args(&arguments);
        command
    };
    let endpoint = format!("http://{}:{port}", Ipv4Addr::LOCALHOST);
    let gate = Gate::before(&endpoint).await;
    let mut server = Local::new(SERVER.title, folder, Signal::TERM, command, move || is_up(port));
    server.start().await;
    Ok(Private { sqs: at(endpoint), gate, server })
}

impl Private {
    /// Returns the address for clients that use the gate.
    pub fn through(&self) -> String {
        self.gate.endpoint()
    }

    /// Returns the gate.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Stops its process (SIGSTOP); its connections stay open.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Continues its process (SIGCONT).
    pub fn resume(&self) {
        self.server.resume();
    }
}

impl Deref for Private {
    type Target = Sqs;

    fn deref(&self) -> &Sqs {
        &self.sqs
    }
}
