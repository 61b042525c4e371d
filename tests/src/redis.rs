//! Redis, as a server for one test. It writes each change to disk before it answers, so a stop loses nothing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::local::{Local, free_port};
use crate::{Need, program};

/// A server that can be stopped, and started again with the same port and data.
pub struct Redis {
    port: u16,
    server: Local,
}

/// Starts a server for this test, from the Debian package `redis-server`.
///
/// # Errors
/// [`Need::Missing`] if the package is not installed.
///
/// # Panics
/// The server does not start.
pub async fn redis() -> Result<Redis, Need> {
    let program = program("redis-server")?;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (path, port) = (folder.path().to_owned(), free_port());
    let command = move || {
        let mut command = Command::new(&program);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(&path);
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "kit"]);
        command
    };
    let mut server = Local::new("redis-server", folder, Signal::TERM, command, move || answers(port));
    server.start().await;
    Ok(Redis { port, server })
}

/// Returns whether the server has loaded its data.
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        connection.write_all(b"AUTH kit\r\nPING\r\nQUIT\r\n")?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"+OK\r\n+PONG\r\n"))
}

impl Redis {
    /// Returns `redis://:password@host:port`.
    pub fn url(&self) -> String {
        format!("redis://:kit@127.0.0.1:{}", self.port)
    }

    /// Stops the server in order. Its data stays.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// Starts the server again and waits until it answers.
    pub async fn start(&mut self) {
        self.server.start().await;
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
