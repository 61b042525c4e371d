//! PostgreSQL, as a server for one test.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::local::{Local, Nobody, free_port};
use crate::{Need, program};

/// A server that can be stopped, and started again with the same port and data.
pub struct Postgres {
    port: u16,
    server: Local,
}

/// Starts a server for this test, from the Debian package `postgresql`.
///
/// # Errors
/// [`Need::Missing`] if the package is not installed.
///
/// # Panics
/// The server does not start.
pub async fn postgres() -> Result<Postgres, Need> {
    let programs = programs()?;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (path, port) = (folder.path().to_owned(), free_port());
    // PostgreSQL refuses to run as root.
    let nobody = Nobody::find(&["postgres", "nobody"]);
    let password = path.join("password");
    fs::write(&password, "kit\n").expect("the folder is ours");
    if let Some(nobody) = &nobody {
        nobody.own(&password);
        nobody.own(&path);
    }
    let prepare = move |program: &str| {
        let mut command = Command::new(programs.join(program));
        // That user may not have access to the current folder.
        command.current_dir(&path).arg("-D").arg(path.join("data"));
        if let Some(nobody) = &nobody {
            nobody.run(&mut command);
        }
        command
    };
    let mut make = prepare("initdb");
    make.args(["--no-sync", "--auth=scram-sha-256", "--username=kit", "--encoding=UTF8", "--locale=C", "--pwfile"]);
    make.arg(password).stdin(Stdio::null());
    let made = make.output().unwrap_or_else(|error| panic!("initdb: {error}"));
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    let command = move || {
        let mut command = prepare("postgres");
        command.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        command.args(["-c", "fsync=off", "-c", "shared_buffers=16MB"]);
        command
    };
    // It listens before it is ready, so ask whether it is ready.
    let answers = move || {
        let mut ask = Command::new("psql");
        ask.args(["-X", "-q", "-c", "SELECT 1", &url(port)]).stdin(Stdio::null());
        ask.output().is_ok_and(|output| output.status.success())
    };
    let mut server = Local::new("postgres", folder, Signal::INT, command, answers);
    server.start().await;
    Ok(Postgres { port, server })
}

/// Returns the folder with the programs of the newest version. Debian does not put all of them in `PATH`.
fn programs() -> Result<PathBuf, Need> {
    program("psql").map_err(|_| Need::Missing("no `psql` in PATH (Debian: apt-get install postgresql)".to_owned()))?;
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = versions.filter(|path| path.join("bin/initdb").is_file()).max_by_key(version);
    if let Some(newest) = newest {
        return Ok(newest.join("bin"));
    }
    let initdb =
        program("initdb").map_err(|_| Need::Missing("no postgres (Debian: apt-get install postgresql)".to_owned()))?;
    Ok(initdb.parent().expect("a file stands in a folder").to_owned())
}

fn url(port: u16) -> String {
    format!("postgresql://kit:kit@127.0.0.1:{port}/postgres")
}

impl Postgres {
    /// Returns `postgresql://user:password@host:port/database`.
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// Runs a statement and returns what `psql` prints: a line for each row, columns separated by `|`.
    ///
    /// # Panics
    /// The server refuses the statement; the message contains its error.
    pub fn sql(&self, statement: &str) -> String {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-c", statement, &self.url()]).stdin(Stdio::null());
        let output = psql.output().expect("psql can be started");
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Stops the server in order: transactions are rolled back, connections closed. Its data stays.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// Starts the server again and waits until it answers.
    pub async fn start(&mut self) {
        self.server.start().await;
    }
}
