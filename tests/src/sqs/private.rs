//! A server of one test alone, that can stand still, behind a gate.

use std::net::Ipv4Addr;
use std::ops::Deref;

use rustix::process::Signal;

use super::server::{SERVER, is_up, java};
use super::{Sqs, at};
use crate::local::{Local, free_port};
use crate::servers::Site;
use crate::{Gate, Need, servers};

/// ElasticMQ 1.7.1 with two ways in: the kit's own client (it is an [`Sqs`]) goes straight to the server, and what is told
/// [`Private::through`] goes through the gate. Its data is in memory only: it cannot be stopped, only paused.
pub struct Private {
    sqs: Sqs,
    gate: Gate,
    server: Local,
}

/// A server of the test's own; it ends with the test.
///
/// # Errors
/// [`Need::Missing`] where there is no Java, or its jars cannot be had.
///
/// # Panics
/// Where it does not come up.
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
    /// The address for those who are to feel the faults of the gate.
    pub fn through(&self) -> String {
        self.gate.endpoint()
    }

    /// The gate.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Lets it stand still, with its connections open.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Lets it go on.
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
