//! Redis, a server of the test alone. Every write is on its disk before it answers, so a stop loses nothing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::local::{Local, free_port};
use crate::{Need, program};

/// A server that can be stopped and started again on the same port and data.
pub struct Redis {
    port: u16,
    server: Local,
}

/// A server of the test's own, from the Debian package `redis-server`.
///
/// # Errors
/// [`Need::Missing`] where the machine has none.
///
/// # Panics
/// Where it does not come up.
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

/// Whether it has loaded its data.
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
    /// `redis://:password@host:port`.
    pub fn url(&self) -> String {
        format!("redis://:kit@127.0.0.1:{}", self.port)
    }

    /// Ends it in order. Its data stays.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// Starts it again and waits until it answers.
    pub async fn start(&mut self) {
        self.server.start().await;
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
